//! Waiting for changes.

use postrider_connector::testing::{Script, World};
use postrider_imap::watch::{Watch, Watched};

use super::{DOVECOT, session};

fn watch(capabilities: &str, folders: &[&str], text: &str) -> Watched {
    let folders: Vec<String> = folders.iter().map(ToString::to_string).collect();
    Script::parse(text).check(&World::default(), |player| player.run(&mut Watch::new(&mut session(capabilities), &folders))).0
}

const OPEN: &str = r#"
    C: A1 EXAMINE "INBOX" (CONDSTORE)
    S: * 3 EXISTS
    S: * OK [UIDVALIDITY 7] UIDs valid
    S: * OK [UIDNEXT 4] Predicted next UID
    S: * OK [HIGHESTMODSEQ 60] Highest
    S: A1 OK [READ-ONLY] Examine completed.
"#;

#[test]
fn a_new_message_ends_idle() {
    let text = format!(
        "{OPEN}
        C: A2 IDLE
        S: + idling
        S: * OK Still here
        S: * 3 EXISTS
        S: * 4 EXISTS
        C: DONE
        S: A2 OK Idle completed."
    );
    assert_eq!(watch(DOVECOT, &["INBOX"], &text), Watched::Changed(vec!["INBOX".into()]));
}

#[test]
fn flags_and_expunges_end_idle() {
    for line in ["* 2 EXPUNGE", "* VANISHED 12", "* 1 FETCH (FLAGS (\\Seen))"] {
        let text = format!("{OPEN}\nC: A2 IDLE\nS: + idling\nS: {line}\nC: DONE\nS: A2 OK done\n");
        assert_eq!(watch(DOVECOT, &["INBOX"], &text), Watched::Changed(vec!["INBOX".into()]), "{line}");
    }
}

#[test]
fn another_call_and_the_end_of_time_leave_idle() {
    for (signal, outcome) in [("wanted", Watched::Interrupted), ("time-up", Watched::TimeUp)] {
        let text = format!("{OPEN}\nC: A2 IDLE\nS: + idling\n! {signal}\nC: DONE\nS: A2 OK done\n");
        assert_eq!(watch(DOVECOT, &["INBOX"], &text), outcome);
        // DONE waits until the server agreed to idle.
        let text = format!("{OPEN}\nC: A2 IDLE\n! {signal}\nS: + idling\nC: DONE\nS: A2 OK done\n");
        assert_eq!(watch(DOVECOT, &["INBOX"], &text), outcome);
    }
}

#[test]
fn idle_is_begun_anew_and_others_are_looked_at() {
    let text = format!(
        "{OPEN}
        C: A2 STATUS \"Sent\" (MESSAGES UIDNEXT UIDVALIDITY HIGHESTMODSEQ)
        S: * STATUS Sent (MESSAGES 1 UIDNEXT 2 UIDVALIDITY 9 HIGHESTMODSEQ 5)
        S: A2 OK Status completed.
        C: A3 IDLE
        S: + idling
        ! timer
        C: DONE
        S: A3 OK Idle completed.
        C: A4 STATUS \"Sent\" (MESSAGES UIDNEXT UIDVALIDITY HIGHESTMODSEQ)
        S: * STATUS Sent (MESSAGES 2 UIDNEXT 3 UIDVALIDITY 9 HIGHESTMODSEQ 6)
        S: A4 OK Status completed."
    );
    assert_eq!(watch(DOVECOT, &["Sent", "INBOX"], &text), Watched::Changed(vec!["Sent".into()]));
}

#[test]
fn without_idle_status_is_asked_for() {
    let text = r#"
        C: A1 STATUS "INBOX" (MESSAGES UIDNEXT UIDVALIDITY UNSEEN)
        S: * STATUS INBOX (MESSAGES 1 UIDNEXT 2 UIDVALIDITY 9 UNSEEN 1)
        S: A1 OK done
        ! timer
        C: A2 STATUS "INBOX" (MESSAGES UIDNEXT UIDVALIDITY UNSEEN)
        S: * STATUS "INBOX" (MESSAGES 1 UIDNEXT 2 UIDVALIDITY 9 UNSEEN 0)
        S: A2 OK done
    "#;
    assert_eq!(watch("IMAP4rev1", &["INBOX"], text), Watched::Changed(vec!["INBOX".into()]));
    let text = r#"
        C: A1 STATUS "INBOX" (MESSAGES UIDNEXT UIDVALIDITY UNSEEN)
        S: * STATUS INBOX (MESSAGES 1 UIDNEXT 2 UIDVALIDITY 9 UNSEEN 1)
        S: A1 OK done
        ! wanted
    "#;
    assert_eq!(watch("IMAP4rev1", &["INBOX"], text), Watched::Interrupted);
}

