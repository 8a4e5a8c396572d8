//! One server of an account, as the operator named it: all that `net` needs to dial, secure and sign in, but the secret.

use std::fmt;
use std::net::IpAddr;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::mechanism::Mechanism;
use super::name::AccountId;
use super::network::Network;
use super::quirk::Quirk;
use crate::secret::Secret;

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
    /// The same of public keys (SubjectPublicKeyInfo in DER, RFC 7469 section 2.4): certificates may be renewed over them.
    #[serde(default)]
    pub key_pins: Vec<Fingerprint>,
    /// The oldest TLS that is spoken.
    #[serde(default)]
    pub min_version: TlsVersion,
    /// The client's certificate with its chain, as PEM; its key is in [`Endpoint::held`].
    #[serde(default)]
    pub client_certificate: Option<String>,
}

/// A version of TLS that this host speaks.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum TlsVersion {
    /// RFC 5246, with forward secrecy only.
    #[default]
    #[serde(rename = "1.2")]
    V1_2,
    /// RFC 8446.
    #[serde(rename = "1.3")]
    V1_3,
}

/// The SHA-256 of a certificate, or of a public key, in DER.
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
    /// How long a line may carry nothing in either direction, whatever a connector waits for: then it is given up. Above the pause
    /// after which a connector begins IDLE anew.
    #[serde(default = "default_idle")]
    pub idle: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self { connect: Duration::from_secs(20), read: Duration::from_secs(120), idle: default_idle() }
    }
}

/// Above the 29 minutes after which clients begin IDLE anew (RFC 2177).
const fn default_idle() -> Duration {
    Duration::from_mins(30)
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
    /// "socks5://[user@]host:port" (names resolved here), "socks5h://" (by the proxy) or "http://" (CONNECT). Its password is in
    /// [`held`](Self::held).
    pub proxy: Option<String>,
    /// The address of this machine from which lines go out; none: the system chooses one.
    #[serde(default)]
    pub local_address: Option<IpAddr>,
    /// Networks of this machine and near it in which the server may be although its name does not say so.
    #[serde(default)]
    pub networks: Vec<Network>,
    /// What the server needs beyond the standards, beside what its name tells.
    #[serde(default)]
    pub quirks: Vec<Quirk>,
    /// The time-outs.
    pub timeouts: Timeouts,
    /// What belongs to it and lies in the vault.
    #[serde(skip)]
    pub held: Held,
}

/// What belongs to an endpoint and is put in from the vault when a session begins; it is never written with the endpoint.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Held {
    /// Whose endpoint it is: TLS sessions are kept apart by it. None: no session is resumed.
    pub account: Option<AccountId>,
    /// The password for the proxy.
    pub proxy_password: Option<Secret>,
    /// The private key of the client's certificate, in DER (PKCS #8, PKCS #1 or SEC 1).
    pub client_key: Option<Secret>,
}

impl Endpoint {
    /// "server:port", with brackets around an IPv6 address.
    #[must_use]
    pub fn authority(&self) -> String {
        if self.server.contains(':') { format!("[{}]:{}", self.server, self.port) } else { format!("{}:{}", self.server, self.port) }
    }

    /// Whether a sign-in, and all mail after it, would cross a network unprotected. To this machine itself nobody listens who could not read
    /// the process's memory as well; through a proxy no line stays here.
    #[must_use]
    pub fn signs_in_clear(&self) -> bool {
        let is_here = self.server.eq_ignore_ascii_case("localhost")
            || self.server.parse::<IpAddr>().is_ok_and(|address| address.to_canonical().is_loopback());
        self.security == Security::None && self.user.is_some() && !(is_here && self.proxy.is_none())
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

impl fmt::Display for TlsVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::V1_2 => "1.2",
            Self::V1_3 => "1.3",
        })
    }
}

/// What is not a fingerprint.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a SHA-256 fingerprint: 64 hexadecimal digits, with or without colons, or `sha256//` and base64")]
pub struct FingerprintError(String);

impl FromStr for Fingerprint {
    type Err = FingerprintError;

    fn from_str(given: &str) -> Result<Self, FingerprintError> {
        // As curl writes the pin of a key.
        let decoded = if let Some(base64) = given.strip_prefix("sha256//") {
            data_encoding::BASE64.decode(base64.as_bytes()).ok()
        } else {
            let digits: String = given.chars().filter(|c| *c != ':').collect();
            data_encoding::HEXLOWER_PERMISSIVE.decode(digits.as_bytes()).ok()
        };
        decoded.and_then(|octets| octets.try_into().ok()).map(Self).ok_or_else(|| FingerprintError(given.to_owned()))
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
        let base64 = format!("sha256//{}", data_encoding::BASE64.encode(&[0xab; 32]));
        assert_eq!(base64.parse::<Fingerprint>().unwrap(), plain.parse::<Fingerprint>().unwrap());
        for bad in ["ab", "sha256//ab", ""] {
            assert!(bad.parse::<Fingerprint>().is_err(), "{bad}");
        }
    }

    #[test]
    fn nothing_of_the_vault_is_written_or_shown() {
        let endpoint = Endpoint {
            protocol: Protocol::Imap,
            server: "::1".to_owned(),
            port: 993,
            security: Security::Tls,
            user: None,
            auth: None,
            trust: Trust::default(),
            proxy: Some("socks5://me@proxy.example:1080".to_owned()),
            local_address: None,
            networks: Vec::new(),
            quirks: Vec::new(),
            timeouts: Timeouts::default(),
            held: Held { proxy_password: Some(Secret::new("correct horse")), client_key: Some(Secret::new("battery")), account: None },
        };
        let json = serde_json::to_string(&endpoint).unwrap();
        for secret in ["horse", "battery"] {
            assert!(!format!("{endpoint:?}{json}").contains(secret));
        }
        assert_eq!(serde_json::from_str::<Endpoint>(&json).unwrap().held, Held::default());
        assert_eq!(endpoint.authority(), "[::1]:993");
    }

    #[test]
    fn a_sign_in_in_clear_is_one_over_a_network() {
        let line = |server: &str, security, user: Option<&str>, proxy: Option<&str>| {
            let json = r#"{"protocol":"imap","server":"","port":143,"security":"tls","user":null,"trust":{"ca_file":null,"pins":[]},
                "proxy":null,"timeouts":{"connect":{"secs":1,"nanos":0},"read":{"secs":1,"nanos":0}}}"#;
            let endpoint: Endpoint = serde_json::from_str(json).unwrap();
            let (user, proxy) = (user.map(str::to_owned), proxy.map(str::to_owned));
            Endpoint { server: server.to_owned(), security, user, proxy, ..endpoint }.signs_in_clear()
        };
        assert!(line("mail.example.com", Security::None, Some("me"), None));
        assert!(line("192.0.2.1", Security::None, Some("me"), None));
        assert!(line("localhost", Security::None, Some("me"), Some("socks5h://proxy.example")));
        for here in ["localhost", "LocalHost", "127.0.0.1", "127.8.9.1", "::1", "::ffff:127.0.0.1"] {
            assert!(!line(here, Security::None, Some("me"), None), "{here}");
        }
        assert!(!line("mail.example.com", Security::None, None, None), "nobody signs in");
        for security in [Security::Tls, Security::Starttls] {
            assert!(!line("mail.example.com", security, Some("me"), None));
        }
    }
}
