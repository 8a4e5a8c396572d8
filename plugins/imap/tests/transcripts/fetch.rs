//! One message again.

use postrider_connector::testing::{Script, World};
use postrider_connector::types::Failure;
use postrider_imap::fetch::FetchMessage;

use super::{DOVECOT, session};

const OPEN: &str = r#"
    C: A1 EXAMINE "INBOX" (CONDSTORE)
    S: * 3 EXISTS
    S: * OK [UIDVALIDITY 7] UIDs valid
    S: A1 OK [READ-ONLY] Examine completed.
"#;

fn world() -> World {
    let mut world = World::default();
    world.put("INBOX", "7", "5", b"x", &[]);
    world.put("INBOX", "6", "9", b"of a former generation", &[]);
    world
}

/// What fetching `id` comes to: the octets, and their number or the error.
fn fetch(id: &str, text: &str) -> (Vec<u8>, Result<u64, Failure>) {
    let (outcome, world) = Script::parse(&format!("{OPEN}{text}")).check(&world(), |player| {
        match player.run(&mut FetchMessage::new(&mut session(DOVECOT), "INBOX", id)?) {
            Err(error) if error.kind == Failure::Unreachable => Err(error),
            outcome => Ok(outcome.map_err(|error| error.kind)),
        }
    });
    (world.given, outcome)
}

#[test]
fn its_octets_come_as_they_are() {
    let text = r"
        C: A2 UID FETCH 5 (UID BODY.PEEK[])
        S: * 2 FETCH (UID 5 BODY[] {15}
        S< A: b\r\n\r\n)\r\n\0\xff\r\n
        S:  FLAGS (\Seen))
        S: * 1 FETCH (UID 4 BODY[] {5}
        S< other
        S: )
        S: A2 OK done
    ";
    assert_eq!(fetch("5", text), (b"A: b\r\n\r\n)\r\n\0\xff\r\n".to_vec(), Ok(15)));
    for (body, octets) in [("{0}\n S: ", ""), ("\"quoted\"", "quoted"), ("\"\"", "")] {
        let text = format!(
            "C: A2 UID FETCH 5 (UID BODY.PEEK[])\nS: * 2 FETCH (BODY[] {body} UID 5)\nS: A2 NO [EXPUNGEISSUED] Some messages were not there"
        );
        assert_eq!(fetch("5", &text), (octets.as_bytes().to_vec(), Ok(octets.len() as u64)), "{body}");
    }
}

#[test]
fn what_is_not_there_or_not_the_hosts_is_gone() {
    // Under this UIDVALIDITY, 9 is another message.
    assert_eq!(fetch("9", "").1.unwrap_err(), Failure::Gone);
    for (answer, kind) in [
        ("S: A2 OK done", Failure::Gone),
        ("S: * 1 FETCH (UID 4 BODY[] \"x\")\nS: A2 OK done", Failure::Gone),
        ("S: * 2 FETCH (UID 5 BODY[] NIL)\nS: A2 OK done", Failure::Permanent),
        ("S: A2 NO [UNAVAILABLE] later", Failure::Transient),
    ] {
        let (given, outcome) = fetch("5", &format!("C: A2 UID FETCH 5 (UID BODY.PEEK[])\n{answer}"));
        assert_eq!((given.len(), outcome.unwrap_err()), (0, kind), "{answer}");
    }
    for id in ["", "0", "x", "4294967296", "-1"] {
        assert_eq!(FetchMessage::new(&mut session(DOVECOT), "INBOX", id).unwrap_err().kind, Failure::Gone);
    }
}

#[test]
fn a_literal_that_is_counted_wrong_is_told_behind_the_octets() {
    let text = r"
        C: A2 UID FETCH 5 (UID BODY.PEEK[])
        S: * 2 FETCH (UID 5 BODY[] {3}
        S< whole
        S: )
        S: A2 OK done
    ";
    let (given, outcome) = fetch("5", text);
    assert!(b"who".starts_with(&given), "what came before the end was known to be wrong: {given:?}");
    assert_eq!(outcome.unwrap_err(), Failure::Malformed);
}
