//! Storing messages.

use postrider_connector::testing::{Script, World};
use postrider_connector::types::{Failure, Item};
use postrider_imap::append::Append;

use super::session;

fn item(size: u64) -> Item {
    Item { size, keywords: vec!["\\Seen".into(), "\\Recent".into(), "$Case".into()], received: Some(837_596_665_000) }
}

/// What storing `item`, whose octets come as `pieces`, comes to.
fn append(capabilities: &str, item: &Item, pieces: &[&str], text: &str) -> Result<Option<String>, Failure> {
    let world = World { brought: pieces.iter().map(|piece| piece.as_bytes().to_vec()).collect(), ..World::default() };
    let outcome = Script::parse(text).check(&world, |player| {
        let session = &mut session(capabilities);
        match player.run(&mut Append::new(session, "Sent", item.clone())?) {
            Err(error) if error.kind == Failure::Unreachable => Err(error),
            Err(error) => {
                let is_dropped = error.kind == Failure::Cancelled;
                assert_eq!(session.is_usable_after(&error), !is_dropped, "a literal that has begun has to be ended: {error:?}");
                Ok(Err(error.kind))
            }
            Ok(uid) => Ok(Ok(uid)),
        }
    });
    outcome.0
}

#[test]
fn the_server_is_asked_and_then_gets_every_octet() {
    let text = r#"
        C: A1 APPEND "Sent" (\Seen $Case) "17-Jul-1996 09:44:25 +0000" {12}
        S: * 3 EXISTS
        S: + go on
        C: A: b
        C:
        C: text
        S: A1 OK [APPENDUID 9 31] Append completed.
    "#;
    assert_eq!(append("IMAP4rev1 UIDPLUS", &item(12), &["A: b\r\n", "\r\nte", "xt"], text), Ok(Some("31".into())));
    let bare = Item { size: 2, keywords: vec![], received: None };
    let text = "C: A1 APPEND \"Sent\" {2}\nS: + \nC: hi\nS: A1 OK done";
    assert_eq!(append("IMAP4rev1", &bare, &["hi"], text), Ok(None));
}

#[test]
fn a_short_literal_goes_at_once() {
    let bare = |size| Item { size, keywords: vec![], received: None };
    for capabilities in ["IMAP4rev1 LITERAL+", "IMAP4rev1 LITERAL-", "IMAP4rev2"] {
        let text = "C: A1 APPEND \"Sent\" {2+}\nC: hi\nS: A1 OK [APPENDUID 9 7] done";
        assert_eq!(append(capabilities, &bare(2), &["hi"], text), Ok(Some("7".into())), "{capabilities}");
        // The refusal comes before the end, and the literal has to be ended all the same.
        let text = "C: A1 APPEND \"Sent\" {2+}\nC: hi\nS: A1 NO [OVERQUOTA] full";
        assert_eq!(append(capabilities, &bare(2), &["hi"], text).unwrap_err(), Failure::Throttled);
    }
    let long = "x".repeat(4097);
    for (capabilities, plus) in [("IMAP4rev1 LITERAL+", "+"), ("IMAP4rev1 LITERAL-", ""), ("IMAP4rev2", ""), ("IMAP4rev1", "")] {
        let go_on = if plus.is_empty() { "S: +\n" } else { "" };
        let text = format!("C: A1 APPEND \"Sent\" {{4097{plus}}}\n{go_on}C: {long}\nS: A1 OK done");
        assert_eq!(append(capabilities, &bare(4097), &[&long], &text), Ok(None), "{capabilities}");
    }
    // A large one may be refused: the server is asked.
    let text = "C: A1 APPEND \"Sent\" {65537}\nS: A1 NO [TRYCREATE] no such mailbox";
    assert_eq!(append("IMAP4rev1 LITERAL+", &bare(65_537), &["never drawn"], text).unwrap_err(), Failure::Gone);
}

#[test]
fn what_is_larger_than_the_server_takes_is_not_sent() {
    let bare = Item { size: 101, keywords: vec![], received: None };
    let refused = Append::new(&mut session("IMAP4rev1 APPENDLIMIT=100"), "Sent", bare.clone()).unwrap_err();
    assert_eq!(refused.kind, Failure::TooLarge);
    let text = "C: A1 STATUS \"Sent\" (APPENDLIMIT)\nS: * STATUS Sent (APPENDLIMIT 100)\nS: A1 OK done";
    assert_eq!(append("IMAP4rev1 APPENDLIMIT", &bare, &[], text).unwrap_err(), Failure::TooLarge);
    let octets = "x".repeat(101);
    for answer in ["* STATUS Sent (APPENDLIMIT NIL)\nS: A1 OK done", "* STATUS Sent (APPENDLIMIT 101)\nS: A1 OK done", "A1 BAD what"] {
        let text =
            format!("C: A1 STATUS \"Sent\" (APPENDLIMIT)\nS: {answer}\nC: A2 APPEND \"Sent\" {{101}}\nS: + \nC: {octets}\nS: A2 OK done");
        assert_eq!(append("IMAP4rev1 APPENDLIMIT", &bare, &[&octets], &text), Ok(None), "{answer}");
    }
}

#[test]
fn a_message_of_another_length_is_never_stored() {
    let bare = Item { size: 7, keywords: vec![], received: None };
    for (pieces, sent) in [(&["four\r\n"][..], "C: four"), (&["much and more"], ""), (&["seven\r\n", "x"], "C: seven"), (&[], "")] {
        let error = append("IMAP4rev1", &bare, pieces, &format!("C: A1 APPEND \"Sent\" {{7}}\nS: +\n{sent}")).unwrap_err();
        assert_eq!(error, Failure::Cancelled, "{pieces:?}");
    }
}

#[test]
fn nothing_slips_into_the_command() {
    let crafted = Item { size: 1, keywords: vec!["x) {1}\r\nA9 DELETE y".into()], received: None };
    assert_eq!(Append::new(&mut session("IMAP4rev1"), "Sent", crafted.clone()).unwrap_err().kind, Failure::Misconfigured);
    let plain = Item { keywords: vec![], ..crafted };
    assert_eq!(Append::new(&mut session("IMAP4rev1"), "a\r\nb", plain).unwrap_err().kind, Failure::Gone);
}
