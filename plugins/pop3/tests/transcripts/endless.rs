//! Servers that do not come to an end: each message of theirs costs a line, and never the maildrop.

use postrider_connector::machine::{Action, Actions, Input, Machine as _};
use postrider_connector::testing::{Player, Script, World};
use postrider_connector::types::{Error, Failure};
use postrider_pop3::fetch::FetchMessage;
use postrider_pop3::limits::Limits;
use postrider_pop3::session::Session;
use postrider_pop3::settings::{Identity, Oversize, Settings};
use postrider_pop3::sync::{FOLDER, Sync};

use super::{DOVECOT, having, ids, octets, owned};

const LIMITS: Limits =
    Limits { line_octets: 512, messages: 100, drained_octets: 40, hashed_octets: 60, unclaimed_octets: 40, fetched_octets: 60 };

/// Lines of a message that never ends, each in a read of its own.
fn endless(lines: usize) -> String {
    ["S: and on and on it goes, and on\n"].repeat(lines).join("! time-up\n")
}

/// Messages over 16 octets are too large.
fn settings(oversize: Oversize) -> Settings {
    Settings { oversize, oversize_octets: 16, checkpoint_messages: 4, ..Settings::default() }
}

/// Session after session; how many there were.
fn sessions(player: &mut Player<'_>, capabilities: &[&str], settings: &Settings) -> Result<usize, Error> {
    let mut session = Session::new(&owned(capabilities), settings.clone(), LIMITS);
    let mut cursor = player.world.cursor(FOLDER);
    for sessions in 1.. {
        let synced = player.run(&mut Sync::new(&mut session, cursor.as_deref()))?;
        if !synced.has_more {
            return Ok(sessions);
        }
        assert!(synced.is_line_over, "the line is in the middle of a message");
        cursor = Some(synced.cursor);
        session = session.next(&owned(capabilities));
    }
    unreachable!()
}

fn play(text: &str, settings: &Settings, world: &World) -> (usize, World) {
    Script::parse(text).play(world, |player| sessions(player, DOVECOT, settings))
}

/// Three messages that are all said to be small.
fn listing(uidls: [&str; 3]) -> String {
    let [a, b, c] = uidls;
    format!("C: STAT\nC: UIDL\nC: LIST\nS: +OK 3 30\nS: +OK\nS: 1 {a}\nS: 2 {b}\nS: 3 {c}\nS: .\nS: +OK\nS: 1 8\nS: 2 8\nS: 3 8\nS: .\n")
}

#[test]
fn a_message_without_end_is_set_aside_and_the_others_come_by_another_line() {
    let endless = endless(3);
    let text = format!(
        "{}C: RETR 1\nC: RETR 2\nC: RETR 3\nS: +OK\nS: one\nS: .\nS: +OK\n{endless}{}C: RETR 3\nS: +OK\nS: three\nS: .",
        listing(["a", "b", "c"]),
        listing(["a", "b", "c"])
    );
    let (sessions, world) = play(&text, &settings(Oversize::Skip), &World::default());
    assert_eq!((sessions, ids(&world).len()), (2, 3));
    assert_eq!((octets(&world, "a"), octets(&world, "b"), octets(&world, "c")), (Some(&b"one\r\n"[..]), None, Some(&b"three\r\n"[..])));
    let checkpoint = &world.checkpoints[0];
    assert!(checkpoint.had.contains("a") && checkpoint.had.contains("b"), "what came before is durable: {checkpoint:?}");
}

#[test]
fn of_a_message_without_end_the_header_section_can_be_had() {
    // The header section is asked for as soon as the message is refused, and answered only behind it.
    let endless = endless(3).replacen("! time-up", "C: TOP 1 0", 1);
    let text = format!(
        "{}C: RETR 1\nC: RETR 2\nC: RETR 3\nS: +OK\n{endless}{}C: TOP 1 0\nC: RETR 2\nC: RETR 3\nS: +OK\nS: A: b\nS: \nS: .\nS: +OK\nS: two\nS: .\nS: +OK\nS: three\nS: .",
        listing(["a", "b", "c"]),
        listing(["a", "b", "c"])
    );
    let (sessions, world) = play(&text, &settings(Oversize::Headers), &World::default());
    assert_eq!((sessions, octets(&world, "a"), octets(&world, "c")), (2, Some(&b"A: b\r\n\r\n"[..]), Some(&b"three\r\n"[..])));
}

