//! Damage of every kind is found, named, and does not spread.

use std::fs::{self, OpenOptions};
use std::os::unix::fs::FileExt;

use super::*;
use crate::fault::{Fault, Kind};
use crate::secret::Secret;
use crate::store::layout::{self, Place, kind};

async fn filled() -> Home {
    let home = Home::with_account().await;
    let (intake, inbox) = (home.intake(), scope("INBOX", "1"));
    for at in 0..5_u8 {
        let octets = [b"From: a@example.com\r\nTo: b@example.com\r\n\r\n".as_slice(), &vec![at; 50_000]].concat();
        let arrival = Arrival { thread: Some("t".to_owned()), ..stable(&at.to_string(), &at.to_string()) };
        deliver(&intake, &inbox, arrival, &octets).await;
    }
    intake.state_put("k".to_owned(), Some(vec![1])).await.unwrap();
    intake.checkpoint(inbox, vec![1]).await.unwrap();
    home.store.put_secret(AccountId(1), "receive", Secret::new("correct horse")).await.unwrap();
    home.store.put_document("sink", "crm", b"x").await.unwrap();
    assert_eq!(home.check().await, "");
    home
}

/// Change records behind the store's back, on the same disk format.
fn tamper(home: &Home, change: impl FnOnce(&mut Vec<(Vec<u8>, Option<Vec<u8>>)>, &[(Vec<u8>, Vec<u8>)])) {
    let open = home.store.shared.open().unwrap();
    let all: Vec<_> = open.records.scan(&[], &[]).map(Result::unwrap).collect();
    let mut changes = Vec::new();
    change(&mut changes, &all);
    open.records.tamper(changes);
}

#[tokio::test]
async fn a_changed_octet_in_any_sealed_record_is_found() {
    let home = filled().await;
    for sealed in kind::SEALED {
        let mut original = None;
        tamper(&home, |changes, all| {
            let (key, value) = all.iter().find(|(key, _)| key[0] == sealed).expect("there is one of each kind");
            original = Some((key.clone(), value.clone()));
            let mut changed = value.clone();
            *changed.last_mut().unwrap() ^= 1;
            changes.push((key.clone(), Some(changed)));
        });
        let found = home.check().await;
        assert!(found.contains("seal does not hold") && found.contains("record"), "{}: {found}", char::from(sealed));
        let (key, value) = original.unwrap();
        tamper(&home, |changes, _| changes.push((key, Some(value))));
    }
    assert_eq!(home.check().await, "");
}

/// Account, message and place of a record, a torn segment, a missing one.
#[tokio::test]
async fn what_is_wrong_with_a_message_is_named_with_account_and_message() {
    let home = filled().await;
    let message = home.messages().await[2].message;
    let place = Place { account: AccountId(1), sequence: 3 };
    let open = home.store.shared.open().unwrap();
    let (key, value) = (layout::message(place), open.records.raw(&layout::message(place)).unwrap().unwrap());
    let is_named = |found: &[crate::store::Finding], what: &str| {
        let is_it = |finding: &&crate::store::Finding| (finding.account, finding.message) == (Some(AccountId(1)), Some(message));
        assert!(found.iter().any(|finding| is_it(&finding) && finding.place.contains(what)), "{what}: {found:?}");
    };
    let mut changed = value.clone();
    *changed.last_mut().unwrap() ^= 1;
    for (broken, what) in
        [(Some(changed), "the message record"), (Some(value[..20].to_vec()), "the message record"), (None, "the identity record")]
    {
        tamper(&home, |changes, _| changes.push((key.clone(), broken)));
        is_named(&home.store.check(|_| {}).await.unwrap().findings, what);
        let dry = home.store.repair(false, |_| {}).await.unwrap();
        assert!(what != "the message record" || dry.actions.iter().any(|action| action.message == Some(message)), "{dry:?}");
        tamper(&home, |changes, _| changes.push((key.clone(), Some(value.clone()))));
    }
    let extent = open.message_at(place).unwrap().unwrap().body().unwrap().extents[0];
    let path = open.spool.segments().path_of(extent.segment);
    let octets = fs::read(&path).unwrap();
    let words = format!("segment {} offset", extent.segment);
    // Cut behind the first chunk's header, in it, and before it.
    for length in [extent.offset + 100, extent.offset + 5, extent.offset] {
        OpenOptions::new().write(true).open(&path).unwrap().set_len(length).unwrap();
        is_named(&home.store.check(|_| {}).await.unwrap().findings, &words);
        fs::write(&path, &octets).unwrap();
    }
    drop(open);
    let home = home.reopen().await;
    fs::remove_file(&path).unwrap();
    is_named(&home.store.check(|_| {}).await.unwrap().findings, &words);
}

