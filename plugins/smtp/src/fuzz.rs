//! Entry points for fuzzing (`tests/fuzz`): any octets, without a panic, within the limits, and the same in any cut.

use std::collections::VecDeque;

use postrider_connector::machine::{Action, Actions, Answer, Input, Machine as _, Question, Step, Token};
use postrider_connector::types::{Envelope, Error, Extra, Failure, Recipient, Verdict};

use crate::command::Command;
use crate::content::{Converter, Target};
use crate::mailing::Mailing;
use crate::send::{Send, Sent};
use crate::session::{Dialect, Session};
use crate::settings::Settings;

/// The message that is sent.
const MESSAGE: &[&[u8]] = &[b"A: b\r\n\r\n.\r", b"\n\n.", b"\nend"];

/// What a server sends, as the replies to one command of each kind: whole and octet by octet the same.
///
/// # Panics
/// Where a cut changes the meaning.
pub fn smtp_reply(octets: &[u8]) {
    let single: Vec<&[u8]> = octets.chunks(1).collect();
    assert_eq!(meanings(&single), meanings(&[octets]), "a cut changes what is understood");
}

/// What a server sends, as its replies while a message is sent to two recipients, in the four ways there are: the machine ends, fails or waits, whatever comes;
/// nothing is the message's end before the host has its mark; and no verdict is one that cannot be known.
///
/// # Panics
/// Where it is not so.
pub fn smtp_send(octets: &[u8]) {
    for dialect in [Dialect::Smtp, Dialect::Lmtp] {
        for capabilities in [&[][..], &["PIPELINING", "8BITMIME"], &["PIPELINING", "CHUNKING", "8BITMIME", "SIZE"]] {
            // An octet at a time, and all at once.
            send(dialect, capabilities, octets.chunks(1).collect());
            send(dialect, capabilities, vec![octets]);
        }
    }
}

/// A message for a server that takes 7 bits only: refused or of 7 bits, and the same in any cut.
///
/// # Panics
/// Where it is not so.
pub fn smtp_convert(octets: &[u8]) {
    let convert = |target, pieces: &[&[u8]]| {
        let mut converter = Converter::new(target);
        let mut out = Vec::new();
        for piece in pieces {
            out.extend(converter.write(piece).ok()?);
        }
        out.extend(converter.finish().ok()?);
        Some(out)
    };
    for target in [Target::SevenBit, Target::EightBit] {
        let whole = convert(target, &[octets]);
        assert_eq!(convert(target, &octets.chunks(1).collect::<Vec<_>>()), whole, "a cut changes the message");
        assert!(target == Target::EightBit || whole.is_none_or(|out| out.is_ascii()), "8-bit octets leave");
    }
}

fn send(dialect: Dialect, capabilities: &[&str], pieces: Vec<&[u8]>) {
    let capabilities: Vec<String> = capabilities.iter().map(|&line| line.to_owned()).collect();
    let mut session = Session::new(dialect, &capabilities, Settings::default());
    let recipients = ["1@y", "2@y"].map(|address| Recipient { address: address.to_owned(), extra: Extra::new() }).to_vec();
    let size = MESSAGE.iter().map(|piece| piece.len() as u64).sum();
    let envelope = Envelope { id: "7".to_owned(), sender: "a@b".to_owned(), recipients, size, extra: Extra::new() };
    let Ok(mut mailing) = Mailing::new(envelope) else { return };
    let mut machine = Send::new(&mut session, &mut mailing);
    let mut host = Host { message: MESSAGE.iter().map(|piece| piece.to_vec()).collect(), ..Host::default() };
    let mut pieces = pieces.into_iter().filter(|piece| !piece.is_empty());
    let mut input = Input::Start;
    loop {
        let step = match machine.step(input, &mut host.actions) {
            Ok(step) => step,
            Err(_) => {
                assert!(!host.is_committed, "an error although the host has its mark");
                return;
            }
        };
        host.act();
        if let Step::Done(sent) = step {
            let verdicts = if let Sent::Verdicts(verdicts) = sent { verdicts } else { Vec::new() };
            assert_eq!(verdicts.len(), 2, "a new line is not stale");
            let needs_mark = |verdict: &Verdict| matches!(verdict, Verdict::Accepted(_) | Verdict::Unknown(_));
            assert!(host.is_committed || !verdicts.iter().any(needs_mark), "{verdicts:?} although the host has no mark");
            return;
        }
        assert!(!matches!(step, Step::Wait) || !host.answers.is_empty(), "the machine waits for nothing");
        input = match (host.answers.pop_front(), step) {
            (Some((token, answer)), _) => Input::Answer(token, answer),
            (None, _) => pieces.next().map_or(Input::End, |piece| Input::Octets(piece.to_vec())),
        };
    }
}

