//! Deleting some messages that a person or the host chose, in a session of its own.

use std::collections::BTreeMap;

use postrider_connector::machine::{Actions, Input, Machine, Step};
use postrider_connector::pace::Pace;
use postrider_connector::types::{Error, Failure, Outcome};

use crate::maildrop::Maildrop;
use crate::session::{Course, Session};
use crate::survey::Survey;
use crate::update::Update;

/// One deletion. Nothing is told to the host of it but the outcomes: the next `sync` sees what is gone.
#[derive(Debug)]
pub struct Delete<'a> {
    session: &'a mut Session,
    ids: Vec<String>,
    maildrop: Maildrop,
    state: State,
    deleted: Vec<usize>,
    refused: BTreeMap<usize, Error>,
    pace: Pace,
}

#[derive(Debug)]
enum State {
    Begin,
    Survey(Box<Survey>),
    Update(Update),
    Over,
}

impl<'a> Delete<'a> {
    /// Delete the messages `ids`.
    #[must_use]
    pub fn new(session: &'a mut Session, ids: Vec<String>) -> Self {
        let (maildrop, pace) = (Maildrop::default(), Pace::default());
        Self { session, ids, maildrop, state: State::Begin, deleted: Vec::new(), refused: BTreeMap::new(), pace }
    }

    fn advance(&mut self, actions: &mut Actions) {
        match std::mem::replace(&mut self.state, State::Over) {
            State::Survey(mut survey) => match survey.advance(self.session, actions) {
                Some(maildrop) => {
                    self.maildrop = maildrop;
                    let mut places: Vec<usize> = self.ids.iter().filter_map(|id| self.maildrop.by_id(id)).collect();
                    places.sort_unstable();
                    places.dedup();
                    self.state = State::Update(Update::new(places));
                    self.advance(actions);
                }
                None => self.state = State::Survey(survey),
            },
            State::Update(mut update) => {
                if update.advance(self.session, &self.maildrop, actions) {
                    self.refused.extend(update.refused);
                } else {
                    self.state = State::Update(update);
                }
            }
            state => self.state = state,
        }
    }

    fn outcomes(&self) -> Vec<Outcome> {
        let failed = |id: &String| {
            let Some(place) = self.maildrop.by_id(id) else {
                return Some(Error::new(Failure::Gone, "the maildrop has no such message now"));
            };
            let refused = || Some(Error::new(Failure::Permanent, "the server did not mark it"));
            if self.deleted.contains(&place) { None } else { self.refused.get(&place).cloned().or_else(refused) }
        };
        self.ids.iter().map(|id| Outcome { id: id.clone(), moved_to: None, failed: failed(id) }).collect()
    }
}

impl Machine for Delete<'_> {
    type Output = Vec<Outcome>;

    fn step(&mut self, input: Input, actions: &mut Actions) -> Result<Step<Vec<Outcome>>, Error> {
        match input {
            Input::Start => {
                self.pace.begin(actions);
                self.state = State::Survey(Box::new(Survey::new(self.session)));
            }
            Input::Octets(octets) => {
                self.pace.count(octets.len());
                self.session.feed(octets);
            }
            Input::Timer => self.pace.look(true, actions).map_err(|error| self.session.place(error))?,
            Input::End => return Err(self.session.ended()),
            Input::Lost(error) => return Err(error),
            Input::Answer(..) | Input::TimeUp | Input::Wanted => {}
        }
        while !matches!(self.state, State::Over) {
            let Some(event) = self.session.next_event()? else { break };
            match &mut self.state {
                State::Survey(survey) => {
                    if survey.event(event, self.session, actions)? == Course::BrokenOff {
                        return Err(Error::new(
                            Failure::Unsupported,
                            "the messages are told apart by their octets, and one of them does not end",
                        ));
                    }
                }
                State::Update(update) => {
                    if let Some(deleted) = update.event(event, self.session, actions)? {
                        self.deleted = deleted;
                        self.refused.extend(std::mem::take(&mut update.refused));
                        self.state = State::Over;
                    }
                }
                State::Begin | State::Over => {}
            }
        }
        self.advance(actions);
        Ok(if matches!(self.state, State::Over) { Step::Done(self.outcomes()) } else { Step::Read })
    }
}
