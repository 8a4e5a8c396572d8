//! Entry points for fuzzing (`tests/fuzz`): any octets, without a panic, within the limits, and the same in any cut.

use postrider_connector::machine::{Action, Actions, Answer, Input, Machine as _, Question, Step, Token};
use postrider_connector::types::{Error, Failure, Page};

use crate::command::Command;
use crate::cursor::Cursor;
use crate::fetch::FetchMessage;
use crate::id;
use crate::limits::Limits;
use crate::session::{Event, Session};
use crate::settings::{Oversize, Settings};
use crate::sync::Sync;

const LIMITS: Limits =
    Limits { line_octets: 512, messages: 100, drained_octets: 4_096, hashed_octets: 4_096, unclaimed_octets: 2_048, fetched_octets: 4_096 };

/// What a server sends, as the answers to one command of each form after the other: whole and octet by octet the same.
///
/// # Panics
/// Where a cut changes the meaning.
pub fn pop3_response(octets: &[u8]) {
    let whole = meanings(&[octets]);
    let single: Vec<&[u8]> = octets.chunks(1).collect();
    assert_eq!(meanings(&single), whole, "a cut changes what is understood");
}

/// What a server sends, as the answers to a `sync` of a host that has some of the messages and lets some be deleted: the machine ends, fails or
/// waits, whatever comes; and no message is marked that the host did not let go.
///
/// # Panics
/// Where it is.
pub fn pop3_sync(octets: &[u8]) {
    for is_pipelined in [false, true] {
        let settings = Settings {
            assume_pipelining: is_pipelined,
            oversize: Oversize::Headers,
            oversize_octets: 1_024,
            checkpoint_messages: 2,
            session_messages: 3,
            ..Settings::default()
        };
        let mut session = Session::new(&[], settings, LIMITS);
        let mut machine = Sync::new(&mut session, Some(&Cursor::default().encode()));
        let mut host = Host::default();
        // An octet at a time in the one round, all at once in the other.
        let pieces: Vec<&[u8]> = if is_pipelined { vec![octets] } else { octets.chunks(1).collect() };
        let mut pieces = pieces.into_iter().filter(|piece| !piece.is_empty());
        let mut input = Input::Start;
        while let Ok(step) = machine.step(input, &mut host.actions) {
            host.act();
            assert!(step != Step::Wait || !host.answers.is_empty(), "the machine waits for nothing");
            input = match (host.answers.pop(), step) {
                (_, Step::Done(_)) => break,
                (Some((token, answer)), _) => Input::Answer(token, answer),
                (None, _) => pieces.next().map_or(Input::End, |piece| Input::Octets(piece.to_vec())),
            };
        }
    }
}

/// What a server sends, as the answers to a `fetch` of the message `b`: whole and octet by octet the same, and no more than the limit is given.
///
/// # Panics
/// Where it is not.
pub fn pop3_fetch(octets: &[u8]) {
    let single: Vec<&[u8]> = octets.chunks(1).collect();
    let (whole, cut) = (fetched(&[octets]), fetched(&single));
    assert!(whole.0.len() as u64 <= LIMITS.fetched_octets && cut.0.len() as u64 <= LIMITS.fetched_octets, "more is given than the limit");
    // A message that breaks off may have been given as far as it came.
    assert!(whole.1.is_none() || whole == cut, "a cut changes what is given");
    assert_eq!(whole.1.is_some(), cut.1.is_some(), "a cut changes the end");
}

/// What was given, and how many octets that was, where the machine came to its end.
fn fetched(chunks: &[&[u8]]) -> (Vec<u8>, Option<u64>) {
    let mut session = Session::new(&[], Settings::default(), LIMITS);
    let Ok(mut machine) = FetchMessage::new(&mut session, "b") else { return (Vec::new(), None) };
    let (mut actions, mut given) = (Actions::default(), Vec::new());
    let inputs =
        std::iter::once(Input::Start).chain(chunks.iter().filter(|chunk| !chunk.is_empty()).map(|chunk| Input::Octets(chunk.to_vec())));
    for input in inputs {
        let step = machine.step(input, &mut actions);
        while let Some(action) = actions.pop() {
            if let Action::Give(octets) = action {
                given.extend(octets);
            }
        }
        match step {
            Ok(Step::Done(count)) => {
                assert_eq!(count, given.len() as u64, "octets that were given");
                return (given, Some(count));
            }
            Ok(_) => {}
            Err(_) => break,
        }
    }
    (given, None)
}

/// A host that has the messages `b` and `d`, and lets `b` be deleted.
#[derive(Default)]
struct Host {
    actions: Actions,
    answers: Vec<(Token, Answer)>,
    /// `expendable` was answered.
    has_let_go: bool,
}

