//! Many recipients: who is refused costs nobody else the message.

use super::*;

#[test]
fn one_refused_recipient_among_many() {
    let text = "
        C: MAIL FROM:<a@b> SIZE=16 BODY=8BITMIME
        C: RCPT TO:<x@y>
        C: RCPT TO:<no@y>
        C: RCPT TO:<later@y>
        C: RCPT TO:<z@y>
        C: DATA
        S: 250 2.1.0 Ok
        S: 250 2.1.5 Ok
        S: 550 5.1.1 no such user
        S: 450 4.2.0 greylisted
        S: 250 2.1.5 Ok
        S: 354 go ahead
        C: A: b
        C:
        C: ..text
        C: x
        K: .
        S: 250 2.0.0 Ok
    ";
    let verdicts = ["accepted Ok", "refused 5.1.1", "deferred 4.2.0", "accepted Ok"];
    assert_eq!(scene(PIPELINED, &["x@y", "no@y", "later@y", "z@y"]).play(text), verdicts);
}

#[test]
fn nobody_is_left() {
    let with_data = "
        C: MAIL FROM:<a@b> SIZE=16 BODY=8BITMIME
        C: RCPT TO:<x@y>
        C: DATA
        S: 250 2.1.0 Ok
        S: 550 5.1.1 no such user
        S: 554 5.5.1 no valid recipients
    ";
    let next = |session: &Session| assert!(session.needs_reset && session.may_go_on());
    assert_eq!(scene(PIPELINED, &["x@y"]).play_with(with_data, next), ["refused 5.1.1"]);
    let with_chunks = "
        C: MAIL FROM:<a@b> SIZE=8 BODY=8BITMIME
        C: RCPT TO:<x@y>
        C: BDAT 6
        C: A: b
        S: 250 2.1.0 Ok
        S: 450 4.7.1 greylisted
        S: 554 5.5.1 no valid recipients
    ";
    assert_eq!(scene(POSTFIX, &["x@y"]).message(&[b"A: b\r\n\r\n"]).play_with(with_chunks, next), ["deferred 4.7.1"]);
    let plain = "
        C: MAIL FROM:<a@b>
        S: 250 ok
        C: RCPT TO:<x@y>
        S: 550 no
    ";
    assert_eq!(scene(PLAIN, &["x@y"]).play_with(plain, next), ["refused 550"]);
}

#[test]
fn a_server_that_wants_the_message_for_nobody_gets_an_empty_one() {
    let text = "
        C: MAIL FROM:<a@b> SIZE=16 BODY=8BITMIME
        C: RCPT TO:<x@y>
        C: DATA
        S: 250 2.1.0 Ok
        S: 550 5.1.1 no such user
        S: 354 go ahead
        C: .
        S: 554 5.5.1 no valid recipients
    ";
    assert_eq!(scene(PIPELINED, &["x@y"]).play_with(text, |session| assert!(session.may_go_on())), ["refused 5.1.1"]);
}

#[test]
fn too_many_go_in_a_next_transaction() {
    let text = "
        C: MAIL FROM:<a@b> SIZE=16 BODY=8BITMIME
        C: RCPT TO:<1@y>
        C: RCPT TO:<2@y>
        C: RCPT TO:<3@y>
        C: DATA
        S: 250 2.1.0 Ok
        S: 250 2.1.5 Ok
        S: 452 4.5.3 too many recipients
        S: 452 4.5.3 too many recipients
        S: 354 go ahead
        C: A: b
        C:
        C: ..text
        C: x
        K: .
        S: 250 2.0.0 Ok
    ";
    let next = "deferred 4.5.3 for 0 ms";
    assert_eq!(scene(PIPELINED, &["1@y", "2@y", "3@y"]).play(text), ["accepted Ok", next, next]);
    let plain = "
        C: MAIL FROM:<a@b>
        S: 250 ok
        C: RCPT TO:<1@y>
        S: 250 ok
        C: RCPT TO:<2@y>
        S: 552 too many
        C: DATA
        S: 354 go
        C: A: b
        C:
        C: ..text
        C: x
        K: .
        S: 250 ok
    ";
    assert_eq!(scene(PLAIN, &["1@y", "2@y", "3@y"]).play(plain), ["accepted ok", next, next], "the third is not asked");
}

