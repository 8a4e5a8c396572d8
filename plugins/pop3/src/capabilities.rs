//! What the server announced after the sign-in (RFC 2449 section 6), as far as this connector obeys it.

use crate::settings::Settings;

/// What `CAPA` listed, without what the operator does not want to be used. Empty where the server knows no `CAPA`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Capabilities {
    lines: Vec<String>,
}

/// How long mail stays on the server after it was retrieved (RFC 2449 section 6.7).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expire {
    /// The server does not say.
    Unsaid,
    /// For ever.
    Never,
    /// For so many days; 0: what was retrieved is deleted when the session ends.
    Days(u32),
}

impl Capabilities {
    /// From the lines of `CAPA`.
    #[must_use]
    pub fn new(lines: &[String], settings: &Settings) -> Self {
        let word = |line: &String| line.split_ascii_whitespace().next().unwrap_or_default().to_owned();
        Self { lines: lines.iter().filter(|line| !settings.ignores(&word(line))).cloned().collect() }
    }

    /// Whether the server announces `name`.
    #[must_use]
    pub fn has(&self, name: &str) -> bool {
        self.words(name).is_some()
    }

    /// Seconds that have to lie between two sign-ins (RFC 2449 section 6.5); 0 where the server does not say.
    #[must_use]
    pub fn login_delay(&self) -> u64 {
        self.words("LOGIN-DELAY").and_then(|mut words| words.next()?.parse().ok()).unwrap_or(0)
    }

    /// What becomes of mail that was retrieved.
    #[must_use]
    pub fn expire(&self) -> Expire {
        match self.words("EXPIRE").and_then(|mut words| words.next()) {
            Some(word) if word.eq_ignore_ascii_case("NEVER") => Expire::Never,
            Some(word) => word.parse().map_or(Expire::Unsaid, Expire::Days),
            None => Expire::Unsaid,
        }
    }

    /// The arguments of the capability `name`; none: it is not announced.
    fn words(&self, name: &str) -> Option<impl Iterator<Item = &str>> {
        self.lines.iter().find_map(|line| {
            let mut words = line.split_ascii_whitespace();
            words.next().filter(|word| word.eq_ignore_ascii_case(name)).map(|_| words)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn capabilities(lines: &[&str], ignored: &[&str]) -> Capabilities {
        let owned = |words: &[&str]| words.iter().map(|&word| word.to_owned()).collect::<Vec<_>>();
        Capabilities::new(&owned(lines), &Settings { ignore_capabilities: owned(ignored), ..Settings::default() })
    }

    #[test]
    fn what_is_announced_is_read() {
        let all = capabilities(&["TOP", "pipelining", "LOGIN-DELAY 900 USER", "EXPIRE 60 USER", "IMPLEMENTATION x"], &[]);
        assert!(all.has("TOP") && all.has("PIPELINING") && !all.has("UIDL"));
        assert_eq!((all.login_delay(), all.expire()), (900, Expire::Days(60)));
        assert_eq!(capabilities(&["EXPIRE never"], &[]).expire(), Expire::Never);
        assert_eq!(capabilities(&["EXPIRE 0"], &[]).expire(), Expire::Days(0));
        for odd in ["EXPIRE", "EXPIRE soon", "EXPIRE -1", "EXPIRES 0", ""] {
            assert_eq!(capabilities(&[odd], &[]).expire(), Expire::Unsaid, "{odd}");
        }
        assert_eq!(capabilities(&["LOGIN-DELAY often"], &[]).login_delay(), 0);
    }

    #[test]
    fn what_is_not_wanted_is_not_there() {
        let some = capabilities(&["PIPELINING", "LOGIN-DELAY 9", "EXPIRE 0"], &["pipelining", "EXPIRE", "login-delay"]);
        assert!(!some.has("PIPELINING"));
        assert_eq!((some.login_delay(), some.expire()), (0, Expire::Unsaid));
    }
}
