//! When an arrival is a message that is here, and when it is not.

use super::*;

/// Deliver messages named by id and octets, and checkpoint.
async fn receive(home: &Home, scope: &Scope, messages: &[(&str, &str)]) -> Vec<Delivered> {
    let intake = home.intake();
    let mut delivered = Vec::new();
    for (id, octets) in messages {
        delivered.push(deliver(&intake, scope, arrival(id), octets.as_bytes()).await);
    }
    intake.checkpoint(scope.clone(), Vec::new()).await.unwrap();
    delivered
}

#[tokio::test]
async fn a_new_generation_stores_nothing_twice() {
    let home = Home::with_account().await;
    let (old, new) = (scope("INBOX", "1"), scope("INBOX", "2"));
    receive(&home, &old, &[("1", "a"), ("2", "b"), ("3", "b")]).await;
    let before = home.messages().await;
    let delivered = receive(&home, &new, &[("11", "b"), ("12", "a"), ("13", "c"), ("14", "b"), ("15", "b")]).await;
    use Delivered::{Adopted, Stored};
    assert_eq!(delivered[..3], [Adopted, Adopted, Stored]);
    let after = home.messages().await;
    // Two copies of `b` pair with two, the third is another message.
    assert_eq!(after.len(), 5);
    assert_eq!(after[..3].iter().map(|message| message.sequence).collect::<Vec<_>>(), [1, 2, 3], "sinks see nothing again");
    assert_eq!(
        after[..3].iter().map(|message| message.message).collect::<Vec<_>>(),
        before.iter().map(|message| message.message).collect::<Vec<_>>()
    );
    assert!(after[..3].iter().all(|message| message.locations.len() == 2));

    let intake = home.intake();
    intake.retired(old.clone()).await.unwrap();
    intake.checkpoint(new.clone(), Vec::new()).await.unwrap();
    assert!(home.messages().await.iter().all(|message| message.locations.len() == 1 && message.locations[0].scope == new));
    assert_eq!(intake.unseen(old, ids(&["1", "2", "3"])).await.unwrap().len(), 3);
    assert_eq!(home.check().await, "");
}

#[tokio::test]
async fn a_generation_change_that_is_cut_off_loses_nothing() {
    let home = Home::with_account().await;
    let (old, new) = (scope("INBOX", "1"), scope("INBOX", "2"));
    receive(&home, &old, &[("1", "a"), ("2", "a"), ("3", "b")]).await;
    receive(&home, &new, &[("11", "a")]).await;
    // The process dies here, with some delivered and not committed.
    let intake = home.intake();
    deliver(&intake, &new, arrival("12"), b"a").await;
    drop(intake);
    let home = home.reopen().await;
    let intake = home.intake();
    assert_eq!(intake.unseen(new.clone(), ids(&["11", "12", "13"])).await.unwrap(), ["12", "13"]);
    assert!(intake.unseen(old.clone(), ids(&["1", "2", "3"])).await.unwrap().is_empty(), "the old generation is still known");
    receive(&home, &new, &[("12", "a"), ("13", "b")]).await;
    assert_eq!(home.messages().await.len(), 3);
    assert!(home.messages().await.iter().all(|message| message.locations.len() == 2));
    assert_eq!(home.check().await, "");
}

#[tokio::test]
async fn equal_octets_in_one_generation_are_two_messages() {
    let home = Home::with_account().await;
    let inbox = scope("INBOX", "1");
    receive(&home, &inbox, &[("1", "a"), ("2", "a")]).await;
    receive(&home, &inbox, &[("3", "a")]).await;
    receive(&home, &scope("Archive", "1"), &[("1", "a")]).await;
    assert_eq!(home.messages().await.len(), 4);
    // One that went and another that came later: two.
    let intake = home.intake();
    intake.removed(inbox.clone(), ids(&["1"])).await.unwrap();
    intake.checkpoint(inbox.clone(), Vec::new()).await.unwrap();
    receive(&home, &inbox, &[("4", "a")]).await;
    assert_eq!(home.messages().await.len(), 5);
    assert_eq!(home.check().await, "");
}

#[tokio::test]
async fn what_is_renumbered_in_one_checkpoint_is_the_same() {
    let home = Home::with_account().await;
    let drop_ = scope("INBOX", "");
    receive(&home, &drop_, &[("u1", "a"), ("u2", "b")]).await;
    let intake = home.intake();
    intake.removed(drop_.clone(), ids(&["u1", "u2"])).await.unwrap();
    assert_eq!(deliver(&intake, &drop_, arrival("v1"), b"a").await, Delivered::Adopted);
    deliver(&intake, &drop_, arrival("v2"), b"a").await;
    intake.checkpoint(drop_.clone(), Vec::new()).await.unwrap();
    let messages = home.messages().await;
    assert_eq!(messages.len(), 3, "one place left takes one arrival");
    assert_eq!(messages[0].locations[0].id, "v1");
    assert_eq!(home.check().await, "");
}

