//! The built binary from outside: one module a promise.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "what panics here fails a test, which is what it is for"
)]

mod account;
mod backup;
mod channel_binding;
mod cli;
mod connector_new;
mod daemon;
mod faults;
mod harness_itself;
mod hostile;
mod imap;
mod keys;
mod kill;
mod mistakes;
mod pop3;
mod proxies;
mod quirks;
mod receive;
mod repair;
mod sandbox;
mod scene;
mod sign_in;
mod smtp;
mod tls;
mod words;
