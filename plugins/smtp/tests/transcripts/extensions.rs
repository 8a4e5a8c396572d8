//! What the server offers, and what a message needs.

use super::*;

/// A dialogue that ends well: MAIL and RCPT as given, everything pipelined, DATA.
fn with_data(mail: &str, rcpt: &str, body: &str) -> String {
    format!("C: {mail}\nC: {rcpt}\nC: DATA\nS: 250 ok\nS: 250 ok\nS: 354 go\n{body}K: .\nS: 250 ok")
}

const BODY: &str = "C: A: b\nC:\nC: ..text\nC: x\n";

#[test]
fn size_is_checked_before_anything_is_sent() {
    let exact = with_data("MAIL FROM:<a@b> SIZE=16", "RCPT TO:<x@y>", BODY);
    assert_eq!(scene(&["PIPELINING", "SIZE 16", "8BITMIME"], &["x@y"]).extra(&[("body", "7bit")]).play(&exact), ["accepted ok"]);
    assert_eq!(scene(&["PIPELINING", "SIZE 15"], &["x@y", "z@y"]).play(""), ["refused 5.3.4", "refused 5.3.4"]);
    // As many octets more as there are line ends to be made whole.
    let text = with_data("MAIL FROM:<a@b> SIZE=8", "RCPT TO:<x@y>", "C: a\nC:\nC: b\n");
    assert_eq!(scene(&["PIPELINING", "SIZE"], &["x@y"]).message(&[b"a\n\nb\r\n"]).play(&text), ["accepted ok"]);
}

#[test]
fn delivery_status_notifications_are_asked_for_where_they_are_known() {
    let mut asked = scene(POSTFIX, &["x@y"]).extra(&[("ret", "hdrs"), ("envid", "a+b")]);
    asked.settings.ignore_capabilities = vec!["CHUNKING".to_owned()];
    asked.envelope.recipients[0].extra = extra(&[("notify", "success,delay"), ("orcpt", "rfc822;X=@y")]);
    let mail = "MAIL FROM:<a@b> SIZE=16 BODY=8BITMIME RET=HDRS ENVID=a+2Bb";
    let text = with_data(mail, "RCPT TO:<x@y> NOTIFY=SUCCESS,DELAY ORCPT=rfc822;X+3D@y", BODY);
    assert_eq!(asked.play(&text), ["accepted ok"]);
    asked.settings.ignore_capabilities.push("DSN".to_owned());
    assert_eq!(asked.play(&with_data("MAIL FROM:<a@b> SIZE=16 BODY=8BITMIME", "RCPT TO:<x@y>", BODY)), ["accepted ok"]);
    asked.envelope.recipients[0].extra = extra(&[("notify", "sometimes")]);
    assert!(Mailing::new(asked.envelope).is_err());
}

#[test]
fn utf8_addresses_go_where_they_are_known_and_are_refused_one_by_one() {
    let mail = "MAIL FROM:<a@b> SIZE=16 BODY=8BITMIME SMTPUTF8";
    let capabilities = ["PIPELINING", "SIZE", "8BITMIME", "SMTPUTF8"];
    assert_eq!(scene(&capabilities, &["jörg@y"]).play(&with_data(mail, "RCPT TO:<jörg@y>", BODY)), ["accepted ok"]);
    let text = with_data("MAIL FROM:<a@b> SIZE=16 BODY=8BITMIME", "RCPT TO:<x@y>", BODY);
    let asked = scene(PIPELINED, &["jörg@y", "x@y"]).extra(&[("smtputf8", "true")]);
    assert_eq!(asked.play(&text), ["refused 5.6.7", "accepted ok"], "the other needs none of it");
    let mut foreign = scene(PIPELINED, &["x@y", "z@y"]);
    foreign.envelope.sender = "jörg@b".to_owned();
    assert_eq!(foreign.play(""), ["refused 5.6.7", "refused 5.6.7"]);
}

