//! Rotating the data keys: everything is rewritten, while mail comes in and readers read, and whatever breaks it off.

use std::collections::HashSet;

use super::*;
use crate::secret::Secret;
use crate::store::NewKey;
use crate::store::layout::kind;
use crate::store::seal::split_record;

/// Epochs that stand in sealed records, and in the frames of bodies that records refer to.
fn epochs(home: &Home) -> HashSet<u32> {
    let open = home.store.shared.open().unwrap();
    let mut found = HashSet::new();
    for raw in open.records.scan(&[], &[]) {
        let raw = raw.unwrap();
        if kind::SEALED.contains(&raw.0[0]) {
            found.insert(split_record(&raw.1).unwrap().0);
        }
        if raw.0[0] != kind::MESSAGE {
            continue;
        }
        let record: crate::store::record::MessageRecord = open.records.decode(&raw).unwrap();
        for extent in record.body().iter().flat_map(|body| &body.extents) {
            let octets = std::fs::read(open.spool.segments().path_of(extent.segment)).unwrap();
            let frame = &octets[extent.offset as usize..];
            found.insert(crate::store::spool::frame::FrameHeader::decode(frame).unwrap().epoch);
        }
    }
    found
}

async fn filled(messages: u8) -> Home {
    let home = Home::with_account().await;
    let intake = home.intake();
    for at in 0..messages {
        deliver(&intake, &scope("INBOX", "1"), arrival(&at.to_string()), &vec![at; 70_000]).await;
    }
    intake.set_aside(scope("INBOX", "1"), arrival("aside"), crate::fault::Fault::new(crate::fault::Kind::Gone, "x")).await.unwrap();
    intake.state_put("k".to_owned(), Some(vec![1])).await.unwrap();
    intake.checkpoint(scope("INBOX", "1"), vec![1]).await.unwrap();
    home.store.put_secret(AccountId(1), "receive", Secret::new("correct horse")).await.unwrap();
    home.store.put_document("sink", "crm", b"x").await.unwrap();
    home
}

async fn octets_of_all(home: &Home) -> Vec<Vec<u8>> {
    let mut bodies = Vec::new();
    for message in home.messages().await {
        if let Ok(octets) = body(&home.store, message.message).await {
            bodies.push(octets);
        }
    }
    bodies
}

#[tokio::test]
async fn everything_is_rewritten_and_the_old_key_forgotten() {
    let home = filled(10).await;
    let before = (octets_of_all(&home).await, home.messages().await);
    assert_eq!(epochs(&home), HashSet::from([1]));
    let mut last = None;
    let rotated = home.store.rotate(|progress| last = Some(progress)).await.unwrap();
    assert_eq!((rotated.epoch, rotated.bodies), (2, 10));
    assert!(last.is_some_and(|progress| progress.done == progress.total && progress.total == 11));
    let home = home.reopen().await;
    assert_eq!(epochs(&home), HashSet::from([2]));
    let state = home.store.key_state().await.unwrap();
    assert_eq!((state.epoch, state.is_half_rotated), (2, false));
    assert_eq!((octets_of_all(&home).await, home.messages().await), before);
    assert_eq!(home.store.secret(AccountId(1), "receive").await.unwrap(), Some(Secret::new("correct horse")));
    assert_eq!(home.check().await, "");
    assert_eq!(home.store.rotate(|_| {}).await.unwrap().epoch, 3);
    assert_eq!(epochs(&home), HashSet::from([3]));
}