#[tokio::test]
async fn any_missing_or_moved_record_is_found() {
    let home = filled().await;
    let mut all_keys = Vec::new();
    tamper(&home, |_, all| all_keys = all.to_vec());
    for (key, value) in &all_keys {
        tamper(&home, |changes, _| changes.push((key.clone(), None)));
        assert_ne!(home.check().await, "", "without {}", super::super::records::place_of(key));
        tamper(&home, |changes, _| changes.push((key.clone(), Some(value.clone()))));
    }
    assert_eq!(home.check().await, "");
    // A record that is good, but another's.
    let messages: Vec<_> = all_keys.iter().filter(|(key, _)| key[0] == kind::MESSAGE).collect();
    tamper(&home, |changes, _| changes.push((messages[0].0.clone(), Some(messages[1].1.clone()))));
    assert!(home.check().await.contains("seal does not hold"));
}

#[tokio::test]
async fn a_surplus_record_is_found() {
    let home = filled().await;
    let index = |kind: u8| [&[kind], [0; 60].as_slice()].concat();
    for key in [index(kind::ADDRESS), index(kind::ID), index(kind::NAME), b"?".to_vec()] {
        tamper(&home, |changes, _| changes.push((key.clone(), Some(vec![0; 12]))));
        assert_ne!(home.check().await, "", "{}", char::from(key[0]));
        tamper(&home, |changes, _| changes.push((key, None)));
    }
    assert_eq!(home.check().await, "");
}

#[tokio::test]
async fn a_changed_octet_in_a_segment_is_named_with_its_place() {
    let home = filled().await;
    let segment = home.path().join("spool/0000000000000001.segment");
    let file = OpenOptions::new().read(true).write(true).open(&segment).unwrap();
    let place = Place { account: AccountId(1), sequence: 3 };
    let record = home.store.shared.open().unwrap().message_at(place).unwrap().unwrap();
    let extent = record.body().unwrap().extents[0];
    for at in [extent.offset + 3, extent.offset + 20, extent.offset + 64, extent.offset + extent.length - 1] {
        let mut octet = [0];
        file.read_exact_at(&mut octet, at).unwrap();
        file.write_all_at(&[octet[0] ^ 4], at).unwrap();
        let found = home.store.check(|_| {}).await.unwrap().findings;
        assert_eq!(found.len(), 1, "{found:?}");
        assert_eq!(found[0].message, None.or(Some(record.message)));
        assert!(found[0].place.contains(&format!("segment {} offset {}", extent.segment, extent.offset)), "{found:?}");
        let error = body(&home.store, record.message).await.err().unwrap();
        let fault = Fault::from(error);
        assert_eq!(fault.kind, Kind::Damaged);
        assert!(fault.operation.contains("read a body"));
        assert!(fault.causes().any(|cause| cause.contains(&format!("account 1, message {}", record.message))), "{fault:?}");
        file.write_all_at(&octet, at).unwrap();
    }
    assert_eq!(home.check().await, "");
}

#[tokio::test]
async fn a_segment_whose_making_was_cut_off_is_no_damage_and_a_short_one_with_mail_is() {
    let home = filled().await;
    fs::write(home.path().join("spool/0000000000000009.segment"), b"half a header").unwrap();
    assert_eq!(home.check().await, "");
    let segment = OpenOptions::new().write(true).open(home.path().join("spool/0000000000000001.segment")).unwrap();
    segment.set_len(10).unwrap();
    assert!(!home.check().await.is_empty());
}

#[tokio::test]
async fn swapped_frames_and_missing_segments_are_found() {
    let home = filled().await;
    // Frames 1 and 2 have the same length: each is good by itself.
    let open = home.store.shared.open().unwrap();
    let extent = |sequence| open.message_at(Place { account: AccountId(1), sequence }).unwrap().unwrap().body().unwrap().extents[0];
    let (one, two) = (extent(1), extent(2));
    assert_eq!(one.length, two.length);
    let path = open.spool.segments().path_of(one.segment);
    let octets = fs::read(&path).unwrap();
    let part = |extent: crate::store::record::Extent| octets[extent.offset as usize..(extent.offset + extent.length) as usize].to_vec();
    let file = OpenOptions::new().write(true).open(&path).unwrap();
    file.write_all_at(&part(two), one.offset).unwrap();
    assert!(home.check().await.contains("belongs to another body"));
    file.write_all_at(&part(one), one.offset).unwrap();
    drop(open);
    let home = home.reopen().await;
    fs::remove_file(&path).unwrap();
    assert!(home.check().await.contains("the segment is missing"));
}

