//! Repair: what was damaged is put aside and comes again, and everything else stays as it was.

use std::os::unix::fs::FileExt;

use super::*;
use crate::store::layout::{self, Place, kind};

async fn filled() -> Home {
    let home = Home::with_account().await;
    let intake = home.intake();
    for at in 0..5_u8 {
        let octets = [b"From: a@example.com\r\nTo: b@example.com\r\n\r\n".as_slice(), &vec![at; 50_000]].concat();
        let arrival = Arrival { thread: Some("t".to_owned()), ..stable(&at.to_string(), &at.to_string()) };
        deliver(&intake, &scope("INBOX", "1"), arrival, &octets).await;
    }
    for at in 5..8_u8 {
        deliver(&intake, &scope("INBOX", "1"), arrival(&at.to_string()), &vec![at; 50_000]).await;
    }
    intake.state_put("k".to_owned(), Some(vec![1])).await.unwrap();
    intake.checkpoint(scope("INBOX", "1"), vec![1]).await.unwrap();
    home.store.put_secret(AccountId(1), "receive", crate::secret::Secret::new("correct horse")).await.unwrap();
    home.store.put_document("sink", "crm", b"x").await.unwrap();
    assert_eq!(home.check().await, "");
    home
}

fn raw(home: &Home) -> Vec<(Vec<u8>, Vec<u8>)> {
    home.store.shared.open().unwrap().records.scan(&[], &[]).map(Result::unwrap).collect()
}

fn tamper(home: &Home, key: &[u8], value: Option<Vec<u8>>) {
    home.store.shared.open().unwrap().records.tamper(vec![(key.to_vec(), value)]);
}

fn flip_body(home: &Home, sequence: u64) {
    let open = home.store.shared.open().unwrap();
    let extent = open.message_at(Place { account: AccountId(1), sequence }).unwrap().unwrap().body().unwrap().extents[0];
    let file = std::fs::OpenOptions::new().read(true).write(true).open(open.spool.segments().path_of(extent.segment)).unwrap();
    let mut octet = [0];
    file.read_exact_at(&mut octet, extent.offset + 100).unwrap();
    file.write_all_at(&[octet[0] ^ 1], extent.offset + 100).unwrap();
}

#[tokio::test]
async fn a_sound_store_is_left_alone() {
    let home = filled().await;
    let before = raw(&home).len();
    let report = home.store.repair(true, |_| {}).await.unwrap();
    assert_eq!((report.actions.len(), report.kept), (0, None));
    assert_eq!(raw(&home).len(), before);
    assert_eq!(home.store.cursor(AccountId(1), Some("INBOX")).await.unwrap(), Some(vec![1]));
}

#[tokio::test]
async fn damaged_octets_come_again_as_the_same_message() {
    let home = filled().await;
    // One with a stable id of the provider's, and one without.
    for (sequence, id) in [(3_u64, "2"), (7, "6")] {
        let before = home.messages().await;
        let message = before.iter().find(|message| message.sequence == sequence).unwrap().message;
        let octets = body(&home.store, message).await.unwrap();
        flip_body(&home, sequence);
        let dry = home.store.repair(false, |_| {}).await.unwrap();
        assert!(!dry.is_applied && dry.actions.iter().any(|action| action.message == Some(message)), "{dry:?}");
        assert!(!home.check().await.is_empty(), "a dry run changes nothing");
        let done = home.store.repair(true, |_| {}).await.unwrap();
        assert_eq!(done.actions, dry.actions);
        assert!(done.kept.unwrap().join(format!("{message}.frames")).is_file());
        assert_eq!(home.check().await, "");
        assert_eq!(home.store.cursor(AccountId(1), Some("INBOX")).await.unwrap(), None, "the next pass asks about all messages");
        let intake = home.intake();
        let inbox = scope("INBOX", "1");
        assert_eq!(intake.unseen(inbox.clone(), ids(&["1", id, "4"])).await.unwrap(), ids(&[id]));
        let again = if id == "2" { stable("2", "2") } else { arrival(id) };
        deliver(&intake, &inbox, again, &octets).await;
        intake.checkpoint(inbox, vec![2]).await.unwrap();
        assert_eq!(body(&home.store, message).await.unwrap(), octets);
        assert_eq!(home.messages().await.len(), before.len());
        assert_eq!(home.check().await, "");
    }
}

#[tokio::test]
async fn any_unreadable_or_missing_record_is_mended() {
    let home = filled().await;
    let all = raw(&home);
    // Without the account or the head there is nothing to begin with.
    for (key, value) in all.iter().filter(|(key, _)| ![kind::HEAD, kind::ACCOUNT].contains(&key[0])) {
        let mut broken = vec![None];
        if kind::SEALED.contains(&key[0]) {
            let mut changed = value.clone();
            *changed.last_mut().unwrap() ^= 1;
            broken.push(Some(changed));
        }
        for broken in broken {
            tamper(&home, key, broken.clone());
            let report = home.store.repair(true, |_| {}).await.unwrap();
            let what = format!("{} {}: {report:?}", crate::store::records::place_of(key), broken.is_some());
            assert!(!report.actions.is_empty(), "{what}");
            assert_eq!(report.kept.is_some(), broken.is_some(), "{what}");
            assert_eq!(home.check().await, "", "{what}");
            // As it was before, to the last record.
            for (key, _) in raw(&home) {
                tamper(&home, &key, None);
            }
            for (key, value) in &all {
                tamper(&home, key, Some(value.clone()));
            }
        }
    }
    let surplus = layout::with_sequence(layout::body(AccountId(1), &[7; 32]), 3);
    tamper(&home, &surplus, Some(Vec::new()));
    tamper(&home, b"?", Some(Vec::new()));
    home.store.repair(true, |_| {}).await.unwrap();
    assert_eq!(home.check().await, "");
}

#[tokio::test]
async fn lost_commits_are_told_of_and_acknowledged() {
    for lost in ["watermark zeroed", "watermark gone", "records gone", "both gone"] {
        let Home { folder, store } = filled().await;
        store.close().await.unwrap();
        let (watermark, records) = (folder.path().join("store/watermark"), folder.path().join("store/records"));
        let length = std::fs::metadata(&watermark).unwrap().len() as usize;
        match lost {
            "watermark zeroed" => std::fs::write(&watermark, vec![0; length]).unwrap(),
            "watermark gone" => std::fs::remove_file(&watermark).unwrap(),
            "records gone" => std::fs::remove_dir_all(&records).unwrap(),
            _ => {
                std::fs::remove_file(&watermark).unwrap();
                std::fs::remove_dir_all(&records).unwrap();
            }
        }
        let store = open(folder.path()).await.unwrap();
        let home = Home { folder, store };
        assert_ne!(home.check().await, "", "{lost}");
        assert!(!home.store.status().await.unwrap().damage.is_empty(), "{lost}");
        let report = home.store.repair(true, |_| {}).await.unwrap();
        assert!(report.actions.iter().any(|action| action.finding.contains("acknowledged")), "{lost}: {report:?}");
        let home = home.reopen().await;
        assert_eq!(home.check().await, "", "{lost}");
        assert!(home.store.status().await.unwrap().damage.is_empty(), "{lost}");
    }
}
