//! The master key: where it comes from, and who may see it.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use super::error::{Error, KeyError};
use super::failpoint::{Failpoint, at};
use super::files;
use super::seal::{KeyOctets, derived};

/// Longer files are no key files.
const KEY_FILE_OCTETS: u64 = 4_096;

/// Where the master key comes from. Losing it loses all mail in the store: nobody can read it without.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum KeySource {
    /// A file outside the store's folder, readable by its owner only; made together with the store.
    File(PathBuf),
    /// An environment variable of this name that holds 64 hexadecimal digits.
    Environment(String),
}

/// The key that wraps the data keys.
pub(super) struct MasterKey {
    octets: KeyOctets,
    source: String,
}

impl MasterKey {
    /// The key from `source`. A key file is made where there is none and `is_new` says that no store depends on one yet; then it is
    /// synced, with its folder, before this returns.
    pub(super) fn load(source: &KeySource, store: &Path, is_new: bool) -> Result<Self, Error> {
        match source {
            KeySource::File(path) => {
                refuse_inside(path, store)?;
                match Self::read_file(path) {
                    Err(Error::Key(KeyError::FileMissing(_))) if is_new => Self::make_file(path),
                    read => read,
                }
            }
            KeySource::Environment(name) => {
                let text = std::env::var(name).map(Zeroizing::new).map_err(|_| KeyError::VariableMissing(name.clone()))?;
                Self::parse(&text, format!("the environment variable {name}"))
            }
        }
    }

    /// Eight hexadecimal digits that tell keys apart and say nothing else about them.
    pub(super) fn fingerprint(&self) -> String {
        let digest = derived("postrider store 1 master key fingerprint", &self.octets);
        let (start, _) = digest.split_at(4);
        data_encoding::HEXLOWER.encode(start)
    }

    /// The key that wraps the keyring.
    pub(super) fn wrapping_key(&self) -> KeyOctets {
        derived("postrider store 1 keyring", &self.octets)
    }

    /// File or variable, for words.
    pub(super) fn source(&self) -> &str {
        &self.source
    }

    fn parse(text: &str, source: String) -> Result<Self, Error> {
        let digits = text.lines().map(str::trim).find(|line| !line.is_empty() && !line.starts_with('#')).unwrap_or_default();
        let octets = data_encoding::HEXLOWER_PERMISSIVE.decode(digits.as_bytes()).map(Zeroizing::new);
        match octets.map(|octets| <[u8; 32]>::try_from(octets.as_slice())) {
            Ok(Ok(octets)) => Ok(Self { octets: Zeroizing::new(octets), source }),
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
        Self::parse(&text, path.display().to_string())
    }

    fn make_file(path: &Path) -> Result<Self, Error> {
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        files::make_folder(folder)?;
        let mut octets = Zeroizing::new([0; 32]);
        getrandom::fill(octets.as_mut_slice()).map_err(Error::Random)?;
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
        Self::parse(&text, path.display().to_string())
    }
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

    #[test]
    fn a_key_file_is_made_once_and_private() {
        let home = tempfile::tempdir().unwrap();
        let (path, store) = (home.path().join("keys/master.key"), home.path().join("store"));
        let source = KeySource::File(path.clone());
        assert!(matches!(MasterKey::load(&source, &store, false), Err(Error::Key(KeyError::FileMissing(_)))));
        let made = MasterKey::load(&source, &store, true).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(made.fingerprint(), MasterKey::load(&source, &store, true).unwrap().fingerprint());
        assert_eq!(fs::read_dir(path.parent().unwrap()).unwrap().count(), 1);
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        assert!(matches!(MasterKey::load(&source, &store, false), Err(Error::Key(KeyError::Exposed { mode: 0o640, .. }))));
    }

    #[test]
    fn refuses_what_is_no_key() {
        let home = tempfile::tempdir().unwrap();
        let store = home.path().join("store");
        fs::create_dir(&store).unwrap();
        let inside = KeySource::File(store.join("deep/master.key"));
        assert!(matches!(MasterKey::load(&inside, &store, true), Err(Error::Key(KeyError::InsideStore(_)))));
        assert!(matches!(MasterKey::parse("correct horse", "x".to_owned()), Err(Error::Key(KeyError::Malformed(_)))));
        let missing = KeySource::Environment("POSTRIDER_TEST_NO_SUCH_VARIABLE".to_owned());
        assert!(matches!(MasterKey::load(&missing, &store, true), Err(Error::Key(KeyError::VariableMissing(_)))));
    }
}
