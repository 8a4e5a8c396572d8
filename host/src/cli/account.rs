//! `postrider account`.

mod options;

use clap::Subcommand;

use self::options::{Changes, Fields, quirks_in_help};
use super::context::{Context, unexpected};
use super::text::{clean, count, fields, millis, table};
use super::{progress, terminal};
use crate::api::{AccountView, Event, Reply, Request, RoleView, StageView, TestView};
use crate::fault::Fault;
use crate::model::account::RoleKind;
use crate::model::endpoint::TlsVersion;
use crate::model::name::AccountName;
use crate::model::quirk::Quirk;

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Add an account; asks for its password on the terminal
    #[command(after_help = quirks_in_help())]
    Add {
        /// What to call it
        name: AccountName,
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
        #[command(flatten)]
        fields: Box<Fields>,
        #[command(flatten)]
        changes: Changes,
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

impl Command {
    pub(super) async fn run(self, context: &Context) -> Result<(), Fault> {
        match self {
            Self::Add { name, fields } => {
                let change = Box::new(fields.into_new(&name).await?);
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
            Self::Edit { name, fields, changes } => {
                let change = Box::new(fields.into_change(changes, &name).await?);
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

/// As [`show`], with what whoever made it so may not have meant.
fn changed(context: &Context, reply: Reply) -> Result<(), Fault> {
    if let Reply::Account(account) = &reply {
        mind_the_clear_lines(context, &account.name, |kind| account.role(kind).is_some_and(|role| role.signs_in_clear));
    }
    show(context, reply)
}

fn mind_the_clear_lines(context: &Context, name: &AccountName, in_clear: impl Fn(RoleKind) -> bool) {
    for kind in RoleKind::ALL.into_iter().filter(|kind| in_clear(*kind)) {
        let option = kind.option("security starttls");
        context.report.note(&format!(
            "the sign-in of `{name}` and its mail cross the network in clear: `postrider account edit {name} {option}`, or `tls`"
        ));
    }
}

fn show(context: &Context, reply: Reply) -> Result<(), Fault> {
    let Reply::Account(account) = reply else { return Err(unexpected(&reply)) };
    context.output.show(&account, || describe(&account))
}

fn list(accounts: &[AccountView]) -> String {
    let rows: Vec<_> = accounts.iter().flat_map(rows).collect();
    table(["NAME", "ROLE", "CONNECTOR", "SERVER", "SECURITY", "USER"], &rows)
}

/// A row for each thing that the account does.
fn rows(account: &AccountView) -> impl Iterator<Item = [String; 6]> {
    RoleKind::ALL.into_iter().filter_map(|kind| {
        let role = account.role(kind)?;
        let user = role.user.clone().unwrap_or_default();
        let (name, connector) = (account.name.to_string(), role.connector.to_string());
        Some([name, kind.to_string(), connector, authority(role), role.security.to_string(), user])
    })
}

fn describe(account: &AccountView) -> String {
    let mut pairs = vec![("Name", account.name.to_string()), ("Added", account.created.to_rfc3339())];
    if !account.keep.is_default() {
        pairs.push(("Mail is kept", account.keep.to_string()));
    }
    let roles = RoleKind::ALL.into_iter().filter_map(|kind| Some(fields(&describe_role(kind, account.role(kind)?))));
    std::iter::once(fields(&pairs)).chain(roles).collect::<Vec<_>>().join("\n")
}

fn describe_role(kind: RoleKind, role: &RoleView) -> Vec<(&'static str, String)> {
    let settings = role.settings.as_object().filter(|settings| !settings.is_empty());
    let limits: Vec<_> = role.limits.iter().map(|(name, value)| format!("{name}={value}")).collect();
    let pins: Vec<_> = role.pins.iter().map(ToString::to_string).collect();
    let key_pins: Vec<_> = role.key_pins.iter().map(ToString::to_string).collect();
    let sealed = if role.has_proxy_password { " (password stored, sealed)" } else { "" };
    let proxy = role.proxy.as_ref().map_or_else(String::new, |proxy| format!("{proxy}{sealed}"));
    let networks: Vec<_> = role.networks.iter().map(ToString::to_string).collect();
    let [connect, read, idle] = [role.connect_timeout_ms, role.read_timeout_ms, role.idle_timeout_ms].map(millis);
    let password = match (role.has_secret, role.same_credentials) {
        (true, true) => "the one for receiving",
        (true, false) => "stored, sealed",
        (false, _) => "none",
    };
    let mut pairs = vec![
        (if kind == RoleKind::Receive { "Receives with" } else { "Sends with" }, role.connector.to_string()),
        ("Server", authority(role)),
        ("Security", role.security.to_string()),
        ("User", role.user.clone().unwrap_or_else(|| "nobody signs in".to_owned())),
        ("Sign-in", role.auth.map_or_else(String::new, |mechanism| format!("by {mechanism} only"))),
        ("Password", password.to_owned()),
        ("Authorities", role.ca_file.as_ref().map_or_else(|| "the system's".to_owned(), |file| file.display().to_string())),
        ("Pins", pins.join(" ")),
        ("Pinned keys", key_pins.join(" ")),
        ("Oldest TLS", if role.tls_min == TlsVersion::default() { String::new() } else { role.tls_min.to_string() }),
        ("Shows", role.client_certificate.clone().unwrap_or_default()),
        ("Proxy", proxy),
        ("Goes out from", role.local_address.map(|address| address.to_string()).unwrap_or_default()),
        ("Near networks", networks.join(", ")),
        ("Quirks", quirks(role)),
        ("Origins", role.origins.join(" ")),
        ("Time-outs", format!("connect {connect}, read {read}, idle {idle}")),
        ("Settings", settings.map(|settings| serde_json::Value::Object(settings.clone()).to_string()).unwrap_or_default()),
        ("Limits", limits.join(" ")),
    ];
    if kind == RoleKind::Receive {
        pairs.push(("Folders", if role.folders.is_empty() { "all".to_owned() } else { role.folders.join(", ") }));
    }
    if !role.leave_copy.is_default() {
        pairs.push(("A copy is left", role.leave_copy.to_string()));
    }
    pairs
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
    mind_the_clear_lines(context, &tested.account, |kind| tested.clear.contains(&kind));
    if output.json {
        output.show(&tested, String::new)?;
    }
    let TestView { account, stages, .. } = tested;
    let mut faults = stages.iter().filter_map(|stage| stage.fault.clone());
    let passed = stages.len() as u64;
    let Some(first_fault) = faults.next() else {
        context.report.note(&format!("the account `{account}` works: {} passed", count(passed, "stage")));
        return Ok(());
    };
    for fault in faults {
        context.report.fault(&fault);
    }
    Err(first_fault)
}

fn line(stage: &StageView) -> String {
    let (word, finding) = match &stage.fault {
        None => ("ok", stage.finding.clone()),
        Some(fault) => ("failed", fault.to_string()),
    };
    format!("{:<8} {:<9} {word:<6} {:>8}  {}\n", stage.role, stage.stage, millis(stage.elapsed_ms), clean(&finding))
}