/// A host with a message.
#[derive(Default)]
struct Host {
    actions: Actions,
    answers: VecDeque<(Token, Answer)>,
    message: VecDeque<Vec<u8>>,
    /// Octets of the message were written.
    has_begun: bool,
    is_committed: bool,
}

impl Host {
    fn act(&mut self) {
        while let Some(action) = self.actions.pop() {
            match action {
                Action::Write(octets) => {
                    self.has_begun |= octets.windows(4).any(|window| window == b"A: b");
                    // A dot alone ends the empty message for nobody, too.
                    let is_end = (octets.starts_with(b"BDAT") && octets.windows(7).any(|window| window == b" LAST\r\n"))
                        || (self.has_begun && octets == b".\r\n");
                    assert!(!is_end || self.is_committed, "the message's end before the host has its mark");
                }
                Action::Ask(token, question) => {
                    let answer = match question {
                        Question::Draw => Answer::Octets(self.message.pop_front()),
                        Question::Committing(_) => {
                            self.is_committed = true;
                            Answer::Done(Ok(()))
                        }
                        _ => Answer::Done(Err(Error::new(Failure::Unsupported, "who sends has no mailbox"))),
                    };
                    self.answers.push_back((token, answer));
                }
                _ => {}
            }
        }
    }
}

fn meanings(chunks: &[&[u8]]) -> Vec<String> {
    let mut session = Session::new(Dialect::Lmtp, &[], Settings::default());
    for command in [Command::Rset, Command::Mail, Command::Rcpt(0), Command::Data, Command::Chunk, Command::End(Some(0)), Command::Quit] {
        session.expect(command);
    }
    let mut found = Vec::new();
    for chunk in chunks {
        session.feed(chunk.to_vec());
        loop {
            match session.next_event() {
                Ok(None) => break,
                Ok(Some(event)) => found.push(format!("{event:?}")),
                Err(error) => {
                    found.push(format!("{error:?}"));
                    return found;
                }
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use proptest::prelude::*;

    use super::*;

    /// Every file of a corpus.
    fn replay(corpus: &str, least: usize, run: impl Fn(&[u8])) {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/fuzz/corpus").join(corpus);
        let mut files = 0;
        for entry in fs::read_dir(folder).unwrap() {
            run(&fs::read(entry.unwrap().path()).unwrap());
            files += 1;
        }
        assert!(files >= least, "the corpus {corpus} has only {files} files");
    }

    #[test]
    fn the_corpora_pass() {
        replay("smtp_reply", 10, |octets| {
            smtp_reply(octets);
            smtp_send(octets);
        });
        replay("smtp_convert", 8, smtp_convert);
    }

    /// Octets as servers might send them, and worse.
    fn replies() -> impl Strategy<Value = Vec<u8>> {
        let pieces = vec![
            "250 ok\r\n",
            "250 ok\r\n",
            "250 2.1.5 ok\r\n",
            "354 go\r\n",
            "354 go\r\n",
            "421 4.3.2 bye\r\n",
            "450 4.2.0 later\r\n",
            "451\r\n",
            "452 4.5.3 many\r\n",
            "550 5.1.1 no\r\n",
            "552 x\r\n",
            "554 5.5.1 nobody\r\n",
            "530 sign in\r\n",
            "250-",
            "250-2.0.0 more\r\n",
            "251 b",
            "\r",
            "\n",
            "\r\n",
            "2",
            "5",
            " ",
            "600 x\r\n",
            "\0",
            "ok",
        ];
        let piece = prop_oneof![
            20 => proptest::sample::select(pieces).prop_map(|piece| piece.as_bytes().to_vec()),
            1 => proptest::collection::vec(any::<u8>(), 0..6),
            1 => (4_090..4_100_usize).prop_map(|length| vec![b'x'; length]),
        ];
        proptest::collection::vec(piece, 0..20).prop_map(|pieces| pieces.concat())
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(256))]

        #[test]
        fn nothing_panics_and_no_cut_matters(octets in replies()) {
            smtp_reply(&octets);
            smtp_send(&octets);
        }
    }
}
