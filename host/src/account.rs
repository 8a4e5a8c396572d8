//! Accounts as operators write them: a form with gaps, checked as a whole before anything is kept.

use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::connector::HttpAccess;
use crate::fault::{Fault, Kind};
use crate::limits::Overrides;
use crate::model::account::{Keep, LeaveCopy, Role, RoleKind};
use crate::model::endpoint::{Endpoint, Fingerprint, Held, Protocol, Security, Timeouts, TlsVersion, Trust};
use crate::model::mechanism::Mechanism;
use crate::model::name::{AccountName, ConnectorId};
use crate::model::network::Network;
use crate::model::quirk::Quirk;

/// What marks a setting as a limit of the host's.
const LIMIT_PREFIX: &str = "limit.";

/// What an operator wrote about an account; a gap keeps what was there, or takes the default.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Form {
    /// How it receives.
    pub receive: RoleForm,
    /// How it sends.
    pub send: RoleForm,
    /// How long mail is kept.
    pub keep: Option<Keep>,
}

/// What an operator wrote about one role of an account.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct RoleForm {
    /// The connector that does it.
    pub connector: Option<ConnectorId>,
    /// The account is not to have this role any more.
    pub is_dropped: bool,
    /// Host name or address.
    pub server: Option<String>,
    /// TCP port; by default the protocol's own for the security.
    pub port: Option<u16>,
    /// How the line is protected.
    pub security: Option<Security>,
    /// Who signs in; "" for nobody.
    pub user: Option<String>,
    /// Who signs in is who signs in for receiving, with the same secret.
    pub same_credentials: Option<bool>,
    /// How to sign in.
    pub auth: Option<Auth>,
    /// A PEM file of authorities; "" for the system's.
    pub ca_file: Option<PathBuf>,
    /// Certificates believed whatever their issuer; replaces the former ones.
    pub pins: Option<Vec<Fingerprint>>,
    /// Keys believed whatever certificate is made over them; replaces the former ones.
    pub key_pins: Option<Vec<Fingerprint>>,
    /// The oldest TLS that is spoken.
    pub tls_min: Option<TlsVersion>,
    /// The client's certificate with its chain, as PEM; "" for none.
    pub client_certificate: Option<String>,
    /// Proxy URL without a password; "" for none.
    pub proxy: Option<String>,
    /// An address of this machine; "" for the system's choice.
    pub local_address: Option<String>,
    /// Near networks in which the server may be; replaces the former ones.
    pub networks: Option<Vec<Network>>,
    /// What the server needs beyond the standards; replaces the former ones.
    pub quirks: Option<Vec<Quirk>>,
    /// Origins that are really elsewhere, each as "FROM=TO"; replaces the former ones.
    pub origins: Option<Vec<String>>,
    /// Milliseconds.
    pub connect_timeout_ms: Option<u64>,
    /// Milliseconds.
    pub read_timeout_ms: Option<u64>,
    /// Milliseconds.
    pub idle_timeout_ms: Option<u64>,
    /// Folders to receive; replaces the former ones.
    pub folders: Option<Vec<String>>,
    /// How long a copy is left on the server.
    pub leave_copy: Option<LeaveCopy>,
    /// Settings of the connector, and limits as `limit.NAME`; an empty value goes back to the default.
    pub set: Vec<(String, String)>,
}

/// How an account signs in, as `--auth` takes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Auth {
    /// By the strongest mechanism that the server offers.
    Auto,
    /// By this one, and by no other.
    Only(Mechanism),
}

impl Form {
    /// What it says about one role.
    #[must_use]
    pub const fn role(&self, kind: RoleKind) -> &RoleForm {
        match kind {
            RoleKind::Receive => &self.receive,
            RoleKind::Send => &self.send,
        }
    }
}

