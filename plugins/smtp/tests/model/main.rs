//! Whatever goes in, a strict reader of the wire sees exactly the message, once, and every verdict says what became of it, wherever the line
//! or the host gives out.

#![expect(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "a model fails by panicking")]

mod server;

use std::collections::VecDeque;

use postrider_connector::machine::{Action, Actions, Answer, Input, Machine as _, Question, Step};
use postrider_connector::types::{Envelope, Error, Extra, Failure, Recipient, Verdict};
use postrider_smtp::mailing::Mailing;
use postrider_smtp::send::{Send, Sent};
use postrider_smtp::session::{Dialect, Session};
use postrider_smtp::settings::Settings;
use proptest::prelude::*;

use self::server::{Choices, Server};

/// One run: what the server offers, what is sent, what happens.
#[derive(Debug, Clone)]
struct Run {
    capabilities: Vec<String>,
    is_lmtp: bool,
    pieces: Vec<Vec<u8>>,
    recipients: usize,
    choices: Vec<u8>,
    /// Inputs after which the line is lost.
    lasts: usize,
    /// The host refuses its mark.
    holds_back: bool,
}

/// What came of it.
struct Outcome {
    result: Result<Sent, Error>,
    server: Server,
    is_committed: bool,
}

fn play(run: &Run) -> Outcome {
    let recipients = (0..run.recipients).map(|number| Recipient { address: format!("{number}@y"), extra: Extra::new() }).collect();
    let size = run.pieces.iter().map(|piece| piece.len() as u64).sum();
    let envelope = Envelope { id: "7".to_owned(), sender: "a@b".to_owned(), recipients, size, extra: Extra::new() };
    let dialect = if run.is_lmtp { Dialect::Lmtp } else { Dialect::Smtp };
    let mut session = Session::new(dialect, &run.capabilities, Settings { pipeline: 3, ..Settings::default() });
    let mut mailing = Mailing::new(envelope).unwrap();
    let mut machine = Send::new(&mut session, &mut mailing);
    let mut server = Server::new(run.is_lmtp, Choices(run.choices.clone().into_iter()));
    let (mut actions, mut pieces) = (Actions::default(), VecDeque::from(run.pieces.clone()));
    let (mut said, mut questions) = (VecDeque::new(), VecDeque::new());
    let (mut is_committed, mut is_lost) = (false, false);
    let mut input = Input::Start;
    for turn in 0.. {
        assert!(turn < 100_000, "the machine does not end");
        let step = match machine.step(input, &mut actions) {
            Err(error) => return Outcome { result: Err(error), server, is_committed },
            Ok(step) => step,
        };
        while let Some(action) = actions.pop() {
            match action {
                Action::Write(octets) if !is_lost => {
                    let reply = server.hear(&octets);
                    said.extend(reply.chunks(7).map(<[u8]>::to_vec));
                }
                Action::Ask(token, question) => questions.push_back((token, question)),
                _ => {}
            }
        }
        let reads = match step {
            Step::Done(sent) => return Outcome { result: Ok(sent), server, is_committed },
            Step::Read | Step::Idle => true,
            Step::Wait => false,
        };
        if reads && !is_lost && turn >= run.lasts {
            is_lost = true;
            input = if run.lasts.is_multiple_of(2) { Input::End } else { Input::Lost(Error::new(Failure::Unreachable, "lost")) };
            continue;
        }
        let answers_first = !questions.is_empty() && (said.is_empty() || !reads || server.choices.happens(2));
        input = if answers_first {
            let (token, question) = questions.pop_front().unwrap();
            match question {
                Question::Draw => Input::Answer(token, Answer::Octets(pieces.pop_front())),
                Question::Committing(_) if run.holds_back => {
                    Input::Answer(token, Answer::Done(Err(Error::new(Failure::RefusedByHost, "no"))))
                }
                Question::Committing(_) => {
                    is_committed = true;
                    server.is_committed = true;
                    Input::Answer(token, Answer::Done(Ok(())))
                }
                other => panic!("{other:?}"),
            }
        } else {
            match said.pop_front() {
                Some(octets) if reads => Input::Octets(octets),
                _ => panic!("the machine and the server wait for each other"),
            }
        };
    }
    unreachable!()
}

/// The message as it has to arrive.
fn expected(run: &Run) -> Vec<u8> {
    let text = String::from_utf8(run.pieces.concat()).unwrap().replace("\r\n", "\n").replace('\r', " ");
    let text = if text.is_empty() || text.ends_with('\n') { text } else { format!("{text}\n") };
    text.replace('\n', "\r\n").into_bytes()
}

fn check(run: &Run) {
    let Outcome { result, server, is_committed } = play(run);
    assert!(server.taken.len() <= 1, "the message was taken more than once: {:?}", server.taken);
    for taken in &server.taken {
        assert_eq!(taken.octets, expected(run), "other octets arrived");
    }
    let is_taken = |number: usize| server.taken.iter().any(|taken| taken.recipients.contains(&format!("{number}@y")));
    match result {
        Err(error) => assert!(server.taken.is_empty() && !is_committed, "an error means that nobody got it: {error:?}"),
        Ok(Sent::Stale) => panic!("a new line is not stale"),
        Ok(Sent::Verdicts(verdicts)) => {
            assert_eq!(verdicts.len(), run.recipients);
            for (number, verdict) in verdicts.iter().enumerate() {
                match verdict {
                    Verdict::Accepted(_) => assert!(is_taken(number), "{number} was not taken"),
                    Verdict::Refused(error) | Verdict::Deferred(error) => assert!(!is_taken(number), "{number} was taken: {error:?}"),
                    Verdict::Unknown(_) => assert!(is_committed, "{number} is known: the host has no mark"),
                }
            }
        }
    }
}

fn runs() -> impl Strategy<Value = Run> {
    let piece = proptest::collection::vec(
        proptest::sample::select(vec!["a", ".", "\r", "\n", "\r\n", "\r\n.\r\n", "\n.\n", "\r\n.\r", "A: b\r\n"]),
        0..6,
    );
    let pieces = proptest::collection::vec(piece.prop_map(|parts| parts.concat().into_bytes()), 0..5)
        .prop_map(|pieces| pieces.into_iter().filter(|piece| !piece.is_empty()).collect::<Vec<_>>());
    let capabilities = proptest::sample::subsequence(vec!["PIPELINING", "CHUNKING", "8BITMIME", "SIZE 1000", "LIMITS RCPTMAX=2"], 0..=5)
        .prop_map(|lines| lines.into_iter().map(str::to_owned).collect::<Vec<_>>());
    let lasts = prop_oneof![3 => Just(usize::MAX), 2 => 0..60_usize];
    (capabilities, any::<bool>(), pieces, 1..6_usize, proptest::collection::vec(any::<u8>(), 0..60), lasts, proptest::bool::weighted(0.05))
        .prop_map(|(capabilities, is_lmtp, pieces, recipients, choices, lasts, holds_back)| Run {
            capabilities,
            is_lmtp,
            pieces,
            recipients,
            choices,
            lasts,
            holds_back,
        })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4_000))]

    #[test]
    fn a_strict_reader_sees_the_message_once_and_the_verdicts_are_true(run in runs()) {
        check(&run);
    }
}