#[tokio::test]
async fn acknowledged_records_that_are_lost_are_reported_until_repaired() {
    let home = filled().await;
    let Home { folder, store } = home;
    store.close().await.unwrap();
    let (records, kept) = (folder.path().join("store/records"), folder.path().join("kept"));
    copy(&records, &kept);
    let store = open(folder.path()).await.unwrap();
    let home = Home { folder, store };
    let intake = home.intake();
    deliver(&intake, &scope("INBOX", "1"), arrival("new"), b"lost").await;
    intake.checkpoint(scope("INBOX", "1"), Vec::new()).await.unwrap();
    let last = home.messages().await.last().unwrap().sequence;
    drop(intake);
    let Home { folder, store } = home;
    store.close().await.unwrap();
    fs::remove_dir_all(&records).unwrap();
    copy(&kept, &records);
    let store = open(folder.path()).await.unwrap();
    let mut home = Home { folder, store };
    for _ in 0..2 {
        assert!(home.store.status().await.unwrap().damage[0].contains("acknowledged"));
        assert!(home.check().await.contains("acknowledged"));
        home = home.reopen().await;
    }
    let intake = home.intake();
    deliver(&intake, &scope("INBOX", "1"), arrival("next"), b"next").await;
    intake.checkpoint(scope("INBOX", "1"), Vec::new()).await.unwrap();
    assert!(home.messages().await.last().unwrap().sequence > last, "no sequence is given twice");
}

#[tokio::test]
async fn a_damaged_tree_is_damage_and_no_panic() {
    let home = filled().await;
    let entries = |home: &Home| home.store.shared.open().unwrap().records.entries();
    let whole = entries(&home);
    let Home { folder, store } = home;
    store.close().await.unwrap();
    // All of it: the watermark follows what is found.
    let (path, kept) = (folder.path().join("store"), folder.path().join("kept"));
    copy(&path, &kept);
    let (mut refused, mut found) = (0, 0);
    for file in fs::read_dir(kept.join("records")).unwrap().map(Result::unwrap).filter(|entry| entry.path().is_file()) {
        let octets = fs::read(file.path()).unwrap();
        // The head and the first pages, and samples of all the rest.
        let places = (0..octets.len()).step_by((octets.len() / 60).max(1)).chain((0..octets.len().min(20_000)).step_by(499));
        for at in places {
            fs::remove_dir_all(&path).unwrap();
            copy(&kept, &path);
            let mut changed = octets.clone();
            changed[at] ^= 0x10;
            fs::write(path.join("records").join(file.file_name()), &changed).unwrap();
            // It is refused, or it opens and what is missing or changed is found, or the octet was not in use.
            let store = match open(folder.path()).await {
                Ok(store) => store,
                Err(error) => {
                    assert!([Kind::Damaged, Kind::Storage].contains(&Fault::from(error).kind));
                    refused += 1;
                    continue;
                }
            };
            let home = Home { folder: tempfile::tempdir().unwrap(), store };
            let report = home.store.check(|_| {}).await;
            match report {
                Ok(report) if report.is_clean() => {
                    let name = file.file_name();
                    let now = entries(&home);
                    assert_eq!(now.len(), whole.len(), "{} at {at}", name.display());
                    // What the start itself commits may differ, and nothing else.
                    assert!(now.iter().all(|(key, value)| key[0] == kind::HEAD || whole[key] == *value), "{} at {at}", name.display());
                }
                _ => found += 1,
            }
            home.store.close().await.unwrap();
        }
    }
    println!("{refused} refused, {found} found by check");
    assert!(refused + found > 0);
}

#[test]
fn every_kind_is_sealed_or_index() {
    let mut kinds: Vec<u8> = kind::SEALED.into_iter().chain(kind::INDEX).collect();
    kinds.sort_unstable();
    kinds.dedup();
    assert_eq!(kinds.len(), kind::SEALED.len() + kind::INDEX.len());
    assert!(kind::OF_ACCOUNT.iter().all(|kind| kinds.contains(kind)));
    assert_eq!(layout::account_in(&layout::of_account(kind::MESSAGE, AccountId(7))), Some(AccountId(7)));
}

pub(super) fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}
