//! What changed and vanished, told when the folder is opened (RFC 7162, QRESYNC).

use postrider_connector::testing::{Player, World};
use postrider_connector::types::Error;
use postrider_imap::cursor::Cursor;
use postrider_imap::prepare::Prepare;

use super::{cursor, script, session, sync, world_at};

const CAPABILITIES: &str = "IMAP4rev1 ENABLE CONDSTORE QRESYNC ESEARCH";

const AT: Cursor = Cursor { validity: 7, next: 5, modseq: 50, exists: 4, flags: 0, retiring: vec![] };

/// A pass with QRESYNC from [`AT`], where the host has the messages 1 to 4.
fn resync(text: &str) -> World {
    let begin = "C: A1 ENABLE QRESYNC\nS: * ENABLED QRESYNC\nS: A1 OK done\nC: A2 EXAMINE \"INBOX\" (QRESYNC (7 50 1:4))\n";
    let converse = |player: &mut Player<'_>| -> Result<(), Error> {
        let mut session = session(CAPABILITIES);
        player.run(&mut Prepare::new(&mut session))?;
        sync(player, &mut session, "INBOX")
    };
    script(&format!("{begin}{text}")).check(&world_at(&AT, &[("1", &[]), ("2", &["\\Seen"]), ("3", &[]), ("4", &[])]), converse).1
}

/// The codes that every opening has.
fn codes(exists: u32, next: u32, modseq: u64) -> String {
    format!(
        "S: * {exists} EXISTS\nS: * OK [UIDVALIDITY 7] valid\nS: * OK [UIDNEXT {next}] next\nS: * OK [HIGHESTMODSEQ {modseq}] highest\n"
    )
}

#[test]
fn one_command_tells_everything() {
    let text = codes(3, 5, 60)
        + r"
        S: * VANISHED (EARLIER) 2
        S: * 1 FETCH (UID 1 FLAGS (\Flagged) MODSEQ (58))
        S: A2 OK done
        ";
    let world = resync(&text);
    assert_eq!(world.ids("INBOX", "7"), ["1", "3", "4"]);
    assert_eq!(world.messages[&("INBOX".into(), "7".into(), "1".into())].keywords, ["\\Flagged"]);
    assert_eq!(cursor(&world), Cursor { modseq: 60, exists: 3, ..AT });
    assert_eq!(world.asked.get("known"), None, "nothing else is needed");
}

#[test]
fn a_uid_that_the_host_never_had_is_no_vanished_message() {
    let wide = Cursor { next: 9, ..AT };
    let begin = "C: A1 ENABLE QRESYNC\nS: * ENABLED QRESYNC\nS: A1 OK done\nC: A2 EXAMINE \"INBOX\" (QRESYNC (7 50 1:8))\n";
    let text = codes(3, 9, 60) + "S: * VANISHED (EARLIER) 2,6:8\nS: A2 OK done";
    let before = world_at(&wide, &[("1", &[]), ("2", &[]), ("3", &[]), ("4", &[])]);
    let (_, world) = script(&format!("{begin}{text}")).check(&before, |player| {
        let mut session = session(CAPABILITIES);
        player.run(&mut Prepare::new(&mut session))?;
        sync(player, &mut session, "INBOX")
    });
    assert_eq!((world.ids("INBOX", "7"), cursor(&world).exists), (["1", "3", "4"].map(str::to_owned).to_vec(), 3));
}

#[test]
fn nothing_new_takes_one_command_and_no_checkpoint() {
    let world = resync(&(codes(4, 5, 50) + "S: A2 OK done"));
    assert_eq!((world.checkpoints.len(), world.asked.len()), (1, 0));
}

#[test]
fn new_messages_and_vanished_ones_add_up() {
    let text = codes(4, 7, 60)
        + r"
        S: * VANISHED (EARLIER) 1,4
        S: A2 OK done
        C: A3 UID SEARCH RETURN (ALL) UID 5:*
        S: * ESEARCH (TAG x) UID ALL 5:6
        S: A3 OK done
        C: A4 UID FETCH 5:6 (UID FLAGS INTERNALDATE RFC822.SIZE BODY.PEEK[])
        S: * 3 FETCH (UID 5 FLAGS () BODY[] {1}
        S< a
        S: )
        # It goes while it is being fetched: the next pass hears of it again, because the cursor is from before.
        S: * VANISHED 5:6
        S: A4 OK done
        C: A5 UID FETCH 6 (UID FLAGS INTERNALDATE RFC822.SIZE BODY.PEEK[])
        S: A5 OK done
        C: A6 UID FETCH 6 (UID FLAGS)
        S: A6 OK done
        ";
    let world = resync(&text);
    assert_eq!(world.ids("INBOX", "7"), ["2", "3", "5"]);
    assert_eq!(cursor(&world).modseq, 60);
}

