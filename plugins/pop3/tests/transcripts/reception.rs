//! Passes over a maildrop from which nothing is deleted.

use postrider_connector::machine::{Action, Actions, Answer, Input, Machine as _, Step};
use postrider_connector::testing::{Script, World};
use postrider_connector::types::{Failure, Page};
use postrider_pop3::cursor::Cursor;
use postrider_pop3::leave::Leave;
use postrider_pop3::settings::Settings;
use postrider_pop3::sync::{FOLDER, Sync};

use super::{DOVECOT, PLAIN, failing, having, ids, octets, owned, pass, script, session, sync};

const TWO: &str = "
    C: STAT
    C: UIDL
    S: +OK 2 20
    S: +OK
    S: 1 a
    S: 2 b
    S: .
    C: RETR 1
    C: RETR 2
    S: +OK 10 octets
    S: Subject: one
    S:
    S: ..
    S: ...dots
    S: .
    S: +OK
    S: Subject: two
    S: .
";

#[test]
fn a_first_pass_takes_everything_and_a_second_one_asks_for_nothing() {
    let world = pass(DOVECOT, Settings::default(), TWO, &World::default());
    assert_eq!(octets(&world, "a"), Some(&b"Subject: one\r\n\r\n.\r\n..dots\r\n"[..]));
    assert_eq!(octets(&world, "b"), Some(&b"Subject: two\r\n"[..]));
    assert_eq!(world.checkpoints.len(), 1);

    // The same listing in another order: the digest in the cursor says that there is no news.
    let again = "
        C: STAT
        C: UIDL
        S: +OK 2 20
        S: +OK
        S: 1 b
        S: 2 a
        S: .
    ";
    let after = pass(DOVECOT, Settings::default(), again, &world);
    assert_eq!(after.checkpoints.len(), 1, "nothing to make durable");
    assert_eq!((after.asked.get("unseen"), after.asked.get("known")), (Some(&1), Some(&1)), "the host is asked about no id again");
}

#[test]
fn without_pipelining_every_command_waits_for_the_answer_before() {
    let text = "
        C: STAT
        S: +OK 2 20
        C: UIDL
        S: +OK
        S: 1 a
        S: 2 b
        S: .
        C: RETR 1
        S: +OK
        S: one
        S: .
        C: RETR 2
        S: +OK
        S: two
        S: .
    ";
    assert_eq!(ids(&pass(PLAIN, Settings::default(), text, &World::default())), ["a", "b"]);
    let never = Settings { ignore_capabilities: owned(&["PIPELINING"]), ..Settings::default() };
    assert_eq!(ids(&pass(DOVECOT, never, text, &World::default())), ["a", "b"]);
    let assumed = Settings { assume_pipelining: true, ..Settings::default() };
    assert_eq!(ids(&pass(PLAIN, assumed, TWO, &World::default())), ["a", "b"]);
}

#[test]
fn no_more_commands_are_under_way_than_the_account_says() {
    let text = "
        C: STAT
        C: UIDL
        S: +OK 3 30
        S: +OK
        S: 1 a
        S: 2 b
        S: 3 c
        S: .
        C: RETR 1
        C: RETR 2
        S: +OK
        S: one
        S: .
        C: RETR 3
        S: +OK
        S: two
        S: .
        S: +OK
        S: three
        S: .
    ";
    let settings = Settings { pipeline: 2, ..Settings::default() };
    Script::parse(text).play(&World::default(), |player| sync(player, DOVECOT, &settings));
}

#[test]
fn numbers_hold_for_one_session_only() {
    // Number 1 is another message today.
    let text = "
        C: STAT
        C: UIDL
        S: +OK 2 20
        S: +OK
        S: 1 b
        S: 2 c
        S: .
        C: RETR 2
        S: +OK
        S: new
        S: .
    ";
    let world = pass(DOVECOT, Settings::default(), text, &having(&["b"]));
    assert_eq!((octets(&world, "b"), octets(&world, "c")), (Some(&b"b\r\n"[..]), Some(&b"new\r\n"[..])));
}

#[test]
fn what_the_server_lists_no_more_is_told() {
    let text = "
        C: STAT
        C: UIDL
        S: +OK 1 20
        S: +OK
        S: 1 b
        S: .
    ";
    let mut world = having(&["a", "b", "c", "d"]);
    world.page_ids = 3;
    let world = pass(DOVECOT, Settings::default(), text, &world);
    assert_eq!(ids(&world), ["b"]);
    assert_eq!(world.checkpoints.len(), 1);
}

#[test]
fn an_empty_maildrop_is_nothing() {
    for listing in ["S: +OK\n S: .", "S: -ERR no messages"] {
        let text = format!(
            "
            C: STAT
            C: UIDL
            S: +OK 0 0
            {listing}
            {}
            ",
            if listing.contains("-ERR") { "C: LIST\nS: +OK\nS: ." } else { "" }
        );
        assert!(ids(&pass(DOVECOT, Settings::default(), &text, &World::default())).is_empty());
    }
}

