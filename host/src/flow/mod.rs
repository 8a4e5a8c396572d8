//! The journeys of mail, and when they run.

pub mod backoff;
pub mod credentials;
pub mod deliver;
pub mod event;
pub mod host;
pub mod mailroom;
pub mod probe;
pub mod receive;
pub mod retain;
pub mod schedule;
pub mod send;
pub mod standing;
pub mod submission;
mod upkeep;
