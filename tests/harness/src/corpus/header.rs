//! Header fields as mail that went over several servers has them.

use std::fmt::Write as _;

use super::random::Random;

const NAMES: &[&str] = &["Ada Byron", "Grace Murray", "Noor Khan", "Li Wei", "Olu Adeyemi", "Eva Novak", "Kim Min-ji", "Tomas Silva"];
const BOXES: &[&str] = &["ada", "grace", "noor", "li.wei", "olu", "eva", "kim", "tomas", "help", "billing", "alarms", "no-reply"];
const DOMAINS: &[&str] = &["example.com", "example.org", "example.net", "mail.example.com"];
const SUBJECTS: &[&str] = &[
    "Printer on the third floor",
    "Re: Printer on the third floor",
    "Invoice 2026-0417",
    "Fwd: contract, second draft",
    "ALARM disk 91 % full",
    "=?utf-8?Q?Gr=C3=BC=C3=9Fe_aus_der_Buchhaltung?=",
    "=?iso-2022-jp?B?GyRCJTUlJSVIGyhC?=",
    "Your weekly report",
    "Meeting moved to Thursday",
];

/// The fields every message has, the last `MIME-Version`, without the empty line.
pub(super) fn fields(random: &mut Random, index: usize, subject: &str) -> Vec<u8> {
    let mut text = String::new();
    for hop in 0..=random.below(3) {
        let _ = writeln!(
            text,
            "Received: from relay{hop}.example.net (relay{hop}.example.net [192.0.2.{}])\n\tby mx{}.example.com (Postfix) with ESMTPS id {:010X}\n\tfor <help@example.com>; {}",
            random.below(254) + 1,
            hop + 1,
            random.next() & 0xFF_FFFF_FFFF,
            date(index)
        );
    }
    let _ = writeln!(text, "From: {} <{}>", random.pick(NAMES), address(random));
    let _ = writeln!(text, "To: help@example.com");
    if random.below(3) == 0 {
        let _ = writeln!(text, "Cc: {}, {}", address(random), address(random));
    }
    let _ = writeln!(text, "Subject: {subject}");
    let _ = writeln!(text, "Date: {}", date(index));
    let _ = writeln!(text, "Message-ID: <{:016x}.{index}@example.com>", random.next());
    if random.below(3) == 0 {
        let _ = writeln!(text, "References: <{:016x}@example.com>\n <{:016x}@example.com>", random.next(), random.next());
    }
    text.push_str("MIME-Version: 1.0\n");
    text.into_bytes()
}

/// A subject that mail has.
pub(super) fn subject(random: &mut Random) -> &'static str {
    let subject: &&'static str = random.pick(SUBJECTS);
    subject
}

/// An address that belongs to nobody.
pub(super) fn address(random: &mut Random) -> String {
    format!("{}@{}", random.pick(BOXES), random.pick(DOMAINS))
}

fn date(index: usize) -> String {
    let (day, minute) = (index / 60 % 28 + 1, index % 60);
    format!("{day} {} 2025 {:02}:{minute:02}:17 +0100", ["Jan", "Mar", "May", "Jul", "Aug", "Oct"][index / 1_680 % 6], index / 7 % 24)
}
