//! What the host may ask of a session besides receiving: messages again, and none that a person did not choose deleted.

use std::sync::OnceLock;

use harness::corpus;
use harness::dovecot::{Dovecot, Setup, USER};
use harness::pop3::Pop3;
use harness::scripted::{Maildrop, Scripted, Trick};
use postrider::connector::{Prepared, ReceivingSession};
use postrider::fault::{Fault, Kind};
use postrider::model::endpoint::Protocol;

use super::scene::held;
use crate::sandbox::fake::{Setting, prepare, run};
use crate::scene::assert_same;

/// The connector's file as `cargo xtask connectors` builds it, compiled once.
fn component() -> &'static Prepared {
    static COMPONENT: OnceLock<Prepared> = OnceLock::new();
    COMPONENT.get_or_init(|| {
        let test = std::env::current_exe().unwrap();
        // target/debug/deps/e2e-...
        let path = test.ancestors().nth(2).unwrap().join("connectors/pop3.wasm");
        prepare("pop3", std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}; run `cargo xtask connectors`", path.display())))
    })
}

async fn open(port: u16) -> ReceivingSession {
    let setting = Setting::plain().with_server("receive", Protocol::Pop3, port);
    component().receive(setting.context()).await.unwrap()
}

async fn fetch(session: &ReceivingSession, id: &str) -> Result<Vec<u8>, Fault> {
    let mut fetched = session.fetch(Some("INBOX".to_owned()), id.to_owned()).await?;
    let mut whole = Vec::new();
    while let Some(piece) = fetched.next().await? {
        whole.extend_from_slice(&piece);
    }
    Ok(whole)
}

#[test]
fn every_message_is_fetched_again_as_the_wire_has_it() {
    let dovecot: Dovecot = Setup::default().start();
    let large = corpus::note("large");
    let large = corpus::Message { octets: [large.octets.clone(), b"0123456789abcde\r\n.\r\n..\r\n".repeat(100_000)].concat(), ..large };
    dovecot.deliver(USER, "INBOX", &[corpus::messages(corpus::SEED, 20).collect(), vec![large]].concat());
    let mut pop3 = Pop3::connect(dovecot.pop3);
    pop3.log_in(USER, harness::dovecot::PASSWORD);
    let wire = pop3.messages();
    pop3.command("QUIT");
    run(async {
        let session = open(dovecot.pop3).await;
        for (uidl, octets) in &wire {
            assert_same(uidl, &fetch(&session, uidl).await.unwrap(), octets);
        }
        assert_eq!(fetch(&session, "none").await.unwrap_err().kind, Kind::Gone);
        assert_eq!(fetch(&session, &format!("octets {}", "0".repeat(64))).await.unwrap_err().kind, Kind::Unsupported);
        // A reader that goes away early leaves a session that can be used.
        let (longest, _) = wire.iter().max_by_key(|(_, octets)| octets.len()).unwrap();
        let mut fetched = session.fetch(Some("INBOX".to_owned()), longest.clone()).await.unwrap();
        assert!(fetched.next().await.unwrap().is_some());
        drop(fetched);
        let (uidl, octets) = wire.first_key_value().unwrap();
        assert_same("after that", &fetch(&session, uidl).await.unwrap(), octets);
        assert_eq!(session.fetch(Some("Sent".to_owned()), uidl.clone()).await.err().unwrap().kind, Kind::Gone);
        session.close().await;
    });
}

#[test]
fn a_message_that_is_fetched_is_found_by_its_uidl_and_left_where_it_is() {
    let mut maildrop = Maildrop::of(3, 3_000).with_capabilities(&["USER", "UIDL", "EXPIRE 0"]);
    maildrop.expires_at_once = true;
    let expected = maildrop.messages[2].octets.clone();
    let maildrop = maildrop.shared();
    let server = Scripted::pop3(&maildrop, |_, _| Trick::Honest);
    run(async {
        let session = open(server.port).await;
        assert_same("u3", &fetch(&session, "u3").await.unwrap(), &expected);
        // Another session renumbers them.
        maildrop.lock().unwrap().messages.remove(0);
        assert_same("u3 again", &fetch(&session, "u3").await.unwrap(), &expected);
        assert_eq!(fetch(&session, "u1").await.unwrap_err().kind, Kind::Gone);
        session.close().await;
    });
    assert_eq!(held(&maildrop).len(), 2, "a server that deletes what was retrieved heard no goodbye");
    assert!(maildrop.lock().unwrap().deleted().is_empty());
}
