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
    /// By how much the envelope is wrong about the message's size.
    deviation: i64,
}

/// What came of one message.
struct Outcome {
    result: Result<Sent, Error>,
    is_committed: bool,
}

/// Send the message of `run` on the line of `session`, of which the server end is `server`.
fn play(run: &Run, session: &mut Session, server: &mut Server) -> Outcome {
    let recipients = (0..run.recipients).map(|number| Recipient { address: format!("{number}@y"), extra: Extra::new() }).collect();
    let envelope = Envelope { id: "7".to_owned(), sender: "a@b".to_owned(), recipients, size: run.size(), extra: Extra::new() };
    let mut mailing = Mailing::new(envelope).unwrap();
    let mut pieces = VecDeque::from(run.pieces.clone());
    let mut turns = 0;
    for round in 0.. {
        let outcome = transact(run, session, &mut mailing, server, (&mut pieces, &mut turns));
        // As the shell does.
        let has_next = matches!(outcome.result, Ok(Sent::Verdicts(_))) && session.may_go_on() && mailing.begin_next();
        if !has_next {
            let has_mark = mailing.has_mark();
            let result = match outcome.result {
                Err(error) if has_mark => Ok(Sent::Verdicts(mailing.verdicts(&error))),
                // There is no other line here.
                Ok(Sent::Stale) if round > 0 => Ok(Sent::Verdicts(mailing.verdicts(&Error::new(Failure::Unreachable, "lost")))),
                result => result,
            };
            return Outcome { result, is_committed: outcome.is_committed };
        }
    }
    unreachable!()
}

/// One transaction.
fn transact(
    run: &Run,
    session: &mut Session,
    mailing: &mut Mailing,
    server: &mut Server,
    (pieces, turns): (&mut VecDeque<Vec<u8>>, &mut usize),
) -> Outcome {
    let mut machine = Send::new(session, mailing);
    let mut actions = Actions::default();
    let (mut said, mut questions) = (VecDeque::new(), VecDeque::new());
    let (mut is_committed, mut is_lost) = (false, false);
    server.is_committed = false;
    let mut input = Input::Start;
    loop {
        let turn = *turns;
        *turns += 1;
        assert!(turn < 100_000, "the machine does not end");
        let step = match machine.step(input, &mut actions) {
            Err(error) => return Outcome { result: Err(error), is_committed },
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
            Step::Done(sent) => return Outcome { result: Ok(sent), is_committed },
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
}

impl Run {
    /// What the envelope says of the message's size.
    fn size(&self) -> u64 {
        let octets: u64 = self.pieces.iter().map(|piece| piece.len() as u64).sum();
        octets.saturating_add_signed(self.deviation)
    }

    fn is_honest(&self) -> bool {
        self.size() == self.pieces.iter().map(|piece| piece.len() as u64).sum::<u64>()
    }
}

/// The message as it has to arrive.
fn expected(run: &Run) -> Vec<u8> {
    let text = String::from_utf8(run.pieces.concat()).unwrap().replace("\r\n", "\n").replace('\r', " ");
    let text = if text.is_empty() || text.ends_with('\n') { text } else { format!("{text}\n") };
    text.replace('\n', "\r\n").into_bytes()
}

/// One message after the other on one line, as long as it is of use.
fn check(runs: &[Run]) {
    let Some(first) = runs.first() else { return };
    let dialect = if first.is_lmtp { Dialect::Lmtp } else { Dialect::Smtp };
    let mut session = Session::new(dialect, &first.capabilities, Settings { pipeline: 3, ..Settings::default() });
    let mut server = Server::new(first.is_lmtp, Choices(first.choices.clone().into_iter()));
    for run in runs {
        let is_fresh = session.is_fresh;
        server.choices = Choices(run.choices.clone().into_iter());
        server.taken.clear();
        let outcome = play(run, &mut session, &mut server);
        judge(run, &outcome, &server, is_fresh);
        if !session.may_go_on() {
            return;
        }
    }
}

fn judge(run: &Run, outcome: &Outcome, server: &Server, is_fresh: bool) {
    let mut reached: Vec<&String> = server.taken.iter().flat_map(|taken| &taken.recipients).collect();
    let all = reached.len();
    reached.sort();
    reached.dedup();
    assert_eq!(reached.len(), all, "somebody got the message twice: {:?}", server.taken);
    assert!(server.taken.is_empty() || run.is_honest(), "a message of another length was completed");
    for taken in &server.taken {
        assert_eq!(taken.octets, expected(run), "other octets arrived");
    }
    let is_taken = |number: usize| server.taken.iter().any(|taken| taken.recipients.contains(&format!("{number}@y")));
    match &outcome.result {
        Err(error) => assert!(server.taken.is_empty() && !outcome.is_committed, "an error means that nobody got it: {error:?}"),
        Ok(Sent::Stale) => assert!(!is_fresh && server.taken.is_empty() && !outcome.is_committed, "a line is stale that is not"),
        Ok(Sent::Verdicts(verdicts)) => {
            assert_eq!(verdicts.len(), run.recipients);
            for (number, verdict) in verdicts.iter().enumerate() {
                match verdict {
                    Verdict::Accepted(_) => assert!(is_taken(number), "{number} was not taken"),
                    Verdict::Refused(error) | Verdict::Deferred(error) => assert!(!is_taken(number), "{number} was taken: {error:?}"),
                    Verdict::Unknown(_) => assert!(outcome.is_committed, "{number} is known: the host has no mark"),
                }
            }
        }
    }
}

fn runs() -> impl Strategy<Value = Vec<Run>> {
    let capabilities = proptest::sample::subsequence(vec!["PIPELINING", "CHUNKING", "8BITMIME", "SIZE 1000", "LIMITS RCPTMAX=2"], 0..=5)
        .prop_map(|lines| lines.into_iter().map(str::to_owned).collect::<Vec<_>>());
    (capabilities, any::<bool>(), proptest::collection::vec(run(), 1..4)).prop_map(|(capabilities, is_lmtp, runs)| {
        runs.into_iter().map(|run| Run { capabilities: capabilities.clone(), is_lmtp, ..run }).collect()
    })
}

fn run() -> impl Strategy<Value = Run> {
    let parts = vec!["a", ".", "\r", "\n", "\r\n", "\r\n.\r\n", "\n.\n", "\r\n.\r", "A: b\r\n"];
    let piece = proptest::collection::vec(proptest::sample::select(parts), 0..6).prop_map(|parts| parts.concat().into_bytes());
    // More pieces than chunks may be unanswered, now and then.
    let pieces = prop_oneof![9 => proptest::collection::vec(piece.clone(), 0..5), 1 => proptest::collection::vec(piece, 20..40)]
        .prop_map(|pieces| pieces.into_iter().filter(|piece| !piece.is_empty()).collect::<Vec<_>>());
    let lasts = prop_oneof![3 => Just(usize::MAX), 2 => 0..60_usize];
    let deviation = prop_oneof![8 => Just(0_i64), 1 => Just(1), 1 => Just(-1)];
    let choices = proptest::collection::vec(any::<u8>(), 0..60);
    (pieces, 1..6_usize, choices, lasts, proptest::bool::weighted(0.05), deviation).prop_map(
        |(pieces, recipients, choices, lasts, holds_back, deviation)| Run {
            capabilities: Vec::new(),
            is_lmtp: false,
            pieces,
            recipients,
            choices,
            lasts,
            holds_back,
            deviation,
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn a_strict_reader_sees_each_message_once_and_the_verdicts_are_true(runs in runs()) {
        check(&runs);
    }
}
