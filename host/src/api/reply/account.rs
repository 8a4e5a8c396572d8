//! Accounts in answers, without their secrets.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::millis;
use crate::clock::Timestamp;
use crate::model::account::{Account, Keep, LeaveCopy, Role, RoleKind};
use crate::model::endpoint::{Fingerprint, Protocol, Security, TlsVersion};
use crate::model::mechanism::Mechanism;
use crate::model::name::{AccountName, ConnectorId};
use crate::model::network::Network;
use crate::model::quirk::Quirk;
use crate::net::preamble::Quirks;
use crate::net::proxy::Proxy;
use crate::net::tls::client;

/// An account as people see it, without its secrets.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AccountView {
    /// What the operator calls it.
    pub name: AccountName,
    /// When it was added.
    pub created: Timestamp,
    /// How it receives.
    pub receive: Option<RoleView>,
    /// How it sends.
    #[serde(default)]
    pub send: Option<RoleView>,
    /// How long its mail is kept, where somebody said so.
    #[serde(default, skip_serializing_if = "Keep::is_default")]
    pub keep: Keep,
}

/// One thing that an account can do.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RoleView {
    /// Which connector does it.
    pub connector: ConnectorId,
    /// What the server speaks.
    pub protocol: Protocol,
    /// Host name or address.
    pub server: String,
    /// TCP port.
    pub port: u16,
    /// How the line is protected.
    pub security: Security,
    /// Whether the sign-in, and the mail after it, cross a network unprotected.
    #[serde(default)]
    pub signs_in_clear: bool,
    /// Who signs in.
    pub user: Option<String>,
    /// Whether it is who signs in for receiving, with the same secret.
    #[serde(default)]
    pub same_credentials: bool,
    /// The one way to sign in; none: the strongest that the server offers.
    pub auth: Option<Mechanism>,
    /// Whether a password is stored.
    pub has_secret: bool,
    /// A PEM file of authorities, instead of the system's.
    pub ca_file: Option<PathBuf>,
    /// Certificates that are believed whatever their issuer.
    pub pins: Vec<Fingerprint>,
    /// Keys that are believed whatever certificate is made over them.
    pub key_pins: Vec<Fingerprint>,
    /// The oldest TLS that is spoken.
    pub tls_min: TlsVersion,
    /// The client's certificate in short.
    pub client_certificate: Option<String>,
    /// The proxy, without its password.
    pub proxy: Option<String>,
    /// Whether a password for the proxy is stored.
    pub has_proxy_password: bool,
    /// The address of this machine from which lines go out.
    pub local_address: Option<IpAddr>,
    /// Near networks in which the server may be.
    pub networks: Vec<Network>,
    /// What the server needs beyond the standards, by the operator's word.
    #[serde(default)]
    pub quirks: Vec<Quirk>,
    /// The same, by the server's name.
    #[serde(default)]
    pub quirks_by_name: Vec<Quirk>,
    /// For name, connect, proxy, TLS and sign-in, each.
    pub connect_timeout_ms: u64,
    /// For one read or write.
    pub read_timeout_ms: u64,
    /// For a line that carries nothing.
    pub idle_timeout_ms: u64,
    /// Ids of the folders to receive; empty: all.
    pub folders: Vec<String>,
    /// The connector's settings.
    pub settings: serde_json::Value,
    /// Limits that differ from the host's.
    pub limits: BTreeMap<String, u64>,
    /// How long a copy is left on the server, where somebody said so.
    #[serde(default, skip_serializing_if = "LeaveCopy::is_default")]
    pub leave_copy: LeaveCopy,
    /// Origins that are really elsewhere, each as "FROM=TO".
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub origins: Vec<String>,
}

impl AccountView {
    /// Of an account; for each role, whether a password and a proxy's password are stored.
    #[must_use]
    pub fn new(account: Account, receive: [bool; 2], send: [bool; 2]) -> Self {
        let view = |kind: RoleKind, stored: [bool; 2]| {
            let (role, endpoint) = (account.role(kind)?.clone(), account.endpoint(kind)?);
            Some(RoleView::new(Role { endpoint, ..role }, stored))
        };
        let (receive, send) = (view(RoleKind::Receive, receive), view(RoleKind::Send, send));
        Self { receive, send, name: account.name, created: account.created, keep: account.keep }
    }

    /// What it says about one role.
    #[must_use]
    pub const fn role(&self, kind: RoleKind) -> Option<&RoleView> {
        match kind {
            RoleKind::Receive => self.receive.as_ref(),
            RoleKind::Send => self.send.as_ref(),
        }
    }
}

impl RoleView {
    fn new(role: Role, [has_secret, has_proxy_password]: [bool; 2]) -> Self {
        let Role { connector, endpoint, folders, settings, limits, leave_copy, same_credentials, origins } = role;
        let (signs_in_clear, quirks_by_name) = (endpoint.signs_in_clear(), Quirks::known(&endpoint));
        Self {
            connector,
            protocol: endpoint.protocol,
            server: endpoint.server,
            port: endpoint.port,
            security: endpoint.security,
            signs_in_clear,
            user: endpoint.user,
            same_credentials,
            auth: endpoint.auth,
            has_secret,
            ca_file: endpoint.trust.ca_file,
            pins: endpoint.trust.pins,
            key_pins: endpoint.trust.key_pins,
            tls_min: endpoint.trust.min_version,
            client_certificate: endpoint.trust.client_certificate.as_deref().map(client::in_short),
            proxy: endpoint.proxy.as_deref().map(Proxy::without_password),
            has_proxy_password,
            local_address: endpoint.local_address,
            networks: endpoint.networks,
            quirks: endpoint.quirks,
            quirks_by_name,
            connect_timeout_ms: millis(endpoint.timeouts.connect),
            read_timeout_ms: millis(endpoint.timeouts.read),
            idle_timeout_ms: millis(endpoint.timeouts.idle),
            folders,
            settings: serde_json::from_str(&settings).unwrap_or_default(),
            limits: limits.iter().map(|(name, value)| (name.to_owned(), value)).collect(),
            leave_copy,
            origins,
        }
    }
}
