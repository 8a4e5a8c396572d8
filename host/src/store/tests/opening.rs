//! Opening, closing and opening again, and everything that stands in the way.

use std::fs;

use super::*;
use crate::fault::{Fault, Kind};
use crate::store::KeyError;

#[tokio::test]
async fn a_closed_store_answers_so_and_opens_again() {
    let home = Home::with_account().await;
    let (other, intake) = (home.store.clone(), home.intake());
    let home = home.reopen().await;
    assert!(matches!(other.accounts().await, Err(Error::Closed)));
    assert!(matches!(intake.checkpoint(scope("INBOX", "1"), Vec::new()).await, Err(Error::Closed)));
    assert_eq!(home.store.accounts().await.unwrap(), [account(1, "help")]);
    let status = home.store.status().await.unwrap();
    assert_eq!((status.format, status.key.epoch, status.damage.len()), (1, 1, 0));
}

#[tokio::test]
async fn a_second_owner_is_refused() {
    let home = Home::new().await;
    let refused = open(home.folder.path()).await.err().unwrap();
    assert_eq!(Fault::from(refused).kind, Kind::InUse);
}

#[tokio::test]
async fn a_dropped_store_opens_again() {
    let Home { folder, store } = Home::with_account().await;
    drop(store);
    assert_eq!(open(folder.path()).await.unwrap().accounts().await.unwrap().len(), 1);
}

#[tokio::test]
async fn a_wrong_or_missing_key_has_its_own_words() {
    let Home { folder, store } = Home::new().await;
    store.close().await.unwrap();
    let (key, kept) = (folder.path().join("master.key"), folder.path().join("kept"));
    fs::rename(&key, &kept).unwrap();
    assert!(matches!(open(folder.path()).await, Err(Error::Key(KeyError::FileMissing(_)))));
    assert!(!key.exists(), "no new key is made for an old store");
    let digits = "ab".repeat(32);
    fs::write(&key, &digits).unwrap();
    assert!(matches!(open(folder.path()).await, Err(Error::Key(KeyError::Exposed { .. }))));
    fs::set_permissions(&key, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    let wrong = Fault::from(open(folder.path()).await.err().unwrap());
    assert_eq!(wrong.kind, Kind::KeyWrong);
    assert!(wrong.remedy.unwrap().contains("fingerprint"));
    fs::rename(&kept, &key).unwrap();
    open(folder.path()).await.unwrap();
}

#[tokio::test]
async fn a_newer_format_is_refused_and_not_touched() {
    let Home { folder, store } = Home::new().await;
    store.close().await.unwrap();
    let format = folder.path().join("store/format");
    fs::write(&format, "postrider store, format 2\n").unwrap();
    assert!(matches!(open(folder.path()).await, Err(Error::Newer { found: 2, known: 1, .. })));
    fs::write(&format, "something else").unwrap();
    assert!(matches!(open(folder.path()).await, Err(Error::NotAStore { .. })));
    fs::write(&format, "postrider store, format 1\n").unwrap();
    open(folder.path()).await.unwrap();
}

#[tokio::test]
async fn a_folder_with_other_files_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("store")).unwrap();
    fs::write(folder.path().join("store/letter.txt"), "dear").unwrap();
    assert!(matches!(open(folder.path()).await, Err(Error::NotAStore { .. })));
    assert!(!folder.path().join("master.key").exists());
}

#[tokio::test]
async fn a_store_whose_making_was_cut_off_is_made_to_its_end() {
    let Home { folder, store } = Home::with_account().await;
    store.close().await.unwrap();
    fs::remove_file(folder.path().join("store/format")).unwrap();
    let store = open(folder.path()).await.unwrap();
    assert_eq!(store.accounts().await.unwrap().len(), 1);
    store.close().await.unwrap();
    fs::remove_file(folder.path().join("store/keyring")).unwrap();
    assert!(matches!(open(folder.path()).await, Err(Error::Key(KeyError::Keyring(_)))), "no new keys are made for an old store");
}
