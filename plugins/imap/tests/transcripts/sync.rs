//! Passes over a folder, as good servers hold them.

use postrider_connector::testing::World;
use postrider_imap::cursor::Cursor;

use super::{DOVECOT, cursor, script, session, sync, sync_inbox, world_at};

const FIRST: &str = r#"
    C: A1 EXAMINE "INBOX" (CONDSTORE)
    S: * FLAGS (\Answered \Flagged \Deleted \Seen \Draft $Forwarded)
    S: * OK [PERMANENTFLAGS ()] Read-only mailbox.
    S: * 3 EXISTS
    S: * 0 RECENT
    S: * OK [UNSEEN 2] First unseen.
    S: * OK [UIDVALIDITY 1700000000] UIDs valid
    S: * OK [UIDNEXT 9] Predicted next UID
    S: * OK [HIGHESTMODSEQ 20] Highest
    S: A1 OK [READ-ONLY] Examine completed (0.001 + 0.000 secs).
    C: A2 UID SEARCH RETURN (ALL) UID 1:*
    S: * ESEARCH (TAG "A2") UID ALL 3,7:8
    S: A2 OK Search completed.
    C: A3 UID FETCH 3,7:8 (UID FLAGS INTERNALDATE RFC822.SIZE BODY.PEEK[])
    S: * 1 FETCH (UID 3 FLAGS (\Seen $Forwarded) INTERNALDATE "17-Jul-1996 02:44:25 -0700" RFC822.SIZE 15 BODY[] {15}
    S< A: b\r\n\r\nhello\r\n
    S: )
    S: * 2 FETCH (UID 7 FLAGS (\Recent) INTERNALDATE "01-Jan-2024 00:00:00 +0000" RFC822.SIZE 27 BODY[] {27}
    # What looks like a response inside a message is none.
    S< \r\n* BYE\r\nA3 OK {5}\r\n)\r\n\0\xff\r\n
    S:  MODSEQ (20))
    S: * 3 FETCH (UID 8 FLAGS () INTERNALDATE "01-Jan-2024 00:00:01 +0000" RFC822.SIZE 0 BODY[] {0}
    S: )
    S: A3 OK Fetch completed.
"#;

#[test]
fn a_first_pass_takes_everything_over() {
    let world = sync_inbox(DOVECOT, FIRST, &World::default());
    assert_eq!(world.octets("INBOX", "1700000000", "3").unwrap(), b"A: b\r\n\r\nhello\r\n");
    assert_eq!(world.octets("INBOX", "1700000000", "7").unwrap(), b"\r\n* BYE\r\nA3 OK {5}\r\n)\r\n\0\xff\r\n");
    assert_eq!(world.octets("INBOX", "1700000000", "8").unwrap(), b"");
    let first = &world.messages[&("INBOX".into(), "1700000000".into(), "3".into())];
    assert_eq!((first.keywords.join(" "), first.received), ("$Forwarded \\Seen".into(), Some(837_596_665_000)));
    assert_eq!(cursor(&world), Cursor { validity: 1_700_000_000, next: 9, modseq: 20, exists: 3, flags: 0, retiring: vec![] });
}

#[test]
fn where_nothing_changed_one_examine_is_all() {
    let at = Cursor { validity: 7, next: 10_001, modseq: 99, exists: 10_000, flags: 0, retiring: vec![] };
    let before = world_at(&at, &[]);
    let world = sync_inbox(
        DOVECOT,
        r#"
        C: A1 EXAMINE "INBOX" (CONDSTORE)
        S: * 10000 EXISTS
        S: * OK [UIDVALIDITY 7] UIDs valid
        S: * OK [UIDNEXT 10001] Predicted next UID
        S: * OK [HIGHESTMODSEQ 99] Highest
        S: A1 OK [READ-ONLY] Examine completed.
        "#,
        &before,
    );
    assert_eq!(world.checkpoints.len(), 1, "nothing to make durable");
    assert!(world.asked.is_empty(), "nothing to ask");
}

