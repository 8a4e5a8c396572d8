//! Backups: what comes back is what was there, and nothing comes back of one that is torn or changed.

use std::path::PathBuf;

use super::*;
use crate::fault::{Fault, Kind};
use crate::secret::Secret;
use crate::store::{BackedUp, backup_key_kind, restore};

async fn filled() -> Home {
    let home = Home::with_account().await;
    let intake = home.intake();
    for at in 0..8_u8 {
        deliver(&intake, &scope("INBOX", "1"), arrival(&at.to_string()), &vec![at; 90_000]).await;
    }
    intake.checkpoint(scope("INBOX", "1"), vec![1]).await.unwrap();
    home.store.put_secret(AccountId(1), "receive", Secret::new("correct horse")).await.unwrap();
    home
}

async fn backed_up(home: &Home) -> (Vec<u8>, BackedUp) {
    let (sender, mut pieces) = tokio::sync::mpsc::channel(1);
    let store = home.store.clone();
    let making = tokio::spawn(async move { store.backup(sender).await });
    let mut octets = Vec::new();
    while let Some(piece) = pieces.recv().await {
        assert!(piece.len() < 2 << 20, "memory is bounded");
        octets.extend_from_slice(&piece);
        // What is committed while it is sent is not in it.
        if octets.len() < 200_000 {
            home.store.put_document("later", &octets.len().to_string(), b"x").await.unwrap();
        }
    }
    (octets, making.await.unwrap().unwrap())
}

fn key(home: &Home) -> KeySource {
    KeySource::File(home.folder.path().join("master.key"))
}

#[tokio::test(flavor = "multi_thread")]
async fn everything_comes_back_as_it_was_at_one_commit() {
    let home = filled().await;
    let (messages, bodies) = (home.messages().await, home.bodies().await);
    let commits = home.store.status().await.unwrap().commits;
    let (octets, made) = backed_up(&home).await;
    assert_eq!((made.commit, made.octets), (commits, octets.len() as u64));
    assert!(!octets.windows(13).any(|window| window == b"correct horse"));
    let place = tempfile::tempdir().unwrap();
    let file = place.path().join("backup");
    std::fs::write(&file, &octets).unwrap();
    assert_eq!(backup_key_kind(&file).unwrap(), crate::store::KeyKind::File);
    let dir = place.path().join("store");
    let restored = restore(&file, &dir, key(&home)).await.unwrap();
    assert_eq!((restored.records, restored.findings), (made.records, 0));
    let store = Store::open(&dir, key(&home)).await.unwrap();
    let restored = Home { folder: place, store };
    assert_eq!((restored.messages().await, restored.bodies().await), (messages, bodies));
    assert_eq!(restored.store.secret(AccountId(1), "receive").await.unwrap(), Some(Secret::new("correct horse")));
    assert!(restored.store.documents("later").await.unwrap().is_empty());
    assert_eq!(restored.check().await, "");
    assert!(restored.store.status().await.unwrap().damage.is_empty());
    // Mail goes on coming in.
    let intake = restored.intake();
    deliver(&intake, &scope("INBOX", "1"), arrival("next"), b"next").await;
    intake.checkpoint(scope("INBOX", "1"), vec![2]).await.unwrap();
    assert_eq!(restored.check().await, "");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_torn_or_changed_backup_is_refused_with_its_place() {
    let home = filled().await;
    let (octets, _) = backed_up(&home).await;
    let place = tempfile::tempdir().unwrap();
    let (file, dir): (PathBuf, PathBuf) = (place.path().join("backup"), place.path().join("store"));
    let step = octets.len() / 23;
    let changes = (0..octets.len()).step_by(step).map(|at| {
        let mut changed = octets.clone();
        changed[at] ^= 1;
        changed
    });
    let cuts = (1..octets.len()).step_by(step).chain([octets.len() - 1]).map(|at| octets[..at].to_vec());
    for bad in changes.chain(cuts).chain([[octets.as_slice(), b"x"].concat()]) {
        std::fs::write(&file, &bad).unwrap();
        let fault = Fault::from(restore(&file, &dir, key(&home)).await.unwrap_err());
        assert!([Kind::Damaged, Kind::KeyWrong, Kind::RefusedByHost].contains(&fault.kind), "{fault:?}");
        if fault.kind == Kind::Damaged {
            assert!(fault.causes().any(|cause| cause.contains("at octet") || cause.contains("keyring")), "{fault:?}");
        }
        let left = std::fs::read_dir(place.path()).unwrap().count();
        assert_eq!(left, 1, "nothing is put into place, and nothing is left beside it");
    }
    let mut later = octets.clone();
    later[11] += 1;
    std::fs::write(&file, &later).unwrap();
    let fault = Fault::from(restore(&file, &dir, key(&home)).await.unwrap_err());
    assert!(fault.kind == Kind::RefusedByHost && fault.causes().any(|cause| cause.contains("format 2")), "{fault:?}");
    std::fs::write(&file, &octets).unwrap();
    let wrong = KeySource::Given { key: Secret::new("5a".repeat(32)), from: "a test".to_owned() };
    assert_eq!(Fault::from(restore(&file, &dir, wrong).await.unwrap_err()).kind, Kind::KeyWrong);
    std::fs::create_dir(&dir).unwrap();
    std::fs::write(dir.join("letter"), "dear").unwrap();
    assert!(matches!(restore(&file, &dir, key(&home)).await, Err(Error::NotEmpty(_))));
    std::fs::remove_file(dir.join("letter")).unwrap();
    restore(&file, &dir, key(&home)).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn who_takes_no_more_of_a_backup_ends_it() {
    let home = filled().await;
    let (sender, mut pieces) = tokio::sync::mpsc::channel(1);
    let store = home.store.clone();
    let making = tokio::spawn(async move { store.backup(sender).await });
    pieces.recv().await.unwrap();
    drop(pieces);
    assert!(making.await.unwrap().is_err());
    assert_eq!(home.check().await, "");
}
