//! `cargo xtask bench`: receiving 10,000 messages from Dovecot over TLS, beside mbsync and a reader that discards, interleaved, because
//! only ratios of one run mean anything; then the store by itself.

mod clients;
mod measure;
mod store;

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use harness::corpus::{self, Message};
use harness::dovecot::{PASSWORD, Setup, USER};
use harness::imap::Imap;
use harness::package;

use crate::project::{self, Profile};
use crate::{connectors, setup, toolchain};
use clients::Client;
use measure::Measured;

/// The hidden verb that is the reader that discards, as a process of its own so that it is measured like the others.
pub(crate) const READER: &str = "bench-reader";
/// As many as a mailbox in use holds: 154 MB.
const MESSAGES: usize = 10_000;
const ROUNDS: usize = 3;

/// `cargo xtask bench [ROUNDS | store]`.
pub(crate) fn run(arguments: &[String]) -> Result<()> {
    let rounds = match arguments {
        [] => ROUNDS,
        [part] if part == "store" => return store::run(),
        [rounds] => rounds.parse().ok().filter(|&rounds| rounds > 0).with_context(|| format!("`{rounds}` is not a number of rounds"))?,
        _ => bail!("`bench` takes a number of rounds and nothing else"),
    };
    toolchain::ensure()?;
    setup::servers()?;
    connectors::run(&["--release".to_owned()])?;
    let binary = project::build_postrider(Profile::Release)?;
    let memory = memory_folder();
    println!(
        "everything in {} ({})",
        memory.display(),
        if memory == Path::new("/dev/shm") { "tmpfs" } else { "not a tmpfs: figures include the disk" }
    );

    let dovecot = Setup::default().folder(&memory).start();
    let messages: Vec<_> = messages(MESSAGES).collect();
    dovecot.deliver(USER, "INBOX", &messages);
    drop(messages);
    // Dovecot's own indexes and caches are made by the first who reads.
    let mut imap = dovecot.sign_in(USER, PASSWORD);
    imap.select("INBOX");
    let (count, octets) = imap.discard_bodies();
    println!("{count} messages, {:.1} MB on the wire, {rounds} rounds", octets as f64 / 1e6);

    let mut results: Vec<(Client, Vec<Measured>, Vec<Measured>)> =
        Client::ALL.iter().map(|&client| (client, Vec::new(), Vec::new())).collect();
    for round in 1..=rounds {
        for (client, first, again) in &mut results {
            let place = tempfile::tempdir_in(&memory).context("make a folder")?;
            let prepared = client.prepare(&dovecot, place.path(), &binary)?;
            let took = prepared.run(count)?;
            println!("round {round}  {:<32} {:>7.2} s", client.name(), took.wall.as_secs_f64());
            first.push(took);
            if client.keeps() {
                again.push(prepared.run(count)?);
            }
        }
    }
    report(&results, count, octets);
    store::run()
}

/// The reader that discards: `bench-reader PORT CA-FILE`.
pub(crate) fn reader(arguments: &[String]) -> Result<()> {
    let [port, ca] = arguments else { bail!("`{READER}` takes a port and a file") };
    let authority = std::fs::read_to_string(ca).context("read the authority")?;
    let mut imap = Imap::connect_tls(port.parse().context("read the port")?, &authority);
    imap.log_in(USER, PASSWORD);
    imap.select("INBOX");
    let (count, octets) = imap.discard_bodies();
    println!("{count} {octets}");
    Ok(())
}

fn report(results: &[(Client, Vec<Measured>, Vec<Measured>)], count: u64, octets: u64) {
    let median = |client: Client| {
        results.iter().find(|(it, _, _)| *it == client).map_or(1.0, |(_, first, _)| measure::median(first).wall.as_secs_f64())
    };
    let (floor, mbsync) = (median(Client::Reader), median(Client::Mbsync));
    println!("\nmedian of each; a first pass over {count} messages");
    println!("{:<32} {:>7} {:>9} {:>8} {:>7} {:>7} {:>9} {:>9}", "", "wall s", "msg/s", "MB/s", "CPU s", "RSS MB", "x reader", "x mbsync");
    for (client, first, _) in results {
        let took = measure::median(first);
        let wall = took.wall.as_secs_f64();
        println!(
            "{:<32} {wall:>7.2} {:>9.0} {:>8.1} {:>7.2} {:>7.1} {:>9.2} {:>9.2}",
            client.name(),
            count as f64 / wall,
            octets as f64 / 1e6 / wall,
            took.cpu.as_secs_f64(),
            took.rss_octets as f64 / 1e6,
            wall / floor,
            wall / mbsync,
        );
    }
    println!("\nnothing changed: a second pass");
    for (client, _, again) in results.iter().filter(|(client, _, _)| client.keeps()) {
        let took = measure::median(again);
        println!("{:<32} {:>7.2} s wall, {:.2} s CPU", client.name(), took.wall.as_secs_f64(), took.cpu.as_secs_f64());
    }
    let version = package::find("mbsync").map(|file| std::process::Command::new(file).arg("--version").output());
    if let Some(Ok(output)) = version {
        println!("\nbeside {}, without fsync", String::from_utf8_lossy(&output.stdout).lines().next().unwrap_or_default());
    }
}

/// Mail that every client takes: mbsync 1.4.4 leaves out what has no empty line after its header.
fn messages(count: usize) -> impl Iterator<Item = Message> {
    let whole =
        |message: &Message| [&b"\n\n"[..], b"\r\n\r\n"].iter().any(|end| message.octets.windows(end.len()).any(|window| window == *end));
    corpus::messages(corpus::SEED, count * 2).filter(whole).take(count)
}

/// A folder in memory where there is one.
fn memory_folder() -> PathBuf {
    let memory = PathBuf::from("/dev/shm");
    if memory.is_dir() && tempfile::tempdir_in(&memory).is_ok() { memory } else { std::env::temp_dir() }
}