#[test]
fn utf8_header_fields_need_the_same() {
    let message = "A: ü\r\n\r\nx\r\n";
    let capabilities = ["PIPELINING", "8BITMIME", "SMTPUTF8"];
    let text = with_data("MAIL FROM:<a@b> BODY=8BITMIME SMTPUTF8", "RCPT TO:<x@y>", "C: A: ü\nC:\nC: x\n");
    for pieces in [&[message.as_bytes()][..], &message.as_bytes().chunks(1).collect::<Vec<_>>()] {
        assert_eq!(scene(&capabilities, &["x@y"]).message(pieces).play(&text), ["accepted ok"]);
        assert_eq!(scene(PIPELINED, &["x@y"]).message(pieces).play(""), ["refused 5.6.7"]);
    }
    // The operator knows better.
    let mut knowing = scene(&["PIPELINING", "8BITMIME"], &["x@y"]).message(&[message.as_bytes()]);
    knowing.settings.eight_bit = postrider_smtp::settings::EightBit::Send;
    assert_eq!(knowing.play(&text.replace(" SMTPUTF8", "")), ["accepted ok"]);
}

#[test]
fn requiretls_is_refused_where_it_is_not_promised() {
    let asked = |capabilities| scene(capabilities, &["x@y", "z@y"]).extra(&[("requiretls", "true")]);
    assert_eq!(asked(PIPELINED).play(""), ["refused 5.7.30", "refused 5.7.30"]);
    let text = with_data("MAIL FROM:<a@b> REQUIRETLS", "RCPT TO:<x@y>", BODY);
    assert_eq!(scene(&["PIPELINING", "REQUIRETLS"], &["x@y"]).extra(&[("requiretls", "true")]).play(&text), ["accepted ok"]);
}

#[test]
fn octets_of_any_kind_go_as_they_are_where_binarymime_is_known() {
    let text = r"
        C: MAIL FROM:<a@b> SIZE=53 BODY=BINARYMIME
        C: RCPT TO:<x@y>
        C: BDAT 51
        C: Content-Transfer-Encoding: binary
        C:
        C< a\n.\n\r\x00\r\n.\r\nb\r\n
        S: 250 ok
        S: 250 ok
        S: 250 ok
        K: BDAT 2 LAST
        C< \r\r
        S: 250 ok
    ";
    let message = b"Content-Transfer-Encoding: binary\r\n\r\na\n.\n\r\0\r\n.\r\nb\r\n\r\r";
    let capabilities = ["PIPELINING", "SIZE", "8BITMIME", "CHUNKING", "BINARYMIME"];
    assert_eq!(scene(&capabilities, &["x@y"]).message(&[message]).play(text), ["accepted ok"], "its header says so");
    assert_eq!(scene(&capabilities, &["x@y"]).message(&[message]).extra(&[("body", "binarymime")]).play(text), ["accepted ok"]);
}

#[test]
fn eight_bit_text_is_converted_refused_or_sent_where_the_server_does_not_take_it() {
    use postrider_smtp::settings::EightBit;

    let message = "A: b\r\n\r\né\r\n".as_bytes();
    let mut scene = scene(&["PIPELINING"], &["x@y"]).message(&[message]);
    let fields =
        "C: A: b\nC: MIME-Version: 1.0\nC: Content-Type: text/plain; charset=utf-8\nC: Content-Transfer-Encoding: quoted-printable\n";
    let text = with_data("MAIL FROM:<a@b>", "RCPT TO:<x@y>", &format!("{fields}C:\nC: =C3=A9\n"));
    assert_eq!(scene.play(&text), ["accepted ok"]);
    scene.settings.eight_bit = EightBit::Send;
    assert_eq!(scene.play(&with_data("MAIL FROM:<a@b>", "RCPT TO:<x@y>", "C: A: b\nC:\nC: é\n")), ["accepted ok"]);
    scene.settings.eight_bit = EightBit::Refuse;
    let refused = "C: MAIL FROM:<a@b>\nC: RCPT TO:<x@y>\nC: DATA\nS: 250 ok\nS: 250 ok\nS: 354 go\n";
    assert_eq!(scene.play_once(refused), ("refused 5.6.3".to_owned(), false), "the line is dropped, for the text has begun");
    // What may not be changed is refused as well.
    let signed = "DKIM-Signature: x\r\n\r\né\r\n".as_bytes();
    scene = scene.message(&[signed]);
    scene.settings.eight_bit = EightBit::Convert;
    assert_eq!(scene.play_once(refused), ("refused 5.6.3".to_owned(), false));
}
