//! What a connector for Postrider is built from: the contract's bindings, readers for lines and what stands between them, requests for REST services, the contract of a
//! protocol's state machine, the one pump that runs it, and (feature `testing`) the kit that tests it natively.
//!
//! | module | what it holds |
//! |---|---|
//! | [`bindings`] | generated from `wit/`; the three `export_*` macros |
//! | [`types`] | the contract's types under short names |
//! | [`error`] | making and placing the contract's errors |
//! | [`line`], [`literal`], [`dot_stuffing`] | octets to lines, counted octets and dot-stuffed text, with limits, without I/O |
//! | [`http`] | requests, answers, bodies with honest ends, paging, retry hints |
//! | [`machine`] | what a conversation is: inputs, actions, steps |
//! | [`pace`] | when a server is too slow to be waited for |
//! | [`turn`] | who has the line, and who wants it |
//! | [`pump`] | runs a machine on a connection and the mailbox, or with the message that is sent |
//! | [`rest`] | the host as a REST conversation sees it |
//! | [`settings`] | the account's settings as one type, and the manifest's schema from it |
//! | `testing` | transcripts, cut and closed everywhere |
//!
//! Left out on purpose: protocols (they are the connectors'), clocks and randomness (a machine gets them as input).
//!
//! # From nothing to a connector
//!
//! **1. Make a project.** `postrider connector new my-mail --kind line` (or `rest`) writes one that builds, tests and packs as it is. What follows is what stands in it.
//!
//! **2. Settings** are a struct; the manifest's schema is made of it ([`settings`]).
//!
//! **3. The conversation** knows the protocol and nothing of I/O. On a line it is a [`machine::Machine`], told what happened and answering what to do. This one
//! receives a mailbox whose server has a `COUNT` and a `GET`:
//!
//! ```
//! use postrider_connector::line::{Line, LineReader};
//! use postrider_connector::literal::Literal;
//! use postrider_connector::machine::{Action, Actions, Answer, Input, Machine, Question, Step, Token};
//! use postrider_connector::types::{Arrival, Error, Failure, Scope};
//!
//! struct Receive {
//!     reader: LineReader,
//!     /// Messages that are not fetched yet, once the server has told how many there are.
//!     left: Option<u32>,
//!     /// The message that is being read.
//!     body: Option<(Token, u64, Literal)>,
//!     checkpoint: Option<Token>,
//! }
//!
//! fn scope() -> Scope {
//!     Scope { folder: Some("INBOX".to_owned()), generation: String::new() }
//! }
//!
//! impl Receive {
//!     fn new() -> Self {
//!         Self { reader: LineReader::new(1024), left: None, body: None, checkpoint: None }
//!     }
//!
//!     /// Take in one line, or some octets of a message; false: more must be read first.
//!     fn take_in(&mut self, actions: &mut Actions) -> Result<bool, Error> {
//!         if let Some((token, octets, mut body)) = self.body.take() {
//!             let piece = body.piece(&mut self.reader);
//!             let has_come = piece.is_some();
//!             actions.put(match piece {
//!                 Some(piece) => Action::Piece(token, piece),
//!                 None if body.is_over() => Action::Finish(token, Ok(octets)),
//!                 None => {
//!                     self.body = Some((token, octets, body));
//!                     return Ok(false);
//!                 }
//!             });
//!             if has_come {
//!                 self.body = Some((token, octets, body));
//!             } else {
//!                 self.left = self.left.map(|left| left - 1);
//!                 self.fetch_next(actions);
//!             }
//!             return Ok(true);
//!         }
//!         let Some(Line::Whole(line)) = self.reader.line() else { return Ok(false) };
//!         let number = std::str::from_utf8(line).ok().and_then(|line| line.parse().ok());
//!         let number: u32 = number.ok_or_else(|| Error::new(Failure::Malformed, "the server sends no number"))?;
//!         match self.left {
//!             None => {
//!                 self.left = Some(number);
//!                 self.fetch_next(actions);
//!             }
//!             Some(left) => {
//!                 let token = actions.begin(scope(), Arrival::new(&left.to_string()));
//!                 self.body = Some((token, number.into(), Literal::new(number.into())));
//!             }
//!         }
//!         Ok(true)
//!     }
//!
//!     fn fetch_next(&mut self, actions: &mut Actions) {
//!         match self.left {
//!             Some(0) | None => self.checkpoint = Some(actions.ask(Question::Checkpoint(scope(), Vec::new()))),
//!             Some(left) => actions.write(format!("GET {left}\r\n")),
//!         }
//!     }
//! }
//!
//! impl Machine for Receive {
//!     type Output = ();
//!
//!     fn step(&mut self, input: Input, actions: &mut Actions) -> Result<Step<()>, Error> {
//!         match input {
//!             Input::Start => actions.write("COUNT\r\n"),
//!             Input::Octets(octets) => self.reader.feed(octets),
//!             Input::End => return Err(Error::new(Failure::Unreachable, "the server closed the line")),
//!             Input::Lost(error) => return Err(error),
//!             Input::Answer(token, Answer::Done(done)) => {
//!                 done?;
//!                 if Some(token) == self.checkpoint {
//!                     return Ok(Step::Done(()));
//!                 }
//!             }
//!             _ => {}
//!         }
//!         while self.checkpoint.is_none() && self.take_in(actions)? {}
//!         Ok(if self.checkpoint.is_some() { Step::Wait } else { Step::Read })
//!     }
//! }
//!
//! // 4. Its test: the dialogue, played cut at every octet, with late answers, and with the line closed everywhere.
//! use postrider_connector::testing::{Script, World};
//!
//! let (_, world) = Script::parse(r"
//!     C: COUNT
//!     S: 2
//!     C: GET 2
//!     S: 6
//!     S< two\r\n\x21
//!     C: GET 1
//!     S: 5
//!     S< one\r\n
//! ").check(&World::default(), |player| player.run(&mut Receive::new()));
//! assert_eq!(world.octets("INBOX", "", "2"), Some(b"two\r\n!".as_slice()));
//! ```
//!
//! What it lacks, the template has: it asks what the host has already, sets a message aside that cannot be had, and makes durable what came before a line was lost
//! (`with_cursor` holds it to that). A REST service's conversation is an async function instead: [`rest`].
//!
//! **5. The shell** implements the contract's session with it ([`bindings`], [`pump`], [`turn`]) and exists in the component only:
//!
//! ```ignore
//! struct Component;
//!
//! impl Guest for Component {
//!     type Session = Session;
//! }
//!
//! postrider_connector::export_receiver!(Component);
//! ```
//!
//! **6. Build, pack, approve.** `cargo build --release --target wasm32-wasip2`, `postrider connector pack COMPONENT --manifest connector.toml`, `postrider connector
//! install COMPONENT`, `postrider connector approve ID`, `postrider account add NAME --receive ID ...`.

#![deny(missing_docs)]

pub mod bindings;
pub mod dot_stuffing;
pub mod error;
pub mod http;
pub mod line;
pub mod literal;
pub mod machine;
pub mod pace;
pub mod pump;
pub mod rest;
pub mod settings;
#[cfg(feature = "testing")]
pub mod testing;
pub mod turn;
pub mod types;

pub use bindings::profiled::export_profiled;
pub use bindings::receiver::export_receiver;
pub use bindings::sender::export_sender;
