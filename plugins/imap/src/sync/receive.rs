//! Taking messages over: which of the new ones the host wants, FETCH by FETCH in a pipeline, each body straight on to the host, and
//! checkpoints on the way. Whatever happens to one message, the others go on.

mod response;

use std::collections::{BTreeMap, VecDeque};

use postrider_connector::machine::{Action, Actions, Answer, Question, Token};
use postrider_connector::types::{Arrival, Error, Failure, Level, Part, Scope};

use crate::command;
use crate::cursor::{Cursor, digest};
use crate::mailbox_name;
use crate::response::fetch::Fetch;
use crate::session::{Session, Tag};
use crate::uid_set::UidSet;

/// Ids that one `unseen` asks about: the contract's most.
const UNSEEN_IDS: usize = 10_000;

/// While fewer UIDs than this wait for their FETCH, more are asked about.
const LOW_WATER: usize = 2_000;

/// Gmail's labels of one message that are told, and the octets of one: the contract has 64 pairs of 4,096 octets.
const LABELS: usize = 60;
const LABEL_OCTETS: usize = 1_000;

/// Commands under way at the beginning.
const FIRST_DEPTH: usize = 3;

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
    /// Asked for, and not done.
    open: BTreeMap<u32, Taking>,
    /// What is known of messages before their octets come.
    facts: BTreeMap<u32, Fetch>,
    /// Their facts are known, and no FETCH asked for their octets yet.
    identified: VecDeque<UidSet>,
    /// To be asked for again, one by one.
    again: VecDeque<(u32, Attempt)>,
    commands: VecDeque<Fetching>,
    /// How many of them may be under way.
    depth: usize,
    /// One ended since the line was looked at.
    has_answer: bool,
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
    /// Ask for what is to be known of messages before their octets: their ids may say that they are here already, or this server tells the date after
    /// the body.
    facts_first: bool,
    /// Newest first.
    is_descending: bool,
    /// What the cursor holds besides `next` and `exists`.
    template: Cursor,
    /// Messages below the found ones, or [`Cursor::UNCOUNTED`].
    base: u64,
    /// What the host had already.
    had: UidSet,
    /// The sum of the digests of what was taken over.
    flags: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Taking {
    /// Nothing came yet.
    Waiting,
    /// It is on its way to the host, or is being set aside.
    Going,
}

/// How often a message was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Attempt {
    /// With others, without their octets.
    Facts,
    /// With others.
    Batch,
    /// By itself.
    Alone,
    /// Only whether it is there, and its flags.
    Probe,
    /// Its octets and nothing else: whatever else the server cannot say of it.
    Bare,
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
    /// How many the literal is said to have.
    announced: u64,
}

#[derive(Debug)]
struct Tail {
    uid: Option<u32>,
    had_flags: bool,
    had_date: bool,
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
    /// Which of these has the host already, by their stable ids?
    Recognised(Vec<Arrival>),
    Change,
}

