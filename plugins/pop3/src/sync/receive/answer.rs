//! What the server and the host say to messages that are being taken over.

use postrider_connector::machine::{Action, Actions, Answer, Token};
use postrider_connector::types::{Error, Failure, Level, Part};

use super::{Attempt, Awaited, Place, Receive, Text, arrival};
use crate::command::Command;
use crate::limits::REFUSED_IN_ROW;
use crate::refusal;
use crate::reply::Status;
use crate::session::{Course, Event};
use crate::settings::Oversize;

impl Receive {
    /// Take in what the server said.
    ///
    /// # Errors
    /// The server refuses for now, or one message after the other: the line is then of no use.
    pub(in crate::sync) fn event(&mut self, event: Event, place: &mut Place<'_>, actions: &mut Actions) -> Result<Course, Error> {
        match event {
            Event::Reply(Command::Noop, _) => {}
            Event::Reply(command, status) => self.reply(command, &status, place, actions)?,
            Event::Piece(_, octets) => {
                let Some(text) = &mut self.text else { return Ok(Course::On) };
                text.piece(octets, actions);
                if text.drained() > place.session.limits.drained_octets {
                    self.break_off(place, actions);
                    return Ok(Course::BrokenOff);
                }
            }
            Event::TextEnd(..) => {
                self.commands.pop_front();
                self.end_text(actions);
            }
            Event::Listed(..) | Event::Unreadable(_) | Event::ListEnd(_) => {}
        }
        Ok(Course::On)
    }

    fn end_text(&mut self, actions: &mut Actions) {
        let Some(text) = self.text.take() else { return };
        let token = text.token();
        let count = text.end(actions);
        if let Some(Awaited::Delivery { octets, .. }) = token.and_then(|token| self.answers.get_mut(&token)) {
            *octets = count;
        }
    }

    /// Nobody wants the rest of this message, and it does not end. What is wanted of it, a header section, is whole.
    fn break_off(&mut self, place: &mut Place<'_>, actions: &mut Actions) {
        self.end_text(actions);
        let message = self.commands.front().and_then(|(at, _)| place.maildrop.get(*at));
        let Some(id) = message.and_then(|message| message.id.clone()) else { return };
        let words = format!("{} octets after it was refused, the message had not ended", place.session.limits.drained_octets);
        actions.put(Action::Log(Level::Warn, format!("message `{id}` is left by closing the line: {words}")));
        place.session.broken_off.insert(id, Error::new(Failure::TooLarge, words));
    }

    /// Whether an answer is for here.
    pub(in crate::sync) fn awaits(&self, token: Token) -> bool {
        self.checkpoint == Some(token) || self.answers.contains_key(&token)
    }

    /// Take in an answer.
    ///
    /// # Errors
    /// The host's, where it is not about one message.
    pub(in crate::sync) fn answer(
        &mut self,
        token: Token,
        answer: Answer,
        place: &mut Place<'_>,
        actions: &mut Actions,
    ) -> Result<(), Error> {
        if self.checkpoint == Some(token) {
            self.checkpoint = None;
            return done(answer);
        }
        match self.answers.remove(&token) {
            None => done(answer),
            Some(Awaited::SetAside) => {
                done(answer)?;
                self.count(0, place, actions);
                Ok(())
            }
            Some(Awaited::Delivery { place: at, arrival, attempt, octets }) => {
                // The host may refuse a message before its end: nothing more of it is handed on.
                if let Some(text) = &mut self.text {
                    text.refuse(token);
                }
                match done(answer) {
                    Ok(()) => {
                        self.outcome.received += 1;
                        self.count(octets, place, actions);
                    }
                    Err(error) if error.concerns_one_message() => {
                        let is_whole = matches!(attempt, Attempt::Whole);
                        self.outcome.is_incomplete |= is_whole;
                        if is_whole && error.kind == Failure::TooLarge && place.session.settings.oversize == Oversize::Headers {
                            let again = self.oversize(at, error, place, actions);
                            self.again.extend(again.map(|attempt| (at, attempt)));
                        } else {
                            self.set_aside(at, error, place, actions);
                        }
                    }
                    // It is in order, and there is no more to it: the line was lost.
                    Err(error) if error.kind == Failure::Unreachable => {}
                    Err(error) => return Err(error.at(&format!("message `{}`", arrival.id))),
                }
                Ok(())
            }
        }
    }

    fn reply(&mut self, command: Command, status: &Status, place: &mut Place<'_>, actions: &mut Actions) -> Result<(), Error> {
        let Some((at, attempt)) = self.commands.front().cloned() else { return Ok(()) };
        if !status.is_ok || matches!(attempt, Attempt::Probe(_)) {
            self.commands.pop_front();
        }
        if !status.is_ok {
            let error = refusal::error(status);
            if refusal::is_passing(&error) {
                return Err(error.at(&command.to_string()));
            }
            match attempt {
                Attempt::Whole => self.again.push_back((at, Attempt::Probe(error))),
                // Where there is no header section either, the size is the reason.
                Attempt::Headers(why) => self.set_aside(at, why, place, actions),
                // Another session deleted it meanwhile.
                Attempt::Probe(_) => self.outcome.has_gaps = true,
            }
            return Ok(());
        }
        let part = match attempt {
            Attempt::Whole => Part::Whole,
            Attempt::Headers(_) => Part::Headers,
            Attempt::Probe(error) => {
                self.refused += 1;
                if self.refused > REFUSED_IN_ROW {
                    return Err(Error { kind: Failure::Transient, ..error }.at("the server refuses one message after the other"));
                }
                self.set_aside(at, error, place, actions);
                return Ok(());
            }
        };
        self.refused = 0;
        place.session.is_at_risk |= part == Part::Whole;
        let settings = &place.session.settings;
        let most = if settings.oversize == Oversize::Take || part == Part::Headers { u64::MAX } else { settings.oversize_octets };
        let arrival = place.maildrop.get(at).and_then(|message| arrival(message, place.scope, part));
        let token = arrival.map(|arrival| {
            let token = actions.begin(place.scope.clone(), arrival.clone());
            self.answers.insert(token, Awaited::Delivery { place: at, arrival: Box::new(arrival), attempt, octets: 0 });
            token
        });
        self.text = Some(Text::new(token, most, part == Part::Headers));
        Ok(())
    }
}

/// The host's answer to something told.
///
/// # Errors
/// The host's.
pub(in crate::sync) fn done(answer: Answer) -> Result<(), Error> {
    match answer {
        Answer::Done(done) => done,
        Answer::Ids(_) | Answer::Page(_) | Answer::Recognised(_) | Answer::Octets(_) => Ok(()),
    }
}
