//! Bodies of several parts (RFC 2046 section 5.1), read line by line. Wherever two readers could see different parts or headers in the same
//! octets, the body is refused: what this one does not find, the server must not find either.

use super::inspect::{Inner, check_inner_header};
use super::{BatchError, Origin, Refusal};
use crate::limits::{HTTP_BATCH_LINE_OCTETS, HTTP_BATCH_REQUESTS};

/// The words between parts (RFC 2046 section 5.1.1).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Boundary(Vec<u8>);

/// Reads one body.
#[derive(Debug)]
pub struct Multipart {
    /// "--boundary".
    delimiter: Vec<u8>,
    /// Whether each part is a request.
    has_requests: bool,
    origin: Origin,
    place: Place,
    line: Vec<u8>,
    /// The line is longer than what is kept of it; only lines of bodies may be.
    is_cut: bool,
    /// What is not kept of it ended in CR so far.
    ends_in_cr: bool,
    requests: usize,
    /// Whether this part has named its type.
    is_typed: bool,
    /// What the request of this part says of its body's length, and how long it is so far, with the line end before the delimiter.
    length: Option<u64>,
    octets: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    Preamble,
    PartHeaders,
    RequestLine,
    RequestHeaders,
    Body,
    Epilogue,
}

impl Boundary {
    /// The boundary of this Content-Type; none where there is none, more than one, or one that needs reading twice.
    #[must_use]
    pub fn of(content_type: &str) -> Option<Self> {
        let mut found = None;
        for parameter in content_type.split(';').skip(1) {
            let (name, value) = parameter.split_once('=')?;
            if !name.trim().eq_ignore_ascii_case("boundary") {
                // "boundary*0=" (RFC 2231) is one to some readers.
                if name.trim().to_ascii_lowercase().starts_with("boundary") {
                    return None;
                }
                continue;
            }
            let value = value.trim();
            let value = value.strip_prefix('"').map_or(Some(value), |inner| inner.strip_suffix('"'))?;
            let is_plain = |c: u8| c.is_ascii_alphanumeric() || b"'()+_,-./:=?".contains(&c);
            if found.is_some() || value.is_empty() || value.len() > 70 || !value.bytes().all(is_plain) {
                return None;
            }
            found = Some(Self(value.as_bytes().to_vec()));
        }
        found
    }
}

impl Multipart {
    pub(super) fn new(boundary: &Boundary, has_requests: bool, origin: Origin) -> Self {
        Self {
            delimiter: [b"--", boundary.0.as_slice()].concat(),
            has_requests,
            origin,
            place: Place::Preamble,
            line: Vec::new(),
            is_cut: false,
            ends_in_cr: false,
            requests: 0,
            is_typed: false,
            length: None,
            octets: 0,
        }
    }

    pub(super) fn take(&mut self, octets: &[u8]) -> Result<(), Refusal> {
        for piece in octets.split_inclusive(|c| *c == b'\n') {
            let room = HTTP_BATCH_LINE_OCTETS - self.line.len();
            if piece.len() > room {
                if self.place != Place::Body && self.place != Place::Epilogue {
                    return Err(BatchError::TooLong.into());
                }
                self.is_cut = true;
                self.check_unkept(piece.get(room..).unwrap_or_default())?;
            }
            self.line.extend_from_slice(piece.get(..room).unwrap_or(piece));
            self.octets = self.octets.saturating_add(piece.len() as u64);
            if piece.ends_with(b"\n") {
                self.end_line()?;
            }
        }
        Ok(())
    }

    pub(super) fn finish(&mut self) -> Result<(), Refusal> {
        if !self.line.is_empty() {
            self.end_line()?;
        }
        if self.place == Place::Epilogue { Ok(()) } else { Err(BatchError::Unclosed.into()) }
    }

    /// What is not kept of a line can hold no delimiter, not even to readers that take CR alone for the end of a line.
    fn check_unkept(&mut self, piece: &[u8]) -> Result<(), Refusal> {
        let ends_in_cr = std::mem::replace(&mut self.ends_in_cr, piece.last() == Some(&b'\r'));
        let begins_a_line = ends_in_cr && piece.first() != Some(&b'\n');
        let has_cr = piece.windows(2).any(|pair| matches!(pair, [b'\r', next] if *next != b'\n'));
        if self.has_requests && (begins_a_line || has_cr) { Err(BatchError::Delimiter.into()) } else { Ok(()) }
    }

