use proptest::prelude::*;

use super::*;

fn pieces(target: Target, pieces: &[&[u8]]) -> Result<Vec<u8>, String> {
    let mut converter = Converter::new(target);
    let mut out = Vec::new();
    for piece in pieces {
        out.extend(converter.write(piece).map_err(|error| error.message)?);
    }
    out.extend(converter.finish().map_err(|error| error.message)?);
    Ok(out)
}

/// The same in any cut.
fn convert(target: Target, message: &[u8]) -> Result<String, String> {
    let whole = pieces(target, &[message]);
    for cut in 0..=message.len().min(600) {
        assert_eq!(pieces(target, &[&message[..cut], &message[cut..]]), whole, "cut at {cut}");
    }
    assert_eq!(pieces(target, &message.chunks(1).collect::<Vec<_>>()), whole);
    whole.map(|octets| String::from_utf8(octets).unwrap())
}

#[test]
fn a_text_is_made_quoted_printable_and_says_so() {
    let given = "MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\nGr\u{fc}\u{df}e = \r\nrein \r\n";
    let expected = "MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\nGr=C3=BC=C3=9Fe =3D=20\r\nrein=20\r\n";
    assert_eq!(convert(Target::SevenBit, given.as_bytes()).unwrap(), expected);
    assert_eq!(
        convert(Target::SevenBit, given.replace("\r\n", "\n").as_bytes()).unwrap().replace("\r\n", "\n"),
        expected.replace("\r\n", "\n")
    );
    assert_eq!(convert(Target::EightBit, given.as_bytes()).unwrap(), given, "the server takes it");
}

#[test]
fn what_is_of_seven_bits_stays_as_it_is() {
    for given in [
        "",
        "A: b",
        "A: b\r\n\r\n",
        "\r\nbody",
        "A: b\n\nbody\n\n",
        "Content-Transfer-Encoding: 8bit\r\n\r\nplain\r\n",
        "Content-Type: multipart/mixed; boundary=x\r\n\r\npre\r\n--x\r\n\r\none\r\n--x\r\nA: b\r\n--x--\r\npost",
        "Content-Type: multipart/mixed; boundary=x\r\nContent-Transfer-Encoding: base64\r\n\r\n--x\r\n",
        "DKIM-Signature: x\r\nContent-Transfer-Encoding: 8bit\r\n\r\nplain\r\n",
    ] {
        assert_eq!(convert(Target::SevenBit, given.as_bytes()).as_deref(), Ok(given));
    }
}

#[test]
fn parts_are_changed_one_by_one() {
    let given = "MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=\"o\"\r\nContent-Transfer-Encoding: 8bit\r\n\r\n\
        --o\r\nContent-Type: multipart/alternative; boundary=i\r\n\r\n\
        --i\r\n\r\nplain\r\n\
        --i\r\nContent-Type: text/html\r\n\r\n\u{e9}\r\n\
        --i--\r\n\
        --o\r\nContent-Type: image/x\r\nContent-Transfer-Encoding: 8bit\r\n\r\n\u{e9}\r\n\
        --o\r\nContent-Type: message/rfc822\r\nContent-Transfer-Encoding: 8bit\r\n\r\nSubject: x\r\n\r\n\u{e9}\r\n--o--\r\n";
    let expected = "MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=\"o\"\r\nContent-Transfer-Encoding: 7bit\r\n\r\n\
        --o\r\nContent-Type: multipart/alternative; boundary=i\r\n\r\n\
        --i\r\n\r\nplain\r\n\
        --i\r\nContent-Type: text/html\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n=C3=A9\r\n\
        --i--\r\n\
        --o\r\nContent-Type: image/x\r\nContent-Transfer-Encoding: base64\r\n\r\nw6k=\r\n\
        --o\r\nContent-Type: message/rfc822\r\nContent-Transfer-Encoding: 7bit\r\n\r\nSubject: x\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n=C3=A9\r\n--o--\r\n";
    assert_eq!(convert(Target::SevenBit, given.as_bytes()).unwrap(), expected);
}

