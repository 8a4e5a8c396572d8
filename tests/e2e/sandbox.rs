//! The sandbox, through the library: one component that breaks every rule on request ([`behaviour`]), a mailroom that only remembers,
//! and a test for each behaviour.

mod contained;
mod exchanges;
pub(crate) mod fake;
mod sessions;
mod swept;

#[path = "../guests/src/behaviour.rs"]
mod behaviour;
