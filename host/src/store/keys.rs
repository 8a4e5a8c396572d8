//! The master key: where it comes from, and who may see it.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::error::{Error, KeyError};
use super::failpoint::{Failpoint, at};
use super::files;
use super::seal::{KeyOctets, derived};
use crate::secret::Secret;
use passphrase::Argon2id;

pub(super) mod os_keyring;
pub(super) mod passphrase;
pub(super) mod recovery;

/// Longer files are no key files.
const KEY_FILE_OCTETS: u64 = 4_096;

/// What opens a store. Losing all of it loses all mail in the store: nobody can read it without.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum KeySource {
    /// A file outside the store's folder, readable by its owner only; made together with the store.
    File(PathBuf),
    /// 64 hexadecimal digits that somebody hands to the process at every start.
    Given {
        /// The digits.
        key: Secret,
        /// From where, for words: "the environment variable X".
        from: String,
    },
    /// A passphrase, turned into a key by Argon2id (RFC 9106).
    Passphrase(Secret),
    /// The keyring of the operating system, by libsecret's `secret-tool`.
    OsKeyring,
    /// The printed recovery key.
    Recovery(Secret),
}

/// The kind of master key that a store was sealed with; stands in its keyring.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum KeyKind {
    /// [`KeySource::File`]
    File,
    /// [`KeySource::Given`]
    Given,
    /// [`KeySource::Passphrase`]
    Passphrase,
    /// [`KeySource::OsKeyring`]
    OsKeyring,
}

/// What a store gets as its new master key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NewKey {
    /// A new key file in this place; the one that is there is kept beside it under another name.
    File(PathBuf),
    /// 64 hexadecimal digits that will be given at every start.
    Given(Secret),
    /// A passphrase.
    Passphrase(Secret),
    /// A new key in the keyring of the operating system.
    OsKeyring,
}

/// The key that wraps the key of the keyring.
pub(super) struct MasterKey {
    octets: KeyOctets,
    kind: KeyKind,
    source: String,
    /// How the passphrase became the key.
    argon2id: Option<Argon2id>,
    /// The key file whose place this key's draft takes once the keyring is wrapped with it.
    replaces: Option<PathBuf>,
}

/// What a keyring says of the key that it wants, before anything of it is opened.
pub(super) struct Wanted<'a> {
    /// The id of the store, in hexadecimal digits.
    pub(super) store: &'a str,
    pub(super) kind: KeyKind,
    pub(super) fingerprint: &'a str,
    pub(super) argon2id: Option<&'a Argon2id>,
}

impl KeyKind {
    /// The kind of master key that the store in `dir` wants; none: there is no store, and so no key yet. Blocks shortly.
    ///
    /// # Errors
    /// A keyring that cannot be read.
    pub fn of_store(dir: &Path) -> Result<Option<Self>, Error> {
        super::keyring::kind_of(&dir.join("keyring"))
    }
}

impl MasterKey {
    /// The key for a store that is being made. A key file is made where there is none; then it is synced, with its folder, before
    /// this returns. `store` is the store's id, `dir` its folder.
    pub(super) fn for_new(source: &KeySource, dir: &Path, store: &str) -> Result<Self, Error> {
        match source {
            KeySource::File(path) => {
                refuse_inside(path, dir)?;
                match Self::read_file(path) {
                    Err(Error::Key(KeyError::FileMissing(_))) => Self::make_file(path),
                    read => read,
                }
            }
            KeySource::Given { key, from } => Self::given(key, from),
            KeySource::Passphrase(passphrase) => Self::from_passphrase(passphrase, Argon2id::new()?),
            KeySource::OsKeyring => Self::make_in_os_keyring(store),
            KeySource::Recovery(_) => Err(KeyError::NoRecovery.into()),
        }
    }

