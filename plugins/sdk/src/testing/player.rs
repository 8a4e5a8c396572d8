//! One play of a transcript, in one manner.

use std::collections::{BTreeMap, VecDeque};

use super::promises::{check_durable, ids};
use super::script::{Line, Script, Signal};
use super::world::World;
use crate::machine::{Action, Actions, Answer, Input, Machine, Question, Step, Token};
use crate::types::{Arrival, Error, Failure, Scope};

/// Plays the other side of a machine.
#[derive(Debug)]
pub struct Player<'a> {
    /// The host.
    pub world: World,
    /// What was logged.
    pub log: Vec<String>,
    script: &'a Script,
    manner: Manner,
    at: usize,
    /// Octets of the current server line that were given.
    given: usize,
    /// Octets of all server lines that were given.
    total: usize,
    sent: Vec<u8>,
    /// How many of the octets in `sent` were written when so much was answered.
    marks: VecDeque<(usize, Answered)>,
    /// What was answered so far.
    answered: Answered,
    /// Lines that had to be committed to before, so far.
    commitments: usize,
    /// Ids of what the host had before.
    was_there: Vec<String>,
    pending: VecDeque<(Token, Pending)>,
    parcels: BTreeMap<Token, (Scope, Arrival, Vec<u8>)>,
    actions: Actions,
    closed: bool,
}

/// How a transcript is played.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Manner {
    /// Cut what the server sends at this octet.
    pub(super) cut: Option<usize>,
    /// Give every octet by itself.
    pub(super) single: bool,
    /// Let the host answer only when nothing else can happen.
    pub(super) late: bool,
    /// End the line after so many octets.
    pub(super) close: Option<usize>,
    /// End it by a failure.
    pub(super) fails: bool,
}

/// How many questions were answered.
#[derive(Debug, Clone, Copy, Default)]
struct Answered {
    checkpoints: usize,
    commitments: usize,
}

#[derive(Debug)]
enum Pending {
    Question(Question),
    Delivery(Scope, Arrival, Vec<u8>, Result<u64, Error>),
}

impl<'a> Player<'a> {
    pub(super) fn new(script: &'a Script, world: World, manner: Manner) -> Self {
        Self {
            was_there: ids(&world),
            world,
            log: Vec::new(),
            script,
            manner,
            at: 0,
            given: 0,
            total: 0,
            sent: Vec::new(),
            marks: VecDeque::new(),
            answered: Answered::default(),
            commitments: 0,
            pending: VecDeque::new(),
            parcels: BTreeMap::new(),
            actions: Actions::default(),
            closed: false,
        }
    }

    /// Run one machine to its end.
    ///
    /// # Errors
    /// The machine's.
    ///
    /// # Panics
    /// Where the transcript is not followed.
    pub fn run<M: Machine>(&mut self, machine: &mut M) -> Result<M::Output, Error> {
        let mut input = Input::Start;
        loop {
            let step = machine.step(input, &mut self.actions)?;
            self.act();
            let reads = match step {
                Step::Done(output) => {
                    self.match_client();
                    // What nobody draws any more is dropped with the call.
                    self.pending.retain(|(_, pending)| !matches!(pending, Pending::Question(Question::Draw)));
                    assert!(self.pending.is_empty(), "the machine ended without these answers: {:?}\n{}", self.pending, self.place());
                    return Ok(output);
                }
                Step::Read | Step::Idle => true,
                Step::Wait => false,
            };
            input = self.next_input(reads);
        }
    }

    /// Whether the line was closed on the machine.
    pub(super) const fn was_closed(&self) -> bool {
        self.closed
    }

    /// The transcript must be over.
    pub(super) fn finish(&mut self) {
        self.match_client();
        assert!(self.at == self.script.lines.len() && self.sent.is_empty(), "the transcript is not over\n{}", self.place());
    }

    /// Where the transcript was left.
    pub(super) fn place(&self) -> String {
        let next = self.script.lines.get(self.at).map(|line| match line {
            Line::Client(octets) => format!("C: {}", String::from_utf8_lossy(octets)),
            Line::Commit(octets) => format!("K: {}", String::from_utf8_lossy(octets)),
            Line::Delete(id, octets) => format!("D: {id} {}", String::from_utf8_lossy(octets)),
            Line::Server(octets) => format!("S: {}", String::from_utf8_lossy(octets)),
            Line::Signal(signal) => format!("! {signal:?}"),
        });
        format!(
            "step {} of the transcript: {next:?}\nsent and not expected: {:?}\nlogged: {:?}",
            self.at,
            String::from_utf8_lossy(&self.sent),
            self.log
        )
    }