#[test]
fn a_folder_that_is_not_opened_is_told_of_once() {
    let text = format!(
        "{OPEN}
        C: A2 STATUS \"Closed\" (MESSAGES UIDNEXT UIDVALIDITY HIGHESTMODSEQ)
        S: A2 NO [NOPERM] no
        C: A3 IDLE
        S: + idling
        ! time-up
        C: DONE
        S: A3 OK done"
    );
    let folders = ["INBOX", "Closed"].map(str::to_owned);
    let outcomes = Script::parse(&text).check(&World::default(), |player| {
        let mut session = session(DOVECOT);
        let first = player.run(&mut Watch::new(&mut session, &folders))?;
        Ok((first, player.run(&mut Watch::new(&mut session, &folders))?))
    });
    assert_eq!(outcomes.0, (Watched::Changed(vec!["Closed".into()]), Watched::TimeUp));
}

const SWEEP: &str = r#"
    C: A2 NOTIFY SET STATUS (selected (MessageNew MessageExpunge FlagChange)) (mailboxes ("Sent" "a \"b\"") (MessageNew MessageExpunge FlagChange))
    S: * STATUS Sent (MESSAGES 1 UIDNEXT 2 UIDVALIDITY 9 HIGHESTMODSEQ 5)
    S: * STATUS "a \\"b\\"" (MESSAGES 1 UIDNEXT 2 UIDVALIDITY 9 HIGHESTMODSEQ 5)
"#;

#[test]
fn the_server_tells_of_the_others_where_it_can() {
    let leave = "C: DONE\nS: A3 OK done\nC: A4 NOTIFY SET (selected (MessageNew MessageExpunge FlagChange))\nS: A4 OK done";
    let capabilities = &format!("{DOVECOT} NOTIFY");
    let folders = ["Sent", "INBOX", "a \"b\""];
    let text = format!(
        "{OPEN}{SWEEP}
        S: A2 OK done
        C: A3 IDLE
        S: + idling
        S: * STATUS Unasked (MESSAGES 9 UIDNEXT 10)
        S: * STATUS Sent (MESSAGES 2 UIDNEXT 3 UIDVALIDITY 9 HIGHESTMODSEQ 6)
        {leave}"
    );
    assert_eq!(watch(capabilities, &folders, &text), Watched::Changed(vec!["Sent".into()]));
    // The open folder is told of as ever.
    let text = format!("{OPEN}{SWEEP}\nS: A2 OK done\nC: A3 IDLE\nS: + idling\nS: * 4 EXISTS\n{leave}");
    assert_eq!(watch(capabilities, &folders, &text), Watched::Changed(vec!["INBOX".into()]));
    let text = format!("{OPEN}{SWEEP}\nS: A2 OK done\nC: A3 IDLE\nS: + idling\n! wanted\n{leave}");
    assert_eq!(watch(capabilities, &folders, &text), Watched::Interrupted);
}

#[test]
fn where_notify_is_refused_the_others_are_looked_at() {
    let text = format!(
        "{OPEN}
        C: A2 NOTIFY SET STATUS (selected (MessageNew MessageExpunge FlagChange)) (mailboxes (\"Sent\") (MessageNew MessageExpunge FlagChange))
        S: A2 NO [NOTIFICATIONOVERFLOW] too many
        C: A3 STATUS \"Sent\" (MESSAGES UIDNEXT UIDVALIDITY HIGHESTMODSEQ)
        S: * STATUS Sent (MESSAGES 1 UIDNEXT 2 UIDVALIDITY 9 HIGHESTMODSEQ 5)
        S: A3 OK done
        C: A4 IDLE
        S: + idling
        ! time-up
        C: DONE
        S: A4 OK done"
    );
    assert_eq!(watch(&format!("{DOVECOT} NOTIFY"), &["INBOX", "Sent"], &text), Watched::TimeUp);
}

#[test]
fn one_listing_tells_of_many_folders() {
    let names: Vec<String> = (1..=10).map(|number| format!("f{number}")).collect();
    let folders: Vec<&str> = names.iter().map(String::as_str).collect();
    let status = |uidnext: u32| format!("S: * LIST () \".\" f7\nS: * STATUS f7 (MESSAGES 1 UIDNEXT {uidnext} UIDVALIDITY 9 UNSEEN 0)");
    let sweep = |tag: u32| format!("C: A{tag} LIST \"\" \"*\" RETURN (STATUS (MESSAGES UIDNEXT UIDVALIDITY UNSEEN))");
    let text = format!("{}\n{}\nS: A1 OK done\n! timer\n{}\n{}\nS: A2 OK done", sweep(1), status(2), sweep(2), status(3));
    assert_eq!(watch("IMAP4rev1 LIST-STATUS", &folders, &text), Watched::Changed(vec!["f7".into()]));
}
