//! When a service wants to be asked again: `Retry-After` (RFC 9110 section 10.2.3).

/// The longest wait that is passed on, in seconds: a day. A service that says more is asked once a day.
const LONGEST_S: u64 = 24 * 60 * 60;

/// Milliseconds to wait before the next attempt, from `Retry-After` in seconds or as a date. A date counts from the answer's own `Date`, because
/// clocks differ; without one it is not understood. At most a day.
///
/// ```
/// use postrider_connector::http::retry_after_ms;
///
/// let seconds = [("retry-after".to_owned(), "120".to_owned())];
/// assert_eq!(retry_after_ms(&seconds), Some(120_000));
///
/// let date = [
///     ("date".to_owned(), "Sun, 06 Nov 1994 08:49:37 GMT".to_owned()),
///     ("retry-after".to_owned(), "Sun, 06 Nov 1994 08:50:07 GMT".to_owned()),
/// ];
/// assert_eq!(retry_after_ms(&date), Some(30_000));
/// ```
#[must_use]
pub fn retry_after_ms(headers: &[(String, String)]) -> Option<u64> {
    let header = |name: &str| headers.iter().find(|(header, _)| header.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim());
    let value = header("retry-after")?;
    let seconds = if !value.is_empty() && value.bytes().all(|octet| octet.is_ascii_digit()) {
        // A number that is too great for any type is a long time.
        value.parse().unwrap_or(u64::MAX)
    } else {
        date(value)?.saturating_sub(date(header("date")?)?)
    };
    Some(seconds.min(LONGEST_S) * 1_000)
}

/// Seconds from 1970 of an IMF-fixdate (RFC 9110 section 5.6.7); the two obsolete forms, which nobody may send, are not understood.
fn date(text: &str) -> Option<u64> {
    let (_, text) = text.split_once(", ")?;
    let mut words = text.split(' ');
    let mut word = || words.next();
    let (day, month, year, time, zone) = (word()?, word()?, word()?, word()?, word()?);
    if words.next().is_some() || zone != "GMT" || day.len() != 2 || year.len() != 4 {
        return None;
    }
    let number = |text: &str| text.bytes().all(|octet| octet.is_ascii_digit()).then(|| text.parse::<u64>().ok()).flatten();
    let month =
        ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"].iter().position(|name| *name == month)? as u64;
    let mut clock = time.split(':').map(|part| number(part).filter(|_| part.len() == 2));
    let (hour, minute, second) = (clock.next()??, clock.next()??, clock.next()??);
    let (day, year) = (number(day)?, number(year)?);
    if clock.next().is_some() || year < 1970 || !(1..=31).contains(&day) || hour > 23 || minute > 59 || second > 60 {
        return None;
    }
    // Years that begin in March have their leap day at the end.
    let (shifted_year, shifted_month) = if month < 2 { (year - 1, month + 10) } else { (year, month - 2) };
    let days = 365 * shifted_year + shifted_year / 4 - shifted_year / 100 + shifted_year / 400 + (153 * shifted_month + 2) / 5 + day - 1;
    // Of the first of March of the year 0.
    let days = days.checked_sub(719_468)?;
    Some(((days * 24 + hour) * 60 + minute) * 60 + second)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_those_of_the_calendar() {
        let known = [
            ("Thu, 01 Jan 1970 00:00:00 GMT", 0),
            ("Sun, 06 Nov 1994 08:49:37 GMT", 784_111_777),
            ("Tue, 29 Feb 2000 12:00:00 GMT", 951_825_600),
            ("Wed, 01 Mar 2000 00:00:00 GMT", 951_868_800),
            ("Fri, 31 Dec 2100 23:59:60 GMT", 4_133_980_800),
        ];
        for (text, seconds) in known {
            assert_eq!(date(text), Some(seconds), "{text}");
        }
    }

    #[test]
    fn what_is_no_date_is_no_hint() {
        let wrong = [
            "",
            "soon",
            "Sun, 06 Nov 1994",
            "Sun, 6 Nov 1994 08:49:37 GMT",
            "Sun, 06 Nov 1994 08:49:37 CET",
            "Sun, 06 Nov 94 08:49:37 GMT",
        ];
        for text in wrong.into_iter().chain([
            "Sunday, 06-Nov-94 08:49:37 GMT",
            "Sun, 06 Nov 1994 08:49:37 GMT GMT",
            "Sun, 32 Nov 1994 08:49:37 GMT",
        ]) {
            assert_eq!(date(text), None, "{text}");
        }
    }

    #[test]
    fn hints_are_bounded() {
        let hint = |value: &str, date: Option<&str>| {
            let date = date.map(|date| ("Date".to_owned(), date.to_owned()));
            retry_after_ms(&[Some(("Retry-After".to_owned(), value.to_owned())), date].into_iter().flatten().collect::<Vec<_>>())
        };
        let now = "Sun, 06 Nov 1994 08:49:37 GMT";
        assert_eq!(hint("0", None), Some(0));
        assert_eq!(hint("99999999999999999999999", None), Some(86_400_000));
        assert_eq!(hint("-1", None), None);
        assert_eq!(hint(now, None), None, "nothing to count from");
        assert_eq!(hint("Sun, 06 Nov 1994 08:49:38 GMT", Some(now)), Some(1_000));
        assert_eq!(hint("Sun, 06 Nov 1994 08:49:36 GMT", Some(now)), Some(0), "a time that is over");
        assert_eq!(hint("Sun, 06 Nov 2094 08:49:36 GMT", Some(now)), Some(86_400_000));
        assert_eq!(retry_after_ms(&[]), None);
    }
}
