//! Dialogues, played whole, cut at every octet, with late answers, and closed at and in every line.

use postrider_connector::testing::{Player, Script, World};
use postrider_connector::types::{Error, Failure};
use template_line::receive::{FOLDER, Receive};
use template_line::settings::Settings;

const TWO: &str = r"
    C: UIDL
    S: +OK
    S: 1 first
    S: 2 second
    S: .
    C: RETR 1
    S: +OK
    S: Subject: one
    S:
    S: ..dotted
    S: .
    C: RETR 2
    S: +OK 12 octets
    S: Subject: two
    S:
    S: .
";

fn receive(player: &mut Player<'_>) -> Result<(), Error> {
    player.run(&mut Receive::new(&Settings::default()))
}

/// A maildrop has no cursor that could cover a message; what came whole is made durable all the same.
fn play(script: &str, world: &World, converse: impl Fn(&mut Player<'_>) -> Result<(), Error>) -> World {
    Script::parse(script).with_cursor(|_, _| false).check(world, converse).1
}

#[test]
fn a_maildrop_is_received() {
    let world = play(TWO, &World::default(), receive);
    assert_eq!(world.octets(FOLDER, "", "first"), Some(b"Subject: one\r\n\r\n.dotted\r\n".as_slice()));
    assert_eq!(world.octets(FOLDER, "", "second"), Some(b"Subject: two\r\n\r\n".as_slice()));
    assert_eq!(world.checkpoints.len(), 1);
}

#[test]
fn what_the_host_has_is_not_fetched() {
    let mut world = World::default();
    world.put(FOLDER, "", "first", b"Subject: one\r\n\r\n", &[]);
    let script = r"
        C: UIDL
        S: +OK
        S: 1 first
        S: .
    ";
    let world = play(script, &world, receive);
    assert!(world.checkpoints.is_empty(), "nothing came, so nothing has to be made durable");
}

#[test]
fn an_empty_maildrop_is_no_error() {
    play("C: UIDL\nS: +OK\nS: .", &World::default(), receive);
}

#[test]
fn a_message_that_cannot_be_had_costs_that_one() {
    let script = r"
        C: UIDL
        S: +OK
        S: 1 first
        S: 2 second
        S: .
        C: RETR 1
        S: -ERR it is broken
        C: RETR 2
        S: +OK
        S: Subject: two
        S: .
    ";
    let world = play(script, &World::default(), receive);
    assert_eq!(world.octets(FOLDER, "", "first"), None);
    assert_eq!(world.ids(FOLDER, ""), ["first", "second"], "it is set aside, and not asked for again");
}

#[test]
fn a_message_that_is_too_large_is_set_aside() {
    let settings = Settings { message_octets: 20, ..Settings::default() };
    let world = play(TWO, &World::default(), |player| player.run(&mut Receive::new(&settings)));
    assert_eq!(world.octets(FOLDER, "", "first"), None);
    assert!(world.octets(FOLDER, "", "second").is_some());
}

#[test]
fn checkpoints_come_as_often_as_set() {
    let settings = Settings { checkpoint_messages: 1, ..Settings::default() };
    let world = play(TWO, &World::default(), |player| player.run(&mut Receive::new(&settings)));
    assert_eq!(world.checkpoints.len(), 2);
}

#[test]
fn a_refused_listing_is_told() {
    Script::parse("C: UIDL\nS: -ERR not now").play(&World::default(), |player| {
        let error = receive(player).expect_err("it is refused");
        assert_eq!((error.kind, error.message.as_str()), (Failure::Permanent, "UIDL: -ERR not now"));
        Ok(())
    });
}