impl RoleForm {
    /// Whether nothing was said.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// The role as this form says, over `former` where there was one. `protocol` is the one of the connector's endpoint, `settings` what the
    /// connector's schema made of the pairs in [`connector_pairs`](Self::connector_pairs), as JSON text.
    ///
    /// # Errors
    /// `Usage` for a gap that has no default, or a value that cannot be meant.
    pub fn fill(
        &self,
        kind: RoleKind,
        account: &AccountName,
        former: Option<Role>,
        protocol: Protocol,
        settings: String,
    ) -> Result<Role, Fault> {
        let role = match former {
            Some(role) => {
                let connector = self.connector.clone().unwrap_or(role.connector);
                Role { connector, endpoint: Endpoint { protocol, ..role.endpoint }, settings, ..role }
            }
            None => self.begin(kind, account, protocol, settings)?,
        };
        self.write_over(kind, role)
    }

    /// The pairs that are the connector's.
    #[must_use]
    pub fn connector_pairs(&self) -> Vec<(String, String)> {
        self.set.iter().filter(|(key, _)| !key.starts_with(LIMIT_PREFIX)).cloned().collect()
    }

    /// A role with what cannot be left out, and defaults for the rest.
    fn begin(&self, kind: RoleKind, account: &AccountName, protocol: Protocol, settings: String) -> Result<Role, Fault> {
        let missing = |option: &str| missing(account, &kind.option(option));
        let security = self.security.unwrap_or(Security::Tls);
        let endpoint = Endpoint {
            protocol,
            server: self.server.clone().ok_or_else(|| missing("server HOST"))?,
            port: match self.port {
                Some(port) => port,
                None => default_port(protocol, security).ok_or_else(|| missing("port N"))?,
            },
            security,
            user: None,
            auth: None,
            trust: Trust::default(),
            proxy: None,
            local_address: None,
            networks: Vec::new(),
            quirks: Vec::new(),
            timeouts: Timeouts::default(),
            held: Held::default(),
        };
        let connector = self.connector.clone().ok_or_else(|| missing_connector(account, kind))?;
        Ok(Role {
            connector,
            endpoint,
            folders: Vec::new(),
            settings,
            limits: Overrides::default(),
            leave_copy: LeaveCopy::default(),
            same_credentials: false,
            origins: Vec::new(),
        })
    }

    fn write_over(&self, kind: RoleKind, mut role: Role) -> Result<Role, Fault> {
        self.write_over_server(kind, &mut role.endpoint)?;
        self.write_over_way(kind, &mut role.endpoint)?;
        role.same_credentials = self.same_credentials.unwrap_or(role.same_credentials);
        if role.same_credentials {
            role.endpoint.user = None;
        }
        if let Some(user) = &self.user {
            role.endpoint.user = Some(user.clone()).filter(|user| !user.is_empty());
            role.same_credentials = false;
        }
        if let Some(folders) = &self.folders {
            role.folders.clone_from(folders);
        }
        role.leave_copy = self.leave_copy.unwrap_or(role.leave_copy);
        if let Some(origins) = &self.origins {
            HttpAccess::check_rewrites(origins)?;
            role.origins.clone_from(origins);
        }
        for (key, value) in &self.set {
            let Some(limit) = key.strip_prefix(LIMIT_PREFIX) else { continue };
            if value.is_empty() {
                role.limits.unset(limit);
            } else {
                let refused = |error| Fault::new(Kind::Usage, format!("set `{key}`")).because(&error);
                role.limits.set(limit, value).map_err(refused)?;
            }
        }
        Ok(role)
    }

