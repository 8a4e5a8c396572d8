use proptest::prelude::*;

use super::*;
use crate::line::Line;

/// What the chunks hold: the text, its end, and what is left in the reader.
fn read(limit: u64, chunks: &[&[u8]]) -> (Vec<u8>, Option<Dotted>, Vec<u8>) {
    let (mut text, mut dots, mut reader) = (Vec::new(), DotReader::new(limit), LineReader::new(80));
    let mut end = None;
    for chunk in chunks {
        reader.feed(chunk.to_vec());
        while end.is_none() {
            match dots.read(&mut reader) {
                Some(Dotted::Octets(octets)) => {
                    assert!(!octets.is_empty());
                    text.extend(octets);
                }
                Some(over) => end = Some(over),
                None => break,
            }
        }
    }
    (text, end, reader.peek().to_vec())
}

fn write(chunks: &[&[u8]]) -> Vec<u8> {
    let mut writer = DotWriter::new();
    let mut wire: Vec<u8> = chunks.iter().flat_map(|chunk| writer.write(chunk.to_vec())).collect();
    wire.extend(writer.end());
    wire
}

/// RFC 1939 section 3, word for word, on a text that is all there: the lines up to the one that is only a dot, each without the dot in front.
fn by_the_book(wire: &[u8]) -> Option<(Vec<u8>, &[u8])> {
    let (mut text, mut rest) = (Vec::new(), wire);
    loop {
        let end = rest.windows(2).position(|pair| pair == b"\r\n")?;
        let (line, after) = rest.split_at(end);
        rest = &after[2..];
        if line == b"." {
            return Some((text, rest));
        }
        text.extend_from_slice(line.strip_prefix(b".").unwrap_or(line));
        text.extend_from_slice(b"\r\n");
    }
}

/// Octets of which dot-stuffing is made, and few others.
fn octets(most: usize) -> impl Strategy<Value = Vec<u8>> {
    proptest::collection::vec(prop_oneof![3 => Just(b'.'), 3 => Just(b'\r'), 3 => Just(b'\n'), 2 => Just(b'a'), 1 => any::<u8>()], 0..most)
}

/// Pieces of lines, so that the ends of lines and texts are frequent.
fn lines(most: usize) -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![Just("."), Just("\r\n"), Just("\r\n.\r\n"), Just("\n.\n"), Just("\r\n."), Just("\r"), Just("\n"), Just("mail")];
    proptest::collection::vec(piece, 0..most).prop_map(|pieces| pieces.concat().into_bytes())
}

/// Every way to cut `octets` once, and octet by octet.
fn splits(octets: &[u8]) -> Vec<Vec<&[u8]>> {
    let once = (0..=octets.len()).map(|cut| vec![&octets[..cut], &octets[cut..]]);
    once.chain([octets.chunks(1).collect()]).collect()
}

