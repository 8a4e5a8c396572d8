//! Servers and messages that are not as they should be: each costs itself, never the mailbox.

use postrider_connector::testing::{Player, Script, World};
use postrider_connector::types::{Error, Failure};
use postrider_imap::cursor::Cursor;
use postrider_imap::leave::Leave;
use postrider_imap::settings::Quirk;

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
        # Whatever the server cannot say of it: is it there, and can its octets be had?
        C: A6 UID FETCH 3 (UID FLAGS)
        S: * 3 FETCH (UID 3 FLAGS (\Seen))
        S: A6 OK Fetch completed.
        C: A7 UID FETCH 3 (UID BODY.PEEK[])
        S: A7 NO [CORRUPTION] Input/output error
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
        C: A8 UID FETCH 2 (UID BODY.PEEK[])
        S: A8 OK Fetch completed.
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
        C: A6 UID FETCH 2 (UID BODY.PEEK[])
        S: * 2 FETCH (UID 2 BODY[] {2}
        S< other
        S: )
        S: A6 OK Fetch completed.
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

#[test]
fn octets_are_had_whatever_else_cannot_be_read() {
    // The rest breaks the line in every answer that has it; the octets alone are well.
    let broken = opening(1, "1")
        + r#"
        S: * 1 FETCH (UID 1 FLAGS (\Seen) ENVELOPE ((((NIL BODY[] {1}
        S< a
        S: )
        S: A3 OK Fetch completed.
        C: A4 UID FETCH 1 (UID FLAGS INTERNALDATE RFC822.SIZE BODY.PEEK[])
        S: * 1 FETCH (UID 1 FLAGS (\Seen) INTERNALDATE "01-Jan BODY[] {1}
        S< a
        S: )
        S: A4 OK Fetch completed.
        C: A5 UID FETCH 1 (UID BODY.PEEK[])
        S: * 1 FETCH (UID 1 BODY[] {1}
        S< a
        S: )
        S: A5 OK Fetch completed.
        "#;
    let refused = opening(1, "1")
        + r#"
        S: A3 BAD internal error
        C: A4 UID FETCH 1 (UID FLAGS INTERNALDATE RFC822.SIZE BODY.PEEK[])
        S: A4 BAD internal error
        C: A5 UID FETCH 1 (UID FLAGS)
        S: * 1 FETCH (UID 1 FLAGS (\Seen))
        S: A5 OK Fetch completed.
        C: A6 UID FETCH 1 (UID BODY.PEEK[])
        S: * 1 FETCH (UID 1 BODY[] {1}
        S< a
        S: )
        S: A6 OK Fetch completed.
        "#;
    for text in [&broken, &refused] {
        let world = sync_inbox(DOVECOT, text, &World::default());
        assert_eq!(world.octets("INBOX", "7", "1"), Some(&b"a"[..]));
        assert_eq!(world.asked.get("set-aside"), None);
    }
    let world = sync_inbox(DOVECOT, &refused, &World::default());
    assert_eq!(world.messages[&("INBOX".into(), "7".into(), "1".into())].keywords, ["\\Seen"]);
}

#[test]
fn a_date_behind_the_body_is_kept() {
    let text = opening(2, "1:2")
        + r#"
        S: * 1 FETCH (UID 1 FLAGS (\Seen) BODY[] {1}
        S< a
        S:  INTERNALDATE "17-Jul-1996 02:44:25 -0700")
        S: * 2 FETCH (UID 2 FLAGS () INTERNALDATE "17-Jul-1996 02:44:26 -0700" BODY[] {1}
        S< b
        S: )
        S: A3 OK Fetch completed.
        C: A4 UID FETCH 1 (UID FLAGS INTERNALDATE RFC822.SIZE BODY.PEEK[])
        S: * 1 FETCH (UID 1 BODY[] {1}
        S< a
        S:  INTERNALDATE "17-Jul-1996 02:44:25 -0700" FLAGS (\Seen))
        S: A4 OK Fetch completed.
        "#;
    let world = sync_inbox(DOVECOT, &text, &World::default());
    for (uid, received, keywords) in [("1", 837_596_665_000, &["\\Seen"][..]), ("2", 837_596_666_000, &[])] {
        let stored = &world.messages[&("INBOX".into(), "7".into(), uid.into())];
        assert_eq!(
            (stored.received, &stored.keywords[..]),
            (Some(received), &keywords.iter().map(ToString::to_string).collect::<Vec<_>>()[..])
        );
    }
}

/// A pass over a folder where the host has 1 and 2, and where the server says of UIDNEXT what it likes.
fn with_uidnext(next: u32, quirks: &[Quirk], text: &str) -> World {
    let at = Cursor { validity: 7, next: 5, modseq: 60, exists: 2, flags: 0, retiring: vec![] };
    let begin = format!(
        r#"
        C: A1 EXAMINE "INBOX" (CONDSTORE)
        S: * 2 EXISTS
        S: * OK [UIDVALIDITY 7] UIDs valid
        S: * OK [UIDNEXT {next}] Predicted next UID
        S: * OK [HIGHESTMODSEQ 60] Highest
        S: A1 OK [READ-ONLY] Examine completed.
        "#
    );
    let converse = |player: &mut Player<'_>| {
        let mut session = session(DOVECOT);
        session.settings.quirks = quirks.to_vec();
        sync(player, &mut session, "INBOX")
    };
    // Below such a cursor something may come.
    Script::parse(&(begin + text)).check(&world_at(&at, &[("1", &[]), ("2", &[])]), converse).1
}

#[test]
fn a_uidnext_that_goes_back_is_not_believed() {
    // 2 vanished and 3 came, below a UIDNEXT that was 5: no sum shows it.
    let text = r#"
        C: A2 UID SEARCH RETURN (ALL) UID 5:*
        S: * ESEARCH (TAG "A2") UID
        S: A2 OK Search completed.
        C: A3 UID SEARCH RETURN (ALL) UID 1:4
        S: * ESEARCH (TAG "A3") UID ALL 1,3
        S: A3 OK Search completed.
        C: A4 UID FETCH 3 (UID FLAGS INTERNALDATE RFC822.SIZE BODY.PEEK[])
        S: * 2 FETCH (UID 3 FLAGS () BODY[] {1}
        S< c
        S: )
        S: A4 OK Fetch completed.
    "#;
    for (next, quirks) in [(4, &[][..]), (5, &[Quirk::WrongUidnext])] {
        let world = with_uidnext(next, quirks, text);
        assert_eq!((world.ids("INBOX", "7"), cursor(&world).exists), (["1", "3"].map(str::to_owned).to_vec(), 2), "{next}");
    }
    // What is right costs nothing.
    with_uidnext(5, &[], "");
}

#[test]
fn new_messages_are_found_though_uidnext_stands_still() {
    let at = Cursor { validity: 7, next: 3, modseq: 60, exists: 2, flags: 0, retiring: vec![] };
    let world = sync_inbox(
        DOVECOT,
        r#"
        C: A1 EXAMINE "INBOX" (CONDSTORE)
        S: * 3 EXISTS
        S: * OK [UIDVALIDITY 7] UIDs valid
        S: * OK [UIDNEXT 3] Predicted next UID
        S: * OK [HIGHESTMODSEQ 60] Highest
        S: A1 OK [READ-ONLY] Examine completed.
        C: A2 UID SEARCH RETURN (ALL) UID 1:*
        S: * ESEARCH (TAG "A2") UID ALL 1:3
        S: A2 OK Search completed.
        C: A3 UID FETCH 3 (UID FLAGS INTERNALDATE RFC822.SIZE BODY.PEEK[])
        S: * 3 FETCH (UID 3 FLAGS () BODY[] {1}
        S< c
        S: )
        S: A3 OK Fetch completed.
        "#,
        &world_at(&at, &[("1", &[]), ("2", &[])]),
    );
    assert_eq!((world.ids("INBOX", "7").len(), cursor(&world).next, cursor(&world).exists), (3, 4, 3));
}

#[test]
fn a_folder_that_refuses_to_be_opened_is_empty_where_that_is_known() {
    let text = "C: A1 EXAMINE \"Calendar\" (CONDSTORE)\nS: A1 NO The requested message could not be converted";
    for (quirks, outcome) in [(vec![], Some(Failure::Permanent)), (vec![Quirk::UnselectableFolders], None)] {
        let (found, world) = script(text).check(&World::default(), |player| {
            let mut session = session(DOVECOT);
            session.settings.quirks = quirks.clone();
            match sync(player, &mut session, "Calendar") {
                Err(error) if error.kind == Failure::Permanent => Ok(Some(error.kind)),
                other => other.map(|()| None),
            }
        });
        assert_eq!((found, world.checkpoints.len()), (outcome, 0));
    }
}

#[test]
fn an_octet_now_and_then_is_not_waited_for_without_end() {
    let text = opening(1, "1") + "S< * 1 FETCH (UID 1 FL\n" + &"! timer\n".repeat(30);
    let (error, _) = script(&text).play(&World::default(), |player| match sync(player, &mut session(DOVECOT), "INBOX") {
        Err(error) => Ok(error),
        Ok(()) => panic!("the pass ended well"),
    });
    assert_eq!(error.kind, Failure::Unreachable);
    assert!(error.message.contains("octets a minute"), "{}", error.message);
}

#[test]
fn a_literal_that_nobody_wants_is_not_read_for_ever() {
    let text = opening(2, "1:2")
        + r#"
        S: * 1 FETCH (UID 1 FLAGS () BODY[] {3}
        S< one
        S: )
        # Nobody asked for it.
        S: * 9 FETCH (UID 9 FLAGS () BODY[] {1000000000000}
        S: and on
        "#;
    let (error, world) = script(&text).play(&World::default(), |player| match sync(player, &mut session(DOVECOT), "INBOX") {
        Err(error) => Ok(error),
        Ok(()) => panic!("the pass ended well"),
    });
    assert_eq!(error.kind, Failure::TooLarge);
    assert!(error.message.contains("INBOX") && error.message.contains("the line is closed"), "{}", error.message);
    assert_eq!((world.octets("INBOX", "7", "1"), world.checkpoints.len()), (Some(&b"one"[..]), 1), "what came whole is kept");
}
