//! Mail that breaks programs: each shape was sent by somebody at some time.

use std::fmt::Write as _;

use super::random::Random;
use super::{body, header};

type Make = fn(&mut Random, usize) -> Vec<u8>;

/// What is odd, and how to make it.
pub(super) const ODDITIES: &[(&str, Make)] = &[
    ("five thousand parts", five_thousand_parts),
    ("octets above 127 in the header", eight_bit_header),
    ("bare LF and CRLF mixed", mixed_line_ends),
    ("bare CR", bare_cr),
    ("NUL", nul),
    ("no body", no_body),
    ("header only, no empty line", no_empty_line),
    ("body only, no header", no_header),
    ("no Message-ID", no_message_id),
    ("the same Message-ID", same_message_id),
    ("the very same message", same_message),
    ("one long line", long_line),
    ("a header field of 60 KB", long_field),
    ("two thousand Received fields", many_fields),
    ("ISO-2022-JP", iso_2022_jp),
    ("a charset that does not exist", unknown_charset),
    ("multipart without its end", unfinished_multipart),
    ("multipart in multipart, a hundred deep", deep_multipart),
    ("a message in a message", attached_message),
    ("mbox From line in the middle", mbox_from),
    ("IMAP in the body", imap_in_body),
    ("dots", dots),
    ("no line end at the end", no_final_line_end),
    ("one octet", one_octet),
];

fn plain(random: &mut Random, index: usize, subject: &str, fields: &[u8], body: &[u8]) -> Vec<u8> {
    let mut octets = header::fields(random, index, subject);
    octets.extend_from_slice(fields);
    octets.push(b'\n');
    octets.extend_from_slice(body);
    octets
}

fn five_thousand_parts(random: &mut Random, index: usize) -> Vec<u8> {
    let mut text = String::from("preamble\n");
    for part in 0..5_000 {
        let _ = write!(text, "--p\nContent-Type: text/plain; name=\"{part}.txt\"\n\npart {part}\n");
    }
    text.push_str("--p--\n");
    plain(random, index, "Five thousand parts", b"Content-Type: multipart/mixed; boundary=p\n", text.as_bytes())
}

fn eight_bit_header(random: &mut Random, index: usize) -> Vec<u8> {
    let text = body::prose(random, 900);
    plain(random, index, "raw UTF-8 Grüße", b"X-Latin: Gr\xfc\xdfe \xff\xfe\nX-Sender: \xe9t\xe9 <summer@example.com>\n", &text)
}

fn mixed_line_ends(random: &mut Random, index: usize) -> Vec<u8> {
    let mut octets = plain(random, index, "Mixed line ends", b"", b"");
    for line in 0..40 {
        octets.extend(format!("line {line}").bytes());
        octets.extend_from_slice(if line % 3 == 0 { b"\r\n" } else { b"\n" });
    }
    octets
}

fn bare_cr(random: &mut Random, index: usize) -> Vec<u8> {
    plain(random, index, "Bare CR", b"", &b"one\rtwo\r\rthree\r\n\rfour\n".repeat(50))
}

fn nul(random: &mut Random, index: usize) -> Vec<u8> {
    plain(random, index, "NUL", b"X-Nul: a\0b\n", &b"before\0after\n\0\0\0\n".repeat(60))
}

fn no_body(random: &mut Random, index: usize) -> Vec<u8> {
    plain(random, index, "No body", b"X-Filler: 0123456789 0123456789\n", b"")
}

fn no_empty_line(random: &mut Random, index: usize) -> Vec<u8> {
    header::fields(random, index, "Header only")
}

fn no_header(random: &mut Random, index: usize) -> Vec<u8> {
    let mut octets = format!("\nmessage {index} begins with its body\n").into_bytes();
    octets.extend(body::prose(random, 1_000));
    octets
}

fn no_message_id(random: &mut Random, index: usize) -> Vec<u8> {
    let mut octets = format!("From: {}\nSubject: No id {index}\n\n", header::address(random)).into_bytes();
    octets.extend(body::prose(random, 1_000));
    octets
}

fn same_message_id(random: &mut Random, index: usize) -> Vec<u8> {
    let text = body::prose(random, 700);
    let mut octets = format!("From: {}\nMessage-ID: <same@example.com>\nSubject: Copy {index}\n\n", header::address(random)).into_bytes();
    octets.extend(text);
    octets
}

