//! One server of an account, as the operator named it: all that `net` needs to dial, secure and sign in, but the secret.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::mechanism::Mechanism;

/// A protocol whose preamble the host speaks, or any other over a bare (TLS) stream, without a secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Protocol {
    /// RFC 9051 and RFC 3501.
    Imap,
    /// RFC 1939.
    Pop3,
    /// RFC 5321, as submission (RFC 6409).
    Smtp,
    /// RFC 2033.
    Lmtp,
    /// None that the host knows: TLS, and no secret.
    Stream,
}

/// How the line is protected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Security {
    /// TLS from the first octet (RFC 8314 section 3).
    Tls,
    /// Clear text until STARTTLS or STLS succeeds; never without.
    Starttls,
    /// No protection. Only where the operator wrote so.
    None,
}

/// Which certificates are believed.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Trust {
    /// A PEM file of authorities, instead of the system's.
    pub ca_file: Option<PathBuf>,
    /// SHA-256 fingerprints of end-entity certificates, which are then believed whatever their issuer, name and validity.
    pub pins: Vec<Fingerprint>,
}

/// The SHA-256 of a certificate in DER.
#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Fingerprint(pub [u8; 32]);

/// The time-outs of a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Timeouts {
    /// For name, connect, proxy, TLS and sign-in, each.
    pub connect: Duration,
    /// For one read or write.
    pub read: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self { connect: Duration::from_secs(20), read: Duration::from_secs(120) }
    }
}

/// One server of an account.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Endpoint {
    /// Decides the preamble.
    pub protocol: Protocol,
    /// Host name or address.
    pub server: String,
    /// TCP port.
    pub port: u16,
    /// How the line is protected.
    pub security: Security,
    /// Who signs in; none: nobody does.
    pub user: Option<String>,
    /// The one way to sign in; none: the strongest that the server offers.
    #[serde(default)]
    pub auth: Option<Mechanism>,
    /// Which certificates are believed.
    pub trust: Trust,
    /// "socks5://[user:password@]host:port" (names resolved here), "socks5h://" (by the proxy) or "http://" (CONNECT). May hold a
    /// password: never shown without [`redacted_proxy`](Self::redacted_proxy).
    pub proxy: Option<String>,
    /// The time-outs.
    pub timeouts: Timeouts,
}

impl Endpoint {
    /// "server:port", with brackets around an IPv6 address.
    #[must_use]
    pub fn authority(&self) -> String {
        if self.server.contains(':') { format!("[{}]:{}", self.server, self.port) } else { format!("{}:{}", self.server, self.port) }
    }

    /// The proxy's URL with its password taken out.
    #[must_use]
    pub fn redacted_proxy(&self) -> Option<String> {
        let proxy = self.proxy.as_deref()?;
        let Ok(mut url) = url::Url::parse(proxy) else { return Some("(unreadable)".to_owned()) };
        if url.password().is_some() {
            // A URL that holds a password has a host and can therefore hold another.
            let _ = url.set_password(Some("redacted"));
        }
        Some(url.to_string())
    }
}

impl fmt::Display for Security {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Tls => "tls",
            Self::Starttls => "starttls",
            Self::None => "none",
        })
    }
}

/// What is not a fingerprint.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a SHA-256 fingerprint: 64 hexadecimal digits, with or without colons")]
pub struct FingerprintError(String);

impl FromStr for Fingerprint {
    type Err = FingerprintError;

    fn from_str(given: &str) -> Result<Self, FingerprintError> {
        let digits: String = given.chars().filter(|c| *c != ':').collect();
        data_encoding::HEXLOWER_PERMISSIVE
            .decode(digits.as_bytes())
            .ok()
            .and_then(|octets| octets.try_into().ok())
            .map(Self)
            .ok_or_else(|| FingerprintError(given.to_owned()))
    }
}

impl TryFrom<String> for Fingerprint {
    type Error = FingerprintError;

    fn try_from(given: String) -> Result<Self, FingerprintError> {
        given.parse()
    }
}

impl From<Fingerprint> for String {
    fn from(fingerprint: Fingerprint) -> Self {
        fingerprint.to_string()
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&data_encoding::HEXLOWER.encode(&self.0))
    }
}

impl fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Fingerprint({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fingerprints_in_both_spellings() {
        let plain = "ab".repeat(32);
        let colons = vec!["AB"; 32].join(":");
        assert_eq!(plain.parse::<Fingerprint>().unwrap(), colons.parse::<Fingerprint>().unwrap());
        assert!("ab".parse::<Fingerprint>().is_err());
    }

    #[test]
    fn a_proxy_shows_no_password() {
        let endpoint = Endpoint {
            protocol: Protocol::Imap,
            server: "::1".to_owned(),
            port: 993,
            security: Security::Tls,
            user: None,
            auth: None,
            trust: Trust::default(),
            proxy: Some("socks5://me:hunter22@proxy.example:1080".to_owned()),
            timeouts: Timeouts::default(),
        };
        assert!(!endpoint.redacted_proxy().unwrap().contains("hunter22"));
        assert_eq!(endpoint.authority(), "[::1]:993");
    }
}