    /// The key of the kind that a keyring wants. That it is the right one is still to be seen.
    pub(super) fn for_wanted(source: &KeySource, dir: &Path, wanted: &Wanted<'_>) -> Result<Self, Error> {
        match (source, wanted.argon2id) {
            (KeySource::Passphrase(passphrase), Some(argon2id)) => Self::from_passphrase(passphrase, argon2id.clone()),
            (KeySource::File(path), None) => {
                refuse_inside(path, dir)?;
                Self::read_file_or_draft(path, wanted.fingerprint)
            }
            (KeySource::Given { key, from }, None) => Self::given(key, from),
            (KeySource::OsKeyring, None) => {
                let digits = os_keyring::look_up(wanted.store, wanted.fingerprint)?;
                Self::parse(&digits, os_keyring::NAME.to_owned(), KeyKind::OsKeyring)
            }
            (KeySource::Recovery(_), _) => Err(KeyError::NoRecovery.into()),
            _ => Err(KeyError::OtherKind(wanted.kind).into()),
        }
    }

    /// A new key for a store that has one. [`settle`](Self::settle) is to follow once the keyring is wrapped with it.
    pub(super) fn replacing(new: &NewKey, dir: &Path, store: &str) -> Result<Self, Error> {
        match new {
            NewKey::File(path) => {
                refuse_inside(path, dir)?;
                let made = Self::make_file(&draft_of(path))?;
                Ok(Self { source: path.display().to_string(), replaces: Some(path.clone()), ..made })
            }
            NewKey::Given(key) => Self::given(key, "stdin"),
            NewKey::Passphrase(passphrase) => Self::from_passphrase(passphrase, Argon2id::new()?),
            NewKey::OsKeyring => Self::make_in_os_keyring(store),
        }
    }

    /// Put the draft of a new key file into its place. The key that was there stays, under a name with its fingerprint: older
    /// copies of the store want it.
    pub(super) fn settle(&self) -> Result<(), Error> {
        let Some(path) = &self.replaces else { return Ok(()) };
        let draft = draft_of(path);
        if let Ok(former) = Self::read_file(path) {
            let kept = path.with_extension(format!("{}.key", former.fingerprint()));
            match at(Failpoint::KeyLink, || fs::hard_link(path, &kept)) {
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                linked => linked.map_err(Error::io("keep the former key file as", &kept))?,
            }
        }
        at(Failpoint::DraftRename, || fs::rename(&draft, path)).map_err(Error::io("replace the key file", path))?;
        files::sync_folder(folder_of(path))
    }

    /// Eight hexadecimal digits that tell keys apart and say nothing else about them.
    pub(super) fn fingerprint(&self) -> String {
        let digest = derived("postrider store 1 master key fingerprint", &self.octets);
        let (start, _) = digest.split_at(4);
        data_encoding::HEXLOWER.encode(start)
    }

    /// The key that wraps the key of the keyring.
    pub(super) fn wrapping_key(&self) -> KeyOctets {
        derived("postrider store 1 keyring", &self.octets)
    }

    pub(super) const fn kind(&self) -> KeyKind {
        self.kind
    }

    /// How the passphrase became this key; none: it is no passphrase.
    pub(super) const fn argon2id(&self) -> Option<&Argon2id> {
        self.argon2id.as_ref()
    }

    /// Not the key that the keyring with this fingerprint wants.
    pub(super) fn wrong(&self, wanted: &str) -> Error {
        if self.kind == KeyKind::Passphrase {
            return KeyError::WrongPassphrase.into();
        }
        KeyError::Wrong { source_name: self.source.clone(), wanted: wanted.to_owned(), given: self.fingerprint() }.into()
    }

    fn new(octets: KeyOctets, kind: KeyKind, source: String) -> Self {
        Self { octets, kind, source, argon2id: None, replaces: None }
    }

    fn given(key: &Secret, from: &str) -> Result<Self, Error> {
        let text = key.expose_str().ok_or_else(|| KeyError::Malformed(from.to_owned()))?;
        Self::parse(text, from.to_owned(), KeyKind::Given)
    }

    fn from_passphrase(passphrase: &Secret, argon2id: Argon2id) -> Result<Self, Error> {
        let octets = argon2id.stretch(passphrase)?;
        Ok(Self { argon2id: Some(argon2id), ..Self::new(octets, KeyKind::Passphrase, "the passphrase".to_owned()) })
    }

