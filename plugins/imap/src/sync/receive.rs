//! Taking messages over: which of the new ones the host wants, FETCH by FETCH in a pipeline, each body straight on to the host, and
//! checkpoints on the way. Whatever happens to one message, the others go on.

use std::collections::{BTreeMap, VecDeque};

use postrider_connector::machine::{Action, Actions, Answer, Question, Token};
use postrider_connector::types::{Arrival, Change, Error, Failure, Level, Part, Scope};

use crate::command;
use crate::cursor::{Cursor, digest};
use crate::refusal;
use crate::response::fetch::{Body, Fetch};
use crate::response::parse::{Condition, Response, Status};
use crate::session::{Event, Session, Tag};
use crate::uid_set::UidSet;

/// Ids that one `unseen` asks about: the contract's most.
const UNSEEN_IDS: usize = 10_000;

/// While fewer UIDs than this wait for their FETCH, more are asked about.
const LOW_WATER: usize = 2_000;

/// Messages in a row that the server refuses, after which the server is thought to be at fault and not the messages.
const REFUSED_IN_ROW: u32 = 50;

/// Messages between two reports of progress.
const PROGRESS_EVERY: u64 = 100;

/// What stands around: the session, and where messages go.
pub(super) struct Place<'a> {
    pub(super) session: &'a mut Session,
    pub(super) scope: &'a Scope,
    pub(super) folder: &'a str,
    /// Everything told before has been answered, so that a checkpoint covers it.
    pub(super) is_settled: bool,
}

/// The messages to take over, and how far that is.
#[derive(Debug)]
pub(super) struct Receive {
    /// Everything found, for counting.
    found: UidSet,
    /// The host was not asked about these yet.
    candidates: UidSet,
    asking: Option<(Token, Vec<u32>)>,
    /// The host wants these, and no FETCH asked for them yet.
    wanted: VecDeque<u32>,
    /// Asked for, or done behind one that is not; ascending.
    open: VecDeque<Open>,
    /// To be asked for again, one by one.
    again: VecDeque<(u32, Attempt)>,
    commands: VecDeque<Fetching>,
    body: Option<Streaming>,
    /// A body is over and the response around it is not: only its end shows that the octets were counted right.
    ended: Option<(Token, u64)>,
    /// The response whose body was streamed has not ended yet.
    in_tail: Option<Tail>,
    answers: BTreeMap<Token, Awaited>,
    checkpoint: Option<Token>,
    messages_since: u64,
    octets_since: u64,
    refused: u32,
    done: u64,
    /// Ask for every message alone: this server tells the UID after the body.
    alone: bool,
    /// What the cursor holds besides `next` and `exists`.
    template: Cursor,
    /// Messages below the found ones.
    base: u64,
    /// What the host had already.
    had: UidSet,
    /// The sum of the digests of what was taken over.
    flags: u64,
}

#[derive(Debug)]
struct Open {
    uid: u32,
    state: Taking,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Taking {
    /// Nothing came yet.
    Waiting,
    /// It is on its way to the host, or is being set aside.
    Going,
    Done,
}

/// How often a message was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Attempt {
    /// With others.
    Batch,
    /// By itself.
    Alone,
    /// Only whether it is there.
    Probe,
}

#[derive(Debug)]
struct Fetching {
    tag: Tag,
    uids: UidSet,
    attempt: Attempt,
}

#[derive(Debug)]
struct Streaming {
    /// None: nobody wants it.
    token: Option<Token>,
    octets: u64,
}

#[derive(Debug)]
struct Tail {
    uid: Option<u32>,
    had_flags: bool,
}

#[derive(Debug)]
enum Awaited {
    Delivery {
        arrival: Arrival,
        uid: u32,
        octets: u64,
    },
    /// The response broke after the body: the host keeps nothing of it.
    Broken {
        arrival: Arrival,
        uid: u32,
        attempt: Attempt,
    },
    SetAside {
        uid: u32,
    },
    Change,
}

impl Receive {
    pub(super) fn new(found: UidSet, template: Cursor, base: u64, alone: bool) -> Self {
        Self {
            candidates: found.clone(),
            found,
            asking: None,
            wanted: VecDeque::new(),
            open: VecDeque::new(),
            again: VecDeque::new(),
            commands: VecDeque::new(),
            body: None,
            ended: None,
            in_tail: None,
            answers: BTreeMap::new(),
            checkpoint: None,
            messages_since: 0,
            octets_since: 0,
            refused: 0,
            done: 0,
            alone,
            template,
            base,
            had: UidSet::default(),
            flags: 0,
        }
    }