#[test]
fn flags_new_messages_and_gone_ones_are_followed() {
    let at = Cursor { validity: 7, next: 5, modseq: 50, exists: 4, flags: 0, retiring: vec![] };
    let before = World { page_ids: 2, ..world_at(&at, &[("1", &[]), ("2", &["\\Seen"]), ("3", &[]), ("4", &[])]) };
    let world = sync_inbox(
        DOVECOT,
        r#"
        C: A1 EXAMINE "INBOX" (CONDSTORE)
        S: * 3 EXISTS
        S: * OK [UIDVALIDITY 7] UIDs valid
        S: * OK [UIDNEXT 6] Predicted next UID
        S: * OK [HIGHESTMODSEQ 60] Highest
        S: A1 OK [READ-ONLY] Examine completed.
        C: A2 UID FETCH 1:4 (UID FLAGS) (CHANGEDSINCE 50)
        S: * 1 FETCH (UID 2 FLAGS (\Flagged \Seen) MODSEQ (58))
        S: A2 OK Fetch completed.
        C: A3 UID SEARCH RETURN (ALL) UID 5:*
        S: * ESEARCH (TAG "A3") UID ALL 5
        S: A3 OK Search completed.
        # 4 known and 1 new are not 3: something vanished.
        C: A4 UID SEARCH RETURN (ALL) UID 1:4
        S: * ESEARCH (TAG "A4") UID ALL 2,4
        S: A4 OK Search completed.
        C: A5 UID FETCH 5 (UID FLAGS INTERNALDATE RFC822.SIZE BODY.PEEK[])
        # Another client is at work meanwhile.
        S: * 2 FETCH (FLAGS (\Deleted))
        S: * 3 FETCH (UID 5 FLAGS () BODY[] {2}
        S< hi
        S: )
        S: * 4 EXISTS
        S: * 2 EXPUNGE
        S: A5 OK Fetch completed.
        "#,
        &before,
    );
    assert_eq!(world.ids("INBOX", "7"), ["2", "4", "5"]);
    assert_eq!(world.messages[&("INBOX".into(), "7".into(), "2".into())].keywords, ["\\Flagged", "\\Seen"]);
    assert_eq!(cursor(&world), Cursor { validity: 7, next: 6, modseq: 60, exists: 3, flags: 0, retiring: vec![] });
}

#[test]
fn an_emptied_folder_loses_all() {
    let at = Cursor { validity: 7, next: 5, modseq: 50, exists: 2, flags: 0, retiring: vec![] };
    let world = sync_inbox(
        DOVECOT,
        r#"
        C: A1 EXAMINE "INBOX" (CONDSTORE)
        S: * 0 EXISTS
        S: * OK [UIDVALIDITY 7] UIDs valid
        S: * OK [UIDNEXT 5] Predicted next UID
        S: * OK [HIGHESTMODSEQ 60] Highest
        S: A1 OK [READ-ONLY] Examine completed.
        "#,
        &world_at(&at, &[("1", &[]), ("4", &[])]),
    );
    assert_eq!(world.ids("INBOX", "7"), [""; 0]);
    assert_eq!(cursor(&world).exists, 0);
}

