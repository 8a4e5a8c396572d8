//! Sending 2,000 messages over STARTTLS with AUTH to a Postfix that throws them away, beside nodemailer's pool, msmtp and a writer of our
//! own that pipelines on one connection.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, bail};
use harness::corpus;
use harness::dovecot::{Dovecot, PASSWORD, Setup, USER};
use harness::postfix::{Delivery, Postfix};
use harness::smtp::{Smtp, stuffed};

use super::measure::{self, Measured};
use super::{Ground, peers};
use crate::project;

/// The hidden verb that is the pipelining writer, as a process of its own so that it is measured like the others.
pub(super) const WRITER: &str = "bench-writer";

/// As many as a newsletter of a small firm.
const MESSAGES: usize = 2_000;

/// As many as msmtp sends, a process each; its figures are scaled, and say so.
const SAMPLE: usize = 100;

/// Messages above this are left out, so that the mean is about 15 KB.
const MOST_OCTETS: usize = 200_000;

/// Connections of postrider and of nodemailer's pool, whose default it is.
const CONNECTIONS: usize = 5;

const SENDER: &str = "desk@example.com";
const RECIPIENT: &str = "help@example.com";

/// The version of nodemailer that is installed from npm.
const NODEMAILER: &str = "nodemailer@10.6.1";

/// Who sends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sender {
    /// The floor: pipelines on one connection and keeps no record.
    Writer,
    /// The pool of nodemailer.
    Nodemailer,
    /// msmtp, a process for each message; on a sample.
    Msmtp,
    /// This project, on one connection.
    One,
    /// This project, on as many connections as nodemailer's pool.
    Several,
}

/// A server, and what is sent to it.
struct Scene {
    dovecot: Dovecot,
    postfix: Postfix,
    /// With a file for each message.
    folder: PathBuf,
    files: Vec<String>,
}

/// The part `smtp`.
pub(super) fn run(ground: &Ground) -> Result<()> {
    let place = tempfile::tempdir_in(&ground.memory).context("make a folder")?;
    let dovecot = Setup::default().folder(&ground.memory).start();
    let postfix = Postfix::start_with(&dovecot, Delivery::Discard);
    let folder = place.path().join("messages");
    let (files, octets) = write_messages(&folder)?;
    let scene = Scene { dovecot, postfix, folder, files };
    println!("{MESSAGES} messages, mean {:.1} KB, {} rounds", octets as f64 / 1e3 / MESSAGES as f64, ground.rounds);
    let nodemailer = nodemailer()?;
    let senders = [Sender::Writer, Sender::Nodemailer, Sender::One, Sender::Several];
    let mut rows: Vec<(Sender, Vec<Measured>)> = senders.map(|sender| (sender, Vec::new())).into();
    for round in 1..=ground.rounds {
        for (sender, measured) in &mut rows {
            let took = scene.once(*sender, ground, &nodemailer, place.path())?;
            println!("round {round}  {:<36} {:>7.2} s", sender.name(), took.wall.as_secs_f64());
            measured.push(took);
        }
    }
    let sampled = scene.once(Sender::Msmtp, ground, &nodemailer, place.path())?.scaled(MESSAGES as f64 / SAMPLE as f64);
    rows.push((Sender::Msmtp, vec![sampled]));
    report(&rows, octets);
    Ok(())
}

/// The pipelining writer: `bench-writer PORT CA-FILE FOLDER`.
pub(super) fn write(arguments: &[String]) -> Result<()> {
    let [port, ca, folder] = arguments else { bail!("`{WRITER}` takes a port, a file and a folder") };
    let authority = fs::read_to_string(ca).context("read the authority")?;
    let mut messages = Vec::new();
    for entry in fs::read_dir(folder).with_context(|| format!("list {folder}"))? {
        messages.push(stuffed(&fs::read(entry?.path()).context("read a message")?));
    }
    let mut smtp = Smtp::submit(port.parse().context("read the port")?, &authority, USER, PASSWORD);
    smtp.send(SENDER, RECIPIENT, messages.iter().map(Vec::as_slice));
    Ok(())
}

impl Sender {
    const fn name(self) -> &'static str {
        match self {
            Self::Writer => "a writer that pipelines, 1 connection",
            Self::Nodemailer => "nodemailer's pool, 5 connections",
            Self::Msmtp => "msmtp, 1 process each (scaled)",
            Self::One => "postrider, 1 connection",
            Self::Several => "postrider, 5 connections",
        }
    }
}

impl Scene {
    fn once(&self, sender: Sender, ground: &Ground, nodemailer: &Path, place: &Path) -> Result<Measured> {
        let (port, ca) = (self.postfix.submission.to_string(), text(&self.dovecot.ca_file())?);
        match sender {
            Sender::Writer => {
                let program = std::env::current_exe().context("find this program")?;
                measure::run(Command::new(program).args([WRITER, &port, &ca, &text(&self.folder)?]))
            }
            Sender::Nodemailer => {
                let connections = CONNECTIONS.to_string();
                let arguments = [&port, &ca, &text(&self.folder)?, SENDER, RECIPIENT, USER, PASSWORD, &connections];
                measure::run(Command::new("node").arg(nodemailer.join("send.cjs")).args(arguments).current_dir(nodemailer))
            }
            Sender::Msmtp => self.msmtp(place, &port, &ca),
            Sender::One => self.postrider(&ground.postrider, &ground.memory, &port, &ca, 1),
            Sender::Several => self.postrider(&ground.postrider, &ground.memory, &port, &ca, CONNECTIONS),
        }
    }

