//! What is shown of a message and found by, taken from its header section while it comes in. A message that cannot be parsed has
//! less to show; it is never refused for it.

use mail_parser::{Address, HeaderName, MessageParser};

use super::record::HeaderFields;
use crate::clock::Timestamp;

/// Octets of a header section that are kept to be parsed; fields behind them are not seen.
const SECTION_OCTETS: usize = 256 << 10;

/// Characters of the subject that are kept.
const SUBJECT_CHARACTERS: usize = 512;

/// Addresses of From, and of To and Cc together, that are kept and found by.
const ADDRESSES: usize = 64;

/// Octets of an address (RFC 5321 section 4.5.3.1: 64 + 1 + 255) or a Message-ID; longer ones are cut off.
const ADDRESS_OCTETS: usize = 320;
const MESSAGE_ID_OCTETS: usize = 998;

/// The last second of the year 9999: RFC 5322 has four digits for a year, and a later one is a mistake.
const LATEST: u64 = 253_402_300_799;

/// Collects the header section from the first octets of a message.
#[derive(Default)]
pub(super) struct HeaderSection {
    octets: Vec<u8>,
    is_complete: bool,
}

impl HeaderSection {
    /// The next octets of the message; those behind the header section are let go.
    pub(super) fn push(&mut self, octets: &[u8]) {
        if self.is_complete {
            return;
        }
        // The empty line may lie across two pieces.
        let searched = self.octets.len().saturating_sub(3);
        let room = SECTION_OCTETS - self.octets.len();
        self.octets.extend_from_slice(octets.get(..room).unwrap_or(octets));
        let ends = |tail: &[u8]| tail.starts_with(b"\n\n") || tail.starts_with(b"\n\r\n");
        let fresh = self.octets.get(searched..).unwrap_or_default();
        if let Some(end) = (0..fresh.len()).find(|at| fresh.get(*at..).is_some_and(ends)) {
            self.octets.truncate(searched + end + 3);
            self.is_complete = true;
        }
        self.is_complete |= self.octets.len() >= SECTION_OCTETS;
    }

    /// The fields.
    pub(super) fn parse(self) -> HeaderFields {
        // The parser promises not to panic; a message that proves it wrong must still be stored.
        std::panic::catch_unwind(|| parse(&self.octets)).unwrap_or_default()
    }
}

fn parse(section: &[u8]) -> HeaderFields {
    let parser = MessageParser::new()
        .header_text(HeaderName::Subject)
        .header_address(HeaderName::From)
        .header_address(HeaderName::To)
        .header_address(HeaderName::Cc)
        .header_date(HeaderName::Date)
        .header_id(HeaderName::MessageId)
        .default_header_ignore();
    let Some(message) = parser.parse_headers(section) else { return HeaderFields::default() };
    let mut to = Vec::new();
    message.all_to().chain(message.all_cc()).for_each(|address| add_addresses(&mut to, address));
    let mut from = Vec::new();
    if let Some(address) = message.from() {
        add_addresses(&mut from, address);
    }
    let date = message
        .date()
        .and_then(|date| u64::try_from(date.to_timestamp()).ok())
        .filter(|seconds| *seconds <= LATEST)
        .map(|seconds| Timestamp(seconds * 1_000));
    HeaderFields {
        subject: message.subject().map(|subject| subject.chars().take(SUBJECT_CHARACTERS).collect()),
        from,
        to,
        date,
        message_id: message.message_id().map(|id| cut(id, MESSAGE_ID_OCTETS).to_owned()),
    }
}

fn add_addresses(found: &mut Vec<String>, field: &Address<'_>) {
    for address in field.iter().filter_map(|address| address.address()) {
        if found.len() >= ADDRESSES {
            return;
        }
        let address = cut(address.trim(), ADDRESS_OCTETS);
        if !address.is_empty() {
            found.push(address.to_owned());
        }
    }
}

