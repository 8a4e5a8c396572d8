//! `postrider account`.

use std::path::{Path, PathBuf};

use clap::builder::{OsStringValueParser, PossibleValuesParser, TypedValueParser};
use clap::{Args, Subcommand};
use zeroize::Zeroizing;

use super::context::{Context, absolute, unexpected};
use super::text::{clean, count, fields, millis, table};
use super::{progress, terminal};
use crate::account::{Auth, Form};
use crate::api::{AccountChange, AccountView, Event, Reply, Request, RoleView, StageView, TestView};
use crate::fault::{Fault, Kind};
use crate::model::account::{Keep, LeaveCopy};
use crate::model::endpoint::{Fingerprint, Security, TlsVersion};
use crate::model::mechanism::Mechanism;
use crate::model::name::{AccountName, ConnectorId};
use crate::model::network::Network;
use crate::model::quirk::Quirk;
use crate::net::proxy::Proxy;
use crate::net::tls::client;
use crate::secret::Secret;

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Add an account; asks for its password on the terminal
    #[command(after_help = quirks_in_help())]
    Add {
        /// What to call it
        name: AccountName,
        /// The connector that receives its mail, as `postrider connector list` shows it
        #[arg(long, value_name = "CONNECTOR")]
        receive: ConnectorId,
        #[command(flatten)]
        fields: Box<Fields>,
    },
    /// List the accounts
    List,
    /// Show one account, without its password
    Show {
        /// Which account
        name: AccountName,
    },
    /// Change an account; what is not named stays
    #[command(after_help = quirks_in_help())]
    Edit {
        /// Which account
        name: AccountName,
        /// Another connector to receive its mail
        #[arg(long, value_name = "CONNECTOR")]
        receive: Option<ConnectorId>,
        /// Ask for a new password on the terminal
        #[arg(long, conflicts_with = "password_stdin")]
        ask_password: bool,
        #[command(flatten)]
        fields: Box<Fields>,
    },
    /// Remove an account, its password and all of its stored mail
    Remove {
        /// Which account
        name: AccountName,
        /// Do not ask
        #[arg(long)]
        yes: bool,
    },
    /// Try an account's server stage by stage, and say what each one found
    Test {
        /// Which account
        name: AccountName,
    },
}

