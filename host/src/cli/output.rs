//! Data on stdout: text for people, or one JSON document.

use std::io::Write;

use serde::Serialize;

use super::report::READER_LEFT;
use super::text::harmless_json;
use crate::fault::{Fault, Kind};

/// How data is printed.
#[derive(Debug, Clone, Copy)]
pub(super) struct Output {
    /// As JSON.
    pub(super) json: bool,
}

impl Output {
    /// Print `view` as JSON, or what `text` makes of it.
    ///
    /// # Errors
    /// As of [`write`](Self::write).
    pub(super) fn show<T: Serialize + ?Sized>(self, view: &T, text: impl FnOnce() -> String) -> Result<(), Fault> {
        if !self.json {
            return self.write(text().as_bytes());
        }
        let document = serde_json::to_string_pretty(view).map_err(|error| Fault::new(Kind::Bug, "write JSON").because(&error))?;
        self.write(format!("{}\n", harmless_json(&document)).as_bytes())
    }

    /// Print one of many documents: JSON on a line.
    ///
    /// # Errors
    /// As of [`write`](Self::write).
    pub(super) fn line<T: Serialize>(self, view: &T) -> Result<(), Fault> {
        let document = serde_json::to_string(view).map_err(|error| Fault::new(Kind::Bug, "write JSON").because(&error))?;
        self.write(format!("{}\n", harmless_json(&document)).as_bytes())
    }

    /// Print octets as they are.
    ///
    /// # Errors
    /// Whatever stdout fails with; a reader that left ends the command in silence.
    pub(super) fn write(self, octets: &[u8]) -> Result<(), Fault> {
        let mut stdout = std::io::stdout().lock();
        stdout.write_all(octets).and_then(|()| stdout.flush()).map_err(|error| {
            if error.kind() == std::io::ErrorKind::BrokenPipe {
                Fault::new(Kind::Cancelled, "write to stdout").with_code(READER_LEFT)
            } else {
                Fault::new(Kind::Storage, "write to stdout").because(&error)
            }
        })
    }
}
