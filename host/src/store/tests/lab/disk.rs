//! A disk that loses power: a file system in memory (FUSE) that keeps apart what was synced and what was not. A cut keeps any
//! subset of what was not: sectors of writes, lengths, names made, replaced and removed.
//!
//! It is stricter than any real file system: a sync of a file makes its content durable and not its name, a sync of a folder its
//! names and nothing in the files, and un-synced changes survive in any order.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::sync::{Arc, Mutex, MutexGuard};

use fuser::{Config, Errno};
use tempfile::TempDir;

use super::random::Random;

mod fuse;

/// What a disk writes whole or not at all.
const SECTOR: usize = 512;

/// The folder that is mounted.
const ROOT: u64 = 1;

/// A mounted disk.
pub(super) struct Disk {
    shared: Arc<Shared>,
    // Unmounted before its folder goes.
    _session: fuser::BackgroundSession,
    mounted: TempDir,
}

#[derive(Default)]
struct Shared(Mutex<State>);

#[derive(Default)]
struct State {
    nodes: BTreeMap<u64, Node>,
    last: u64,
    /// Operations that change something, since power was on.
    operations: u64,
    /// The one that power is cut before.
    cut_at: Option<u64>,
    is_off: bool,
}

#[derive(Clone)]
enum Node {
    File(Versions),
    Folder(Names),
}

/// A file's content.
#[derive(Clone, Default)]
struct Versions {
    now: Vec<u8>,
    durable: Vec<u8>,
    unsynced: Vec<Change>,
}

#[derive(Clone)]
enum Change {
    Write { offset: usize, octets: Vec<u8> },
    Length(usize),
}

/// A folder's names.
#[derive(Clone, Default)]
struct Names {
    now: BTreeMap<OsString, u64>,
    durable: BTreeMap<OsString, u64>,
    unsynced: Vec<Naming>,
}

#[derive(Clone)]
enum Naming {
    Put { name: OsString, node: u64 },
    Remove { name: OsString },
    Rename { from: OsString, to: OsString, node: u64 },
}

/// What a cut keeps of the changes of one file or folder.
#[derive(Clone, Copy)]
enum Kept {
    None,
    All,
    /// Those up to some point in time.
    Prefix,
    /// Each sector, and each name, up to a point in time of its own.
    Any,
}

impl Disk {
    pub(super) fn mount() -> Self {
        let mounted = tempfile::tempdir().unwrap();
        let mut state = State { last: ROOT, ..State::default() };
        state.nodes.insert(ROOT, Node::Folder(Names::default()));
        let shared = Arc::new(Shared(Mutex::new(state)));
        let session = fuser::spawn_mount(fuse::Mount(Arc::clone(&shared)), mounted.path(), &Config::default());
        let session = session.expect("a FUSE file system can be mounted: this test needs /dev/fuse, and root or fusermount3");
        Self { shared, _session: session, mounted }
    }

    pub(super) fn path(&self) -> &std::path::Path {
        self.mounted.path()
    }

    /// Cut power before the operation `at` from now on.
    pub(super) fn cut_at(&self, at: u64) {
        let mut state = self.shared.lock();
        state.cut_at = Some(state.operations + at);
    }

    pub(super) fn is_off(&self) -> bool {
        self.shared.lock().is_off
    }

    /// Cut power now, if it was not.
    pub(super) fn cut(&self) {
        self.shared.lock().is_off = true;
    }

    /// What is there when power comes back.
    pub(super) fn restore(&self, random: &mut Random) {
        let mut state = self.shared.lock();
        for node in state.nodes.values_mut() {
            let kept = match random.below(8) {
                0 | 1 => Kept::None,
                2 => Kept::All,
                3 => Kept::Prefix,
                _ => Kept::Any,
            };
            match node {
                Node::File(file) => file.restore(kept, random),
                Node::Folder(folder) => folder.restore(kept, random),
            }
        }
        (state.is_off, state.cut_at, state.operations) = (false, None, 0);
        state.forget_nameless();
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap()
    }
}

impl State {
    /// Count an operation that changes something; after the cut there is none.
    fn change(&mut self) -> Result<(), Errno> {
        self.operations += 1;
        self.is_off |= self.cut_at.is_some_and(|at| self.operations > at);
        if self.is_off { Err(Errno::EIO) } else { Ok(()) }
    }

    fn file(&mut self, node: u64) -> Result<&mut Versions, Errno> {
        match self.nodes.get_mut(&node) {
            Some(Node::File(file)) => Ok(file),
            Some(Node::Folder(_)) => Err(Errno::EISDIR),
            None => Err(Errno::ENOENT),
        }
    }