#[test]
fn a_message_that_is_not_mime_becomes_it() {
    let expected =
        "A: b\r\nMIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n=C3=A9";
    assert_eq!(convert(Target::SevenBit, "A: b\r\n\r\n\u{e9}".as_bytes()).unwrap(), expected);
    assert!(convert(Target::SevenBit, b"A: b\r\n\r\n\xe9").unwrap().contains("charset=unknown-8bit"));
}

#[test]
fn binary_parts_keep_their_octets() {
    let header = "Content-Type: multipart/mixed; boundary=x\r\nContent-Transfer-Encoding: binary\r\n\r\n--x\r\n";
    let data = b"Content-Type: a/b\r\nContent-Transfer-Encoding: binary\r\n\r\n\0\n\r\r\n\xff\r\n--x\r\n";
    let text = b"Content-Type: text/x\r\nContent-Transfer-Encoding: binary\r\n\r\na\nb\r\nc\r\r\n--x--\r\n";
    let given = [header.as_bytes(), data, text].concat();
    for (target, word) in [(Target::SevenBit, "7bit"), (Target::EightBit, "8bit")] {
        let found = convert(target, &given).unwrap();
        assert!(found.starts_with(&header.replace("binary", word)), "{found}");
        assert!(found.contains("base64\r\n\r\nAAoNDQr/\r\n--x\r\n"), "{found}");
        assert!(found.contains("quoted-printable\r\n\r\na=0Ab\r\nc=0D\r\n--x--\r\n"), "{found}");
    }
}

#[test]
fn what_nobody_may_change_is_refused() {
    let signed = |part: &str| {
        format!(
            "Content-Type: multipart/signed; boundary=s\r\n\r\n--s\r\n{part}\r\n--s\r\nContent-Type: application/pgp-signature\r\n\r\nx\r\n--s--\r\n"
        )
    };
    for (message, words) in [
        (signed("\r\n\u{e9}"), "under a signature"),
        (signed("Content-Type: multipart/mixed; boundary=i\r\n\r\n--i\r\n\r\n\u{e9}\r\n--i--\r\n"), "under a signature"),
        ("DKIM-Signature: x\r\n\r\n\u{e9}".to_owned(), "under a signature"),
        ("Subject: \u{e9}\r\n\r\nx".to_owned(), "header fields"),
        ("Content-Type: multipart/mixed; boundary=x\r\n\r\n\u{e9}\r\n--x--\r\n".to_owned(), "where it does not say so"),
        ("Content-Transfer-Encoding: base64\r\n\r\n\u{e9}".to_owned(), "where it does not say so"),
        ("Content-Type: message/partial; id=x\r\n\r\n\u{e9}".to_owned(), "cannot be encoded"),
        ("Content-Type: multipart/mixed\r\n\r\n\u{e9}".to_owned(), "cannot be encoded"),
        (format!("A: b\r\n\r\n{}\u{e9}", "x".repeat(HELD_OCTETS + 9_000)), "where it does not say so"),
        (format!("A: {}", "x".repeat(HEADER_OCTETS)), "too long"),
        ((0..40).map(|at| format!("Content-Type: multipart/mixed; boundary=b{at}\r\n\r\n--b{at}\r\n")).collect(), "too many parts"),
    ] {
        let error = pieces(Target::SevenBit, &[message.as_bytes()]).unwrap_err();
        assert!(error.contains(words), "{error}");
    }
    // What is signed and of 7 bits goes as it is, whatever it says of itself.
    let harmless = signed("Content-Transfer-Encoding: 8bit\r\n\r\nplain");
    assert_eq!(convert(Target::SevenBit, harmless.as_bytes()), Ok(harmless));
}

