//! What a component may have the store keep in memory, and that what it overdoes is its own failure.

use super::*;
use crate::fault::{Fault, Kind};
use crate::model::message::Change;

/// As much text as may be said of one message.
fn labels() -> Vec<String> {
    vec!["x".repeat(500); 500]
}

fn is_full(refused: &Result<(), Error>) -> bool {
    matches!(refused, Err(Error::TooLarge { what: "further ids, labels and values before the checkpoint", .. }))
}

#[tokio::test]
async fn what_waits_for_a_checkpoint_is_bounded_whatever_it_is() {
    let home = Home::with_account().await;
    let inbox = scope("INBOX", "1");
    // 80 MB at 250 KB or 64 KiB each.
    let most = (8 << 10) * 10_000 / 250_000 + 2;
    for what in ["set aside", "changed", "recognised"] {
        let intake = home.intake();
        deliver(&intake, &inbox, stable("1", "s"), b"x").await;
        intake.checkpoint(inbox.clone(), Vec::new()).await.unwrap();
        let mut refused = Ok(());
        let mut calls = 0;
        while refused.is_ok() && calls <= most {
            calls += 1;
            let id = calls.to_string();
            refused = match what {
                "set aside" => {
                    let arrival = Arrival { keywords: labels(), ..arrival(&id) };
                    intake.set_aside(inbox.clone(), arrival, Fault::new(Kind::Gone, "x")).await
                }
                "changed" => intake.changed(inbox.clone(), vec![Change { id, folders: Vec::new(), keywords: labels() }]).await,
                _ => intake.recognise(inbox.clone(), vec![Arrival { keywords: labels(), ..stable(&id, "s") }]).await.map(drop),
            };
        }
        assert!(is_full(&refused), "{what}: {refused:?} after {calls} calls");
    }
    let intake = home.intake();
    let mut refused = Ok(());
    for _ in 0..(8 << 10) * 10_000 / (64 << 10) + 2 {
        refused = intake.state_put("k".to_owned(), Some(vec![0; 64 << 10])).await;
        if refused.is_err() {
            break;
        }
    }
    assert!(is_full(&refused), "{refused:?}");
    assert_eq!(home.check().await, "");
}

#[tokio::test]
async fn a_delivery_whose_write_was_given_up_is_over() {
    let home = Home::with_account().await;
    let intake = home.intake();
    let mut delivery = intake.begin(scope("INBOX", "1"), arrival("1")).await.unwrap();
    let spool = std::sync::Arc::clone(&home.store.shared.open().unwrap().spool);
    let held = spool.hold_up().await;
    let octets = Bytes::from(vec![1; 100_000]);
    tokio::time::timeout(std::time::Duration::from_millis(10), delivery.write(octets.clone())).await.expect_err("it waits for the disk");
    drop(held);
    assert!(matches!(delivery.write(octets).await, Err(Error::Bug { .. })), "the first chunk is lost");
    assert!(matches!(delivery.finish().await, Err(Error::Bug { .. })));
    deliver(&intake, &scope("INBOX", "1"), arrival("2"), b"x").await;
    intake.checkpoint(scope("INBOX", "1"), Vec::new()).await.unwrap();
    assert_eq!((home.bodies().await, home.check().await), (vec![b"x".to_vec()], String::new()));
}

#[tokio::test]
async fn a_record_that_grows_too_long_is_the_failure_of_who_wrote_it() {
    let home = Home::with_account().await;
    home.store.put_account(account(2, "other"), Vec::new()).await.unwrap();
    let intake = home.intake();
    // One message in forty places, with a quarter of a megabyte of keywords in each.
    for at in 0..40 {
        let arrival = Arrival { keywords: labels(), ..stable(&at.to_string(), "s") };
        deliver(&intake, &scope(&at.to_string(), "1"), arrival, b"x").await;
    }
    let refused = intake.checkpoint(scope("0", "1"), Vec::new()).await;
    let Err(Error::Shared(refused)) = refused else { panic!("{refused:?}") };
    assert!(matches!(*refused, Error::TooLarge { what: "a record", .. }), "{refused:?}");
    let other = home.store.intake(AccountId(2));
    deliver(&other, &scope("INBOX", "1"), arrival("1"), b"y").await;
    other.checkpoint(scope("INBOX", "1"), Vec::new()).await.unwrap();
    assert_eq!(home.bodies().await, [b"y"]);
    assert_eq!(home.check().await, "");
}
