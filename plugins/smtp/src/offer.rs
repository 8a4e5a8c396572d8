//! What the server announced after the sign-in (RFC 5321 section 4.1.1.1), as far as this connector uses it.

use crate::settings::Settings;

/// The extensions of a server, without what the operator does not want to be used. All off where the server knows no EHLO.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "each is one extension that is there or not")]
pub struct Offer {
    /// PIPELINING (RFC 2920).
    pub pipelining: bool,
    /// SIZE (RFC 1870).
    pub size: bool,
    /// The most octets of a message; none: the server does not say, or has no limit.
    pub max_size: Option<u64>,
    /// 8BITMIME (RFC 6152).
    pub eight_bit: bool,
    /// SMTPUTF8 (RFC 6531).
    pub utf8: bool,
    /// CHUNKING (RFC 3030).
    pub chunking: bool,
    /// BINARYMIME (RFC 3030), of use with CHUNKING only.
    pub binary: bool,
    /// DSN (RFC 3461).
    pub dsn: bool,
    /// REQUIRETLS (RFC 8689).
    pub require_tls: bool,
    /// LIMITS MAILMAX (RFC 9422): messages of one line.
    pub max_messages: Option<u64>,
    /// LIMITS RCPTMAX: recipients of one message.
    pub max_recipients: Option<usize>,
    /// LIMITS RCPTDOMAINMAX: domains of one message's recipients.
    pub max_domains: Option<usize>,
}

impl Offer {
    /// From the lines of EHLO or LHLO behind the first, without reply codes.
    #[must_use]
    pub fn new(lines: &[String], settings: &Settings) -> Self {
        let mut offer = Self::default();
        for line in lines {
            let mut words = line.split_ascii_whitespace();
            let Some(keyword) = words.next().map(str::to_ascii_uppercase) else { continue };
            if settings.ignores(&keyword) {
                continue;
            }
            match keyword.as_str() {
                "PIPELINING" => offer.pipelining = true,
                "SIZE" => {
                    offer.size = true;
                    // 0: no fixed limit (RFC 1870 section 4).
                    offer.max_size = words.next().and_then(|number| number.parse().ok()).filter(|&most| most > 0);
                }
                "8BITMIME" => offer.eight_bit = true,
                "SMTPUTF8" => offer.utf8 = true,
                "CHUNKING" => offer.chunking = true,
                "BINARYMIME" => offer.binary = true,
                "DSN" => offer.dsn = true,
                "REQUIRETLS" => offer.require_tls = true,
                "LIMITS" => words.for_each(|limit| offer.limit(limit)),
                _ => {}
            }
        }
        offer.binary &= offer.chunking;
        offer
    }

    /// What the host is told.
    #[must_use]
    pub fn abilities(&self) -> Vec<String> {
        let words = [
            (self.dsn, "dsn"),
            (self.eight_bit, "8bit"),
            (self.utf8, "smtputf8"),
            (self.binary, "binarymime"),
            (self.require_tls, "requiretls"),
        ];
        let mut abilities: Vec<String> = words.iter().filter(|(is_there, _)| *is_there).map(|(_, word)| (*word).to_owned()).collect();
        abilities.extend(self.max_size.map(|most| format!("max-size={most}")));
        abilities.extend(self.max_recipients.map(|most| format!("max-recipients={most}")));
        abilities
    }

    /// `NAME=NUMBER`, at least 1 (RFC 9422 section 4).
    fn limit(&mut self, limit: &str) {
        let Some((name, number)) = limit.split_once('=') else { return };
        let Some(number) = number.parse::<u32>().ok().filter(|&number| number > 0) else { return };
        match name.to_ascii_uppercase().as_str() {
            "MAILMAX" => self.max_messages = Some(number.into()),
            "RCPTMAX" => self.max_recipients = Some(number as usize),
            "RCPTDOMAINMAX" => self.max_domains = Some(number as usize),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn offer(lines: &[&str], ignored: &[&str]) -> Offer {
        let owned = |words: &[&str]| words.iter().map(|&word| word.to_owned()).collect::<Vec<_>>();
        Offer::new(&owned(lines), &Settings { ignore_capabilities: owned(ignored), ..Settings::default() })
    }

    #[test]
    fn what_is_announced_is_read() {
        let postfix = ["PIPELINING", "SIZE 10240000", "VRFY", "ETRN", "ENHANCEDSTATUSCODES", "8BITMIME", "DSN", "SMTPUTF8", "CHUNKING"];
        let all = offer(&postfix, &[]);
        assert!(all.pipelining && all.size && all.eight_bit && all.dsn && all.utf8 && all.chunking && !all.binary && !all.require_tls);
        assert_eq!(all.max_size, Some(10_240_000));
        assert_eq!(all.abilities(), ["dsn", "8bit", "smtputf8", "max-size=10240000"]);
        let others = offer(&["size", "binarymime", "chunking", "REQUIRETLS", "LIMITS MAILMAX=50 rcptmax=20 RCPTDOMAINMAX=1 NEW=3"], &[]);
        assert!(others.size && others.binary && others.require_tls);
        assert_eq!((others.max_size, others.max_messages, others.max_recipients, others.max_domains), (None, Some(50), Some(20), Some(1)));
        assert_eq!(others.abilities(), ["binarymime", "requiretls", "max-recipients=20"]);
    }

    #[test]
    fn what_cannot_be_meant_is_no_limit() {
        for line in
            ["SIZE 0", "SIZE many", "SIZE -1", "LIMITS", "LIMITS RCPTMAX", "LIMITS RCPTMAX=0 MAILMAX=x", "LIMITS RCPTMAX=99999999999", ""]
        {
            let odd = offer(&[line], &[]);
            assert_eq!((odd.max_size, odd.max_messages, odd.max_recipients), (None, None, None), "{line}");
        }
        assert!(!offer(&["BINARYMIME"], &[]).binary, "only with CHUNKING");
    }

    #[test]
    fn what_is_not_wanted_is_not_there() {
        assert_eq!(offer(&["PIPELINING", "SIZE 10", "CHUNKING", "BINARYMIME"], &["pipelining", "SIZE", "Chunking"]), Offer::default());
    }
}
