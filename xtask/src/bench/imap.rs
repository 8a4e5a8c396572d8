//! Receiving 10,000 messages from Dovecot over TLS, beside mbsync, getmail6 and a reader that discards.

use std::process::Command;

use anyhow::{Context as _, Result};
use harness::corpus::{self, Message};
use harness::dovecot::{Dovecot, PASSWORD, Setup, USER};
use harness::package;

use super::Ground;
use super::clients::Client;
use super::measure::Measured;
use super::table::{self, Row};

/// As many as a mailbox in use holds: 157 MB on the wire.
const MESSAGES: usize = 10_000;

/// As many as a client gets that would take minutes for all of them; its figures are scaled, and say so.
const SAMPLE: usize = 100;

/// The folder of the sample.
pub(super) const SAMPLE_FOLDER: &str = "Sample";

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

    let mut rows: Vec<Row<Client>> = Client::ALL.iter().map(|&client| Row { client, first: Vec::new(), again: Vec::new() }).collect();
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

fn report(rows: &[Row<Client>], count: u64, octets: u64) {
    table::print(rows, Client::name, [Client::Reader, Client::Mbsync], count, octets);
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