    fn folder(&mut self, node: u64) -> Result<&mut Names, Errno> {
        match self.nodes.get_mut(&node) {
            Some(Node::Folder(folder)) => Ok(folder),
            Some(Node::File(_)) => Err(Errno::ENOTDIR),
            None => Err(Errno::ENOENT),
        }
    }

    fn find(&mut self, parent: u64, name: &OsStr) -> Result<u64, Errno> {
        self.folder(parent)?.now.get(name).copied().ok_or(Errno::ENOENT)
    }

    fn make(&mut self, parent: u64, name: &OsStr, node: Node) -> Result<u64, Errno> {
        self.last += 1;
        let number = self.last;
        self.folder(parent)?.name(Naming::Put { name: name.to_owned(), node: number });
        self.nodes.insert(number, node);
        Ok(number)
    }

    fn forget_nameless(&mut self) {
        let mut named = std::collections::BTreeSet::from([ROOT]);
        for node in self.nodes.values() {
            if let Node::Folder(folder) = node {
                named.extend(folder.now.values());
            }
        }
        self.nodes.retain(|number, _| named.contains(number));
    }
}

impl Change {
    fn length_after(&self, length: usize) -> usize {
        match self {
            Self::Write { offset, octets } => length.max(offset + octets.len()),
            Self::Length(length) => *length,
        }
    }

    fn apply(&self, content: &mut Vec<u8>) {
        content.resize(self.length_after(content.len()), 0);
        if let Self::Write { offset, octets } = self {
            content[*offset..offset + octets.len()].copy_from_slice(octets);
        }
    }
}

impl Versions {
    fn change(&mut self, change: Change) {
        change.apply(&mut self.now);
        self.unsynced.push(change);
    }

    fn sync(&mut self) {
        for change in std::mem::take(&mut self.unsynced) {
            change.apply(&mut self.durable);
        }
    }

    fn restore(&mut self, kept: Kept, random: &mut Random) {
        let changes = std::mem::take(&mut self.unsynced);
        let mut moment = || match kept {
            Kept::None => 0,
            Kept::All => changes.len() as u64,
            Kept::Prefix | Kept::Any => random.below(changes.len() as u64 + 1),
        };
        let whole = moment();
        let mut sectors: BTreeMap<usize, u64> = BTreeMap::new();
        let mut length = self.durable.len();
        let mut content = self.durable.clone();
        for (at, change) in (0..).zip(&changes) {
            if at < whole {
                length = change.length_after(length);
            }
            match change {
                Change::Length(length) if at < whole => content.resize(*length, 0),
                Change::Length(_) => {}
                Change::Write { offset, octets } => {
                    content.resize(content.len().max(offset + octets.len()), 0);
                    let mut from = *offset;
                    while from < offset + octets.len() {
                        let sector = from / SECTOR;
                        let to = ((sector + 1) * SECTOR).min(offset + octets.len());
                        let until = match kept {
                            Kept::Any => *sectors.entry(sector).or_insert_with(&mut moment),
                            Kept::None | Kept::All | Kept::Prefix => whole,
                        };
                        if at < until {
                            content[from..to].copy_from_slice(&octets[from - offset..to - offset]);
                        }
                        from = to;
                    }
                }
            }
        }
        content.resize(length, 0);
        (self.now, self.durable) = (content.clone(), content);
    }
}

impl Naming {
    fn apply(&self, names: &mut BTreeMap<OsString, u64>) {
        match self {
            Self::Put { name, node } => drop(names.insert(name.clone(), *node)),
            Self::Remove { name } => drop(names.remove(name)),
            Self::Rename { from, to, node } => {
                if names.get(from) == Some(node) {
                    names.remove(from);
                }
                names.insert(to.clone(), *node);
            }
        }
    }
}

impl Names {
    fn name(&mut self, naming: Naming) {
        naming.apply(&mut self.now);
        self.unsynced.push(naming);
    }

    fn sync(&mut self) {
        for naming in std::mem::take(&mut self.unsynced) {
            naming.apply(&mut self.durable);
        }
    }

    fn restore(&mut self, kept: Kept, random: &mut Random) {
        let namings = std::mem::take(&mut self.unsynced);
        let prefix = random.below(namings.len() as u64 + 1);
        for (at, naming) in (0..).zip(&namings) {
            let is_kept = match kept {
                Kept::None => false,
                Kept::All => true,
                Kept::Prefix => at < prefix,
                Kept::Any => random.below(2) == 0,
            };
            if is_kept {
                naming.apply(&mut self.durable);
            }
        }
        self.now = self.durable.clone();
    }
}
