//! Plain data that every layer speaks of. No I/O, and nothing of ours but the clock and secrets.

pub mod account;
pub mod endpoint;
pub mod mechanism;
pub mod message;
pub mod name;
pub mod network;
pub mod oauth;
pub mod provider;
pub mod quirk;
pub mod sink;