#[test]
fn a_long_part_that_says_what_it_is_is_streamed() {
    let text = "x".repeat(90).repeat(1_000);
    let given = format!("MIME-Version: 1.0\r\nContent-Type: a/b\r\nContent-Transfer-Encoding: 8bit\r\n\r\n{text}\u{e9}");
    let mut converter = Converter::new(Target::SevenBit);
    let mut out = Vec::new();
    for piece in given.as_bytes().chunks(4096) {
        let lines = converter.write(piece).unwrap();
        out.extend(lines);
        assert!(matches!(&converter.place, Place::Undecided(_, held) if held.len() <= HELD_OCTETS + 8192) || !out.is_empty());
    }
    out.extend(converter.finish().unwrap());
    let body = String::from_utf8(out).unwrap().split_once("\r\n\r\n").unwrap().1.replace("\r\n", "");
    let back = data_encoding::BASE64.decode(body.as_bytes()).unwrap();
    assert_eq!(back.len(), text.len() + 2);
    assert!(back == format!("{text}\u{e9}").as_bytes());
}

/// Undo quoted-printable.
fn unquoted(text: &str) -> Vec<u8> {
    let mut octets = Vec::new();
    let joined = text.replace("=\r\n", "");
    let mut rest = joined.as_bytes();
    while let Some((&octet, after)) = rest.split_first() {
        rest = after;
        if octet == b'=' {
            octets.push(u8::from_str_radix(std::str::from_utf8(&rest[..2]).unwrap(), 16).unwrap());
            rest = &rest[2..];
        } else {
            octets.push(octet);
        }
    }
    octets
}

proptest! {
    #[test]
    fn what_is_encoded_is_read_again(text in "[ab =\u{e9}\t.]{0,200}(\r\n[ab =\u{e9}\t.]{0,90}){0,6}") {
        for (kind, read) in [("text/plain", true), ("a/b", false)] {
            let given = format!("MIME-Version: 1.0\r\nContent-Type: {kind}\r\nContent-Transfer-Encoding: binary\r\n\r\n{text}");
            let whole = pieces(Target::SevenBit, &[given.as_bytes()]).unwrap();
            prop_assert_eq!(&pieces(Target::SevenBit, &given.as_bytes().chunks(3).collect::<Vec<_>>()).unwrap(), &whole);
            prop_assert!(whole.is_ascii());
            let whole = String::from_utf8(whole).unwrap();
            let (_, body) = whole.split_once("\r\n\r\n").unwrap();
            prop_assert!(body.split("\r\n").all(|line| line.len() <= 76 && !line.ends_with([' ', '\t'])), "{:?}", body);
            let back = if read { unquoted(body) } else { data_encoding::BASE64.decode(body.replace("\r\n", "").as_bytes()).unwrap() };
            prop_assert_eq!(back, text.as_bytes());
        }
    }

    #[test]
    fn no_message_does_harm(parts in proptest::collection::vec(proptest::sample::select(vec![
        "Content-Type: multipart/mixed; boundary=x\r\n", "Content-Type: multipart/signed; boundary=y\r\n", "Content-Type: message/rfc822\r\n",
        "Content-Transfer-Encoding: 8bit\r\n", "Content-Transfer-Encoding: binary\r\n", "\r\n", "\n", "\r", "--x\r\n", "--x--\r\n", "--y\r\n", "\u{e9}", "a ", "--x",
    ]), 0..20)) {
        let message = parts.concat();
        let whole = pieces(Target::SevenBit, &[message.as_bytes()]);
        prop_assert_eq!(&pieces(Target::SevenBit, &message.as_bytes().chunks(1).collect::<Vec<_>>()), &whole);
        if let Ok(octets) = whole {
            prop_assert!(octets.is_ascii());
            // What needs no change has none.
            if message.is_ascii() && !message.contains("8bit") && !message.contains("binary") {
                prop_assert_eq!(octets, message.as_bytes());
            }
        }
        let _ = pieces(Target::EightBit, &[message.as_bytes()]);
    }
}
