//! What a session hands over, and when it is there.

use super::*;
use crate::fault::{Fault, Kind};
use crate::model::message::{Change, Content};

#[tokio::test]
async fn a_message_is_there_after_its_checkpoint_and_after_a_restart() {
    let home = Home::with_account().await;
    let (intake, inbox) = (home.intake(), scope("INBOX", "1"));
    let octets = b"From: a@example.com\r\nTo: b@example.com\r\nSubject: hello\r\n\r\nworld\r\n";
    assert_eq!(intake.unseen(inbox.clone(), ids(&["1", "2"])).await.unwrap(), ["1", "2"]);
    assert_eq!(deliver(&intake, &inbox, arrival("1"), octets).await, Delivered::Stored);
    assert_eq!(intake.unseen(inbox.clone(), ids(&["1", "2"])).await.unwrap(), ["2"]);
    assert!(home.store.messages(None, 0, 10).await.unwrap().is_empty(), "staged is not stored");
    intake.checkpoint(inbox.clone(), b"cursor".to_vec()).await.unwrap();

    let home = home.reopen().await;
    let found = home.store.messages(None, 0, 10).await.unwrap();
    assert_eq!(found.len(), 1);
    let summary = &found[0];
    assert_eq!((summary.subject.as_deref(), summary.from.as_slice()), (Some("hello"), ids(&["a@example.com"]).as_slice()));
    assert_eq!(summary.content, Content::Whole { size: octets.len() as u64 });
    assert_eq!(summary.locations[0].scope, inbox);
    assert_eq!(*home.store.watermark().borrow(), summary.sequence);
    assert_eq!(body(&home.store, summary.message).await.unwrap(), octets);
    assert_eq!(home.store.message(summary.message).await.unwrap().as_ref(), Some(summary));
    assert_eq!(home.store.cursor(AccountId(1), Some("INBOX")).await.unwrap().as_deref(), Some(b"cursor".as_slice()));
    let folders = home.store.folders(AccountId(1)).await.unwrap();
    assert_eq!((folders.len(), folders[0].messages, folders[0].cursor_octets), (1, 1, 6));
    assert_eq!(home.check().await, "");
}

#[tokio::test]
async fn an_intake_dropped_before_its_checkpoint_leaves_nothing() {
    let home = Home::with_account().await;
    let inbox = scope("INBOX", "1");
    let intake = home.intake();
    deliver(&intake, &inbox, arrival("1"), b"staged").await;
    intake.state_put("k".to_owned(), Some(b"v".to_vec())).await.unwrap();
    assert_eq!(intake.state_get("k".to_owned()).await.unwrap().as_deref(), Some(b"v".as_slice()));
    let mut half = intake.begin(inbox.clone(), arrival("2")).await.unwrap();
    half.write(Bytes::from_static(b"half")).await.unwrap();
    drop(half);
    drop(intake);
    let next = home.intake();
    assert_eq!(next.unseen(inbox.clone(), ids(&["1", "2"])).await.unwrap(), ["1", "2"]);
    assert_eq!(next.state_get("k".to_owned()).await.unwrap(), None);
    next.checkpoint(inbox, Vec::new()).await.unwrap();
    assert_eq!(home.bodies().await, Vec::<Vec<u8>>::new());
    assert_eq!(home.check().await, "");
}

