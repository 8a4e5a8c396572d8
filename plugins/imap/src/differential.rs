//! The grammar held against imap-codec's: what that accepts as a response, this accepts with the same meaning, as far as this connector uses it. The other way
//! does not hold, and shall not: servers send a great deal that no grammar has.
//!
//! Differences that are meant, each with its reason:
//!
//! | what | there | here |
//! |---|---|---|
//! | a status without words (`A1 OK`), a code without words behind it | read as words of its own making | read, and the words are empty: they are compared nowhere |
//! | codes that this connector does not use | a variant each | their names in capitals |
//! | a code with octets in it that the grammar has not | of no known kind | read, where its words are |
//! | `COPYUID` with sets of different sizes | read | believed by nobody: they pair nothing |
//! | a number 0 as UID or message number | refused | read; no message has it |
//! | `FETCH` items that this connector does not ask for (structure, envelope) | read | passed over |
//! | several bodies in one response | all | one of them; not compared |
//! | INBOX | in one spelling | as the server wrote it; compared without regard to case |
//! | dates | any zone to the second | milliseconds since 1970; before that, none |
//! | `MODSEQ` beside `SEARCH` numbers, `FLAGS`, `RECENT`, `QUOTA`, `ID`, `METADATA`, `LSUB`, `SORT`, `THREAD` | read | of no kind that is asked for |

use std::collections::BTreeSet;
use std::fmt::Write as _;

use imap_codec::ResponseCodec;
use imap_codec::decode::Decoder as _;
use imap_codec::imap_types::core::{IString, NString, NString8, QuotedChar};
use imap_codec::imap_types::extensions::binary::Literal8;
use imap_codec::imap_types::extensions::uidplus::UidElement;
use imap_codec::imap_types::fetch::MessageDataItem;
use imap_codec::imap_types::flag::FlagFetch;
use imap_codec::imap_types::mailbox::Mailbox;
use imap_codec::imap_types::response::{Code as TheirCode, Data, Response as Theirs, Status as TheirStatus, StatusBody, StatusKind};
use imap_codec::imap_types::status::StatusDataItem;

use crate::limits::Limits;
use crate::response::code::Code;
use crate::response::fetch::{Body, Fetch};
use crate::response::frame::{Frame, Framer};
use crate::response::parse::{Condition, Response, Status};
use crate::uid_set::UidSet;

/// Hold what the two make of `octets` against each other, where imap-codec accepts the whole of it as one response.
///
/// # Panics
/// Where they differ in what is not in the table above.
pub fn imap_differential(octets: &[u8]) {
    let Ok((rest, theirs)) = ResponseCodec::default().decode(octets) else { return };
    if rest.is_empty() && !has_several_bodies(&theirs) {
        let compares_codes = !has_unknown_code(&theirs);
        assert_eq!(meaning_here(octets, compares_codes), meaning_there(&theirs), "{:?}", String::from_utf8_lossy(octets));
    }
}

/// Nobody asks for a message twice in one command, and which of several bodies counts is nobody's rule.
fn has_several_bodies(response: &Theirs<'_>) -> bool {
    let is_body = |item: &&MessageDataItem<'_>| match item {
        MessageDataItem::BodyExt { section, origin, .. } => section.is_none() && origin.is_none(),
        MessageDataItem::Binary { section, .. } => section.is_empty(),
        MessageDataItem::Rfc822(_) => true,
        _ => false,
    };
    matches!(response, Theirs::Data(Data::Fetch { items, .. }) if items.as_ref().iter().filter(is_body).count() > 1)
}

/// A code that imap-codec cannot read is kept by it as it is; here its words may be understood all the same.
fn has_unknown_code(response: &Theirs<'_>) -> bool {
    let code = match response {
        Theirs::Status(TheirStatus::Tagged(tagged)) => &tagged.body.code,
        Theirs::Status(TheirStatus::Untagged(body)) => &body.code,
        Theirs::Status(TheirStatus::Bye(bye)) => &bye.code,
        _ => return false,
    };
    matches!(code, Some(TheirCode::Other(_)))
}

/// What imap-codec means, in words; an empty text for what this connector asks for nowhere.
fn meaning_there(response: &Theirs<'_>) -> String {
    match response {
        Theirs::CommandContinuationRequest(_) => "continue".to_owned(),
        Theirs::Status(TheirStatus::Tagged(tagged)) => format!("tagged {} {}", tagged.tag.as_ref(), status_there(&tagged.body)),
        Theirs::Status(TheirStatus::Untagged(body)) => format!("untagged {}", status_there(body)),
        Theirs::Status(TheirStatus::Bye(bye)) => format!("untagged Bye {}", bye.code.as_ref().map_or_else(String::new, code_there)),
        Theirs::Data(data) => data_there(data),
    }
}