proptest! {
    #[test]
    fn any_split_reads_as_the_book_says(wire in prop_oneof![octets(40), lines(12)]) {
        let ended = [wire.as_slice(), b"\r\n.\r\n+OK next\r\n"].concat();
        let (text, rest) = by_the_book(&ended).expect("an end was put behind");
        for chunks in splits(&ended) {
            let (found, end, left) = read(u64::MAX, &chunks);
            prop_assert_eq!(&found, &text, "{:?}", chunks);
            prop_assert_eq!(end, Some(Dotted::End(text.len() as u64)));
            prop_assert_eq!(left, rest, "not an octet behind the end was taken");
        }
    }

    #[test]
    fn any_two_cuts_read_the_same(wire in lines(6), one in 0_usize..40, other in 0_usize..40) {
        let ended = [wire.as_slice(), b"\r\n.\r\n"].concat();
        let (one, other) = (one.min(other).min(ended.len()), one.max(other).min(ended.len()));
        prop_assert_eq!(read(u64::MAX, &[&ended[..one], &ended[one..other], &ended[other..]]), read(u64::MAX, &[&ended]));
    }

    #[test]
    fn a_text_without_an_end_is_not_over(wire in prop_oneof![octets(40), lines(12)]) {
        if by_the_book(&wire).is_none() {
            for chunks in splits(&wire) {
                prop_assert_eq!(read(u64::MAX, &chunks).1, None);
            }
        }
    }

    #[test]
    fn what_is_written_is_read(text in prop_oneof![octets(40), lines(12)]) {
        let whole = write(&[&text]);
        for chunks in splits(&text) {
            prop_assert_eq!(write(&chunks), whole.clone(), "{:?}", chunks);
        }
        let (read, end, left) = read(u64::MAX, &[&whole]);
        let ends_a_line = text.is_empty() || text.ends_with(b"\r\n");
        let expected = if ends_a_line { text } else { [text.as_slice(), b"\r\n"].concat() };
        prop_assert_eq!(&read, &expected);
        prop_assert_eq!(end, Some(Dotted::End(expected.len() as u64)));
        prop_assert!(left.is_empty());
    }

    #[test]
    fn a_limit_is_kept_at_any_split(wire in lines(8), limit in 0_u64..20) {
        let ended = [wire.as_slice(), b"\r\n.\r\n"].concat();
        let (text, _) = by_the_book(&ended).expect("an end was put behind");
        for chunks in splits(&ended) {
            let (found, end, _) = read(limit, &chunks);
            prop_assert_eq!(&found[..], &text[..text.len().min(limit as usize)]);
            let octets = text.len() as u64;
            prop_assert_eq!(end, Some(if octets > limit { Dotted::TooLong(octets) } else { Dotted::End(octets) }));
        }
    }
}

#[test]
fn a_bare_line_feed_begins_no_line() {
    let (text, end, _) = read(1000, &[b"a\n.\nb\n.\r\nc\r.\r\n\r\n.\nd\r\n.\re\r\n.\r\n"]);
    assert_eq!(text, b"a\n.\nb\n.\r\nc\r.\r\n\r\n\nd\r\n\re\r\n");
    assert!(matches!(end, Some(Dotted::End(_))));
    assert_eq!(write(&[b"a\n.b\r.c\r\n.d"]), b"a\n.b\r.c\r\n..d\r\n.\r\n");
}

#[test]
fn an_empty_text_is_only_its_end() {
    assert_eq!(read(0, &[b".\r\n+OK\r\n"]), (Vec::new(), Some(Dotted::End(0)), b"+OK\r\n".to_vec()));
    assert_eq!(write(&[]), b".\r\n");
}

#[test]
fn what_may_be_the_end_waits() {
    let (mut dots, mut reader) = (DotReader::new(1000), LineReader::new(80));
    reader.feed(b"a\r\n.".to_vec());
    assert_eq!(dots.read(&mut reader), Some(Dotted::Octets(b"a\r\n".to_vec())));
    assert_eq!(dots.read(&mut reader), None);
    reader.feed(b"\r".to_vec());
    assert_eq!(dots.read(&mut reader), None);
    reader.feed(b"\n+OK\r\n".to_vec());
    assert_eq!(dots.read(&mut reader), Some(Dotted::End(3)));
    assert_eq!(reader.line(), Some(Line::Whole(b"+OK")));
}

#[test]
fn a_read_without_dots_is_not_copied() {
    let (mut dots, mut reader, mut writer) = (DotReader::new(1000), LineReader::new(80), DotWriter::new());
    let octets = b"no dots\r\nat all\r\n".repeat(4);
    let place = octets.as_ptr();
    let octets = writer.write(octets);
    assert_eq!(octets.as_ptr(), place);
    reader.feed(octets);
    match dots.read(&mut reader) {
        Some(Dotted::Octets(octets)) => assert_eq!(octets.as_ptr(), place),
        other => panic!("{other:?}"),
    }
}
