//! The two encodings (RFC 2045 sections 6.7 and 6.8), streamed. Neither ends its last line: that end is the boundary's.

use data_encoding::BASE64;

use super::lines::Eol;

/// Characters of an encoded line.
const LINE: usize = 76;

/// Octets of a line of base64.
const GROUP: usize = 57;

/// Quoted-printable.
#[derive(Debug, Default)]
pub(super) struct Quoted {
    /// A bare LF is an octet, and not the end of a line.
    is_binary: bool,
    column: usize,
    /// A space or tab, which is encoded where its line ends.
    white: Option<u8>,
}

impl Quoted {
    pub(super) fn new(is_binary: bool) -> Self {
        Self { is_binary, ..Self::default() }
    }

    /// Octets of a line.
    pub(super) fn text(&mut self, octets: &[u8], out: &mut Vec<u8>) {
        for &octet in octets {
            if let Some(white) = self.white.take() {
                self.put(&[white], out);
            }
            match octet {
                b' ' | b'\t' => self.white = Some(octet),
                b'!'..=b'~' if octet != b'=' => self.put(&[octet], out),
                _ => self.put(&escaped(octet), out),
            }
        }
    }

    pub(super) fn end_line(&mut self, eol: Eol, out: &mut Vec<u8>) {
        if eol == Eol::Lf && self.is_binary {
            return self.text(b"\n", out);
        }
        self.finish(out);
        out.extend_from_slice(b"\r\n");
        self.column = 0;
    }

    pub(super) fn finish(&mut self, out: &mut Vec<u8>) {
        if let Some(white) = self.white.take() {
            self.put(&escaped(white), out);
        }
    }

    fn put(&mut self, token: &[u8], out: &mut Vec<u8>) {
        // One place stays free for the `=` of a soft line break.
        if self.column + token.len() > LINE - 1 {
            out.extend_from_slice(b"=\r\n");
            self.column = 0;
        }
        out.extend_from_slice(token);
        self.column += token.len();
    }
}

/// Base64.
#[derive(Debug, Default)]
pub(super) struct Base64 {
    /// Line ends stay what they are.
    is_binary: bool,
    held: Vec<u8>,
    has_line: bool,
}

impl Base64 {
    pub(super) fn new(is_binary: bool) -> Self {
        Self { is_binary, ..Self::default() }
    }

    pub(super) fn octets(&mut self, octets: &[u8], out: &mut Vec<u8>) {
        self.held.extend_from_slice(octets);
        let whole = self.held.len() - self.held.len() % GROUP;
        let rest = self.held.split_off(whole);
        let groups = std::mem::replace(&mut self.held, rest);
        groups.chunks(GROUP).for_each(|group| self.put(group, out));
    }

    pub(super) fn end_line(&mut self, eol: Eol, out: &mut Vec<u8>) {
        self.octets(if self.is_binary { eol.octets() } else { b"\r\n" }, out);
    }

    pub(super) fn finish(&mut self, out: &mut Vec<u8>) {
        let held = std::mem::take(&mut self.held);
        if !held.is_empty() {
            self.put(&held, out);
        }
    }

    fn put(&mut self, group: &[u8], out: &mut Vec<u8>) {
        if std::mem::replace(&mut self.has_line, true) {
            out.extend_from_slice(b"\r\n");
        }
        out.extend_from_slice(BASE64.encode(group).as_bytes());
    }
}

fn escaped(octet: u8) -> [u8; 3] {
    let digit = |half: u8| if half < 10 { b'0' + half } else { b'A' + half - 10 };
    [b'=', digit(octet >> 4), digit(octet & 15)]
}
