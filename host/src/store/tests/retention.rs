//! Messages that need not be kept: gone from disk and listings, and still known by all that a server may call them.

use super::*;
use crate::store::Retention;
use crate::store::record::{CountsRecord, HeadRecord, Record};

const ALL: Retention = Retention { stored_before: Timestamp(u64::MAX), up_to: u64::MAX };
const DAY: u64 = 24 * 3_600 * 1_000;

/// Messages of every day; `POSTRIDER_SOAK_ROUNDS` makes them 100,000.
const MESSAGES: u64 = 3_000;

async fn receive(home: &Home, scope: &Scope, arrivals: &[(Arrival, &[u8])]) {
    let intake = home.intake();
    for (arrival, octets) in arrivals {
        deliver(&intake, scope, arrival.clone(), octets).await;
    }
    intake.checkpoint(scope.clone(), Vec::new()).await.unwrap();
}

async fn retain(home: &Home, retention: Retention) -> u64 {
    home.store.retain(AccountId(1), retention, Timestamp::now()).await.unwrap().messages
}

#[tokio::test]
async fn only_what_is_old_and_dealt_with_goes() {
    let home = Home::with_account().await;
    let inbox = scope("INBOX", "1");
    for id in ["1", "2", "3"] {
        receive(&home, &inbox, &[(arrival(id), id.as_bytes())]).await;
    }
    assert_eq!(retain(&home, Retention { stored_before: Timestamp(1), ..ALL }).await, 0);
    assert_eq!(retain(&home, Retention { up_to: 2, ..ALL }).await, 2);
    assert_eq!(retain(&home, Retention { up_to: 2, ..ALL }).await, 0, "nothing goes twice");
    let home = home.reopen().await;
    assert_eq!(home.bodies().await, [b"3"]);
    assert_eq!(home.store.messages(None, 0, 1).await.unwrap().len(), 1, "a page is not empty because of what is gone");
    assert_eq!(home.store.messages_newest_first(None, None, 9).await.unwrap().len(), 1);
    let counts = home.store.counts(AccountId(1)).await.unwrap();
    assert_eq!((counts.messages, counts.octets, counts.removed), (1, 1, 2));
    assert_eq!(home.intake().unseen(inbox, ids(&["1", "2", "3", "4"])).await.unwrap(), ["4"]);
    assert_eq!(home.check().await, "");
}

#[tokio::test]
async fn what_is_gone_cannot_be_read_or_found() {
    let home = Home::with_account().await;
    let octets = b"From: jane.doe@example.com\r\nSubject: gone\r\n\r\nx";
    receive(&home, &scope("INBOX", "1"), &[(arrival("1"), octets)]).await;
    let message = home.messages().await[0].message;
    retain(&home, ALL).await;
    assert!(home.store.message(message).await.unwrap().is_none());
    assert!(home.store.body(message).await.unwrap().is_none());
    assert!(home.store.messages_with_address(None, "jane.doe@example.com", None, 9).await.unwrap().messages.is_empty());
    home.store.compact().await.unwrap();
    assert_eq!(home.store.status().await.unwrap().spool_octets, 0);
    assert_eq!(home.check().await, "");
}

#[tokio::test]
async fn it_is_recognised_by_whatever_name_it_comes_back() {
    let home = Home::with_account().await;
    let old = scope("INBOX", "1");
    receive(&home, &old, &[(stable("1", "s"), b"x"), (arrival("2"), b"y"), (arrival("2b"), b"y")]).await;
    assert_eq!(retain(&home, ALL).await, 3);
    // A new generation of the folder, another label, the same id once more, a new number within one checkpoint.
    let new = scope("INBOX", "2");
    receive(&home, &new, &[(arrival("7"), b"x"), (arrival("8"), b"y"), (arrival("9"), b"y")]).await;
    receive(&home, &scope("Archive", "1"), &[(stable("4", "s"), b"x")]).await;
    receive(&home, &old, &[(stable("1", "s"), b"x")]).await;
    let intake = home.intake();
    assert_eq!(intake.recognise(scope("Work", "1"), vec![stable("5", "s")]).await.unwrap(), [true]);
    intake.removed(new.clone(), ids(&["8"])).await.unwrap();
    deliver(&intake, &new, arrival("10"), b"y").await;
    intake.checkpoint(new.clone(), Vec::new()).await.unwrap();
    assert!(home.messages().await.is_empty(), "nothing is stored again");
    // Another message is another message, also under the same stable id; and so is one copy more.
    receive(&home, &new, &[(stable("11", "s"), b"z"), (arrival("12"), b"y")]).await;
    assert_eq!(home.bodies().await, [b"z", b"y"]);
    assert_eq!(home.check().await, "");
}

