//! The crash laboratory: a child process works on a store and is ended, by a failpoint, at random, or by a power cut; then nothing
//! acknowledged is missing, nothing is twice, `check` is clean, and the next child goes on with the same store.

use std::collections::BTreeMap;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use super::*;
use crate::model::message::Content;
use crate::store::failpoint::Failpoint;
use crate::store::failpoint::armed::VARIABLE as FAILPOINT;
use child::{Orders, Task};
use random::Random;
use upkeep::Upkeep;
use workload::{ACCOUNTS, Expected, ExpectedStore, GIVEN_UP, OF_A_STEP, OF_STORE, RETAINED, Standing};

mod child;
mod disk;
mod failpoints;
mod power;
mod random;
mod upkeep;
mod workload;

/// Rounds of every day; `POSTRIDER_SOAK_ROUNDS` asks for more.
const ROUNDS: u64 = 25;
/// A store is left for a new one after so many rounds, so that a soak does not grow without bound.
const ROUNDS_OF_A_STORE: u64 = 25;
/// A child that takes longer hangs.
const HANGS_AFTER: Duration = Duration::from_secs(120);

/// A store that children work on, and their log.
struct Laboratory {
    seed: u64,
    home: PathBuf,
    /// Beside the store: no power cut hurts it.
    folder: TempDir,
}

/// What the log says, by account: the last step that was begun, and that was acknowledged.
#[derive(Debug, Default)]
struct Progress {
    begun: BTreeMap<u32, u64>,
    done: BTreeMap<u32, u64>,
}

impl Laboratory {
    fn new(seed: u64) -> Self {
        let folder = in_memory();
        Self { seed, home: folder.path().join("home"), folder }
    }

    /// On a disk that is mounted somewhere.
    fn on(home: &Path, seed: u64) -> Self {
        Self { home: home.to_owned(), ..Self::new(seed) }
    }

