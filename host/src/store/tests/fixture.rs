//! A store of format 1, as an earlier version left it: every later version opens it.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use super::damage::copy;
use super::*;
use crate::secret::Secret;

fn fixture() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("src/store/tests/fixture/format-1")
}

/// Clearly no real mail.
fn octets(at: u8) -> Vec<u8> {
    let text = format!(
        "From: nobody@example.com\r\nTo: help@example.com\r\nSubject: fixture {at}\r\nDate: Tue, 14 Nov 2023 22:13:20 +0000\r\n\r\n"
    );
    [text.as_bytes(), &vec![b'a' + at; usize::from(at) * 30_000]].concat()
}

/// Makes the fixture anew, for a new format: `cargo test -p postrider --lib make_the_fixture -- --ignored`.
#[tokio::test]
#[ignore = "writes into the sources; a new format gets a new folder"]
async fn make_the_fixture() {
    let home = Home::with_account().await;
    home.store.put_secret(AccountId(1), "receive", Secret::new("correct horse")).await.unwrap();
    let intake = home.intake();
    for at in 0..4 {
        deliver(&intake, &scope("INBOX", "7"), Arrival { keywords: vec!["$Seen".to_owned()], ..stable(&at.to_string(), "s") }, &octets(at))
            .await;
    }
    let reason = crate::fault::Fault::new(crate::fault::Kind::TooLarge, "fetch it");
    intake.set_aside(scope("INBOX", "7"), arrival("aside"), reason).await.unwrap();
    intake.state_put("key".to_owned(), Some(vec![1, 2, 3])).await.unwrap();
    intake.checkpoint(scope("INBOX", "7"), b"cursor".to_vec()).await.unwrap();
    home.store.put_document("collection", "key", b"document").await.unwrap();
    let Home { folder, store } = home;
    store.close().await.unwrap();
    fs::create_dir_all(fixture()).unwrap();
    copy(folder.path(), &fixture());
}

#[tokio::test]
async fn a_store_of_format_1_opens() {
    let folder = tempfile::tempdir().unwrap();
    copy(&fixture(), folder.path());
    // Git keeps neither permissions nor empty folders.
    fs::set_permissions(folder.path().join("master.key"), fs::Permissions::from_mode(0o600)).unwrap();
    let store = open(folder.path()).await.unwrap();
    let home = Home { folder, store };
    assert_eq!(home.check().await, "");
    let messages = home.messages().await;
    assert_eq!(messages.len(), 5);
    for (at, message) in (0..4).zip(&messages) {
        assert_eq!(body(&home.store, message.message).await.unwrap(), octets(at));
        assert_eq!(message.subject.as_deref(), Some(format!("fixture {at}").as_str()));
        assert_eq!(message.locations[0].keywords, ["$Seen"]);
    }
    assert_eq!(home.store.secret(AccountId(1), "receive").await.unwrap(), Some(Secret::new("correct horse")));
    assert_eq!(home.store.cursor(AccountId(1), Some("INBOX")).await.unwrap().as_deref(), Some(&b"cursor"[..]));
    assert_eq!(home.intake().state_get("key".to_owned()).await.unwrap(), Some(vec![1, 2, 3]));
    assert_eq!(home.store.document("collection", "key").await.unwrap().as_deref(), Some(&b"document"[..]));
    // And is written to.
    let intake = home.intake();
    deliver(&intake, &scope("INBOX", "7"), arrival("new"), b"new").await;
    intake.checkpoint(scope("INBOX", "7"), Vec::new()).await.unwrap();
    let home = home.reopen().await;
    assert_eq!((home.messages().await.len(), home.check().await.as_str()), (6, ""));
}
