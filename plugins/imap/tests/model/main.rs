//! Passes against a server that changes while it is spoken to: whatever happens in between, with QRESYNC, with CONDSTORE alone and with neither, the host has
//! in the end exactly what the server has, and was never told that a message vanished which is there.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "the helpers of tests fail by panicking")]

mod host;
mod server;

use std::collections::VecDeque;

use postrider_connector::machine::{Action, Actions, Answer, Input, Question, Step, Token};
use postrider_connector::types::{Error, Failure};
use postrider_imap::limits::Limits;
use postrider_imap::prepare::Prepare;
use postrider_imap::session::Session;
use postrider_imap::settings::Settings;
use postrider_imap::sync::Sync;
use proptest::prelude::*;

use self::host::Host;
use self::server::{Mode, Server};

/// Histories that are tried in each way.
const CASES: u32 = 400;

/// Decisions, one after the other; all 0 when they are used up, which means: nothing happens any more.
#[derive(Debug)]
struct Choices(VecDeque<u8>);

impl Choices {
    fn below(&mut self, bound: u8) -> u8 {
        self.0.pop_front().map_or(0, |choice| choice % bound)
    }

    /// One in `odds`.
    fn happens(&mut self, odds: u8) -> bool {
        self.below(odds) == odds - 1
    }
}

/// One conversation: a session on a line of its own, until it is over or breaks.
fn converse(server: &mut Server, host: &mut Host, passes: usize, choices: &mut Choices) -> Result<(), Error> {
    server.connect();
    let newest_first = choices.happens(3);
    let settings = Settings { batch_messages: 3, pipeline: 2, checkpoint_messages: 4, newest_first, ..Settings::default() };
    let mut session = Session::new(&server.capabilities(), settings, Limits::default());
    run(&mut Prepare::new(&mut session), server, host, choices)?;
    for _ in 0..passes {
        let cursor = host.cursor();
        run(&mut Sync::new(&mut session, "INBOX", cursor.as_deref())?, server, host, choices)?;
        server.change(choices);
    }
    Ok(())
}

fn run<M: postrider_connector::machine::Machine>(
    machine: &mut M,
    server: &mut Server,
    host: &mut Host,
    choices: &mut Choices,
) -> Result<M::Output, Error> {
    let (mut actions, mut input) = (Actions::default(), Input::Start);
    let mut questions: VecDeque<(Token, Question)> = VecDeque::new();
    loop {
        let step = machine.step(input, &mut actions)?;
        while let Some(action) = actions.pop() {
            match action {
                Action::Write(octets) => server.hear(&octets),
                Action::Ask(token, question) => {
                    if let Question::Checkpoint(..) = &question {
                        host.begin_checkpoint();
                    }
                    questions.push_back((token, question));
                }
                Action::Begin(token, scope, arrival) => host.begin(token, &scope, *arrival),
                Action::Piece(token, octets) => host.piece(token, &octets),
                Action::Finish(token, count) => {
                    let taken = host.finish(token, count);
                    questions.push_front((token, Question::Draw));
                    assert!(taken.is_ok(), "an honest server: {taken:?}");
                }
                Action::Timer(_) | Action::Progress(..) | Action::Log(..) | Action::Give(_) => {}
            }
        }
        let reads = match step {
            Step::Done(output) => {
                assert!(questions.is_empty(), "the pass ended without answers");
                return Ok(output);
            }
            Step::Read | Step::Idle => true,
            Step::Wait => false,
        };
        if choices.happens(60) {
            // The host dies, or the line: what no checkpoint covers is forgotten.
            return Err(Error::new(Failure::Cancelled, "killed"));
        }
        let answers_first = !questions.is_empty() && (!reads || choices.happens(2));
        input = if answers_first {
            let (token, question) = questions.pop_front().unwrap();
            match question {
                Question::Draw => Input::Answer(token, Answer::Done(Ok(()))),
                question => Input::Answer(token, host.answer(question, server)),
            }
        } else if reads {
            match server.say(choices) {
                Some(octets) => Input::Octets(octets),
                None if !questions.is_empty() => {
                    let (token, question) = questions.pop_front().unwrap();
                    match question {
                        Question::Draw => Input::Answer(token, Answer::Done(Ok(()))),
                        question => Input::Answer(token, host.answer(question, server)),
                    }
                }
                None => Input::End,
            }
        } else {
            panic!("the machine waits for nothing");
        };
    }
}

fn check(mode: Mode, choices: Vec<u8>) {
    let mut choices = Choices(choices.into());
    let mut server = Server::new(mode);
    let mut host = Host::default();
    for _ in 0..6 {
        server.change(&mut choices);
    }
    let mut sessions = 0;
    while !choices.0.is_empty() {
        sessions += 1;
        assert!(sessions < 1_000, "the conversations use up no choice");
        let passes = usize::from(choices.below(4)) + 1;
        if let Err(error) = converse(&mut server, &mut host, passes, &mut choices) {
            assert!(matches!(error.kind, Failure::Cancelled | Failure::Unreachable), "{error:?}");
            host.die();
        }
        server.change(&mut choices);
    }
    // Nothing happens any more: two passes make everything good.
    converse(&mut server, &mut host, 2, &mut choices).unwrap();
    assert_eq!(host.has(server.validity), server.holds(), "the host has what the server has");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: CASES, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn with_qresync(choices in proptest::collection::vec(any::<u8>(), 0..400), forgets: bool) {
        check(Mode::Qresync { forgets }, choices);
    }

    #[test]
    fn with_condstore(choices in proptest::collection::vec(any::<u8>(), 0..400)) {
        check(Mode::Condstore, choices);
    }

    #[test]
    fn without_any_extension(choices in proptest::collection::vec(any::<u8>(), 0..400)) {
        check(Mode::Plain, choices);
    }
}
