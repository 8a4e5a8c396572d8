//! A message for a server that does not take its 8-bit or binary parts: those are encoded anew (RFC 6152 section 3, RFC 2045 section 6), everything
//! else stays as it is to the octet. What nobody may change (signed parts), and what cannot be understood, is refused in words.
//!
//! Streamed: of a part, at most [`HELD_OCTETS`] are held to see whether it has to be changed, because that stands in its header section.

mod encode;
mod entity;
mod lines;

use postrider_connector::types::{Error, Failure};

use self::encode::{Base64, Quoted};
use self::entity::{Encoding, Entity, Kind};
use self::lines::{Eol, Lines};

/// Octets of a part that are held until it is clear whether it has to be encoded.
const HELD_OCTETS: usize = 64 << 10;

/// Octets of a part's header section.
const HEADER_OCTETS: usize = 256 << 10;

/// Multiparts within each other.
const DEPTH: usize = 32;

/// What the server takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Target {
    /// 7-bit lines.
    SevenBit,
    /// 8-bit lines (8BITMIME), and no binary parts.
    EightBit,
}

/// Takes the octets of one message and gives those that the server takes.
#[derive(Debug)]
pub struct Converter {
    target: Target,
    lines: Lines,
    /// The multiparts around the current place, the outermost first.
    around: Vec<Multipart>,
    place: Place,
    /// The message's own header section is not over.
    is_top: bool,
    /// A signature over the whole message stands in its header section.
    is_sealed: bool,
    /// The end of the line before, which may belong to a boundary.
    pending: Option<Eol>,
    is_line_start: bool,
    out: Vec<u8>,
}

#[derive(Debug)]
struct Multipart {
    /// With the two hyphens.
    boundary: Vec<u8>,
    /// What is in it must not be changed.
    is_frozen: bool,
}

#[derive(Debug)]
enum Place {
    /// In a header section; the octets so far.
    Header(Vec<u8>),
    /// Before the first part of a multipart, or behind its last: read by nobody.
    Outside,
    /// In a part that has no parts: what is held of it, until it is decided.
    Undecided(Box<Entity>, Vec<u8>),
    /// It stays as it is.
    Pass,
    Quoted(Quoted),
    Base64(Base64),
}

impl Converter {
    /// At the beginning of a message.
    #[must_use]
    pub const fn new(target: Target) -> Self {
        Self {
            target,
            lines: Lines::new(),
            around: Vec::new(),
            place: Place::Header(Vec::new()),
            is_top: true,
            is_sealed: false,
            pending: None,
            is_line_start: true,
            out: Vec::new(),
        }
    }

    /// The next octets.
    ///
    /// # Errors
    /// The message cannot be changed into one that the server takes.
    pub fn write(&mut self, octets: &[u8]) -> Result<Vec<u8>, Error> {
        self.lines.feed(octets);
        while let Some((text, eol)) = self.lines.next_line() {
            self.line(&text, eol)?;
        }
        Ok(std::mem::take(&mut self.out))
    }

    /// What is left at the message's end.
    ///
    /// # Errors
    /// As [`write`](Self::write).
    pub fn finish(&mut self) -> Result<Vec<u8>, Error> {
        if let Some(rest) = self.lines.rest() {
            self.line(&rest, Eol::None)?;
        }
        if let Place::Header(header) = &mut self.place {
            let header = std::mem::take(header);
            self.header_over(header, false)?;
        }
        // Here it is no boundary's.
        self.flush_pending()?;
        self.part_over()?;
        Ok(std::mem::take(&mut self.out))
    }

    fn line(&mut self, text: &[u8], eol: Eol) -> Result<(), Error> {
        let begins = std::mem::replace(&mut self.is_line_start, eol != Eol::None);
        if begins && let Some((depth, is_last)) = self.boundary(text) {
            return self.passed_boundary(depth, is_last, text, eol);
        }
        if let Place::Header(header) = &mut self.place {
            header.extend_from_slice(text);
            header.extend_from_slice(eol.octets());
            if header.len() > HEADER_OCTETS {
                return Err(self.unfit("has a header section that is too long"));
            }
            if begins && text.is_empty() && eol != Eol::None {
                let header = std::mem::take(header);
                return self.header_over(header, true);
            }
            return Ok(());
        }
        self.flush_pending()?;
        self.body(text)?;
        self.pending = Some(eol).filter(|&eol| eol != Eol::None);
        Ok(())
    }

