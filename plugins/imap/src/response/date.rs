//! `INTERNALDATE` as milliseconds since 1970 (RFC 9051 section 9, `date-time`).

/// Milliseconds since 1970-01-01T00:00:00Z of `"17-Jul-1996 02:44:25 -0700"`; none where it is not such a date, or before 1970.
#[must_use]
pub fn milliseconds(text: &[u8]) -> Option<u64> {
    let text = std::str::from_utf8(text).ok()?.trim();
    let mut words = text.split_ascii_whitespace();
    let mut date = words.next()?.splitn(3, '-');
    let day: i64 = date.next()?.parse().ok()?;
    let month = month(date.next()?)?;
    let year: i64 = date.next()?.parse().ok()?;
    let mut time = words.next()?.splitn(3, ':').map(str::parse::<i64>);
    let (hour, minute, second) = (time.next()?.ok()?, time.next()?.ok()?, time.next()?.ok()?);
    if !(1..=31).contains(&day)
        || !(1..=9999).contains(&year)
        || !(0..24).contains(&hour)
        || !(0..60).contains(&minute)
        || !(0..=60).contains(&second)
    {
        return None;
    }
    let seconds = days(year, month, day) * 86_400 + hour * 3_600 + minute * 60 + second - zone(words.next()?)?;
    u64::try_from(seconds).ok()?.checked_mul(1000)
}

/// The offset of `+0200` in seconds.
fn zone(text: &str) -> Option<i64> {
    let (sign, digits) = text.split_at_checked(1)?;
    let sign = match sign {
        "+" => 1,
        "-" => -1,
        _ => return None,
    };
    if digits.len() != 4 || !digits.bytes().all(|digit| digit.is_ascii_digit()) {
        return None;
    }
    let number: i64 = digits.parse().ok()?;
    Some(sign * (number / 100 * 3_600 + number % 100 * 60))
}

fn month(name: &str) -> Option<i64> {
    const NAMES: [&str; 12] = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];
    let at = NAMES.iter().position(|month| month.eq_ignore_ascii_case(name))?;
    i64::try_from(at + 1).ok()
}

/// Days from 1970-01-01 in the Gregorian calendar, with the year begun in March so that the leap day is its last.
const fn days(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let of_era = year - era * 400;
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_dates() {
        for (text, seconds) in [
            ("01-Jan-1970 00:00:00 +0000", Some(0)),
            ("17-Jul-1996 02:44:25 -0700", Some(837_596_665)),
            (" 1-Mar-2000 00:00:00 +0100", Some(951_865_200)),
            ("29-Feb-2024 23:59:60 +0000", Some(1_709_251_200)),
            ("01-Jan-1970 00:00:00 +0100", None),
            ("17-Foo-1996 02:44:25 -0700", None),
            ("17-Jul-1996 02:44 -0700", None),
            ("17-Jul-1996 02:44:25", None),
            ("99-Jul-1996 02:44:25 +0000", None),
            ("17-Jul-1996 02:44:25 +é00", None),
            ("", None),
        ] {
            assert_eq!(milliseconds(text.as_bytes()), seconds.map(|seconds: u64| seconds * 1000), "{text}");
        }
    }
}
