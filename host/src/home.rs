//! The home: where everything of one Postrider lies, and who owns it. One process owns it at a time.

use std::fs::{DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use etcetera::BaseStrategy;
use serde::{Deserialize, Serialize};

use crate::fault::{Fault, Kind};

/// The most octets of a lock file that are read; ours are far shorter.
const OWNER_OCTETS: u64 = 16 << 10;

/// Where the parts of a home lie.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Paths {
    /// What a person calls the home: the directory given, or the default data directory.
    pub root: PathBuf,
    /// The sealed store.
    pub store: PathBuf,
    /// The master key; outside of the store's directory, so that a copy of the one is not a copy of both.
    pub master_key: PathBuf,
    /// Where operators drop connectors.
    pub connectors: PathBuf,
    /// Compiled connectors; can be deleted at any time.
    pub cache: PathBuf,
    /// Where the daemon listens.
    pub control_socket: PathBuf,
    /// Locked by the home's owner, and says who that is.
    pub lock: PathBuf,
    /// There from the making of the store on, outside of it: where this is and the store is not, the store is gone or not mounted.
    pub store_made: PathBuf,
}

/// The home is this process's until this is dropped.
#[derive(Debug)]
pub struct Ownership {
    // The lock goes with the file; the file stays, because removing it would let two processes lock two files of one name.
    _lock: File,
}

/// Who owns a home.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Owner {
    /// Its process.
    pub pid: u32,
    /// What it was started as: "postrider run".
    pub command: String,
    /// Where it listens, if it does: by default that depends on the environment, which a client may have another of.
    pub control_socket: PathBuf,
}

/// What became of a claim.
#[derive(Debug)]
pub enum Claim {
    /// The home is ours.
    Owned(Ownership),
    /// Another process has it; none: it is just taking it over and has not written its name yet.
    Held(Option<Owner>),
}

impl Paths {
    /// The home in one directory, as `--home` names it. A relative path becomes absolute, so that the daemon and its clients
    /// mean the same one.
    ///
    /// # Errors
    /// [`Kind::Storage`] where the working directory cannot be told.
    pub fn in_directory(home: &Path) -> Result<Self, Fault> {
        let root = std::path::absolute(home)
            .map_err(|error| Fault::new(Kind::Storage, format!("find the home `{}`", home.display())).because(&error))?;
        Ok(Self {
            store: root.join("store"),
            master_key: root.join("master.key"),
            connectors: root.join("connectors"),
            cache: root.join("cache"),
            control_socket: root.join("control.sock"),
            lock: root.join("lock"),
            store_made: root.join("store-made"),
            root,
        })
    }

    /// The home in the user's own directories (XDG Base Directory Specification 0.8).
    ///
    /// # Errors
    /// [`Kind::Storage`] where the user has no home directory.
    pub fn of_user() -> Result<Self, Fault> {
        let base = etcetera::choose_base_strategy().map_err(|error| {
            Fault::new(Kind::Storage, "find the user's directories").because(&error).with_remedy("name a directory: `--home DIR`")
        })?;
        let root = base.data_dir().join("postrider");
        Ok(Self {
            store: root.join("store"),
            master_key: base.config_dir().join("postrider/master.key"),
            connectors: root.join("connectors"),
            cache: base.cache_dir().join("postrider"),
            control_socket: base.runtime_dir().map_or_else(|| root.clone(), |runtime| runtime.join("postrider")).join("control.sock"),
            lock: root.join("lock"),
            store_made: root.join("store-made"),
            root,
        })
    }

    /// Make every directory that is missing, readable by its owner only. Those that are there stay as they are.
    ///
    /// # Errors
    /// [`Kind::Storage`] with the directory that cannot be made.
    pub fn create(&self) -> Result<(), Fault> {
        let parents = [&self.master_key, &self.control_socket].into_iter().filter_map(|file| file.parent());
        for directory in [self.root.as_path(), &self.store, &self.connectors, &self.cache].into_iter().chain(parents) {
            DirBuilder::new().recursive(true).mode(0o700).create(directory).map_err(|error| {
                Fault::new(Kind::Storage, format!("create the directory `{}`", directory.display()))
                    .because(&error)
                    .with_remedy("make it writable for this user, or name another home: `--home DIR`")
            })?;
        }
        Ok(())
    }

