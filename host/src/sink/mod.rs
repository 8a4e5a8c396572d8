//! Where stored mail goes on to. A sink gets at-least-once delivery: a repeat carries the same event id, and a sink that can look
//! back recognises it.

pub mod definition;
pub mod letter;
pub mod line_endings;
pub mod maildir;