/// What an operator can say about an account.
#[derive(Debug, Default, Args)]
pub(super) struct Fields {
    /// Host name or address of the server
    #[arg(long, value_name = "HOST")]
    server: Option<String>,
    /// TCP port; by default the protocol's own for the security: 993 and 143 for IMAP
    #[arg(long, value_name = "N")]
    port: Option<u16>,
    /// How the line is protected: TLS at once, STARTTLS first, or not at all; `tls` by default
    #[arg(long, value_name = "MODE", value_parser = security_parser())]
    security: Option<Security>,
    /// Who signs in
    #[arg(long)]
    user: Option<String>,
    /// How to sign in: the strongest way that the server offers, or this one only; `auto` by default. With `oauthbearer` and
    /// `xoauth2` the password is an access token
    #[arg(long, value_name = "MECHANISM", value_parser = auth_parser())]
    auth: Option<Auth>,
    /// Read the password from stdin, to its end but for a line end
    #[arg(long)]
    password_stdin: bool,
    /// A PEM file of authorities to believe instead of the system's; empty for the system's
    #[arg(long, value_name = "FILE", value_parser = OsStringValueParser::new().map(PathBuf::from))]
    ca: Option<PathBuf>,
    /// Believe the server's certificate with this fingerprint whatever its issuer; can be repeated
    #[arg(long = "pin", value_name = "SHA256")]
    pins: Vec<Fingerprint>,
    /// Believe every certificate over the key with this fingerprint (of SubjectPublicKeyInfo), so that renewals pass; can be repeated
    #[arg(long = "pin-key", value_name = "SHA256")]
    key_pins: Vec<Fingerprint>,
    /// Believe no fingerprint any more, of certificates and of keys
    #[arg(long, conflicts_with_all = ["pins", "key_pins"])]
    no_pins: bool,
    /// The oldest TLS that is spoken; 1.2 by default
    #[arg(long, value_name = "VERSION", value_parser = tls_version_parser())]
    tls_min: Option<TlsVersion>,
    /// A PEM file with the certificate that is shown to the server, and its chain; it is copied into the account
    #[arg(long, value_name = "FILE")]
    client_cert: Option<PathBuf>,
    /// A PEM file with its private key, which is copied into the sealed store; not needed where it stands in the same file
    #[arg(long, value_name = "FILE", requires = "client_cert")]
    client_key: Option<PathBuf>,
    /// Show no certificate any more, and forget its key
    #[arg(long, conflicts_with = "client_cert")]
    no_client_cert: bool,
    /// `socks5://`, `socks5h://` (the proxy resolves names) or `http://` with [user[:password]@]host:port; empty for none
    #[arg(long, value_name = "URL")]
    proxy: Option<String>,
    /// Read the proxy's password from stdin, so that it stands in no command line
    #[arg(long, conflicts_with = "password_stdin")]
    proxy_password_stdin: bool,
    /// The address of this machine from which lines go out; empty for the system's choice
    #[arg(long, value_name = "ADDRESS")]
    local_address: Option<String>,
    /// The server may be in this near network although its name is a public one, as in `10.0.0.0/8`; can be repeated
    #[arg(long = "network", value_name = "NETWORK")]
    networks: Vec<Network>,
    /// The server is in no near network any more
    #[arg(long, conflicts_with = "networks")]
    no_networks: bool,
    /// What the server needs beyond the standards, of the list below; can be repeated
    #[arg(long = "quirk", value_name = "NAME", hide_possible_values = true, value_parser = quirk_parser())]
    quirks: Vec<Quirk>,
    /// The server needs nothing beyond the standards any more
    #[arg(long, conflicts_with = "quirks")]
    no_quirks: bool,
    /// For name, connect, proxy, TLS and sign-in, each
    #[arg(long, value_name = "N")]
    connect_timeout_ms: Option<u64>,
    /// For one read or write
    #[arg(long, value_name = "N")]
    read_timeout_ms: Option<u64>,
    /// For a line that carries nothing, whatever is waited for: above the pause between two IDLEs
    #[arg(long, value_name = "N")]
    idle_timeout_ms: Option<u64>,
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
    /// A setting of the connector, or a limit as `limit.NAME=VALUE`; nothing after the sign goes back to the default
    #[arg(long, value_name = "KEY=VALUE", value_parser = pair)]
    set: Vec<(String, String)>,
}

impl Command {
    pub(super) async fn run(self, context: &Context) -> Result<(), Fault> {
        match self {
            Self::Add { name, receive, fields } => {
                let change = Box::new(fields.into_new(receive, &name).await?);
                changed(context, context.ask(Request::AccountAdd { name, change }).await?)
            }
            Self::List => {
                let accounts = match context.ask(Request::AccountList).await? {
                    Reply::Accounts(accounts) => accounts,
                    other => return Err(unexpected(&other)),
                };
                if accounts.is_empty() {
                    context.report.note("there are no accounts: `postrider account add --help` says how to add one");
                }
                context.output.show(&accounts, || list(&accounts))
            }
            Self::Show { name } => show(context, context.ask(Request::AccountShow { name }).await?),
            Self::Edit { name, receive, ask_password, fields } => {
                let change = Box::new(fields.into_change(receive, ask_password, &name).await?);
                changed(context, context.ask(Request::AccountEdit { name, change }).await?)
            }
            Self::Remove { name, yes } => {
                if !yes {
                    let question = format!("Remove the account `{name}` with all of its stored mail?");
                    terminal::confirm(&format!("remove the account `{name}`"), &question).await?;
                }
                context.ask(Request::AccountRemove { name: name.clone() }).await?;
                context.report.note(&format!("the account `{name}` and its mail are removed"));
                Ok(())
            }
            Self::Test { name } => test(context, name).await,
        }
    }
}

