//! What a conversation is: a state machine that is told what happened and answers what to do. It does no I/O and has no clock and
//! no randomness, so that a transcript replays it exactly.

use std::collections::VecDeque;

use crate::types::{Arrival, Change, Error, Level, Page, Scope};

/// A conversation, or a part of one that ends with an output.
///
/// ```
/// use postrider_connector::line::{Line, LineReader};
/// use postrider_connector::machine::{Actions, Input, Machine, Step};
/// use postrider_connector::testing::{Script, World};
/// use postrider_connector::types::{Error, Failure};
///
/// /// Asks for the greeting again, and ends with it.
/// struct Greeting(LineReader);
///
/// impl Machine for Greeting {
///     type Output = String;
///
///     fn step(&mut self, input: Input, actions: &mut Actions) -> Result<Step<String>, Error> {
///         match input {
///             Input::Start => actions.write("HELLO\r\n"),
///             Input::Octets(octets) => self.0.feed(octets),
///             Input::End => return Err(Error::new(Failure::Unreachable, "the server closed the line")),
///             Input::Lost(error) => return Err(error),
///             _ => {}
///         }
///         Ok(match self.0.line() {
///             Some(Line::Whole(line)) => Step::Done(String::from_utf8_lossy(line).into_owned()),
///             Some(Line::TooLong(_)) => return Err(Error::new(Failure::Malformed, "the greeting is too long")),
///             None => Step::Read,
///         })
///     }
/// }
///
/// let script = Script::parse("C: HELLO\nS: welcome");
/// let (words, _) = script.check(&World::default(), |player| player.run(&mut Greeting(LineReader::new(80))));
/// assert_eq!(words, "welcome");
/// ```
pub trait Machine {
    /// What it comes to.
    type Output;

    /// Take in what happened, put what to do about it into `actions`, and say what to wait for.
    ///
    /// # Errors
    /// The conversation cannot go on; the line is then not to be used again.
    fn step(&mut self, input: Input, actions: &mut Actions) -> Result<Step<Self::Output>, Error>;
}

/// What happened.
#[derive(Debug)]
pub enum Input {
    /// The first step.
    Start,
    /// The server sent these; never empty.
    Octets(Vec<u8>),
    /// The server ended the line: nothing is to be read any more. Answers still come.
    End,
    /// The line failed, with this: nothing is to be read or written any more. Answers still come, so that a machine can have made durable what
    /// came whole.
    Lost(Error),
    /// The timer that the machine set went off.
    Timer,
    /// The call that this machine serves has had its time. Given once.
    TimeUp,
    /// Another call waits for the line. Given once; only a machine that waits for nothing in particular heeds it.
    Wanted,
    /// The host answered a question, or took or refused a message.
    Answer(Token, Answer),
}

/// What to do.
#[derive(Debug)]
pub enum Action {
    /// Send these to the server, after everything sent before.
    Write(Vec<u8>),
    /// Ask the host; questions run beside each other and beside everything else.
    Ask(Token, Question),
    /// A message begins; its pieces follow in order, and exactly one `Finish`.
    Begin(Token, Scope, Box<Arrival>),
    /// Octets of it.
    Piece(Token, Vec<u8>),
    /// Its end: how many octets it had, or why there are not all. The host's answer follows as [`Answer::Done`].
    Finish(Token, Result<u64, Error>),
    /// Set the one timer to go off after so many milliseconds, or stop it.
    Timer(Option<u64>),
    /// Tell how far this scope has come, in messages.
    Progress(Scope, u64, Option<u64>),
    /// A line for the operator.
    Log(Level, String),
    /// Octets that the call gives back, in order: for a machine that runs with an [`Outlet`](crate::pump::Outlet). How many there were is the
    /// machine's output.
    Give(Vec<u8>),
}

