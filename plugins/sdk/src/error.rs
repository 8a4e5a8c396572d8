//! Making the contract's errors, and saying where they happened. [`Failure`] says what each kind makes the host do (`wit/deps/types.wit`).
//!
//! ```
//! use postrider_connector::types::{Error, Failure};
//!
//! let error = Error::new(Failure::Throttled, "too many requests").with_code("LIMIT").with_retry_after_ms(30_000).at("FETCH in INBOX");
//! assert_eq!(error.message, "FETCH in INBOX: too many requests");
//! assert!(!error.concerns_one_message(), "the whole account is to wait");
//! ```

use crate::types::{Error, Failure};

/// Octets that the contract allows in `error.message` (`wit/deps/types.wit`).
pub const MESSAGE_OCTETS: usize = 1024;

/// Octets that the contract allows in `error.code`.
pub const CODE_OCTETS: usize = 128;

impl Error {
    /// A failure of `kind` with words for a person, cut to [`MESSAGE_OCTETS`].
    #[must_use]
    pub fn new(kind: Failure, message: impl Into<String>) -> Self {
        Self { kind, code: None, message: cut(message.into(), MESSAGE_OCTETS), retry_after_ms: None }
    }

    /// With the protocol's own code, cut to [`CODE_OCTETS`].
    #[must_use]
    pub fn with_code(mut self, code: impl Into<String>) -> Self {
        self.code = Some(cut(code.into(), CODE_OCTETS));
        self
    }

    /// With the milliseconds to wait before the next attempt, where the server named a time. The host waits that long before it opens another session.
    #[must_use]
    pub const fn with_retry_after_ms(mut self, ms: u64) -> Self {
        self.retry_after_ms = Some(ms);
        self
    }

    /// With where it happened put before the words: "FETCH in INBOX: ...".
    #[must_use]
    pub fn at(mut self, place: &str) -> Self {
        self.message = cut(format!("{place}: {}", self.message), MESSAGE_OCTETS);
        self
    }

    /// Whether this is about one message only, so that it is set aside and the rest goes on.
    ///
    /// ```
    /// use postrider_connector::types::{Error, Failure};
    ///
    /// assert!(Error::new(Failure::TooLarge, "it has 3 GB").concerns_one_message());
    /// assert!(!Error::new(Failure::Unreachable, "the line is lost").concerns_one_message());
    /// ```
    #[must_use]
    pub const fn concerns_one_message(&self) -> bool {
        matches!(self.kind, Failure::TooLarge | Failure::Malformed | Failure::Conflict | Failure::Permanent | Failure::Gone)
    }
}

/// `text` cut to at most `octets`, at the border of a character.
fn cut(mut text: String, octets: usize) -> String {
    if text.len() > octets {
        let end = (0..=octets).rev().find(|&end| text.is_char_boundary(end)).unwrap_or(0);
        text.truncate(end);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_words_are_cut_between_characters() {
        let error = Error::new(Failure::Permanent, "ä".repeat(600)).at("x");
        assert!(error.message.len() <= MESSAGE_OCTETS);
        assert!(error.message.starts_with("x: ää"));
    }
}
