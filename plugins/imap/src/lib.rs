//! The IMAP connector: receives mail (RFC 3501, RFC 9051), on three floors.
//!
//! | floor | modules | knows |
//! |---|---|---|
//! | grammar | [`command`], [`response`], [`uid_set`], [`mailbox_name`] | octets and values |
//! | conversation | [`session`], [`prepare`], [`list`], [`selection`], [`sync`], [`watch`], [`mutate`], [`append`], [`fetch`], [`leave`]; [`cursor`], [`mailboxes`], [`refusal`] | order and servers |
//! | shell | `shell` (in the component only) | the contract |
//!
//! The host dials, secures and signs in (`wit/deps/transport.wit`); this begins with an authenticated line. Left out on purpose: everything that
//! would mark a message as read.

pub mod append;
pub mod command;
pub mod cursor;
#[cfg(any(test, feature = "testing"))]
pub mod differential;
pub mod fetch;
#[cfg(any(test, feature = "testing"))]
pub mod fuzz;
pub mod leave;
pub mod limits;
pub mod list;
pub mod mailbox_name;
pub mod mailboxes;
pub mod mutate;
pub mod prepare;
pub mod refusal;
pub mod response;
pub mod selection;
pub mod session;
pub mod settings;
#[cfg(target_family = "wasm")]
mod shell;
pub mod sync;
pub mod uid_set;
pub mod watch;
