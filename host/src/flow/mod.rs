//! The journeys of mail, and when they run.

pub mod backoff;
