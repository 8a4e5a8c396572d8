//! What tells messages apart where UIDLs do not.

use postrider_connector::testing::{Script, World};
use postrider_pop3::settings::{Identity, Settings};

use super::{DOVECOT, PLAIN, having, ids, octets, pass, sync};

#[test]
fn a_server_without_uidl_is_received_by_the_octets_and_that_is_said() {
    let text = "
        C: STAT
        S: +OK 2 20
        C: UIDL
        S: -ERR what
        C: LIST
        S: +OK
        S: 1 8
        S: 2 8
        S: .
        C: RETR 1
        S: +OK
        S: one
        S: .
        C: RETR 2
        S: +OK
        S: two
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
    let (log, world) = Script::parse(text).check(&World::default(), |player| {
        sync(player, PLAIN, &Settings::default())?;
        Ok(player.log.concat())
    });
    assert!(log.contains("no UIDL") && log.contains("2 of 2"), "{log}");
    let found: Vec<_> = ids(&world).iter().map(|id| octets(&world, id).unwrap().to_vec()).collect();
    assert_eq!(ids(&world).len(), 2);
    assert!(found.contains(&b"one\r\n".to_vec()) && found.contains(&b"two\r\n".to_vec()));

    // The next pass reads both, in another order and one more, and takes the one over.
    let text = "
        C: STAT
        S: +OK 3 30
        C: UIDL
        S: -ERR what
        C: LIST
        S: +OK
        S: 1 8
        S: 2 8
        S: 3 8
        S: .
        C: RETR 1
        S: +OK
        S: two
        S: .
        C: RETR 2
        S: +OK
        S: three
        S: .
        C: RETR 3
        S: +OK
        S: one
        S: .
        C: RETR 2
        S: +OK
        S: three
        S: .
    ";
    assert_eq!(ids(&pass(PLAIN, Settings::default(), text, &world)).len(), 3);
    // The operator may want so.
    let text = text.replace("        C: UIDL\n        S: -ERR what\n", "");
    for settings in [
        Settings { identity: Identity::Octets, ..Settings::default() },
        Settings { ignore_capabilities: vec!["uidl".to_owned()], ..Settings::default() },
    ] {
        assert_eq!(ids(&pass(PLAIN, settings, &text, &world)).len(), 3);
    }
}

#[test]
fn messages_with_the_same_octets_are_as_many_as_they_are() {
    let text = "
        C: STAT
        S: +OK 2 20
        C: LIST
        S: +OK
        S: 1 8
        S: 2 8
        S: .
        C: RETR 1
        S: +OK
        S: same
        S: .
        C: RETR 2
        S: +OK
        S: same
        S: .
        C: RETR 1
        S: +OK
        S: same
        S: .
        C: RETR 2
        S: +OK
        S: same
        S: .
    ";
    let settings = || Settings { identity: Identity::Octets, ..Settings::default() };
    let world = pass(PLAIN, settings(), text, &World::default());
    assert_eq!(ids(&world).len(), 2);
    // One of them is gone: which one does not matter.
    let text = "
        C: STAT
        S: +OK 1 10
        C: LIST
        S: +OK
        S: 1 8
        S: .
        C: RETR 1
        S: +OK
        S: same
        S: .
    ";
    assert_eq!(ids(&pass(PLAIN, settings(), text, &world)).len(), 1);
}

#[test]
fn a_uidl_that_two_messages_have_is_neithers_and_the_others_keep_theirs() {
    let text = "
        C: STAT
        C: UIDL
        S: +OK 4 40
        S: +OK
        S: 1 same
        S: 2 good
        S: 3 same
        S: 4
        S: .
        C: LIST
        S: +OK
        S: 1 8
        S: 2 8
        S: 3 8
        S: 4 8
        S: .
        C: RETR 1
        C: RETR 3
        C: RETR 4
        S: +OK
        S: one
        S: .
        S: +OK
        S: three
        S: .
        S: +OK
        S: four
        S: .
        C: RETR 1
        C: RETR 2
        C: RETR 3
        C: RETR 4
        S: +OK
        S: one
        S: .
        S: +OK
        S: two
        S: .
        S: +OK
        S: three
        S: .
        S: +OK
        S: four
        S: .
    ";
    let world = pass(DOVECOT, Settings::default(), text, &World::default());
    assert_eq!(ids(&world).len(), 4);
    assert_eq!(octets(&world, "good"), Some(&b"two\r\n"[..]));
    assert_eq!(octets(&world, "same"), None);
}

