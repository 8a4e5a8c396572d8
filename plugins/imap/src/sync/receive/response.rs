//! What the server sends while messages are taken over: bodies, streamed or whole, and how their commands end.

use postrider_connector::machine::{Action, Actions, Question};
use postrider_connector::types::{Change, Error, Failure, Level};

use super::{Attempt, Awaited, Place, REFUSED_IN_ROW, Receive, Streaming, Tail, Taking, arrival};
use crate::refusal;
use crate::response::fetch::{Body, Fetch};
use crate::response::parse::{Condition, Response, Status};
use crate::session::{Event, Tag};

impl Streaming {
    /// Nobody wants the rest.
    ///
    /// # Errors
    /// There is so much of it that the line is to be closed rather than read. What was taken over is kept, and the message with it as set aside.
    fn check_rest(&self, place: &Place<'_>) -> Result<(), Error> {
        let rest = self.announced.saturating_sub(self.octets);
        if rest <= place.session.limits.drained_octets {
            return Ok(());
        }
        let words = format!(
            "a message of {} octets was refused, and the server would send {rest} more of them: the line is closed",
            self.announced
        );
        Err(Error::new(Failure::TooLarge, words).at(place.folder))
    }
}

impl Receive {
    /// Take in what the server sent.
    pub(in crate::sync) fn event(&mut self, event: Event, place: &mut Place<'_>, actions: &mut Actions) -> Result<(), Error> {
        match event {
            Event::Body(fetch, octets) => self.begin(&fetch, octets, place, actions),
            Event::Piece(octets) => {
                if let Some(body) = &mut self.body {
                    body.octets += octets.len() as u64;
                    match body.token {
                        Some(token) => actions.put(Action::Piece(token, octets)),
                        None => body.check_rest(place)?,
                    }
                }
            }
            Event::BodyEnd => {
                self.ended = self.body.take().and_then(|body| Some((body.token?, body.octets)));
            }
            Event::Untagged(Response::Fetch(_, fetch)) => match self.in_tail.take() {
                Some(tail) => {
                    if tail.uid.is_some() && !tail.had_date && fetch.received.is_some() {
                        self.date_came_late(&tail, *fetch, actions);
                    } else {
                        if let Some((token, octets)) = self.ended.take() {
                            actions.put(Action::Finish(token, Ok(octets)));
                        }
                        self.end(&tail, &fetch, place, actions);
                    }
                }
                None => self.whole(*fetch, place, actions),
            },
            // What cannot be read is missing when its command ends, and is asked for again by itself.
            Event::Untagged(_) => {}
            Event::Lost(shown) => {
                self.in_tail = None;
                self.give_up_body("the response around the message cannot be read", actions);
                actions.put(Action::Log(Level::Warn, format!("a response in {} cannot be read: {shown}", place.folder)));
            }
            Event::Reply(tag, status) => self.reply(tag, &status, place, actions)?,
        }
        Ok(())
    }

    /// A body begins.
    fn begin(&mut self, fetch: &Fetch, octets: u64, place: &Place<'_>, actions: &mut Actions) {
        let uid = fetch.uid.or_else(|| self.only_uid());
        let facts = uid.and_then(|uid| self.facts.get(&uid)).cloned().unwrap_or_default();
        let fetch = &fetch.clone().or(facts);
        self.in_tail = Some(Tail { uid, had_flags: fetch.flags.is_some(), had_date: fetch.received.is_some() });
        let token = uid.filter(|&uid| self.is_waiting(uid)).map(|uid| {
            let arrival = arrival(uid, fetch, place.folder);
            let token = actions.begin(place.scope.clone(), arrival.clone());
            self.answers.insert(token, Awaited::Delivery { arrival, uid, octets });
            self.set(uid, Taking::Going);
            self.refused = 0;
            token
        });
        self.body = Some(Streaming { token, octets: 0, announced: octets });
    }

    /// Some servers tell the date behind the body, when the message has been handed over without it: it is given up and asked for again, now that
    /// its date is known, and all others' dates are asked for first.
    fn date_came_late(&mut self, tail: &Tail, fetch: Fetch, actions: &mut Actions) {
        if let Some(uid) = tail.uid {
            self.facts.insert(uid, Fetch { body: Body::None, ..fetch });
        }
        self.facts_first = true;
        self.give_up_body("the message's date came behind it", actions);
    }

    /// The end of a response whose body was streamed: some servers tell UID and flags only here.
    fn end(&mut self, tail: &Tail, fetch: &Fetch, place: &Place<'_>, actions: &mut Actions) {
        match (tail.uid, fetch.uid) {
            (None, Some(_)) => {
                // It came without its UID and was not taken over: it and all others are asked for alone, where the command says
                // which message it is.
                self.alone = true;
            }
            (Some(uid), _) if !tail.had_flags => {
                if let Some(flags) = &fetch.flags {
                    let change = Change { id: uid.to_string(), folders: vec![place.folder.to_owned()], keywords: flags.clone() };
                    let token = actions.ask(Question::Changed(place.scope.clone(), vec![change]));
                    self.answers.insert(token, Awaited::Change);
                }
            }
            _ => {}
        }
    }

