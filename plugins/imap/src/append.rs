//! Storing a message in a folder (RFC 9051 section 6.3.12): its octets go from the call's stream to the line piece by piece, and the command ends only
//! when exactly as many came as were announced.

use postrider_connector::machine::{Actions, Answer, Input, Machine, Question, Step, Token};
use postrider_connector::types::{Error, Failure, Item};

use crate::command;
use crate::refusal;
use crate::response::code::Code;
use crate::response::date;
use crate::response::parse::{Condition, Response, Status};
use crate::session::{Event, Session, Tag};

/// Above this many octets the server is asked first even where it offers LITERAL+: it may refuse, and what it refuses is not sent.
const ASK_ABOVE: u64 = 64 << 10;

/// The most octets of a literal that nobody was asked about, with LITERAL- and IMAP4rev2 (RFC 7888 section 5, RFC 9051 section 4.3).
const LITERAL_MINUS: u64 = 4096;

/// One APPEND. The output is the message's UID, where the server tells (RFC 4315).
#[derive(Debug)]
pub struct Append<'a> {
    session: &'a mut Session,
    folder: String,
    item: Item,
    state: State,
    /// The answer to the command, where it came before the message's end.
    early: Option<Status>,
    /// What the server said of the folder's limit.
    limit: Option<u64>,
    uid: Option<u32>,
}

#[derive(Debug)]
enum State {
    Begin,
    /// How large may a message of this folder be?
    Limit(Tag),
    /// The server has not asked for the octets yet.
    Offer(Tag),
    /// So many octets are left; the next ones are asked for.
    Send(Tag, u64, Token),
    /// All was sent.
    End(Tag),
    Over,
}

impl<'a> Append<'a> {
    /// A message for `folder`.
    ///
    /// # Errors
    /// `gone` for a folder that is none, `misconfigured` for a keyword that is none, `too-large` over what the server takes.
    pub fn new(session: &'a mut Session, folder: &str, mut item: Item) -> Result<Self, Error> {
        session.name(folder)?;
        item.keywords.retain(|flag| !flag.eq_ignore_ascii_case("\\Recent"));
        if let Some(flag) = item.keywords.iter().find(|flag| !command::is_flag(flag)) {
            return Err(Error::new(Failure::Misconfigured, format!("`{flag}` is no IMAP flag or keyword")));
        }
        within(item.size, session.number_of("APPENDLIMIT"))?;
        Ok(Self { session, folder: folder.to_owned(), item, state: State::Begin, early: None, limit: None, uid: None })
    }

    fn begin(&mut self, actions: &mut Actions) -> Result<(), Error> {
        // Without a number, each mailbox has a limit of its own.
        if self.session.has("APPENDLIMIT") {
            let command = command::append_limit(&self.session.name(&self.folder)?);
            self.state = State::Limit(self.session.send(&command, actions));
            return Ok(());
        }
        self.offer(actions)
    }

    fn offer(&mut self, actions: &mut Actions) -> Result<(), Error> {
        let size = self.item.size;
        let unasked = (self.session.has("LITERAL+") && size <= ASK_ABOVE) || (self.session.has_rev2("LITERAL-") && size <= LITERAL_MINUS);
        let date = self.item.received.and_then(date::quoted);
        let command = command::append(&self.session.name(&self.folder)?, &self.item.keywords, date.as_deref(), size, unasked);
        let tag = self.session.send(&command, actions);
        self.state = if unasked { State::Send(tag, size, actions.ask(Question::Draw)) } else { State::Offer(tag) };
        Ok(())
    }

    fn drawn(&mut self, tag: Tag, left: u64, octets: Option<Vec<u8>>, actions: &mut Actions) -> Result<(), Error> {
        let size = self.item.size;
        match octets {
            Some(octets) => {
                let Some(left) = left.checked_sub(octets.len() as u64) else {
                    return Err(broken_off(format!("more octets came than the {size} announced")));
                };
                self.session.write(octets, actions);
                self.state = State::Send(tag, left, actions.ask(Question::Draw));
            }
            None if left > 0 => return Err(broken_off(format!("only {} of {size} octets came", size - left))),
            None => {
                self.session.write(&b"\r\n"[..], actions);
                self.state = State::End(tag);
                if let Some(status) = self.early.take() {
                    self.ended(&status)?;
                }
            }
        }
        Ok(())
    }

    fn ended(&mut self, status: &Status) -> Result<(), Error> {
        if status.condition != Condition::Ok {
            return Err(refusal::error(status).at(&format!("APPEND to {}", self.folder)));
        }
        if let Some(Code::AppendUid(_, uid)) = status.code {
            self.uid = Some(uid);
        }
        self.state = State::Over;
        Ok(())
    }

    fn event(&mut self, event: Event, actions: &mut Actions) -> Result<(), Error> {
        match (&self.state, event) {
            (State::Limit(_), Event::Untagged(Response::Status(_, items, _))) => {
                self.limit = items.iter().find(|(name, _)| name == "APPENDLIMIT").map(|(_, limit)| *limit);
            }
            // Where the question is refused, the APPEND itself will show.
            (State::Limit(tag), Event::Reply(reply, _)) if *tag == reply => {
                within(self.item.size, self.limit)?;
                self.offer(actions)?;
            }
            (State::Offer(tag), Event::Untagged(Response::Continue(_))) => {
                self.state = State::Send(*tag, self.item.size, actions.ask(Question::Draw));
            }
            // It takes the rest of the literal all the same.
            (State::Send(tag, ..), Event::Reply(reply, status)) if *tag == reply => self.early = Some(status),
            (State::Offer(tag) | State::End(tag), Event::Reply(reply, status)) if *tag == reply => self.ended(&status)?,
            _ => {}
        }
        Ok(())
    }
}

impl Machine for Append<'_> {
    type Output = Option<String>;

    fn step(&mut self, input: Input, actions: &mut Actions) -> Result<Step<Option<String>>, Error> {
        match input {
            Input::Start => self.begin(actions)?,
            Input::Octets(octets) => self.session.feed(octets),
            Input::End => return Err(self.session.ended()),
            Input::Lost(error) => return Err(error),
            Input::Answer(token, Answer::Octets(octets)) => {
                if let State::Send(tag, left, asked) = self.state
                    && asked == token
                {
                    self.drawn(tag, left, octets, actions)?;
                }
            }
            Input::Answer(..) | Input::Timer | Input::TimeUp | Input::Wanted => {}
        }
        while let Some(event) = self.session.next_event()? {
            self.event(event, actions)?;
        }
        Ok(match self.state {
            State::Over => Step::Done(self.uid.map(|uid| uid.to_string())),
            // However long the message takes to come: the server is silent meanwhile.
            State::Send(..) => Step::Idle,
            State::Begin | State::Limit(_) | State::Offer(_) | State::End(_) => Step::Read,
        })
    }
}

/// Whether a message of `size` octets may be sent where `limit` holds.
fn within(size: u64, limit: Option<u64>) -> Result<(), Error> {
    match limit {
        Some(limit) if size > limit => {
            Err(Error::new(Failure::TooLarge, format!("the message has {size} octets and the server takes {limit} (APPENDLIMIT)")))
        }
        _ => Ok(()),
    }
}

/// The literal cannot be ended: only dropping the line keeps the server from storing what came.
fn broken_off(words: String) -> Error {
    Error::new(Failure::Cancelled, words).at("APPEND")
}