    /// What was found, what of it the host had already, and the digest of what was taken over.
    pub(super) fn outcome(&self) -> (&UidSet, &UidSet, u64) {
        (&self.found, &self.had, self.flags)
    }

    /// Whether everything found was taken over, set aside or is gone, and nothing is under way.
    pub(super) fn is_over(&self) -> bool {
        self.candidates.is_empty()
            && self.asking.is_none()
            && self.wanted.is_empty()
            && self.again.is_empty()
            && self.commands.is_empty()
            && self.answers.is_empty()
            && self.checkpoint.is_none()
    }

    /// Ask and fetch as much as may be under way.
    pub(super) fn advance(&mut self, place: &mut Place<'_>, actions: &mut Actions) {
        if self.asking.is_none() && self.wanted.len() < LOW_WATER && !self.candidates.is_empty() {
            let uids = self.candidates.take(UNSEEN_IDS);
            let ids = uids.iter().map(u32::to_string).collect();
            self.asking = Some((actions.ask(Question::Unseen(place.scope.clone(), ids)), uids));
        }
        while self.commands.len() < place.session.settings.pipeline {
            let Some((uids, attempt)) = self.next_batch(place.session.settings.batch_messages) else { break };
            let command = match attempt {
                Attempt::Batch | Attempt::Alone => command::fetch_messages(&uids, place.session.has("OBJECTID")),
                Attempt::Probe => command::fetch_flags_of(&uids),
            };
            let tag = place.session.send(&command, actions);
            self.commands.push_back(Fetching { tag, uids, attempt });
        }
        let settings = &place.session.settings;
        let is_due = self.messages_since >= settings.checkpoint_messages || self.octets_since >= settings.checkpoint_octets;
        if is_due && place.is_settled && self.checkpoint.is_none() {
            let cursor = self.cursor();
            self.checkpoint = Some(actions.ask(Question::Checkpoint(place.scope.clone(), cursor.encode())));
            self.messages_since = 0;
            self.octets_since = 0;
        }
    }

    /// Take in what the server sent.
    pub(super) fn event(&mut self, event: Event, place: &mut Place<'_>, actions: &mut Actions) -> Result<(), Error> {
        match event {
            Event::Body(fetch, octets) => self.begin(&fetch, octets, place, actions),
            Event::Piece(octets) => {
                if let Some(body) = &mut self.body {
                    body.octets += octets.len() as u64;
                    if let Some(token) = body.token {
                        actions.put(Action::Piece(token, octets));
                    }
                }
            }
            Event::BodyEnd => {
                self.ended = self.body.take().and_then(|body| Some((body.token?, body.octets)));
            }
            Event::Untagged(Response::Fetch(_, fetch)) => match self.in_tail.take() {
                Some(tail) => {
                    if let Some((token, octets)) = self.ended.take() {
                        actions.put(Action::Finish(token, Ok(octets)));
                    }
                    self.end(&tail, &fetch, place, actions);
                }
                None => self.whole(*fetch, place, actions),
            },
            // What cannot be read is missing when its command ends, and is asked for again by itself.
            Event::Untagged(_) => {}
            Event::Lost(shown) => {
                self.in_tail = None;
                self.give_up_body(actions);
                actions.put(Action::Log(Level::Warn, format!("a response in {} cannot be read: {shown}", place.folder)));
            }
            Event::Reply(tag, status) => self.reply(tag, &status, place, actions)?,
        }
        Ok(())
    }

    /// Whether an answer is for here.
    pub(super) fn awaits(&self, token: Token) -> bool {
        self.checkpoint == Some(token)
            || self.asking.as_ref().is_some_and(|(asked, _)| *asked == token)
            || self.answers.contains_key(&token)
    }

