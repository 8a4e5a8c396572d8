//! Accounts, the vault, documents.

use super::*;
use crate::secret::Secret;
use crate::store::layout::kind;

#[tokio::test]
async fn accounts_and_secrets_come_back() {
    let home = Home::new().await;
    let id = home.store.next_account_id().await.unwrap();
    let secrets = vec![("receive".to_owned(), Secret::new("correct horse")), ("send".to_owned(), Secret::new("battery staple"))];
    home.store.put_account(account(id.0, "help"), secrets).await.unwrap();
    home.store.put_secret(id, "send", Secret::new("")).await.unwrap();
    let home = home.reopen().await;
    assert_eq!(home.store.account(&"help".parse().unwrap()).await.unwrap(), Some(account(id.0, "help")));
    assert_eq!(home.store.secret(id, "receive").await.unwrap(), Some(Secret::new("correct horse")));
    assert_eq!(home.store.secret(id, "send").await.unwrap(), None);
    assert_eq!(home.check().await, "");
    assert!(matches!(home.store.put_secret(AccountId(99), "x", Secret::new("y")).await, Err(Error::NoAccount(_))));
}

#[tokio::test]
async fn a_name_has_one_account_and_can_be_given_up() {
    let home = Home::with_account().await;
    assert!(matches!(home.store.put_account(account(2, "help"), Vec::new()).await, Err(Error::NameTaken(_))));
    home.store.put_account(account(1, "support"), Vec::new()).await.unwrap();
    home.store.put_account(account(2, "help"), Vec::new()).await.unwrap();
    let names: Vec<_> = home.store.accounts().await.unwrap().into_iter().map(|account| (account.id.0, account.name.to_string())).collect();
    assert_eq!(names, [(2, "help".to_owned()), (1, "support".to_owned())]);
    // Two at once: one of them gets it.
    let (one, other) =
        tokio::join!(home.store.put_account(account(3, "new"), Vec::new()), home.store.put_account(account(4, "new"), Vec::new()));
    assert!(one.is_ok() != other.is_ok());
    assert_eq!(home.check().await, "");
}

#[tokio::test]
async fn numbers_are_never_given_again() {
    let home = Home::new().await;
    let first = home.store.next_account_id().await.unwrap();
    home.store.put_account(account(first.0, "help"), Vec::new()).await.unwrap();
    home.store.remove_account(first).await.unwrap();
    let home = home.reopen().await;
    assert!(home.store.next_account_id().await.unwrap() > first);
}

#[tokio::test]
async fn a_removed_account_leaves_nothing() {
    let home = Home::with_account().await;
    home.store.put_account(account(2, "other"), vec![("receive".to_owned(), Secret::new("battery staple"))]).await.unwrap();
    for account in [1, 2] {
        let intake = home.store.intake(AccountId(account));
        for id in 0..30 {
            let octets = format!("From: a{id}@example.com\r\nTo: b@example.com\r\n\r\n{id}");
            let arrival = Arrival { thread: Some("t".to_owned()), ..stable(&id.to_string(), &format!("s{id}")) };
            deliver(&intake, &scope("INBOX", "1"), arrival, octets.as_bytes()).await;
        }
        intake.state_put("k".to_owned(), Some(vec![1])).await.unwrap();
        intake.checkpoint(scope("INBOX", "1"), vec![1]).await.unwrap();
    }
    let gone = home.messages().await[0].message;
    home.store.remove_account(AccountId(1)).await.unwrap();
    assert!(home.store.message(gone).await.unwrap().is_none());
    assert_eq!(home.messages().await.len(), 30);
    assert_eq!(home.store.messages_with_address(None, "b@example.com", None, 100).await.unwrap().messages.len(), 30);
    let open = home.store.shared.open().unwrap();
    let left: Vec<_> = open.records.scan(&[], &[]).map(|raw| raw.unwrap().0).filter(|key| key[1..].starts_with(&[0, 0, 0, 1])).collect();
    assert!(left.is_empty(), "{left:?}");
    drop(open);
    assert_eq!(home.check().await, "");
    assert!(matches!(home.store.remove_account(AccountId(1)).await, Err(Error::NoAccount(_))));
}

#[tokio::test]
async fn a_removal_that_was_cut_off_goes_on() {
    let home = Home::with_account().await;
    let intake = home.intake();
    for id in 0..50 {
        deliver(&intake, &scope("INBOX", "1"), arrival(&id.to_string()), &[id]).await;
    }
    intake.checkpoint(scope("INBOX", "1"), Vec::new()).await.unwrap();
    drop(intake);
    // What the first commit of a removal leaves, when the process dies behind it.
    let cut_off = |tx: &mut crate::store::transaction::Transaction<'_>| crate::store::accounts::remove_account(tx, AccountId(1));
    home.store.shared.commit(cut_off, None).await.unwrap();
    assert_eq!(home.check().await, "", "half-removed is no damage");
    let home = home.reopen().await;
    assert!(home.store.accounts().await.unwrap().is_empty());
    let open = home.store.shared.open().unwrap();
    let rest: Vec<_> = open.records.scan(&[], &[]).map(|raw| raw.unwrap().0).filter(|key| key[0] != kind::HEAD).collect();
    assert!(rest.is_empty(), "{rest:?}");
}

#[tokio::test]
async fn documents_come_back() {
    let home = Home::new().await;
    for (key, octets) in [("b", "2"), ("a", "1"), ("a", "one")] {
        home.store.put_document("sink", key, octets.as_bytes()).await.unwrap();
    }
    home.store.put_document("other", "a", b"apart").await.unwrap();
    let sink = "crm".parse().unwrap();
    assert_eq!(home.store.sink_position(&sink).await.unwrap(), 0);
    // Large enough for a file of its own in the tree's folder.
    let large = vec![7; 1 << 20];
    home.store.put_document("large", "a", &large).await.unwrap();
    home.store.put_sink_position(&sink, 7).await.unwrap();
    let home = home.reopen().await;
    assert_eq!(home.store.documents("sink").await.unwrap(), [("a".to_owned(), b"one".to_vec()), ("b".to_owned(), b"2".to_vec())]);
    assert_eq!(home.store.sink_position(&sink).await.unwrap(), 7);
    assert_eq!(home.store.document("large", "a").await.unwrap(), Some(large));
    home.store.remove_sink_position(&sink).await.unwrap();
    home.store.remove_document("sink", "a").await.unwrap();
    home.store.remove_document("sink", "never there").await.unwrap();
    assert_eq!(home.store.document("sink", "a").await.unwrap(), None);
    assert_eq!(home.store.document("other", "a").await.unwrap().as_deref(), Some(b"apart".as_slice()));
    assert!(matches!(home.store.put_document("sink", "x", &vec![0; (1 << 20) + 1]).await, Err(Error::TooLarge { .. })));
    assert_eq!(home.check().await, "");
}
