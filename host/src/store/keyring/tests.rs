//! Keyrings: who opens one, and what changes in it.

use super::*;

struct Place {
    folder: tempfile::TempDir,
}

impl Place {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("store")).unwrap();
        Self { folder }
    }

    fn dir(&self) -> PathBuf {
        self.folder.path().join("store")
    }

    fn file(&self, name: &str) -> KeySource {
        KeySource::File(self.folder.path().join(name))
    }

    fn make(&self, source: &KeySource) -> Keyring {
        Keyring::make(&self.dir(), source).unwrap()
    }

    fn open(&self, source: &KeySource) -> Result<Keyring, Error> {
        Keyring::open(&self.dir(), source).map(|keyring| keyring.expect("there is a keyring"))
    }
}

fn passphrase(words: &str) -> KeySource {
    KeySource::Passphrase(Secret::new(words))
}

fn given(digits: &str) -> KeySource {
    KeySource::Given { key: Secret::new(digits), from: "the environment variable X".to_owned() }
}

#[test]
fn opens_with_its_own_key_only_and_whole_only() {
    let place = Place::new();
    let (own, other) = (place.file("own"), place.file("other"));
    assert!(Keyring::open(&place.dir(), &own).unwrap().is_none());
    let sealed = place.make(&own).sealer().seal_record(b"k", b"v").unwrap();
    assert_eq!(place.open(&own).unwrap().sealer().open_record(b"k", &sealed).unwrap(), b"v");
    drop(MasterKey::for_new(&other, &place.dir(), "00").unwrap());
    assert!(matches!(place.open(&other), Err(Error::Key(KeyError::Wrong { .. }))));
    assert!(matches!(place.open(&passphrase("correct horse")), Err(Error::Key(KeyError::OtherKind(KeyKind::File)))));
    let path = place.dir().join("keyring");
    let text = std::fs::read_to_string(&path).unwrap();
    // Every digit of what is sealed, and of what it is sealed with.
    for (at, character) in text.char_indices().filter(|(_, character)| character.is_ascii_digit()).step_by(7) {
        let mut changed = text.clone();
        changed.replace_range(at..=at, if character == '0' { "1" } else { "0" });
        std::fs::write(&path, changed).unwrap();
        assert!(place.open(&own).is_err(), "octet {at}");
    }
    for cut in (0..text.len() - 1).step_by(17) {
        std::fs::write(&path, &text.as_bytes()[..cut]).unwrap();
        assert!(matches!(place.open(&own), Err(Error::Key(KeyError::Keyring(_)))), "cut at {cut}");
    }
    std::fs::write(&path, text.replace("\"keyring\": 2", "\"keyring\": 3")).unwrap();
    assert!(matches!(place.open(&own), Err(Error::Key(KeyError::KeyringVersion { found: 3, .. }))));
}

#[test]
fn a_passphrase_opens_and_another_does_not() {
    let place = Place::new();
    let fingerprint = place.make(&passphrase("correct horse")).key_state().fingerprint;
    assert_eq!(kind_of(&place.dir().join("keyring")).unwrap(), Some(KeyKind::Passphrase));
    assert_eq!(place.open(&passphrase("correct horse")).unwrap().key_state().fingerprint, fingerprint);
    assert!(matches!(place.open(&passphrase("wrong horse")), Err(Error::Key(KeyError::WrongPassphrase))));
    assert!(matches!(place.open(&place.file("own")), Err(Error::Key(KeyError::OtherKind(KeyKind::Passphrase)))));
    // A file that asks for all memory is refused before any of it is taken.
    let path = place.dir().join("keyring");
    let text = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, text.replace("\"memory_kib\": 65536", "\"memory_kib\": 4294967295")).unwrap();
    assert!(matches!(place.open(&passphrase("correct horse")), Err(Error::Key(KeyError::PassphraseParameters))));
}

#[test]
fn a_new_master_key_replaces_the_old_one_of_whatever_kind() {
    let place = Place::new();
    let file = place.file("master.key");
    let sealed = place.make(&file).sealer().seal_record(b"k", b"v").unwrap();
    let digits = "a5".repeat(32);
    let steps: [(NewKey, KeySource); 4] = [
        (NewKey::Passphrase(Secret::new("correct horse")), passphrase("correct horse")),
        (NewKey::Given(Secret::new(digits.as_str())), given(&digits)),
        (NewKey::File(place.folder.path().join("master.key")), file.clone()),
        (NewKey::File(place.folder.path().join("master.key")), file.clone()),
    ];
    let mut former = file;
    for (new, source) in steps {
        let keyring = place.open(&former).unwrap();
        let before = keyring.key_state().fingerprint;
        keyring.rekey(&new).unwrap();
        assert_ne!(keyring.key_state().fingerprint, before);
        if source != former {
            assert!(place.open(&former).is_err(), "the former key opens nothing");
        }
        assert_eq!(place.open(&source).unwrap().sealer().open_record(b"k", &sealed).unwrap(), b"v");
        former = source;
    }
}

#[test]
fn the_recovery_key_opens_through_rekeying_and_rotation() {
    let place = Place::new();
    let file = place.file("master.key");
    let keyring = place.make(&file);
    let text = keyring.make_recovery_key().unwrap();
    assert!(matches!(Place::new().open_nothing(&text), Err(Error::Key(KeyError::NoRecovery))));
    let sealed = keyring.sealer().seal_record(b"k", b"v").unwrap();
    keyring.rekey(&NewKey::Passphrase(Secret::new("correct horse"))).unwrap();
    keyring.begin_epoch().unwrap();
    let newer = keyring.sealer().seal_record(b"k", b"w").unwrap();
    let opened = place.open(&KeySource::Recovery(text.clone())).unwrap();
    assert_eq!(opened.sealer().open_record(b"k", &sealed).unwrap(), b"v");
    assert_eq!(opened.sealer().open_record(b"k", &newer).unwrap(), b"w");
    assert_eq!(opened.key_state(), keyring.key_state());
    let next = opened.make_recovery_key().unwrap();
    assert!(matches!(place.open(&KeySource::Recovery(text)), Err(Error::Key(KeyError::WrongRecovery))));
    place.open(&KeySource::Recovery(next)).unwrap();
}

#[test]
fn epochs_begin_and_end() {
    let place = Place::new();
    let file = place.file("master.key");
    let keyring = place.make(&file);
    let old = keyring.sealer().seal_record(b"k", b"v").unwrap();
    keyring.begin_epoch().unwrap();
    let new = keyring.sealer().seal_record(b"k", b"v").unwrap();
    assert!(keyring.key_state().is_half_rotated);
    assert_eq!((keyring.sealer().epoch(), place.open(&file).unwrap().sealer().epoch()), (2, 2));
    keyring.end_epochs().unwrap();
    for keyring in [keyring, place.open(&file).unwrap()] {
        assert!(!keyring.key_state().is_half_rotated);
        assert!(keyring.sealer().open_record(b"k", &old).is_err());
        keyring.sealer().open_record(b"k", &new).unwrap();
    }
}

impl Place {
    fn open_nothing(&self, text: &Secret) -> Result<Keyring, Error> {
        self.make(&self.file("other.key"));
        self.open(&KeySource::Recovery(text.clone()))
    }
}
