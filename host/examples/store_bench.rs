//! The store's share of `cargo xtask bench`: small messages, single commits and one large body, beside plain sled and beside plain
//! files with fsync, interleaved in one run, because only ratios of one run mean anything. Takes the folder to work in.

#![expect(clippy::print_stdout, reason = "its output is what it is for")]

use std::error::Error;
use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use bytes::Bytes;
use postrider::clock::Timestamp;
use postrider::model::account::{Account, Keep};
use postrider::model::message::{Arrival, Part, Scope};
use postrider::model::name::AccountId;
use postrider::store::{Intake, KeySource, Store};

/// Small messages, and how many of them go into one commit.
const MESSAGES: usize = 10_000;
const BATCH: usize = 100;
/// Of one small message: the median of the corpus that the other bench receives.
const OCTETS: usize = 7_400;
/// Commits of one message each.
const COMMITS: usize = 300;
/// Of the large body.
const LARGE: usize = 256 << 20;
const ROUNDS: usize = 3;

type Outcome<T> = Result<T, Box<dyn Error>>;

/// Who keeps octets.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Keeper {
    /// The sealed store.
    Store,
    /// Keys and values in sled; a commit is its flush, and the sync that the flush leaves out.
    Sled,
    /// A file each; a commit syncs every one, and the folder.
    Files,
}

/// An opened one.
enum Opened {
    Store(Intake),
    Sled(sled::Db, File),
    Files(PathBuf, Vec<File>),
}

/// What one round found.
struct Figures {
    bulk: Duration,
    commit: Duration,
    /// Octets given to write calls, for each octet of mail.
    written: f64,
    /// Octets on disk, for each octet of mail.
    taken: f64,
}

#[tokio::main]
async fn main() -> Outcome<()> {
    let folder = std::env::args().nth(1).ok_or("name the folder to work in")?;
    let mail: Vec<Bytes> = (0..MESSAGES as u64).map(message).collect();
    let mut results = [Keeper::Store, Keeper::Sled, Keeper::Files].map(|keeper| (keeper, Vec::new()));
    for _ in 0..ROUNDS {
        for (keeper, figures) in &mut results {
            figures.push(round(*keeper, Path::new(&folder), &mail).await?);
        }
    }
    report(results);
    large(Path::new(&folder)).await
}

async fn round(keeper: Keeper, folder: &Path, mail: &[Bytes]) -> Outcome<Figures> {
    let place = tempfile::tempdir_in(folder)?;
    let mut opened = Opened::new(keeper, place.path()).await?;
    let (written, begin) = (written()?, Instant::now());
    for (at, octets) in mail.iter().enumerate() {
        opened.put(at, octets).await?;
        if (at + 1) % BATCH == 0 {
            opened.commit().await?;
        }
    }
    let bulk = begin.elapsed();
    let octets = (MESSAGES * OCTETS) as f64;
    let (written, taken) = ((self::written()? - written) as f64 / octets, taken(place.path())? as f64 / octets);
    let mut commits = Vec::with_capacity(COMMITS);
    for (at, octets) in mail.iter().enumerate().take(COMMITS) {
        opened.put(MESSAGES + at, octets).await?;
        let begin = Instant::now();
        opened.commit().await?;
        commits.push(begin.elapsed());
    }
    commits.sort_unstable();
    let commit = commits.get(COMMITS / 2).copied().unwrap_or_default();
    Ok(Figures { bulk, commit, written, taken })
}

impl Opened {
    async fn new(keeper: Keeper, place: &Path) -> Outcome<Self> {
        Ok(match keeper {
            Keeper::Store => {
                let (_, intake) = open_store(place).await?;
                Self::Store(intake)
            }
            Keeper::Sled => {
                let tree = sled::Config::new().path(place).cache_capacity(64 << 20).flush_every_ms(None).open()?;
                Self::Sled(tree, File::open(place.join("db"))?)
            }
            Keeper::Files => Self::Files(place.to_owned(), Vec::new()),
        })
    }

    async fn put(&mut self, at: usize, octets: &Bytes) -> Outcome<()> {
        match self {
            Self::Store(intake) => {
                let mut delivery = intake.begin(scope(), arrival(at.to_string())).await?;
                delivery.write(octets.clone()).await?;
                delivery.finish().await?;
            }
            Self::Sled(tree, _) => drop(tree.insert(at.to_be_bytes(), octets.as_ref())?),
            Self::Files(folder, files) => {
                let mut file = File::create(folder.join(at.to_string()))?;
                file.write_all(octets)?;
                files.push(file);
            }
        }
        Ok(())
    }