#[test]
fn what_does_not_add_up_is_not_believed() {
    // 3 is said to have vanished, 2 has, and 3 is there.
    let text = codes(3, 5, 60)
        + r"
        S: * VANISHED (EARLIER) 2:3
        S: A2 OK done
        C: A3 UID SEARCH RETURN (ALL) UID 1:*
        S: * ESEARCH (TAG x) UID ALL 1,3:4
        S: A3 OK done
        ";
    assert_eq!(resync(&text).ids("INBOX", "7"), ["1", "3", "4"]);
}

#[test]
fn a_server_that_has_forgotten_names_more_than_there_ever_was() {
    let wide = Cursor { next: 50_000, ..AT };
    let begin = "C: A1 ENABLE QRESYNC\nS: * ENABLED QRESYNC\nS: A1 OK done\nC: A2 EXAMINE \"INBOX\" (QRESYNC (7 50 1:49999))\n";
    let text = codes(2, 50_000, 60)
        + r"
        S: * VANISHED (EARLIER) 1:3,5:8,10:60000
        S: A2 OK done
        C: A3 UID SEARCH RETURN (ALL) UID 1:*
        S: * ESEARCH (TAG x) UID ALL 4,9
        S: A3 OK done
        ";
    let before = world_at(&wide, &[("1", &[]), ("2", &[]), ("4", &[]), ("9", &[])]);
    let (_, world) = script(&format!("{begin}{text}")).check(&before, |player| {
        let mut session = session(CAPABILITIES);
        player.run(&mut Prepare::new(&mut session))?;
        sync(player, &mut session, "INBOX")
    });
    assert_eq!(world.ids("INBOX", "7"), ["4", "9"]);
}

#[test]
fn what_is_told_of_another_generation_or_a_future_is_not_heard() {
    // Another UIDVALIDITY: these UIDs are other messages.
    let text = r"
        S: * 0 EXISTS
        S: * VANISHED (EARLIER) 1:4
        S: * OK [UIDVALIDITY 8] valid
        S: * OK [UIDNEXT 1] next
        S: * OK [HIGHESTMODSEQ 60] highest
        S: A2 OK done
    ";
    let world = resync(text);
    assert_eq!(world.retired, [("INBOX".to_owned(), "7".to_owned())]);
    assert_eq!(world.asked.get("removed"), None);
    // The server was set back: its mod-sequences say nothing, and all flags are looked at.
    let text = codes(4, 5, 40)
        + r"
        S: * VANISHED (EARLIER) 1:4
        S: A2 OK done
        C: A3 UID FETCH 1:4 (UID FLAGS)
        S: * 1 FETCH (UID 1 FLAGS ())
        S: * 2 FETCH (UID 2 FLAGS ())
        S: * 3 FETCH (UID 3 FLAGS ())
        S: * 4 FETCH (UID 4 FLAGS ())
        S: A3 OK done
        ";
    let world = resync(&text);
    assert_eq!((world.ids("INBOX", "7").len(), cursor(&world).modseq), (4, 40));
    assert!(world.messages[&("INBOX".into(), "7".into(), "2".into())].keywords.is_empty());
}

#[test]
fn a_line_that_cannot_be_read_or_a_refusal_leads_to_the_other_way() {
    let follow = r"
        C: A3 UID FETCH 1:4 (UID FLAGS) (CHANGEDSINCE 50)
        S: A3 OK done
        C: A4 UID SEARCH RETURN (ALL) UID 1:*
        S: * ESEARCH (TAG x) UID ALL 1,3:4
        S: A4 OK done
    ";
    let broken = codes(3, 5, 60) + "S: * VANISHED (EARLIER) 2,x\nS: A2 OK done" + follow;
    assert_eq!(resync(&broken).ids("INBOX", "7"), ["1", "3", "4"]);
    let refused = "S: A2 BAD what is QRESYNC\nC: A3 EXAMINE \"INBOX\" (CONDSTORE)\n".to_owned()
        + &codes(3, 5, 60)
        + "S: A3 OK done"
        + &follow.replace("A4", "A5").replace("A3", "A4");
    assert_eq!(resync(&refused).ids("INBOX", "7"), ["1", "3", "4"]);
}