    fn make_in_os_keyring(store: &str) -> Result<Self, Error> {
        let made = Self::new(random()?, KeyKind::OsKeyring, os_keyring::NAME.to_owned());
        let digits = Zeroizing::new(data_encoding::HEXLOWER.encode(made.octets.as_slice()));
        os_keyring::put(store, &made.fingerprint(), &digits)?;
        Ok(made)
    }

    /// The key file; or, where a rekeying was cut off just before its end, the draft that the keyring is wrapped with already.
    fn read_file_or_draft(path: &Path, wanted: &str) -> Result<Self, Error> {
        let read = Self::read_file(path);
        if read.as_ref().is_ok_and(|key| key.fingerprint() == wanted) {
            return read;
        }
        match Self::read_file(&draft_of(path)) {
            Ok(draft) if draft.fingerprint() == wanted => {
                let draft = Self { source: path.display().to_string(), replaces: Some(path.to_owned()), ..draft };
                draft.settle()?;
                Ok(draft)
            }
            _ => read,
        }
    }

    fn parse(text: &str, source: String, kind: KeyKind) -> Result<Self, Error> {
        let digits = text.lines().map(str::trim).find(|line| !line.is_empty() && !line.starts_with('#')).unwrap_or_default();
        let octets = data_encoding::HEXLOWER_PERMISSIVE.decode(digits.as_bytes()).map(Zeroizing::new);
        match octets.map(|octets| <[u8; 32]>::try_from(octets.as_slice())) {
            Ok(Ok(octets)) => Ok(Self::new(Zeroizing::new(octets), kind, source)),
            _ => Err(KeyError::Malformed(source).into()),
        }
    }

    fn read_file(path: &Path) -> Result<Self, Error> {
        let file = match File::open(path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Err(KeyError::FileMissing(path.to_owned()).into()),
            Err(error) => return Err(Error::io("open the key file", path)(error)),
        };
        // Asked of the open file, not of its name, which may be another file by then.
        let mode = file.metadata().map_err(Error::io("look at the key file", path))?.permissions().mode() & 0o777;
        if mode & 0o077 != 0 {
            return Err(KeyError::Exposed { path: path.to_owned(), mode }.into());
        }
        let mut text = Zeroizing::new(String::new());
        file.take(KEY_FILE_OCTETS).read_to_string(&mut text).map_err(Error::io("read the key file", path))?;
        Self::parse(&text, path.display().to_string(), KeyKind::File)
    }

    fn make_file(path: &Path) -> Result<Self, Error> {
        let folder = folder_of(path);
        files::make_folder(folder)?;
        let octets = random()?;
        let digits = Zeroizing::new(data_encoding::HEXLOWER.encode(octets.as_slice()));
        let text = Zeroizing::new(format!(
            "# The master key of a postrider store. Keep a copy in a safe place, apart from the data:\n\
             # whoever loses it loses all mail in the store, whoever has it can read all of it.\n{}\n",
            digits.as_str()
        ));
        // Complete under another name first: a key file that is cut short would look like another key.
        let draft = path.with_extension("new");
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(true).mode(0o600);
        let mut file = at(Failpoint::KeyMake, || options.open(&draft)).map_err(Error::io("make the key file", &draft))?;
        let write = || file.write_all(text.as_bytes()).and_then(|()| file.sync_all());
        at(Failpoint::KeyWrite, write).map_err(Error::io("write the key file", &draft))?;
        // A link does not replace a key that somebody else has put there meanwhile; a rename would.
        let linked = at(Failpoint::KeyLink, || fs::hard_link(&draft, path));
        at(Failpoint::KeyDraftRemove, || fs::remove_file(&draft)).map_err(Error::io("remove the draft", &draft))?;
        match linked {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => return Self::read_file(path),
            linked => linked.map_err(Error::io("make the key file", path))?,
        }
        let whole = std::path::absolute(path).map_err(Error::io("find", path))?;
        files::sync_way_to(&whole)?;
        tracing::info!(file = %path.display(), "made a new master key: keep a copy apart from the data, losing it loses all mail");
        Self::parse(&text, path.display().to_string(), KeyKind::File)
    }
}