#[test]
fn checkpoints_are_made_on_the_way() {
    let settings = || Settings { checkpoint_messages: 1, pipeline: 1, ..Settings::default() };
    let world = pass(
        DOVECOT,
        settings(),
        "
        C: STAT
        S: +OK 3 30
        C: UIDL
        S: +OK
        S: 1 a
        S: 2 b
        S: 3 c
        S: .
        C: RETR 1
        S: +OK
        S: one
        S: .
        C: RETR 2
        S: +OK
        S: two
        S: .
        C: RETR 3
        S: +OK
        S: three
        S: .
        ",
        &World::default(),
    );
    assert!(world.checkpoints.len() >= 3, "{:?}", world.checkpoints);
    let digest = |at: usize| Cursor::decode(&world.checkpoints[at].cursor).unwrap().digest;
    assert!(digest(0).is_none() && digest(world.checkpoints.len() - 1).is_some(), "only the last one says that all are had");
}

#[test]
fn what_came_whole_is_kept_when_the_server_turns_away() {
    let begin = TWO.split("S: +OK\n    S: Subject: two").next().unwrap();
    for (refusal, kind) in [
        ("S: -ERR [SYS/TEMP] disk away", Failure::Transient),
        ("S: -ERR [IN-USE] another session", Failure::Transient),
        ("S: -ERR [LOGIN-DELAY] too often", Failure::Throttled),
        ("S: -ERR [AUTH] expired", Failure::Unauthenticated),
        ("S: 220 what", Failure::Malformed),
    ] {
        let (world, error) = failing(DOVECOT, Settings::default(), &format!("{begin}{refusal}"), &World::default());
        assert_eq!(error.kind, kind, "{refusal}");
        assert_eq!(ids(&world), ["a"], "{refusal}");
        assert_eq!(world.checkpoints.len(), 1, "{refusal}: what came is made durable");
    }
}

#[test]
fn a_server_that_cannot_list_is_told() {
    for (text, kind) in [
        ("C: STAT\n C: UIDL\n S: +OK 1 1\n S: -ERR [SYS/TEMP] later", Failure::Transient),
        ("C: STAT\n C: UIDL\n S: -ERR [SYS/TEMP] later", Failure::Transient),
        ("C: STAT\n C: UIDL\n S: -ERR what\n S: -ERR what\n C: LIST\n S: -ERR what", Failure::Permanent),
        ("C: STAT\n C: UIDL\n S: +OK 1 1\n S: +OK\n S: 1 a\n S: 1 b", Failure::Malformed),
    ] {
        let (world, error) = failing(DOVECOT, Settings::default(), text, &having(&["z"]));
        assert_eq!(error.kind, kind, "{text}");
        assert_eq!(ids(&world), ["z"], "nothing counts as gone");
    }
}

#[test]
fn leaving_waits_for_no_goodbye_and_deletes_nothing() {
    for text in ["C: QUIT\n S: +OK bye", "C: QUIT\n ! timer"] {
        leave(text, 0);
    }
    // A conversation broke off after it had marked messages.
    for text in ["C: RSET\n S: +OK\n C: QUIT\n S: +OK bye", "C: RSET\n S: -ERR what"] {
        leave(text, 2);
    }
}

/// The end of a session in which so many messages are marked.
fn leave(text: &str, marked: usize) {
    Script::parse(text).play(&World::default(), |player| {
        let mut last = session(DOVECOT, Settings::default());
        last.marked = marked;
        player.run(&mut Leave::new(&mut last).unwrap())
    });
}

#[test]
fn while_the_host_is_waited_for_the_server_hears_of_somebody() {
    let mut line = session(DOVECOT, Settings::default());
    let (mut machine, mut actions) = (Sync::new(&mut line, None), Actions::default());
    machine.step(Input::Start, &mut actions).unwrap();
    let step = machine.step(Input::Octets(b"+OK 1 1\r\n+OK\r\n1 a\r\n.\r\n".to_vec()), &mut actions).unwrap();
    assert_eq!(step, Step::Wait);
    let mut asked = Vec::new();
    let mut timers = Vec::new();
    while let Some(action) = actions.pop() {
        match action {
            Action::Ask(token, question) => asked.push((token, question)),
            Action::Timer(after) => timers.push(after),
            _ => {}
        }
    }
    // Before, it was looked at how much the server says.
    assert_eq!(timers, [Some(60_000), Some(45_000)]);
    assert_eq!(machine.step(Input::Timer, &mut actions).unwrap(), Step::Read);
    assert!(matches!(actions.pop(), Some(Action::Write(octets)) if octets == b"NOOP\r\n"));
    assert!(matches!(actions.pop(), Some(Action::Timer(Some(60_000)))));
    assert_eq!(machine.step(Input::Octets(b"+OK\r\n".to_vec()), &mut actions).unwrap(), Step::Wait);
    assert!(matches!(actions.pop(), Some(Action::Timer(Some(45_000)))));
    // The answers come at last, and reception goes on.
    for (token, question) in asked {
        let answer = match question {
            postrider_connector::machine::Question::Unseen(_, ids) => Answer::Ids(Ok(ids)),
            _ => Answer::Page(Ok(Page { ids: Vec::new(), next: None })),
        };
        machine.step(Input::Answer(token, answer), &mut actions).unwrap();
    }
    let wrote = std::iter::from_fn(|| actions.pop()).any(|action| matches!(action, Action::Write(octets) if octets == b"RETR 1\r\n"));
    assert!(wrote);
}

#[test]
fn the_folder_is_the_scope() {
    let world = script(TWO).check(&World::default(), |player| sync(player, DOVECOT, &Settings::default())).1;
    assert!(world.messages.keys().all(|(folder, generation, _)| folder == FOLDER && generation.is_empty()));
}
