//! Bodies: prose, the usual multiparts and attachments.

use super::header;
use super::random::Random;

const WORDS: &[&str] = &[
    "the",
    "printer",
    "on",
    "third",
    "floor",
    "shows",
    "an",
    "error",
    "again",
    "please",
    "look",
    "at",
    "it",
    "when",
    "you",
    "have",
    "time",
    "we",
    "moved",
    "meeting",
    "because",
    "of",
    "holiday",
    "attached",
    "is",
    "invoice",
    "for",
    "last",
    "month",
    "thanks",
    "and",
    "regards",
    "Grüße",
    "naïve",
    "façade",
    "число",
    "日本",
    "server",
    "alarm",
    "cleared",
    "at",
    "noon",
];

/// A message of about `size` octets, in one of the usual shapes.
pub(super) fn sized(random: &mut Random, index: usize, size: usize) -> Vec<u8> {
    let subject = header::subject(random);
    let mut octets = header::fields(random, index, subject);
    let room = size.saturating_sub(octets.len() + 400).max(100);
    // Long mail is long because of what is attached to it.
    let shape = if size > 60_000 { 3 } else { random.below(4) };
    match shape {
        0 => {
            octets.extend_from_slice(b"Content-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: 8bit\n\n");
            octets.extend(prose(random, room + 300));
        }
        1 => {
            octets.extend_from_slice(b"Content-Type: text/html; charset=utf-8\n\n<html><body><p>");
            octets.extend(prose(random, room + 250));
            octets.extend_from_slice(b"</p></body></html>\n");
        }
        2 => {
            octets.extend_from_slice(
                b"Content-Type: multipart/alternative; boundary=\"=_alt\"\n\n--=_alt\nContent-Type: text/plain; charset=utf-8\n\n",
            );
            octets.extend(prose(random, room / 3));
            octets.extend_from_slice(b"\n--=_alt\nContent-Type: text/html; charset=utf-8\n\n<p>");
            octets.extend(prose(random, room * 2 / 3));
            octets.extend_from_slice(b"</p>\n--=_alt--\n");
        }
        _ => {
            octets.extend_from_slice(
                b"Content-Type: multipart/mixed; boundary=\"=_mixed\"\n\n--=_mixed\nContent-Type: text/plain; charset=utf-8\n\n",
            );
            octets.extend(prose(random, 300));
            octets.extend_from_slice(b"\n--=_mixed\nContent-Type: application/octet-stream; name=\"scan.bin\"\nContent-Disposition: attachment; filename=\"scan.bin\"\nContent-Transfer-Encoding: base64\n\n");
            octets.extend(base64(random, room.saturating_sub(200)));
            octets.extend_from_slice(b"--=_mixed--\n");
        }
    }
    octets
}

/// About `size` octets of text in lines of at most 80 characters.
pub(super) fn prose(random: &mut Random, size: usize) -> Vec<u8> {
    let mut text = Vec::with_capacity(size + 100);
    let mut column = 0;
    while text.len() < size {
        let word = random.pick(WORDS).as_bytes();
        if column + word.len() > 72 {
            text.push(b'\n');
            column = 0;
        } else if column > 0 {
            text.push(b' ');
        }
        text.extend_from_slice(word);
        column += word.len() + 1;
    }
    text.push(b'\n');
    text
}

/// About `size` octets of base64 in lines of 76 characters.
pub(super) fn base64(random: &mut Random, size: usize) -> Vec<u8> {
    let mut text = Vec::with_capacity(size + 80);
    while text.len() < size {
        let line = data_encoding::BASE64.encode(&random.octets(57));
        text.extend_from_slice(line.as_bytes());
        text.push(b'\n');
    }
    text
}