#[test]
fn what_the_server_says_of_its_limits_is_obeyed() {
    let text = "
        C: MAIL FROM:<a@b>
        S: 250 ok
        C: RCPT TO:<1@y>
        S: 250 ok
        C: RCPT TO:<4@Y>
        S: 250 ok
        C: DATA
        S: 354 go
        C: A: b
        C:
        C: ..text
        C: x
        K: .
        S: 250 ok
    ";
    let next = "deferred 4.5.3 for 0 ms";
    let recipients = ["1@y", "2@z", "3@z", "4@Y", "5@y"];
    let verdicts = ["accepted ok", next, next, "accepted ok", next];
    assert_eq!(scene(&["LIMITS RCPTMAX=2 RCPTDOMAINMAX=1"], &recipients).play(text), verdicts);
}

#[test]
fn the_window_bounds_what_is_under_way() {
    let mut narrow = scene(PIPELINED, &["1@y", "2@y", "3@y"]);
    narrow.settings.pipeline = 2;
    let text = "
        C: MAIL FROM:<a@b> SIZE=16 BODY=8BITMIME
        C: RCPT TO:<1@y>
        S: 250 2.1.0 Ok
        C: RCPT TO:<2@y>
        S: 250 2.1.5 Ok
        C: RCPT TO:<3@y>
        S: 250 2.1.5 Ok
        C: DATA
        S: 250 2.1.5 Ok
        S: 354 go ahead
        C: A: b
        C:
        C: ..text
        C: x
        K: .
        S: 250 2.0.0 Ok
    ";
    assert_eq!(narrow.play(text), ["accepted Ok"; 3]);
}

#[test]
fn addresses_that_are_none_are_not_sent() {
    let text = "
        C: MAIL FROM:<a@b>
        S: 250 ok
        C: RCPT TO:<x@y>
        S: 250 ok
        C: DATA
        S: 354 go
        C: A: b
        C:
        C: ..text
        C: x
        K: .
        S: 250 ok
    ";
    let verdicts = ["refused 5.1.3", "accepted ok", "refused 5.1.3"];
    assert_eq!(scene(PLAIN, &["x@y> NOTIFY=NEVER", "x@y", "x@y\r\nRSET"]).play(text), verdicts);
    let mut crafted = scene(PLAIN, &["x@y"]);
    crafted.envelope.sender = "a@b\r\nQUIT".to_owned();
    assert_eq!(crafted.play(""), ["refused 5.1.7"]);
}

#[test]
fn who_did_not_fit_goes_in_the_next_transaction_while_the_message_is_here() {
    let one = |recipients: &[&str], words: &str| {
        let rcpt: String = recipients.iter().map(|recipient| format!("C: RCPT TO:<{recipient}>\nS: 250 ok\n")).collect();
        format!("C: MAIL FROM:<a@b>\nS: 250 ok\n{rcpt}C: DATA\nS: 354 go\nC: A: b\nC:\nC: ..text\nC: x\nK: .\nS: 250 {words}\n")
    };
    let text = [one(&["1@y", "2@y"], "one"), one(&["3@y", "4@y"], "two"), one(&["5@y"], "three")].concat();
    let send = |scene: &Scene, player: &mut Player<'_>| {
        let (mut session, mut mailing) = (scene.session(), Mailing::new(scene.envelope.clone())?);
        loop {
            match player.run(&mut Send::new(&mut session, &mut mailing))? {
                Sent::Verdicts(_) if !session.is_broken && mailing.begin_next() => {}
                Sent::Verdicts(verdicts) => match verdicts.iter().find_map(lost) {
                    Some(error) => return Err(error.clone()),
                    None => return Ok(verdicts.iter().map(word).collect::<Vec<_>>()),
                },
                // The shell begins another line.
                Sent::Stale => return Err(Error::new(Failure::Unreachable, "the line is stale")),
            }
        }
    };
    let scene = scene(&["LIMITS RCPTMAX=2"], &["1@y", "2@y", "3@y", "4@y", "5@y"]);
    let (verdicts, world) = Script::parse(&text).check(&scene.world(), |player| send(&scene, player));
    assert_eq!(verdicts, ["accepted one", "accepted one", "accepted two", "accepted two", "accepted three"]);
    assert_eq!(world.committed.len(), 3);
    // A long one is not kept: the host brings it again.
    let long = "x".repeat(70_000);
    let scene = scene.message(&[b"A: b\r\n\r\n", long.as_bytes()]);
    let text = one(&["1@y", "2@y"], "one").replace("..text\nC: x", &long);
    let (verdicts, _) = Script::parse(&text).play(&scene.world(), |player| send(&scene, player));
    assert_eq!(verdicts[1..3], ["accepted one", "deferred 4.5.3 for 0 ms"]);
}