    /// The server, and how it is believed and signed in to.
    fn write_over_server(&self, kind: RoleKind, endpoint: &mut Endpoint) -> Result<(), Fault> {
        if let Some(server) = &self.server {
            endpoint.server = check_server(server, kind)?;
        }
        if let Some(security) = self.security {
            // A port that was only the default of the former security follows the new one.
            if self.port.is_none() && Some(endpoint.port) == default_port(endpoint.protocol, endpoint.security) {
                endpoint.port = default_port(endpoint.protocol, security).unwrap_or(endpoint.port);
            }
            endpoint.security = security;
        }
        match self.port {
            Some(0) => {
                let operation = format!("take `{}`", kind.option("port 0"));
                return Err(Fault::new(Kind::Usage, operation).because_words("ports go from 1 to 65535"));
            }
            Some(port) => endpoint.port = port,
            None => {}
        }
        match self.auth {
            Some(Auth::Auto) => endpoint.auth = None,
            Some(Auth::Only(mechanism)) => endpoint.auth = Some(check_mechanism(mechanism, endpoint.protocol, kind)?),
            None => {}
        }
        if let Some(ca_file) = &self.ca_file {
            endpoint.trust.ca_file = Some(ca_file.clone()).filter(|path| !path.as_os_str().is_empty());
        }
        if let Some(pins) = &self.pins {
            endpoint.trust.pins.clone_from(pins);
        }
        if let Some(pins) = &self.key_pins {
            endpoint.trust.key_pins.clone_from(pins);
        }
        if let Some(version) = self.tls_min {
            endpoint.trust.min_version = version;
        }
        if let Some(certificate) = &self.client_certificate {
            endpoint.trust.client_certificate = Some(certificate.clone()).filter(|certificate| !certificate.is_empty());
        }
        if let Some(quirks) = &self.quirks {
            endpoint.quirks = check_quirks(quirks, endpoint.protocol, kind)?;
        }
        Ok(())
    }

    /// The way to the server, and how long it may take.
    fn write_over_way(&self, kind: RoleKind, endpoint: &mut Endpoint) -> Result<(), Fault> {
        if let Some(proxy) = &self.proxy {
            endpoint.proxy = check_proxy(proxy, kind)?;
        }
        if let Some(address) = &self.local_address {
            endpoint.local_address = check_local_address(address, kind)?;
        }
        if let Some(networks) = &self.networks {
            endpoint.networks.clone_from(networks);
        }
        let Timeouts { connect, read, idle } = &mut endpoint.timeouts;
        for (timeout, given, option) in [
            (connect, self.connect_timeout_ms, "connect-timeout-ms"),
            (read, self.read_timeout_ms, "read-timeout-ms"),
            (idle, self.idle_timeout_ms, "idle-timeout-ms"),
        ] {
            if let Some(millis) = given {
                *timeout = check_timeout(&kind.option(option), millis)?;
            }
        }
        Ok(())
    }
}

/// That an account needs something that nobody said.
#[must_use]
pub fn missing(account: &AccountName, option: &str) -> Fault {
    Fault::new(Kind::Usage, format!("add the account `{account}`"))
        .because_words(format!("`{option}` is missing"))
        .with_remedy(format!("add `{option}`; `postrider account add --help` lists what an account takes"))
}

/// That a role has no connector.
#[must_use]
pub fn missing_connector(account: &AccountName, kind: RoleKind) -> Fault {
    missing(account, &format!("--{} CONNECTOR", kind.word()))
}

/// The port that the protocol's standard assigns for this security: RFC 8314 section 3, RFC 9051 section 2.1, RFC 1939 section 3.
#[must_use]
pub const fn default_port(protocol: Protocol, security: Security) -> Option<u16> {
    match (protocol, security) {
        (Protocol::Imap, Security::Tls) => Some(993),
        (Protocol::Imap, Security::Starttls | Security::None) => Some(143),
        (Protocol::Pop3, Security::Tls) => Some(995),
        (Protocol::Pop3, Security::Starttls | Security::None) => Some(110),
        (Protocol::Smtp, Security::Tls) => Some(465),
        (Protocol::Smtp, Security::Starttls | Security::None) => Some(587),
        (Protocol::Lmtp, Security::None | Security::Starttls) => Some(24),
        (Protocol::Lmtp, Security::Tls) | (Protocol::Stream, _) => None,
    }
}

fn check_server(server: &str, kind: RoleKind) -> Result<String, Fault> {
    let bare = server.strip_prefix('[').and_then(|inner| inner.strip_suffix(']')).unwrap_or(server);
    let is_address = bare.parse::<IpAddr>().is_ok();
    let is_name =
        !bare.is_empty() && bare.len() <= 253 && !bare.contains(|c: char| c.is_whitespace() || c.is_control() || "/:@".contains(c));
    if is_address || is_name {
        return Ok(bare.to_owned());
    }
    Err(Fault::new(Kind::Usage, format!("take `{}` as a server", server.escape_debug()))
        .because_words("a server is a host name or an address, without a port, user or `imaps://`")
        .with_remedy(format!("give the name with `{}` and the port with `{}`", kind.option("server"), kind.option("port"))))
}

