//! Replies at every stage, and ends at the worst of them.

use super::*;

/// MAIL, RCPT and DATA with these replies.
fn stages(mail: &str, rcpt: &str, data: &str) -> String {
    format!("C: MAIL FROM:<a@b> SIZE=16 BODY=8BITMIME\nC: RCPT TO:<x@y>\nC: DATA\nS: {mail}\nS: {rcpt}\nS: {data}\n")
}

const BODY: &str = "C: A: b\nC:\nC: ..text\nC: x\n";

#[test]
fn refusals_at_every_stage() {
    let follow = ("503 5.5.1 need MAIL", "503 5.5.1 need RCPT");
    for (text, verdict) in [
        (stages("451 4.3.0 later", follow.0, follow.1), "deferred 4.3.0"),
        (stages("550 5.7.1 not you", follow.0, follow.1), "refused 5.7.1"),
        (stages("552 5.3.4 too big", follow.0, follow.1), "refused 5.3.4"),
        (stages("250 ok", "450 4.2.1 later", follow.1), "deferred 4.2.1"),
        (stages("250 ok", "550 5.1.1 no", follow.1), "refused 5.1.1"),
        (stages("250 ok", "250 ok", "451 4.3.1 disk"), "deferred 4.3.1"),
        (stages("250 ok", "250 ok", "554 5.5.0 no"), "refused 5.5.0"),
        (format!("{}{BODY}K: .\nS: 451 4.3.1 disk", stages("250 ok", "250 ok", "354 go")), "deferred 4.3.1"),
        (format!("{}{BODY}K: .\nS: 550 5.7.1 spam", stages("250 ok", "250 ok", "354 go")), "refused 5.7.1"),
        (format!("{}{BODY}K: .\nS: 552 5.3.4 too big", stages("250 ok", "250 ok", "354 go")), "refused 5.3.4"),
        (format!("{}{BODY}K: .\nS: 250 2.0.0", stages("250 ok", "250 ok", "354 go")), "accepted"),
    ] {
        assert_eq!(scene(PIPELINED, &["x@y"]).play_with(&text, |session| assert!(session.may_go_on(), "{text}")), [verdict], "{text}");
    }
}

#[test]
fn a_server_that_closes_says_later() {
    // With the last reply but one: what follows is never sent.
    for (text, verdict) in [
        ("C: MAIL FROM:<a@b>\nS: 421 4.3.2 closing", "error Transient 4.3.2"),
        (
            "C: MAIL FROM:<a@b>\nS: 250 ok\nC: RCPT TO:<no@y>\nS: 550 no\nC: RCPT TO:<x@y>\nS: 421 4.3.2 closing",
            "refused 550, deferred 4.3.2",
        ),
        (
            "C: MAIL FROM:<a@b>\nS: 250 ok\nC: RCPT TO:<no@y>\nS: 250 ok\nC: RCPT TO:<x@y>\nS: 250 ok\nC: DATA\nS: 421 4.3.2 closing",
            "error Transient 4.3.2",
        ),
        (
            "C: MAIL FROM:<a@b>\nS: 250 ok\nC: RCPT TO:<no@y>\nS: 250 ok\nC: RCPT TO:<x@y>\nS: 250 ok\nC: DATA\nS: 354 go\nC: A: b\nC:\nC: ..text\nC: x\nK: .\nS: 421 4.3.2 closing",
            "deferred 4.3.2, deferred 4.3.2",
        ),
    ] {
        assert_eq!(scene(PLAIN, &["no@y", "x@y"]).play_once(text).0, verdict, "{text}");
    }
}

#[test]
fn who_has_to_sign_in_is_told_so_and_nothing_else_is() {
    let text = stages("530 5.7.0 Authentication required", "503 x", "503 x");
    // The replies behind it do not matter any more.
    let text = text.lines().take(4).collect::<Vec<_>>().join("\n");
    assert_eq!(scene(PIPELINED, &["x@y"]).play_once(&text), ("error Unauthenticated 5.7.0".to_owned(), false));
}

#[test]
fn a_refusal_in_the_middle_of_the_message_ends_it() {
    let early = |said: &str| format!("{}S: {said}", stages("250 ok", "250 ok", "354 go"));
    let verdict = |text: &str| {
        let world = World { brought: [b"A: b\r\n\r\n".to_vec()].into(), ..World::default() };
        // The message comes too late: the server speaks first.
        let scene = scene(PIPELINED, &["x@y"]);
        let converse = |player: &mut Player<'_>| {
            let (mut session, mut mailing) = (scene.session(), Mailing::new(scene.envelope.clone())?);
            let sent = player.run(&mut Send::new(&mut session, &mut mailing))?;
            assert!(session.is_broken, "it may take the rest for commands");
            match sent {
                Sent::Verdicts(verdicts) => Ok(verdicts.iter().map(word).collect::<Vec<_>>().join(" ")),
                Sent::Stale => Ok("stale".to_owned()),
            }
        };
        let (word, world) = Script::parse(text).play(&world, converse);
        assert!(world.committed.is_empty());
        word
    };
    assert_eq!(verdict(&early("552 5.3.4 too big\nC: A: b\nC:\n")), "refused 5.3.4");
    assert_eq!(verdict(&early("451 4.3.1 disk\nC: A: b\nC:\n")), "deferred 4.3.1");
}

#[test]
fn a_host_that_holds_back_keeps_the_end_from_being_sent() {
    let mut held = scene(PIPELINED, &["x@y"]);
    held.holds_back = Some(Error::new(Failure::Cancelled, "the disk is full"));
    let text = format!("{}{BODY}", stages("250 ok", "250 ok", "354 go"));
    assert_eq!(held.play_once(&text), ("error Cancelled".to_owned(), false));
}

#[test]
fn a_message_of_another_length_is_never_completed() {
    for (size, pieces, sent) in [(20, &[MESSAGE][..], BODY_WITHOUT_END), (16, &[MESSAGE, "more"], BODY_WITHOUT_END)] {
        let mut other = scene(PIPELINED, &["x@y"]).message(&pieces.iter().map(|piece| piece.as_bytes()).collect::<Vec<_>>());
        other.envelope.size = size;
        let text = format!("{}{sent}", stages("250 ok", "250 ok", "354 go").replace("SIZE=16", &format!("SIZE={size}")));
        // Only closing the line keeps the server from taking it.
        assert_eq!(other.play_once(&text), ("error Cancelled".to_owned(), false), "{size}");
    }
    let mut short = scene(PIPELINED, &["x@y"]).message(&[b"half"]);
    short.envelope.size = 5;
    assert_eq!(short.play(""), ["error Cancelled"], "the envelope need not be sent");
}

/// The end of the last line is put in only at the message's end.
const BODY_WITHOUT_END: &str = "C: A: b\nC:\nC: ..text\nC< x";

#[test]
fn between_the_end_and_its_reply_the_line_is_lost_and_nobody_knows() {
    // `play` closes the line there too and holds what is said of it.
    let scene = scene(PIPELINED, &["x@y", "no@y"]);
    let text = format!(
        "C: MAIL FROM:<a@b> SIZE=16 BODY=8BITMIME\nC: RCPT TO:<x@y>\nC: RCPT TO:<no@y>\nC: DATA\nS: 250 ok\nS: 250 ok\nS: 550 5.1.1 no\nS: 354 go\n{BODY}K: .\nS: HTTP/1.1 400\n"
    );
    assert_eq!(scene.play_once(&text), ("unknown Malformed, refused 5.1.1".to_owned(), true));
}
