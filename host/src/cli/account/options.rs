//! What an operator can say about an account: the same options for each of its two servers, those of sending with `--send-` before them.

use std::path::{Path, PathBuf};

use clap::Args;
use clap::builder::{OsStringValueParser, PossibleValuesParser, TypedValueParser};
use zeroize::Zeroizing;

use crate::account::{Auth, Form, RoleForm};
use crate::api::{AccountChange, RoleSecrets};
use crate::cli::context::absolute;
use crate::cli::terminal;
use crate::fault::{Fault, Kind};
use crate::model::account::{Keep, LeaveCopy, RoleKind};
use crate::model::endpoint::{Fingerprint, Security, TlsVersion};
use crate::model::mechanism::Mechanism;
use crate::model::name::{AccountName, ConnectorId};
use crate::model::network::Network;
use crate::model::quirk::Quirk;
use crate::net::proxy::Proxy;
use crate::net::tls::client;
use crate::secret::Secret;

/// What an operator can say about an account.
#[derive(Debug, Default, Args)]
pub(in crate::cli) struct Fields {
    /// The connector that receives its mail, as `postrider connector list` shows it
    #[arg(long, value_name = "CONNECTOR")]
    receive: Option<ConnectorId>,
    #[command(flatten)]
    inbound: Inbound,
    /// Receive this folder only; can be repeated
    #[arg(long = "folder", value_name = "FOLDER")]
    folders: Vec<String>,
    /// Receive all folders again
    #[arg(long, conflicts_with = "folders")]
    all_folders: bool,
    /// How long mail is kept here: days, `until-delivered` to every sink, or `forever`, which is the default
    #[arg(long, value_name = "DAYS")]
    keep: Option<Keep>,
    /// How long a copy of mail that is stored here is left on the server, with connectors that can delete it there: days, `forever`, which is
    /// the default, or `no`
    #[arg(long, value_name = "DAYS")]
    leave_copy: Option<LeaveCopy>,
    /// The connector that sends its mail
    #[arg(long, value_name = "CONNECTOR", help_heading = SENDING)]
    send: Option<ConnectorId>,
    /// For sending, sign in with the user and the password for receiving; the default where there are some and no `--send-user` is given
    #[arg(long, conflicts_with_all = ["send-user", "send-password-stdin"], help_heading = SENDING)]
    send_same_credentials: bool,
    #[command(flatten)]
    outbound: Outbound,
}

/// What can be said of an account that there is.
#[derive(Debug, Default, Args)]
pub(in crate::cli) struct Changes {
    /// Ask for a new password on the terminal
    #[arg(long, conflicts_with = "password-stdin")]
    ask_password: bool,
    /// Receive no more; mail that is stored stays
    #[arg(long, conflicts_with = "receive")]
    no_receive: bool,
    /// Ask for a new password for sending on the terminal
    #[arg(long, conflicts_with = "send-password-stdin", help_heading = SENDING)]
    send_ask_password: bool,
    /// Send no more
    #[arg(long, conflicts_with = "send", help_heading = SENDING)]
    no_send: bool,
}

/// Over the options about sending.
const SENDING: &str = "Sending";