    /// Take in an answer.
    pub(super) fn answer(&mut self, token: Token, answer: Answer, place: &mut Place<'_>, actions: &mut Actions) -> Result<(), Error> {
        if self.checkpoint == Some(token) {
            self.checkpoint = None;
            return done(answer);
        }
        if let Some((_, uids)) = self.asking.take_if(|(asked, _)| *asked == token) {
            let Answer::Ids(ids) = answer else { return Ok(()) };
            let unseen: UidSet = ids?.iter().filter_map(|id| id.parse::<u32>().ok()).collect();
            for uid in uids {
                if unseen.contains(uid) {
                    self.wanted.push_back(uid);
                } else {
                    self.had.insert(uid);
                    self.done += 1;
                }
            }
            return Ok(());
        }
        match self.answers.remove(&token) {
            None | Some(Awaited::Change) => done(answer),
            Some(Awaited::SetAside { uid }) => {
                done(answer)?;
                self.finish(uid, 0, place, actions);
                Ok(())
            }
            Some(Awaited::Broken { uid, attempt: Attempt::Batch, .. }) => {
                self.set(uid, Taking::Waiting);
                self.again.push_back((uid, Attempt::Alone));
                Ok(())
            }
            Some(Awaited::Broken { arrival, uid, .. }) => {
                let reason = Error::new(Failure::Malformed, "the server counts the message's octets wrong");
                self.set_aside(uid, arrival, reason, place, actions);
                Ok(())
            }
            Some(Awaited::Delivery { arrival, uid, octets }) => {
                // The host may refuse a message before its end: nothing more of it is handed on.
                if let Some(body) = &mut self.body
                    && body.token == Some(token)
                {
                    body.token = None;
                }
                match done(answer) {
                    Ok(()) => {
                        self.flags = self.flags.wrapping_add(digest(uid, &arrival.keywords));
                        self.finish(uid, octets, place, actions);
                    }
                    Err(error) if error.concerns_one_message() => self.set_aside(uid, arrival, error, place, actions),
                    Err(error) => return Err(error.at(&format!("message {uid} in {}", place.folder))),
                }
                Ok(())
            }
        }
    }

    /// The next UIDs to ask for.
    fn next_batch(&mut self, most: usize) -> Option<(UidSet, Attempt)> {
        if let Some((uid, attempt)) = self.again.pop_front() {
            return Some((UidSet::range(uid, uid), attempt));
        }
        let most = if self.alone { 1 } else { most };
        // A batch that is not full yet waits while the pipeline has others and more is to come.
        if self.wanted.is_empty() || (self.wanted.len() < most && self.asking.is_some() && !self.commands.is_empty()) {
            return None;
        }
        let uids: UidSet = self.wanted.drain(..most.min(self.wanted.len())).collect();
        self.open.extend(uids.iter().map(|uid| Open { uid, state: Taking::Waiting }));
        Some((uids, if self.alone { Attempt::Alone } else { Attempt::Batch }))
    }

