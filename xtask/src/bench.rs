//! `cargo xtask bench`: this project beside programs that do the same, interleaved, because only ratios of one run mean anything. A
//! part for each journey, and one for the store by itself.

mod clients;
mod imap;
mod measure;
mod peers;
mod pop3;
mod smtp;
mod store;
mod table;

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use harness::dovecot::{PASSWORD, USER};
use harness::imap::Imap;

use crate::project::{self, Profile};
use crate::{connectors, setup, toolchain};

/// The hidden verb that is the reader that discards, as a process of its own so that it is measured like the others.
pub(crate) const READER: &str = "bench-reader";
/// The hidden verb that is the writer of the part `smtp`.
pub(crate) const WRITER: &str = smtp::WRITER;
const ROUNDS: usize = 3;

/// One comparison.
struct Part {
    name: &'static str,
    run: fn(&Ground) -> Result<()>,
}

/// In the order in which all of them run.
const PARTS: &[Part] = &[
    Part { name: "imap", run: imap::run },
    Part { name: "pop3", run: pop3::run },
    Part { name: "smtp", run: smtp::run },
    Part { name: "store", run: store::run },
];

/// What every part stands on.
struct Ground {
    /// The release build of the host, with the connectors beside it.
    postrider: PathBuf,
    /// Where everything is kept: in memory where there is such a file system.
    memory: PathBuf,
    rounds: usize,
}

/// `cargo xtask bench [imap | pop3 | smtp | store] [ROUNDS]`.
pub(crate) fn run(arguments: &[String]) -> Result<()> {
    let (name, rounds) = match arguments {
        [] => (None, None),
        [one] if one.starts_with(|first: char| first.is_ascii_digit()) => (None, Some(one)),
        [name] => (Some(name), None),
        [name, rounds] => (Some(name), Some(rounds)),
        _ => bail!("`bench` takes a part and a number of rounds and nothing else"),
    };
    let parts: Vec<_> = PARTS.iter().filter(|part| name.is_none_or(|name| name == part.name)).collect();
    if let (Some(name), []) = (name, parts.as_slice()) {
        let names: Vec<_> = PARTS.iter().map(|part| part.name).collect();
        bail!("`bench` has no part `{name}`: there are {}", names.join(", "));
    }
    let rounds = match rounds {
        Some(rounds) => {
            rounds.parse().ok().filter(|&rounds| rounds > 0).with_context(|| format!("`{rounds}` is not a number of rounds"))?
        }
        None => ROUNDS,
    };
    let ground = Ground::prepare(rounds)?;
    parts.into_iter().try_for_each(|part| (part.run)(&ground))
}

/// The reader that discards: `bench-reader PORT CA-FILE [pop3]`.
pub(crate) fn reader(arguments: &[String]) -> Result<()> {
    let [port, ca, protocol @ ..] = arguments else { bail!("`{READER}` takes a port and a file") };
    let (port, authority) = (port.parse().context("read the port")?, std::fs::read_to_string(ca).context("read the authority")?);
    if protocol == ["pop3"] {
        let (count, octets) = pop3::read(port, &authority, USER);
        println!("{count} {octets}");
        return Ok(());
    }
    let mut imap = Imap::connect_tls(port, &authority);
    imap.log_in(USER, PASSWORD);
    imap.select("INBOX");
    let (count, octets) = imap.discard_bodies();
    println!("{count} {octets}");
    Ok(())
}

/// The pipelining writer: `bench-writer PORT CA-FILE FOLDER`.
pub(crate) fn writer(arguments: &[String]) -> Result<()> {
    smtp::write(arguments)
}

impl Ground {
    fn prepare(rounds: usize) -> Result<Self> {
        toolchain::ensure()?;
        setup::servers()?;
        connectors::run(&["--release".to_owned()])?;
        let postrider = project::build_postrider(Profile::Release)?;
        let memory = memory_folder();
        println!(
            "everything in {} ({})",
            memory.display(),
            if memory == Path::new("/dev/shm") { "tmpfs" } else { "not a tmpfs: figures include the disk" }
        );
        Ok(Self { postrider, memory, rounds })
    }
}

/// A folder in memory where there is one.
fn memory_folder() -> PathBuf {
    let memory = PathBuf::from("/dev/shm");
    if memory.is_dir() && tempfile::tempdir_in(&memory).is_ok() { memory } else { std::env::temp_dir() }
}