    /// Which multipart's boundary the line is, and whether it is its last.
    fn boundary(&self, text: &[u8]) -> Option<(usize, bool)> {
        if !text.starts_with(b"--") {
            return None;
        }
        let text = text.trim_ascii_end();
        self.around.iter().enumerate().rev().find_map(|(depth, multipart)| match text.strip_prefix(multipart.boundary.as_slice())? {
            b"" => Some((depth, false)),
            b"--" => Some((depth, true)),
            _ => None,
        })
    }

    fn passed_boundary(&mut self, depth: usize, is_last: bool, text: &[u8], eol: Eol) -> Result<(), Error> {
        if let Place::Header(header) = &mut self.place {
            let header = std::mem::take(header);
            self.header_over(header, false)?;
        }
        self.part_over()?;
        if let Some(pending) = self.pending.take() {
            self.out.extend_from_slice(pending.octets());
        }
        self.out.extend_from_slice(text);
        self.out.extend_from_slice(eol.octets());
        self.around.truncate(if is_last { depth } else { depth + 1 });
        self.place = if is_last { Place::Outside } else { Place::Header(Vec::new()) };
        Ok(())
    }

    /// A header section is over; `is_whole`: with the empty line that ends it.
    fn header_over(&mut self, header: Vec<u8>, is_whole: bool) -> Result<(), Error> {
        if self.target == Target::SevenBit && !header.is_ascii() {
            return Err(self.unfit("has 8-bit header fields"));
        }
        let entity = Entity::parse(header, std::mem::take(&mut self.is_top));
        self.is_sealed |= entity.is_sealed;
        match entity.kind {
            _ if entity.encoding == Encoding::Encoded => {
                self.out.extend_from_slice(&entity.header);
                self.place = Place::Pass;
            }
            Kind::Multipart { ref boundary, is_frozen } if is_whole => {
                if self.around.len() >= DEPTH {
                    return Err(self.unfit("has too many parts within each other"));
                }
                let is_frozen = is_frozen || self.is_frozen();
                self.around.push(Multipart { boundary: boundary.clone(), is_frozen });
                self.emit_composite(&entity);
                self.place = Place::Outside;
            }
            Kind::Message if is_whole => {
                self.emit_composite(&entity);
                self.place = Place::Header(Vec::new());
            }
            _ => self.place = Place::Undecided(Box::new(entity), Vec::new()),
        }
        Ok(())
    }

    /// What has parts has no encoding but the widest of theirs (RFC 2045 section 6.4).
    fn emit_composite(&mut self, entity: &Entity) {
        let is_too_wide = match self.target {
            Target::SevenBit => matches!(entity.encoding, Encoding::EightBit | Encoding::Binary),
            Target::EightBit => entity.encoding == Encoding::Binary,
        };
        if is_too_wide && !self.is_frozen_around() {
            let word = if self.target == Target::SevenBit { "7bit" } else { "8bit" };
            self.out.extend_from_slice(&entity.with_encoding(word));
        } else {
            self.out.extend_from_slice(&entity.header);
        }
    }

    fn body(&mut self, text: &[u8]) -> Result<(), Error> {
        match &mut self.place {
            Place::Undecided(_, held) => {
                held.extend_from_slice(text);
                self.decide_when_full()
            }
            Place::Quoted(quoted) => {
                quoted.text(text, &mut self.out);
                Ok(())
            }
            Place::Base64(base64) => {
                base64.octets(text, &mut self.out);
                Ok(())
            }
            Place::Pass | Place::Outside | Place::Header(_) => {
                if self.target == Target::SevenBit && !text.is_ascii() {
                    return Err(self.unfit("has 8-bit text where it does not say so"));
                }
                self.out.extend_from_slice(text);
                Ok(())
            }
        }
    }

