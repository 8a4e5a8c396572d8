//! What is asked of delivery status notifications (RFC 3461): the parameters of `MAIL FROM` and `RCPT TO` from the envelope's facts.

use std::fmt::Write as _;

use postrider_connector::types::{Error, Extra, Failure};

/// The most characters of ENVID and ORCPT, encoded (RFC 3461 sections 4.4 and 4.2).
const MOST: [(&str, usize); 2] = [("envid", 100), ("orcpt", 500)];

/// RET and ENVID for `MAIL FROM`, each with a space before it.
///
/// # Errors
/// `misconfigured`: a value that cannot be meant.
pub fn of_mail(extra: &Extra) -> Result<String, Error> {
    let mut parameters = String::new();
    if let Some(ret) = value(extra, "ret") {
        let ret = ret.to_ascii_uppercase();
        if !matches!(ret.as_str(), "FULL" | "HDRS") {
            return Err(wrong("ret", "full or hdrs"));
        }
        parameters.push_str(" RET=");
        parameters.push_str(&ret);
    }
    if let Some(id) = value(extra, "envid") {
        parameters.push_str(" ENVID=");
        parameters.push_str(&encoded("envid", id)?);
    }
    Ok(parameters)
}

/// NOTIFY and ORCPT for `RCPT TO`, each with a space before it.
///
/// # Errors
/// `misconfigured`: a value that cannot be meant.
pub fn of_rcpt(extra: &Extra) -> Result<String, Error> {
    let mut parameters = String::new();
    if let Some(notify) = value(extra, "notify") {
        let words: Vec<String> = notify.split(',').map(|word| word.trim().to_ascii_uppercase()).collect();
        let is_list = words.iter().all(|word| matches!(word.as_str(), "SUCCESS" | "FAILURE" | "DELAY"));
        if !is_list && words != ["NEVER"] {
            return Err(wrong("notify", "never, or some of success, failure and delay with commas"));
        }
        parameters.push_str(" NOTIFY=");
        parameters.push_str(&words.join(","));
    }
    if let Some(original) = value(extra, "orcpt") {
        // Without a type it is an address of the Internet.
        let (kind, address) = original.split_once(';').unwrap_or(("rfc822", original));
        if kind.is_empty() || !kind.bytes().all(|octet| octet.is_ascii_alphanumeric() || octet == b'-') {
            return Err(wrong("orcpt", "TYPE;ADDRESS"));
        }
        parameters.push_str(&format!(" ORCPT={kind};{}", encoded("orcpt", address)?));
    }
    Ok(parameters)
}

/// The value of the fact `name`.
#[must_use]
pub fn value<'a>(extra: &'a Extra, name: &str) -> Option<&'a str> {
    extra.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
}

/// Whether the fact `name` holds.
#[must_use]
pub fn holds(extra: &Extra, name: &str) -> bool {
    value(extra, name).is_some_and(|value| !matches!(value, "false" | "no" | "0"))
}

/// `text` as xtext (RFC 3461 section 4).
fn encoded(name: &'static str, text: &str) -> Result<String, Error> {
    if text.is_empty() || !text.is_ascii() || text.bytes().any(|octet| octet.is_ascii_control()) {
        return Err(wrong(name, "printable ASCII characters"));
    }
    let mut encoded = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '+' | '=' | ' ' => {
                let _ = write!(encoded, "+{:02X}", u32::from(c));
            }
            _ => encoded.push(c),
        }
    }
    match MOST.iter().find(|(limited, most)| *limited == name && encoded.len() > *most) {
        Some((_, most)) => Err(wrong(name, &format!("at most {most} characters"))),
        None => Ok(encoded),
    }
}

fn wrong(name: &str, takes: &str) -> Error {
    Error::new(Failure::Misconfigured, format!("`{name}` of the envelope takes {takes}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn extra(pairs: &[(&str, &str)]) -> Extra {
        pairs.iter().map(|&(name, value)| (name.to_owned(), value.to_owned())).collect()
    }

    #[test]
    fn parameters_are_written_as_the_rfc_has_them() {
        assert_eq!(of_mail(&extra(&[("ret", "hdrs"), ("envid", "QQ 314=+159")])).unwrap(), " RET=HDRS ENVID=QQ+20314+3D+2B159");
        assert_eq!(of_mail(&extra(&[("other", "x")])).unwrap(), "");
        let both = extra(&[("notify", "success, Failure"), ("orcpt", "rfc822;Bob+x@example.com")]);
        assert_eq!(of_rcpt(&both).unwrap(), " NOTIFY=SUCCESS,FAILURE ORCPT=rfc822;Bob+2Bx@example.com");
        assert_eq!(of_rcpt(&extra(&[("notify", "never"), ("orcpt", "a@b")])).unwrap(), " NOTIFY=NEVER ORCPT=rfc822;a@b");
    }

    #[test]
    fn nothing_slips_into_the_command() {
        for (name, value) in [("ret", "full\r\nDATA"), ("ret", ""), ("envid", "a\r\nb"), ("envid", ""), ("envid", "ä")] {
            assert!(of_mail(&extra(&[(name, value)])).is_err(), "{name}={value:?}");
        }
        let long = "x".repeat(501);
        for (name, value) in [
            ("notify", "never,success"),
            ("notify", ""),
            ("notify", "x\r\n"),
            ("orcpt", ";a"),
            ("orcpt", "a b;c"),
            ("orcpt", "rfc822;"),
            ("orcpt", &long),
        ] {
            assert!(of_rcpt(&extra(&[(name, value)])).is_err(), "{name}={value:?}");
        }
    }

    #[test]
    fn facts() {
        let all = extra(&[("requiretls", ""), ("smtputf8", "false")]);
        assert!(holds(&all, "requiretls") && !holds(&all, "smtputf8") && !holds(&all, "body"));
    }
}
