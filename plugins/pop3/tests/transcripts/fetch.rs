//! One message again.

use postrider_connector::testing::{Script, World};
use postrider_connector::types::Failure;
use postrider_pop3::fetch::FetchMessage;
use postrider_pop3::leave::Leave;
use postrider_pop3::limits::Limits;
use postrider_pop3::session::Session;
use postrider_pop3::settings::{Identity, Settings};

use super::{DOVECOT, owned, session};

/// A listing in which numbers are not in the order of UIDLs, one of which two have.
const UIDL: &str = "
    C: UIDL
    S: +OK
    S: 1 b
    S: 2 a%
    S: 3 twice
    S: 4 twice
    S: .
";

/// What fetching `id` comes to: the octets, and their number or the error.
fn fetch(id: &str, text: &str) -> (Vec<u8>, Result<u64, Failure>) {
    let (outcome, world) = Script::parse(text).check(&World::default(), |player| {
        match player.run(&mut FetchMessage::new(&mut session(DOVECOT, Settings::default()), id)?) {
            Err(error) if error.kind == Failure::Unreachable => Err(error),
            outcome => Ok(outcome.map_err(|error| error.kind)),
        }
    });
    (world.given, outcome)
}

#[test]
fn its_number_is_looked_up_and_its_octets_come_as_they_are() {
    let text = format!("{UIDL}\nC: RETR 2\nS: +OK\nS: ..\nS< .\\r\n\nS< .\\r\\n\\0\\xff\\n.\\n\\r\\n.\\r\\n");
    assert_eq!(fetch("a%25", &text), (b".\r\n\r.\r\n\0\xff\n.\n\r\n".to_vec(), Ok(14)));
    assert_eq!(fetch("b", &format!("{UIDL}\nC: RETR 1\nS: +OK\nS: .")), (Vec::new(), Ok(0)));
}

#[test]
fn what_cannot_be_had_is_told_for_what_it_is() {
    assert_eq!(fetch("c", UIDL).1, Err(Failure::Gone));
    assert_eq!(fetch("twice", UIDL).1, Err(Failure::Gone), "nothing tells which of the two it is");
    assert_eq!(fetch("b", "C: UIDL\nS: +OK\nS: 1 a\nS: 1 b").1, Err(Failure::Malformed));
    for (refusal, kind) in [
        ("-ERR no such message", Failure::Permanent),
        ("-ERR [SYS/TEMP] the disk is away", Failure::Transient),
        ("* OK", Failure::Malformed),
    ] {
        assert_eq!(fetch("b", &format!("{UIDL}\nC: RETR 1\nS: {refusal}")).1, Err(kind), "{refusal}");
    }
    assert_eq!(fetch("b", "C: UIDL\nS: -ERR what").1, Err(Failure::Unsupported));
    assert_eq!(fetch("b", "C: UIDL\nS: -ERR [IN-USE] later").1, Err(Failure::Transient));
}

#[test]
fn a_message_that_is_called_by_its_octets_is_not_looked_for() {
    let id = format!("octets {}", "0".repeat(64));
    for (id, settings) in [
        (id.as_str(), Settings::default()),
        (id.as_str(), Settings { identity: Identity::Octets, ..Settings::default() }),
        ("b", Settings { ignore_capabilities: owned(&["UIDL"]), ..Settings::default() }),
    ] {
        let error = FetchMessage::new(&mut session(DOVECOT, settings), id).unwrap_err();
        assert_eq!(error.kind, Failure::Unsupported);
        assert!(error.message.contains("by reading every message"), "{}", error.message);
    }
}

#[test]
fn a_message_that_does_not_end_is_broken_off() {
    let limits = Limits { fetched_octets: 30, ..Limits::default() };
    let text = format!("{UIDL}\nC: RETR 1\nS: +OK\nS: on and on\nS: and on\nS: it goes\nS: and on");
    let (error, world) = Script::parse(&text).play(&World::default(), |player| {
        let mut line = Session::new(&owned(DOVECOT), Settings::default(), limits);
        Ok(player.run(&mut FetchMessage::new(&mut line, "b")?).unwrap_err())
    });
    assert_eq!(error.kind, Failure::TooLarge);
    assert!(world.given.len() <= 30);
}

#[test]
fn where_the_server_deletes_what_was_retrieved_there_is_no_goodbye() {
    let text = format!("{UIDL}\nC: RETR 1\nS: +OK\nS: b\nS: .");
    for (capability, says_goodbye) in [("EXPIRE 0", false), ("EXPIRE NEVER", true)] {
        Script::parse(&text).check(&World::default(), |player| {
            let mut line = session(&[capability], Settings::default());
            player.run(&mut FetchMessage::new(&mut line, "b")?)?;
            assert_eq!(Leave::new(&mut line).is_some(), says_goodbye, "{capability}");
            Ok(())
        });
    }
}