/// What the protocol does not have at all is found before a server is asked.
fn check_mechanism(mechanism: Mechanism, protocol: Protocol, kind: RoleKind) -> Result<Mechanism, Fault> {
    let is_known = match (mechanism, protocol) {
        (_, Protocol::Stream) => false,
        (Mechanism::Apop, _) => protocol == Protocol::Pop3,
        (Mechanism::Native, _) => matches!(protocol, Protocol::Imap | Protocol::Pop3),
        _ => true,
    };
    if is_known {
        return Ok(mechanism);
    }
    Err(Fault::new(Kind::Usage, format!("take `{} {mechanism}`", kind.option("auth")))
        .because_words("the protocol of this account does not have it")
        .with_remedy(format!("use `{}`, or a mechanism that the server lists", kind.option("auth auto"))))
}

/// What the protocol's preamble does not know would never be asked about.
fn check_quirks(quirks: &[Quirk], protocol: Protocol, kind: RoleKind) -> Result<Vec<Quirk>, Fault> {
    if let Some(foreign) = quirks.iter().find(|quirk| !quirk.is_of(protocol)) {
        let known: Vec<_> = Quirk::ALL.into_iter().filter(|quirk| quirk.is_of(protocol)).map(Quirk::word).collect();
        return Err(Fault::new(Kind::Usage, format!("take `{} {foreign}`", kind.option("quirk")))
            .because_words("the protocol of this account does not have it")
            .with_remedy(format!("this account may have {}", if known.is_empty() { "none".to_owned() } else { known.join(", ") })));
    }
    let mut once: Vec<Quirk> = Vec::new();
    for quirk in quirks {
        if !once.contains(quirk) {
            once.push(*quirk);
        }
    }
    Ok(once)
}

fn check_proxy(proxy: &str, kind: RoleKind) -> Result<Option<String>, Fault> {
    if proxy.is_empty() {
        return Ok(None);
    }
    let refused = |why: &str| {
        Fault::new(Kind::Usage, format!("take the value of `{}`", kind.option("proxy")))
            .because_words(why.to_owned())
            .with_remedy("write it as socks5://HOST:PORT, socks5h://USER:PASSWORD@HOST:PORT or http://HOST:PORT")
    };
    let url = url::Url::parse(proxy).map_err(|error| refused(&error.to_string()))?;
    if !["socks5", "socks5h", "http"].contains(&url.scheme()) {
        return Err(refused("its scheme is none of socks5, socks5h and http"));
    }
    if url.host_str().is_none() {
        return Err(refused("it names no host"));
    }
    if url.password().is_some() {
        // Commands take it out before they ask; a record never holds one.
        return Err(refused("its password has to be given apart"));
    }
    Ok(Some(proxy.to_owned()))
}

fn check_local_address(address: &str, kind: RoleKind) -> Result<Option<IpAddr>, Fault> {
    if address.is_empty() {
        return Ok(None);
    }
    let address = address.parse::<IpAddr>().map_err(|error| {
        Fault::new(Kind::Usage, format!("take `{} {}`", kind.option("local-address"), address.escape_debug()))
            .because(&error)
            .with_remedy("write an address of this machine, such as 192.0.2.7; `ip address` lists them")
    })?;
    Ok(Some(address.to_canonical()))
}

fn check_timeout(option: &str, millis: u64) -> Result<Duration, Fault> {
    if (1..=3_600_000).contains(&millis) {
        return Ok(Duration::from_millis(millis));
    }
    Err(Fault::new(Kind::Usage, format!("take `{option} {millis}`")).because_words("it takes 1 to 3600000 milliseconds"))
}

#[cfg(test)]
mod tests;
