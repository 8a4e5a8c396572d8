//! What was good once and is put back later, and what is put beside what is there: found, though every seal of it holds.

use std::collections::BTreeMap;

use super::*;
use crate::model::message::Change;
use crate::secret::Secret;
use crate::store::layout::kind;
use crate::store::records::place_of;

async fn filled() -> Home {
    let home = Home::with_account().await;
    let intake = home.intake();
    for at in 0..3_u8 {
        deliver(&intake, &scope("INBOX", "1"), arrival(&at.to_string()), &vec![at; 3_000]).await;
    }
    intake.state_put("k".to_owned(), Some(vec![1])).await.unwrap();
    intake.checkpoint(scope("INBOX", "1"), vec![1]).await.unwrap();
    home.store.put_secret(AccountId(1), "receive", Secret::new("correct horse")).await.unwrap();
    home.store.put_document("sink", "crm", &[b'x'; 9_000]).await.unwrap();
    home
}

/// Everything changes, and nothing becomes more or fewer.
async fn change(home: &Home) {
    let intake = home.intake();
    let change = |id: &str| Change { id: id.to_owned(), folders: ids(&["INBOX"]), keywords: ids(&["$Seen"]) };
    intake.changed(scope("INBOX", "1"), ["0", "1", "2"].map(change).to_vec()).await.unwrap();
    intake.state_put("k".to_owned(), Some(vec![2])).await.unwrap();
    intake.checkpoint(scope("INBOX", "1"), vec![2]).await.unwrap();
    let again = account(1, "help");
    home.store.put_account(again, vec![("receive".to_owned(), Secret::new("wrong horse"))]).await.unwrap();
    home.store.put_document("sink", "crm", &[b'y'; 9_000]).await.unwrap();
}

/// The entries of the tree as they lie: long values in pieces.
fn entries(home: &Home) -> BTreeMap<Vec<u8>, Vec<u8>> {
    home.store.shared.open().unwrap().records.entries()
}

fn tamper(home: &Home, changes: Vec<(Vec<u8>, Option<Vec<u8>>)>) {
    home.store.shared.open().unwrap().records.tamper(changes);
}

#[tokio::test]
async fn a_record_that_is_put_back_as_it_once_was_is_found() {
    let home = filled().await;
    let before = entries(&home);
    change(&home).await;
    let now = entries(&home);
    assert_eq!(home.check().await, "");
    let mut kinds = std::collections::BTreeSet::new();
    for (key, value) in before.iter().filter(|(key, value)| now.get(*key).is_some_and(|now| now != *value)) {
        if key[0] == kind::HEAD {
            continue;
        }
        kinds.insert(key[0]);
        // With its pieces.
        let pieces = before.iter().filter(|(key, _)| key[0] == kind::PIECE).map(|(key, value)| (key.clone(), Some(value.clone())));
        tamper(&home, pieces.chain([(key.clone(), Some(value.clone()))]).collect());
        let found = home.check().await;
        assert!(found.contains("put back as it once was"), "{}: {found}", place_of(key));
        let gone = before.keys().filter(|key| !now.contains_key(*key)).map(|key| (key.clone(), None));
        let back = now.iter().map(|(key, value)| (key.clone(), Some(value.clone())));
        tamper(&home, gone.chain(back).collect());
        assert_eq!(home.check().await, "");
    }
    assert_eq!(
        kinds.into_iter().collect::<Vec<_>>(),
        [kind::ACCOUNT, kind::COUNTS, kind::DOCUMENT, kind::FOLDER, kind::STATE, kind::MESSAGE, kind::SECRET]
    );
}

#[tokio::test]
async fn all_but_the_head_put_back_is_found_and_taken_as_it_is_by_a_repair() {
    let home = filled().await;
    let before = entries(&home);
    change(&home).await;
    let changes = before.iter().filter(|(key, _)| key[0] != kind::HEAD).map(|(key, value)| (key.clone(), Some(value.clone())));
    let gone = entries(&home).into_keys().filter(|key| !before.contains_key(key)).map(|key| (key, None));
    let changes = changes.chain(gone).collect();
    tamper(&home, changes);
    assert!(home.check().await.contains("the sealed records"));
    let home = home.reopen().await;
    assert!(home.check().await.contains("the sealed records"), "also after the next start");
    let report = home.store.repair(true, |_| {}).await.unwrap();
    assert!(report.actions.iter().any(|action| action.place == "the sealed records"), "{report:?}");
    assert_eq!(home.check().await, "");
    change(&home).await;
    assert_eq!(home.check().await, "");
}

#[tokio::test]
async fn surplus_segments_and_files_are_found_and_put_aside() {
    let home = filled().await;
    let other = filled().await;
    let spool = home.path().join("spool");
    let first = spool.join("0000000000000001.segment");
    let surplus = ["0000000000000007.segment", "0000000000000009.segment", "1.segment", "letter.txt"].map(|name| spool.join(name));
    std::fs::copy(&first, &surplus[0]).unwrap();
    std::fs::copy(other.path().join("spool/0000000000000001.segment"), &surplus[1]).unwrap();
    std::fs::copy(&first, &surplus[2]).unwrap();
    std::fs::write(&surplus[3], "dear").unwrap();
    let found = home.check().await;
    for name in ["segment 7", "segment 9", "1.segment", "letter.txt"] {
        assert!(found.contains(name), "{name}: {found}");
    }
    assert_eq!(found.matches("surplus").count(), 4, "{found}");
    let bodies = home.bodies().await;
    let report = home.store.repair(true, |_| {}).await.unwrap();
    let kept = report.kept.unwrap();
    for path in surplus {
        assert!(!path.exists() && kept.join(path.file_name().unwrap()).is_file(), "{}", path.display());
    }
    assert_eq!(home.check().await, "");
    let home = home.reopen().await;
    assert_eq!((home.bodies().await, home.check().await), (bodies, String::new()));
}
