//! What the host may ask of a session besides receiving: messages stored, and messages again.

use harness::dovecot::{PASSWORD, Setup, USER};
use postrider::connector::ReceivingSession;
use postrider::fault::{Fault, Kind};

use super::{appended, open, setting};
use crate::sandbox::fake::run;
use crate::scene::assert_same;

async fn fetch(session: &ReceivingSession, id: &str) -> Result<Vec<u8>, Fault> {
    let mut fetched = session.fetch(Some("INBOX".to_owned()), id.to_owned()).await?;
    let mut whole = Vec::new();
    while let Some(piece) = fetched.next().await? {
        whole.extend_from_slice(&piece);
    }
    Ok(whole)
}

#[test]
fn a_message_is_stored_received_and_fetched_again() {
    let dovecot = Setup::default().start();
    // More than stands in any buffer on the way.
    let large =
        [b"Subject: large\r\n\r\n".as_slice(), &b"0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcde\r\n".repeat(40_000)]
            .concat();
    let small = b"Subject: small\r\n\r\nhello\r\n";
    run(async {
        let setting = setting(&dovecot);
        let session = open(&setting).await;
        assert!(session.abilities().await.unwrap().contains(&"append".to_owned()));
        for (octets, uid) in [(&large[..], "1"), (small, "2")] {
            let stored = session.append("INBOX".to_owned(), appended(octets.len() as u64, octets)).await.unwrap();
            assert_eq!(stored.as_deref(), Some(uid));
        }
        session.sync(Some("INBOX"), None).await.unwrap();
        assert_same("fetched again", &fetch(&session, "1").await.unwrap(), &large);
        assert_same("fetched again", &fetch(&session, "2").await.unwrap(), small);
        assert_eq!(fetch(&session, "3").await.unwrap_err().kind, Kind::Gone);
        // A reader that goes away early leaves a line that can be used.
        let mut fetched = session.fetch(Some("INBOX".to_owned()), "1".to_owned()).await.unwrap();
        assert!(fetched.next().await.unwrap().is_some());
        drop(fetched);
        assert_same("after that", &fetch(&session, "2").await.unwrap(), small);
        assert_eq!(setting.memory.told().messages[0].1.keywords, ["\\Seen"]);
        session.close().await;
    });
    let mut imap = dovecot.sign_in(USER, PASSWORD);
    imap.select("INBOX");
    assert_same("on the wire", &imap.bodies()[&1], &large);
}

#[test]
fn a_message_that_breaks_off_is_not_stored() {
    let dovecot = Setup::default().start();
    run(async {
        for announced in [200_000, 99_999] {
            let setting = setting(&dovecot);
            let session = open(&setting).await;
            let octets = vec![b'x'; 100_000];
            let fault = session.append("INBOX".to_owned(), appended(announced, &octets)).await.unwrap_err();
            assert_eq!(fault.kind, Kind::Cancelled, "{fault:?}");
            // The literal that has begun poisons the line: the session says so instead of hanging.
            assert_eq!(session.sync(Some("INBOX"), None).await.unwrap_err().kind, Kind::Cancelled);
        }
        let setting = setting(&dovecot);
        let session = open(&setting).await;
        session.sync(Some("INBOX"), None).await.unwrap();
        assert!(setting.memory.told().messages.is_empty());
        let fault = session.append("No such".to_owned(), appended(5, b"hello")).await.unwrap_err();
        assert_eq!(fault.kind, Kind::Gone, "{fault:?}");
    });
}