#[tokio::test]
async fn whole_octets_of_what_was_a_header_section_are_news() {
    let home = Home::with_account().await;
    let inbox = scope("INBOX", "1");
    receive(&home, &inbox, &[(Arrival { part: Part::Headers, ..arrival("1") }, b"Subject: x\r\n\r\n")]).await;
    retain(&home, ALL).await;
    receive(&home, &inbox, &[(arrival("1"), b"Subject: x\r\n\r\nwhole")]).await;
    assert_eq!(home.bodies().await, [b"Subject: x\r\n\r\nwhole"]);
    let counts = home.store.counts(AccountId(1)).await.unwrap();
    assert_eq!((counts.messages, counts.removed), (1, 0));
    assert_eq!(home.check().await, "");
}

#[tokio::test]
async fn it_may_still_be_deleted_on_the_server() {
    let home = Home::with_account().await;
    let inbox = scope("INBOX", "1");
    receive(&home, &inbox, &[(arrival("1"), b"x")]).await;
    retain(&home, ALL).await;
    let expendable = home.intake().expendable(inbox, None, 9, Timestamp(u64::MAX)).await.unwrap();
    assert_eq!(expendable.ids, ["1"], "it was durable, and nobody wants it any more");
}

#[tokio::test]
async fn it_is_forgotten_long_after_the_server_has_it_no_more() {
    let home = Home::with_account().await;
    let inbox = scope("INBOX", "1");
    receive(&home, &inbox, &[(arrival("1"), b"x"), (arrival("2"), b"y")]).await;
    retain(&home, ALL).await;
    let intake = home.intake();
    intake.removed(inbox.clone(), ids(&["1"])).await.unwrap();
    intake.checkpoint(inbox.clone(), Vec::new()).await.unwrap();
    let at = async |days: u64| {
        let now = Timestamp(Timestamp::now().0 + days * DAY);
        home.store.retain(AccountId(1), ALL, now).await.unwrap().forgotten
    };
    assert_eq!((at(89).await, at(91).await, at(1_000).await), (0, 1, 0));
    assert_eq!(home.store.counts(AccountId(1)).await.unwrap().removed, 1);
    assert_eq!(home.intake().unseen(inbox, ids(&["1", "2"])).await.unwrap(), ["1"]);
    assert_eq!(home.check().await, "");
}

/// The battery of a machine is empty: it starts in 1970, until it hears what time it is.
#[tokio::test]
async fn a_clock_that_was_set_back_makes_no_mail_look_old() {
    let home = Home::with_account().await;
    let inbox = scope("INBOX", "1");
    receive(&home, &inbox, &[(arrival("1"), b"x")]).await;
    assert_eq!(home.store.status().await.unwrap().clock_behind_millis, None);
    // The latest mail came at noon of tomorrow: today the clock stands a day before it.
    let tomorrow = Timestamp(Timestamp::now().0 + DAY);
    let work = move |tx: &mut crate::store::transaction::Transaction<'_>| {
        let head = HeadRecord { latest: tomorrow, ..tx.head()? };
        tx.write(crate::store::layout::HEAD_KEY.to_vec(), &head)
    };
    home.store.shared.commit(work, None).await.unwrap();
    receive(&home, &inbox, &[(arrival("2"), b"y")]).await;
    let home = home.reopen().await;
    let stored: Vec<_> = home.messages().await.iter().map(|message| message.stored).collect();
    assert_eq!(stored[1], tomorrow, "{stored:?}");
    let behind = home.store.status().await.unwrap().clock_behind_millis.unwrap();
    assert!(behind > DAY - 600_000 && behind <= DAY, "{behind}");
    // Set right again, it is not older than it is: what came while the clock was wrong is not taken for last year's.
    assert_eq!(retain(&home, Retention { stored_before: tomorrow, ..ALL }).await, 1);
    assert_eq!(home.bodies().await, [b"y"]);
    assert_eq!(home.check().await, "");
}

