//! Deleting: nothing before it is durable, nothing that the host does not let go, and nothing counted that the server did not agree to.

use postrider_connector::testing::{Script, World};
use postrider_connector::types::{Error, Failure};
use postrider_pop3::delete::Delete;
use postrider_pop3::leave::Leave;
use postrider_pop3::settings::Settings;
use postrider_pop3::sync::Sync;

use super::{DOVECOT, PLAIN, failing, having, ids, octets, pass, session, sync};

/// A host that leaves no copy on the server.
fn leaving_nothing(messages: &[&str]) -> World {
    World { lets_go: true, ..having(messages) }
}

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
    S: +OK
    S: one
    S: .
    S: +OK
    S: two
    S: .
    C: DELE 1
    C: DELE 2
    S: +OK
    S: +OK
    C: QUIT
";

#[test]
fn what_is_durable_is_deleted_and_the_servers_goodbye_counts() {
    let world = pass(DOVECOT, Settings::default(), &format!("{TWO} S: +OK bye"), &leaving_nothing(&[]));
    assert!(ids(&world).is_empty(), "the server has them no more");
    assert_eq!((octets(&world, "a"), octets(&world, "b")), (Some(&b"one\r\n"[..]), Some(&b"two\r\n"[..])));
    assert_eq!(world.checkpoints.len(), 2, "one before the marks, one after the goodbye");

    let world = pass(DOVECOT, Settings::default(), "C: STAT\nC: UIDL\nS: +OK 0 0\nS: +OK\nS: .", &world);
    assert_eq!(world.checkpoints.len(), 2);
}

#[test]
fn a_goodbye_that_does_not_come_deletes_nothing() {
    for (end, kind) in
        [("S: -ERR some deleted messages not removed", Failure::Transient), ("S: -ERR [SYS/PERM] read-only", Failure::Transient)]
    {
        let (world, error) = failing(DOVECOT, Settings::default(), &format!("{TWO} {end}"), &leaving_nothing(&[]));
        assert_eq!(error.kind, kind);
        assert!(error.message.contains("could not delete all of 2 messages"), "{}", error.message);
        assert_eq!(ids(&world), ["a", "b"], "they stay listed, and the next pass tries again");
    }
    // The line is lost anywhere, also between the marks and the goodbye: nothing is told as removed.
    Script::parse(&format!("{TWO} S: +OK bye")).check(&leaving_nothing(&[]), |player| {
        let outcome = sync(player, DOVECOT, &Settings::default());
        assert!(outcome.is_ok() || player.world.messages.values().all(|stored| !stored.removed), "{:?}", player.world.messages);
        outcome
    });
}

#[test]
fn what_is_left_for_a_time_is_deleted_when_it_is_due() {
    // Without news, and with the cursor that says so.
    let first = "
        C: STAT
        C: UIDL
        S: +OK 1 10
        S: +OK
        S: 1 a
        S: .
        C: RETR 1
        S: +OK
        S: one
        S: .
    ";
    let mut world = pass(DOVECOT, Settings::default(), first, &World::default());
    world.lets_go = true;
    let later = "
        C: STAT
        C: UIDL
        S: +OK 1 10
        S: +OK
        S: 1 a
        S: .
        C: DELE 1
        S: +OK
        C: QUIT
        S: +OK
    ";
    let world = pass(DOVECOT, Settings::default(), later, &world);
    assert!(ids(&world).is_empty());
    assert_eq!(octets(&world, "a"), Some(&b"one\r\n"[..]), "what is here stays");
}

#[test]
fn only_what_this_session_lists_is_marked_and_by_its_number_of_today() {
    let text = "
        C: STAT
        C: UIDL
        S: +OK 2 20
        S: +OK
        S: 7 c
        S: 9 a
        S: .
        C: DELE 7
        C: DELE 9
        S: -ERR not that one
        S: +OK
        C: QUIT
        S: +OK
    ";
    let mut world = leaving_nothing(&["a", "b", "c"]);
    world.page_ids = 1;
    let world = pass(DOVECOT, Settings::default(), text, &world);
    assert_eq!(ids(&world), ["c"], "what the server would not mark is there still");
}