#[tokio::test]
async fn an_identity_that_comes_back_is_the_same_only_with_the_same_octets() {
    let home = Home::with_account().await;
    let inbox = scope("INBOX", "1");
    receive(&home, &inbox, &[("1", "a")]).await;
    let first = home.messages().await[0].message;
    for octets in ["a", "b", "b"] {
        let intake = home.intake();
        intake.removed(inbox.clone(), ids(&["1"])).await.unwrap();
        intake.checkpoint(inbox.clone(), Vec::new()).await.unwrap();
        receive(&home, &inbox, &[("1", octets)]).await;
    }
    let messages = home.messages().await;
    assert_eq!(messages.len(), 2);
    assert_eq!(messages[0].message, first);
    assert_ne!(messages[1].message, first);
    assert_eq!(home.bodies().await, [b"a", b"b"]);
    assert_eq!(home.check().await, "");
}

#[tokio::test]
async fn a_stable_id_recognises_in_other_folders() {
    let home = Home::with_account().await;
    let (inbox, archive) = (scope("INBOX", "1"), scope("Archive", "1"));
    let intake = home.intake();
    assert_eq!(intake.recognise(archive.clone(), vec![stable("5", "e1")]).await.unwrap(), [false]);
    deliver(&intake, &inbox, stable("1", "e1"), b"a").await;
    // Staged is enough: it becomes durable together.
    assert_eq!(
        intake.recognise(archive.clone(), vec![stable("5", "e1"), stable("6", "e2"), arrival("7")]).await.unwrap(),
        [true, false, false]
    );
    assert_eq!(intake.unseen(archive.clone(), ids(&["5", "6"])).await.unwrap(), ["6"]);
    intake.checkpoint(archive.clone(), Vec::new()).await.unwrap();
    assert_eq!(deliver(&intake, &archive, stable("8", "e1"), b"a").await, Delivered::Adopted);
    // The same stable id over other octets: whoever errs, nothing is lost.
    deliver(&intake, &archive, stable("9", "e1"), b"other").await;
    intake.checkpoint(archive.clone(), Vec::new()).await.unwrap();
    let messages = home.messages().await;
    assert_eq!(messages.len(), 2);
    assert_eq!(messages[0].locations.len(), 3);
    assert_eq!(home.check().await, "");
}

#[tokio::test]
async fn a_header_section_is_not_taken_for_the_message() {
    let home = Home::with_account().await;
    let (inbox, intake) = (scope("INBOX", "1"), home.intake());
    let section = b"Subject: x\r\n\r\n";
    deliver(&intake, &inbox, Arrival { part: Part::Headers, ..stable("1", "e1") }, section).await;
    intake.checkpoint(inbox.clone(), Vec::new()).await.unwrap();
    assert_eq!(intake.recognise(scope("A", "1"), vec![stable("1", "e1")]).await.unwrap(), [false], "its body is not here");
    deliver(&intake, &scope("A", "1"), stable("1", "e1"), b"Subject: x\r\n\r\nwhole").await;
    intake.checkpoint(inbox.clone(), Vec::new()).await.unwrap();
    let messages = home.messages().await;
    assert_eq!((messages.len(), messages[0].locations.len()), (1, 2));
    assert_eq!(home.bodies().await, [b"Subject: x\r\n\r\nwhole"]);
    assert_eq!(home.check().await, "");
}

#[tokio::test]
async fn two_sessions_that_bring_the_same_store_it_once() {
    let home = Home::with_account().await;
    let (one, other) = (home.intake(), home.intake());
    let (inbox, archive) = (scope("INBOX", "1"), scope("Archive", "1"));
    deliver(&one, &inbox, stable("1", "e1"), b"a").await;
    deliver(&other, &archive, stable("1", "e1"), b"a").await;
    deliver(&one, &inbox, arrival("2"), b"b").await;
    deliver(&other, &inbox, arrival("2"), b"b").await;
    let (first, second) = tokio::join!(one.checkpoint(inbox, Vec::new()), other.checkpoint(archive, Vec::new()));
    first.unwrap();
    second.unwrap();
    assert_eq!(home.messages().await.len(), 2);
    assert_eq!(home.check().await, "");
}

#[tokio::test]
async fn many_equal_messages_pair_quickly() {
    let home = Home::with_account().await;
    let messages: Vec<String> = (0..300).map(|id| id.to_string()).collect();
    let messages: Vec<(&str, &str)> = messages.iter().map(|id| (id.as_str(), "same")).collect();
    receive(&home, &scope("INBOX", "1"), &messages).await;
    receive(&home, &scope("INBOX", "2"), &messages).await;
    receive(&home, &scope("INBOX", "2"), &[("x", "same")]).await;
    let all = home.messages().await;
    assert_eq!(all.len(), 301);
    assert!(all[..300].iter().all(|message| message.locations.len() == 2));
    assert_eq!(home.check().await, "");
}

#[tokio::test]
async fn a_further_copy_after_the_old_generation_went_is_stored() {
    let home = Home::with_account().await;
    let (old, new) = (scope("INBOX", "1"), scope("INBOX", "2"));
    receive(&home, &old, &[("1", "a")]).await;
    let intake = home.intake();
    deliver(&intake, &new, arrival("11"), b"a").await;
    intake.retired(old).await.unwrap();
    // The message left the old generation, but it stands in the folder: this one is another.
    deliver(&intake, &new, arrival("12"), b"a").await;
    intake.checkpoint(new, Vec::new()).await.unwrap();
    let messages = home.messages().await;
    assert_eq!(messages.iter().map(|message| message.locations[0].id.as_str()).collect::<Vec<_>>(), ["11", "12"]);
    assert_eq!(home.check().await, "");
}