/// A look begins at the first message that has octets, and once a day at the first of all.
#[tokio::test]
async fn what_is_given_up_is_not_looked_at_again_and_again() {
    let home = Home::with_account().await;
    let inbox = scope("INBOX", "1");
    for id in ["1", "2", "3", "4"] {
        receive(&home, &inbox, &[(arrival(id), id.as_bytes())]).await;
    }
    let swept = async |home: &Home| home.store.documents("store/swept").await.unwrap();
    assert_eq!(retain(&home, Retention { up_to: 2, ..ALL }).await, 2);
    let before = swept(&home).await;
    assert_eq!((before.len(), before[0].1[0]), (1, 3), "the first with octets: {before:?}");
    assert_eq!(retain(&home, Retention { up_to: 2, ..ALL }).await, 0);
    assert_eq!(swept(&home).await, before, "nothing is written where nothing is new");
    assert_eq!(retain(&home, ALL).await, 2);
    receive(&home, &inbox, &[(arrival("5"), b"5")]).await;
    assert_eq!(retain(&home, ALL).await, 1);
    assert_eq!(swept(&home).await[0].1[0], 6);
    home.store.remove_account(AccountId(1)).await.unwrap();
    assert!(swept(&home).await.is_empty());
    assert_eq!(home.check().await, "");
}

#[tokio::test]
async fn a_head_of_before_is_read() {
    let head = <HeadRecord as Record>::decode(&[1, 3, 4, 5, 6, 7]).unwrap();
    assert_eq!((head.commit, head.documents, head.latest), (3, 7, Timestamp(0)));
}

#[tokio::test]
async fn a_record_of_counts_of_before_is_read() {
    let before = [1, 3, 1, 2, 4, 5, 6, 7];
    let counts = <CountsRecord as Record>::decode(&before).unwrap();
    assert_eq!((counts.messages, counts.state_keys, counts.removed), (3, 7, 0));
}

/// Waves of mail of which only the last is kept: the disk holds what is alive, whatever has passed through.
#[tokio::test(flavor = "multi_thread")]
async fn disk_use_follows_what_is_alive() {
    const WAVE: u64 = 500;
    let messages = if std::env::var_os("POSTRIDER_SOAK_ROUNDS").is_some() { 100_000 } else { MESSAGES };
    let home = Home::with_account().await;
    let inbox = scope("INBOX", "1");
    let (mut largest, mut passed) = (0, 0);
    for wave in 0..messages / WAVE {
        let intake = home.intake();
        for at in 0..WAVE {
            let id = wave * WAVE + at;
            let octets = id.to_string().repeat(300 + (id % 700) as usize);
            passed += octets.len() as u64;
            deliver(&intake, &inbox, arrival(&id.to_string()), octets.as_bytes()).await;
        }
        intake.checkpoint(inbox.clone(), Vec::new()).await.unwrap();
        let up_to = (*home.store.watermark().borrow()).saturating_sub(WAVE);
        retain(&home, Retention { up_to, ..ALL }).await;
        home.store.compact_if_worth().await.unwrap();
        largest = largest.max(home.store.status().await.unwrap().spool_octets);
    }
    let counts = home.store.counts(AccountId(1)).await.unwrap();
    assert_eq!((counts.messages, counts.removed), (WAVE, messages - WAVE));
    // Two waves are alive before the first of them goes; half of the rest may be garbage, and some segments are being filled.
    let bound = counts.octets * 6 + (1 << 20);
    println!("{passed} octets passed through, {} are alive, the spool took {largest} at most", counts.octets);
    assert!(largest < bound, "{largest} octets on disk, {} alive", counts.octets);
    assert_eq!(home.check().await, "");
}
