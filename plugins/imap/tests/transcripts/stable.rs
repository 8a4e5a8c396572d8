//! Messages that have ids of their own (RFC 8474, Gmail), and the order in which they come.

use postrider_connector::testing::{Player, Script, World};
use postrider_imap::cursor::Cursor;

use super::{cursor, script, session, sync, sync_inbox};

/// The opening of INBOX with four messages, none known.
fn opening(found: &str) -> String {
    format!(
        r#"
        C: A1 EXAMINE "INBOX"
        S: * 4 EXISTS
        S: * OK [UIDVALIDITY 7] UIDs valid
        S: * OK [UIDNEXT 5] Predicted next UID
        S: A1 OK [READ-ONLY] Examine completed.
        C: A2 UID FETCH 1:* (UID)
        {found}
        S: A2 OK done
        "#
    )
}

fn uids(uids: &[u32]) -> String {
    uids.iter().map(|uid| format!("S: * {uid} FETCH (UID {uid})\n")).collect()
}

#[test]
fn what_the_host_has_under_its_own_id_is_not_fetched() {
    let text = opening(&uids(&[1, 2, 3]))
        + r"
        C: A3 UID FETCH 1:3 (UID FLAGS INTERNALDATE RFC822.SIZE EMAILID THREADID)
        S: * 1 FETCH (UID 1 FLAGS (\Seen) EMAILID (M1) THREADID (T1))
        S: * 2 FETCH (UID 2 FLAGS () EMAILID (M2) THREADID NIL)
        # What this says of its ids cannot be read: it is fetched.
        S: * 3 FETCH (UID 3 FLAGS () EMAILID (M3 M4))
        S: A3 OK done
        ";
    let fetch =
        |set: &str, tag: u32| format!("C: A{tag} UID FETCH {set} (UID FLAGS INTERNALDATE RFC822.SIZE EMAILID THREADID BODY.PEEK[])\n");
    let body = |uid: u32| format!("S: * {uid} FETCH (UID {uid} FLAGS () BODY[] \"{uid}\")\n");
    let text = text + &fetch("3", 4) + &body(3) + "S: A4 OK done\n" + &fetch("2", 5) + &body(2) + "S: A5 OK done";
    let mut before = World::default();
    before.recognised.insert("M1".into());
    let (_, world) = Script::parse(&text).play(&before, |player| sync(player, &mut session("IMAP4rev1 OBJECTID"), "INBOX"));
    assert_eq!(world.ids("INBOX", "7"), ["1", "2", "3"]);
    let of = |uid: &str| &world.messages[&("INBOX".into(), "7".into(), uid.into())];
    assert_eq!((of("1").octets.as_deref(), of("1").keywords.join(" ")), (None, "\\Seen".into()), "recognised");
    assert_eq!((of("2").octets.as_deref(), of("2").stable.as_deref()), (Some(&b"2"[..]), Some("M2")));
    assert_eq!((of("3").octets.as_deref(), of("3").stable.as_deref()), (Some(&b"3"[..]), None));
}

#[test]
fn gmail_tells_ids_threads_and_labels() {
    let items = r#"X-GM-MSGID 1278455344230334865 X-GM-THRID 1266894439832287888 X-GM-LABELS (\Inbox \Sent Important "Muy Importante" "Entw&APw-rfe" {3}
        S: a)b)"#;
    let text = opening(&uids(&[4]))
        + &format!(
            r"
        C: A3 UID FETCH 4 (UID FLAGS INTERNALDATE RFC822.SIZE X-GM-MSGID X-GM-THRID X-GM-LABELS)
        S: * 4 FETCH (UID 4 FLAGS (\Seen) {items})
        S: A3 OK Success
        C: A4 UID FETCH 4 (UID FLAGS INTERNALDATE RFC822.SIZE X-GM-MSGID X-GM-THRID X-GM-LABELS BODY.PEEK[])
        S: * 4 FETCH (UID 4 FLAGS (\Seen) BODY[] {{1}}
        S< d
        S: )
        S: A4 OK Success
        "
        );
    let world = sync_inbox("IMAP4rev1 X-GM-EXT-1", &text, &World::default());
    let stored = &world.messages[&("INBOX".into(), "7".into(), "4".into())];
    assert_eq!(stored.octets.as_deref(), Some(&b"d"[..]));
    assert_eq!((stored.stable.as_deref(), stored.thread.as_deref()), (Some("1278455344230334865"), Some("1266894439832287888")));
    let labels: Vec<&str> = stored.extra.iter().map(|(name, value)| if name == "gmail-label" { value.as_str() } else { "?" }).collect();
    assert_eq!(labels, ["\\Inbox", "\\Sent", "Important", "Muy Importante", "Entwürfe", "a)b"]);
}

#[test]
fn the_newest_come_first_where_that_is_wanted() {
    let batch = |tag: u32, set: &str, uids: &[u32]| {
        let bodies: String = uids.iter().map(|uid| format!("S: * {uid} FETCH (UID {uid} FLAGS () BODY[] \"{uid}\")\n")).collect();
        format!("C: A{tag} UID FETCH {set} (UID FLAGS INTERNALDATE RFC822.SIZE BODY.PEEK[])\n{bodies}S: A{tag} OK done\n")
    };
    let text = opening(&uids(&[1, 2, 3, 4])) + &batch(3, "3:4", &[3, 4]) + &batch(4, "1:2", &[1, 2]);
    let newest_first = |player: &mut Player<'_>| {
        let mut session = session("IMAP4rev1");
        session.settings.newest_first = true;
        session.settings.batch_messages = 2;
        session.settings.pipeline = 1;
        session.settings.checkpoint_messages = 2;
        sync(player, &mut session, "INBOX")
    };
    let (_, world) = script(&text).check(&World::default(), newest_first);
    assert_eq!((world.ids("INBOX", "7").len(), cursor(&world).next, cursor(&world).exists), (4, 5, 4));
    // A kill in between goes on at the old ones, and fetches nothing twice: the checkpoint after the newest covers none of them by its number.
    let first = Cursor::decode(&world.checkpoints[0].cursor).unwrap();
    assert_eq!((first.next, first.exists), (1, Cursor::UNCOUNTED));
    assert!(world.checkpoints[0].had.contains("4"));
}