    fn end_line(&mut self) -> Result<(), Refusal> {
        let line = std::mem::take(&mut self.line);
        let is_cut = std::mem::take(&mut self.is_cut);
        self.ends_in_cr = false;
        let bare = line.strip_suffix(b"\n").unwrap_or(&line);
        let bare = bare.strip_suffix(b"\r").unwrap_or(bare);
        // Readers differ in what they take for the end of a line, and in what may stand before or after a delimiter.
        let is_delimiter = bare.split(|c| *c == b'\r').any(|piece| piece.trim_ascii().starts_with(&self.delimiter));
        if is_delimiter {
            return self.delimiter(if is_cut { b"" } else { bare }, line.len());
        }
        match self.place {
            Place::Preamble | Place::Body | Place::Epilogue => Ok(()),
            Place::PartHeaders => self.part_header(bare),
            Place::RequestLine => self.request_line(bare),
            Place::RequestHeaders => self.request_header(bare),
        }
    }

    fn delimiter(&mut self, line: &[u8], octets: usize) -> Result<(), Refusal> {
        let Some(rest) = line.strip_prefix(self.delimiter.as_slice()) else { return Err(BatchError::Delimiter.into()) };
        let is_last = match rest.trim_ascii() {
            b"" => false,
            b"--" => true,
            _ => return Err(BatchError::Delimiter.into()),
        };
        match self.place {
            Place::Epilogue => return Err(BatchError::Delimiter.into()),
            // A request without an empty line behind its headers, or none at all.
            Place::PartHeaders | Place::RequestLine | Place::RequestHeaders if self.has_requests => return Err(BatchError::Request.into()),
            Place::Body => self.check_length(octets)?,
            Place::Preamble | Place::PartHeaders | Place::RequestLine | Place::RequestHeaders => {}
        }
        self.place = if is_last { Place::Epilogue } else { Place::PartHeaders };
        self.is_typed = false;
        self.length = None;
        Ok(())
    }

    /// What stands behind a body that ends earlier than its part would be another request to some readers.
    fn check_length(&self, delimiter: usize) -> Result<(), Refusal> {
        let Some(length) = self.length else { return Ok(()) };
        let most = self.octets.saturating_sub(delimiter as u64);
        if (most.saturating_sub(4)..=most).contains(&length) { Ok(()) } else { Err(BatchError::Length.into()) }
    }

    fn part_header(&mut self, line: &[u8]) -> Result<(), Refusal> {
        if line.is_empty() {
            if self.has_requests && !self.is_typed {
                return Err(BatchError::PartType.into());
            }
            self.place = if self.has_requests { Place::RequestLine } else { Place::Body };
            return Ok(());
        }
        let (name, value) = header(line)?;
        let value = value.to_ascii_lowercase();
        let media = value.split(';').next().unwrap_or_default().trim();
        match name.to_ascii_lowercase().as_str() {
            "content-type" => {
                let is_request = media == "application/http";
                if std::mem::replace(&mut self.is_typed, true) || is_request != self.has_requests || media.starts_with("multipart/") {
                    return Err(BatchError::PartType.into());
                }
                Ok(())
            }
            "content-transfer-encoding" if self.has_requests && !matches!(media, "binary" | "8bit" | "7bit") => {
                Err(BatchError::Coded.into())
            }
            _ => check_inner_header(name, &value),
        }
    }

    fn request_line(&mut self, line: &[u8]) -> Result<(), Refusal> {
        let line = std::str::from_utf8(line).map_err(|_| BatchError::Request)?;
        let words: Vec<_> = line.split(' ').collect();
        let ([method, url] | [method, url, "HTTP/1.1" | "HTTP/1.0"]) = words.as_slice() else { return Err(BatchError::Request.into()) };
        self.requests += 1;
        if self.requests > HTTP_BATCH_REQUESTS {
            return Err(BatchError::TooLong.into());
        }
        Inner { method, url }.check(&self.origin)?;
        self.place = Place::RequestHeaders;
        Ok(())
    }

    fn request_header(&mut self, line: &[u8]) -> Result<(), Refusal> {
        if line.is_empty() {
            self.place = Place::Body;
            self.octets = 0;
            return Ok(());
        }
        let (name, value) = header(line)?;
        check_inner_header(name, value)?;
        if name.eq_ignore_ascii_case("content-length") {
            let length = value.bytes().all(|c| c.is_ascii_digit()).then(|| value.parse().ok()).flatten();
            if self.length.is_some() || length.is_none() {
                return Err(BatchError::Length.into());
            }
            self.length = length;
        }
        Ok(())
    }
}

/// "Name: value" on one line, spelled as every reader reads it.
fn header(line: &[u8]) -> Result<(&str, &str), Refusal> {
    let line = std::str::from_utf8(line).map_err(|_| Refusal::BadHeader)?;
    let (name, value) = line.split_once(':').ok_or(Refusal::BadHeader)?;
    // White space before the name folds a line, before the colon it is read in two ways (RFC 9112 section 5.1).
    if name.is_empty() || line.contains('\r') || !name.bytes().all(|c| c.is_ascii_graphic()) {
        return Err(Refusal::BadHeader);
    }
    Ok((name, value.trim()))
}