impl Receive {
    pub(super) fn new(found: UidSet, template: Cursor, base: u64, session: &Session) -> Self {
        Self {
            candidates: found.clone(),
            found,
            asking: None,
            wanted: VecDeque::new(),
            open: BTreeMap::new(),
            facts: BTreeMap::new(),
            identified: VecDeque::new(),
            again: VecDeque::new(),
            commands: VecDeque::new(),
            depth: FIRST_DEPTH.min(session.settings.pipeline),
            has_answer: false,
            body: None,
            ended: None,
            in_tail: None,
            answers: BTreeMap::new(),
            checkpoint: None,
            messages_since: 0,
            octets_since: 0,
            refused: 0,
            done: 0,
            alone: false,
            facts_first: !session.further_items().is_empty(),
            is_descending: session.settings.newest_first,
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

    /// The line is lost: whatever did not come whole will not come.
    pub(super) fn give_up_line(&mut self, actions: &mut Actions) {
        self.ended = self.ended.take().or_else(|| self.body.take().and_then(|body| Some((body.token?, body.octets))));
        self.give_up_body("the line was lost in the middle of the message", actions);
        self.commands.clear();
        self.asking = None;
    }

    /// After the line is lost: once all that came whole is taken over, ask for a checkpoint; true: it is there, or there is nothing to
    /// make durable.
    pub(super) fn keep(&mut self, is_settled: bool, scope: &Scope, actions: &mut Actions) -> bool {
        if !is_settled || self.checkpoint.is_some() || !self.answers.is_empty() {
            return false;
        }
        if self.messages_since > 0 {
            self.ask_checkpoint(scope, actions);
        }
        self.checkpoint.is_none()
    }

    /// Whether answers are outstanding, so that the line may have been held back.
    pub(super) fn is_waiting_for_host(&self) -> bool {
        let taken_over = |awaited: &Awaited| !matches!(awaited, Awaited::Delivery { .. });
        self.asking.is_some() || self.checkpoint.is_some() || self.ended.is_some() || self.answers.values().any(taken_over)
    }

    /// Whether everything found was taken over, set aside or is gone, and nothing is under way.
    pub(super) fn is_over(&self) -> bool {
        self.candidates.is_empty()
            && self.asking.is_none()
            && self.wanted.is_empty()
            && self.identified.is_empty()
            && self.again.is_empty()
            && self.commands.is_empty()
            && self.answers.is_empty()
            && self.checkpoint.is_none()
    }

    /// Ask and fetch as much as may be under way.
    pub(super) fn advance(&mut self, place: &mut Place<'_>, actions: &mut Actions) {
        if self.asking.is_none() && self.wanted.len() < LOW_WATER && !self.candidates.is_empty() {
            let uids = if self.is_descending { self.candidates.take_last(UNSEEN_IDS) } else { self.candidates.take(UNSEEN_IDS) };
            let ids = uids.iter().map(u32::to_string).collect();
            self.asking = Some((actions.ask(Question::Unseen(place.scope.clone(), ids)), uids));
        }
        while self.commands.len() < self.depth {
            let Some((uids, attempt)) = self.next_batch(place.session.settings.batch_messages) else { break };
            let command = match attempt {
                Attempt::Facts => command::fetch_facts(&uids, place.session.further_items()),
                Attempt::Batch | Attempt::Alone => command::fetch_messages(&uids, place.session.further_items()),
                Attempt::Probe => command::fetch_flags_of(&uids),
                Attempt::Bare => command::fetch_octets(&uids),
            };
            let tag = place.session.send(&command, actions);
            self.commands.push_back(Fetching { tag, uids, attempt });
        }
        let settings = &place.session.settings;
        let is_due = self.messages_since >= settings.checkpoint_messages || self.octets_since >= settings.checkpoint_octets;
        if is_due && place.is_settled && self.checkpoint.is_none() {
            self.ask_checkpoint(place.scope, actions);
        }
    }

    /// What a read gave was taken in. `is_quiet`: it ended with a whole response. Where that was the end of a command and nothing of the next one's answer came
    /// with it, the line may have run dry, and more commands are sent ahead: the farther the server is, and the less each brings, the more. `most`: of all.
    pub(super) fn look_at_line(&mut self, is_quiet: bool, most: usize) {
        if std::mem::take(&mut self.has_answer) && is_quiet && self.commands.len() + 1 >= self.depth {
            self.depth = (self.depth + 1).min(most);
        }
    }

    fn ask_checkpoint(&mut self, scope: &Scope, actions: &mut Actions) {
        self.checkpoint = Some(actions.ask(Question::Checkpoint(scope.clone(), self.cursor().encode())));
        self.messages_since = 0;
        self.octets_since = 0;
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
            Some(Awaited::Broken { uid, attempt, .. }) if attempt != Attempt::Bare => {
                self.set(uid, Taking::Waiting);
                self.again.push_back((uid, if attempt == Attempt::Batch { Attempt::Alone } else { Attempt::Bare }));
                Ok(())
            }
            Some(Awaited::Recognised(arrivals)) => {
                let Answer::Recognised(known) = answer else { return Ok(()) };
                self.recognised(&arrivals, &known?, place, actions);
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
        if let Some(uids) = self.identified.pop_front() {
            return Some((uids, if self.alone { Attempt::Alone } else { Attempt::Batch }));
        }
        let most = if self.alone && !self.facts_first { 1 } else { most };
        // A batch that is not full yet waits while the pipeline has others and more is to come.
        if self.wanted.is_empty() || (self.wanted.len() < most && self.asking.is_some() && !self.commands.is_empty()) {
            return None;
        }
        let uids: UidSet = self.wanted.drain(..most.min(self.wanted.len())).collect();
        self.open.extend(uids.iter().map(|uid| (uid, Taking::Waiting)));
        let attempt = match (self.facts_first, self.alone) {
            (true, _) => Attempt::Facts,
            (false, true) => Attempt::Alone,
            (false, false) => Attempt::Batch,
        };
        Some((uids, attempt))
    }

    /// The facts of `uids` are here, as far as the server gave them: those that the host may have already are shown to it, the others' octets are next.
    fn identify(&mut self, uids: &UidSet, place: &Place<'_>, actions: &mut Actions) {
        let waiting: Vec<u32> = uids.iter().filter(|&uid| self.is_waiting(uid)).collect();
        let known = |uid: &u32| self.facts.get(uid).filter(|facts| facts.email_id.is_some());
        let (with_ids, without): (Vec<u32>, Vec<u32>) = waiting.into_iter().partition(|uid| known(uid).is_some());
        let arrivals: Vec<Arrival> = with_ids.iter().filter_map(|uid| Some(arrival(*uid, known(uid)?, place.folder))).collect();
        self.fetch_identified(&without);
        if !arrivals.is_empty() {
            let token = actions.ask(Question::Recognise(place.scope.clone(), arrivals.clone()));
            self.answers.insert(token, Awaited::Recognised(arrivals));
        }
    }

    fn recognised(&mut self, arrivals: &[Arrival], known: &[bool], place: &Place<'_>, actions: &mut Actions) {
        let mut wanted = Vec::new();
        for (at, arrival) in arrivals.iter().enumerate() {
            let Ok(uid) = arrival.id.parse() else { continue };
            if known.get(at) == Some(&true) {
                self.flags = self.flags.wrapping_add(digest(uid, &arrival.keywords));
                self.finish(uid, 0, place, actions);
            } else {
                wanted.push(uid);
            }
        }
        self.fetch_identified(&wanted);
    }

    fn fetch_identified(&mut self, uids: &[u32]) {
        let most = if self.alone { 1 } else { uids.len().max(1) };
        self.identified.extend(uids.chunks(most).map(|chunk| chunk.iter().copied().collect::<UidSet>()));
    }

    fn set_aside(&mut self, uid: u32, arrival: Arrival, reason: Error, place: &Place<'_>, actions: &mut Actions) {
        actions.put(Action::Log(Level::Warn, format!("message {uid} in {} is set aside: {}", place.folder, reason.message)));
        self.set(uid, Taking::Going);
        let token = actions.ask(Question::SetAside(place.scope.clone(), Box::new(arrival), reason));
        self.answers.insert(token, Awaited::SetAside { uid });
    }

    fn finish(&mut self, uid: u32, octets: u64, place: &Place<'_>, actions: &mut Actions) {
        self.open.remove(&uid);
        self.facts.remove(&uid);
        self.messages_since += 1;
        self.octets_since += octets;
        self.done += 1;
        if self.done.is_multiple_of(PROGRESS_EVERY) || self.done == self.found.count() {
            let before = if self.base == Cursor::UNCOUNTED { 0 } else { self.base };
            actions.put(Action::Progress(place.scope.clone(), before + self.done, Some(before + self.found.count())));
        }
    }

    /// How far it is now: up to the first message that is not done.
    fn cursor(&self) -> Cursor {
        let waiting = self.again.iter().map(|(uid, _)| *uid);
        let firsts = [
            self.open.first_key_value().map(|(uid, _)| *uid),
            self.wanted.front().copied(),
            self.wanted.back().copied(),
            self.asking.as_ref().and_then(|(_, uids)| uids.iter().min().copied()),
            self.candidates.first(),
        ];
        let next = firsts.into_iter().flatten().chain(waiting).min().unwrap_or(self.template.next);
        // Flags of what the host had already are told at the end: until then they count as unknown.
        let modseq = if self.had.is_empty() { self.template.modseq } else { 0 };
        let is_complete = next == self.template.next && self.base != Cursor::UNCOUNTED;
        let exists = if is_complete { self.base + self.found.count() } else { Cursor::UNCOUNTED };
        Cursor { next, modseq, exists, flags: 0, ..self.template.clone() }
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
        self.open.get(&uid) == Some(&Taking::Waiting)
    }

    fn set(&mut self, uid: u32, state: Taking) {
        if let Some(open) = self.open.get_mut(&uid) {
            *open = state;
        }
    }
}

/// An answer that is only whether it was done.
pub(super) fn done(answer: Answer) -> Result<(), Error> {
    match answer {
        Answer::Done(result) => result,
        Answer::Ids(_) | Answer::Page(_) | Answer::Recognised(_) | Answer::Octets(_) => Ok(()),
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
        extra: labels(fetch),
    }
}

/// Gmail's labels, a pair each, in Unicode: the folder that a message is received from is only one of them.
fn labels(fetch: &Fetch) -> Vec<(String, String)> {
    let labels = fetch.labels.iter().flatten().filter(|label| label.len() <= LABEL_OCTETS).take(LABELS);
    labels.map(|label| ("gmail-label".to_owned(), mailbox_name::path(label, None, false).concat())).collect()
}