#[test]
fn a_listing_that_leaves_messages_out_loses_none() {
    // STAT counts three, UIDL shows two, and a line of it cannot be read.
    let text = "
        C: STAT
        C: UIDL
        S: +OK 3 30
        S: +OK
        S: 1 a
        S: two b
        S: 3 c
        S: .
        C: LIST
        S: +OK
        S: 1 8
        S: 2 8
        S: 3 8
        S: .
        C: RETR 2
        S: +OK
        S: two
        S: .
        C: RETR 1
        C: RETR 2
        C: RETR 3
        S: +OK
        S: one
        S: .
        S: +OK
        S: two
        S: .
        S: +OK
        S: three
        S: .
    ";
    let world = pass(DOVECOT, Settings::default(), text, &World::default());
    assert_eq!((ids(&world).len(), octets(&world, "c")), (3, Some(&b"three\r\n"[..])));
}

#[test]
fn a_stat_that_is_wrong_is_only_a_question() {
    for stat in ["+OK 9 99", "+OK", "+OK nothing", "-ERR not today", "+OK 99999999999999999999 1"] {
        let list = if stat.contains(" 9") && !stat.contains("999999") { "C: LIST\n S: +OK\n S: 1 99999999999\n S: ." } else { "" };
        let text = format!(
            "
            C: STAT
            C: UIDL
            S: {stat}
            S: +OK
            S: 1 a
            S: .
            {list}
            C: RETR 1
            S: +OK
            S: one
            S: .
            "
        );
        assert_eq!(ids(&pass(DOVECOT, Settings::default(), &text, &World::default())), ["a"], "{stat}");
    }
}

#[test]
fn uidls_as_no_rfc_has_them_are_ids_all_the_same() {
    let long = "x".repeat(500);
    let text = format!(
        r"
        C: STAT
        C: UIDL
        S: +OK 4 40
        S: +OK
        S: 1 with space
        S: 2 \xff\x01
        S: 3 {long}1
        S: 4 {long}2
        S: .
        C: RETR 1
        C: RETR 2
        C: RETR 3
        C: RETR 4
        S: +OK
        S: one
        S: .
        S: +OK
        S: two
        S: .
        S: +OK
        S: three
        S: .
        S: +OK
        S: four
        S: .
        "
    );
    let (_, world) = Script::parse(&text).play(&World::default(), |player| sync(player, DOVECOT, &Settings::default()));
    assert_eq!(ids(&world).len(), 4);
    assert_eq!(octets(&world, "with%20space"), Some(&b"one\r\n"[..]));
    assert_eq!(octets(&world, "%FF%01"), Some(&b"two\r\n"[..]));
}

#[test]
fn a_few_uidls_that_changed_are_told_in_the_checkpoint_that_brings_the_new_ones() {
    // The host knows a message that left in the same checkpoint by its octets, whatever it is called now.
    let text = "
        C: STAT
        C: UIDL
        S: +OK 2 20
        S: +OK
        S: 1 new
        S: 2 b
        S: .
        C: RETR 1
        S: +OK
        S: a
        S: .
    ";
    let settings = Settings { checkpoint_octets: 1, ..Settings::default() };
    let script = Script::parse(text);
    let (_, world) = script.play(&having(&["a", "b"]), |player| sync(player, DOVECOT, &settings));
    assert_eq!(ids(&world), ["b", "new"]);
    assert_eq!(world.checkpoints.len(), 1, "one transaction");
}

#[test]
fn a_server_that_gives_all_messages_other_uidls_begins_a_new_generation() {
    let settings = || Settings { checkpoint_messages: 1, ..Settings::default() };
    let begin = "
        C: STAT
        C: UIDL
        S: +OK 2 20
        S: +OK
        S: 1 x
        S: 2 y
        S: .
        C: RETR 1
        C: RETR 2
        S: +OK
        S: a
        S: .
    ";
    let text = format!("{begin} S: +OK\n S: b\n S: .");
    let world = pass(DOVECOT, settings(), &text, &having(&["a", "b"]));
    assert_eq!(world.ids("INBOX", "1"), ["x", "y"]);
    assert_eq!(world.retired, [("INBOX".to_owned(), String::new())], "only then do the old ones count as gone");
    assert!(world.messages.values().all(|stored| !stored.removed), "nothing is told as removed by itself");

    // Cut off in the middle, it goes on where it was.
    let (_, half) = Script::parse(&format!("{begin} S: -ERR [SYS/TEMP] later"))
        .play(&having(&["a", "b"]), |player| Ok::<_, postrider_connector::types::Error>(sync(player, DOVECOT, &settings()).is_err()));
    assert_eq!((half.ids("INBOX", "1"), half.retired.len()), (vec!["x".to_owned()], 0));
    let rest = "
        C: STAT
        C: UIDL
        S: +OK 2 20
        S: +OK
        S: 1 x
        S: 2 y
        S: .
        C: RETR 2
        S: +OK
        S: b
        S: .
    ";
    let whole = pass(DOVECOT, settings(), rest, &half);
    assert_eq!(whole.ids("INBOX", "1"), ["x", "y"]);
    assert_eq!(whole.retired.len(), 1);
}
