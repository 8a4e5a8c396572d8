//! What a part's header section says of it (RFC 2045, RFC 2046), and the section with another encoding.

use super::super::header::{field, field_end};

/// One part of a message, or the message itself.
#[derive(Debug)]
pub(super) struct Entity {
    /// The section as it stands, with the empty line behind it where there is one.
    pub(super) header: Vec<u8>,
    pub(super) kind: Kind,
    pub(super) encoding: Encoding,
    /// A signature over the message stands in it (RFC 6376).
    pub(super) is_sealed: bool,
    /// It is the message's own and does not say that it is MIME (RFC 2045 section 4).
    is_bare: bool,
}

/// What is in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Kind {
    /// Lines of text.
    Text,
    /// Octets.
    Data,
    /// Parts. Its boundary, with the two hyphens; and whether what is in it must not be changed.
    Multipart { boundary: Vec<u8>, is_frozen: bool },
    /// A message.
    Message,
    /// What may not be encoded (RFC 2046 section 5.2), or cannot be understood.
    Opaque,
}

/// Its Content-Transfer-Encoding.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Encoding {
    /// `7bit`, or nothing.
    SevenBit,
    EightBit,
    Binary,
    /// Any other: its octets are of 7 bits.
    Encoded,
}

/// The field that says it.
const ENCODING: &[u8] = b"content-transfer-encoding";

impl Entity {
    /// From a header section; `is_top`: the message's own.
    pub(super) fn parse(header: Vec<u8>, is_top: bool) -> Self {
        let word = |name: &[u8]| field(&header, name).map(|value| value.trim_ascii().to_ascii_lowercase());
        let encoding = match word(ENCODING).as_deref() {
            None | Some(b"7bit" | b"") => Encoding::SevenBit,
            Some(b"8bit") => Encoding::EightBit,
            Some(b"binary") => Encoding::Binary,
            Some(_) => Encoding::Encoded,
        };
        let kind = field(&header, b"content-type").map_or(Kind::Text, kind);
        let is_sealed = is_top && field(&header, b"dkim-signature").is_some();
        let is_bare = is_top && field(&header, b"mime-version").is_none();
        Self { kind, encoding, is_sealed, is_bare, header }
    }

    /// The section with another encoding.
    pub(super) fn with_encoding(&self, word: &str) -> Vec<u8> {
        self.rewritten(word, &[])
    }

    /// The section of a part that is encoded now; `is_utf8`: what is known of its octets, for a message that says nothing.
    pub(super) fn encoded(&self, word: &str, is_utf8: bool) -> Vec<u8> {
        if !self.is_bare {
            return self.rewritten(word, &[]);
        }
        let charset = if is_utf8 { "utf-8" } else { "unknown-8bit" };
        let has_type = field(&self.header, b"content-type").is_some();
        let kind = format!("Content-Type: text/plain; charset={charset}\r\n");
        self.rewritten(word, &["MIME-Version: 1.0\r\n", if has_type { "" } else { &kind }])
    }

    /// Without the field that says the encoding, and with these and it at the end.
    fn rewritten(&self, word: &str, fields: &[&str]) -> Vec<u8> {
        let mut rewritten = Vec::with_capacity(self.header.len() + 120);
        let mut rest = self.header.as_slice();
        while !rest.is_empty() && !matches!(rest, [b'\n', ..] | [b'\r', b'\n', ..]) {
            let (this, after) = rest.split_at_checked(field_end(rest)).unwrap_or((rest, &[]));
            if field(this, ENCODING).is_none() {
                rewritten.extend_from_slice(this);
            }
            rest = after;
        }
        if !rewritten.is_empty() && !rewritten.ends_with(b"\n") {
            rewritten.extend_from_slice(b"\r\n");
        }
        fields.iter().for_each(|field| rewritten.extend_from_slice(field.as_bytes()));
        rewritten.extend_from_slice(format!("Content-Transfer-Encoding: {word}\r\n").as_bytes());
        rewritten.extend_from_slice(rest);
        rewritten
    }
}

