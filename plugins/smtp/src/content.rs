//! A message as it goes over the wire: line ends made CRLF, dots put in or chunks counted, 8-bit parts encoded anew where the server does not take
//! them. Pieces in, pieces out; what is held is bounded.

mod convert;
mod header;
mod line_ends;

use postrider_connector::dot_stuffing::DotWriter;
use postrider_connector::types::{Error, Failure};

pub use self::convert::{Converter, Target};
pub use self::header::Header;
pub use self::line_ends::LineEnds;
use crate::command;

/// Octets that the last chunk has. `BDAT 0 LAST` is as good (RFC 3030 section 4.2), but a server that trips over a chunk without octets is easily imagined.
const LAST_OCTETS: usize = 2;

/// How a message is put on the wire.
#[derive(Debug)]
pub enum Framing {
    /// DATA: dots are put in, and one ends it.
    Dots(DotWriter),
    /// BDAT: each piece is a chunk, but for the last octets, which wait here: they end the message.
    Chunks(Vec<u8>),
}

/// What is done with octets that the server does not take.
#[derive(Debug)]
pub enum Filter {
    /// It takes them all.
    None,
    /// Only 7-bit octets may leave.
    Refuse,
    /// Parts are encoded anew.
    Convert(Box<Converter>),
}

/// Turns the pieces of one message into what is written.
#[derive(Debug)]
pub struct Content {
    /// None: the octets stay as they are (BINARYMIME).
    line_ends: Option<LineEnds>,
    framing: Framing,
    filter: Filter,
    /// Chunks since the last look.
    chunks: usize,
}

impl Content {
    /// Text for `framing`.
    #[must_use]
    pub const fn text(framing: Framing, filter: Filter) -> Self {
        Self { line_ends: Some(LineEnds::new()), framing, filter, chunks: 0 }
    }

    /// Octets of any kind, in chunks.
    #[must_use]
    pub const fn binary() -> Self {
        Self { line_ends: None, framing: Framing::Chunks(Vec::new()), filter: Filter::None, chunks: 0 }
    }

    /// The next octets of the message, as they go over the wire; empty where they have to wait for further ones.
    ///
    /// # Errors
    /// The server does not take such a message, and it cannot be changed.
    pub fn write(&mut self, piece: Vec<u8>) -> Result<Vec<u8>, Error> {
        let piece = match &mut self.filter {
            Filter::Refuse if !piece.is_ascii() => {
                let words = "the message has 8-bit text, and the server takes only 7-bit text (8BITMIME)";
                return Err(Error::new(Failure::Unsupported, words).with_code("5.6.3"));
            }
            Filter::None | Filter::Refuse => piece,
            Filter::Convert(converter) => converter.write(&piece)?,
        };
        let text = match &mut self.line_ends {
            Some(line_ends) => line_ends.write(piece),
            None => piece,
        };
        Ok(self.frame(text))
    }

    /// What is left when the message has no further octets: all of it but [`end`](Self::end).
    ///
    /// # Errors
    /// As [`write`](Self::write).
    pub fn finish(&mut self) -> Result<Vec<u8>, Error> {
        let mut rest = match &mut self.filter {
            Filter::None | Filter::Refuse => Vec::new(),
            Filter::Convert(converter) => converter.finish()?,
        };
        if let Some(line_ends) = &mut self.line_ends {
            rest = line_ends.write(rest);
            rest.extend(line_ends.finish());
        }
        Ok(self.frame(rest))
    }

    /// What makes the server responsible.
    #[must_use]
    pub fn end(self) -> Vec<u8> {
        match self.framing {
            Framing::Dots(dots) => dots.end().to_vec(),
            Framing::Chunks(last) => [command::bdat(last.len(), true).as_bytes(), &last].concat(),
        }
    }

    /// How many chunks were written since this was asked, each of which is answered.
    pub const fn take_chunks(&mut self) -> usize {
        std::mem::replace(&mut self.chunks, 0)
    }

    fn frame(&mut self, text: Vec<u8>) -> Vec<u8> {
        if text.is_empty() {
            return text;
        }
        match &mut self.framing {
            Framing::Dots(dots) => dots.write(text),
            Framing::Chunks(last) => {
                let octets = last.len() + text.len();
                let now = octets.saturating_sub(LAST_OCTETS);
                if now == 0 {
                    last.extend_from_slice(&text);
                    return Vec::new();
                }
                self.chunks += 1;
                let mut chunk = command::bdat(now, false).into_bytes();
                let head = chunk.len();
                chunk.reserve(octets);
                chunk.append(last);
                chunk.extend_from_slice(&text);
                *last = chunk.split_off(head + now);
                chunk
            }
        }
    }
}

#[cfg(test)]
mod tests;