    fn postrider(&self, program: &Path, memory: &Path, port: &str, ca: &str, connections: usize) -> Result<Measured> {
        let place = tempfile::tempdir_in(memory).context("make a folder")?;
        let home = text(&place.path().join("home"))?;
        let add = ["account", "add", "bench", "--send", "smtp", "--send-server", "localhost", "--send-security", "starttls"];
        let options = ["--send-port", port, "--send-ca", ca, "--send-user", USER, "--send-password-stdin", "--home", &home];
        super::clients::feed(Command::new(program).args(add).args(options), PASSWORD)?;
        let send = ["send", "--raw", "--account", "bench", "--from", SENDER, "--to", RECIPIENT, "--home", &home, "--connections"];
        measure::run(Command::new(program).args(send).arg(connections.to_string()).args(&self.files))
    }

    fn msmtp(&self, place: &Path, port: &str, ca: &str) -> Result<Measured> {
        let program = peers::debian("msmtp", "msmtp")?;
        let file = place.join("msmtprc");
        let settings = format!(
            "account default\nhost localhost\nport {port}\ntls on\ntls_starttls on\ntls_trust_file {ca}\nauth plain\nuser {USER}\npassword \"{PASSWORD}\"\nfrom {SENDER}\n"
        );
        fs::write(&file, settings).context("write msmtp's configuration")?;
        use std::os::unix::fs::PermissionsExt as _;
        fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).context("hide msmtp's configuration")?;
        let script = format!("for file do {} --file={} -- {RECIPIENT} < \"$file\" || exit 1; done", program.display(), file.display());
        measure::run(Command::new("/bin/sh").args(["-c", &script, "sh"]).args(self.files.get(..SAMPLE).unwrap_or_default()))
    }
}

fn report(rows: &[(Sender, Vec<Measured>)], octets: u64) {
    let median = |sender: Sender| {
        let row = rows.iter().find(|(found, _)| *found == sender);
        row.map_or(1.0, |(_, measured)| measure::median(measured).wall.as_secs_f64())
    };
    let (floor, pool) = (median(Sender::Writer), median(Sender::Nodemailer));
    println!("\nmedian of each; {MESSAGES} messages over STARTTLS and AUTH");
    println!(
        "{:<38} {:>7} {:>9} {:>8} {:>7} {:>7} {:>9} {:>12}",
        "", "wall s", "msg/s", "MB/s", "CPU s", "RSS MB", "x writer", "x nodemailer"
    );
    for (sender, measured) in rows {
        let took = measure::median(measured);
        let wall = took.wall.as_secs_f64();
        println!(
            "{:<38} {wall:>7.2} {:>9.0} {:>8.1} {:>7.2} {:>7.1} {:>9.2} {:>12.2}",
            sender.name(),
            MESSAGES as f64 / wall,
            octets as f64 / 1e6 / wall,
            took.cpu.as_secs_f64(),
            took.rss_octets as f64 / 1e6,
            wall / floor,
            wall / pool,
        );
    }
}

/// A file for each message; the octets of all.
fn write_messages(folder: &Path) -> Result<(Vec<String>, u64)> {
    fs::create_dir_all(folder).context("make a folder")?;
    let fits = |octets: &Vec<u8>| {
        let lines_fit = octets.split(|octet| *octet == b'\n').all(|line| line.len() <= 998 && !line.contains(&0));
        octets.len() <= MOST_OCTETS && lines_fit && octets.first().is_some_and(u8::is_ascii_alphabetic) && octets.is_ascii()
    };
    let messages = corpus::messages(corpus::SEED, 4 * MESSAGES).map(|message| message.octets).filter(fits).take(MESSAGES);
    let (mut files, mut octets) = (Vec::new(), 0);
    for (number, message) in messages.enumerate() {
        let path = folder.join(format!("{number}.eml"));
        octets += message.len() as u64;
        fs::write(&path, message).context("write a message")?;
        files.push(text(&path)?);
    }
    if files.len() != MESSAGES {
        bail!("the corpus has {} messages that fit", files.len());
    }
    Ok((files, octets))
}

/// Install nodemailer from npm beside what is built; the folder with it and the program that uses it.
fn nodemailer() -> Result<PathBuf> {
    for program in ["node", "npm"] {
        if harness::package::find(program).is_none() {
            crate::setup::install(&["nodejs", "npm"])?;
        }
    }
    let folder = project::root()?.join("target/bench-npm");
    fs::create_dir_all(&folder).context("make a folder")?;
    if !folder.join("node_modules/nodemailer").is_dir() {
        let install = ["install", "--no-audit", "--no-fund", "--ignore-scripts", "--no-save", NODEMAILER];
        project::finish(Command::new("npm").args(install).current_dir(&folder).stdout(Stdio::null()))?;
    }
    fs::write(folder.join("send.cjs"), SEND).context("write the program that uses nodemailer")?;
    Ok(folder)
}

/// As its documentation has it: a pool, and every message in its queue at once.
const SEND: &str = r"
const fs = require('fs');
const path = require('path');
const nodemailer = require('nodemailer');
const [port, ca, folder, from, to, user, pass, maxConnections] = process.argv.slice(2);
const transport = nodemailer.createTransport({
  pool: true, host: 'localhost', port: Number(port), secure: false, requireTLS: true, auth: { user, pass },
  tls: { ca: fs.readFileSync(ca) }, maxConnections: Number(maxConnections), maxMessages: Infinity,
});
const files = fs.readdirSync(folder);
Promise.all(files.map((name) => transport.sendMail({ envelope: { from, to }, raw: fs.readFileSync(path.join(folder, name)) })))
  .then(() => transport.close(), (error) => { console.error(error); process.exit(1); });
";

fn text(path: &Path) -> Result<String> {
    path.to_str().map(str::to_owned).with_context(|| format!("{} is not UTF-8", path.display()))
}