fn kind(value: &[u8]) -> Kind {
    let text = String::from_utf8_lossy(value).replace(['\r', '\n'], "");
    let (kind, parameters) = text.split_once(';').unwrap_or((&text, ""));
    let kind = kind.trim().to_ascii_lowercase();
    match kind.split_once('/') {
        Some(("text", _)) => Kind::Text,
        Some(("multipart", subtype)) => match boundary(parameters) {
            Some(boundary) => {
                let boundary = [b"--", boundary.as_bytes()].concat();
                Kind::Multipart { boundary, is_frozen: matches!(subtype, "signed" | "encrypted") }
            }
            None => Kind::Opaque,
        },
        Some(("message", "rfc822" | "global")) => Kind::Message,
        Some(("message", _)) | None => Kind::Opaque,
        Some(_) => Kind::Data,
    }
}

/// The value of the parameter `boundary`.
fn boundary(parameters: &str) -> Option<String> {
    let mut rest = parameters;
    loop {
        let (name, after) = rest.split_once('=')?;
        let after = after.trim_start();
        let (value, behind) = match after.strip_prefix('"') {
            Some(quoted) => unquoted(quoted)?,
            None => {
                let end = after.find(|c: char| c == ';' || c.is_whitespace()).unwrap_or(after.len());
                let (value, behind) = after.split_at_checked(end)?;
                (value.to_owned(), behind)
            }
        };
        if name.trim_start_matches(|c: char| c == ';' || c.is_whitespace()).trim_end().eq_ignore_ascii_case("boundary") {
            let value = value.trim_end().to_owned();
            return Some(value).filter(|value| (1..=200).contains(&value.len()));
        }
        rest = behind;
    }
}

/// A quoted string behind its first quotation mark, and what comes behind it.
fn unquoted(text: &str) -> Option<(String, &str)> {
    let mut value = String::new();
    let mut characters = text.char_indices();
    while let Some((at, c)) = characters.next() {
        match c {
            '"' => return Some((value, text.get(at + 1..)?)),
            '\\' => value.push(characters.next()?.1),
            c => value.push(c),
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entity(header: &str) -> Entity {
        Entity::parse(header.as_bytes().to_vec(), true)
    }

    #[test]
    fn kinds() {
        let multipart = |boundary: &str, is_frozen| Kind::Multipart { boundary: boundary.as_bytes().to_vec(), is_frozen };
        for (value, expected) in [
            ("text/plain", Kind::Text),
            ("TEXT/html; charset=utf-8", Kind::Text),
            ("image/png", Kind::Data),
            ("multipart/mixed; boundary=abc", multipart("--abc", false)),
            ("Multipart/Signed; micalg=\"a;b=c\";\r\n boundary=\"a b\\\"c\"; x=y", multipart("--a b\"c", true)),
            ("multipart/mixed; xboundary=no; BOUNDARY = z ", multipart("--z", false)),
            ("multipart/mixed", Kind::Opaque),
            ("multipart/mixed; boundary=\"open", Kind::Opaque),
            ("multipart/mixed; boundary=\"\"", Kind::Opaque),
            ("message/rfc822", Kind::Message),
            ("message/partial; id=x", Kind::Opaque),
            ("nonsense", Kind::Opaque),
        ] {
            assert_eq!(entity(&format!("Content-Type: {value}\r\n\r\n")).kind, expected, "{value}");
        }
        assert_eq!(entity("\r\n").kind, Kind::Text);
    }

    #[test]
    fn sections_are_changed_in_one_field_only() {
        let whole =
            entity("MIME-Version: 1.0\r\nA: content-transfer-encoding: 8bit\r\nContent-Transfer-Encoding:\r\n 8BIT\r\nB: c\r\n\td\r\n\r\n");
        assert_eq!(whole.encoding, Encoding::EightBit);
        let expected =
            "MIME-Version: 1.0\r\nA: content-transfer-encoding: 8bit\r\nB: c\r\n\td\r\nContent-Transfer-Encoding: base64\r\n\r\n";
        assert_eq!(String::from_utf8(whole.encoded("base64", true)).unwrap(), expected);
        let bare = String::from_utf8(entity("A: b\n\n").encoded("quoted-printable", false)).unwrap();
        assert_eq!(
            bare,
            "A: b\nMIME-Version: 1.0\r\nContent-Type: text/plain; charset=unknown-8bit\r\nContent-Transfer-Encoding: quoted-printable\r\n\n"
        );
    }
}