#[test]
fn long_sessions_are_split_so_that_deletes_become_final() {
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
        S: +OK
        S: two
        S: .
        C: DELE 1
        C: DELE 2
        S: +OK
        S: +OK
        C: QUIT
        S: +OK bye
        # The next session, with other numbers.
        C: STAT
        C: UIDL
        S: +OK 1 10
        S: +OK
        S: 1 c
        S: .
        C: RETR 1
        S: +OK
        S: three
        S: .
        C: DELE 1
        S: +OK
        C: QUIT
        S: +OK bye
    ";
    let settings = Settings { session_messages: 2, ..Settings::default() };
    let world = pass(DOVECOT, settings, text, &leaving_nothing(&[]));
    assert!(ids(&world).is_empty());
    assert_eq!(octets(&world, "c"), Some(&b"three\r\n"[..]));

    // What is expendable from before is deleted in as many sessions.
    let text = "
        C: STAT
        C: UIDL
        S: +OK 2 20
        S: +OK
        S: 1 a
        S: 2 b
        S: .
        C: DELE 1
        S: +OK
        C: QUIT
        S: +OK bye
        C: STAT
        C: UIDL
        S: +OK 1 10
        S: +OK
        S: 1 b
        S: .
        C: DELE 1
        S: +OK
        C: QUIT
        S: +OK bye
    ";
    let settings = Settings { session_messages: 1, ..Settings::default() };
    assert!(ids(&pass(DOVECOT, settings, text, &leaving_nothing(&["a", "b"]))).is_empty());
}

#[test]
fn a_session_is_not_split_where_nothing_is_deleted_or_the_server_wants_a_pause() {
    let text = |end: &str| {
        format!(
            "
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
            {end}
            "
        )
    };
    let settings = || Settings { session_messages: 1, ..Settings::default() };
    assert_eq!(ids(&pass(PLAIN, settings(), &text(""), &World::default())), ["a", "b"]);
    let end = "
            C: DELE 1
            S: +OK
            C: DELE 2
            S: +OK
            C: QUIT
            S: +OK
    ";
    assert!(ids(&pass(&["LOGIN-DELAY 900"], settings(), &text(end), &leaving_nothing(&[]))).is_empty());
}

#[test]
fn a_message_that_is_set_aside_is_never_deleted() {
    let mut world = leaving_nothing(&[]);
    world.refused.insert("a".to_owned(), Error::new(Failure::TooLarge, "too large"));
    let text = TWO.replace("    C: DELE 1\n    C: DELE 2\n    S: +OK\n    S: +OK\n", "    C: DELE 2\n    S: +OK\n") + "S: +OK bye";
    let world = pass(DOVECOT, Settings::default(), &text, &world);
    assert_eq!((ids(&world), octets(&world, "a")), (vec!["a".to_owned()], None));
}

#[test]
fn a_server_that_keeps_what_it_says_it_deleted_is_not_asked_again_and_again() {
    // Gmail's `recent:` mode. The message is here, and recognised by its octets; it is left where it is.
    let text = "
        C: STAT
        C: UIDL
        S: +OK 1 10
        S: +OK
        S: 1 a
        S: .
        C: DELE 1
        S: +OK
        C: QUIT
        S: +OK bye
        C: STAT
        C: UIDL
        S: +OK 1 10
        S: +OK
        S: 1 a
        S: .
        C: RETR 1
        S: +OK
        S: one
        S: .
    ";
    let (log, world) = Script::parse(text).check(&leaving_nothing(&["a"]), |player| {
        let mut first = session(DOVECOT, Settings::default());
        let synced = player.run(&mut Sync::new(&mut first, None))?;
        let mut second = first.next(&super::owned(DOVECOT));
        player.run(&mut Sync::new(&mut second, Some(&synced.cursor)))?;
        Ok(player.log.clone())
    });
    assert_eq!(ids(&world), ["a"]);
    assert!(log.iter().any(|line| line.contains("lists messages again")), "{log:?}");
}