impl Fields {
    async fn into_new(self, receive: ConnectorId, name: &AccountName) -> Result<AccountChange, Fault> {
        // Nobody is asked in vain: the password is the last thing, and only for somebody who signs in with one.
        let by_certificate = matches!(self.auth, Some(Auth::Only(Mechanism::External)));
        let asks = self.user.as_ref().is_some_and(|user| !user.is_empty()) && !by_certificate;
        let mut change = self.into_change(Some(receive), asks, name).await?;
        change.form.security.get_or_insert(Security::Tls);
        Ok(change)
    }

    async fn into_change(self, receive: Option<ConnectorId>, asks: bool, name: &AccountName) -> Result<AccountChange, Fault> {
        let secret = if self.password_stdin {
            Some(terminal::password_from_stdin()?)
        } else if asks {
            Some(terminal::ask_password(&format!("the account `{name}`")).await?)
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
        let form = Form {
            receive,
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
            connect_timeout_ms: self.connect_timeout_ms,
            read_timeout_ms: self.read_timeout_ms,
            idle_timeout_ms: self.idle_timeout_ms,
            folders: (self.all_folders || !self.folders.is_empty()).then_some(self.folders),
            keep: self.keep,
            leave_copy: self.leave_copy,
            set: self.set,
        };
        Ok(AccountChange { form, secret, proxy_password, client_key })
    }
}

/// As [`show`], with what whoever made it so may not have meant.
fn changed(context: &Context, reply: Reply) -> Result<(), Fault> {
    if let Reply::Account(account) = &reply {
        let in_clear = account.receive.as_ref().is_some_and(|role| role.signs_in_clear);
        mind_the_clear_line(context, &account.name, in_clear);
    }
    show(context, reply)
}

fn mind_the_clear_line(context: &Context, name: &AccountName, in_clear: bool) {
    if in_clear {
        context.report.note(&format!(
            "the sign-in of `{name}` and its mail cross the network in clear: `postrider account edit {name} --security starttls`, or `tls`"
        ));
    }
}

fn show(context: &Context, reply: Reply) -> Result<(), Fault> {
    let Reply::Account(account) = reply else { return Err(unexpected(&reply)) };
    context.output.show(&account, || describe(&account))
}

fn list(accounts: &[AccountView]) -> String {
    let rows: Vec<_> = accounts.iter().map(row).collect();
    table(["NAME", "CONNECTOR", "SERVER", "SECURITY", "USER"], &rows)
}

fn row(account: &AccountView) -> [String; 5] {
    let name = account.name.to_string();
    account.receive.as_ref().map_or_else(
        || [name.clone(), "-".to_owned(), String::new(), String::new(), String::new()],
        |role| {
            let user = role.user.clone().unwrap_or_default();
            [name.clone(), role.connector.to_string(), authority(role), role.security.to_string(), user]
        },
    )
}

fn describe(account: &AccountView) -> String {
    let mut pairs = vec![("Name", account.name.to_string()), ("Added", account.created.to_rfc3339())];
    if let Some(role) = &account.receive {
        let settings = role.settings.as_object().filter(|settings| !settings.is_empty());
        let limits: Vec<_> = role.limits.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let pins: Vec<_> = role.pins.iter().map(ToString::to_string).collect();
        let key_pins: Vec<_> = role.key_pins.iter().map(ToString::to_string).collect();
        let sealed = if role.has_proxy_password { " (password stored, sealed)" } else { "" };
        let proxy = role.proxy.as_ref().map_or_else(String::new, |proxy| format!("{proxy}{sealed}"));
        let networks: Vec<_> = role.networks.iter().map(ToString::to_string).collect();
        let [connect, read, idle] = [role.connect_timeout_ms, role.read_timeout_ms, role.idle_timeout_ms].map(millis);
        pairs.extend([
            ("Receives with", role.connector.to_string()),
            ("Server", authority(role)),
            ("Security", role.security.to_string()),
            ("User", role.user.clone().unwrap_or_else(|| "nobody signs in".to_owned())),
            ("Sign-in", role.auth.map_or_else(String::new, |mechanism| format!("by {mechanism} only"))),
            ("Password", if role.has_secret { "stored, sealed" } else { "none" }.to_owned()),
            ("Authorities", role.ca_file.as_ref().map_or_else(|| "the system's".to_owned(), |file| file.display().to_string())),
            ("Pins", pins.join(" ")),
            ("Pinned keys", key_pins.join(" ")),
            ("Oldest TLS", if role.tls_min == TlsVersion::default() { String::new() } else { role.tls_min.to_string() }),
            ("Shows", role.client_certificate.clone().unwrap_or_default()),
            ("Proxy", proxy),
            ("Goes out from", role.local_address.map(|address| address.to_string()).unwrap_or_default()),
            ("Near networks", networks.join(", ")),
            ("Quirks", quirks(role)),
            ("Time-outs", format!("connect {connect}, read {read}, idle {idle}")),
            ("Folders", if role.folders.is_empty() { "all".to_owned() } else { role.folders.join(", ") }),
            ("Settings", settings.map(|settings| serde_json::Value::Object(settings.clone()).to_string()).unwrap_or_default()),
            ("Limits", limits.join(" ")),
        ]);
        if !role.leave_copy.is_default() {
            pairs.push(("A copy is left", role.leave_copy.to_string()));
        }
    }
    if !account.keep.is_default() {
        pairs.push(("Mail is kept", account.keep.to_string()));
    }
    fields(&pairs)
}

fn quirks(role: &RoleView) -> String {
    let words = |quirks: &[Quirk]| quirks.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
    match (words(&role.quirks), words(&role.quirks_by_name)) {
        (named, known) if known.is_empty() => named,
        (named, known) if named.is_empty() => format!("by the server's name: {known}"),
        (named, known) => format!("{named}; by the server's name: {known}"),
    }
}

fn authority(role: &RoleView) -> String {
    if role.server.contains(':') { format!("[{}]:{}", role.server, role.port) } else { format!("{}:{}", role.server, role.port) }
}

async fn test(context: &Context, name: AccountName) -> Result<(), Fault> {
    let output = context.output;
    let spinner = progress::Spinner::start(output.json, &format!("testing {name}"));
    let on_event = |event: Event| match event {
        Event::Stage(stage) if !output.json => spinner.aside(|| output.write(line(&stage).as_bytes())),
        _ => Ok(()),
    };
    let reply = context.call(Request::AccountTest { name }, on_event).await?;
    let Reply::Tested(tested) = reply else { return Err(unexpected(&reply)) };
    mind_the_clear_line(context, &tested.account, tested.signs_in_clear);
    if output.json {
        output.show(&tested, String::new)?;
    }
    let TestView { account, stages, .. } = tested;
    let first_fault = stages.iter().find_map(|stage| stage.fault.clone());
    let passed = stages.len() as u64;
    match first_fault {
        Some(fault) => Err(fault),
        None => {
            context.report.note(&format!("the account `{account}` works: {} passed", count(passed, "stage")));
            Ok(())
        }
    }
}

fn line(stage: &StageView) -> String {
    let (word, finding) = match &stage.fault {
        None => ("ok", stage.finding.clone()),
        Some(fault) => ("failed", fault.to_string()),
    };
    format!("{:<9} {word:<6} {:>8}  {}\n", stage.stage, millis(stage.elapsed_ms), clean(&finding))
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
fn quirks_in_help() -> String {
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
