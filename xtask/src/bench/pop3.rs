//! Receiving 10,000 messages from Dovecot by POP3 over TLS, beside mpop, fetchmail, getmail6 and a pipelined reader that discards.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use anyhow::{Context as _, Result, bail};
use harness::dovecot::{Dovecot, PASSWORD, Setup, USER};
use harness::pop3::Pop3;

use super::Ground;
use super::clients::{NOBODY, Prepared, give, make_maildir, prepare_postrider, text};
use super::measure::Measured;
use super::peers;
use super::table::{self, Row};

/// As many as a maildrop in use holds.
const MESSAGES: usize = 10_000;

/// Whose maildrops have fewer messages, for clients that ask for every message by itself and wait: their figures are scaled, and say so.
const SAMPLES: [(&str, usize); 2] = [("thousand", 1_000), ("hundred", 100)];

/// Who receives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Client {
    /// The floor: reads the same octets, every RETR ahead of its answer, and keeps nothing.
    Reader,
    /// mpop to a Maildir.
    Mpop,
    /// This project, to its store.
    Store,
    /// This project, to its store and a Maildir.
    StoreAndMaildir,
    /// fetchmail to one file (BSMTP), without a delivery agent.
    Fetchmail,
    /// getmail6 to a Maildir.
    Getmail,
}

/// The part `pop3`.
pub(super) fn run(ground: &Ground) -> Result<()> {
    let setup = SAMPLES.iter().fold(Setup::default().folder(&ground.memory), |setup, (user, _)| setup.user(user, PASSWORD));
    let dovecot = setup.start();
    let messages: Vec<_> = super::imap::messages(MESSAGES).collect();
    dovecot.deliver(USER, "INBOX", &messages);
    // Dovecot's own indexes and caches are made by the first who reads.
    for (user, messages_of_it) in SAMPLES {
        dovecot.deliver(user, "INBOX", messages.get(..messages_of_it).unwrap_or_default());
        discard(&dovecot, user)?;
    }
    drop(messages);
    let (count, octets) = discard(&dovecot, USER)?;
    println!("{count} messages, {:.1} MB on the wire, {} rounds", octets as f64 / 1e6, ground.rounds);

    let mut rows: Vec<Row<Client>> = Client::ALL.iter().map(|&client| Row { client, first: Vec::new(), again: Vec::new() }).collect();
    for round in 1..=ground.rounds {
        for row in &mut rows {
            let took = once(row.client, ground, &dovecot, count, &mut row.again)?;
            println!("round {round}  {:<34} {:>7.2} s", row.client.name(), took.wall.as_secs_f64());
            row.first.push(took);
        }
    }
    for (client, (_, sample)) in [Client::Fetchmail, Client::Getmail].into_iter().zip(SAMPLES) {
        match once(client, ground, &dovecot, sample as u64, &mut Vec::new()) {
            Ok(took) => rows.push(Row { client, first: vec![took.scaled(count as f64 / sample as f64)], again: Vec::new() }),
            // getmail6 starts a process for every message, and on a busy machine misses the end of one, for which it waits until it gives up.
            Err(error) => println!("{} is left out: {error:#}", client.name()),
        }
    }
    table::print(&rows, Client::name, [Client::Reader, Client::Mpop], count, octets);
    Ok(())
}

/// Read everything and keep nothing; how many messages and octets there were.
pub(super) fn read(port: u16, authority: &str, user: &str) -> (u64, u64) {
    let mut pop3 = Pop3::connect_tls(port, authority);
    pop3.log_in(user, PASSWORD);
    let read = pop3.discard_messages();
    pop3.command("QUIT");
    read
}

fn discard(dovecot: &Dovecot, user: &str) -> Result<(u64, u64)> {
    let authority = fs::read_to_string(dovecot.ca_file()).context("read the authority")?;
    Ok(read(dovecot.pop3s, &authority, user))
}

/// A first pass, and where there is anything to keep a second one.
fn once(client: Client, ground: &Ground, dovecot: &Dovecot, count: u64, again: &mut Vec<Measured>) -> Result<Measured> {
    let place = tempfile::tempdir_in(&ground.memory).context("make a folder")?;
    let prepared = client.prepare(dovecot, place.path(), &ground.postrider)?;
    let first = prepared.run(count)?;
    if client.keeps() {
        again.push(prepared.run(count)?);
    }
    if client == Client::Fetchmail {
        let file = fs::read(place.path().join("mail")).context("read what fetchmail wrote")?;
        let found = file.windows(11).filter(|octets| *octets == b"\nMAIL FROM:").count() as u64;
        if found + u64::from(file.starts_with(b"MAIL FROM:")) != count {
            bail!("fetchmail wrote {found} messages, not {count}");
        }
    }
    Ok(first)
}

impl Client {
    /// Those that receive the whole maildrop, in every round.
    const ALL: [Self; 4] = [Self::Reader, Self::Mpop, Self::Store, Self::StoreAndMaildir];

