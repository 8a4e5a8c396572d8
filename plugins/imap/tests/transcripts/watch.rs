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
