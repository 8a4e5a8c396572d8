//! Messages that are too large, or are said to be.

use postrider_connector::testing::World;
use postrider_connector::types::{Error, Failure};
use postrider_pop3::settings::{Oversize, Settings};

use super::{DOVECOT, ids, octets, pass};

fn settings(oversize: Oversize) -> Settings {
    Settings { oversize, oversize_octets: 1_024, ..Settings::default() }
}

/// Two messages, of which the first is said to be large.
fn listing(rest: &str) -> String {
    format!(
        "
        C: STAT
        C: UIDL
        C: LIST
        S: +OK 2 20
        S: +OK
        S: 1 a
        S: 2 b
        S: .
        S: +OK
        S: 1 5000
        S: 2 8
        S: .
        {rest}
        "
    )
}

#[test]
fn a_large_message_is_set_aside_without_being_read() {
    let text = listing("C: RETR 2\n S: +OK\n S: two\n S: .");
    let world = pass(DOVECOT, settings(Oversize::Skip), &text, &World::default());
    assert_eq!((ids(&world).len(), octets(&world, "a"), octets(&world, "b")), (2, None, Some(&b"two\r\n"[..])));
}

#[test]
fn of_a_large_message_the_header_section_is_taken() {
    let text = listing("C: TOP 1 0\n C: RETR 2\n S: +OK\n S: Subject: x\n S:\n S: .\n S: +OK\n S: two\n S: .");
    let world = pass(DOVECOT, settings(Oversize::Headers), &text, &World::default());
    assert_eq!((octets(&world, "a"), octets(&world, "b")), (Some(&b"Subject: x\r\n\r\n"[..]), Some(&b"two\r\n"[..])));
}

#[test]
fn a_top_that_gives_more_than_was_asked_for_is_cut_at_the_empty_line() {
    let text =
        listing("C: TOP 1 0\n C: RETR 2\n S: +OK\n S: Subject: x\n S:\n S: all of it\n S:\n S: more\n S: .\n S: +OK\n S: two\n S: .");
    let world = pass(DOVECOT, settings(Oversize::Headers), &text, &World::default());
    assert_eq!(octets(&world, "a"), Some(&b"Subject: x\r\n\r\n"[..]));
}

#[test]
fn where_there_is_no_top_the_message_is_set_aside() {
    let text = listing("C: TOP 1 0\n C: RETR 2\n S: -ERR what\n S: +OK\n S: two\n S: .");
    let world = pass(DOVECOT, settings(Oversize::Headers), &text, &World::default());
    assert_eq!((ids(&world).len(), octets(&world, "a")), (2, None));
    let text = listing("C: RETR 2\n S: +OK\n S: two\n S: .");
    let broken = Settings { ignore_capabilities: vec!["TOP".to_owned()], ..settings(Oversize::Headers) };
    let world = pass(DOVECOT, broken, &text, &World::default());
    assert_eq!((ids(&world).len(), octets(&world, "a")), (2, None));
}

#[test]
fn a_size_that_was_a_lie_is_found_while_reading() {
    let large = format!("S: {}", "x".repeat(1_100));
    let text = |rest: &str| {
        format!(
            "
        C: STAT
        C: UIDL
        C: LIST
        S: +OK 2 20
        S: +OK
        S: 1 a
        S: 2 b
        S: .
        S: +OK
        S: 1 8
        S: 2 nonsense
        S: .
        C: RETR 1
        C: RETR 2
        S: +OK
        {large}
        S: .
        S: +OK
        S: two
        S: .
        {rest}
        "
        )
    };
    let script = |text: &str| super::Script::parse(text);
    let (_, world) = script(&text("")).play(&World::default(), |player| super::sync(player, DOVECOT, &settings(Oversize::Skip)));
    assert_eq!((ids(&world).len(), octets(&world, "a"), octets(&world, "b")), (2, None, Some(&b"two\r\n"[..])));
    let rest = "C: TOP 1 0\n S: +OK\n S: A: b\n S:\n S: .";
    let (_, world) = script(&text(rest)).play(&World::default(), |player| super::sync(player, DOVECOT, &settings(Oversize::Headers)));
    assert_eq!(octets(&world, "a"), Some(&b"A: b\r\n\r\n"[..]));
}

#[test]
fn what_the_host_refuses_as_too_large_goes_the_same_way() {
    let begin = "
        C: STAT
        C: UIDL
        S: +OK 1 20
        S: +OK
        S: 1 a
        S: .
        C: RETR 1
        S: +OK
        S: one
        S: .
    ";
    let mut world = World::default();
    world.refused.insert("a".to_owned(), Error::new(Failure::TooLarge, "over the account's limit"));
    let world = pass(DOVECOT, Settings::default(), begin, &world);
    assert_eq!((ids(&world).len(), octets(&world, "a")), (1, None), "set aside, and the next pass does not ask for it again");
}