    /// Refuse to make a new store in the place of one that is gone.
    ///
    /// # Errors
    /// [`Kind::Storage`] where this home had a store and there is none.
    pub fn look_for_store(&self) -> Result<(), Fault> {
        if self.store_made.exists() && !self.store.join("format").exists() {
            let (store, made) = (self.store.display(), self.store_made.display());
            return Err(Fault::new(Kind::Storage, format!("open the store in `{store}`"))
                .because_words("this home had a store, and there is none")
                .with_remedy(format!(
                    "mount the file system that holds it, or restore a backup; to begin anew without its mail, remove the file `{made}`"
                )));
        }
        Ok(())
    }

    /// Remember, durably, that the store has been made.
    ///
    /// # Errors
    /// [`Kind::Storage`] where it cannot be written down.
    pub fn note_store(&self) -> Result<(), Fault> {
        let note = || {
            if !self.store_made.exists() {
                std::fs::write(&self.store_made, "")?;
                File::open(&self.root)?.sync_all()?;
            }
            Ok(())
        };
        note().map_err(|error: io::Error| Fault::new(Kind::Storage, format!("write `{}`", self.store_made.display())).because(&error))
    }

    /// Whether `path` lies in this home, whatever links lead there.
    #[must_use]
    pub fn hold(&self, path: &Path) -> bool {
        let path = resolved(path);
        [&self.root, &self.store, &self.connectors, &self.cache].into_iter().any(|held| path.starts_with(resolved(held)))
    }

    /// Take the home over, if nobody has it. Never waits.
    ///
    /// # Errors
    /// [`Kind::Storage`] where the lock file cannot be used.
    pub fn claim(&self, command: &str) -> Result<Claim, Fault> {
        self.try_claim(command)
            .map_err(|error| Fault::new(Kind::Storage, format!("lock the home with `{}`", self.lock.display())).because(&error))
    }

    /// The refusal of a second owner.
    #[must_use]
    pub fn in_use(&self, owner: Option<&Owner>) -> Fault {
        let held_by = match owner {
            Some(Owner { pid, command, .. }) => format!("the home `{}` is in use by `{command}` (pid {pid})", self.root.display()),
            None => format!("the home `{}` is in use by another process", self.root.display()),
        };
        Fault::new(Kind::InUse, format!("take over the home `{}`", self.root.display()))
            .because_words(held_by)
            .with_remedy("wait until it has ended, stop it, or name another home: `--home DIR`")
    }

    /// The home's directory by the one name that all of its processes agree on, whatever links they came by.
    #[must_use]
    pub fn true_name(&self) -> String {
        self.root.canonicalize().unwrap_or_else(|_| self.root.clone()).display().to_string()
    }

    fn ourselves(&self, command: &str) -> Owner {
        Owner { pid: std::process::id(), command: command.to_owned(), control_socket: self.control_socket.clone() }
    }

    fn try_claim(&self, command: &str) -> io::Result<Claim> {
        let mut lock = OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o600).open(&self.lock)?;
        match lock.try_lock() {
            Ok(()) => {
                let owner = serde_json::to_vec(&self.ourselves(command))?;
                lock.set_len(0)?;
                lock.seek(SeekFrom::Start(0))?;
                lock.write_all(&owner)?;
                Ok(Claim::Owned(Ownership { _lock: lock }))
            }
            Err(TryLockError::WouldBlock) => {
                let mut written = Vec::new();
                lock.take(OWNER_OCTETS).read_to_end(&mut written)?;
                Ok(Claim::Held(serde_json::from_slice(&written).ok()))
            }
            Err(TryLockError::Error(error)) => Err(error),
        }
    }
}