    /// The end of the line before is the part's own.
    fn flush_pending(&mut self) -> Result<(), Error> {
        let Some(eol) = self.pending.take() else { return Ok(()) };
        match &mut self.place {
            Place::Undecided(_, held) => {
                held.extend_from_slice(eol.octets());
                return self.decide_when_full();
            }
            Place::Quoted(quoted) => quoted.end_line(eol, &mut self.out),
            Place::Base64(base64) => base64.end_line(eol, &mut self.out),
            Place::Pass | Place::Outside | Place::Header(_) => self.out.extend_from_slice(eol.octets()),
        }
        Ok(())
    }

    fn decide_when_full(&mut self) -> Result<(), Error> {
        match &self.place {
            Place::Undecided(_, held) if held.len() > HELD_OCTETS => self.decide(false),
            _ => Ok(()),
        }
    }

    /// Whether the part that is held has to be encoded; `is_whole`: all of it is held.
    fn decide(&mut self, is_whole: bool) -> Result<(), Error> {
        let (entity, held) = match std::mem::replace(&mut self.place, Place::Pass) {
            Place::Undecided(entity, held) => (entity, held),
            decided => {
                self.place = decided;
                return Ok(());
            }
        };
        let has_to = match (self.target, entity.encoding) {
            (_, Encoding::Binary) => true,
            (Target::EightBit, _) => false,
            (Target::SevenBit, Encoding::EightBit) => !held.is_ascii() || !is_whole,
            (Target::SevenBit, _) => !held.is_ascii(),
        };
        if !has_to {
            self.out.extend_from_slice(&entity.header);
            self.out.extend_from_slice(&held);
            return Ok(());
        }
        if self.is_frozen() && (!held.is_ascii() || entity.encoding == Encoding::Binary) {
            return Err(self.unfit("has such text under a signature"));
        }
        if self.is_frozen() {
            // It says that it is of 8 bits, and was not so far.
            self.out.extend_from_slice(&entity.header);
            self.out.extend_from_slice(&held);
            return Ok(());
        }
        if matches!(entity.kind, Kind::Multipart { .. } | Kind::Message | Kind::Opaque) {
            return Err(self.unfit("has a part that cannot be encoded"));
        }
        let is_binary = entity.encoding == Encoding::Binary;
        let is_text = entity.kind == Kind::Text;
        let word = if is_text { "quoted-printable" } else { "base64" };
        self.out.extend_from_slice(&entity.encoded(word, std::str::from_utf8(&held).is_ok()));
        self.place = if is_text { Place::Quoted(Quoted::new(is_binary)) } else { Place::Base64(Base64::new(is_binary)) };
        self.encode_held(&held)
    }

    fn encode_held(&mut self, held: &[u8]) -> Result<(), Error> {
        let mut lines = Lines::new();
        lines.feed(held);
        while let Some((text, eol)) = lines.next_line() {
            self.body(&text)?;
            self.pending = Some(eol).filter(|&eol| eol != Eol::None);
            self.flush_pending()?;
        }
        match lines.rest() {
            Some(rest) => self.body(&rest),
            None => Ok(()),
        }
    }

    /// A part is over; the end of the line before stays pending.
    fn part_over(&mut self) -> Result<(), Error> {
        let pending = self.pending.take();
        self.decide(true)?;
        self.pending = pending;
        match &mut self.place {
            Place::Quoted(quoted) => quoted.finish(&mut self.out),
            Place::Base64(base64) => base64.finish(&mut self.out),
            Place::Header(_) | Place::Outside | Place::Undecided(..) | Place::Pass => {}
        }
        Ok(())
    }

    /// Whether the current place must not be changed.
    fn is_frozen(&self) -> bool {
        self.is_sealed || self.around.last().is_some_and(|multipart| multipart.is_frozen)
    }

    /// The same for the header section of the multipart that begins, which is not in itself.
    fn is_frozen_around(&self) -> bool {
        self.is_sealed || self.around.iter().rev().nth(1).is_some_and(|multipart| multipart.is_frozen)
    }

    fn unfit(&self, what: &str) -> Error {
        let takes = match self.target {
            Target::SevenBit => "the server takes only 7-bit text (8BITMIME)",
            Target::EightBit => "the server takes no binary parts (BINARYMIME)",
        };
        let words = format!("the message {what} and cannot be changed for this server: {takes}");
        Error::new(Failure::Unsupported, words).with_code("5.6.3")
    }
}

#[cfg(test)]
mod tests;
