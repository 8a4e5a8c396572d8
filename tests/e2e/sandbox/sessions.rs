//! Sessions that go well, and how they end.

use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt as _;
use postrider::connector::{Appended, CacheFolder, Engine, Envelope, Recipient, Role, Verdict};
use postrider::fault::{Fault, Kind};
use postrider::secret::Secret;

use super::behaviour::Behaviour;
use super::fake::{SECRET, Setting, component, octets, run};

const HOUR: Duration = Duration::from_secs(3_600);

#[test]
fn a_session_lists_watches_appends_fetches_and_closes() {
    run(async {
        let setting = Setting::new(Behaviour::Good).set("size", 300_000);
        let session = setting.open().await.unwrap();
        assert_eq!(session.abilities().await.unwrap(), ["push"]);
        let folders = session.folders().await.unwrap();
        assert_eq!(folders.iter().map(|folder| folder.id.as_str()).collect::<Vec<_>>(), ["INBOX"]);
        assert!(session.watch(vec!["INBOX".to_owned()], Duration::ZERO).await.unwrap().is_empty());
        let pieces = futures_util::stream::iter(vec![Ok(bytes::Bytes::from(vec![b'x'; 70_000])); 3]);
        let message = Appended { size: 210_000, keywords: Vec::new(), received: None, octets: pieces.boxed() };
        assert_eq!(session.append("Sent".to_owned(), message).await.unwrap().as_deref(), Some("210000"));
        let mut fetched = session.fetch(None, "7".to_owned()).await.unwrap();
        let mut whole = Vec::new();
        while let Some(piece) = fetched.next().await.unwrap() {
            whole.extend_from_slice(&piece);
        }
        assert_eq!(whole.len(), 300_000);
        assert!(whole.starts_with(b"Subject: 7\r\n"));
        let outcomes = session.set_keywords(None, vec!["1".to_owned()], vec!["\\Seen".to_owned()], Vec::new()).await.unwrap();
        assert_eq!(outcomes[0].id, "1");
        assert_eq!(session.move_(None, vec!["1".to_owned()], "Trash".to_owned()).await.unwrap_err().kind, Kind::Unsupported);
        session.close().await;
    });
}

#[test]
fn outcomes_for_other_ids_are_a_broken_contract() {
    run(async {
        let session = Setting::new(Behaviour::Good).open().await.unwrap();
        let fault = session.delete(None, vec!["1".to_owned(), "2".to_owned()]).await.unwrap_err();
        assert_eq!(fault.kind, Kind::ConnectorFailed);
    });
}

#[test]
fn calls_on_one_session_overlap() {
    run(async {
        let setting = Setting::new(Behaviour::Good);
        let session = setting.open().await.unwrap();
        let mut watching = Box::pin(session.watch(vec!["INBOX".to_owned()], HOUR));
        assert!(futures_util::poll!(&mut watching).is_pending());
        session.sync(Some("INBOX"), None).await.unwrap();
        assert_eq!(setting.memory.told().messages.len(), 3);
        assert!(futures_util::poll!(&mut watching).is_pending());
    });
}

#[test]
fn a_stop_ends_what_is_pending_and_what_comes_after() {
    run(async {
        let session = Setting::new(Behaviour::Good).open().await.unwrap();
        let mut watching = Box::pin(session.watch(vec!["INBOX".to_owned()], HOUR));
        assert!(futures_util::poll!(&mut watching).is_pending());
        session.stop();
        assert!(watching.await.unwrap().is_empty());
        assert_eq!(session.sync(None, None).await.unwrap_err().kind, Kind::Cancelled);
    });
}

#[test]
fn a_dropped_session_lets_go_of_its_mailroom() {
    run(async {
        let setting = Setting::new(Behaviour::Loop);
        let context = setting.context();
        let mailroom = Arc::downgrade(&context.mailroom);
        let session = component().receive(context).await.unwrap();
        let mut syncing = Box::pin(session.sync(None, None));
        assert!(futures_util::poll!(&mut syncing).is_pending());
        tokio::task::yield_now().await;
        drop(syncing);
        drop(session);
        // It was computing; the task ends where it hands the thread back.
        while mailroom.upgrade().is_some() {
            tokio::task::yield_now().await;
        }
    });
}

#[test]
fn a_message_is_sent_after_the_mark() {
    run(async {
        let setting = Setting::new(Behaviour::Good);
        let session = component().send(setting.context(), Arc::new(setting.memory.clone())).await.unwrap();
        assert_eq!(session.abilities().await.unwrap(), ["8bit"]);
        let recipient = |address: &str| Recipient { address: address.to_owned(), extra: Vec::new() };
        let recipients = vec![recipient("a@example.org"), recipient("b@example.org")];
        let envelope = Envelope { id: "7".to_owned(), sender: "me@example.org".to_owned(), recipients, size: 5, extra: Vec::new() };
        let octets = futures_util::stream::iter([Ok(bytes::Bytes::from_static(b"hello"))]).boxed();
        let verdicts = session.send(envelope, octets).await.unwrap();
        let accepted = |address: &str| Verdict::Accepted(Some(address.to_owned()));
        assert_eq!(verdicts, [accepted("a@example.org"), accepted("b@example.org")]);
        assert_eq!(setting.memory.told().committing, ["7"]);
        session.close().await;
    });
}

#[test]
fn a_component_tells_what_it_can_do_and_who_is_signed_in() {
    run(async {
        assert!([Role::Receiving, Role::Sending, Role::Profile].into_iter().all(|role| component().has(role)));
        let identities = component().identities(Setting::new(Behaviour::Good).context()).await.unwrap();
        assert_eq!(identities[0].address, "help@example.org");
    });
}

#[test]
fn a_component_is_compiled_once() {
    run(async {
        let folder = tempfile::tempdir().unwrap();
        let cache = CacheFolder { dir: folder.path().join("compiled"), key: Secret::new(SECRET) };
        let id = "misbehaving".parse().unwrap();
        Engine::new(&cache).unwrap().prepare(&octets(), [7; 32], &id, "0.1.0").await.unwrap();
        // Only the cache can make a component of these octets.
        let prepared = Engine::new(&cache).unwrap().prepare(b"", [7; 32], &id, "0.1.0").await.unwrap();
        let setting = Setting::new(Behaviour::Good);
        prepared.receive(setting.context()).await.unwrap().sync(None, None).await.unwrap();
        assert_eq!(setting.memory.told().messages.len(), 3);
        let fault = Engine::new(&cache).unwrap().prepare(b"", [8; 32], &id, "0.1.0").await.unwrap_err();
        assert_eq!(fault.kind, Kind::ConnectorFailed);
    });
}

#[test]
fn the_hosts_own_trouble_stays_the_hosts_for_the_operator() {
    run(async {
        let setting = Setting::new(Behaviour::Good);
        let trouble = Fault::new(Kind::Storage, "write to the segment").because_words("No space left on device");
        setting.memory.told().trouble = Some(trouble);
        let fault = setting.sync().await.unwrap_err();
        assert_eq!(fault.kind, Kind::Storage, "{fault:?}");
        assert!(fault.causes().any(|cause| cause.contains("No space left")), "{fault:?}");
        assert!(fault.kind.is_retried());
    });
}