#[test]
fn an_id_that_is_used_again_is_another_message() {
    let text = "
        C: STAT
        C: UIDL
        S: +OK 1 10
        S: +OK
        S: 1 1
        S: .
        C: DELE 1
        S: +OK
        C: QUIT
        S: +OK bye
        # The id is free, and then it is another message's.
        C: STAT
        C: UIDL
        S: +OK 0 0
        S: +OK
        S: .
        C: STAT
        C: UIDL
        S: +OK 1 10
        S: +OK
        S: 1 1
        S: .
        C: RETR 1
        S: +OK
        S: another
        S: .
        C: DELE 1
        S: +OK
        C: QUIT
        S: +OK bye
    ";
    let (_, world) = Script::parse(text).check(&leaving_nothing(&["1"]), |player| {
        let mut line = session(DOVECOT, Settings::default());
        for _ in 0..3 {
            let cursor = player.world.cursor("INBOX");
            player.run(&mut Sync::new(&mut line, cursor.as_deref()))?;
            line = line.next(&super::owned(DOVECOT));
        }
        Ok(())
    });
    assert_eq!(octets(&world, "1"), Some(&b"another\r\n"[..]));
}

#[test]
fn a_server_that_deletes_what_was_retrieved_is_left_without_a_goodbye_until_all_is_durable() {
    let text = "
        C: STAT
        C: UIDL
        S: +OK 2 20
        S: +OK
        S: 1 a
        S: 2 b
        S: .
        C: RETR 1
        C: RETR 2
        S: +OK
        S: one
        S: .
        S: +OK
        S: two
        S: .
    ";
    let capabilities: Vec<&str> = [DOVECOT, &["EXPIRE 0"]].concat();
    let play = |world: &World| {
        Script::parse(text).check(world, |player| {
            let mut line = session(&capabilities, Settings::default());
            player.run(&mut Sync::new(&mut line, None))?;
            Ok((Leave::new(&mut line).is_some(), player.log.concat()))
        })
    };
    let ((may_quit, log), _) = play(&World::default());
    assert!(may_quit && log.contains("EXPIRE 0"), "{log}");
    let mut refusing = World::default();
    refusing.refused.insert("b".to_owned(), Error::new(Failure::TooLarge, "too large"));
    let ((may_quit, log), _) = play(&refusing);
    assert!(!may_quit && log.contains("without QUIT"), "{log}");
}

#[test]
fn messages_that_a_person_chose_are_deleted() {
    let text = "
        C: STAT
        C: UIDL
        S: +OK 3 30
        S: +OK
        S: 1 a
        S: 2 b
        S: 3 c
        S: .
        C: DELE 1
        C: DELE 3
        S: +OK
        S: -ERR not that
        C: QUIT
        S: +OK
    ";
    let chosen = || ["c", "x", "a"].map(str::to_owned).to_vec();
    let (outcomes, _) = Script::parse(text).check(&World::default(), |player| {
        let outcomes = player.run(&mut Delete::new(&mut session(DOVECOT, Settings::default()), chosen()))?;
        Ok(outcomes.into_iter().map(|outcome| (outcome.id, outcome.failed.map(|error| error.kind))).collect::<Vec<_>>())
    });
    let expected = [("c", Some(Failure::Permanent)), ("x", Some(Failure::Gone)), ("a", None)].map(|(id, kind)| (id.to_owned(), kind));
    assert_eq!(outcomes, expected);
    let none = "C: STAT\nC: UIDL\nS: +OK 0 0\nS: +OK\nS: .";
    Script::parse(none)
        .play(&World::default(), |player| player.run(&mut Delete::new(&mut session(DOVECOT, Settings::default()), chosen())));
}
