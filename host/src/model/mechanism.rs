//! The ways to sign in that the host speaks, as operators name them.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// A way to sign in: a SASL mechanism as registered with IANA, or a line protocol's own command.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Mechanism {
    /// RFC 7677 with channel binding: also proves that nobody sits between the two ends of TLS.
    ScramSha256Plus,
    /// RFC 5802 with channel binding.
    ScramSha1Plus,
    /// RFC 7677.
    ScramSha256,
    /// RFC 5802.
    ScramSha1,
    /// RFC 2195.
    CramMd5,
    /// RFC 7628; the secret is an OAuth access token.
    OauthBearer,
    /// Google's and Microsoft's older form of it; the secret is an OAuth access token.
    Xoauth2,
    /// RFC 4422 appendix A: the TLS client certificate says who it is.
    External,
    /// POP3's digest of the greeting's timestamp and the password (RFC 1939 section 7).
    Apop,
    /// RFC 4616.
    Plain,
    /// The older form of it, never standardised; the servers of Microsoft offer it.
    Login,
    /// The protocol's own: LOGIN of IMAP (RFC 9051 section 6.2.3), USER and PASS of POP3 (RFC 1939 section 7).
    Native,
}

impl Mechanism {
    /// Every mechanism, the strongest first.
    pub const ALL: [Self; 12] = [
        Self::ScramSha256Plus,
        Self::ScramSha1Plus,
        Self::ScramSha256,
        Self::ScramSha1,
        Self::CramMd5,
        Self::OauthBearer,
        Self::Xoauth2,
        Self::External,
        Self::Apop,
        Self::Plain,
        Self::Login,
        Self::Native,
    ];

    /// The name that a server lists where the mechanism is one of SASL (RFC 4422 section 3.1); none for a protocol's own command.
    #[must_use]
    pub const fn sasl_name(self) -> Option<&'static str> {
        match self {
            Self::ScramSha256Plus => Some("SCRAM-SHA-256-PLUS"),
            Self::ScramSha1Plus => Some("SCRAM-SHA-1-PLUS"),
            Self::ScramSha256 => Some("SCRAM-SHA-256"),
            Self::ScramSha1 => Some("SCRAM-SHA-1"),
            Self::CramMd5 => Some("CRAM-MD5"),
            Self::OauthBearer => Some("OAUTHBEARER"),
            Self::Xoauth2 => Some("XOAUTH2"),
            Self::External => Some("EXTERNAL"),
            Self::Plain => Some("PLAIN"),
            Self::Login => Some("LOGIN"),
            Self::Apop | Self::Native => None,
        }
    }

    /// As operators write it after `--auth`.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::ScramSha256Plus => "scram-sha-256-plus",
            Self::ScramSha1Plus => "scram-sha-1-plus",
            Self::ScramSha256 => "scram-sha-256",
            Self::ScramSha1 => "scram-sha-1",
            Self::CramMd5 => "cram-md5",
            Self::OauthBearer => "oauthbearer",
            Self::Xoauth2 => "xoauth2",
            Self::External => "external",
            Self::Apop => "apop",
            Self::Plain => "plain",
            Self::Login => "login",
            Self::Native => "native",
        }
    }

    /// Whether the secret is an OAuth access token and no password.
    #[must_use]
    pub const fn takes_token(self) -> bool {
        matches!(self, Self::OauthBearer | Self::Xoauth2)
    }

    /// Whether the secret, or a token that is as good, crosses the line as it is.
    #[must_use]
    pub const fn shows_secret(self) -> bool {
        matches!(self, Self::OauthBearer | Self::Xoauth2 | Self::Plain | Self::Login | Self::Native)
    }
}

/// What is not a mechanism.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no way to sign in that this host speaks")]
pub struct MechanismError(String);

impl FromStr for Mechanism {
    type Err = MechanismError;

    fn from_str(word: &str) -> Result<Self, MechanismError> {
        Self::ALL.into_iter().find(|mechanism| mechanism.word().eq_ignore_ascii_case(word)).ok_or_else(|| MechanismError(word.to_owned()))
    }
}

impl TryFrom<String> for Mechanism {
    type Error = MechanismError;

    fn try_from(word: String) -> Result<Self, MechanismError> {
        word.parse()
    }
}

impl From<Mechanism> for String {
    fn from(mechanism: Mechanism) -> Self {
        mechanism.word().to_owned()
    }
}

impl fmt::Display for Mechanism {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_lead_back() {
        for mechanism in Mechanism::ALL {
            assert_eq!(mechanism.word().parse::<Mechanism>().unwrap(), mechanism);
            assert_eq!(mechanism.sasl_name().unwrap_or(mechanism.word()).to_ascii_lowercase(), mechanism.word());
        }
        assert!("ntlm".parse::<Mechanism>().is_err());
    }
}
