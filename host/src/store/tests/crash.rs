//! What is there after the process died: a copy of the files, taken while nothing was closed.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use super::damage::copy;
use super::*;
use crate::secret::Secret;

/// The files as a process that dies now would leave them.
async fn image(home: &Home) -> TempDir {
    let image = tempfile::tempdir().unwrap();
    let open = home.store.shared.open().unwrap();
    let (from, to) = (home.folder.path().to_owned(), image.path().to_owned());
    // Between two commits: files that change while they are copied would show a state that never was on disk.
    tokio::task::spawn_blocking(move || open.committer.at_standstill(|| copy(&from, &to))).await.unwrap();
    image
}

async fn revive(image: TempDir) -> Home {
    let store = open(image.path()).await.unwrap();
    Home { folder: image, store }
}

#[tokio::test(flavor = "multi_thread")]
async fn all_that_was_acknowledged_is_there_and_nothing_by_halves() {
    let home = Home::with_account().await;
    let acknowledged = Arc::new(AtomicU32::new(0));
    let writer = {
        let (store, acknowledged) = (home.store.clone(), Arc::clone(&acknowledged));
        tokio::spawn(async move {
            for checkpoint in 0..60_u32 {
                let intake = store.intake(AccountId(1));
                for part in 0..3 {
                    let id = format!("{checkpoint}.{part}");
                    let octets = id.as_bytes().repeat(10_000);
                    deliver(&intake, &scope("INBOX", "1"), arrival(&id), &octets).await;
                }
                intake.checkpoint(scope("INBOX", "1"), checkpoint.to_be_bytes().to_vec()).await.unwrap();
                acknowledged.store(checkpoint + 1, Ordering::Release);
            }
        })
    };
    let mut images = Vec::new();
    while !writer.is_finished() {
        let before = acknowledged.load(Ordering::Acquire);
        images.push((before, image(&home).await));
        tokio::task::yield_now().await;
        if images.len() >= 12 {
            break;
        }
    }
    writer.await.unwrap();
    images.push((60, image(&home).await));
    for (acknowledged, image) in images {
        let home = revive(image).await;
        let messages = home.messages().await;
        assert!(messages.len() as u32 >= acknowledged * 3, "{} of {}", messages.len(), acknowledged * 3);
        assert_eq!(messages.len() % 3, 0, "a checkpoint is there as a whole or not at all");
        for message in &messages {
            assert_eq!(body(&home.store, message.message).await.unwrap(), message.locations[0].id.as_bytes().repeat(10_000));
        }
        let cursor = home.store.cursor(AccountId(1), Some("INBOX")).await.unwrap();
        let committed = cursor.map_or(0, |cursor| u32::from_be_bytes(cursor.try_into().unwrap()) + 1);
        assert_eq!(messages.len() as u32, committed * 3, "the cursor goes with its messages");
        assert_eq!(home.check().await, "");
    }
}

#[tokio::test]
async fn the_same_arrival_gets_the_same_id_again() {
    let home = Home::with_account().await;
    let before = image(&home).await;
    let receive = async |home: &Home| {
        let intake = home.intake();
        deliver(&intake, &scope("INBOX", "1"), arrival("1"), b"x").await;
        intake.checkpoint(scope("INBOX", "1"), Vec::new()).await.unwrap();
        home.messages().await[0].message
    };
    let revived = revive(before).await;
    assert_eq!(receive(&home).await, receive(&revived).await);
}

#[tokio::test]
async fn nothing_is_readable_in_the_files() {
    let home = Home::with_account().await;
    let secret = vec![("receive".to_owned(), Secret::new("correct horse"))];
    let mut named = account(2, "visible-nowhere");
    named.receive = None;
    home.store.put_account(named, secret).await.unwrap();
    let octets = b"From: jane.doe@example.com\r\nTo: help@example.net\r\nSubject: quarterly numbers\r\n\r\nattack at dawn\r\n";
    let intake = home.store.intake(AccountId(2));
    let arrival = Arrival { thread: Some("thread-secret".to_owned()), ..stable("identity-17", "stable-secret") };
    deliver(&intake, &scope("Personal/Folder", "generation-9"), arrival, octets).await;
    let state = Some(b"state-value".to_vec());
    intake.state_put("state-key".to_owned(), state).await.unwrap();
    intake.checkpoint(scope("Personal/Folder", "generation-9"), b"cursor-text".to_vec()).await.unwrap();
    home.store.put_document("sinks-collection", "document-key", b"document-text").await.unwrap();
    let path = home.path();
    home.store.clone().close().await.unwrap();
    let needles = [
        "jane.doe",
        "example.",
        "quarterly",
        "attack",
        "correct horse",
        "visible-nowhere",
        "thread-secret",
        "identity-17",
        "stable-secret",
        "Personal",
        "generation-9",
        "state-value",
        "state-key",
        "cursor-text",
        "sinks-collection",
        "document-",
        "INBOX",
        "receive",
    ];
    let mut searched = 0;
    let mut folders = vec![path];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let octets = std::fs::read(&path).unwrap();
            searched += octets.len();
            for needle in needles {
                let is_there = octets.windows(needle.len()).any(|window| window.eq_ignore_ascii_case(needle.as_bytes()));
                assert!(!is_there, "`{needle}` in {}", path.display());
            }
        }
    }
    assert!(searched > 1_000);
}
