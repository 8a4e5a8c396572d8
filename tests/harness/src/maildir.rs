//! A Maildir, to put messages into and to read what is in it.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use crate::corpus::Message;

static NEXT: AtomicU64 = AtomicU64::new(1);

/// A folder with `tmp`, `new` and `cur`.
#[derive(Debug, Clone)]
pub struct Maildir(PathBuf);

impl Maildir {
    /// The Maildir at `path`; what it needs is made.
    #[must_use]
    pub fn create(path: &Path) -> Self {
        for sub in ["tmp", "new", "cur"] {
            fs::create_dir_all(path.join(sub)).unwrap();
        }
        Self(path.to_owned())
    }

    /// The Maildir at `path`, made by somebody else.
    #[must_use]
    pub fn at(path: &Path) -> Self {
        Self(path.to_owned())
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// Put a message in, with its flags and the time at which it was received; gives its file.
    #[must_use]
    pub fn deliver(&self, message: &Message) -> PathBuf {
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let base = format!("{}.P{}Q{number}.example", message.received, std::process::id());
        let file = self.0.join("tmp").join(&base);
        fs::write(&file, &message.octets).unwrap();
        let received = std::time::UNIX_EPOCH + std::time::Duration::from_secs(message.received);
        fs::File::options().write(true).open(&file).unwrap().set_modified(received).unwrap();
        let place = match message.flags {
            "" => self.0.join("new").join(&base),
            flags => self.0.join("cur").join(format!("{base}:2,{flags}")),
        };
        fs::rename(&file, &place).unwrap();
        place
    }

    /// Files in `new` and `cur`, by name.
    ///
    /// # Panics
    /// When it is not a Maildir.
    #[must_use]
    #[track_caller]
    pub fn files(&self) -> Vec<PathBuf> {
        let mut files = Vec::new();
        for sub in ["new", "cur"] {
            let folder = self.0.join(sub);
            let entries = fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
            files.extend(entries.map(|entry| entry.unwrap().path()));
        }
        files.sort();
        files
    }

    /// Files in `tmp`, which a reader never sees.
    #[must_use]
    pub fn leftovers(&self) -> Vec<PathBuf> {
        fs::read_dir(self.0.join("tmp")).unwrap().map(|entry| entry.unwrap().path()).collect()
    }

    /// How often which octets are in it.
    #[must_use]
    #[track_caller]
    pub fn contents(&self) -> BTreeMap<Vec<u8>, usize> {
        count(self.files().iter().map(|file| fs::read(file).unwrap()))
    }
}

/// How often each item comes.
#[must_use]
pub fn count(items: impl IntoIterator<Item = Vec<u8>>) -> BTreeMap<Vec<u8>, usize> {
    let mut counts = BTreeMap::new();
    for item in items {
        *counts.entry(item).or_insert(0) += 1;
    }
    counts
}
