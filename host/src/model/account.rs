//! An account: a name, and for each thing that it can do the connector, the server and the settings.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::endpoint::Endpoint;
use super::name::{AccountId, AccountName, ConnectorId};
use crate::clock::Timestamp;
use crate::limits::Overrides;

/// One account of the operator's. Its secrets are kept apart, in the vault.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Account {
    /// Its number in the store.
    pub id: AccountId,
    /// What the operator calls it.
    pub name: AccountName,
    /// How it receives; none: it does not.
    pub receive: Option<Role>,
    /// How it sends; none: it does not.
    #[serde(default)]
    pub send: Option<Role>,
    /// When it was added.
    pub created: Timestamp,
    /// How long its mail is kept here.
    #[serde(default)]
    pub keep: Keep,
}

/// What an account can do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RoleKind {
    /// It receives.
    Receive,
    /// It sends.
    Send,
}

/// How long stored mail is kept: as an account wants it, and as each sink does that takes the account's mail. A message goes once
/// all of them want it no longer.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Keep {
    /// Until its account, or the sink that wants it, is removed.
    #[default]
    Forever,
    /// Whole days from when it was stored, and until every sink that takes it has it.
    Days(u32),
    /// Until every sink that takes it has it; without such a sink, for ever.
    UntilDelivered,
}

/// How long a copy of mail that is stored here is left on the server, where the connector can delete it there.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LeaveCopy {
    /// As long as the server keeps it.
    #[default]
    Forever,
    /// Whole days from when it was stored here.
    Days(u32),
    /// Not at all: it goes as soon as it is durable here.
    No,
}

/// The most days that mail is kept, or left, for, if not for ever.
const MOST_DAYS: u32 = 36_500;

const DAY_MILLIS: u64 = 24 * 3_600 * 1_000;

/// Why a time of keeping was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("mail is kept `forever`, `until-delivered`, or for 1 to {MOST_DAYS} days: not `{0}`")]
pub struct KeepError(String);

/// Why a time of leaving was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a copy is left on the server `forever`, for 1 to {MOST_DAYS} days, or `no` copy is: not `{0}`")]
pub struct LeaveCopyError(String);

impl Account {
    /// How it does what `kind` says; none: it does not.
    #[must_use]
    pub const fn role(&self, kind: RoleKind) -> Option<&Role> {
        match kind {
            RoleKind::Receive => self.receive.as_ref(),
            RoleKind::Send => self.send.as_ref(),
        }
    }

    /// Put how it does what `kind` says, or that it does not.
    pub fn put_role(&mut self, kind: RoleKind, role: Option<Role>) {
        match kind {
            RoleKind::Receive => self.receive = role,
            RoleKind::Send => self.send = role,
        }
    }

    /// The role whose user and secret sign in for `kind`.
    #[must_use]
    pub fn credentials_of(&self, kind: RoleKind) -> RoleKind {
        if self.role(kind).is_some_and(|role| role.same_credentials) { RoleKind::Receive } else { kind }
    }

    /// The server for `kind`, with the user who signs in there, wherever that one is written.
    #[must_use]
    pub fn endpoint(&self, kind: RoleKind) -> Option<Endpoint> {
        let user = self.role(self.credentials_of(kind)).and_then(|role| role.endpoint.user.clone());
        self.role(kind).map(|role| Endpoint { user, ..role.endpoint.clone() })
    }
}

impl RoleKind {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Receive, Self::Send];

    /// The name of its endpoint in manifests, and of its secret in the vault.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Receive => "receive",
            Self::Send => "send",
        }
    }

    /// The name of its proxy's password in the vault. No manifest can declare a name with a slash.
    #[must_use]
    pub const fn proxy_secret(self) -> &'static str {
        match self {
            Self::Receive => "receive/proxy",
            Self::Send => "send/proxy",
        }
    }

    /// The name of the private key of its client's certificate in the vault.
    #[must_use]
    pub const fn client_key_secret(self) -> &'static str {
        match self {
            Self::Receive => "receive/client-key",
            Self::Send => "send/client-key",
        }
    }

    /// An option of `account add` and `account edit` about this role: "--port 25" or "--send-port 25" of "port 25".
    #[must_use]
    pub fn option(self, option: &str) -> String {
        match self {
            Self::Receive => format!("--{option}"),
            Self::Send => format!("--send-{option}"),
        }
    }
}

impl fmt::Display for RoleKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

impl Keep {
    /// Whether this is what an account has of which nobody said anything.
    #[must_use]
    pub const fn is_default(&self) -> bool {
        matches!(self, Self::Forever)
    }
}