/// The options about one server, with `$prefix` before each name.
macro_rules! server_options {
    ($(#[$of_all:meta])* $name:ident, $prefix:literal) => {
        #[derive(Debug, Default, Args)]
        $(#[$of_all])*
        struct $name {
            /// Host name or address of the server
            #[arg(id = concat!($prefix, "server"), long = concat!($prefix, "server"), value_name = "HOST")]
            server: Option<String>,
            /// TCP port; by default the protocol's own for the security: 993 and 143 for IMAP, 465 and 587 for SMTP
            #[arg(id = concat!($prefix, "port"), long = concat!($prefix, "port"), value_name = "N")]
            port: Option<u16>,
            /// How the line is protected: TLS at once, STARTTLS first, or not at all; `tls` by default
            #[arg(id = concat!($prefix, "security"), long = concat!($prefix, "security"), value_name = "MODE", value_parser = security_parser())]
            security: Option<Security>,
            /// Who signs in; empty for nobody
            #[arg(id = concat!($prefix, "user"), long = concat!($prefix, "user"), value_name = "USER")]
            user: Option<String>,
            /// How to sign in: the strongest way that the server offers, or this one only; `auto` by default. With `oauthbearer` and
            /// `xoauth2` the password is an access token
            #[arg(id = concat!($prefix, "auth"), long = concat!($prefix, "auth"), value_name = "MECHANISM", value_parser = auth_parser())]
            auth: Option<Auth>,
            /// Read the password from stdin, to its end but for a line end
            #[arg(id = concat!($prefix, "password-stdin"), long = concat!($prefix, "password-stdin"))]
            password_stdin: bool,
            /// A PEM file of authorities to believe instead of the system's; empty for the system's
            #[arg(id = concat!($prefix, "ca"), long = concat!($prefix, "ca"), value_name = "FILE", value_parser = OsStringValueParser::new().map(PathBuf::from))]
            ca: Option<PathBuf>,
            /// Believe the server's certificate with this fingerprint whatever its issuer; can be repeated
            #[arg(id = concat!($prefix, "pin"), long = concat!($prefix, "pin"), value_name = "SHA256")]
            pins: Vec<Fingerprint>,
            /// Believe every certificate over the key with this fingerprint (of SubjectPublicKeyInfo), so that renewals pass; can be repeated
            #[arg(id = concat!($prefix, "pin-key"), long = concat!($prefix, "pin-key"), value_name = "SHA256")]
            key_pins: Vec<Fingerprint>,
            /// Believe no fingerprint any more, of certificates and of keys
            #[arg(id = concat!($prefix, "no-pins"), long = concat!($prefix, "no-pins"), conflicts_with_all = [concat!($prefix, "pin"), concat!($prefix, "pin-key")])]
            no_pins: bool,
            /// The oldest TLS that is spoken; 1.2 by default
            #[arg(id = concat!($prefix, "tls-min"), long = concat!($prefix, "tls-min"), value_name = "VERSION", value_parser = tls_version_parser())]
            tls_min: Option<TlsVersion>,
            /// A PEM file with the certificate that is shown to the server, and its chain; it is copied into the account
            #[arg(id = concat!($prefix, "client-cert"), long = concat!($prefix, "client-cert"), value_name = "FILE")]
            client_cert: Option<PathBuf>,
            /// A PEM file with its private key, which is copied into the sealed store; not needed where it stands in the same file
            #[arg(id = concat!($prefix, "client-key"), long = concat!($prefix, "client-key"), value_name = "FILE", requires = concat!($prefix, "client-cert"))]
            client_key: Option<PathBuf>,
            /// Show no certificate any more, and forget its key
            #[arg(id = concat!($prefix, "no-client-cert"), long = concat!($prefix, "no-client-cert"), conflicts_with = concat!($prefix, "client-cert"))]
            no_client_cert: bool,
            /// `socks5://`, `socks5h://` (the proxy resolves names) or `http://` with [user[:password]@]host:port; empty for none
            #[arg(id = concat!($prefix, "proxy"), long = concat!($prefix, "proxy"), value_name = "URL")]
            proxy: Option<String>,
            /// Read the proxy's password from stdin, so that it stands in no command line
            #[arg(id = concat!($prefix, "proxy-password-stdin"), long = concat!($prefix, "proxy-password-stdin"))]
            proxy_password_stdin: bool,
            /// The address of this machine from which lines go out; empty for the system's choice
            #[arg(id = concat!($prefix, "local-address"), long = concat!($prefix, "local-address"), value_name = "ADDRESS")]
            local_address: Option<String>,
            /// The server may be in this near network although its name is a public one, as in `10.0.0.0/8`; can be repeated
            #[arg(id = concat!($prefix, "network"), long = concat!($prefix, "network"), value_name = "NETWORK")]
            networks: Vec<Network>,
            /// The server is in no near network any more
            #[arg(id = concat!($prefix, "no-networks"), long = concat!($prefix, "no-networks"), conflicts_with = concat!($prefix, "network"))]
            no_networks: bool,
            /// What the server needs beyond the standards, of the list below; can be repeated
            #[arg(id = concat!($prefix, "quirk"), long = concat!($prefix, "quirk"), value_name = "NAME", hide_possible_values = true, value_parser = quirk_parser())]
            quirks: Vec<Quirk>,
            /// The server needs nothing beyond the standards any more
            #[arg(id = concat!($prefix, "no-quirks"), long = concat!($prefix, "no-quirks"), conflicts_with = concat!($prefix, "quirk"))]
            no_quirks: bool,
            /// An origin of the connector's is really elsewhere, as in `https://FROM=https://TO`: a national cloud, a server for tests; its
            /// credential goes there; can be repeated
            #[arg(id = concat!($prefix, "origin"), long = concat!($prefix, "origin"), value_name = "FROM=TO")]
            origins: Vec<String>,
            /// Every origin is where it says again
            #[arg(id = concat!($prefix, "no-origins"), long = concat!($prefix, "no-origins"), conflicts_with = concat!($prefix, "origin"))]
            no_origins: bool,
            /// For name, connect, proxy, TLS and sign-in, each
            #[arg(id = concat!($prefix, "connect-timeout-ms"), long = concat!($prefix, "connect-timeout-ms"), value_name = "N")]
            connect_timeout_ms: Option<u64>,
            /// For one read or write
            #[arg(id = concat!($prefix, "read-timeout-ms"), long = concat!($prefix, "read-timeout-ms"), value_name = "N")]
            read_timeout_ms: Option<u64>,
            /// For a line that carries nothing, whatever is waited for: above the pause between two IDLEs
            #[arg(id = concat!($prefix, "idle-timeout-ms"), long = concat!($prefix, "idle-timeout-ms"), value_name = "N")]
            idle_timeout_ms: Option<u64>,
            /// A setting of the connector, or a limit as `limit.NAME=VALUE`; nothing after the sign goes back to the default
            #[arg(id = concat!($prefix, "set"), long = concat!($prefix, "set"), value_name = "KEY=VALUE", value_parser = pair)]
            set: Vec<(String, String)>,
        }
    };
}

server_options!(
    /// About the server for receiving.
    Inbound,
    ""
);
server_options!(
    /// About the server for sending.
    #[command(next_help_heading = SENDING)]
    Outbound,
    "send-"
);

impl From<Outbound> for Inbound {
    fn from(given: Outbound) -> Self {
        let Outbound { server, port, security, user, auth, password_stdin, ca, pins, key_pins, no_pins, tls_min, .. } = given;
        let Outbound { client_cert, client_key, no_client_cert, proxy, proxy_password_stdin, local_address, networks, .. } = given;
        let Outbound { no_networks, quirks, no_quirks, origins, no_origins, connect_timeout_ms, .. } = given;
        let Outbound { read_timeout_ms, idle_timeout_ms, set, .. } = given;
        Self {
            server,
            port,
            security,
            user,
            auth,
            password_stdin,
            ca,
            pins,
            key_pins,
            no_pins,
            tls_min,
            client_cert,
            client_key,
            no_client_cert,
            proxy,
            proxy_password_stdin,
            local_address,
            networks,
            no_networks,
            quirks,
            no_quirks,
            origins,
            no_origins,
            connect_timeout_ms,
            read_timeout_ms,
            idle_timeout_ms,
            set,
        }
    }
}

impl Fields {
    /// About an account that is to be added. Nobody is asked in vain: passwords come last, and only for somebody who signs in with one.
    ///
    /// # Errors
    /// What cannot be read, or makes no sense together.
    pub(in crate::cli) async fn into_new(self, name: &AccountName) -> Result<AccountChange, Fault> {
        let changes = Changes {
            ask_password: signs_in_by_password(self.inbound.user.as_ref(), self.inbound.auth),
            send_ask_password: signs_in_by_password(self.outbound.user.as_ref(), self.outbound.auth),
            ..Changes::default()
        };
        self.into_change(changes, name).await
    }

    /// About an account that is there.
    ///
    /// # Errors
    /// As of [`into_new`](Self::into_new).
    pub(in crate::cli) async fn into_change(self, changes: Changes, name: &AccountName) -> Result<AccountChange, Fault> {
        let outbound = Inbound::from(self.outbound);
        one_from_stdin(&self.inbound, &outbound)?;
        let (mut receiving, receive) = self.inbound.into_role(changes.ask_password, &format!("the account `{name}`")).await?;
        receiving.connector = self.receive;
        receiving.is_dropped = changes.no_receive;
        receiving.folders = (self.all_folders || !self.folders.is_empty()).then_some(self.folders);
        receiving.leave_copy = self.leave_copy;
        let (mut sending, send) = outbound.into_role(changes.send_ask_password, &format!("the account `{name}` for sending")).await?;
        sending.connector = self.send;
        sending.is_dropped = changes.no_send;
        sending.same_credentials = self.send_same_credentials.then_some(true);
        Ok(AccountChange { form: Form { receive: receiving, send: sending, keep: self.keep }, receive, send })
    }
}

impl Inbound {
    /// What is said about one role, and its secrets.
    async fn into_role(self, asks: bool, whose: &str) -> Result<(RoleForm, RoleSecrets), Fault> {
        let secret = if self.password_stdin {
            Some(terminal::password_from_stdin()?)
        } else if asks {
            Some(terminal::ask_password(whose).await?)
        } else {
            None
        };
        let (proxy, mut proxy_password) = match self.proxy.as_deref().filter(|proxy| !proxy.is_empty()) {
            Some(proxy) => Proxy::part_password(proxy)?,
            None => (self.proxy.clone(), self.proxy.as_ref().map(|_| Secret::new(Vec::new()))),
        };
        if self.proxy_password_stdin {
            proxy_password = Some(terminal::password_from_stdin()?);
        }
        let (client_certificate, client_key) = match &self.client_cert {
            Some(path) => {
                let key = self.client_key.as_ref().unwrap_or(path);
                let (certificate, key) =
                    client::read_pem(&read_file("--client-cert", path).await?, &read_file("--client-key", key).await?)?;
                (Some(certificate), Some(key))
            }
            None if self.no_client_cert => (Some(String::new()), Some(Secret::new(Vec::new()))),
            None => (None, None),
        };
        let form = RoleForm {
            server: self.server,
            port: self.port,
            security: self.security,
            user: self.user,
            auth: self.auth,
            ca_file: self.ca.as_deref().map(absolute).transpose()?,
            pins: (self.no_pins || !self.pins.is_empty()).then_some(self.pins),
            key_pins: (self.no_pins || !self.key_pins.is_empty()).then_some(self.key_pins),
            tls_min: self.tls_min,
            client_certificate,
            proxy,
            local_address: self.local_address,
            networks: (self.no_networks || !self.networks.is_empty()).then_some(self.networks),
            quirks: (self.no_quirks || !self.quirks.is_empty()).then_some(self.quirks),
            origins: (self.no_origins || !self.origins.is_empty()).then_some(self.origins),
            connect_timeout_ms: self.connect_timeout_ms,
            read_timeout_ms: self.read_timeout_ms,
            idle_timeout_ms: self.idle_timeout_ms,
            set: self.set,
            ..RoleForm::default()
        };
        Ok((form, RoleSecrets { secret, proxy_password, client_key }))
    }
}

fn signs_in_by_password(user: Option<&String>, auth: Option<Auth>) -> bool {
    user.is_some_and(|user| !user.is_empty()) && !matches!(auth, Some(Auth::Only(Mechanism::External)))
}

/// Stdin has one end: one secret can be read from it.
fn one_from_stdin(inbound: &Inbound, outbound: &Inbound) -> Result<(), Fault> {
    let wanted = [
        (RoleKind::Receive, "password-stdin", inbound.password_stdin),
        (RoleKind::Receive, "proxy-password-stdin", inbound.proxy_password_stdin),
        (RoleKind::Send, "password-stdin", outbound.password_stdin),
        (RoleKind::Send, "proxy-password-stdin", outbound.proxy_password_stdin),
    ];
    let wanted: Vec<_> = wanted.iter().filter(|(.., is_wanted)| *is_wanted).map(|(kind, option, _)| kind.option(option)).collect();
    match wanted.as_slice() {
        [one, other, ..] => Err(Fault::new(Kind::Usage, format!("take `{one}` together with `{other}`"))
            .because_words("both are read to the end of stdin")
            .with_remedy("give one of them, and the other one with `postrider account edit`")),
        _ => Ok(()),
    }
}

/// A file that may hold a key: no copy of it stays in memory.
async fn read_file(option: &str, path: &Path) -> Result<Zeroizing<Vec<u8>>, Fault> {
    let read = tokio::fs::read(path).await.map(Zeroizing::new);
    read.map_err(|error| Fault::new(Kind::Usage, format!("read the file of `{option}`, `{}`", path.display())).because(&error))
}

fn tls_version_parser() -> impl TypedValueParser<Value = TlsVersion> {
    PossibleValuesParser::new(["1.2", "1.3"]).map(|version| if version == "1.3" { TlsVersion::V1_3 } else { TlsVersion::V1_2 })
}

fn security_parser() -> impl TypedValueParser<Value = Security> {
    PossibleValuesParser::new(["tls", "starttls", "none"]).map(|word| match word.as_str() {
        "starttls" => Security::Starttls,
        "none" => Security::None,
        _ => Security::Tls,
    })
}

fn quirk_parser() -> impl TypedValueParser<Value = Quirk> {
    PossibleValuesParser::new(Quirk::ALL.map(Quirk::word)).try_map(|word| word.parse::<Quirk>())
}

/// What stands behind the options.
pub(in crate::cli) fn quirks_in_help() -> String {
    let rows = Quirk::ALL.map(|quirk| format!("  {}\n      {}", quirk.word(), quirk.purpose()));
    format!("Quirks:\n{}", rows.join("\n"))
}

fn auth_parser() -> impl TypedValueParser<Value = Auth> {
    let words = std::iter::once("auto").chain(Mechanism::ALL.map(Mechanism::word));
    PossibleValuesParser::new(words.collect::<Vec<_>>()).map(|word| word.parse().map_or(Auth::Auto, Auth::Only))
}

fn pair(given: &str) -> Result<(String, String), String> {
    match given.split_once('=') {
        Some((key, value)) if !key.is_empty() => Ok((key.to_owned(), value.to_owned())),
        _ => Err("write it as KEY=VALUE, or KEY= to go back to the default".to_owned()),
    }
}
