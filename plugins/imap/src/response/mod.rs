//! The grammar of what a server sends, in two stages: [`frame`] finds where a response ends, [`parse`] finds what it means. A
//! response that means nothing is a value of its own, so that one bad reply hides no other.

pub mod code;
pub mod date;
pub mod fetch;
pub mod frame;
pub mod namespace;
pub mod parse;
pub mod scan;