#[tokio::test]
async fn what_is_set_aside_counts_as_had_and_may_still_come() {
    let home = Home::with_account().await;
    let (intake, inbox) = (home.intake(), scope("INBOX", "1"));
    let reason = Fault::new(Kind::Malformed, "read message 7").with_words("out of range");
    intake.set_aside(inbox.clone(), arrival("7"), reason).await.unwrap();
    assert!(intake.unseen(inbox.clone(), ids(&["7"])).await.unwrap().is_empty());
    intake.checkpoint(inbox.clone(), Vec::new()).await.unwrap();
    let aside = home.store.messages(None, 0, 10).await.unwrap().remove(0);
    assert!(matches!(&aside.content, Content::SetAside { reason } if reason.contains("out of range")));
    assert!(matches!(home.store.body(aside.message).await, Err(Error::NoOctets(_))));
    assert_eq!(home.store.counts(AccountId(1)).await.unwrap().set_aside, 1);
    let expendable = intake.expendable(inbox.clone(), None, 10, Timestamp(u64::MAX)).await.unwrap();
    assert!(expendable.ids.is_empty());

    deliver(&intake, &inbox, arrival("7"), b"at last").await;
    intake.checkpoint(inbox.clone(), Vec::new()).await.unwrap();
    let whole = home.store.messages(None, 0, 10).await.unwrap();
    assert_eq!((whole.len(), whole[0].message), (1, aside.message));
    assert!(whole[0].sequence > aside.sequence, "sinks see it anew");
    let counts = home.store.counts(AccountId(1)).await.unwrap();
    assert_eq!((counts.messages, counts.octets, counts.set_aside), (1, 7, 0));
    assert_eq!(intake.expendable(inbox, None, 10, Timestamp(u64::MAX)).await.unwrap().ids, ["7"]);
    assert_eq!(home.check().await, "");
}

