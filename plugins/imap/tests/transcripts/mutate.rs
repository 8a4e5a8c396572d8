//! Changing messages.

use postrider_connector::testing::{Script, World};
use postrider_connector::types::{Failure, Outcome};
use postrider_imap::mutate::{Mutate, What};

use super::{DOVECOT, session};

const SELECT: &str = r#"
    C: A1 SELECT "INBOX"
    S: * 3 EXISTS
    S: * OK [UIDVALIDITY 7] UIDs valid
    S: A1 OK [READ-WRITE] Select completed.
"#;

fn world() -> World {
    let mut world = World::default();
    for id in ["1", "2", "5"] {
        world.put("INBOX", "7", id, b"x", &[]);
    }
    // The same UID in a former generation is another message.
    world.put("INBOX", "6", "9", b"y", &[]);
    world
}

fn mutate(capabilities: &str, what: &What, text: &str) -> Vec<String> {
    let ids = ["1", "2", "9"].map(str::to_owned).to_vec();
    let play = Script::parse(&format!("{SELECT}{text}"));
    let (outcomes, _) =
        play.check(&world(), |player| player.run(&mut Mutate::new(&mut session(capabilities), "INBOX", ids.clone(), what.clone())?));
    outcomes.iter().map(shown).collect()
}

fn shown(outcome: &Outcome) -> String {
    format!("{} {:?} {:?}", outcome.id, outcome.moved_to, outcome.failed.as_ref().map(|error| error.kind))
}

#[test]
fn keywords_are_added_and_removed() {
    let what = What::Keywords { add: vec!["\\Seen".into(), "$Forwarded".into()], remove: vec!["\\Flagged".into()] };
    let text = r"
        C: A2 UID STORE 1:2 +FLAGS.SILENT (\Seen $Forwarded)
        S: A2 OK done
        C: A3 UID STORE 1:2 -FLAGS.SILENT (\Flagged)
        S: A3 OK done
    ";
    assert_eq!(mutate(DOVECOT, &what, text), ["1 None None", "2 None None", "9 None Some(Failure::Gone)"]);
}

#[test]
fn more_ids_than_one_question_takes_are_asked_about_in_several() {
    let mut world = world();
    world.put("INBOX", "7", "20001", b"z", &[]);
    let ids: Vec<String> = (1..=20_001).map(|uid: u32| uid.to_string()).collect();
    let play = Script::parse(&format!(
        "{SELECT}
        C: A2 UID STORE 1:2,5,20001 +FLAGS.SILENT (\\Seen)
        S: A2 OK done"
    ));
    let what = What::Keywords { add: vec!["\\Seen".into()], remove: vec![] };
    let (outcomes, world) =
        play.play(&world, |player| player.run(&mut Mutate::new(&mut session(DOVECOT), "INBOX", ids.clone(), what.clone())?));
    let done: Vec<&str> = outcomes.iter().filter(|outcome| outcome.failed.is_none()).map(|outcome| outcome.id.as_str()).collect();
    assert_eq!((done, world.asked["unseen"]), (vec!["1", "2", "5", "20001"], 3));
}

#[test]
fn messages_move_and_tell_their_new_ids() {
    let what = What::Move("Trash".into());
    let text = r#"
        C: A2 UID MOVE 1:2 "Trash"
        S: * OK [COPYUID 9 1:2 31:32] Moved UIDs.
        S: * 1 EXPUNGE
        S: * 1 EXPUNGE
        S: A2 OK Move completed.
    "#;
    assert_eq!(mutate(DOVECOT, &what, text), ["1 Some(\"31\") None", "2 Some(\"32\") None", "9 None Some(Failure::Gone)"]);
    let text = r#"
        C: A2 UID COPY 1:2 "Trash"
        S: A2 OK [COPYUID 9 1:2 31:32] Copied.
        C: A3 UID STORE 1:2 +FLAGS.SILENT (\Deleted)
        S: A3 OK done
        C: A4 UID EXPUNGE 1:2
        S: * 1 EXPUNGE
        S: A4 OK done
    "#;
    assert_eq!(mutate("IMAP4rev1 UIDPLUS", &what, text), ["1 Some(\"31\") None", "2 Some(\"32\") None", "9 None Some(Failure::Gone)"]);
}

#[test]
fn what_could_not_be_copied_is_not_deleted() {
    let text = r#"
        C: A2 UID COPY 1:2 "Trash"
        S: A2 NO [OVERQUOTA] full
    "#;
    let found = mutate("IMAP4rev1 UIDPLUS", &What::Move("Trash".into()), text);
    assert_eq!(found, ["1 None Some(Failure::Throttled)", "2 None Some(Failure::Throttled)", "9 None Some(Failure::Gone)"]);
}

#[test]
fn deleting_takes_only_what_it_names() {
    let text = r"
        C: A2 UID STORE 1:2 +FLAGS.SILENT (\Deleted)
        S: A2 OK done
        C: A3 UID EXPUNGE 1:2
        S: A3 OK done
    ";
    assert_eq!(mutate(DOVECOT, &What::Delete, text), ["1 None None", "2 None None", "9 None Some(Failure::Gone)"]);
    // A bare EXPUNGE would take what others marked.
    let refused = Mutate::new(&mut session("IMAP4rev1"), "INBOX", vec!["1".into()], What::Delete).unwrap_err();
    assert_eq!(refused.kind, Failure::Unsupported);
    let crafted = What::Keywords { add: vec!["x)\r\nA9 DELETE y".into()], remove: vec![] };
    assert_eq!(Mutate::new(&mut session(DOVECOT), "INBOX", vec![], crafted).unwrap_err().kind, Failure::Misconfigured);
}

#[test]
fn a_move_that_is_not_understood_is_made_of_copy_and_expunge() {
    let what = What::Move("Trash".into());
    let copied = r#"
        C: A3 UID COPY 1:2 "Trash"
        S: A3 OK [COPYUID 9 1:2 31:32] Copied.
        C: A4 UID STORE 1:2 +FLAGS.SILENT (\Deleted)
        S: A4 OK done
        C: A5 UID EXPUNGE 1:2
        S: A5 OK done
    "#;
    let text = format!("C: A2 UID MOVE 1:2 \"Trash\"\nS: A2 BAD what is MOVE\n{copied}");
    assert_eq!(
        mutate("IMAP4rev1 MOVE UIDPLUS", &what, &text),
        ["1 Some(\"31\") None", "2 Some(\"32\") None", "9 None Some(Failure::Gone)"]
    );
    // A NO may have moved some; and without UIDPLUS there is no way that touches nothing else.
    for (capabilities, answer, kind) in
        [("IMAP4rev1 MOVE UIDPLUS", "NO [OVERQUOTA] full", "Throttled"), ("IMAP4rev1 MOVE", "BAD what is MOVE", "Permanent")]
    {
        let text = format!("C: A2 UID MOVE 1:2 \"Trash\"\nS: A2 {answer}");
        assert_eq!(mutate(capabilities, &what, &text)[0], format!("1 None Some(Failure::{kind})"), "{answer}");
    }
}
