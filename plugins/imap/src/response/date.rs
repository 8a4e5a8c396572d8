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

/// `"17-Jul-1996 09:44:25 +0000"`, with its quotes; none after the year 9999.
#[must_use]
pub fn quoted(milliseconds: u64) -> Option<String> {
    let seconds = milliseconds / 1000;
    let (days, second) = (i64::try_from(seconds / 86_400).ok()?, seconds % 86_400);
    // The inverse of `days`, below.
    let shifted = days + 719_468;
    let (era, of_era) = (shifted.div_euclid(146_097), shifted.rem_euclid(146_097));
    let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    let year = era * 400 + year_of_era + i64::from(month <= 2);
    let name = MONTHS.get(usize::try_from(month - 1).ok()?)?;
    (year <= 9999).then(|| format!("\"{day:02}-{name}-{year:04} {:02}:{:02}:{:02} +0000\"", second / 3_600, second / 60 % 60, second % 60))
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

const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

fn month(name: &str) -> Option<i64> {
    let at = MONTHS.iter().position(|month| month.eq_ignore_ascii_case(name))?;
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
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn what_is_written_is_read(seconds in 0u64..253_402_300_800) {
            let text = quoted(seconds * 1000 + 7).unwrap();
            prop_assert_eq!(milliseconds(text.trim_matches('"').as_bytes()), Some(seconds * 1000), "{}", text);
        }
    }

    #[test]
    fn the_year_ten_thousand_is_left_out() {
        assert_eq!(quoted(837_596_665_000).unwrap(), "\"17-Jul-1996 09:44:25 +0000\"");
        assert_eq!(quoted(253_402_300_800_000), None);
        assert_eq!(quoted(u64::MAX), None);
    }

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
