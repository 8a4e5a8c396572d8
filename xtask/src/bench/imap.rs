//! Receiving 10,000 messages from Dovecot over TLS, beside mbsync, getmail6 and a reader that discards.

use std::process::Command;

use anyhow::{Context as _, Result};
use harness::corpus::{self, Message};
use harness::dovecot::{Dovecot, PASSWORD, Setup, USER};
use harness::package;

use super::Ground;
use super::clients::Client;
use super::measure::{self, Measured};

/// As many as a mailbox in use holds: 157 MB on the wire.
const MESSAGES: usize = 10_000;

/// As many as a client gets that would take minutes for all of them; its figures are scaled, and say so.
const SAMPLE: usize = 100;

/// The folder of the sample.
pub(super) const SAMPLE_FOLDER: &str = "Sample";

/// What one client took, by rounds.
struct Row {
    client: Client,
    first: Vec<Measured>,
    again: Vec<Measured>,
}

/// The part `imap`.
pub(super) fn run(ground: &Ground) -> Result<()> {
    let dovecot = Setup::default().folder(&ground.memory).start();
    let messages: Vec<_> = messages(MESSAGES).collect();
    dovecot.deliver(USER, "INBOX", &messages);
    dovecot.deliver(USER, SAMPLE_FOLDER, messages.get(..SAMPLE).unwrap_or_default());
    drop(messages);
    // Dovecot's own indexes and caches are made by the first who reads.
    let mut imap = dovecot.sign_in(USER, PASSWORD);
    imap.select(SAMPLE_FOLDER);
    let _ = imap.discard_bodies();
    imap.select("INBOX");
    let (count, octets) = imap.discard_bodies();
    println!("{count} messages, {:.1} MB on the wire, {} rounds", octets as f64 / 1e6, ground.rounds);

    let mut rows: Vec<Row> = Client::ALL.iter().map(|&client| Row { client, first: Vec::new(), again: Vec::new() }).collect();
    for round in 1..=ground.rounds {
        for row in &mut rows {
            let took = once(row.client, ground, &dovecot, count, &mut row.again)?;
            println!("round {round}  {:<32} {:>7.2} s", row.client.name(), took.wall.as_secs_f64());
            row.first.push(took);
        }
    }
    match once(Client::Getmail, ground, &dovecot, SAMPLE as u64, &mut Vec::new()) {
        Ok(took) => {
            let scaled = took.scaled(count as f64 / SAMPLE as f64);
            rows.push(Row { client: Client::Getmail, first: vec![scaled], again: Vec::new() });
        }
        // It starts a process for every message, and on a busy machine misses the end of one, for which it waits until it gives up.
        Err(error) => println!("{} is left out: {error:#}", Client::Getmail.name()),
    }
    report(&rows, count, octets);
    Ok(())
}

/// A first pass, and where there is anything to keep a second one.
fn once(client: Client, ground: &Ground, dovecot: &Dovecot, count: u64, again: &mut Vec<Measured>) -> Result<Measured> {
    let place = tempfile::tempdir_in(&ground.memory).context("make a folder")?;
    let prepared = client.prepare(dovecot, place.path(), &ground.postrider)?;
    let first = prepared.run(count)?;
    if client.keeps() {
        again.push(prepared.run(count)?);
    }
    Ok(first)
}

fn report(rows: &[Row], count: u64, octets: u64) {
    let median =
        |client: Client| rows.iter().find(|row| row.client == client).map_or(1.0, |row| measure::median(&row.first).wall.as_secs_f64());
    let (floor, mbsync) = (median(Client::Reader), median(Client::Mbsync));
    println!("\nmedian of each; a first pass over {count} messages");
    println!("{:<32} {:>7} {:>9} {:>8} {:>7} {:>7} {:>9} {:>9}", "", "wall s", "msg/s", "MB/s", "CPU s", "RSS MB", "x reader", "x mbsync");
    for Row { client, first, .. } in rows {
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
    for Row { client, again, .. } in rows.iter().filter(|row| !row.again.is_empty()) {
        let took = measure::median(again);
        println!("{:<32} {:>7.2} s wall, {:.2} s CPU", client.name(), took.wall.as_secs_f64(), took.cpu.as_secs_f64());
    }
    let version = package::find("mbsync").map(|file| Command::new(file).arg("--version").output());
    if let Some(Ok(output)) = version {
        println!("\nbeside {}, without fsync", String::from_utf8_lossy(&output.stdout).lines().next().unwrap_or_default());
    }
}

/// Mail that every client takes: mbsync 1.4.4 leaves out what has no empty line after its header.
pub(super) fn messages(count: usize) -> impl Iterator<Item = Message> {
    let whole =
        |message: &Message| [&b"\n\n"[..], b"\r\n\r\n"].iter().any(|end| message.octets.windows(end.len()).any(|window| window == *end));
    corpus::messages(corpus::SEED, count * 2).filter(whole).take(count)
}
