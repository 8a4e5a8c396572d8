//! Addresses of an envelope (RFC 5321 section 4.1.2): nothing but one Mailbox may stand between the angle brackets of a command.

use crate::limits::ADDRESS_OCTETS;

/// A Mailbox that can stand in a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mailbox<'a> {
    text: &'a str,
    /// Where the domain begins.
    domain: usize,
}

/// Why an address is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unfit {
    /// Over [`ADDRESS_OCTETS`].
    TooLong,
    /// Characters that would end the address or the command, or no text before and behind an `@`.
    Syntax,
}

impl<'a> Mailbox<'a> {
    /// Check one address.
    ///
    /// # Errors
    /// It cannot stand in a command.
    pub fn parse(text: &'a str) -> Result<Self, Unfit> {
        if text.len() > ADDRESS_OCTETS {
            return Err(Unfit::TooLong);
        }
        let (mut is_quoted, mut is_escaped, mut at) = (false, false, None);
        for (place, c) in text.char_indices() {
            match c {
                _ if c.is_control() => return Err(Unfit::Syntax),
                _ if is_escaped => is_escaped = false,
                '\\' if is_quoted => is_escaped = true,
                '"' => is_quoted = !is_quoted,
                _ if is_quoted => {}
                '@' if at.is_none() => at = Some(place),
                '<' | '>' | '@' | '\\' | ' ' | ',' | ';' | '(' | ')' => return Err(Unfit::Syntax),
                _ if c.is_whitespace() => return Err(Unfit::Syntax),
                _ => {}
            }
        }
        match at {
            Some(at) if !is_quoted && at > 0 && at + 1 < text.len() => Ok(Self { text, domain: at + 1 }),
            // `postmaster` alone is an address (RFC 5321 section 4.1.1.3).
            None if text.eq_ignore_ascii_case("postmaster") => Ok(Self { text, domain: text.len() }),
            _ => Err(Unfit::Syntax),
        }
    }

    /// As it stands in a command.
    #[must_use]
    pub const fn text(self) -> &'a str {
        self.text
    }

    /// Behind the `@`, in lower case; empty for `postmaster`.
    #[must_use]
    pub fn domain(self) -> String {
        self.text.get(self.domain..).unwrap_or_default().to_lowercase()
    }

    /// Whether it can only be sent with SMTPUTF8.
    #[must_use]
    pub const fn needs_utf8(self) -> bool {
        !self.text.is_ascii()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_is_an_address() {
        for text in [
            "a@b",
            "o'hara+tag=x@example.com",
            "\"a b\"@example.com",
            "\"a@b>\\\"\"@[192.0.2.1]",
            "x@[IPv6:2001:db8::1]",
            "Postmaster",
            "jörg@müller.example",
        ] {
            assert_eq!(Mailbox::parse(text).map(Mailbox::text), Ok(text));
        }
        assert_eq!(Mailbox::parse("a@EXAMPLE.com").map(Mailbox::domain), Ok("example.com".to_owned()));
        assert!(Mailbox::parse("jörg@b").is_ok_and(Mailbox::needs_utf8) && !Mailbox::parse("j@b").is_ok_and(Mailbox::needs_utf8));
    }

    #[test]
    fn what_is_none() {
        for text in [
            "",
            "a",
            "a@",
            "@b",
            "<a@b>",
            "a@b> NOTIFY=NEVER",
            "a@b\r\nDATA",
            "a@b\0",
            "a b@c",
            "\"a@b",
            "a@b@c",
            "a@b,c@d",
            "\\\"@b",
            "a@b\u{2028}",
            "a@b\u{a0}",
        ] {
            assert_eq!(Mailbox::parse(text), Err(Unfit::Syntax), "{text:?}");
        }
        assert_eq!(Mailbox::parse(&format!("{}@b", "x".repeat(400))), Err(Unfit::TooLong));
    }

    proptest! {
        #[test]
        fn none_ends_its_command(text in "[a-z@<> \"\\\\\r\n\t.]{0,12}") {
            if let Ok(mailbox) = Mailbox::parse(&text) {
                prop_assert!(!mailbox.text().contains(['\r', '\n']));
                // A reader of quoted strings finds the bracket that ends the address at its end, and not before.
                let command = format!("{}>", mailbox.text());
                let (mut quoted, mut escaped) = (false, false);
                let end = command.char_indices().find(|&(_, c)| {
                    let ends = c == '>' && !quoted;
                    (quoted, escaped) = (if c == '"' && !escaped { !quoted } else { quoted }, c == '\\' && quoted && !escaped);
                    ends
                });
                prop_assert_eq!(end.map(|(at, _)| at), Some(mailbox.text().len()));
            }
        }
    }
}