    async fn commit(&mut self) -> Outcome<()> {
        match self {
            Self::Store(intake) => intake.checkpoint(scope(), Vec::new()).await?,
            Self::Sled(tree, data) => {
                tree.flush()?;
                data.sync_data()?;
            }
            Self::Files(folder, files) => {
                for file in files.drain(..) {
                    file.sync_data()?;
                }
                File::open(folder)?.sync_all()?;
            }
        }
        Ok(())
    }
}

/// One large body, in and out.
async fn large(folder: &Path) -> Outcome<()> {
    let place = tempfile::tempdir_in(folder)?;
    let (store, intake) = open_store(place.path()).await?;
    let piece = Bytes::from(vec![b'x'; 64 << 10]);
    let begin = Instant::now();
    let mut delivery = intake.begin(scope(), arrival("large".to_owned())).await?;
    for _ in 0..LARGE / piece.len() {
        delivery.write(piece.clone()).await?;
    }
    delivery.finish().await?;
    intake.checkpoint(scope(), Vec::new()).await?;
    let sealed = begin.elapsed();
    let message = store.messages(None, 0, 1).await?.pop().ok_or("the message is not there")?.message;
    let begin = Instant::now();
    let mut reader = store.body(message).await?.ok_or("the body is not there")?;
    while reader.next().await?.is_some() {}
    let per_second = |took: Duration| LARGE as f64 / 1e6 / took.as_secs_f64();
    println!(
        "\none body of {} MB: sealed and synced at {:.0} MB/s, opened at {:.0} MB/s",
        LARGE >> 20,
        per_second(sealed),
        per_second(begin.elapsed())
    );
    store.close().await?;
    Ok(())
}

async fn open_store(place: &Path) -> Outcome<(Store, Intake)> {
    let store = Store::open(&place.join("store"), KeySource::File(place.join("master.key"))).await?;
    let account =
        Account { id: AccountId(1), name: "bench".parse()?, receive: None, send: None, created: Timestamp::now(), keep: Keep::Forever };
    store.put_account(account, Vec::new()).await?;
    let intake = store.intake(AccountId(1));
    Ok((store, intake))
}

fn report(results: [(Keeper, Vec<Figures>); 3]) {
    println!("{MESSAGES} messages of {OCTETS} octets, {BATCH} a commit; median of {ROUNDS} rounds");
    println!("{:<26} {:>9} {:>8} {:>11} {:>9} {:>9}", "", "msg/s", "MB/s", "commit ms", "written", "on disk");
    for (keeper, mut figures) in results {
        figures.sort_by_key(|figures| figures.bulk);
        let Some(median) = figures.get(ROUNDS / 2) else { continue };
        let seconds = median.bulk.as_secs_f64();
        println!(
            "{:<26} {:>9.0} {:>8.1} {:>11.2} {:>8.2}x {:>8.2}x",
            keeper.name(),
            MESSAGES as f64 / seconds,
            (MESSAGES * OCTETS) as f64 / 1e6 / seconds,
            median.commit.as_secs_f64() * 1e3,
            median.written,
            median.taken
        );
    }
}

impl Keeper {
    const fn name(self) -> &'static str {
        match self {
            Self::Store => "the sealed store",
            Self::Sled => "plain sled, synced",
            Self::Files => "plain files with fsync",
        }
    }
}

fn scope() -> Scope {
    Scope { folder: Some("INBOX".to_owned()), generation: "1".to_owned() }
}

fn arrival(id: String) -> Arrival {
    Arrival {
        id,
        stable: None,
        folders: Vec::new(),
        keywords: Vec::new(),
        thread: None,
        received: None,
        size: None,
        part: Part::Whole,
        extra: Vec::new(),
    }
}

/// A header section and octets that nothing can compress.
fn message(number: u64) -> Bytes {
    let mut octets = format!("From: sender{}@example.com\r\nSubject: number {number}\r\n\r\n", number % 100).into_bytes();
    let mut state = number;
    while octets.len() < OCTETS {
        // SplitMix64.
        state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let z = (state ^ (state >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        octets.extend_from_slice(&(z ^ (z >> 31)).to_le_bytes());
    }
    octets.truncate(OCTETS);
    octets.into()
}

/// Octets that this process has given to write calls (proc(5): `wchar`), which holds on every file system.
fn written() -> Outcome<u64> {
    let io = fs::read_to_string("/proc/self/io")?;
    Ok(io.lines().find_map(|line| line.strip_prefix("wchar: ")).ok_or("no `wchar` in /proc/self/io")?.parse()?)
}

fn taken(path: &Path) -> Outcome<u64> {
    let mut octets = 0;
    for entry in fs::read_dir(path)? {
        let entry = entry?;
        let metadata = entry.metadata()?;
        octets += if metadata.is_dir() { taken(&entry.path())? } else { metadata.len() };
    }
    Ok(octets)
}