    const fn name(self) -> &'static str {
        match self {
            Self::Reader => "a pipelined reader that discards",
            Self::Mpop => "mpop, Maildir",
            Self::Store => "postrider, sealed store",
            Self::StoreAndMaildir => "postrider, sealed store, Maildir",
            Self::Fetchmail => "fetchmail, file (1,000, scaled)",
            Self::Getmail => "getmail6, Maildir (100, scaled)",
        }
    }

    /// Whether a second pass has nothing to do.
    const fn keeps(self) -> bool {
        matches!(self, Self::Mpop | Self::Store | Self::StoreAndMaildir)
    }

    fn prepare(self, dovecot: &Dovecot, place: &Path, postrider: &Path) -> Result<Prepared> {
        let (port, ca) = (dovecot.pop3s.to_string(), text(&dovecot.ca_file())?);
        let maildir = place.join("Maildir");
        match self {
            Self::Reader => Ok(Prepared {
                program: std::env::current_exe().context("find this program")?,
                arguments: [super::READER, &port, &ca, "pop3"].map(str::to_owned).to_vec(),
                maildir: None,
                user: None,
            }),
            Self::Mpop => {
                let program = peers::debian("mpop", "mpop")?;
                make_maildir(&maildir)?;
                let file = configuration(place, "mpoprc", &mpoprc(&port, &ca, place))?;
                let arguments = [&format!("--file={file}"), "--quiet", "bench"].map(str::to_owned).to_vec();
                Ok(Prepared { program, arguments, maildir: Some(maildir), user: None })
            }
            Self::Fetchmail => {
                let program = peers::debian("fetchmail", "fetchmail")?;
                let file = configuration(place, "fetchmailrc", &fetchmailrc(&port, &ca, SAMPLES[0].0, place))?;
                let arguments = ["--fetchmailrc", &file, "--silent"].map(str::to_owned).to_vec();
                Ok(Prepared { program, arguments, maildir: None, user: None })
            }
            Self::Getmail => {
                let program = peers::debian("getmail6", "getmail")?;
                let authority = place.join("ca.pem");
                make_maildir(&maildir)?;
                fs::copy(&ca, &authority).context("copy the authority")?;
                let file = configuration(place, "getmailrc", &getmailrc(&port, SAMPLES[1].0, place))?;
                // It refuses to run as root: then it is `nobody`, who has a folder with all that it needs.
                let user = rustix::process::geteuid().is_root().then_some(NOBODY);
                if let Some(user) = user {
                    let paths =
                        [place, &maildir, &maildir.join("tmp"), &maildir.join("new"), &maildir.join("cur"), Path::new(&file), &authority];
                    paths.into_iter().try_for_each(|path| give(path, user))?;
                }
                let arguments = ["--getmaildir", &text(place)?, "--rcfile", &file, "--quiet"].map(str::to_owned).to_vec();
                Ok(Prepared { program, arguments, maildir: Some(maildir), user })
            }
            Self::Store | Self::StoreAndMaildir => prepare_postrider(postrider, place, "pop3", &port, &ca, self == Self::StoreAndMaildir),
        }
    }
}

/// A client's configuration, which holds a password: the clients refuse one that others can read.
fn configuration(place: &Path, name: &str, content: &str) -> Result<String> {
    let file = place.join(name);
    fs::write(&file, content).with_context(|| format!("write {name}"))?;
    fs::set_permissions(&file, Permissions::from_mode(0o600)).with_context(|| format!("write {name}"))?;
    text(&file)
}

fn mpoprc(port: &str, ca: &str, place: &Path) -> String {
    let place = place.display();
    format!(
        "\
account bench
host localhost
port {port}
tls on
tls_starttls off
tls_trust_file {ca}
auth user
user {USER}
password \"{PASSWORD}\"
keep on
received_header off
uidls_file {place}/uidls
delivery maildir {place}/Maildir
"
    )
}

fn fetchmailrc(port: &str, ca: &str, user: &str, place: &Path) -> String {
    let place = place.display();
    format!(
        "\
set no bouncemail
set idfile \"{place}/ids\"
set pidfile \"{place}/pid\"
poll localhost protocol POP3 port {port}
user \"{user}\" password \"{PASSWORD}\" is \"nobody\" here
ssl sslcertck sslcertfile \"{ca}\" keep fetchall no rewrite bsmtp \"{place}/mail\"
"
    )
}

fn getmailrc(port: &str, user: &str, place: &Path) -> String {
    let place = place.display();
    format!(
        "\
[retriever]
type = SimplePOP3SSLRetriever
server = localhost
port = {port}
username = {user}
password = {PASSWORD}
ca_certs = {place}/ca.pem
[destination]
type = Maildir
path = {place}/Maildir/
[options]
verbose = 0
delivered_to = false
received = false
"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_floor_reads_everything() {
        let dovecot = Setup::default().user("other", PASSWORD).start();
        let messages: Vec<_> = super::super::imap::messages(60).collect();
        dovecot.deliver("other", "INBOX", &messages);
        assert_eq!(discard(&dovecot, "other").unwrap().0, 60);
        assert_eq!(discard(&dovecot, USER).unwrap().0, 0);
    }
}