/// 32 random octets.
pub(super) fn random() -> Result<KeyOctets, Error> {
    let mut octets = Zeroizing::new([0; 32]);
    getrandom::fill(octets.as_mut_slice()).map_err(Error::Random)?;
    Ok(octets)
}

/// Where a new key file waits until the keyring is wrapped with it.
fn draft_of(path: &Path) -> PathBuf {
    path.with_extension("next")
}

fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// Refuse a key file inside the store's folder, which every copy of the data would carry along.
fn refuse_inside(path: &Path, store: &Path) -> Result<(), Error> {
    let absolute = |path: &Path| std::path::absolute(path).map(|path| path.canonicalize().unwrap_or(path));
    let store = absolute(store).map_err(Error::io("find", store))?;
    // The file may not exist yet; its nearest folder that does decides.
    let place = absolute(path).map_err(Error::io("find", path))?;
    let inside = place.ancestors().any(|ancestor| ancestor.canonicalize().is_ok_and(|ancestor| ancestor == store));
    if inside { Err(KeyError::InsideStore(path.to_owned()).into()) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STORE: &str = "00";

    fn wanting(fingerprint: &str) -> Wanted<'_> {
        Wanted { store: STORE, kind: KeyKind::File, fingerprint, argon2id: None }
    }

    #[test]
    fn a_key_file_is_made_once_and_private() {
        let home = tempfile::tempdir().unwrap();
        let (path, store) = (home.path().join("keys/master.key"), home.path().join("store"));
        let source = KeySource::File(path.clone());
        assert!(matches!(MasterKey::for_wanted(&source, &store, &wanting("x")), Err(Error::Key(KeyError::FileMissing(_)))));
        let made = MasterKey::for_new(&source, &store, STORE).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(made.fingerprint(), MasterKey::for_new(&source, &store, STORE).unwrap().fingerprint());
        assert_eq!(fs::read_dir(path.parent().unwrap()).unwrap().count(), 1);
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        let exposed = MasterKey::for_wanted(&source, &store, &wanting("x"));
        assert!(matches!(exposed, Err(Error::Key(KeyError::Exposed { mode: 0o640, .. }))));
    }

    #[test]
    fn refuses_what_is_no_key() {
        let home = tempfile::tempdir().unwrap();
        let store = home.path().join("store");
        fs::create_dir(&store).unwrap();
        let inside = KeySource::File(store.join("deep/master.key"));
        assert!(matches!(MasterKey::for_new(&inside, &store, STORE), Err(Error::Key(KeyError::InsideStore(_)))));
        let given = KeySource::Given { key: Secret::new("correct horse"), from: "x".to_owned() };
        assert!(matches!(MasterKey::for_new(&given, &store, STORE), Err(Error::Key(KeyError::Malformed(_)))));
    }

    #[test]
    fn a_new_key_file_takes_its_place_and_the_former_stays() {
        let home = tempfile::tempdir().unwrap();
        let (path, store) = (home.path().join("master.key"), home.path().join("store"));
        let former = MasterKey::for_new(&KeySource::File(path.clone()), &store, STORE).unwrap();
        let new = MasterKey::replacing(&NewKey::File(path.clone()), &store, STORE).unwrap();
        assert_ne!(new.fingerprint(), former.fingerprint());
        assert_eq!(MasterKey::read_file(&path).unwrap().fingerprint(), former.fingerprint(), "nothing is replaced before the keyring is");
        // Cut off here: the next start finds the draft that the keyring wants, and ends what was begun.
        let fingerprint = new.fingerprint();
        let found = MasterKey::for_wanted(&KeySource::File(path.clone()), &store, &wanting(&fingerprint)).unwrap();
        assert_eq!((found.fingerprint(), MasterKey::read_file(&path).unwrap().fingerprint()), (new.fingerprint(), new.fingerprint()));
        let kept = path.with_extension(format!("{}.key", former.fingerprint()));
        assert_eq!(MasterKey::read_file(&kept).unwrap().fingerprint(), former.fingerprint());
        assert_eq!(fs::read_dir(home.path()).unwrap().count(), 2);
    }
}