#[test]
fn a_top_without_end_gives_the_header_section_all_the_same() {
    let endless = endless(2);
    let large = "C: STAT\nC: UIDL\nC: LIST\nS: +OK 2 30\nS: +OK\nS: 1 a\nS: 2 b\nS: .\nS: +OK\nS: 1 8000\nS: 2 8\nS: .\n";
    let text = format!("{large}C: TOP 1 0\nC: RETR 2\nS: +OK\nS: A: b\nS: \n{endless}{large}C: RETR 2\nS: +OK\nS: two\nS: .");
    let (sessions, world) = play(&text, &settings(Oversize::Headers), &World::default());
    assert_eq!((sessions, octets(&world, "a"), octets(&world, "b")), (2, Some(&b"A: b\r\n\r\n"[..]), Some(&b"two\r\n"[..])));
}

#[test]
fn where_uidls_may_have_changed_nothing_is_made_durable_by_halves() {
    let endless = endless(3);
    // What the host has as `x` comes again as `c`: it must be told so in the checkpoint in which `x` is removed.
    let text = format!(
        "{}C: RETR 1\nC: RETR 2\nC: RETR 3\nS: +OK\nS: one\nS: .\nS: +OK\n{endless}{}C: RETR 3\nS: +OK\nS: x\nS: .",
        listing(["a", "b", "c"]),
        listing(["a", "b", "c"])
    );
    let (sessions, world) = play(&text, &settings(Oversize::Skip), &having(&["x"]));
    assert_eq!((sessions, ids(&world), world.checkpoints.len()), (2, owned(&["a", "b", "c"]), 1));
    assert_eq!(octets(&world, "c"), Some(&b"x\r\n"[..]));
}

#[test]
fn where_the_next_session_has_to_wait_what_came_is_durable_in_any_case() {
    let endless = endless(3);
    let text = format!(
        "{}C: RETR 1\nS: +OK\nS: one\nS: .\nC: RETR 2\nS: +OK\n{endless}",
        listing(["a", "b", "c"]).replace("C: UIDL\nC: LIST\n", "")
    );
    let text = text
        .replace("S: +OK 3 30\nS: +OK\n", "S: +OK 3 30\nC: UIDL\nS: +OK\n")
        .replace("S: 3 c\nS: .\nS: +OK\n", "S: 3 c\nS: .\nC: LIST\nS: +OK\n");
    let (synced, world) = Script::parse(&text).play(&having(&["x"]), |player| {
        let mut session = Session::new(&owned(&["LOGIN-DELAY 900"]), settings(Oversize::Skip), LIMITS);
        player.run(&mut Sync::new(&mut session, None))
    });
    assert!(synced.has_more && synced.is_line_over);
    assert_eq!((world.checkpoints.len(), world.checkpoints[0].had.contains("b")), (1, true));
}

#[test]
fn a_message_without_end_and_without_a_uidl_is_left_out_and_the_others_are_read() {
    let endless = endless(2);
    let survey = "C: STAT\nC: LIST\nS: +OK 3 30\nS: +OK\nS: 1 8\nS: 2 8\nS: 3 8\nS: .\n";
    let text = format!(
        "{survey}C: RETR 1\nC: RETR 2\nC: RETR 3\nS: +OK\nS: one\nS: .\nS: +OK\n{endless}{survey}\
         C: RETR 1\nC: RETR 3\nS: +OK\nS: one\nS: .\nS: +OK\nS: three\nS: .\nC: RETR 1\nC: RETR 3\nS: +OK\nS: one\nS: .\nS: +OK\nS: three\nS: ."
    );
    let settings = Settings { identity: Identity::Octets, ..Settings::default() };
    let (sessions, world) = play(&text, &settings, &World::default());
    assert_eq!((sessions, ids(&world).len()), (2, 2));
}

/// The look with which the machine gives the line up, where an octet a second comes, and what it says; none: it does not.
fn given_up(mut step: impl FnMut(Input, &mut Actions) -> Option<Error>) -> Option<(usize, Error)> {
    let mut actions = Actions::default();
    assert!(step(Input::Start, &mut actions).is_none());
    (1..100).find_map(|look| {
        for _ in 0..60 {
            assert!(step(Input::Octets(b"+".to_vec()), &mut actions).is_none());
        }
        let is_timed = std::iter::from_fn(|| actions.pop()).any(|action| matches!(action, Action::Timer(Some(60_000))));
        assert!(is_timed, "nobody looks");
        Some((look, step(Input::Timer, &mut actions)?))
    })
}

#[test]
fn an_octet_a_second_is_not_waited_for_without_end() {
    let mut line = super::session(DOVECOT, Settings::default());
    let mut machine = Sync::new(&mut line, None);
    let (look, error) = given_up(|input, actions| machine.step(input, actions).err()).unwrap();
    assert_eq!((look, error.kind), (30, Failure::Unreachable));
    assert!(error.message.contains("STAT") && error.message.contains("600 octets a minute"), "{}", error.message);
    let mut line = super::session(DOVECOT, Settings::default());
    let mut machine = FetchMessage::new(&mut line, "a").unwrap();
    assert_eq!(given_up(|input, actions| machine.step(input, actions).err()).unwrap().0, 30);
}