    /// A body begins.
    fn begin(&mut self, fetch: &Fetch, octets: u64, place: &Place<'_>, actions: &mut Actions) {
        let uid = fetch.uid.or_else(|| self.only_uid());
        self.in_tail = Some(Tail { uid, had_flags: fetch.flags.is_some() });
        let token = uid.filter(|&uid| self.is_waiting(uid)).map(|uid| {
            let arrival = arrival(uid, fetch, place.folder);
            let token = actions.begin(place.scope.clone(), arrival.clone());
            self.answers.insert(token, Awaited::Delivery { arrival, uid, octets });
            self.set(uid, Taking::Going);
            self.refused = 0;
            token
        });
        self.body = Some(Streaming { token, octets: 0 });
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
        let probed = self.commands.front().is_some_and(|command| command.attempt == Attempt::Probe);
        let uid = if is_bodiless { fetch.uid } else { fetch.uid.or_else(|| self.only_uid()) };
        let Some(uid) = uid.filter(|&uid| self.is_waiting(uid)) else { return };
        let body = std::mem::take(&mut fetch.body);
        match body {
            Body::Text(text) => {
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
            Body::None if probed && self.only_uid() == Some(uid) => {
                let arrival = arrival(uid, &fetch, place.folder);
                self.set_aside(
                    uid,
                    arrival,
                    Error::new(Failure::Malformed, "the server lists the message and does not give it"),
                    place,
                    actions,
                );
            }
            Body::None => {}
        }
    }

    /// A FETCH ended: what it did not bring is asked for again, alone, then probed for.
    fn reply(&mut self, tag: Tag, status: &Status, place: &Place<'_>, actions: &mut Actions) -> Result<(), Error> {
        let Some(at) = self.commands.iter().position(|command| command.tag == tag) else { return Ok(()) };
        let Some(command) = self.commands.remove(at) else { return Ok(()) };
        let refusal = (status.condition != Condition::Ok).then(|| refusal::error(status));
        let missing: Vec<u32> = command.uids.iter().filter(|&uid| self.is_waiting(uid) && !self.is_asked_again(uid)).collect();
        for uid in missing {
            match (command.attempt, &refusal) {
                (Attempt::Batch, Some(error)) | (Attempt::Alone, Some(error)) | (Attempt::Probe, Some(error))
                    if refusal::is_passing(error) =>
                {
                    return Err(error.clone().at(&format!("FETCH in {}", place.folder)));
                }
                (Attempt::Batch, _) => self.again.push_back((uid, Attempt::Alone)),
                (Attempt::Alone, None) => self.again.push_back((uid, Attempt::Probe)),
                // Neither given nor listed: it was expunged meanwhile.
                (Attempt::Probe, None) => self.finish(uid, 0, place, actions),
                (Attempt::Alone | Attempt::Probe, Some(error)) => {
                    self.refused += 1;
                    if self.refused > REFUSED_IN_ROW {
                        return Err(
                            Error { kind: Failure::Transient, ..error.clone() }.at("the server refuses one message after the other")
                        );
                    }
                    let arrival = arrival(uid, &Fetch::default(), place.folder);
                    self.set_aside(uid, arrival, error.clone(), place, actions);
                }
            }
        }
        Ok(())
    }

    fn set_aside(&mut self, uid: u32, arrival: Arrival, reason: Error, place: &Place<'_>, actions: &mut Actions) {
        actions.put(Action::Log(Level::Warn, format!("message {uid} in {} is set aside: {}", place.folder, reason.message)));
        self.set(uid, Taking::Going);
        let token = actions.ask(Question::SetAside(place.scope.clone(), Box::new(arrival), reason));
        self.answers.insert(token, Awaited::SetAside { uid });
    }

    fn finish(&mut self, uid: u32, octets: u64, place: &Place<'_>, actions: &mut Actions) {
        self.set(uid, Taking::Done);
        while self.open.front().is_some_and(|open| open.state == Taking::Done) {
            self.open.pop_front();
        }
        self.messages_since += 1;
        self.octets_since += octets;
        self.done += 1;
        if self.done.is_multiple_of(PROGRESS_EVERY) || self.done == self.found.count() {
            actions.put(Action::Progress(place.scope.clone(), self.base + self.done, Some(self.base + self.found.count())));
        }
    }

    /// How far it is now: up to the first message that is not done.
    fn cursor(&self) -> Cursor {
        let waiting = self.again.iter().map(|(uid, _)| *uid);
        let firsts = [
            self.open.front().map(|open| open.uid),
            self.wanted.front().copied(),
            self.asking.as_ref().and_then(|(_, uids)| uids.first().copied()),
            self.candidates.first(),
        ];
        let next = firsts.into_iter().flatten().chain(waiting).min().unwrap_or(self.template.next);
        // Flags of what the host had already are told at the end: until then they count as unknown.
        let modseq = if self.had.is_empty() { self.template.modseq } else { 0 };
        Cursor { next, modseq, exists: self.base + self.found.count_below(next), flags: 0, ..self.template.clone() }
    }

    /// The response broke after its body, so its literal may have been shorter or longer than the message: it is asked for again alone,
    /// and set aside when that breaks too.
    fn give_up_body(&mut self, actions: &mut Actions) {
        let Some((token, _)) = self.ended.take() else { return };
        actions.put(Action::Finish(token, Err(Error::new(Failure::Malformed, "the response around the message cannot be read"))));
        let attempt = self.commands.front().map_or(Attempt::Batch, |command| command.attempt);
        if let Some(Awaited::Delivery { arrival, uid, .. }) = self.answers.remove(&token) {
            self.answers.insert(token, Awaited::Broken { arrival, uid, attempt });
        }
    }

    /// The UID that the oldest command asks for, where that is one only.
    fn only_uid(&self) -> Option<u32> {
        let command = self.commands.front()?;
        if command.uids.count() == 1 { command.uids.first() } else { None }
    }

    fn is_asked_again(&self, uid: u32) -> bool {
        self.again.iter().any(|(again, _)| *again == uid) || self.commands.iter().any(|command| command.uids.contains(uid))
    }

    fn is_waiting(&self, uid: u32) -> bool {
        self.at(uid).and_then(|at| self.open.get(at)).is_some_and(|open| open.state == Taking::Waiting)
    }

    fn set(&mut self, uid: u32, state: Taking) {
        if let Some(open) = self.at(uid).and_then(|at| self.open.get_mut(at)) {
            open.state = state;
        }
    }

    fn at(&self, uid: u32) -> Option<usize> {
        self.open.binary_search_by_key(&uid, |open| open.uid).ok()
    }
}

/// An answer that is only whether it was done.
pub(super) fn done(answer: Answer) -> Result<(), Error> {
    match answer {
        Answer::Done(result) => result,
        Answer::Ids(_) | Answer::Page(_) | Answer::Recognised(_) => Ok(()),
    }
}

fn arrival(uid: u32, fetch: &Fetch, folder: &str) -> Arrival {
    Arrival {
        id: uid.to_string(),
        stable: fetch.email_id.clone(),
        folders: vec![folder.to_owned()],
        keywords: fetch.flags.clone().unwrap_or_default(),
        thread: fetch.thread_id.clone(),
        received: fetch.received,
        size: fetch.size,
        part: Part::Whole,
        extra: Vec::new(),
    }
}
