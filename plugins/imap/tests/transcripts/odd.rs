//! Servers and messages that are not as they should be: each costs itself, never the mailbox.

use postrider_connector::testing::World;
use postrider_connector::types::{Error, Failure};
use postrider_imap::cursor::Cursor;
use postrider_imap::leave::Leave;

use super::{DOVECOT, cursor, script, session, sync, sync_inbox, world_at};

/// The opening of INBOX with so many messages, none known.
fn opening(exists: u32, found: &str) -> String {
    format!(
        r#"
        C: A1 EXAMINE "INBOX" (CONDSTORE)
        S: * {exists} EXISTS
        S: * OK [UIDVALIDITY 7] UIDs valid
        S: * OK [UIDNEXT {}] Predicted next UID
        S: * OK [HIGHESTMODSEQ 60] Highest
        S: A1 OK [READ-ONLY] Examine completed.
        C: A2 UID SEARCH RETURN (ALL) UID 1:*
        S: * ESEARCH (TAG "A2") UID ALL {found}
        S: A2 OK Search completed.
        C: A3 UID FETCH {found} (UID FLAGS INTERNALDATE RFC822.SIZE BODY.PEEK[])
        "#,
        exists + 1
    )
}

#[test]
fn a_bad_reply_hides_no_message() {
    let text = opening(4, "1:4")
        + r#"
        # The quotes of the first do not close, the second has no octets, the third is refused, the fourth is well.
        S: * 1 FETCH (UID 1 FLAGS () INTERNALDATE "01-Jan BODY[] NIL)
        S: * 2 FETCH (UID 2 FLAGS () BODY[] NIL)
        S: * 4 FETCH (UID 4 FLAGS () BODY[] {1}
        S< d
        S: )
        S: A3 NO Some messages could not be FETCHed (Failure)
        C: A4 UID FETCH 1 (UID FLAGS INTERNALDATE RFC822.SIZE BODY.PEEK[])
        C: A5 UID FETCH 3 (UID FLAGS INTERNALDATE RFC822.SIZE BODY.PEEK[])
        S: * 1 FETCH (UID 1 FLAGS () BODY[] {1}
        S< a
        S: )
        S: A4 OK Fetch completed.
        S: A5 NO [CORRUPTION] Input/output error
        "#;
    let world = sync_inbox(DOVECOT, &text, &World::default());
    assert_eq!(world.ids("INBOX", "7"), ["1", "2", "3", "4"]);
    assert_eq!(world.octets("INBOX", "7", "1"), Some(&b"a"[..]));
    assert_eq!(world.octets("INBOX", "7", "2"), None, "set aside");
    assert_eq!(world.octets("INBOX", "7", "3"), None, "set aside");
    assert_eq!(world.octets("INBOX", "7", "4"), Some(&b"d"[..]));
    assert_eq!(cursor(&world).next, 5);
}

#[test]
fn a_message_that_is_not_given_is_probed_for() {
    let text = opening(2, "1:2")
        + r#"
        S: A3 OK Fetch completed.
        C: A4 UID FETCH 1 (UID FLAGS INTERNALDATE RFC822.SIZE BODY.PEEK[])
        C: A5 UID FETCH 2 (UID FLAGS INTERNALDATE RFC822.SIZE BODY.PEEK[])
        S: A4 OK Fetch completed.
        S: A5 OK Fetch completed.
        C: A6 UID FETCH 1 (UID FLAGS)
        C: A7 UID FETCH 2 (UID FLAGS)
        # The first was expunged, the second is there and does not come.
        S: A6 OK Fetch completed.
        S: * 1 FETCH (UID 2 FLAGS ())
        S: A7 OK Fetch completed.
        "#;
    let world = sync_inbox(DOVECOT, &text, &World::default());
    assert_eq!(world.ids("INBOX", "7"), ["2"]);
    assert_eq!(world.octets("INBOX", "7", "2"), None, "set aside");
}

#[test]
fn a_message_that_the_host_refuses_is_set_aside() {
    let text = opening(2, "1:2")
        + r#"
        S: * 1 FETCH (UID 1 FLAGS () BODY[] {9}
        S< too large
        S: )
        S: * 2 FETCH (UID 2 FLAGS () BODY[] {2}
        S< ok
        S: )
        S: A3 OK Fetch completed.
        "#;
    let mut before = World::default();
    before.refused.insert("1".into(), Error::new(Failure::TooLarge, "over the limit"));
    let world = sync_inbox(DOVECOT, &text, &before);
    assert_eq!((world.octets("INBOX", "7", "1"), world.octets("INBOX", "7", "2")), (None, Some(&b"ok"[..])));
    assert_eq!(world.asked["set-aside"], 1);
}

#[test]
fn a_host_that_is_full_ends_the_pass() {
    let text = opening(1, "1")
        + r#"
        S: * 1 FETCH (UID 1 FLAGS () BODY[] {2}
        S< hi
        S: )
        "#;
    let mut before = World::default();
    before.refused.insert("1".into(), Error::new(Failure::RefusedByHost, "the disk is full"));
    let (error, world) = script(&text).check(&before, |player| match sync(player, &mut session(DOVECOT), "INBOX") {
        Err(error) if error.kind == Failure::RefusedByHost => Ok(error.message),
        Err(error) => Err(error),
        Ok(()) => panic!("the pass ended well"),
    });
    assert_eq!(error, "message 1 in INBOX: the disk is full");
    assert!(world.checkpoints.is_empty());
}

#[test]
fn a_literal_that_is_counted_wrong_is_not_believed() {
    let text = opening(2, "1:2")
        + r#"
        # Both are longer than their literals say: the first comes right when it is asked for alone, the second never does.
        S: * 1 FETCH (UID 1 FLAGS () BODY[] {2}
        S< whole
        S: )
        S: * 2 FETCH (UID 2 FLAGS () BODY[] {2}
        S< other
        S: )
        S: A3 OK Fetch completed.
        C: A4 UID FETCH 1 (UID FLAGS INTERNALDATE RFC822.SIZE BODY.PEEK[])
        C: A5 UID FETCH 2 (UID FLAGS INTERNALDATE RFC822.SIZE BODY.PEEK[])
        S: * 1 FETCH (UID 1 FLAGS () BODY[] {5}
        S< whole
        S: )
        S: A4 OK Fetch completed.
        S: * 2 FETCH (UID 2 FLAGS () BODY[] {2}
        S< other
        S: )
        S: A5 OK Fetch completed.
        "#;
    let world = sync_inbox(DOVECOT, &text, &World::default());
    assert_eq!(world.octets("INBOX", "7", "1"), Some(&b"whole"[..]));
    assert_eq!(world.octets("INBOX", "7", "2"), None, "set aside");
    assert_eq!(world.ids("INBOX", "7"), ["1", "2"]);
}

#[test]
fn uid_and_flags_after_the_body_are_found() {
    // Nothing says in which order a FETCH response has its items (RFC 9051 section 7.5.2).
    let text = opening(2, "1:2")
        + r#"
        S: * 1 FETCH (BODY[] {1}
        S< a
        S:  UID 1 FLAGS (\Seen))
        S: * 2 FETCH (BODY[] {1}
        S< b
        S:  UID 2 FLAGS ())
        S: A3 OK Fetch completed.
        C: A4 UID FETCH 1 (UID FLAGS INTERNALDATE RFC822.SIZE BODY.PEEK[])
        C: A5 UID FETCH 2 (UID FLAGS INTERNALDATE RFC822.SIZE BODY.PEEK[])
        S: * 1 FETCH (BODY[] {1}
        S< a
        S:  UID 1 FLAGS (\Seen))
        S: A4 OK Fetch completed.
        S: * 2 FETCH (BODY[] {1}
        S< b
        S:  UID 2 FLAGS ())
        S: A5 OK Fetch completed.
        "#;
    let world = sync_inbox(DOVECOT, &text, &World::default());
    assert_eq!(world.octets("INBOX", "7", "1"), Some(&b"a"[..]));
    assert_eq!(world.messages[&("INBOX".into(), "7".into(), "1".into())].keywords, ["\\Seen"]);
}

#[test]
fn a_server_that_cannot_search_is_listed_message_by_message() {
    let at = Cursor { validity: 7, next: 3, modseq: 60, exists: 2, flags: 0, retiring: vec![] };
    let world = sync_inbox(
        DOVECOT,
        r#"
        C: A1 EXAMINE "INBOX" (CONDSTORE)
        S: * 2 EXISTS
        S: * OK [UIDVALIDITY 7] UIDs valid
        S: * OK [UIDNEXT 4] Predicted next UID
        S: * OK [HIGHESTMODSEQ 60] Highest
        S: A1 OK [READ-ONLY] Examine completed.
        C: A2 UID SEARCH RETURN (ALL) UID 3:*
        S: A2 BAD what is RETURN
        C: A3 UID FETCH 3:* (UID)
        # `3:*` is also `*:3`: the last message comes though it is below.
        S: * 2 FETCH (UID 2)
        S: A3 OK done
        C: A4 UID SEARCH RETURN (ALL) UID 1:2
        S: A4 BAD what is RETURN
        C: A5 UID FETCH 1:2 (UID)
        S: * 1 FETCH (UID 1)
        S: * 2 FETCH (UID 2)
        S: A5 OK done
        "#,
        // One that arrived and went between two passes: nothing is missing, and UIDNEXT rose.
        &world_at(&Cursor { exists: 3, ..at }, &[("1", &[]), ("2", &[])]),
    );
    assert_eq!(world.ids("INBOX", "7"), ["1", "2"]);
    assert_eq!(cursor(&world).next, 4);
}

#[test]
fn goodbyes_and_nonsense_say_where() {
    let text = opening(1, "1");
    for (line, kind, code, words) in [
        ("* BYE [UNAVAILABLE] shutting down", Failure::Unreachable, Some("UNAVAILABLE"), "shutting down"),
        ("A99 OK who asked", Failure::Malformed, None, "the server answers `A99`, which was not asked"),
        ("A3 WHAT", Failure::Malformed, None, "the server answers `A3 WHAT`"),
        ("A3 NO [UNAVAILABLE] later", Failure::Transient, Some("UNAVAILABLE"), "later"),
    ] {
        let (error, _) =
            script(&format!("{text}\nS: {line}\n")).check(&World::default(), |player| match sync(player, &mut session(DOVECOT), "INBOX") {
                Err(error) if error.message.ends_with(words) => Ok(error),
                other => other.map(|()| panic!("the pass ended well")),
            });
        assert_eq!((error.kind, error.code.as_deref()), (kind, code), "{line}");
        assert!(error.message.contains("FETCH"), "{line}: {}", error.message);
    }
}

#[test]
fn a_folder_that_is_gone_is_gone() {
    let text = r#"
        C: A1 EXAMINE "No \"such\"" (CONDSTORE)
        S: A1 NO [NONEXISTENT] Mailbox doesn't exist
    "#;
    script(text).check(&World::default(), |player| {
        let mut session = session(DOVECOT);
        match sync(player, &mut session, "No \"such\"") {
            Err(error) if error.kind == Failure::Gone => {
                assert!(session.is_usable_after(&error));
                Ok(())
            }
            other => other,
        }
    });
}

#[test]
fn a_server_may_close_after_logout() {
    for text in ["C: A1 LOGOUT\nS: * BYE Logging out\nS: A1 OK done", "C: A1 LOGOUT\nS: * BYE Logging out\n! time-up"] {
        script(text).play(&World::default(), |player| player.run(&mut Leave::new(&mut session(DOVECOT))));
    }
}