#[tokio::test]
async fn pages_stay_good_when_ids_of_earlier_ones_go() {
    let home = Home::with_account().await;
    let (intake, inbox) = (home.intake(), scope("INBOX", "1"));
    let all: Vec<String> = (0..25).map(|id| id.to_string()).collect();
    for (at, id) in all.iter().enumerate() {
        deliver(&intake, &inbox, arrival(id), id.as_bytes()).await;
        if at == 12 {
            intake.checkpoint(inbox.clone(), Vec::new()).await.unwrap();
        }
    }
    let (mut seen, mut after) = (Vec::new(), None);
    loop {
        let page = intake.known(inbox.clone(), after, 4).await.unwrap();
        assert!(page.ids.len() <= 4);
        intake.removed(inbox.clone(), page.ids.clone()).await.unwrap();
        seen.extend(page.ids);
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    seen.sort_by_key(|id| id.parse::<u32>().unwrap());
    assert_eq!(seen, all);
    assert!(intake.known(inbox.clone(), None, 100).await.unwrap().ids.is_empty());
    intake.checkpoint(inbox.clone(), Vec::new()).await.unwrap();
    assert!(intake.known(inbox.clone(), None, 100).await.unwrap().ids.is_empty());
    assert_eq!(home.bodies().await.len(), 25, "what is stored stays");
    assert!(matches!(intake.known(inbox, Some("zz".to_owned()), 1).await, Err(Error::Unfit { .. })));
    assert_eq!(home.check().await, "");
}

#[tokio::test]
async fn changes_reach_the_record() {
    let home = Home::with_account().await;
    let (intake, inbox) = (home.intake(), scope("INBOX", "1"));
    deliver(&intake, &inbox, arrival("1"), b"x").await;
    let seen = Change { id: "1".to_owned(), folders: ids(&["INBOX"]), keywords: ids(&["\\Seen"]) };
    let unknown = Change { id: "9".to_owned(), ..seen.clone() };
    intake.changed(inbox.clone(), vec![seen, unknown]).await.unwrap();
    intake.checkpoint(inbox, Vec::new()).await.unwrap();
    assert_eq!(home.store.messages(None, 0, 1).await.unwrap()[0].locations[0].keywords, ["\\Seen"]);
}

#[tokio::test]
async fn a_failed_checkpoint_ends_the_session() {
    let home = Home::with_account().await;
    let (intake, inbox) = (home.intake(), scope("INBOX", "1"));
    deliver(&intake, &inbox, arrival("1"), b"x").await;
    home.store.remove_account(AccountId(1)).await.unwrap();
    assert!(intake.checkpoint(inbox.clone(), Vec::new()).await.is_err());
    // A later cursor must not skip what was lost.
    assert!(matches!(intake.checkpoint(inbox, Vec::new()).await, Err(Error::SessionFailed { .. })));
    assert_eq!(home.check().await, "");
}

#[tokio::test]
async fn only_old_and_durable_messages_are_expendable() {
    let home = Home::with_account().await;
    let (intake, inbox) = (home.intake(), scope("INBOX", "1"));
    deliver(&intake, &inbox, arrival("1"), b"x").await;
    deliver(&intake, &inbox, Arrival { part: Part::Headers, ..arrival("2") }, b"Subject: x\r\n\r\n").await;
    let list = async |before| intake.expendable(inbox.clone(), None, 10, before).await.unwrap().ids;
    assert!(list(Timestamp(u64::MAX)).await.is_empty(), "staged only");
    intake.checkpoint(inbox.clone(), Vec::new()).await.unwrap();
    assert_eq!(list(Timestamp(u64::MAX)).await, ["1"]);
    assert!(list(Timestamp(1)).await.is_empty(), "too young");
    intake.removed(inbox.clone(), ids(&["1"])).await.unwrap();
    assert!(list(Timestamp(u64::MAX)).await.is_empty());
}

#[tokio::test]
async fn limits_hold() {
    let home = Home::new().await;
    let mut limited = account(1, "help");
    let mut limits = crate::limits::Overrides::default();
    limits.set("message-octets", "100000").unwrap();
    limits.set("messages-per-checkpoint", "3").unwrap();
    limited.receive = Some(role(limits));
    home.store.put_account(limited, Vec::new()).await.unwrap();
    let (intake, inbox) = (home.intake(), scope("INBOX", "1"));
    let too_large = |error| matches!(error, Error::TooLarge { .. });
    assert!(intake.begin(inbox.clone(), arrival("")).await.is_err());
    assert!(intake.begin(inbox.clone(), arrival(&"x".repeat(513))).await.err().is_some_and(too_large));
    let mut delivery = intake.begin(inbox.clone(), arrival("1")).await.unwrap();
    delivery.write(Bytes::from(vec![0; 60_000])).await.unwrap();
    assert!(delivery.write(Bytes::from(vec![0; 60_000])).await.err().is_some_and(too_large));
    assert!(intake.begin(inbox.clone(), arrival("2")).await.is_ok());
    assert!(intake.begin(inbox.clone(), arrival("3")).await.is_ok());
    assert!(intake.begin(inbox.clone(), arrival("4")).await.err().is_some_and(too_large));
    assert!(intake.unseen(inbox.clone(), vec!["1".to_owned(); 10_001]).await.err().is_some_and(too_large));
    assert!(intake.checkpoint(inbox.clone(), vec![0; 65_537]).await.err().is_some_and(too_large));
    assert!(intake.state_put("k".to_owned(), Some(vec![0; 65_537])).await.err().is_some_and(too_large));

    home.store.put_account(account(2, "state"), Vec::new()).await.unwrap();
    let intake = home.store.intake(AccountId(2));
    for key in 0..1_001 {
        intake.state_put(key.to_string(), Some(Vec::new())).await.unwrap();
    }
    assert!(intake.checkpoint(inbox, Vec::new()).await.is_err());
}

fn role(limits: crate::limits::Overrides) -> crate::model::account::Role {
    use crate::model::endpoint::{Endpoint, Held, Protocol, Security, Timeouts, Trust};
    let endpoint = Endpoint {
        protocol: Protocol::Imap,
        server: "mail.example.com".to_owned(),
        port: 993,
        security: Security::Tls,
        user: Some("help@example.com".to_owned()),
        trust: Trust::default(),
        proxy: None,
        auth: None,
        local_address: None,
        networks: Vec::new(),
        quirks: Vec::new(),
        timeouts: Timeouts::default(),
        held: Held::default(),
    };
    crate::model::account::Role {
        connector: "imap".parse().unwrap(),
        endpoint,
        settings: "{}".to_owned(),
        folders: Vec::new(),
        limits,
        leave_copy: crate::model::account::LeaveCopy::No,
        same_credentials: false,
        origins: Vec::new(),
    }
}