/// At most `octets` octets, whole characters.
fn cut(text: &str, octets: usize) -> &str {
    text.get(..text.floor_char_boundary(octets)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const MESSAGE: &[u8] = b"Received: from a by b; Thu, 1 Jan 1970 00:00:01 +0000\r\n\
        From: =?utf-8?q?J=C3=B6rg?= <Joerg@Example.com>\r\nTo: a@example.com, Friends: b@example.com, c@example.com;\r\n\
        Cc: <d@example.com>\r\nSubject: =?utf-8?q?Caf=C3=A9?=\r\n open\r\nDate: Tue, 14 Nov 2023 22:13:20 +0000\r\n\
        Message-ID: <x@y>\r\n\r\nSubject: not this\r\n\r\n";

    fn fields(pieces: &[&[u8]]) -> HeaderFields {
        let mut section = HeaderSection::default();
        pieces.iter().for_each(|piece| section.push(piece));
        section.parse()
    }

    #[test]
    fn fields_are_found_however_the_octets_are_cut() {
        let whole = fields(&[MESSAGE]);
        assert_eq!(whole.subject.as_deref(), Some("Café open"));
        assert_eq!(whole.from, ["Joerg@Example.com"]);
        assert_eq!(whole.to, ["a@example.com", "b@example.com", "c@example.com", "d@example.com"]);
        assert_eq!(whole.date, Some(Timestamp(1_700_000_000_000)));
        assert_eq!(whole.message_id.as_deref(), Some("x@y"));
        for at in 0..MESSAGE.len() {
            assert_eq!(fields(&[&MESSAGE[..at], &MESSAGE[at..]]), whole, "cut at {at}");
        }
    }

    #[test]
    fn every_charset_that_people_write_in_is_read() {
        for (encoded, subject) in [
            ("=?iso-2022-jp?B?GyRCMnE1RCROJCpDTiRpJDsbKEI=?=", "会議のお知らせ"),
            ("=?shift_jis?B?jKmQz4+R?=", "見積書"),
            ("=?euc-jp?B?xvzL3Ljs?=", "日本語"),
            ("=?gb18030?B?xOO6w6OsysC95w==?=", "你好，世界"),
            ("=?big5?B?wWPF6aSkpOU=?=", "繁體中文"),
            ("=?euc-kr?B?vsiz58fPvLy/5A==?=", "안녕하세요"),
            ("=?koi8-r?B?8NLJ18XU?=", "Привет"),
            ("=?windows-1251?B?0fe48g==?=", "Счёт"),
            ("=?iso-8859-2?B?r/Oz5g==?=", "Żółć"),
        ] {
            assert_eq!(fields(&[format!("Subject: {encoded}\r\n\r\n").as_bytes()]).subject.as_deref(), Some(subject), "{encoded}");
        }
    }

    #[test]
    fn a_date_that_cannot_be_is_none() {
        assert_eq!(fields(&[b"Date: Tue, 99 Foo 99999 99:99:99 +0000\r\n\r\n"]).date, None);
        assert_eq!(fields(&[b"Date: Fri, 31 Dec 9999 23:59:59 +0000\r\n\r\n"]).date, Some(Timestamp(LATEST * 1_000)));
    }

    #[test]
    fn the_section_is_bounded() {
        let mut section = HeaderSection::default();
        for _ in 0..100 {
            section.push(&[b'x'; 10_000]);
        }
        assert!(section.octets.len() <= SECTION_OCTETS);
        assert_eq!(section.parse(), HeaderFields::default());
        let many = format!("To: {}\r\n\r\n", vec!["a@example.com"; 5_000].join(", "));
        assert_eq!(fields(&[many.as_bytes()]).to.len(), ADDRESSES);
    }

    proptest! {
        #[test]
        fn anything_is_taken(octets in proptest::collection::vec(any::<u8>(), 0..2_000)) {
            fields(&[&octets]);
        }
    }
}
