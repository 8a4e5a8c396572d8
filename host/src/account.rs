//! Accounts as operators write them: a form with gaps, checked as a whole before anything is kept.

use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::clock::Timestamp;
use crate::fault::{Fault, Kind};
use crate::limits::Overrides;
use crate::model::account::{Account, Keep, LeaveCopy, Role};
use crate::model::endpoint::{Endpoint, Fingerprint, Held, Protocol, Security, Timeouts, TlsVersion, Trust};
use crate::model::mechanism::Mechanism;
use crate::model::name::{AccountId, AccountName, ConnectorId};
use crate::model::network::Network;
use crate::model::quirk::Quirk;

/// The name of the endpoint behind an account's receiving role, in manifests and in the vault.
pub const RECEIVE: &str = "receive";

/// The password for the proxy behind [`RECEIVE`], in the vault. No manifest can declare a name with a slash.
pub const RECEIVE_PROXY: &str = "receive/proxy";

/// The private key of the client's certificate for [`RECEIVE`], in the vault.
pub const RECEIVE_CLIENT_KEY: &str = "receive/client-key";

/// What marks a setting as a limit of the host's.
const LIMIT_PREFIX: &str = "limit.";

/// What an operator wrote about an account; a gap keeps what was there, or takes the default.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Form {
    /// The connector that receives.
    pub receive: Option<ConnectorId>,
    /// Host name or address.
    pub server: Option<String>,
    /// TCP port; by default the protocol's own for the security.
    pub port: Option<u16>,
    /// How the line is protected.
    pub security: Option<Security>,
    /// Who signs in; "" for nobody.
    pub user: Option<String>,
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
    /// Milliseconds.
    pub connect_timeout_ms: Option<u64>,
    /// Milliseconds.
    pub read_timeout_ms: Option<u64>,
    /// Milliseconds.
    pub idle_timeout_ms: Option<u64>,
    /// Folders to receive; replaces the former ones.
    pub folders: Option<Vec<String>>,
    /// How long mail is kept.
    pub keep: Option<Keep>,
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
    /// A new account, or the sentence that says what is missing. `protocol` is the one of the connector's endpoint, `settings` what the
    /// connector's schema made of the pairs in [`connector_pairs`](Self::connector_pairs), as JSON text.
    ///
    /// # Errors
    /// `Usage` for a gap that has no default or a value that cannot be meant.
    pub fn fill(&self, id: AccountId, name: &AccountName, protocol: Protocol, settings: String) -> Result<Account, Fault> {
        let missing = |option: &str| {
            Fault::new(Kind::Usage, format!("add the account `{name}`"))
                .because_words(format!("`{option}` is missing"))
                .with_remedy(format!("add `{option}`; `postrider account add --help` lists what an account takes"))
        };
        let security = self.security.ok_or_else(|| missing("--security tls|starttls|none"))?;
        let endpoint = Endpoint {
            protocol,
            server: self.server.clone().ok_or_else(|| missing("--server HOST"))?,
            port: match self.port {
                Some(port) => port,
                None => default_port(protocol, security).ok_or_else(|| missing("--port N"))?,
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
        let connector = self.receive.clone().ok_or_else(|| missing("--receive CONNECTOR"))?;
        let role =
            Role { connector, endpoint, folders: Vec::new(), settings, limits: Overrides::default(), leave_copy: LeaveCopy::default() };
        let keep = self.keep.unwrap_or_default();
        Ok(Account { id, name: name.clone(), receive: Some(self.write_over(role)?), created: Timestamp::now(), keep })
    }

    /// `account` with what the form says written over it.
    ///
    /// # Errors
    /// `Usage` for a value that cannot be meant, `Unsupported` where the account has nothing to write over.
    pub fn edit(&self, account: Account, protocol: Protocol, settings: String) -> Result<Account, Fault> {
        let Some(role) = account.receive else {
            return Err(Fault::new(Kind::Unsupported, format!("edit the account `{}`", account.name)).because_words("it does not receive"));
        };
        let connector = self.receive.clone().unwrap_or(role.connector);
        let endpoint = Endpoint { protocol, ..role.endpoint };
        let keep = self.keep.unwrap_or(account.keep);
        Ok(Account { receive: Some(self.write_over(Role { connector, endpoint, settings, ..role })?), keep, ..account })
    }

    /// The pairs that are the connector's.
    #[must_use]
    pub fn connector_pairs(&self) -> Vec<(String, String)> {
        self.set.iter().filter(|(key, _)| !key.starts_with(LIMIT_PREFIX)).cloned().collect()
    }

    fn write_over(&self, mut role: Role) -> Result<Role, Fault> {
        let endpoint = &mut role.endpoint;
        if let Some(server) = &self.server {
            endpoint.server = check_server(server)?;
        }
        if let Some(security) = self.security {
            // A port that was only the default of the former security follows the new one.
            if self.port.is_none() && Some(endpoint.port) == default_port(endpoint.protocol, endpoint.security) {
                endpoint.port = default_port(endpoint.protocol, security).unwrap_or(endpoint.port);
            }
            endpoint.security = security;
        }
        match self.port {
            Some(0) => return Err(Fault::new(Kind::Usage, "take `--port 0`").because_words("ports go from 1 to 65535")),
            Some(port) => endpoint.port = port,
            None => {}
        }
        if let Some(user) = &self.user {
            endpoint.user = Some(user.clone()).filter(|user| !user.is_empty());
        }
        match self.auth {
            Some(Auth::Auto) => endpoint.auth = None,
            Some(Auth::Only(mechanism)) => endpoint.auth = Some(check_mechanism(mechanism, endpoint.protocol)?),
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
        if let Some(proxy) = &self.proxy {
            endpoint.proxy = check_proxy(proxy)?;
        }
        if let Some(address) = &self.local_address {
            endpoint.local_address = check_local_address(address)?;
        }
        if let Some(networks) = &self.networks {
            endpoint.networks.clone_from(networks);
        }
        if let Some(quirks) = &self.quirks {
            endpoint.quirks = check_quirks(quirks, endpoint.protocol)?;
        }
        if let Some(millis) = self.connect_timeout_ms {
            endpoint.timeouts.connect = check_timeout("--connect-timeout-ms", millis)?;
        }
        if let Some(millis) = self.read_timeout_ms {
            endpoint.timeouts.read = check_timeout("--read-timeout-ms", millis)?;
        }
        if let Some(millis) = self.idle_timeout_ms {
            endpoint.timeouts.idle = check_timeout("--idle-timeout-ms", millis)?;
        }
        if let Some(folders) = &self.folders {
            role.folders.clone_from(folders);
        }
        role.leave_copy = self.leave_copy.unwrap_or(role.leave_copy);
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

fn check_server(server: &str) -> Result<String, Fault> {
    let bare = server.strip_prefix('[').and_then(|inner| inner.strip_suffix(']')).unwrap_or(server);
    let is_address = bare.parse::<IpAddr>().is_ok();
    let is_name =
        !bare.is_empty() && bare.len() <= 253 && !bare.contains(|c: char| c.is_whitespace() || c.is_control() || "/:@".contains(c));
    if is_address || is_name {
        return Ok(bare.to_owned());
    }
    Err(Fault::new(Kind::Usage, format!("take `{}` as a server", server.escape_debug()))
        .because_words("a server is a host name or an address, without a port, user or `imaps://`")
        .with_remedy("give the name with `--server` and the port with `--port`"))
}

/// What the protocol does not have at all is found before a server is asked.
fn check_mechanism(mechanism: Mechanism, protocol: Protocol) -> Result<Mechanism, Fault> {
    let is_known = match (mechanism, protocol) {
        (_, Protocol::Stream) => false,
        (Mechanism::Apop, _) => protocol == Protocol::Pop3,
        (Mechanism::Native, _) => matches!(protocol, Protocol::Imap | Protocol::Pop3),
        _ => true,
    };
    if is_known {
        return Ok(mechanism);
    }
    Err(Fault::new(Kind::Usage, format!("take `--auth {mechanism}`"))
        .because_words("the protocol of this account does not have it")
        .with_remedy("use `--auth auto`, or a mechanism that the server lists"))
}

/// What the protocol's preamble does not know would never be asked about.
fn check_quirks(quirks: &[Quirk], protocol: Protocol) -> Result<Vec<Quirk>, Fault> {
    if let Some(foreign) = quirks.iter().find(|quirk| !quirk.is_of(protocol)) {
        let known: Vec<_> = Quirk::ALL.into_iter().filter(|quirk| quirk.is_of(protocol)).map(Quirk::word).collect();
        return Err(Fault::new(Kind::Usage, format!("take `--quirk {foreign}`"))
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

fn check_proxy(proxy: &str) -> Result<Option<String>, Fault> {
    if proxy.is_empty() {
        return Ok(None);
    }
    let refused = |why: &str| {
        Fault::new(Kind::Usage, "take the value of `--proxy`")
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

fn check_local_address(address: &str) -> Result<Option<IpAddr>, Fault> {
    if address.is_empty() {
        return Ok(None);
    }
    let address = address.parse::<IpAddr>().map_err(|error| {
        Fault::new(Kind::Usage, format!("take `--local-address {}`", address.escape_debug()))
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
mod tests {
    use super::*;

    fn form() -> Form {
        Form {
            receive: Some("imap".parse().unwrap()),
            server: Some("mail.example.com".to_owned()),
            security: Some(Security::Tls),
            user: Some("help".to_owned()),
            ..Form::default()
        }
    }

    fn fill(form: &Form) -> Result<Account, Fault> {
        form.fill(AccountId(1), &"help".parse().unwrap(), Protocol::Imap, "{}".to_owned())
    }

    #[test]
    fn gaps_take_the_standard_port_or_are_named() {
        let role = fill(&form()).unwrap().receive.unwrap();
        assert_eq!((role.endpoint.port, role.endpoint.user.as_deref()), (993, Some("help")));
        let fault = fill(&Form { server: None, ..form() }).unwrap_err();
        assert_eq!(fault.kind, Kind::Usage);
        assert!(fault.causes().any(|cause| cause.contains("--server")));
    }

    #[test]
    fn a_default_port_follows_the_security_and_a_chosen_one_stays() {
        let starttls = Form { security: Some(Security::Starttls), ..Form::default() };
        let by_default = fill(&form()).unwrap();
        assert_eq!(starttls.edit(by_default, Protocol::Imap, "{}".to_owned()).unwrap().receive.unwrap().endpoint.port, 143);
        let chosen = fill(&Form { port: Some(9993), ..form() }).unwrap();
        assert_eq!(starttls.edit(chosen, Protocol::Imap, "{}".to_owned()).unwrap().receive.unwrap().endpoint.port, 9993);
    }

    #[test]
    fn values_that_cannot_be_meant_are_refused() {
        for server in ["imaps://mail.example.com", "mail.example.com:993", "a b", ""] {
            assert!(fill(&Form { server: Some(server.to_owned()), ..form() }).is_err(), "{server}");
        }
        for proxy in ["ftp://x", "proxy:1080", "socks5://", "socks5://me:secret@proxy"] {
            assert!(fill(&Form { proxy: Some(proxy.to_owned()), ..form() }).is_err(), "{proxy}");
        }
        assert!(fill(&Form { connect_timeout_ms: Some(0), ..form() }).is_err());
        assert!(fill(&Form { idle_timeout_ms: Some(3_600_001), ..form() }).is_err());
        assert!(fill(&Form { local_address: Some("eth0".to_owned()), ..form() }).is_err());
        assert!(fill(&Form { port: Some(0), ..form() }).is_err());
        assert!(fill(&Form { auth: Some(Auth::Only(Mechanism::Apop)), ..form() }).is_err());
        assert!(fill(&Form { set: vec![("limit.memory-octets".to_owned(), "1".to_owned())], ..form() }).is_err());
    }

    #[test]
    fn a_way_to_sign_in_stays_until_it_is_auto_again() {
        let account = fill(&Form { auth: Some(Auth::Only(Mechanism::ScramSha256)), ..form() }).unwrap();
        let kept = Form::default().edit(account, Protocol::Imap, "{}".to_owned()).unwrap();
        assert_eq!(kept.receive.as_ref().unwrap().endpoint.auth, Some(Mechanism::ScramSha256));
        let auto = Form { auth: Some(Auth::Auto), ..Form::default() }.edit(kept, Protocol::Imap, "{}".to_owned()).unwrap();
        assert_eq!(auto.receive.unwrap().endpoint.auth, None);
    }

    #[test]
    fn limits_and_settings_part_ways() {
        let pairs = vec![("limit.handles".to_owned(), "32".to_owned()), ("batch".to_owned(), "7".to_owned())];
        let form = Form { set: pairs, ..form() };
        assert_eq!(form.connector_pairs(), [("batch".to_owned(), "7".to_owned())]);
        let account = fill(&form).unwrap();
        assert_eq!(account.receive.as_ref().unwrap().limits.apply().handles, 32);
        let undo = Form { set: vec![("limit.handles".to_owned(), String::new())], ..Form::default() };
        let account = undo.edit(account, Protocol::Imap, "{}".to_owned()).unwrap();
        assert_eq!(account.receive.unwrap().limits, Overrides::default());
    }

    #[test]
    fn quirks_are_of_the_protocol_and_each_once() {
        let named = |quirks: &[Quirk]| Form { quirks: Some(quirks.to_vec()), ..form() };
        let quirks = |form: &Form| fill(form).map(|account| account.receive.unwrap().endpoint.quirks);
        assert_eq!(quirks(&named(&[Quirk::StrayLines, Quirk::NoSasl, Quirk::StrayLines])).unwrap(), [Quirk::StrayLines, Quirk::NoSasl]);
        let fault = quirks(&named(&[Quirk::NoEhloAfterSignIn])).unwrap_err();
        assert_eq!(fault.kind, Kind::Usage);
        assert!(fault.remedy.unwrap().contains("this account may have id-after-sign-in, no-initial-response, stray-lines"));
        let account = fill(&named(&[Quirk::StrayLines])).unwrap();
        let kept = Form::default().edit(account.clone(), Protocol::Imap, "{}".to_owned()).unwrap();
        assert_eq!(kept.receive.unwrap().endpoint.quirks, [Quirk::StrayLines]);
        let none = Form { quirks: Some(Vec::new()), ..Form::default() }.edit(account, Protocol::Imap, "{}".to_owned()).unwrap();
        assert_eq!(none.receive.unwrap().endpoint.quirks, []);
    }
}