    fn beside(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Begin a child.
    fn child(&self, task: Task, failpoint: Option<&str>) -> Child {
        let orders = Orders { home: self.home.clone(), log: self.beside("log"), seed: self.seed, task };
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args(["store::tests::lab::child::process", "--exact", "--ignored", "--nocapture"]);
        command.env(child::VARIABLE, serde_json::to_string(&orders).unwrap());
        if let Some(failpoint) = failpoint {
            command.env(FAILPOINT, failpoint);
        }
        let words = std::fs::File::create(self.beside("words")).unwrap();
        command.stdout(Stdio::null()).stderr(words).spawn().unwrap()
    }

    /// Run a child to its end, whether it ends by itself or is killed by its failpoint.
    fn run(&self, task: Task, failpoint: Option<&str>) -> ExitStatus {
        let mut child = self.child(task, failpoint);
        let end = Instant::now() + HANGS_AFTER;
        loop {
            if let Some(status) = child.try_wait().unwrap() {
                assert!(status.success() || status.signal() == Some(9), "{failpoint:?}: {status}\n{}", self.words());
                return status;
            }
            if Instant::now() > end {
                let _ = child.kill();
                panic!("a child hangs, {failpoint:?}\n{}", self.words());
            }
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    fn words(&self) -> String {
        std::fs::read_to_string(self.beside("words")).unwrap_or_default()
    }

    fn progress(&self) -> Progress {
        Progress::read(&self.beside("log"))
    }

    /// Open the store and compare all that is in it with what was acknowledged; and a backup that was made, with what was begun.
    fn verify(&self, round: &str) {
        block_on(async {
            self.verify_backup(round).await;
            let store = open_soon(&self.home).await.unwrap_or_else(|error| panic!("{round}: {error:?}"));
            self.compare(&store, round).await;
            let report = store.check(|_| {}).await.unwrap();
            assert!(report.is_clean(), "{round}: {:?}", report.findings);
            let files = std::fs::read_dir(self.home.join("store/records/blobs")).unwrap().count();
            assert_eq!(files, 0, "{round}: values in files that nobody syncs");
            assert_eq!(store.status().await.unwrap().damage, Vec::<String>::new(), "{round}");
            store.close().await.unwrap();
        });
    }

    /// Where a child has made a backup, restore it, and forget it.
    async fn verify_backup(&self, round: &str) {
        let backup = self.beside(upkeep::BACKUP);
        if !backup.exists() {
            return;
        }
        let restored = tempfile::tempdir().unwrap();
        std::fs::copy(self.home.join("master.key"), restored.path().join("master.key")).unwrap();
        let key = KeySource::File(restored.path().join("master.key"));
        let report = crate::store::restore(&backup, &restored.path().join("store"), key).await;
        assert_eq!(report.unwrap_or_else(|error| panic!("{round}: {error:?}")).findings, 0, "{round}");
        let store = open(restored.path()).await.unwrap();
        // It may be of any moment since the child began.
        self.compare_with(&store, &Progress { done: BTreeMap::new(), ..self.progress() }, &format!("{round}, the backup")).await;
        store.close().await.unwrap();
        std::fs::remove_file(backup).unwrap();
    }

    async fn compare(&self, store: &Store, round: &str) {
        let progress = self.progress();
        self.compare_with(store, &progress, round).await;
        let found = found_of_store(store).await;
        let (begun, done) = (progress.begun(OF_STORE), progress.done(OF_STORE));
        let after = |steps| ExpectedStore::after(self.seed, steps);
        assert!(found == after(done) || found == after(begun), "{round}: {found:?} is the store of neither step {done} nor {begun}");
    }

    async fn compare_with(&self, store: &Store, progress: &Progress, round: &str) {
        for id in 1..=ACCOUNTS {
            let steps = child::step_of(store.cursor(AccountId(id), Some("INBOX")).await.unwrap());
            let (begun, done) = (progress.begun(id), progress.done(id));
            assert!(steps >= done, "{round}: account {id} lost steps {steps}..={done} that were acknowledged");
            assert!(steps <= begun, "{round}: account {id} has step {steps}, begun were {begun}");
            let found = self.found(store, id, round).await;
            assert_eq!(found, Expected::after(self.seed, id, steps), "{round}: account {id} after step {steps}");
        }
        self.compare_retained(store, progress, round).await;
        let found = found_of_store(store).await;
        assert!(found.was_ever(self.seed, progress.begun(OF_STORE)), "{round}: {found:?} is the store of no step");
    }

    /// Messages are given up whole steps at a time and no more than was wanted; those that were are known all the same.
    async fn compare_retained(&self, store: &Store, progress: &Progress, round: &str) {
        let account = AccountId(RETAINED);
        let steps = child::step_of(store.cursor(account, Some("INBOX")).await.unwrap());
        let (begun, done) = (progress.begun(RETAINED), progress.done(RETAINED));
        assert!((done..=begun).contains(&steps), "{round}: step {steps} of {done}..={begun}");
        if steps == 0 {
            return;
        }
        let mut found = Vec::new();
        for summary in store.messages(Some(account), 0, usize::MAX).await.unwrap() {
            let (step, number) = summary.subject.as_deref().unwrap().split_once('.').unwrap();
            let content = (step.parse().unwrap(), number.parse().unwrap());
            let octets = body(store, summary.message).await.unwrap_or_else(|error| panic!("{round}: {error:?}"));
            assert!(octets == workload::octets_of(self.seed, RETAINED, content), "{round}: other octets in message {content:?}");
            found.push(content);
        }
        found.sort_unstable();
        let given_up = steps - found.len() as u64 / OF_A_STEP;
        let kept: Vec<_> = (given_up + 1..=steps).flat_map(|step| (0..OF_A_STEP).map(move |number| (step, number))).collect();
        assert_eq!(found, kept, "{round}: of the account whose messages are given up");
        let (begun, done) = (progress.begun(GIVEN_UP), progress.done(GIVEN_UP));
        assert!((done..=begun).contains(&given_up), "{round}: given up to {given_up} of {done}..={begun}");
        let counts = store.counts(account).await.unwrap();
        assert_eq!((counts.messages, counts.removed), (found.len() as u64, given_up * OF_A_STEP), "{round}");
        let every = (1..=steps).flat_map(|step| (0..OF_A_STEP).map(move |number| workload::id_of((step, number)))).collect();
        assert_eq!(store.intake(account).unseen(scope("INBOX", "1"), every).await.unwrap(), Vec::<String>::new(), "{round}");
    }

    /// The messages of an account, with octets that are those of their subject.
    async fn found(&self, store: &Store, id: u32, round: &str) -> Expected {
        let mut found = Expected::default();
        for summary in store.messages(Some(AccountId(id)), 0, usize::MAX).await.unwrap() {
            let is_aside = matches!(summary.content, Content::SetAside { .. });
            let name = if is_aside { summary.locations.first().map(|at| at.id.clone()) } else { summary.subject.clone() };
            // One that was set aside and stands nowhere any more has no name left.
            let Some(name) = name else { continue };
            let (step, number) = name.split_once('.').unwrap();
            let content = (step.parse().unwrap(), number.parse().unwrap());
            if !is_aside {
                let octets = body(store, summary.message).await.unwrap_or_else(|error| panic!("{round}: {error:?}"));
                assert!(octets == workload::octets_of(self.seed, id, content), "{round}: account {id}, other octets in message {name}");
            }
            assert!(summary.locations.len() <= 1, "{round}: account {id}, message {name} stands twice");
            let place = summary.locations.first();
            let standing = Standing {
                generation: place.map(|at| at.scope.generation.parse().unwrap()),
                keywords: place.map(|at| at.keywords.clone()).unwrap_or_default(),
                is_aside,
            };
            assert_eq!(found.0.insert(content, standing), None, "{round}: account {id}, message {name} is there twice");
        }
        found
    }
}

impl Progress {
    fn read(log: &Path) -> Self {
        let mut progress = Self::default();
        let text = std::fs::read_to_string(log).unwrap_or_default();
        for line in text.lines() {
            let words: Vec<_> = line.split(' ').collect();
            let steps = if words[0] == "begin" { &mut progress.begun } else { &mut progress.done };
            steps.insert(words[1].parse().unwrap(), words[2].parse().unwrap());
        }
        progress
    }

    fn begun(&self, account: u32) -> u64 {
        self.begun.get(&account).copied().unwrap_or(0)
    }

    fn done(&self, account: u32) -> u64 {
        self.done.get(&account).copied().unwrap_or(0)
    }
}

/// A folder in memory, where there is room: what a killed process has written is there on any file system, and rounds take a
/// fraction of the time. Power cuts have a disk of their own.
fn in_memory() -> TempDir {
    const ROOM: u64 = 1 << 30;
    let memory = Path::new("/dev/shm");
    let free = rustix::fs::statvfs(memory).map_or(0, |found| found.f_bavail * found.f_frsize);
    if free >= ROOM { tempfile::tempdir_in(memory).unwrap() } else { tempfile::tempdir().unwrap() }
}

/// A process that some other test has just begun holds the lock too, between its fork and its exec.
async fn open_soon(home: &Path) -> Result<Store, Error> {
    for _ in 0..200 {
        match open(home).await {
            Err(Error::InUse(_)) => tokio::time::sleep(Duration::from_millis(10)).await,
            opened => return opened,
        }
    }
    open(home).await
}

async fn found_of_store(store: &Store) -> ExpectedStore {
    let documents = store.documents("laboratory").await.unwrap().into_iter().collect();
    let mut accounts = BTreeMap::new();
    for account in store.accounts().await.unwrap().into_iter().filter(|account| account.id.0 > RETAINED) {
        assert!(store.secret(account.id, "receive").await.unwrap().is_some());
        accounts.insert(account.id.0, store.messages(Some(account.id), 0, usize::MAX).await.unwrap().len());
    }
    ExpectedStore { documents, accounts }
}

fn block_on<T>(work: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(work)
}

fn rounds() -> (u64, u64) {
    let number = |name: &str, default| std::env::var(name).map_or(default, |number| number.parse().unwrap());
    let (rounds, seed) = (number("POSTRIDER_SOAK_ROUNDS", ROUNDS), number("POSTRIDER_SOAK_SEED", 1));
    println!("{rounds} rounds; the same again with POSTRIDER_SOAK_SEED={seed}");
    (rounds, seed)
}

/// kill -9 at random points.
#[test]
fn killed_at_random_nothing_is_lost_and_nothing_is_there_twice() {
    let (rounds, seed) = rounds();
    let mut random = Random(seed);
    let mut left = rounds;
    let (mut killed, mut usual) = (0, 200_000);
    while left > 0 {
        let laboratory = Laboratory::new(random.next());
        for round in 1..=left.min(ROUNDS_OF_A_STORE) {
            let upkeep = Upkeep::of_round(random.next());
            let mut child = laboratory.child(Task::Receive { steps: 20, upkeep }, None);
            let moment = Instant::now() + Duration::from_micros(random.below(usual));
            while Instant::now() < moment && child.try_wait().unwrap().is_none() {
                std::thread::sleep(Duration::from_micros(500));
            }
            let _ = child.kill();
            // Follows what a child takes, which has more to do at one time than at another.
            if child.wait().unwrap().signal() == Some(9) {
                killed += 1;
                usual = usual * 6 / 5;
            } else {
                usual = usual * 3 / 4;
            }
            laboratory.verify(&format!("round {round} of seed {}", laboratory.seed));
            left -= 1;
        }
    }
    assert!(killed * 3 >= rounds, "only {killed} of {rounds} children lived long enough to be killed");
}
