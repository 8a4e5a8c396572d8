//! What the end-to-end tests, the demo and the benchmark stand on: real servers on loopback ([`dovecot`], [`postfix`]), scripted ones that misbehave
//! ([`scripted`]), real proxies ([`proxy`]), HTTP as a function answers it ([`service`]), libgsasl as the other end of a sign-in ([`gsasl`]), a line between client and server that counts and cuts ([`relay`]), mail to fill a mailbox with ([`corpus`],
//! [`maildir`]), readers and a writer of their own to compare with ([`imap`], [`pop3`], [`smtp`]) and a driver for the built binary ([`postrider`]).
//!
//! A failure here panics with words: it fails the test that stands on it. Nothing skips; a server that is not installed is a failure
//! that says how to install it.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice,
    reason = "a harness that panics fails the test that stands on it, which is what it is for"
)]
#![expect(clippy::disallowed_types, reason = "the fences are the host's; servers and clients here are blocking threads")]

pub mod authority;
pub mod corpus;
pub mod dovecot;
pub mod gsasl;
pub mod imap;
pub mod maildir;
pub mod package;
pub mod pop3;
pub mod postfix;
pub mod postrider;
pub mod proxy;
pub mod relay;
pub mod scripted;
pub mod service;
pub mod smtp;
pub mod wait;