impl Host {
    fn act(&mut self) {
        while let Some(action) = self.actions.pop() {
            match action {
                Action::Write(octets) => {
                    let is_mark = octets.starts_with(b"DELE");
                    assert!(self.has_let_go || !is_mark, "a message is marked before the host lets it go");
                }
                Action::Ask(token, question) => {
                    let answer = self.answer(question);
                    self.answers.push((token, answer));
                }
                Action::Finish(token, count) => self.answers.push((token, Answer::Done(count.map(|_| ())))),
                Action::Begin(..) | Action::Piece(..) | Action::Timer(_) | Action::Progress(..) | Action::Log(..) | Action::Give(_) => {}
            }
        }
    }

    fn answer(&mut self, question: Question) -> Answer {
        let page = |ids: &[&str]| Answer::Page(Ok(Page { ids: ids.iter().map(|&id| id.to_owned()).collect(), next: None }));
        match question {
            Question::Unseen(_, ids) => Answer::Ids(Ok(ids.into_iter().filter(|id| id != "b" && id != "d").collect())),
            Question::Known(..) => page(&["b", "d"]),
            Question::Expendable(..) => {
                self.has_let_go = true;
                page(&["b", "z"])
            }
            Question::Recognise(_, arrivals) => Answer::Recognised(Ok(vec![false; arrivals.len()])),
            Question::Draw => Answer::Octets(None),
            Question::Committing(_) => Answer::Done(Err(Error::new(Failure::Unsupported, "nothing is sent"))),
            Question::SetAside(..) | Question::Changed(..) | Question::Removed(..) | Question::Retired(_) | Question::Checkpoint(..) => {
                Answer::Done(Ok(()))
            }
        }
    }
}

fn meanings(chunks: &[&[u8]]) -> Vec<String> {
    let mut session = Session::new(&["PIPELINING".to_owned()], Settings::default(), LIMITS);
    for command in [Command::Stat, Command::Uidl, Command::List, Command::Retr(1), Command::Top(2), Command::Dele(1), Command::Quit] {
        session.send(command, &mut Actions::default());
    }
    let mut found: Vec<String> = Vec::new();
    let mut text: Vec<u8> = Vec::new();
    for chunk in chunks {
        session.feed(chunk.to_vec());
        loop {
            match session.next_event() {
                Ok(None) => break,
                Ok(Some(Event::Piece(_, octets))) => text.extend(octets),
                Ok(Some(Event::TextEnd(command, count))) => {
                    assert_eq!(count, text.len() as u64, "octets of {command}");
                    found.push(format!("{command} {:?}", std::mem::take(&mut text)));
                }
                Ok(Some(event)) => {
                    if let Event::Listed(_, _, uidl) = &event
                        && !uidl.is_empty()
                    {
                        assert!((1..=512).contains(&id::from_uidl(uidl).len()), "an id that the host does not take");
                    }
                    found.push(format!("{event:?}"));
                }
                Err(error) => {
                    found.push(format!("{error:?}"));
                    return found;
                }
            }
        }
    }
    found.push(format!("{text:?}"));
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
        let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/fuzz/corpus/pop3_response");
        let mut files = 0;
        for entry in fs::read_dir(corpus).unwrap() {
            let octets = fs::read(entry.unwrap().path()).unwrap();
            pop3_response(&octets);
            pop3_sync(&octets);
            pop3_fetch(&octets);
            files += 1;
        }
        assert!(files >= 10, "the corpus has only {files} files");
    }

    /// Octets as servers might send them, and worse.
    fn responses() -> impl Strategy<Value = Vec<u8>> {
        let pieces = vec![
            "+OK",
            "+OK 3 300",
            "+OK\r\n",
            "+OK\r\n",
            "-ERR\r\n",
            "-ERR [IN-USE] x\r\n",
            "-ERR [SYS/TEMP] x\r\n",
            "1 a",
            "2 b",
            "3 c",
            "2 b\r\n3 b\r\n",
            "4 ",
            "0 x",
            "1 2000\r\n",
            "4294967295 x",
            "4294967296 x",
            ".\r\n",
            ".\r\n",
            "\r\n.\r\n",
            "..",
            ".",
            "\r",
            "\n",
            "\r\n",
            "\r\n",
            "Subject: x\r\n\r\n",
            "\0",
            " ",
        ];
        let piece = prop_oneof![
            6 => proptest::sample::select(pieces).prop_map(|piece| piece.as_bytes().to_vec()),
            1 => proptest::collection::vec(any::<u8>(), 0..6),
            1 => (0..3_000usize).prop_map(|length| vec![b'x'; length]),
        ];
        proptest::collection::vec(piece, 0..60).prop_map(|pieces| pieces.concat())
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2_000))]

        #[test]
        fn nothing_panics_and_no_cut_matters(octets in responses()) {
            pop3_response(&octets);
            pop3_sync(&octets);
            pop3_fetch(&octets);
        }
    }
}
