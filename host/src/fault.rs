//! What went wrong, as plain data: the one shape in which a failure crosses a module's edge, the control socket and
//! the CLI. Its kind alone decides the exit code, the remedy and whether somebody tries again.

use std::error::Error;
use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// What is done about a failure. The first sixteen are the contract's `failure` (`wit/deps/types.wit`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// The credential was refused: stop knocking, tell the operator.
    Unauthenticated,
    /// Signed in, but not allowed.
    Forbidden,
    /// Name resolution, connect, proxy, time-out or a lost line: retry with backoff.
    Unreachable,
    /// The certificate or the TLS of the peer is not to be trusted.
    Untrusted,
    /// The provider asks for less.
    Throttled,
    /// The server says "later".
    Transient,
    /// The server says "never".
    Permanent,
    /// The server's answer breaks its protocol.
    Malformed,
    /// This server or provider cannot do it.
    Unsupported,
    /// The account's settings cannot work.
    Misconfigured,
    /// The cursor means nothing any more.
    StaleCursor,
    /// The message or folder is gone.
    Gone,
    /// It is there already, or it changed meanwhile.
    Conflict,
    /// Over a limit of size.
    TooLarge,
    /// Policy or budget of this host.
    RefusedByHost,
    /// Somebody asked to stop.
    Cancelled,
    /// A command or a value that cannot be meant.
    Usage,
    /// No account, connector, message or sink of that name.
    NotFound,
    /// Another process owns the home.
    InUse,
    /// A connector that the operator has not approved, or not in this shape.
    Unapproved,
    /// A connector trapped, or broke its contract.
    ConnectorFailed,
    /// The disk: full, read-only, no permission, failing.
    Storage,
    /// Records or segments of the store are torn, missing or tampered with.
    Damaged,
    /// The master key is missing, or cannot be used.
    KeyUnavailable,
    /// The master key is another store's.
    KeyWrong,
    /// The keyring is older than the records: a rotation made keys that it lacks.
    KeyOutdated,
    /// A message may have been taken over by the server, or not: nobody can tell.
    Unsettled,
    /// A fault of this program.
    Bug,
}

impl Kind {
    /// Every kind, in the order of the documentation.
    pub const ALL: [Self; 28] = [
        Self::Unauthenticated,
        Self::Forbidden,
        Self::Unreachable,
        Self::Untrusted,
        Self::Throttled,
        Self::Transient,
        Self::Permanent,
        Self::Malformed,
        Self::Unsupported,
        Self::Misconfigured,
        Self::StaleCursor,
        Self::Gone,
        Self::Conflict,
        Self::TooLarge,
        Self::RefusedByHost,
        Self::Cancelled,
        Self::Usage,
        Self::NotFound,
        Self::InUse,
        Self::Unapproved,
        Self::ConnectorFailed,
        Self::Storage,
        Self::Damaged,
        Self::KeyUnavailable,
        Self::KeyWrong,
        Self::KeyOutdated,
        Self::Unsettled,
        Self::Bug,
    ];

    /// The exit code of a command that failed for this reason: 1 a fault of the program, 2 usage, 3 to 9 about things here, 10 to
    /// 29 about the server and the account, 30 to 39 about the home, 40 to 49 about connectors.
    #[must_use]
    pub const fn exit_code(self) -> u8 {
        match self {
            Self::Bug => 1,
            Self::Usage => 2,
            Self::NotFound => 3,
            Self::Conflict => 4,
            Self::TooLarge => 5,
            Self::Cancelled => 6,
            Self::Unauthenticated => 10,
            Self::Forbidden => 11,
            Self::Unreachable => 12,
            Self::Untrusted => 13,
            Self::Throttled => 14,
            Self::Transient => 15,
            Self::Permanent => 16,
            Self::Malformed => 17,
            Self::Unsupported => 18,
            Self::Misconfigured => 19,
            Self::StaleCursor => 20,
            Self::Gone => 21,
            Self::Unsettled => 22,
            Self::InUse => 30,
            Self::Storage => 31,
            Self::Damaged => 32,
            Self::KeyUnavailable => 33,
            Self::KeyWrong => 34,
            Self::KeyOutdated => 35,
            Self::RefusedByHost => 40,
            Self::Unapproved => 41,
            Self::ConnectorFailed => 42,
        }
    }

    /// Whether another attempt with the same settings may succeed by itself.
    #[must_use]
    pub const fn is_retried(self) -> bool {
        matches!(
            self,
            Self::Unreachable
                | Self::Throttled
                | Self::Transient
                | Self::Malformed
                | Self::StaleCursor
                | Self::ConnectorFailed
                | Self::Storage
        )
    }
}