/// What the host is asked: `wit/deps/mailbox.wit` says what each means.
#[derive(Debug, Clone)]
pub enum Question {
    /// `mailbox.unseen`; the answer is [`Answer::Ids`].
    Unseen(Scope, Vec<String>),
    /// `mailbox.known`; the answer is [`Answer::Page`].
    Known(Scope, Option<String>, u32),
    /// `mailbox.recognise`; the answer is [`Answer::Recognised`].
    Recognise(Scope, Vec<Arrival>),
    /// `mailbox.expendable`; the answer is [`Answer::Page`].
    Expendable(Scope, Option<String>, u32),
    /// `mailbox.set-aside`; the answer is [`Answer::Done`], as for all that follow.
    SetAside(Scope, Box<Arrival>, Error),
    /// `mailbox.changed`.
    Changed(Scope, Vec<Change>),
    /// `mailbox.removed`.
    Removed(Scope, Vec<String>),
    /// `mailbox.retired`.
    Retired(Scope),
    /// `mailbox.checkpoint`.
    Checkpoint(Scope, Vec<u8>),
    /// The next octets of the stream that the call brought, once everything written before has gone out; the answer is [`Answer::Octets`]. One at
    /// a time.
    Draw,
    /// `submission.committing` with this id, once everything written before has gone out; the answer is [`Answer::Done`]. Only a machine that runs with
    /// [`run_sending`](crate::pump::run_sending) may ask.
    Committing(String),
}

/// What the host answered.
#[derive(Debug)]
pub enum Answer {
    /// Whether it did.
    Done(Result<(), Error>),
    /// The ids not had.
    Ids(Result<Vec<String>, Error>),
    /// A page of ids.
    Page(Result<Page, Error>),
    /// One flag an arrival.
    Recognised(Result<Vec<bool>, Error>),
    /// Octets of the call's stream, at most 64 KiB; none at its end.
    Octets(Option<Vec<u8>>),
}

/// Which question or message an answer belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Token(pub u64);

/// What a machine waits for. Answers, the timer and `Wanted` come in any case.
#[derive(Debug, PartialEq, Eq)]
pub enum Step<T> {
    /// The server's next octets, within the account's read time-out.
    Read,
    /// The server's next octets, however long they take.
    Idle,
    /// Answers only: nothing is outstanding on the line.
    Wait,
    /// Nothing: this is the end. What was written before still goes out.
    Done(T),
}

/// Where a machine puts what is to be done, in order.
///
/// ```
/// use postrider_connector::machine::{Action, Actions, Question};
/// use postrider_connector::types::{Arrival, Level, Scope};
///
/// let scope = || Scope { folder: Some("INBOX".to_owned()), generation: "7".to_owned() };
/// let mut actions = Actions::default();
/// actions.write("A1 NOOP\r\n");
/// let message = actions.begin(scope(), Arrival::new("17"));
/// actions.put(Action::Piece(message, b"Subject: hi\r\n\r\n".to_vec()));
/// actions.put(Action::Finish(message, Ok(15)));
/// // The answer to each carries its token.
/// let checkpoint = actions.ask(Question::Checkpoint(scope(), b"17".to_vec()));
/// actions.put(Action::Log(Level::Info, "one message".to_owned()));
/// assert_ne!(message, checkpoint);
/// assert!(matches!(actions.pop(), Some(Action::Write(octets)) if octets == b"A1 NOOP\r\n"));
/// ```
#[derive(Debug, Default)]
pub struct Actions {
    queue: VecDeque<Action>,
    tokens: u64,
}

impl Actions {
    /// Send `octets`.
    pub fn write(&mut self, octets: impl Into<Vec<u8>>) {
        self.queue.push_back(Action::Write(octets.into()));
    }

    /// Ask the host; the answer carries the token returned here.
    pub fn ask(&mut self, question: Question) -> Token {
        let token = self.token();
        self.queue.push_back(Action::Ask(token, question));
        token
    }

    /// Begin a message; its pieces and its end are put with the token returned here.
    pub fn begin(&mut self, scope: Scope, arrival: Arrival) -> Token {
        let token = self.token();
        self.queue.push_back(Action::Begin(token, scope, Box::new(arrival)));
        token
    }

    /// Any other action.
    pub fn put(&mut self, action: Action) {
        self.queue.push_back(action);
    }

    /// The oldest action that is not done yet.
    pub fn pop(&mut self) -> Option<Action> {
        self.queue.pop_front()
    }

    const fn token(&mut self) -> Token {
        self.tokens += 1;
        Token(self.tokens)
    }
}