#[test]
fn a_new_uidvalidity_takes_all_over_anew_and_then_retires_the_old() {
    let at = Cursor { validity: 7, next: 5, modseq: 50, exists: 1, flags: 0, retiring: vec![6] };
    let world = sync_inbox(
        DOVECOT,
        r#"
        C: A1 EXAMINE "INBOX" (CONDSTORE)
        S: * 1 EXISTS
        S: * OK [UIDVALIDITY 8] UIDs valid
        S: * OK [UIDNEXT 2] Predicted next UID
        S: * OK [HIGHESTMODSEQ 1] Highest
        S: A1 OK [READ-ONLY] Examine completed.
        C: A2 UID SEARCH RETURN (ALL) UID 1:*
        S: * ESEARCH (TAG "A2") UID ALL 1
        S: A2 OK Search completed.
        C: A3 UID FETCH 1 (UID FLAGS INTERNALDATE RFC822.SIZE BODY.PEEK[])
        S: * 1 FETCH (UID 1 FLAGS () BODY[] {1}
        S< 4
        S: )
        S: A3 OK Fetch completed.
        "#,
        &world_at(&at, &[("4", &[])]),
    );
    assert_eq!(world.ids("INBOX", "8"), ["1"]);
    assert_eq!(world.retired, [("INBOX".to_owned(), "6".to_owned()), ("INBOX".to_owned(), "7".to_owned())]);
    assert_eq!(cursor(&world), Cursor { validity: 8, next: 2, modseq: 1, exists: 1, flags: 0, retiring: vec![] });
}

#[test]
fn without_any_extension_everything_is_found_out_too() {
    // Two passes on one session: the second finds all flags as they were, and tells nothing.
    let text = r#"
        C: A1 EXAMINE "INBOX"
        S: * 2 EXISTS
        S: * OK [UIDVALIDITY 7] UIDs valid
        S: * OK [UIDNEXT 3] Predicted next UID
        S: A1 OK [READ-ONLY] done
        C: A2 UID FETCH 1:* (UID)
        S: * 1 FETCH (UID 1)
        S: * 2 FETCH (UID 2)
        S: A2 OK done
        C: A3 UID FETCH 1:2 (UID FLAGS INTERNALDATE RFC822.SIZE BODY.PEEK[])
        S: * 1 FETCH (FLAGS (\Seen) UID 1 BODY[] {1}
        S< a
        S: )
        S: * 2 FETCH (FLAGS () UID 2 BODY[] "b")
        S: A3 OK done
        C: A4 EXAMINE "INBOX"
        S: * 2 EXISTS
        S: * OK [UIDVALIDITY 7] UIDs valid
        S: * OK [UIDNEXT 3] Predicted next UID
        S: A4 OK [READ-ONLY] done
        C: A5 UID FETCH 1:2 (UID FLAGS)
        S: * 1 FETCH (FLAGS (\Seen) UID 1)
        S: * 2 FETCH (FLAGS () UID 2)
        S: A5 OK done
        # The third finds one gone and one read.
        C: A6 EXAMINE "INBOX"
        S: * 1 EXISTS
        S: * OK [UIDVALIDITY 7] UIDs valid
        S: * OK [UIDNEXT 3] Predicted next UID
        S: A6 OK [READ-ONLY] done
        C: A7 UID FETCH 1:2 (UID FLAGS)
        S: * 1 FETCH (FLAGS (\Seen) UID 2)
        S: A7 OK done
        C: A8 UID FETCH 1:2 (UID FLAGS)
        S: * 1 FETCH (FLAGS (\Seen) UID 2)
        S: A8 OK done
    "#;
    let (_, world) = script(text).check(&World::default(), |player| {
        let session = &mut session("IMAP4rev1");
        sync(player, session, "INBOX")?;
        let (told, checkpoints) = (player.world.asked.get("changed").copied(), player.world.checkpoints.len());
        sync(player, session, "INBOX")?;
        assert_eq!((told, checkpoints), (player.world.asked.get("changed").copied(), player.world.checkpoints.len()), "nothing changed");
        sync(player, session, "INBOX")
    });
    assert_eq!(world.ids("INBOX", "7"), ["2"]);
    assert_eq!(world.messages[&("INBOX".into(), "7".into(), "2".into())].keywords, ["\\Seen"]);
    assert_eq!(world.octets("INBOX", "7", "2").unwrap(), b"b");
}

