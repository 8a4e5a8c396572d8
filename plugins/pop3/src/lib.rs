//! The POP3 connector: receives mail (RFC 1939, RFC 2449), on three floors.
//!
//! | floor | modules | knows |
//! |---|---|---|
//! | grammar | [`command`], [`reply`], [`capabilities`], [`id`] | octets and values |
//! | conversation | [`session`], [`sync`], [`delete`], [`fetch`], [`leave`]; [`cursor`], [`refusal`], [`pace`] | order and servers |
//! | shell | `shell` (in the component only) | the contract |
//!
//! The host dials, secures and signs in (`wit/deps/transport.wit`); this begins in the TRANSACTION state. A session of POP3 is short: it
//! locks the maildrop, shows no mail that came after it began, and deletes only when it ends. So every `sync` is one or more whole
//! sessions, and between two of them there is no line.

pub mod capabilities;
pub mod command;
pub mod cursor;
pub mod delete;
pub mod fetch;
#[cfg(any(test, feature = "testing"))]
pub mod fuzz;
pub mod id;
pub mod leave;
pub mod limits;
pub mod maildrop;
pub mod pace;
pub mod refusal;
pub mod reply;
pub mod session;
pub mod settings;
#[cfg(target_family = "wasm")]
mod shell;
mod survey;
pub mod sync;
mod update;