    fn next_input(&mut self, reads: bool) -> Input {
        if !self.manner.late
            && let Some(answer) = self.answer()
        {
            return answer;
        }
        self.match_client();
        let late = match self.script.lines.get(self.at) {
            Some(Line::Server(_)) if reads && self.manner.close.is_some_and(|close| self.total >= close) => {
                assert!(!self.closed, "the machine reads a line that is over\n{}", self.place());
                self.closed = true;
                return if self.manner.fails { Input::Lost(Error::new(Failure::Unreachable, "the line failed")) } else { Input::End };
            }
            Some(Line::Server(_)) if reads => return Input::Octets(self.octets()),
            Some(Line::Signal(signal)) if self.pending.is_empty() => {
                self.at += 1;
                return match signal {
                    Signal::Wanted => Input::Wanted,
                    Signal::Timer => Input::Timer,
                    Signal::TimeUp => Input::TimeUp,
                };
            }
            _ => self.answer(),
        };
        match late {
            Some(answer) => answer,
            None => panic!("the machine and the transcript wait for each other\n{}", self.place()),
        }
    }

    /// Pass the client's lines that were sent.
    fn match_client(&mut self) {
        while let Some(Line::Client(expected) | Line::Commit(expected) | Line::Delete(_, expected)) = self.script.lines.get(self.at) {
            if !self.sent.starts_with(expected) {
                return;
            }
            if let (Some(Line::Delete(id, _)), Some((_, answered))) = (self.script.lines.get(self.at), self.marks.front()) {
                check_durable(&self.was_there, &self.world, answered.checkpoints, id);
            }
            if let Some(Line::Commit(_)) = self.script.lines.get(self.at) {
                self.commitments += 1;
                let committed = self.marks.front().map_or(0, |(_, answered)| answered.commitments);
                assert!(committed >= self.commitments, "this was sent before the host had its mark\n{}", self.place());
            }
            self.sent.drain(..expected.len());
            self.pass_marks(expected.len());
            self.at += 1;
        }
    }

    /// Forget when the first `octets` were written.
    fn pass_marks(&mut self, mut octets: usize) {
        while let Some((length, _)) = self.marks.front_mut() {
            let passed = octets.min(*length);
            *length -= passed;
            octets -= passed;
            if *length > 0 {
                return;
            }
            self.marks.pop_front();
        }
    }

    /// The server's next octets, as the manner cuts them; server lines that follow each other come together.
    fn octets(&mut self) -> Vec<u8> {
        let mut octets = Vec::new();
        while let Some(Line::Server(line)) = self.script.lines.get(self.at) {
            for &octet in line.get(self.given..).unwrap_or_default() {
                let stops = [self.manner.cut, self.manner.close].iter().flatten().any(|&stop| stop == self.total);
                if !octets.is_empty() && (self.manner.single || stops) {
                    return octets;
                }
                octets.push(octet);
                self.given += 1;
                self.total += 1;
            }
            self.at += 1;
            self.given = 0;
            if self.manner.close == Some(self.total) {
                return octets;
            }
        }
        octets
    }

    fn answer(&mut self) -> Option<Input> {
        let (token, pending) = self.pending.pop_front()?;
        let answer = match pending {
            Pending::Question(question) => {
                self.answered.checkpoints += usize::from(matches!(question, Question::Checkpoint(..)));
                self.answered.commitments += usize::from(matches!(question, Question::Committing(_)));
                self.world.answer(question)
            }
            Pending::Delivery(scope, arrival, octets, count) => Answer::Done(self.world.deliver(&scope, arrival, octets, count)),
        };
        Some(Input::Answer(token, answer))
    }

    fn act(&mut self) {
        while let Some(action) = self.actions.pop() {
            match action {
                Action::Write(octets) => {
                    self.marks.push_back((octets.len(), self.answered));
                    self.sent.extend_from_slice(&octets);
                }
                Action::Ask(token, question) => {
                    if let Question::Checkpoint(scope, cursor) = &question {
                        let told = |pending: &Pending| {
                            matches!(pending, Pending::Question(Question::Changed(..) | Question::Removed(..) | Question::Retired(_)))
                        };
                        assert!(
                            !self.pending.iter().any(|(_, pending)| told(pending)),
                            "a checkpoint does not wait for what was told before"
                        );
                        self.world.checkpoint_asked(scope, cursor);
                    }
                    self.pending.push_back((token, Pending::Question(question)));
                }
                Action::Begin(token, scope, arrival) => {
                    self.parcels.insert(token, (scope, *arrival, Vec::new()));
                }
                Action::Piece(token, piece) => {
                    assert!(!piece.is_empty(), "an empty piece");
                    if let Some((_, _, octets)) = self.parcels.get_mut(&token) {
                        octets.extend_from_slice(&piece);
                    }
                }
                Action::Finish(token, count) => {
                    let Some((scope, arrival, octets)) = self.parcels.remove(&token) else { panic!("a message ends that did not begin") };
                    self.pending.push_back((token, Pending::Delivery(scope, arrival, octets, count)));
                }
                Action::Timer(_) | Action::Progress(..) => {}
                Action::Log(_, line) => self.log.push(line),
                Action::Give(octets) => self.world.given.extend_from_slice(&octets),
            }
        }
    }
}