#[test]
fn a_pass_goes_on_where_a_killed_one_was_durable() {
    // The host had a checkpoint in the middle, and one message behind it.
    let at = Cursor { validity: 7, next: 3, modseq: 60, exists: 2, flags: 0, retiring: vec![] };
    let world = sync_inbox(
        DOVECOT,
        r#"
        C: A1 EXAMINE "INBOX" (CONDSTORE)
        S: * 4 EXISTS
        S: * OK [UIDVALIDITY 7] UIDs valid
        S: * OK [UIDNEXT 5] Predicted next UID
        S: * OK [HIGHESTMODSEQ 60] Highest
        S: A1 OK [READ-ONLY] Examine completed.
        C: A2 UID SEARCH RETURN (ALL) UID 3:*
        S: * ESEARCH (TAG "A2") UID ALL 3:4
        S: A2 OK Search completed.
        C: A3 UID FETCH 3 (UID FLAGS INTERNALDATE RFC822.SIZE BODY.PEEK[])
        S: * 3 FETCH (UID 3 FLAGS () BODY[] {1}
        S< c
        S: )
        S: A3 OK Fetch completed.
        C: A4 UID FETCH 4 (UID FLAGS)
        S: * 4 FETCH (UID 4 FLAGS (\Seen))
        S: A4 OK Fetch completed.
        "#,
        &world_at(&at, &[("1", &[]), ("2", &[]), ("4", &[])]),
    );
    assert_eq!(world.ids("INBOX", "7"), ["1", "2", "3", "4"]);
    assert_eq!(world.messages[&("INBOX".into(), "7".into(), "4".into())].keywords, ["\\Seen"]);
    assert_eq!(cursor(&world), Cursor { validity: 7, next: 5, modseq: 60, exists: 4, flags: 0, retiring: vec![] });
}

#[test]
fn what_came_beyond_a_cursor_and_vanished_is_found_all_the_same() {
    // A pass died after a checkpoint that had 4 and not 3; then others deleted 4. The sum of 1 and 2 alone would be right.
    let at = Cursor { validity: 7, next: 3, modseq: 60, exists: Cursor::UNCOUNTED, flags: 0, retiring: vec![] };
    let world = sync_inbox(
        DOVECOT,
        r#"
        C: A1 EXAMINE "INBOX" (CONDSTORE)
        S: * 3 EXISTS
        S: * OK [UIDVALIDITY 7] UIDs valid
        S: * OK [UIDNEXT 5] Predicted next UID
        S: * OK [HIGHESTMODSEQ 60] Highest
        S: A1 OK [READ-ONLY] Examine completed.
        C: A2 UID SEARCH RETURN (ALL) UID 3:*
        S: * ESEARCH (TAG "A2") UID ALL 3
        S: A2 OK Search completed.
        C: A3 UID SEARCH RETURN (ALL) UID 1:2
        S: * ESEARCH (TAG "A3") UID ALL 1:2
        S: A3 OK Search completed.
        C: A4 UID FETCH 3 (UID FLAGS INTERNALDATE RFC822.SIZE BODY.PEEK[])
        S: * 3 FETCH (UID 3 FLAGS () BODY[] {1}
        S< c
        S: )
        S: A4 OK Fetch completed.
        "#,
        &world_at(&at, &[("1", &[]), ("2", &[]), ("4", &[])]),
    );
    assert_eq!(world.ids("INBOX", "7"), ["1", "2", "3"]);
    assert_eq!(cursor(&world).exists, 3);
}

#[test]
fn only_a_whole_pass_counts_the_folder() {
    let (_, world) = script(FIRST).play(&World::default(), |player| {
        let mut session = session(DOVECOT);
        session.settings.checkpoint_messages = 1;
        sync(player, &mut session, "INBOX")
    });
    let cursors: Vec<(u32, u64)> = world
        .checkpoints
        .iter()
        .map(|checkpoint| Cursor::decode(&checkpoint.cursor).unwrap())
        .map(|cursor| (cursor.next, cursor.exists))
        .collect();
    assert_eq!(cursors, [(7, Cursor::UNCOUNTED), (9, 3), (9, 3)]);
}