/// A failure: the operation that failed, why, and what a person can do about it.
///
/// `operation` says what was tried ("sign in to mail.example.com:993 as help"), in the infinitive and without a full stop; what
/// went wrong below stands in `cause`, never in the same sentence.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fault {
    /// Decides exit code, retry and heading.
    pub kind: Kind,
    /// What was tried.
    pub operation: String,
    /// The protocol's own code: "AUTHENTICATIONFAILED", "5.7.1".
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
    /// The server's words, with secrets taken out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub words: Option<String>,
    /// When the server named a time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_after: Option<Duration>,
    /// What to do next; an exact command or option where there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub remedy: Option<String>,
    /// What went wrong below.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cause: Option<Box<Cause>>,
}

/// One link of a chain of causes, kept as words so that it can cross the control socket.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cause {
    words: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    cause: Option<Box<Cause>>,
}

impl Fault {
    /// A failure of `kind` in `operation`.
    #[must_use]
    pub fn new(kind: Kind, operation: impl Into<String>) -> Self {
        Self { kind, operation: operation.into(), code: None, words: None, retry_after: None, remedy: None, cause: None }
    }

    /// With the protocol's own code.
    #[must_use]
    pub fn with_code(mut self, code: impl Into<String>) -> Self {
        self.code = Some(code.into());
        self
    }

    /// With the server's words.
    #[must_use]
    pub fn with_words(mut self, words: impl Into<String>) -> Self {
        self.words = Some(words.into());
        self
    }

    /// With the time that the server asked for.
    #[must_use]
    pub const fn with_retry_after(mut self, after: Duration) -> Self {
        self.retry_after = Some(after);
        self
    }

    /// With what to do next.
    #[must_use]
    pub fn with_remedy(mut self, remedy: impl Into<String>) -> Self {
        self.remedy = Some(remedy.into());
        self
    }

    /// With `error` and the chain of its sources as the cause.
    #[must_use]
    pub fn because(mut self, error: &(dyn Error + 'static)) -> Self {
        self.cause = Some(Box::new(Cause::from_error(error)));
        self
    }

    /// With a cause that is only words.
    #[must_use]
    pub fn because_words(mut self, words: impl Into<String>) -> Self {
        self.cause = Some(Box::new(Cause { words: words.into(), cause: None }));
        self
    }

    /// This fault as the cause of a wider operation; kind, code, words, time and remedy stay.
    #[must_use]
    pub fn within(self, operation: impl Into<String>) -> Self {
        let cause = Cause { words: self.to_string(), cause: self.cause };
        Self { operation: operation.into(), cause: Some(Box::new(cause)), words: None, ..self }
    }

    /// The causes from the nearest to the root, as words.
    pub fn causes(&self) -> impl Iterator<Item = &str> {
        std::iter::successors(self.cause.as_deref(), |cause| cause.cause.as_deref()).map(|cause| cause.words.as_str())
    }
}

impl Cause {
    fn from_error(error: &(dyn Error + 'static)) -> Self {
        Self { words: error.to_string(), cause: error.source().map(|source| Box::new(Self::from_error(source))) }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cannot {}", self.operation)?;
        match (&self.words, &self.code) {
            (Some(words), Some(code)) => write!(f, ": the server says \"{words}\" ({code})"),
            (Some(words), None) => write!(f, ": the server says \"{words}\""),
            (None, Some(code)) => write!(f, " ({code})"),
            (None, None) => Ok(()),
        }
    }
}

impl Error for Fault {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.cause.as_deref().map(|cause| cause as _)
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.words)
    }
}

impl Error for Cause {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.cause.as_deref().map(|cause| cause as _)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exit_codes_differ() {
        let mut codes: Vec<u8> = Kind::ALL.iter().map(|kind| kind.exit_code()).collect();
        codes.sort_unstable();
        codes.dedup();
        assert_eq!(codes.len(), Kind::ALL.len());
        assert!(!codes.contains(&0));
    }

    #[test]
    fn a_wider_operation_keeps_kind_and_chain() {
        let io = std::io::Error::other("no route to host");
        let fault = Fault::new(Kind::Unreachable, "connect to mail.example.com:993").because(&io).with_remedy("look at the cable");
        let wider = fault.within("receive account help");
        assert_eq!(wider.kind, Kind::Unreachable);
        assert_eq!(wider.remedy.as_deref(), Some("look at the cable"));
        assert_eq!(wider.causes().collect::<Vec<_>>(), ["cannot connect to mail.example.com:993", "no route to host"]);
        let json = serde_json::to_string(&wider).unwrap();
        assert_eq!(serde_json::from_str::<Fault>(&json).unwrap(), wider);
    }
}