#[tokio::test]
async fn a_rotation_that_is_broken_off_anywhere_goes_on() {
    let home = filled(6).await;
    let before = octets_of_all(&home).await;
    let mut home = home;
    // Dropped at each of its first steps, and the process ended after it.
    for steps in [1, 2, 3, 5, 8, 13, 21, 34, 55] {
        let mut polls = 0;
        let rotation = Box::pin(home.store.rotate(|_| {}));
        let mut rotation = rotation;
        let ended = std::future::poll_fn(|cx| {
            polls += 1;
            if polls > steps {
                return std::task::Poll::Ready(None);
            }
            Future::poll(rotation.as_mut(), cx).map(Some)
        })
        .await;
        drop(rotation);
        ended.transpose().unwrap();
        // What it had begun on another thread goes to its end, and keeps the files until then.
        while std::sync::Arc::strong_count(&home.store.shared.open().unwrap()) > 2 {
            tokio::time::sleep(std::time::Duration::from_millis(1)).await;
        }
        home = home.reopen().await;
        assert_eq!(octets_of_all(&home).await, before);
        assert_eq!(home.check().await, "");
    }
    if home.store.key_state().await.unwrap().is_half_rotated {
        home.store.rotate(|_| {}).await.unwrap();
    }
    assert_eq!(epochs(&home).len(), 1);
    assert!(!home.store.key_state().await.unwrap().is_half_rotated);
}

#[tokio::test]
async fn a_body_from_before_is_waited_for() {
    let home = filled(2).await;
    let (store, intake) = (home.store.clone(), home.intake());
    let mut delivery = intake.begin(scope("INBOX", "1"), arrival("late")).await.unwrap();
    delivery.write(Bytes::from(vec![9; 200_000])).await.unwrap();
    let mut rotation = tokio::spawn(async move { store.rotate(|_| {}).await });
    tokio::time::timeout(std::time::Duration::from_millis(500), &mut rotation).await.unwrap_err();
    assert!(matches!(home.store.rotate(|_| {}).await, Err(Error::UnderWay(_))));
    delivery.finish().await.unwrap();
    intake.checkpoint(scope("INBOX", "1"), vec![2]).await.unwrap();
    assert_eq!(rotation.await.unwrap().unwrap().bodies, 3);
    assert_eq!(epochs(&home), HashSet::from([2]));
    assert_eq!(octets_of_all(&home).await[2], vec![9; 200_000]);
}

#[tokio::test]
async fn a_reader_from_before_reads_on() {
    let home = filled(1).await;
    let message = home.messages().await[0].message;
    let mut reader = home.store.body(message).await.unwrap().unwrap();
    reader.next().await.unwrap().unwrap();
    home.store.rotate(|_| {}).await.unwrap();
    assert_eq!(reader.next().await.unwrap().unwrap().len(), 70_000 - 65_536);
    assert!(reader.next().await.unwrap().is_none());
}

#[tokio::test]
async fn a_keyring_older_than_the_records_has_its_own_words() {
    let Home { folder, store } = filled(1).await;
    let (keyring, kept) = (folder.path().join("store/keyring"), folder.path().join("kept"));
    std::fs::copy(&keyring, &kept).unwrap();
    store.rotate(|_| {}).await.unwrap();
    store.close().await.unwrap();
    std::fs::rename(&kept, &keyring).unwrap();
    let fault = crate::fault::Fault::from(open(folder.path()).await.err().unwrap());
    assert_eq!(fault.kind, crate::fault::Kind::KeyOutdated);
    assert!(fault.causes().next().unwrap().contains("older"), "{fault:?}");
}

#[tokio::test]
async fn a_new_master_key_opens_and_the_old_does_not() {
    let Home { folder, store } = filled(1).await;
    let state = store.rekey(NewKey::Passphrase(Secret::new("correct horse"))).await.unwrap();
    assert_eq!(state.kind, crate::store::KeyKind::Passphrase);
    let recovery = store.make_recovery_key().await.unwrap();
    store.close().await.unwrap();
    assert!(open(folder.path()).await.is_err());
    for source in [KeySource::Passphrase(Secret::new("correct horse")), KeySource::Recovery(recovery)] {
        let store = Store::open(&folder.path().join("store"), source).await.unwrap();
        assert_eq!(store.messages(None, 0, 9).await.unwrap().len(), 2);
        store.close().await.unwrap();
    }
}