impl FromStr for Keep {
    type Err = KeepError;

    fn from_str(text: &str) -> Result<Self, KeepError> {
        match text {
            "forever" => Ok(Self::Forever),
            "until-delivered" => Ok(Self::UntilDelivered),
            days => {
                let days = days.parse().ok().filter(|days| (1..=MOST_DAYS).contains(days));
                days.map(Self::Days).ok_or_else(|| KeepError(text.to_owned()))
            }
        }
    }
}

impl fmt::Display for Keep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Forever => f.write_str("forever"),
            Self::Days(1) => f.write_str("1 day"),
            Self::Days(days) => write!(f, "{days} days"),
            Self::UntilDelivered => f.write_str("until delivered"),
        }
    }
}

impl LeaveCopy {
    /// Whether this is what an account has of which nobody said anything.
    #[must_use]
    pub const fn is_default(&self) -> bool {
        matches!(self, Self::Forever)
    }

    /// Mail that was stored before may be deleted on the server `now`; none: no mail may.
    #[must_use]
    pub fn stored_before(self, now: Timestamp) -> Option<Timestamp> {
        match self {
            Self::Forever => None,
            Self::Days(days) => Some(Timestamp(now.0.saturating_sub(u64::from(days).saturating_mul(DAY_MILLIS)))),
            Self::No => Some(Timestamp(u64::MAX)),
        }
    }
}

impl FromStr for LeaveCopy {
    type Err = LeaveCopyError;

    fn from_str(text: &str) -> Result<Self, LeaveCopyError> {
        match text {
            "forever" => Ok(Self::Forever),
            "no" => Ok(Self::No),
            days => {
                let days = days.parse().ok().filter(|days| (1..=MOST_DAYS).contains(days));
                days.map(Self::Days).ok_or_else(|| LeaveCopyError(text.to_owned()))
            }
        }
    }
}

impl fmt::Display for LeaveCopy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Forever => f.write_str("forever"),
            Self::Days(1) => f.write_str("for 1 day"),
            Self::Days(days) => write!(f, "for {days} days"),
            Self::No => f.write_str("not at all"),
        }
    }
}

/// One thing that an account can do, and with what.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Role {
    /// Which connector does it.
    pub connector: ConnectorId,
    /// The server behind the connector's endpoint of the role's name.
    pub endpoint: Endpoint,
    /// Ids of the folders to receive; empty: all that can hold messages, but for views over other folders.
    pub folders: Vec<String>,
    /// Settings for the connector, checked against its manifest's schema, as JSON text of an object.
    pub settings: String,
    /// Limits that differ from the host's.
    pub limits: Overrides,
    /// How long a copy is left on the server.
    #[serde(default)]
    pub leave_copy: LeaveCopy,
    /// Whether who signs in is who signs in for receiving, with the same secret; the endpoint names nobody then.
    #[serde(default)]
    pub same_credentials: bool,
    /// Origins of the connector's that are really elsewhere, each as "FROM=TO".
    #[serde(default)]
    pub origins: Vec<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_of_keeping_are_read_as_they_are_written() {
        assert_eq!("forever".parse(), Ok(Keep::Forever));
        assert_eq!("until-delivered".parse(), Ok(Keep::UntilDelivered));
        assert_eq!("30".parse(), Ok(Keep::Days(30)));
        for text in ["0", "-1", "36501", "1d", "", "Forever"] {
            assert!(text.parse::<Keep>().is_err(), "{text}");
        }
    }

    #[test]
    fn copies_are_left_as_long_as_it_is_written() {
        let now = Timestamp(10 * DAY_MILLIS);
        for (text, before, shown) in [
            ("forever", None, "forever"),
            ("3", Some(7 * DAY_MILLIS), "for 3 days"),
            ("36500", Some(0), "for 36500 days"),
            ("no", Some(u64::MAX), "not at all"),
        ] {
            let leave: LeaveCopy = text.parse().unwrap();
            assert_eq!((leave.stored_before(now), leave.to_string()), (before.map(Timestamp), shown.to_owned()));
        }
        for text in ["0", "36501", "never", "", "1d"] {
            assert!(text.parse::<LeaveCopy>().is_err(), "{text}");
        }
    }

    #[test]
    fn an_account_of_before_keeps_for_ever() {
        let account: Account = serde_json::from_str(r#"{"id":1,"name":"help","receive":null,"created":1}"#).unwrap();
        assert_eq!((account.keep, account.send), (Keep::Forever, None));
    }
}
