//! The ground the other tests stand on: a real server, mail in it, and a reader that sees the wire.

use std::collections::BTreeMap;

use harness::corpus::{self, ODD_SHAPES, SEED};
use harness::dovecot::{Dovecot, PASSWORD, Setup, Storage, USER};
use harness::imap::Imap;

#[test]
fn dovecot_serves_every_oddity_alike_in_clear_and_over_tls() {
    let dovecot = Dovecot::start();
    let messages: Vec<_> = corpus::messages(SEED, ODD_SHAPES + 20).collect();
    dovecot.deliver(USER, "INBOX", &messages);
    let mut clear = dovecot.sign_in(USER, PASSWORD);
    assert_eq!(clear.select("INBOX").exists as usize, messages.len());
    let bodies = clear.bodies();
    assert_eq!(bodies.len(), messages.len());
    assert!(bodies.values().any(|body| body.contains(&0x80)), "Dovecot shows 0x80 for NUL");
    let mut secured = Imap::connect_tls(dovecot.imaps, dovecot.authority().pem());
    secured.log_in(USER, PASSWORD);
    secured.select("INBOX");
    assert_eq!(secured.bodies(), bodies);
    let octets: u64 = bodies.values().map(|body| body.len() as u64).sum();
    assert_eq!(secured.discard_bodies(), (bodies.len() as u64, octets));
}

#[test]
fn dovecot_takes_messages_by_append_in_every_storage() {
    for storage in [Storage::Maildir, Storage::Sdbox, Storage::Mdbox] {
        let dovecot = Setup::default().storage(storage).start();
        let mut imap = dovecot.sign_in(USER, PASSWORD);
        imap.append("INBOX", "\\Flagged", b"Subject: one\r\n\r\ntext\r\n");
        imap.select("INBOX");
        assert_eq!(imap.bodies(), BTreeMap::from([(1, b"Subject: one\r\n\r\ntext\r\n".to_vec())]), "{storage:?}");
        assert_eq!(imap.flags(), BTreeMap::from([(1, "\\Flagged".to_owned())]), "{storage:?}");
    }
}

#[test]
fn the_uidvalidity_can_be_changed() {
    let dovecot = Dovecot::start();
    dovecot.deliver(USER, "INBOX", &[corpus::note("one")]);
    let before = dovecot.sign_in(USER, PASSWORD).select("INBOX");
    dovecot.doveadm(&["mailbox", "update", "--uid-validity", "777", "-u", USER, "INBOX"]);
    let after = dovecot.sign_in(USER, PASSWORD).select("INBOX");
    assert_ne!(before.validity, after.validity);
    assert_eq!((after.validity, after.exists), (777, 1));
}

#[test]
fn a_stopped_server_comes_back_on_its_ports() {
    let mut dovecot = Dovecot::start();
    dovecot.stop();
    assert!(!Imap::greets(dovecot.imap));
    dovecot.start_again();
    assert!(Imap::greets(dovecot.imap));
}
