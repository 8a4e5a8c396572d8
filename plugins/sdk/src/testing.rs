//! The native test kit: a transcript is played against a machine, whole, cut at every octet, with late answers of the host, and
//! with the line closed after every line. Panics say where the transcript was left.
//!
//! ```text
//! # Why this dialogue is here.
//! C: A1 NOOP
//! S: * 3 EXISTS
//! S< A1 O
//! S: K done
//! ! wanted
//! ```
//!
//! A conversation is played with [`Script::check`]; the host in memory is a [`World`]. Five things are held in every play: the outcome does not depend on cuts, an end that is none
//! is told as `unreachable`, no cursor covers a message that was not handed over, what came whole is made durable all the same (these two with
//! [`Script::with_cursor`]), and nothing is deleted on the server before it is durable. For REST services there is [`Service`], whose plays hold the same.
//!
//! `C:` what the machine must send, `D: ID COMMAND` the same where it deletes the message of this id on the server (which must be durable by then: a checkpoint that has it was
//! answered before the command was written), `K:` the same where it makes the server responsible for a message (the answer to a `Committing` must have come before), and `S:` what the server says, all with CRLF put behind; `C<` and `S<` without; `!` a signal: `wanted`,
//! `timer` or `time-up`. In server lines and `C<` ones `\r`, `\n`, `\0`, `\\` and `\xNN` stand for octets.

#![expect(clippy::panic, reason = "a test kit fails by panicking")]

mod block_on;
mod manifest;
mod player;
mod promises;
mod script;
mod service;
mod world;

pub use block_on::block_on;
pub use manifest::check_manifest;
pub use player::Player;
pub use script::Script;
pub use service::{Guest, Service};
pub use world::{Checkpoint, Stored, World};