/// `path` without links and `..`, as far as it exists.
fn resolved(path: &Path) -> PathBuf {
    let path = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    for existing in path.ancestors() {
        if let Ok(canonical) = existing.canonicalize() {
            let rest = path.strip_prefix(existing).unwrap_or(Path::new(""));
            return rest.components().fold(canonical, |mut whole, part| {
                match part {
                    std::path::Component::ParentDir => {
                        whole.pop();
                    }
                    part => whole.push(part),
                }
                whole
            });
        }
    }
    path
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn home() -> (tempfile::TempDir, Paths) {
        let directory = tempfile::tempdir().unwrap();
        let paths = Paths::in_directory(&directory.path().join("deep/home")).unwrap();
        paths.create().unwrap();
        (directory, paths)
    }

    #[test]
    fn directories_are_private() {
        let (_directory, paths) = home();
        for made in [&paths.root, &paths.store, &paths.connectors, &paths.cache] {
            assert_eq!(fs::metadata(made).unwrap().permissions().mode() & 0o777, 0o700, "{}", made.display());
        }
        assert!(!paths.master_key.starts_with(&paths.store));
    }

    #[test]
    fn a_store_that_is_gone_is_not_made_anew() {
        let (_directory, paths) = home();
        paths.look_for_store().unwrap();
        paths.note_store().unwrap();
        let fault = paths.look_for_store().unwrap_err();
        assert!(fault.remedy.unwrap().contains("mount"));
        fs::write(paths.store.join("format"), "").unwrap();
        paths.look_for_store().unwrap();
    }

    #[test]
    fn what_lies_in_the_home_is_known_whatever_leads_there() {
        let (directory, paths) = home();
        let link = directory.path().join("link");
        std::os::unix::fs::symlink(&paths.store, &link).unwrap();
        for inside in
            [paths.root.clone(), paths.store.join("new"), link.join("Mail"), paths.root.join("../home/x"), paths.root.join("a/../b")]
        {
            assert!(paths.hold(&inside), "{}", inside.display());
        }
        for outside in [directory.path().join("Mail"), paths.root.join("../Mail"), directory.path().join("deep/homework")] {
            assert!(!paths.hold(&outside), "{}", outside.display());
        }
    }

    #[test]
    fn a_second_owner_is_refused_by_name() {
        let (_directory, paths) = home();
        let Claim::Owned(ownership) = paths.claim("postrider run").unwrap() else { panic!("nobody else has it") };
        let Claim::Held(owner) = paths.claim("postrider receive").unwrap() else { panic!("it is taken") };
        let refusal = paths.in_use(owner.as_ref());
        assert_eq!(refusal.kind, Kind::InUse);
        let words = refusal.causes().next().unwrap();
        assert!(words.contains("`postrider run`") && words.contains(&format!("pid {}", std::process::id())), "{words}");
        drop(ownership);
        assert!(matches!(paths.claim("postrider receive").unwrap(), Claim::Owned(_)));
    }

    #[test]
    fn a_shorter_name_leaves_nothing_of_a_longer_one() {
        let (_directory, paths) = home();
        drop(paths.claim("postrider message list --account a-long-one").unwrap());
        let Claim::Owned(_ownership) = paths.claim("x").unwrap() else { panic!("nobody has it") };
        assert!(matches!(paths.claim("y").unwrap(), Claim::Held(Some(Owner { command, .. })) if command == "x"));
    }

    #[test]
    fn a_torn_lock_file_still_refuses() {
        let (_directory, paths) = home();
        let Claim::Owned(_ownership) = paths.claim("x").unwrap() else { panic!("nobody has it") };
        fs::write(&paths.lock, "{\"pid\":").unwrap();
        assert!(matches!(paths.claim("y").unwrap(), Claim::Held(None)));
    }
}