fn status_there(body: &StatusBody<'_>) -> String {
    let condition = match body.kind {
        StatusKind::Ok => "Ok",
        StatusKind::No => "No",
        StatusKind::Bad => "Bad",
    };
    format!("{condition} {}", body.code.as_ref().map_or_else(String::new, code_there))
}

fn code_there(code: &TheirCode<'_>) -> String {
    match code {
        TheirCode::UidValidity(validity) => format!("UIDVALIDITY {validity}"),
        TheirCode::UidNext(next) => format!("UIDNEXT {next}"),
        TheirCode::HighestModSeq(modseq) => format!("HIGHESTMODSEQ {modseq}"),
        TheirCode::AppendUid { uid_validity, uid } => format!("APPENDUID {uid_validity} {uid}"),
        // Sets of different sizes pair nothing.
        TheirCode::CopyUid { uid_validity, source, destination } if how_many(source) == how_many(destination) => {
            format!("COPYUID {uid_validity}")
        }
        TheirCode::Capability(words) => format!("CAPABILITY {}", capitals(words.as_ref().iter().map(ToString::to_string))),
        _ => String::new(),
    }
}

fn data_there(data: &Data<'_>) -> String {
    match data {
        Data::Capability(words) => format!("capability {}", capitals(words.as_ref().iter().map(ToString::to_string))),
        Data::Enabled { capabilities } => format!("enabled {}", capitals(capabilities.iter().map(ToString::to_string))),
        Data::List { items, delimiter, mailbox } => {
            let attributes = capitals(items.iter().map(ToString::to_string));
            let delimiter = delimiter.as_ref().map(QuotedChar::inner);
            format!("list {attributes} {delimiter:?} {}", name(mailbox_there(mailbox)))
        }
        Data::Status { mailbox, items } => {
            let items: Vec<String> = items.iter().map(status_item).collect();
            format!("status {} {}", name(mailbox_there(mailbox)), items.join(" "))
        }
        Data::Search(numbers, _) => format!("search {:?}", numbers.iter().map(|number| number.get()).collect::<Vec<_>>()),
        Data::Exists(count) => format!("exists {count}"),
        Data::Expunge(number) => format!("expunge {number}"),
        Data::Fetch { seq, items } => fetch_there(seq.get(), items.as_ref()),
        Data::Vanished { earlier, known_uids } => format!("vanished {earlier} {}", uids_there(known_uids)),
        _ => String::new(),
    }
}

fn how_many(set: &imap_codec::imap_types::extensions::uidplus::UidSet) -> u64 {
    let count = |element: &UidElement| match element {
        UidElement::Single(_) => 1,
        UidElement::Range(from, to) => u64::from(from.get().abs_diff(to.get())) + 1,
    };
    set.0.as_ref().iter().map(count).sum()
}

fn uids_there(set: &imap_codec::imap_types::sequence::SequenceSet) -> String {
    use imap_codec::imap_types::sequence::{SeqOrUid, Sequence};
    let value = |end: &SeqOrUid| match end {
        SeqOrUid::Value(uid) => uid.get(),
        SeqOrUid::Asterisk => u32::MAX,
    };
    let ranges = set.0.as_ref().iter().map(|sequence| match sequence {
        Sequence::Single(uid) => (value(uid), value(uid)),
        Sequence::Range(from, to) => (value(from).min(value(to)), value(from).max(value(to))),
    });
    UidSet::from_ranges(ranges.collect()).to_string()
}

fn status_item(item: &StatusDataItem) -> String {
    match item {
        StatusDataItem::Messages(count) => format!("MESSAGES={count}"),
        StatusDataItem::Recent(count) => format!("RECENT={count}"),
        StatusDataItem::UidNext(next) => format!("UIDNEXT={next}"),
        StatusDataItem::UidValidity(validity) => format!("UIDVALIDITY={validity}"),
        StatusDataItem::Unseen(count) => format!("UNSEEN={count}"),
        StatusDataItem::Deleted(count) => format!("DELETED={count}"),
        StatusDataItem::DeletedStorage(octets) => format!("DELETED-STORAGE={octets}"),
        StatusDataItem::Size(octets) => format!("SIZE={octets}"),
        StatusDataItem::HighestModSeq(modseq) => format!("HIGHESTMODSEQ={modseq}"),
    }
}

