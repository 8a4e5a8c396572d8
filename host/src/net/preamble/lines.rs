//! Lines of a line protocol, bounded in length and number.

use bytes::{Buf, BytesMut};

use super::Problem;
use crate::limits::{PREAMBLE_LINE_OCTETS, PREAMBLE_LINES};

/// How many lines the server has sent.
#[derive(Debug, Default)]
pub(super) struct Lines(usize);

impl Lines {
    /// The next whole line in `pending`, without its end; none: more octets are needed. What is no UTF-8 is replaced.
    ///
    /// # Errors
    /// A line too long, or a line too many.
    pub(super) fn next(&mut self, pending: &mut BytesMut) -> Result<Option<String>, Problem> {
        let end = pending.iter().position(|octet| *octet == b'\n');
        if end.unwrap_or(pending.len()) > PREAMBLE_LINE_OCTETS {
            return Err(Problem::LineTooLong);
        }
        let Some(end) = end else { return Ok(None) };
        self.0 += 1;
        if self.0 > PREAMBLE_LINES {
            return Err(Problem::Endless);
        }
        let line = pending.split_to(end);
        pending.advance(1);
        let line = line.strip_suffix(b"\r").unwrap_or(&line);
        Ok(Some(String::from_utf8_lossy(line).into_owned()))
    }
}
