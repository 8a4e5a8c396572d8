//! Names and ids as types that can only hold good ones.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// What is wrong with a name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// Empty, too long, or with a character outside the set.
    #[error("{what} takes 1 to 64 characters of a-z, 0-9, '.', '_' and '-', and begins with a letter or digit: not `{given}`")]
    BadName {
        /// What kind of name.
        what: &'static str,
        /// As given.
        given: String,
    },
    /// Not the 26 characters of an id.
    #[error("`{0}` is not a message id: those are 26 characters of a-z and 2-7, as `postrider message list` shows them")]
    BadMessageId(String),
}

macro_rules! name {
    ($(#[$doc:meta])* $name:ident, $what:literal) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(String);

        impl $name {
            /// The name as text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $name {
            type Err = NameError;

            fn from_str(given: &str) -> Result<Self, NameError> {
                let begins_well = given.starts_with(|c: char| c.is_ascii_lowercase() || c.is_ascii_digit());
                let in_set = given.bytes().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || b"._-".contains(&c));
                if begins_well && in_set && given.len() <= 64 {
                    Ok(Self(given.to_owned()))
                } else {
                    Err(NameError::BadName { what: $what, given: given.to_owned() })
                }
            }
        }

        impl TryFrom<String> for $name {
            type Error = NameError;

            fn try_from(given: String) -> Result<Self, NameError> {
                given.parse()
            }
        }

        impl From<$name> for String {
            fn from(name: $name) -> Self {
                name.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

name! {
    /// What the operator calls an account.
    AccountName, "an account name"
}
name! {
    /// What a connector calls itself in its manifest.
    ConnectorId, "a connector id"
}
name! {
    /// What the operator calls a sink.
    SinkName, "a sink name"
}

/// An account's number in the store: never reused, so that a removed account's records cannot be taken for a new one's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct AccountId(pub u32);

impl fmt::Display for AccountId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

/// A stored message: a keyed hash of the account and the identity under which it first arrived, so that the same arrival gets
/// the same id again after a crash. Shown as 26 characters of base32 (RFC 4648, lower case, no padding).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct MessageId(pub [u8; 16]);

impl fmt::Display for MessageId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&data_encoding::BASE32_NOPAD_NOCASE.encode(&self.0).to_ascii_lowercase())
    }
}

impl fmt::Debug for MessageId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "MessageId({self})")
    }
}

impl FromStr for MessageId {
    type Err = NameError;

    fn from_str(given: &str) -> Result<Self, NameError> {
        data_encoding::BASE32_NOPAD_NOCASE
            .decode(given.as_bytes())
            .ok()
            .and_then(|octets| octets.try_into().ok())
            .map(Self)
            .ok_or_else(|| NameError::BadMessageId(given.to_owned()))
    }
}

impl TryFrom<String> for MessageId {
    type Error = NameError;

    fn try_from(given: String) -> Result<Self, NameError> {
        given.parse()
    }
}

impl From<MessageId> for String {
    fn from(id: MessageId) -> Self {
        id.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_keep_to_their_set() {
        for good in ["help", "a", "help.desk-2_x", "0day"] {
            assert!(good.parse::<AccountName>().is_ok(), "{good}");
        }
        for bad in ["", "-x", ".x", "Help", "a b", "a/b", "ä", &"x".repeat(65)] {
            assert!(bad.parse::<AccountName>().is_err(), "{bad}");
        }
    }

    #[test]
    fn message_ids_come_back() {
        let id = MessageId([7; 16]);
        assert_eq!(id.to_string().len(), 26);
        assert_eq!(id.to_string().parse::<MessageId>().unwrap(), id);
        assert!("short".parse::<MessageId>().is_err());
    }
}
