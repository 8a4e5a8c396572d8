//! Entry points for fuzzing (`tests/fuzz`): any octets, without a panic, within the limits, and the same in any cut.

use postrider_connector::machine::{Actions, Input, Machine as _};

use crate::cursor::Cursor;
use crate::limits::Limits;
use crate::mailbox_name;
use crate::response::frame::{Frame, Framer};
use crate::response::parse::Response;
use crate::session::Session;
use crate::settings::Settings;
use crate::sync::Sync;

const LIMITS: Limits = Limits {
    line_octets: 4_096,
    literal_octets: 1_024,
    nesting: 20,
    list_items: 1_000,
    resync: 10,
    mailboxes: 100,
    responses: 100_000,
    drained_octets: 4_096,
};

/// What a server sends, through both stages of the grammar, whole and octet by octet.
///
/// # Panics
/// Where a cut changes the meaning, or a frame is over its limit.
pub fn imap_response(octets: &[u8]) {
    let whole = meanings(&[octets]);
    let single: Vec<&[u8]> = octets.chunks(1).collect();
    assert_eq!(meanings(&single), whole, "a cut changes what is understood");
}

/// What a server sends, as the answer to a `sync`: the machine ends, fails or waits, whatever comes.
pub fn imap_sync(octets: &[u8]) {
    let capabilities = ["IDLE", "CONDSTORE", "ESEARCH"].map(str::to_owned);
    let mut session = Session::new(&capabilities, Settings::default(), LIMITS);
    let cursor = Cursor { validity: 1, next: 5, modseq: 9, exists: 4, ..Cursor::default() }.encode();
    let Ok(mut machine) = Sync::new(&mut session, "INBOX", Some(&cursor)) else { return };
    let mut actions = Actions::default();
    let inputs = [Input::Start, Input::Octets(octets.to_vec()), Input::End];
    for input in inputs {
        if matches!(&input, Input::Octets(octets) if octets.is_empty()) {
            continue;
        }
        if machine.step(input, &mut actions).is_err() {
            return;
        }
        while actions.pop().is_some() {}
    }
}

/// A mailbox's name: its id comes back, and it can be shown.
///
/// # Panics
/// Where the id is not the name's own.
pub fn imap_mailbox_name(name: &[u8]) {
    for utf8 in [false, true] {
        let id = mailbox_name::to_id(name, utf8);
        assert_eq!(mailbox_name::from_id(&id, utf8).as_deref(), Some(name), "an id that is not its name's");
        assert!(!mailbox_name::path(name, Some(b'/'), utf8).is_empty(), "a path without a name");
    }
}

fn meanings(chunks: &[&[u8]]) -> Vec<String> {
    let mut framer = Framer::new(LIMITS);
    let mut found: Vec<String> = Vec::new();
    let mut body: Option<Vec<u8>> = None;
    for chunk in chunks {
        framer.feed(chunk.to_vec());
        while let Some(frame) = framer.next_frame() {
            found.push(match frame {
                Frame::Response(text) => {
                    assert!(text.len() <= 2 * LIMITS.line_octets + LIMITS.literal_octets, "a response of {} octets", text.len());
                    format!("{:?}", Response::parse(&text, &LIMITS))
                }
                Frame::Body(head, octets) => {
                    body = Some(Vec::new());
                    format!("{:?} {octets}", Response::parse_head(&head, &LIMITS))
                }
                Frame::Piece(octets) => {
                    body.get_or_insert_default().extend(octets);
                    continue;
                }
                Frame::BodyEnd => format!("{:?}", body.take()),
                Frame::TooLong => "too long".to_owned(),
            });
        }
    }
    found.push(format!("{body:?}"));
    found
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_corpus_passes() {
        let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/fuzz/corpus/imap_response");
        let mut files = 0;
        for entry in fs::read_dir(corpus).unwrap() {
            let octets = fs::read(entry.unwrap().path()).unwrap();
            imap_response(&octets);
            imap_sync(&octets);
            imap_mailbox_name(&octets);
            files += 1;
        }
        assert!(files >= 10, "the corpus has only {files} files");
    }

    /// Octets as servers might send them, and worse.
    fn responses() -> impl Strategy<Value = Vec<u8>> {
        let pieces = vec![
            "* ",
            "A1 ",
            "A2 ",
            "A3 ",
            "OK ",
            "NO ",
            "BYE ",
            "[UIDVALIDITY 1] ",
            "[UIDNEXT 9] ",
            "[HIGHESTMODSEQ 12] ",
            "[",
            "] ",
            "5 EXISTS",
            "1 EXPUNGE",
            "ESEARCH (TAG \"A2\") UID ALL 5:8",
            "1 FETCH (",
            "UID 6 ",
            "UID 4294967295 ",
            "FLAGS (\\Seen x) ",
            "BODY[] {3}\r\nabc",
            "BODY[] NIL",
            "BODY[] \"",
            "{1}\r\n)",
            "{99999}\r\n",
            "(((((",
            ")",
            "\"",
            "\\",
            "LIST () \"/\" ",
            "STATUS x (MESSAGES 1)",
            "\r\n",
            "\r\n",
            "\n",
            "+ ",
            "NIL ",
            "4294967296 ",
            "VANISHED (EARLIER) 1:9",
        ];
        proptest::collection::vec(prop_oneof![4 => proptest::sample::select(pieces).prop_map(|piece| piece.as_bytes().to_vec()), 1 => proptest::collection::vec(any::<u8>(), 0..6)], 0..60)
            .prop_map(|pieces| pieces.concat())
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2_000))]

        #[test]
        fn nothing_panics_and_no_cut_matters(octets in responses()) {
            imap_response(&octets);
            imap_sync(&octets);
            imap_mailbox_name(&octets);
        }
    }
}
