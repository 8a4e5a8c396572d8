//! No call of the store waits on a thread of the run-time.

use super::*;
use crate::fault::{Fault, Kind};
use crate::secret::Secret;
use crate::store::failpoint::armed::waited;
use crate::store::{NewKey, Retention, restore};

/// Do `work`, and see that this thread, which is all of the run-time, waited for nothing meanwhile.
async fn without_waiting<T>(what: &str, work: impl Future<Output = T>) -> T {
    let before = waited();
    let done = work.await;
    assert_eq!(waited() - before, 0, "{what} waits on a thread of the run-time");
    done
}

async fn receive(intake: &Intake, inbox: &Scope) {
    deliver(intake, inbox, stable("1", "s"), &[1; 200_000]).await;
    intake.set_aside(inbox.clone(), arrival("2"), Fault::new(Kind::Gone, "x")).await.unwrap();
    let changed = crate::model::message::Change { id: "1".to_owned(), folders: ids(&["INBOX"]), keywords: ids(&["$Seen"]) };
    intake.changed(inbox.clone(), vec![changed]).await.unwrap();
    intake.recognise(scope("other", "1"), vec![stable("9", "s")]).await.unwrap();
    intake.unseen(inbox.clone(), ids(&["1", "8"])).await.unwrap();
    intake.known(inbox.clone(), None, 10).await.unwrap();
    intake.expendable(inbox.clone(), None, 10, Timestamp(u64::MAX)).await.unwrap();
    intake.state_put("k".to_owned(), Some(vec![1])).await.unwrap();
    intake.state_get("j".to_owned()).await.unwrap();
    intake.removed(inbox.clone(), ids(&["2"])).await.unwrap();
    intake.retired(scope("INBOX", "0")).await.unwrap();
    intake.checkpoint(inbox.clone(), vec![1]).await.unwrap();
}

async fn read(store: &Store) {
    let message = store.messages(None, 0, 9).await.unwrap()[0].message;
    store.messages_newest_first(None, None, 9).await.unwrap();
    store.messages_with_address(None, "a@example.com", None, 9).await.unwrap();
    store.message(message).await.unwrap();
    body(store, message).await.unwrap();
    store.body(message).await.unwrap().unwrap().seek(100_000);
    store.folders(AccountId(1)).await.unwrap();
    store.cursor(AccountId(1), Some("INBOX")).await.unwrap();
    store.counts(AccountId(1)).await.unwrap();
    store.count_after(&[], 0).await.unwrap();
    store.accounts().await.unwrap();
    store.secret(AccountId(1), "receive").await.unwrap();
    store.documents("sink").await.unwrap();
    store.status().await.unwrap();
    store.key_state().await.unwrap();
}

async fn back_up(store: &Store) -> Vec<u8> {
    let (sender, mut pieces) = tokio::sync::mpsc::channel(1);
    let making = tokio::spawn({
        let store = store.clone();
        async move { store.backup(sender).await }
    });
    let mut octets = Vec::new();
    while let Some(piece) = pieces.recv().await {
        octets.extend_from_slice(&piece);
    }
    making.await.unwrap().unwrap();
    octets
}

#[tokio::test]
async fn no_call_waits_on_a_thread_of_the_run_time() {
    let folder = tempfile::tempdir().unwrap();
    let store = without_waiting("open", open(folder.path())).await.unwrap();
    without_waiting("put_account", store.put_account(account(1, "help"), Vec::new())).await.unwrap();
    without_waiting("put_secret", store.put_secret(AccountId(1), "receive", Secret::new("x"))).await.unwrap();
    without_waiting("put_document", store.put_document("sink", "crm", b"x")).await.unwrap();
    let intake = store.intake(AccountId(1));
    without_waiting("a session", Box::pin(receive(&intake, &scope("INBOX", "1")))).await;
    without_waiting("reading", read(&store)).await;
    without_waiting("check", store.check(|_| {})).await.unwrap();
    without_waiting("repair", store.repair(true, |_| {})).await.unwrap();
    without_waiting("rotate", Box::pin(store.rotate(|_| {}))).await.unwrap();
    without_waiting("compact", store.compact()).await.unwrap();
    without_waiting("compact_if_worth", store.compact_if_worth()).await.unwrap();
    without_waiting("rekey", store.rekey(NewKey::Passphrase(Secret::new("correct horse")))).await.unwrap();
    without_waiting("rekey", store.rekey(NewKey::File(folder.path().join("master.key")))).await.unwrap();
    without_waiting("make_recovery_key", store.make_recovery_key()).await.unwrap();
    let backup = without_waiting("backup", back_up(&store)).await;
    let all = Retention { stored_before: Timestamp(u64::MAX), up_to: u64::MAX };
    without_waiting("retain", store.retain(AccountId(1), all, Timestamp::now())).await.unwrap();
    without_waiting("remove_account", store.remove_account(AccountId(1))).await.unwrap();
    drop(intake);
    without_waiting("close", store.close()).await.unwrap();
    let file = folder.path().join("backup");
    std::fs::write(&file, backup).unwrap();
    let key = KeySource::File(folder.path().join("master.key"));
    without_waiting("restore", restore(&file, &folder.path().join("restored"), key)).await.unwrap();
}
