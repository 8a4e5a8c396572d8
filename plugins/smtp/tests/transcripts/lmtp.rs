//! LMTP: behind the message, every accepted recipient has a reply.

use super::*;

#[test]
fn every_recipient_has_a_reply_of_his_own() {
    let mut scene = scene(PIPELINED, &["1@y", "2@y", "3@y", "4@y"]);
    scene.dialect = Dialect::Lmtp;
    let text = "
        C: MAIL FROM:<a@b> SIZE=16 BODY=8BITMIME
        C: RCPT TO:<1@y>
        C: RCPT TO:<2@y>
        C: RCPT TO:<3@y>
        C: RCPT TO:<4@y>
        C: DATA
        S: 250 2.1.0 Ok
        S: 250 2.1.5 Ok
        S: 550 5.1.1 no
        S: 250 2.1.5 Ok
        S: 250 2.1.5 Ok
        S: 354 go ahead
        C: A: b
        C:
        C: ..text
        C: x
        K: .
        S: 250 2.0.0 1 saved
        S: 452 4.2.2 over quota
        S: 550 5.7.1 no
    ";
    let verdicts = ["accepted 1 saved", "refused 5.1.1", "deferred 4.2.2", "refused 5.7.1"];
    assert_eq!(scene.play_with(text, |session| assert!(session.may_go_on() && !session.needs_reset)), verdicts);
}

#[test]
fn who_was_not_answered_is_unknown() {
    let mut scene = scene(&["CHUNKING", "PIPELINING", "8BITMIME"], &["1@y", "2@y"]).message(&[b"A: b\r\n\r\n"]);
    scene.dialect = Dialect::Lmtp;
    let text = "
        C: MAIL FROM:<a@b> BODY=8BITMIME
        C: RCPT TO:<1@y>
        C: RCPT TO:<2@y>
        C: BDAT 6
        C: A: b
        S: 250 ok
        S: 250 ok
        S: 250 ok
        S: 250 ok
        K: BDAT 2 LAST
        C:
        S: 250 ok
        S: what?
    ";
    assert_eq!(scene.play_once(text), ("accepted ok, unknown Malformed".to_owned(), true));
}
