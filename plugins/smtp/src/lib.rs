//! The SMTP connector: sends mail (RFC 5321, RFC 6409; LMTP: RFC 2033), on three floors.
//!
//! | floor | modules | knows |
//! |---|---|---|
//! | grammar | [`command`], [`reply`], [`offer`], [`path`], [`delivery`]; [`content`] | octets and values |
//! | conversation | [`session`], [`send`], [`leave`]; [`mailing`], [`refusal`] | order and servers |
//! | shell | `shell` (in the component only) | the contract |
//!
//! The host dials, secures and signs in (`wit/deps/transport.wit`); this begins where `MAIL FROM` may be said. The package `postrider-lmtp` is made
//! of these sources too: it differs in its manifest and its dialect.

pub mod command;
pub mod content;
pub mod delivery;
#[cfg(any(test, feature = "testing"))]
pub mod fuzz;
pub mod leave;
pub mod limits;
pub mod mailing;
pub mod offer;
pub mod path;
pub mod refusal;
pub mod reply;
pub mod send;
pub mod session;
pub mod settings;
#[cfg(target_family = "wasm")]
mod shell;
