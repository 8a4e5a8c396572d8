//! What can go wrong in the store, and the fault that the rest of the host sees of it.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::keys::KeyKind;
use crate::fault::{Fault, Kind};
use crate::model::name::{AccountId, AccountName, MessageId};

/// Why an operation of the store failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The disk or its file system.
    #[error("cannot {operation} {}", path.display())]
    Io {
        /// What was tried.
        operation: &'static str,
        /// On which file or folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The record tree.
    #[error("cannot {operation} the records in {}", path.display())]
    Records {
        /// What was tried.
        operation: &'static str,
        /// The folder of the tree.
        path: PathBuf,
        /// What the tree said.
        source: RecordsError,
    },
    /// Another process has the store open.
    #[error("cannot open the store in {}: another process has it open", .0.display())]
    InUse(PathBuf),
    /// A later program wrote it.
    #[error("cannot open the store in {}: it has format {found}, and this program knows formats up to {known}", path.display())]
    Newer {
        /// The store's folder.
        path: PathBuf,
        /// The format found.
        found: u32,
        /// The newest format known here.
        known: u32,
    },
    /// A later program wrote the backup.
    #[error("cannot restore the backup {}: it has format {found}, and this program knows format {known}", path.display())]
    NewerBackup {
        /// The backup.
        path: PathBuf,
        /// The format found.
        found: u32,
        /// The one known here.
        known: u32,
    },
    /// The folder holds something, but no store.
    #[error("cannot open the store in {}: {finding}", path.display())]
    NotAStore {
        /// The folder.
        path: PathBuf,
        /// What stands there instead.
        finding: &'static str,
    },
    /// A restored store would take the place of something.
    #[error("cannot restore to {}: there is something in it already", .0.display())]
    NotEmpty(PathBuf),
    /// The master key is missing, unreadable, or another store's.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// A record, segment or file is torn, missing or tampered with.
    #[error("cannot {operation}: {place} is damaged: {finding}")]
    Damaged {
        /// What was tried.
        operation: &'static str,
        /// Account, message, segment, offset: where.
        place: String,
        /// What is wrong with it.
        finding: &'static str,
    },
    /// Another account has this name.
    #[error("cannot store account {0}: another account has this name")]
    NameTaken(AccountName),
    /// What was committed meanwhile contradicts what this session handed over.
    #[error("cannot commit for account {account}: {finding}")]
    Conflict {
        /// Whose session.
        account: AccountId,
        /// What changed.
        finding: &'static str,
    },
    /// No such account, or it was removed meanwhile.
    #[error("cannot find account {0} in the store")]
    NoAccount(AccountId),
    /// Over a bound.
    #[error("cannot store {what}: the limit is {limit}")]
    TooLarge {
        /// What is too large.
        what: &'static str,
        /// The bound.
        limit: u64,
    },
    /// A value that the store cannot take.
    #[error("cannot store {what}: {finding}")]
    Unfit {
        /// What was given.
        what: &'static str,
        /// Why not.
        finding: &'static str,
    },
    /// The message's octets are not here.
    #[error("cannot read the octets of message {0}: it was set aside without them")]
    NoOctets(MessageId),
    /// An earlier step of this session failed, so that its later ones must not become durable.
    #[error("cannot go on with this session of account {account}: an earlier step failed")]
    SessionFailed {
        /// Whose session.
        account: AccountId,
        /// What failed earlier; none: a checkpoint was given up before its answer.
        source: Option<Arc<Error>>,
    },
    /// Something that is done one at a time.
    #[error("cannot begin {0}: one is under way already")]
    UnderWay(&'static str),
    /// Changes were worked out and are given up, as was asked for. Never leaves the store.
    #[error("cannot change anything: this is a dry run")]
    DryRun,
    /// The message's octets were removed while they were read.
    #[error("cannot read on: the octets of a message of {0} were removed meanwhile")]
    Removed(String),
    /// One failure that several waiting callers share.
    #[error(transparent)]
    Shared(#[from] Arc<Error>),
    /// The store is closed.
    #[error("cannot use the store: it is closed")]
    Closed,
    /// The system gave no random octets.
    #[error("cannot get random octets from the system")]
    Random(#[source] getrandom::Error),
    /// A fault of this program.
    #[error("cannot {operation}: {finding}")]
    Bug {
        /// What was tried.
        operation: &'static str,
        /// What should not happen.
        finding: &'static str,
    },
}

/// A failure of the record tree, without its type, which does not leave the store.
#[derive(Debug, thiserror::Error)]
pub enum RecordsError {
    /// The tree's own check sums or structure.
    #[error("the tree is corrupt: {0}")]
    Corrupt(String),
    /// The disk.
    #[error("the disk failed")]
    Io(#[source] io::Error),
    /// Anything else.
    #[error("{0}")]
    Other(String),
}

/// What is wrong with the master key.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// The store is there, its key file is not.
    #[error("cannot read the key file {}: it does not exist", .0.display())]
    FileMissing(PathBuf),
    /// Others may read it.
    #[error("cannot use the key file {}: its mode {mode:o} lets others read it", path.display())]
    Exposed {
        /// The key file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// Inside the data folder, where every backup of the data would carry it.
    #[error("cannot use the key file {}: it lies inside the store's own folder", .0.display())]
    InsideStore(PathBuf),
    /// The store's key is of another kind than the one that was given.
    #[error("cannot open the store: its master key is {}, and none was given", kind_words(*.0))]
    OtherKind(KeyKind),
    /// Not 32 octets in hexadecimal.
    #[error("cannot use the master key from {0}: it is not 64 hexadecimal digits")]
    Malformed(String),
    /// A good key, but not the one that this store was made with.
    #[error("cannot open the store with the key from {source_name}: the store was sealed with the key {wanted}, this one is {given}")]
    Wrong {
        /// File or variable.
        source_name: String,
        /// Fingerprint of the store's key.
        wanted: String,
        /// Fingerprint of the key given.
        given: String,
    },
    /// Not the passphrase that this store was sealed with.
    #[error("cannot open the store with the passphrase: it is not the one that the store was sealed with")]
    WrongPassphrase,
    /// The keyring's parameters of the passphrase are not ones that this program writes.
    #[error("cannot make a key of the passphrase: the keyring asks for a cost beyond all bounds")]
    PassphraseParameters,
    /// No recovery key was made.
    #[error("cannot open the store with a recovery key: none was made for it")]
    NoRecovery,
    /// A good recovery key, but not this store's, or an earlier one.
    #[error("cannot open the store with the recovery key: it is another store's, or an earlier one of this store")]
    WrongRecovery,
    /// Typed wrong.
    #[error("cannot read the recovery key: {0}")]
    RecoveryMalformed(String),
    /// The keyring of the operating system.
    #[error("cannot use the OS keyring: {0}")]
    OsKeyring(String),
    /// An older copy of the keyring than of the records.
    #[error("cannot open the records in {}: the keyring is older than they are: it lacks the data key that a rotation has made", .0.display())]
    Outdated(PathBuf),
    /// Another program wrote it.
    #[error("cannot read the keyring {}: it has version {found}, and this program knows version {known}", path.display())]
    KeyringVersion {
        /// The file.
        path: PathBuf,
        /// The version found.
        found: u32,
        /// The version known here.
        known: u32,
    },
    /// The wrapped data keys do not open although the key is the right one.
    #[error("cannot unwrap the data keys in {}: the file is damaged", .0.display())]
    Keyring(PathBuf),
}

impl Error {
    /// An I/O failure of `operation` on `path`, for `map_err`.
    pub(super) fn io(operation: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Io { operation, path, source }
    }

    fn kind(&self) -> Kind {
        match self {
            Self::Io { .. } | Self::Random(_) => Kind::Storage,
            Self::Records { source: RecordsError::Corrupt(_), .. } | Self::Damaged { .. } => Kind::Damaged,
            Self::Records { .. } => Kind::Storage,
            Self::InUse(_) => Kind::InUse,
            Self::Newer { .. } | Self::NewerBackup { .. } | Self::NotAStore { .. } => Kind::RefusedByHost,
            Self::Key(error) => error.kind(),
            Self::NameTaken(_) | Self::Conflict { .. } | Self::UnderWay(_) | Self::NotEmpty(_) => Kind::Conflict,
            Self::NoAccount(_) => Kind::NotFound,
            Self::TooLarge { .. } => Kind::TooLarge,
            Self::Unfit { .. } => Kind::Malformed,
            Self::NoOctets(_) | Self::Removed(_) => Kind::Gone,
            Self::SessionFailed { source, .. } => source.as_ref().map_or(Kind::Cancelled, |source| source.kind()),
            Self::Shared(source) => source.kind(),
            Self::Closed | Self::DryRun => Kind::Cancelled,
            Self::Bug { .. } => Kind::Bug,
        }
    }

    fn remedy(&self) -> Option<String> {
        match self {
            Self::Io { path, source, .. } => io_remedy(source, path),
            Self::Records { source: RecordsError::Io(source), path, .. } => io_remedy(source, path),
            Self::Damaged { operation: "restore the backup", .. } => Some("use another backup; nothing was put into place".to_owned()),
            Self::Records { source: RecordsError::Corrupt(_), .. } | Self::Damaged { .. } => {
                Some("run `postrider store check` to see all damage, and `postrider store repair` to mend it".to_owned())
            }
            Self::InUse(_) => Some("stop the other process, or give the command to the running daemon".to_owned()),
            Self::Newer { .. } => Some("use the program that wrote it, or a newer one; the store was not touched".to_owned()),
            Self::NewerBackup { .. } => Some("use the program that wrote it, or a newer one; nothing was put into place".to_owned()),
            Self::NotEmpty(_) => Some("name a new home with `--home`".to_owned()),
            Self::NotAStore { .. } => Some("name another folder with `--home`, or empty this one".to_owned()),
            Self::Key(error) => Some(error.remedy()),
            Self::NameTaken(_) => Some("choose another name, or edit the account that has it".to_owned()),
            Self::SessionFailed { source: Some(source), .. } | Self::Shared(source) => source.remedy(),
            _ => None,
        }
    }
}

impl KeyError {
    const fn kind(&self) -> Kind {
        match self {
            Self::Keyring(_) | Self::PassphraseParameters => Kind::Damaged,
            Self::KeyringVersion { .. } => Kind::RefusedByHost,
            Self::Wrong { .. } | Self::WrongPassphrase | Self::WrongRecovery => Kind::KeyWrong,
            Self::Outdated(_) => Kind::KeyOutdated,
            Self::RecoveryMalformed(_) => Kind::Usage,
            Self::FileMissing(_)
            | Self::Exposed { .. }
            | Self::InsideStore(_)
            | Self::OtherKind(_)
            | Self::NoRecovery
            | Self::OsKeyring(_)
            | Self::Malformed(_) => Kind::KeyUnavailable,
        }
    }

    fn remedy(&self) -> String {
        match self {
            Self::FileMissing(path) => format!(
                "put the key file back to {} from your backup of it, or open the store with the recovery key, if one was made: `postrider key \
                 rekey --recovery --to file`; without either, the mail in this store cannot be read by anybody",
                path.display()
            ),
            Self::Exposed { path, .. } => format!("run `chmod 600 {}`", path.display()),
            Self::InsideStore(_) => {
                "move the key file out of the data folder, so that a copy of the data is not a copy of the key".to_owned()
            }
            Self::OtherKind(kind) => match kind {
                KeyKind::File => "put the key file back to its place",
                KeyKind::Given => "set POSTRIDER_MASTER_KEY, or hand it over as the systemd credential `postrider.master-key`",
                KeyKind::Passphrase => {
                    "run the command on a terminal, set POSTRIDER_PASSPHRASE_FILE, or hand it over as the systemd credential \
                     `postrider.passphrase`"
                }
                KeyKind::OsKeyring => "unlock the keyring of this user's session",
            }
            .to_owned(),
            Self::WrongPassphrase => {
                "give the right passphrase; with a recovery key, `postrider key rekey --recovery` sets another".to_owned()
            }
            Self::NoRecovery => "open the store with its master key, and make one with `postrider key recovery`".to_owned(),
            Self::WrongRecovery => "give the recovery key that was printed last for this store".to_owned(),
            Self::RecoveryMalformed(_) => "compare it with the printed one, group by group".to_owned(),
            Self::OsKeyring(_) => {
                "see that `secret-tool` is there and the keyring is unlocked; a recovery key opens the store without it".to_owned()
            }
            Self::Outdated(_) => {
                "put back the newest `keyring` that there is of this store: one from before `postrider key rotate` is of no use".to_owned()
            }
            Self::KeyringVersion { .. } => "use the program that wrote it, or a newer one; the store was not touched".to_owned(),
            Self::Malformed(_) => "restore the key from your backup of it: 64 hexadecimal digits".to_owned(),
            Self::Wrong { wanted, .. } => format!("give the key with the fingerprint {wanted}; no other opens this store"),
            Self::PassphraseParameters | Self::Keyring(_) => "restore the file `keyring` of the store from a backup".to_owned(),
        }
    }
}

impl From<Error> for Fault {
    fn from(error: Error) -> Self {
        use std::error::Error as _;
        // The first sentence is the operation, what is below it the cause.
        let words = error.to_string();
        let operation = words.strip_prefix("cannot ").unwrap_or(&words);
        let (operation, finding) = operation.split_once(": ").map_or((operation, None), |(operation, finding)| (operation, Some(finding)));
        let mut fault = Self::new(error.kind(), operation);
        if let Some(finding) = finding {
            fault = fault.because_words(finding);
        } else if let Some(source) = error.source() {
            fault = fault.because(source);
        }
        match error.remedy() {
            Some(remedy) => fault.with_remedy(remedy),
            None => fault,
        }
    }
}

/// What a kind of master key is, for words.
pub(super) const fn kind_words(kind: KeyKind) -> &'static str {
    match kind {
        KeyKind::File => "a key file",
        KeyKind::Given => "given from outside",
        KeyKind::Passphrase => "a passphrase",
        KeyKind::OsKeyring => "in the OS keyring",
    }
}

fn io_remedy(error: &io::Error, path: &Path) -> Option<String> {
    let path = path.display();
    match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
            Some(format!("the disk is full: free space on the file system of {path}"))
        }
        io::ErrorKind::ReadOnlyFilesystem => Some(format!("the file system of {path} is mounted read-only: mount it for writing")),
        io::ErrorKind::PermissionDenied => Some(format!("give the user who runs this program read and write permission on {path}")),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_disk_is_named() {
        let fault = Fault::from(Error::Shared(Arc::new(Error::Io {
            operation: "write to",
            path: PathBuf::from("/home/x/spool/1"),
            source: io::Error::from(io::ErrorKind::StorageFull),
        })));
        assert_eq!(fault.kind, Kind::Storage);
        assert_eq!(fault.operation, "write to /home/x/spool/1");
        assert!(fault.remedy.unwrap().contains("free space"));
        assert!(fault.cause.is_some());
    }

    #[test]
    fn the_cause_stands_apart_from_the_operation() {
        let fault = Fault::from(Error::Key(KeyError::FileMissing(PathBuf::from("/k"))));
        assert_eq!(fault.kind, Kind::KeyUnavailable);
        assert_eq!(fault.operation, "read the key file /k");
        assert_eq!(fault.causes().collect::<Vec<_>>(), ["it does not exist"]);
    }
}