    /// A response that came in one piece: with a body as a string, without one (`NIL`), or about flags only.
    fn whole(&mut self, mut fetch: Fetch, place: &Place<'_>, actions: &mut Actions) {
        let is_bodiless = fetch.body == Body::None;
        let attempt = self.commands.front().map(|command| command.attempt);
        let uid = if is_bodiless { fetch.uid } else { fetch.uid.or_else(|| self.only_uid()) };
        let Some(uid) = uid.filter(|&uid| self.is_waiting(uid)) else { return };
        let body = std::mem::take(&mut fetch.body);
        match body {
            Body::Text(text) => {
                fetch = fetch.or(self.facts.get(&uid).cloned().unwrap_or_default());
                self.begin(&fetch, text.len() as u64, place, actions);
                self.in_tail = None;
                if let Some(Streaming { token: Some(token), .. }) = self.body.take() {
                    let octets = text.len() as u64;
                    actions.put(Action::Piece(token, text));
                    actions.put(Action::Finish(token, Ok(octets)));
                }
            }
            Body::Nil => {
                let arrival = arrival(uid, &fetch, place.folder);
                self.set_aside(
                    uid,
                    arrival,
                    Error::new(Failure::Permanent, "the server has the message and no octets of it"),
                    place,
                    actions,
                );
            }
            // Also what the server tells unasked is about this message as it is now.
            Body::None if matches!(attempt, Some(Attempt::Facts | Attempt::Probe)) => {
                let facts = self.facts.remove(&uid).unwrap_or_default();
                self.facts.insert(uid, fetch.or(facts));
            }
            Body::None => {}
        }
    }

    /// A FETCH ended: what it did not bring is asked for again, alone, then probed for.
    fn reply(&mut self, tag: Tag, status: &Status, place: &Place<'_>, actions: &mut Actions) -> Result<(), Error> {
        let Some(at) = self.commands.iter().position(|command| command.tag == tag) else { return Ok(()) };
        let Some(command) = self.commands.remove(at) else { return Ok(()) };
        self.has_answer = true;
        let refusal = (status.condition != Condition::Ok).then(|| refusal::error(status));
        if let Some(error) = refusal.as_ref().filter(|error| refusal::is_passing(error))
            && command.uids.iter().any(|uid| self.is_waiting(uid))
        {
            return Err(error.clone().at(&format!("FETCH in {}", place.folder)));
        }
        if command.attempt == Attempt::Facts {
            self.identify(&command.uids, place, actions);
            return Ok(());
        }
        let missing: Vec<u32> = command.uids.iter().filter(|&uid| self.is_waiting(uid) && !self.is_asked_again(uid)).collect();
        for uid in missing {
            match (command.attempt, &refusal) {
                (Attempt::Facts | Attempt::Batch, _) => self.again.push_back((uid, Attempt::Alone)),
                (Attempt::Alone, _) => self.again.push_back((uid, Attempt::Probe)),
                // Neither given nor listed: it was expunged meanwhile.
                (Attempt::Probe, None) if !self.facts.contains_key(&uid) => self.finish(uid, 0, place, actions),
                (Attempt::Probe, _) => self.again.push_back((uid, Attempt::Bare)),
                (Attempt::Bare, refusal) => {
                    self.refused += 1;
                    let reason = match refusal {
                        Some(error) if self.refused > REFUSED_IN_ROW => {
                            return Err(
                                Error { kind: Failure::Transient, ..error.clone() }.at("the server refuses one message after the other")
                            );
                        }
                        Some(error) => error.clone(),
                        None => Error::new(Failure::Malformed, "the server lists the message and does not give it"),
                    };
                    let arrival = arrival(uid, &self.facts.get(&uid).cloned().unwrap_or_default(), place.folder);
                    self.set_aside(uid, arrival, reason, place, actions);
                }
            }
        }
        Ok(())
    }

    /// The response broke after its body, so its literal may have been shorter or longer than the message: it is asked for again alone,
    /// and set aside when that breaks too.
    pub(super) fn give_up_body(&mut self, why: &str, actions: &mut Actions) {
        let Some((token, _)) = self.ended.take() else { return };
        actions.put(Action::Finish(token, Err(Error::new(Failure::Malformed, why))));
        let attempt = self.commands.front().map_or(Attempt::Batch, |command| command.attempt);
        if let Some(Awaited::Delivery { arrival, uid, .. }) = self.answers.remove(&token) {
            self.answers.insert(token, Awaited::Broken { arrival, uid, attempt });
        }
    }
}
