//! Servers that do what none should.

use super::*;

const ENVELOPE: &str = "C: MAIL FROM:<a@b>\nS: 250 ok\nC: RCPT TO:<x@y>\n";

/// What a dialogue that cannot go on comes to, and whether the host made its mark.
fn fails(capabilities: &[&str], text: &str) -> (String, bool) {
    scene(capabilities, &["x@y"]).play_once(text)
}

#[test]
fn what_is_no_reply_ends_the_line() {
    let endless = format!("S< {}\n", "x".repeat(5_000));
    let many = "S: 250-more\n".repeat(129);
    for said in ["S: HTTP/1.1 400 Bad Request\n", "S: 250-a\nS: 251 b\n", "S: 1\n", "S:\n", &format!("{endless}S:\n"), &many] {
        assert_eq!(fails(PLAIN, &format!("{ENVELOPE}{said}")), ("error Malformed".to_owned(), false), "{said:.40}");
    }
}

#[test]
fn positive_replies_where_none_can_be_are_not_believed() {
    // 250 to DATA; 354 to MAIL.
    let text = format!("{ENVELOPE}S: 250 ok\nC: DATA\nS: 250 queued\n");
    assert_eq!(fails(PLAIN, &text).0, "error Malformed 250");
    assert_eq!(fails(PLAIN, "C: MAIL FROM:<a@b>\nS: 354 go\n").0, "error Malformed 354");
    // 354 to the end: the server may have the message.
    let body = "C: A: b\nC:\nC: ..text\nC: x\n";
    let text = format!("{ENVELOPE}S: 250 ok\nC: DATA\nS: 354 go\n{body}K: .\nS: 354 go\n");
    assert_eq!(fails(PLAIN, &text), ("unknown Malformed".to_owned(), true));
    // Accepted before it was sent.
    let text = format!("{ENVELOPE}S: 250 ok\nC: DATA\nS: 354 go\nS: 250 queued\n");
    assert_eq!(fails(PLAIN, &text), ("error Malformed".to_owned(), false));
}

#[test]
fn replies_to_commands_that_were_never_sent_end_the_line_behind_the_message() {
    let body = "C: A: b\nC:\nC: ..text\nC: x\n";
    let text = format!("{ENVELOPE}S: 250 ok\nC: DATA\nS: 354 go\n{body}K: .\nS< 250 ok\\r\\n250 ok\\r\\n250 ok\\r\\n");
    assert_eq!(fails(PLAIN, &text), ("accepted ok".to_owned(), true));
}

#[test]
fn a_server_that_trickles_is_given_up() {
    let looks = |number: usize| "! timer\n".repeat(number);
    let text = format!("C: MAIL FROM:<a@b>\nS< 2\n{}S< 5\n{}", looks(10), looks(10));
    assert_eq!(fails(PLAIN, &text).0, "error Unreachable TIMEOUT");
    let body = "C: A: b\nC:\nC: ..text\nC: x\n";
    let text = format!("{ENVELOPE}S: 250 ok\nC: DATA\n{}S: 354 go\n{body}K: .\nS< 2\n{}", looks(19), looks(40));
    assert_eq!(fails(PLAIN, &text), ("unknown Unreachable".to_owned(), true));
}
