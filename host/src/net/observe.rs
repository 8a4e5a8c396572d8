//! What a person who tests an account sees of the way in: one report a stage.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::fault::Fault;

/// A stage of the way in, in the order in which they come; STARTTLS has its greeting before its TLS.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Stage {
    /// The server's name (or the proxy's) becomes addresses.
    Name,
    /// TCP to one of them.
    Connect,
    /// The proxy reaches the server.
    Proxy,
    /// TLS, and the certificate.
    Tls,
    /// The server's greeting and what it offers.
    Greeting,
    /// Who the account is, and the password.
    SignIn,
}

/// How one stage went.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StageReport {
    /// Which.
    pub stage: Stage,
    /// How long it took; milliseconds in JSON.
    #[serde(rename = "took_ms", with = "millis")]
    pub took: Duration,
    /// What was found, for people, or what went wrong.
    pub outcome: Result<String, Fault>,
}

/// Who wants to know how each stage went.
pub trait Observe: Send + Sync {
    /// A stage is over. Called once a stage, in order; the last one reported is the one that failed, if any did.
    fn stage(&self, report: StageReport);
}

/// Nobody wants to know.
#[derive(Debug, Clone, Copy, Default)]
pub struct Unobserved;

impl Observe for Unobserved {
    fn stage(&self, _report: StageReport) {}
}

impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Name => "name",
            Self::Connect => "connect",
            Self::Proxy => "proxy",
            Self::Tls => "TLS",
            Self::Greeting => "greeting",
            Self::SignIn => "sign-in",
        })
    }
}

mod millis {
    use std::time::Duration;

    use serde::{Deserialize, Deserializer, Serializer};

    pub(super) fn serialize<S: Serializer>(took: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u64(u64::try_from(took.as_millis()).unwrap_or(u64::MAX))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
        u64::deserialize(deserializer).map(Duration::from_millis)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fault::Kind;

    #[test]
    fn a_report_crosses_the_control_socket() {
        for outcome in [Ok("2 addresses".to_owned()), Err(Fault::new(Kind::Unreachable, "resolve mail.example.com"))] {
            let report = StageReport { stage: Stage::SignIn, took: Duration::from_millis(12), outcome };
            let json = serde_json::to_string(&report).unwrap();
            assert!(json.contains(r#""stage":"sign-in","took_ms":12"#), "{json}");
            assert_eq!(serde_json::from_str::<StageReport>(&json).unwrap(), report);
        }
    }
}
