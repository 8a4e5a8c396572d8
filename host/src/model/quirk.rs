//! What single servers need on the way in and no standard asks for; each by a name of its own, with the server that it is for.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::endpoint::Protocol;

/// One peculiarity of a server's, as operators name it after `--quirk`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Quirk {
    /// NetEase and other Coremail refuse SELECT ("Unsafe Login. Please contact kefu@188.com for help") to a client that has not named
    /// itself (RFC 2971) since it signed in.
    IdAfterSignIn,
    /// Coremail announces SASL-IR and answers an initial response with "BAD Request not ending with \r\n".
    NoInitialResponse,
    /// Exchange 2003 ends CAPABILITY with its tagged line and then says "CAPABILITY completed." once more, without a tag.
    StrayLines,
    /// Exchange Online announces IMAP4rev2 to some and answers them by other rules.
    NoImap4rev2,
    /// perdition lists the AUTH= words that it was told of the server behind it and refuses AUTHENTICATE ("Mate, try AUTHENTICATE
    /// <mechanism>"); T-Mobile's visual voice mail refuses every mechanism that it lists.
    NoSasl,
    /// Kerio Connect, and Dovecot over hashed passwords, list mechanisms by which they can let nobody in.
    PlainUnderTls,
    /// Strato and Brevo forget the sign-in at the EHLO after it.
    NoEhloAfterSignIn,
}

impl Quirk {
    /// Every quirk.
    pub const ALL: [Self; 7] = [
        Self::IdAfterSignIn,
        Self::NoInitialResponse,
        Self::StrayLines,
        Self::NoImap4rev2,
        Self::NoSasl,
        Self::PlainUnderTls,
        Self::NoEhloAfterSignIn,
    ];

    /// As operators write it.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::IdAfterSignIn => "id-after-sign-in",
            Self::NoInitialResponse => "no-initial-response",
            Self::StrayLines => "stray-lines",
            Self::NoImap4rev2 => "no-imap4rev2",
            Self::NoSasl => "no-sasl",
            Self::PlainUnderTls => "plain-under-tls",
            Self::NoEhloAfterSignIn => "no-ehlo-after-sign-in",
        }
    }

    /// What it does and for which servers, in one line for people.
    #[must_use]
    pub const fn purpose(self) -> &'static str {
        match self {
            Self::IdAfterSignIn => "IMAP: the client names itself after it signed in (NetEase, Coremail; found by itself)",
            Self::NoInitialResponse => "the first response waits for the server's challenge (Coremail; found by itself)",
            Self::StrayLines => "IMAP: lines that are no responses are passed over (Exchange 2003; found by itself)",
            Self::NoImap4rev2 => "IMAP: IMAP4rev2 beside IMAP4rev1 counts as not offered (Exchange Online; found by itself)",
            Self::NoSasl => "IMAP, POP3: sign in by the protocol's own command only (perdition, T-Mobile voice mail)",
            Self::PlainUnderTls => "under TLS, PLAIN or LOGIN before challenges (Kerio Connect, Dovecot over hashed passwords)",
            Self::NoEhloAfterSignIn => "SMTP: no EHLO after the sign-in (Strato, Brevo; found by itself)",
        }
    }

    /// Whether the preamble of `protocol` knows it.
    #[must_use]
    pub const fn is_of(self, protocol: Protocol) -> bool {
        match self {
            Self::IdAfterSignIn | Self::StrayLines | Self::NoImap4rev2 => matches!(protocol, Protocol::Imap),
            // POP3 never sends one.
            Self::NoInitialResponse => matches!(protocol, Protocol::Imap | Protocol::Smtp | Protocol::Lmtp),
            Self::NoSasl => matches!(protocol, Protocol::Imap | Protocol::Pop3),
            Self::PlainUnderTls => !matches!(protocol, Protocol::Stream),
            Self::NoEhloAfterSignIn => matches!(protocol, Protocol::Smtp),
        }
    }
}

/// What is not a quirk.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{}` is no quirk that this host knows; there are {}", .0.escape_debug(), Quirk::ALL.map(Quirk::word).join(", "))]
pub struct QuirkError(String);

impl FromStr for Quirk {
    type Err = QuirkError;

    fn from_str(word: &str) -> Result<Self, QuirkError> {
        Self::ALL.into_iter().find(|quirk| quirk.word() == word).ok_or_else(|| QuirkError(word.to_owned()))
    }
}

impl TryFrom<String> for Quirk {
    type Error = QuirkError;

    fn try_from(word: String) -> Result<Self, QuirkError> {
        word.parse()
    }
}

impl From<Quirk> for String {
    fn from(quirk: Quirk) -> Self {
        quirk.word().to_owned()
    }
}

impl fmt::Display for Quirk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_lead_back_and_purposes_name_a_server() {
        for quirk in Quirk::ALL {
            assert_eq!(quirk.word().parse(), Ok(quirk));
            assert_eq!(serde_json::from_str::<Quirk>(&serde_json::to_string(&quirk).unwrap()).unwrap(), quirk);
            assert!(quirk.purpose().ends_with(')') && quirk.purpose().contains(" ("), "{quirk}");
            assert!([Protocol::Imap, Protocol::Pop3, Protocol::Smtp].into_iter().any(|protocol| quirk.is_of(protocol)), "{quirk}");
            assert!(!quirk.is_of(Protocol::Stream), "{quirk}");
        }
    }

    #[test]
    fn an_unknown_one_is_told_those_that_there_are() {
        let words = "no-move".parse::<Quirk>().unwrap_err().to_string();
        assert!(words.contains("`no-move`") && Quirk::ALL.iter().all(|quirk| words.contains(quirk.word())), "{words}");
    }
}