fn fetch_there(number: u32, items: &[MessageDataItem<'_>]) -> String {
    let mut fetch = Fetch::default();
    for item in items {
        match item {
            MessageDataItem::Uid(uid) => fetch.uid = Some(uid.get()),
            MessageDataItem::Rfc822Size(octets) => fetch.size = Some(u64::from(*octets)),
            MessageDataItem::InternalDate(date) => fetch.received = u64::try_from(date.as_ref().timestamp_millis()).ok(),
            MessageDataItem::Flags(flags) => {
                let named = flags.iter().filter_map(|flag| match flag {
                    FlagFetch::Flag(flag) => Some(flag.to_string()),
                    FlagFetch::Recent => None,
                });
                fetch.flags = Some(named.collect::<BTreeSet<String>>().into_iter().collect());
            }
            MessageDataItem::BodyExt { section: None, origin: None, data } | MessageDataItem::Rfc822(data) => fetch.body = body_there(data),
            MessageDataItem::Binary { section, value } if section.is_empty() => {
                fetch.body = match value {
                    NString8::NString(data) => body_there(data),
                    NString8::Literal8(Literal8 { data, .. }) => Body::Text(data.to_vec()),
                }
            }
            _ => {}
        }
    }
    shown(number, &fetch)
}

fn body_there(data: &NString<'_>) -> Body {
    match &data.0 {
        None => Body::Nil,
        Some(IString::Literal(literal)) => Body::Text(literal.as_ref().to_vec()),
        Some(IString::Quoted(quoted)) => Body::Text(quoted.as_ref().as_bytes().to_vec()),
        Some(IString::QuotedUtf8(quoted)) => Body::Text(quoted.as_ref().as_bytes().to_vec()),
    }
}

fn mailbox_there<'a>(mailbox: &'a Mailbox<'_>) -> &'a [u8] {
    match mailbox {
        Mailbox::Inbox => b"INBOX",
        Mailbox::Other(other) => other.as_ref(),
    }
}

/// What this crate's two stages make of one response.
fn meaning_here(octets: &[u8], compares_codes: bool) -> String {
    let limits = Limits::default();
    let mut framer = Framer::new(limits);
    framer.feed(octets.to_vec());
    let (mut head, mut body) = (None, None);
    loop {
        match framer.next_frame() {
            Some(Frame::Body(text, _)) => {
                head = Response::parse_head(&text, &limits);
                body = Some(Vec::new());
            }
            Some(Frame::Piece(piece)) => body.get_or_insert_default().extend(piece),
            Some(Frame::BodyEnd) => {}
            Some(Frame::Response(text)) => {
                let mut response = Response::parse(&text, &limits);
                if let Response::Tagged(_, status) | Response::Untagged(status) = &mut response {
                    status.code.take_if(|_| !compares_codes);
                }
                return response_here(&response, head.map(|(_, fetch)| fetch), body);
            }
            Some(Frame::TooLong) => return "too long".to_owned(),
            None => return "not whole".to_owned(),
        }
    }
}

fn response_here(response: &Response, head: Option<Fetch>, body: Option<Vec<u8>>) -> String {
    match response {
        Response::Tagged(tag, status) => format!("tagged {tag} {}", status_here(status)),
        Response::Untagged(status) => format!("untagged {}", status_here(status)),
        Response::Continue(_) => "continue".to_owned(),
        Response::Capability(words) => format!("capability {}", capitals(words.iter().cloned())),
        Response::Enabled(words) => format!("enabled {}", capitals(words.iter().cloned())),
        Response::List(mailbox) => {
            let delimiter = mailbox.delimiter.map(char::from);
            format!("list {} {delimiter:?} {}", capitals(mailbox.attributes.iter().cloned()), name(&mailbox.name))
        }
        Response::Status(mailbox, items, _) => {
            let items: Vec<String> = items.iter().map(|(item, number)| format!("{item}={number}")).collect();
            format!("status {} {}", name(mailbox), items.join(" "))
        }
        Response::Search(numbers) => format!("search {numbers:?}"),
        Response::Exists(count) => format!("exists {count}"),
        Response::Expunge(number) => format!("expunge {number}"),
        Response::Vanished(is_earlier, uids) => format!("vanished {is_earlier} {uids}"),
        Response::Fetch(number, fetch) => {
            let mut fetch = fetch.clone().or(head.unwrap_or_default());
            if let Some(octets) = body {
                fetch.body = Body::Text(octets);
            }
            shown(*number, &fetch)
        }
        Response::Unreadable(text) => format!("unreadable: {text}"),
        Response::Esearch(..) | Response::Namespace(_) | Response::Other => String::new(),
    }
}

fn status_here(status: &Status) -> String {
    let condition = match status.condition {
        Condition::Ok => "Ok",
        Condition::No => "No",
        Condition::Bad => "Bad",
        Condition::Bye => "Bye",
        Condition::Preauth => "Preauth",
    };
    let code = match &status.code {
        Some(Code::UidValidity(validity)) => format!("UIDVALIDITY {validity}"),
        Some(Code::UidNext(next)) => format!("UIDNEXT {next}"),
        Some(Code::HighestModSeq(modseq)) => format!("HIGHESTMODSEQ {modseq}"),
        Some(Code::AppendUid(validity, uid)) => format!("APPENDUID {validity} {uid}"),
        Some(Code::CopyUid(validity, _)) => format!("COPYUID {validity}"),
        Some(Code::Capability(words)) => format!("CAPABILITY {}", capitals(words.iter().cloned())),
        Some(Code::NoModSeq | Code::Other(_)) | None => String::new(),
    };
    format!("{condition} {code}")
}

fn shown(number: u32, fetch: &Fetch) -> String {
    let mut text = format!("fetch {number}");
    let _ = write!(text, " {:?} {:?} {:?} {:?} {:?}", fetch.uid, fetch.flags, fetch.size, fetch.received, fetch.body);
    text
}

fn name(name: &[u8]) -> String {
    if name.eq_ignore_ascii_case(b"INBOX") { "INBOX".to_owned() } else { format!("{:?}", String::from_utf8_lossy(name)) }
}

fn capitals(words: impl Iterator<Item = String>) -> String {
    words.map(|word| word.to_ascii_uppercase()).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use proptest::prelude::*;
    use proptest::strategy::ValueTree as _;

    use super::*;

    /// Whether imap-codec takes it, and whether the two agree.
    fn is_compared(octets: &[u8]) -> bool {
        imap_differential(octets);
        ResponseCodec::default().decode(octets).is_ok_and(|(rest, _)| rest.is_empty())
    }

    #[test]
    fn the_corpus_means_the_same_to_both() {
        let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/fuzz/corpus");
        let mut compared = 0;
        for folder in ["imap_differential", "imap_response"] {
            for entry in fs::read_dir(corpus.join(folder)).unwrap() {
                let octets = fs::read(entry.unwrap().path()).unwrap();
                compared += usize::from(is_compared(&octets));
                // A dialogue is compared line by line as well.
                for line in octets.split_inclusive(|&octet| octet == b'\n') {
                    compared += usize::from(is_compared(line));
                }
            }
        }
        assert!(compared >= 20, "only {compared} responses were compared");
    }

    fn text() -> impl Strategy<Value = String> {
        prop_oneof!["[A-Za-z][A-Za-z0-9/.&-]{0,8}", Just("INBOX".to_owned()), Just("inBox".to_owned())]
    }

    /// A string in each of its forms.
    fn astring() -> impl Strategy<Value = String> {
        (text(), 0..3).prop_map(|(text, form)| match form {
            0 => text,
            1 => format!("\"{text} \\\"q\\\\\""),
            _ => format!("{{{}}}\r\n{text}", text.len()),
        })
    }

    fn flags() -> impl Strategy<Value = String> {
        let flag = prop_oneof![
            Just("\\Seen".to_owned()),
            Just("\\Recent".to_owned()),
            Just("\\Flagged".to_owned()),
            Just("\\X".to_owned()),
            "[$A-Za-z][A-Za-z0-9_]{0,6}"
        ];
        proptest::collection::vec(flag, 0..4).prop_map(|flags| format!("({})", flags.join(" ")))
    }

    fn item() -> impl Strategy<Value = String> {
        prop_oneof![
            (1u32..).prop_map(|uid| format!("UID {uid}")),
            flags().prop_map(|flags| format!("FLAGS {flags}")),
            any::<u32>().prop_map(|octets| format!("RFC822.SIZE {octets}")),
            (1u8..29, 0u8..24, 0u8..60, 1970u16..2100, "[+-](0[0-9]|1[0-2])(00|30)").prop_map(|(day, hour, minute, year, zone)| format!(
                "INTERNALDATE \"{day:>2}-Jul-{year} {hour:02}:{minute:02}:07 {zone}\""
            )),
            "[a-z\\r\\n]{0,12}".prop_map(|body| format!("BODY[] {{{}}}\r\n{body}", body.len())),
            "[a-z]{0,5}".prop_map(|body| format!("BODY[] \"{body}\"")),
            Just("BODY[] NIL".to_owned()),
            "[a-z]{0,5}".prop_map(|body| format!("BODY[HEADER.FIELDS (DATE)] {{{}}}\r\n{body}", body.len())),
            Just("ENVELOPE (NIL \"s\" NIL NIL NIL NIL NIL NIL NIL \"<x@y>\")".to_owned()),
            (1u64..1 << 62).prop_map(|modseq| format!("MODSEQ ({modseq})")),
        ]
    }

    fn code() -> impl Strategy<Value = String> {
        prop_oneof![
            Just(String::new()),
            (1u32..).prop_map(|number| format!("[UIDVALIDITY {number}] ")),
            (1u32..).prop_map(|number| format!("[UIDNEXT {number}] ")),
            (1u64..1 << 62).prop_map(|number| format!("[HIGHESTMODSEQ {number}] ")),
            (1u32.., 1u32..).prop_map(|(validity, uid)| format!("[APPENDUID {validity} {uid}] ")),
            (1u32..).prop_map(|validity| format!("[COPYUID {validity} 1:3 7:9] ")),
            Just("[CAPABILITY IMAP4rev1 IDLE X-Y=z] ".to_owned()),
            Just("[PERMANENTFLAGS (\\Seen \\*)] ".to_owned()),
            Just("[TRYCREATE] ".to_owned()),
            Just("[NOMODSEQ] ".to_owned()),
        ]
    }

    /// Responses as RFC 3501 and the extensions that both know have them.
    fn response() -> impl Strategy<Value = String> {
        let word = prop_oneof![Just("OK"), Just("NO"), Just("BAD")];
        let set = prop_oneof![(1u32..100).prop_map(|uid| uid.to_string()), (1u32..100, 100u32..200).prop_map(|(a, b)| format!("{a}:{b}"))];
        prop_oneof![
            ("[A-Z][0-9]{1,3}", word.clone(), code()).prop_map(|(tag, word, code)| format!("{tag} {word} {code}done it")),
            (word, code()).prop_map(|(word, code)| format!("* {word} {code}words")),
            code().prop_map(|code| format!("* BYE {code}words")),
            Just("+ go on".to_owned()),
            any::<u32>().prop_map(|count| format!("* {count} EXISTS")),
            (1u32..).prop_map(|number| format!("* {number} EXPUNGE")),
            proptest::collection::vec(1u32.., 0..5)
                .prop_map(|numbers| { format!("* SEARCH{}", numbers.iter().map(|number| format!(" {number}")).collect::<String>()) }),
            (flags(), prop_oneof![Just("NIL".to_owned()), Just("\"/\"".to_owned()), Just("\"\\\\\"".to_owned())], astring()).prop_map(
                |(attributes, delimiter, name)| format!("* LIST {} {delimiter} {name}", attributes.replace("\\Recent", "\\Marked"))
            ),
            (astring(), any::<u32>(), 1u32.., any::<u32>())
                .prop_map(|(name, messages, next, size)| format!("* STATUS {name} (MESSAGES {messages} UIDNEXT {next} SIZE {size})")),
            (any::<bool>(), proptest::collection::vec(set, 1..4))
                .prop_map(|(is_earlier, sets)| { format!("* VANISHED {}{}", if is_earlier { "(EARLIER) " } else { "" }, sets.join(",")) }),
            proptest::collection::vec("[A-Z][A-Z0-9=-]{0,8}", 1..5).prop_map(|words| format!("* CAPABILITY IMAP4rev1 {}", words.join(" "))),
            Just("* ENABLED CONDSTORE".to_owned()),
            (1u32.., proptest::collection::vec(item(), 1..5)).prop_map(|(number, items)| format!("* {number} FETCH ({})", items.join(" "))),
        ]
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2_000))]

        #[test]
        fn what_imap_codec_accepts_means_the_same_here(response in response()) {
            imap_differential(format!("{response}\r\n").as_bytes());
        }

        #[test]
        fn damage_that_imap_codec_accepts_means_the_same_here(
            response in response(), at in any::<prop::sample::Index>(), octet in any::<u8>(), cuts in any::<bool>(),
        ) {
            let mut octets = format!("{response}\r\n").into_bytes();
            let at = at.index(octets.len());
            if cuts { octets.remove(at); } else { octets[at] = octet; }
            imap_differential(&octets);
        }
    }

    #[test]
    fn most_of_what_is_generated_is_compared() {
        let mut runner = proptest::test_runner::TestRunner::deterministic();
        let strategy = response();
        let compared = (0..300)
            .filter(|_| {
                let response = strategy.new_tree(&mut runner).unwrap().current();
                is_compared(format!("{response}\r\n").as_bytes())
            })
            .count();
        assert!(compared > 200, "imap-codec accepts only {compared} of 300");
    }
}