/// Equal octets wherever it stands.
fn same_message(_: &mut Random, _: usize) -> Vec<u8> {
    let mut octets = b"From: alarms@example.com\nTo: help@example.com\nSubject: The very same\nMessage-ID: <twin@example.com>\n\n".to_vec();
    octets.extend(b"Sent to two lists, arrived twice.\n".repeat(40));
    octets
}

fn long_line(random: &mut Random, index: usize) -> Vec<u8> {
    plain(random, index, "One long line", b"", &[b'x'; 70_000])
}

fn long_field(random: &mut Random, index: usize) -> Vec<u8> {
    let mut field = b"X-Long: ".to_vec();
    field.extend([b'y'; 60_000]);
    field.push(b'\n');
    plain(random, index, "A long field", &field, b"short\n")
}

fn many_fields(random: &mut Random, index: usize) -> Vec<u8> {
    let fields: String = (0..2_000).map(|hop| format!("Received: by hop{hop}.example.net\n")).collect();
    plain(random, index, "Many fields", fields.as_bytes(), b"a loop that somebody cut\n")
}

fn iso_2022_jp(random: &mut Random, index: usize) -> Vec<u8> {
    let text = b"\x1b$B%5%$%H\x1b(B plain \x1b$BF|K\\\x1b(B\n".repeat(40);
    plain(random, index, "=?iso-2022-jp?B?GyRCJTUlJCVIGyhC?=", b"Content-Type: text/plain; charset=iso-2022-jp\n", &text)
}

fn unknown_charset(random: &mut Random, index: usize) -> Vec<u8> {
    let text = random.octets(1_200).iter().map(|octet| if octet % 61 == 0 { b'\n' } else { octet | 0x80 }).collect::<Vec<u8>>();
    plain(
        random,
        index,
        "=?x-unknown-9?Q?=FF=FE?=",
        b"Content-Type: text/plain; charset=x-unknown-9\nContent-Transfer-Encoding: 8bit\n",
        &text,
    )
}

fn unfinished_multipart(random: &mut Random, index: usize) -> Vec<u8> {
    let text = b"--q\nContent-Type: text/plain\n\nit ends in the middle of a par".repeat(20);
    plain(random, index, "Unfinished", b"Content-Type: multipart/mixed; boundary=q\n", &text)
}

fn deep_multipart(random: &mut Random, index: usize) -> Vec<u8> {
    let mut text = String::new();
    for depth in 1..100 {
        let _ = write!(text, "--d{}\nContent-Type: multipart/mixed; boundary=d{depth}\n\n", depth - 1);
    }
    text.push_str("--d99\n\nthe bottom\n--d99--\n");
    plain(random, index, "A hundred deep", b"Content-Type: multipart/mixed; boundary=d0\n", text.as_bytes())
}

fn attached_message(random: &mut Random, index: usize) -> Vec<u8> {
    let inner = body::sized(random, index, 3_000);
    plain(random, index, "Fwd: a message in a message", b"Content-Type: message/rfc822\n", &inner)
}

fn mbox_from(random: &mut Random, index: usize) -> Vec<u8> {
    let text = b"text\n\nFrom help@example.com Thu Jan  1 00:00:00 2026\nSubject: not a new message\n\n>From here on\n".repeat(12);
    plain(random, index, "From line", b"", &text)
}

fn imap_in_body(random: &mut Random, index: usize) -> Vec<u8> {
    let text = b"* 1 EXPUNGE\n)\n* BYE\na1 OK done\n* 1 FETCH (UID 1 BODY[] {5}\n{9999999}\n* OK [UIDVALIDITY 1] x\n".repeat(12);
    plain(random, index, "IMAP in the body {10}", b"", &text)
}

fn dots(random: &mut Random, index: usize) -> Vec<u8> {
    plain(random, index, "Dots", b"", &b".\n..\n.text\n\n.\n".repeat(80))
}

fn no_final_line_end(random: &mut Random, index: usize) -> Vec<u8> {
    let mut text = body::prose(random, 1_100);
    text.truncate(1_000);
    text.extend_from_slice(b" the end");
    plain(random, index, "No line end at the end", b"", &text)
}

fn one_octet(_: &mut Random, _: usize) -> Vec<u8> {
    b"x".to_vec()
}
