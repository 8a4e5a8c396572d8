//! What a connector for Postrider is built from: the contract's bindings, readers for lines and what stands between them, the contract of a
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
//! | [`turn`] | who has the line, and who wants it |
//! | [`pump`] | runs a machine on a connection and the mailbox |
//! | [`rest`] | the host as a REST conversation sees it |
//! | [`settings`] | the account's settings as one type, and the manifest's schema from it |
//! | `testing` | transcripts, cut and closed everywhere |
//!
//! Left out on purpose: protocols (they are the connectors'), clocks and randomness (a machine gets them as input).

pub mod bindings;
pub mod dot_stuffing;
pub mod error;
pub mod http;
pub mod line;
pub mod literal;
pub mod machine;
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
