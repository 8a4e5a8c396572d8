//! Mailbox names: octets on the wire, an id for the host, a path for people (RFC 3501 section 5.1.3, modified UTF-7; RFC 9755 and RFC 9051, UTF-8).

use std::fmt::Write as _;

/// Before an id that is not the name itself: the name is not UTF-8, or begins like this. What follows is hexadecimal.
const RAW: &str = "raw:";

/// The id of a mailbox: its name in modified UTF-7, whether the server writes that or UTF-8 (`utf8`), so that a server which learns UTF-8 keeps its
/// folders' ids; the name as it stands where it is neither.
#[must_use]
pub fn to_id(name: &[u8], utf8: bool) -> String {
    let text = std::str::from_utf8(name).ok().map(|text| if utf8 { encode(text) } else { text.to_owned() });
    text.filter(|text| !text.starts_with(RAW)).unwrap_or_else(|| {
        name.iter().fold(RAW.to_owned(), |mut id, octet| {
            // Writing to a string cannot fail.
            let _ = write!(id, "{octet:02x}");
            id
        })
    })
}

/// The name that [`to_id`] made this of; none where it made no such id.
#[must_use]
pub fn from_id(id: &str, utf8: bool) -> Option<Vec<u8>> {
    let Some(hex) = id.strip_prefix(RAW) else {
        return Some(if utf8 { decode(id.as_bytes()).into_bytes() } else { id.as_bytes().to_vec() });
    };
    let digits: Option<Vec<u32>> = hex.chars().map(|digit| digit.to_digit(16)).collect();
    digits?.chunks(2).map(|pair| if let [high, low] = pair { u8::try_from(high * 16 + low).ok() } else { None }).collect()
}

/// Whether these octets may stand in a quoted string of a command (RFC 9051 section 9, `QUOTED-CHAR`; octets above 127 are let
/// through, because servers that send them take them back).
#[must_use]
pub fn is_quotable(name: &[u8]) -> bool {
    !name.iter().any(|octet| matches!(octet, 0 | b'\r' | b'\n'))
}

/// The names from the root down, for people. `utf8`: the server sends names in UTF-8 (RFC 9755), not in modified UTF-7.
#[must_use]
pub fn path(name: &[u8], delimiter: Option<u8>, utf8: bool) -> Vec<String> {
    let parts: Vec<&[u8]> = match delimiter {
        Some(delimiter) => name.split(|&octet| octet == delimiter).filter(|part| !part.is_empty()).collect(),
        None => vec![name],
    };
    let show = |part: &[u8]| if utf8 { String::from_utf8_lossy(part).into_owned() } else { decode(part) };
    if parts.is_empty() { vec![show(name)] } else { parts.into_iter().map(show).collect() }
}

/// Unicode in modified UTF-7.
fn encode(name: &str) -> String {
    let mut text = String::with_capacity(name.len());
    let mut units: Vec<u16> = Vec::new();
    for character in name.chars() {
        if matches!(character, ' '..='~') {
            shift(&mut units, &mut text);
            text.push(character);
            if character == '&' {
                text.push('-');
            }
        } else {
            units.extend(character.encode_utf16(&mut [0; 2]).iter());
        }
    }
    shift(&mut units, &mut text);
    text
}

/// Put `units` behind `text` as modified base64, and empty them.
fn shift(units: &mut Vec<u16>, text: &mut String) {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+,";
    if units.is_empty() {
        return;
    }
    text.push('&');
    let (mut bits, mut held) = (0u32, 0u32);
    let mut put = |value: u32| text.extend(DIGITS.get((value & 0x3f) as usize).map(|&digit| char::from(digit)));
    for unit in units.drain(..) {
        bits = bits << 16 | u32::from(unit);
        held += 16;
        while held >= 6 {
            held -= 6;
            put(bits >> held);
            bits &= (1 << held) - 1;
        }
    }
    if held > 0 {
        put(bits << (6 - held));
    }
    text.push('-');
}

/// Modified UTF-7 in Unicode. What is not valid is shown as it stands.
fn decode(name: &[u8]) -> String {
    let mut text = String::new();
    let mut rest = name;
    while let Some(at) = rest.iter().position(|&octet| octet == b'&') {
        let (plain, shifted) = rest.split_at(at);
        text.push_str(&String::from_utf8_lossy(plain));
        let shifted = shifted.get(1..).unwrap_or_default();
        let Some(end) = shifted.iter().position(|&octet| octet == b'-') else {
            text.push('&');
            rest = shifted;
            continue;
        };
        let (code, after) = shifted.split_at(end);
        match if code.is_empty() { Some("&".to_owned()) } else { utf16(code) } {
            Some(decoded) => text.push_str(&decoded),
            None => {
                text.push('&');
                text.push_str(&String::from_utf8_lossy(code));
                text.push('-');
            }
        }
        rest = after.get(1..).unwrap_or_default();
    }
    text.push_str(&String::from_utf8_lossy(rest));
    text
}

/// Modified base64 (`,` for `/`, no padding) of UTF-16, in Unicode.
fn utf16(code: &[u8]) -> Option<String> {
    let (mut bits, mut held) = (0u32, 0u32);
    let mut octets = Vec::with_capacity(code.len());
    for &digit in code {
        let value = match digit {
            b'A'..=b'Z' => digit - b'A',
            b'a'..=b'z' => digit - b'a' + 26,
            b'0'..=b'9' => digit - b'0' + 52,
            b'+' => 62,
            b',' => 63,
            _ => return None,
        };
        bits = bits << 6 | u32::from(value);
        held += 6;
        if held >= 8 {
            held -= 8;
            octets.push(u8::try_from(bits >> held & 0xff).ok()?);
            bits &= (1 << held) - 1;
        }
    }
    if bits != 0 || held >= 6 || octets.is_empty() || octets.len() % 2 != 0 {
        return None;
    }
    let units: Vec<u16> = octets.chunks_exact(2).filter_map(|pair| Some(u16::from_be_bytes(pair.try_into().ok()?))).collect();
    String::from_utf16(&units).ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn modified_utf7_of_the_rfc() {
        // RFC 3501 section 5.1.3.
        assert_eq!(path(b"~peter/mail/&U,BTFw-/&ZeVnLIqe-", Some(b'/'), false), ["~peter", "mail", "台北", "日本語"]);
        for (wire, shown) in [
            ("Entw&APw-rfe", "Entwürfe"),
            ("&-", "&"),
            ("R&-D", "R&D"),
            ("&2D3eAA-", "😀"),
            ("&Jjo!", "&Jjo!"),
            ("&U,BTFw-&ZeVnLIqe-", "台北日本語"),
            ("&AAA", "&AAA"),
            ("&A-", "&A-"),
            ("&2D0-", "&2D0-"),
        ] {
            assert_eq!(path(wire.as_bytes(), None, false), [shown], "{wire}");
        }
        assert_eq!(path("Entwürfe.été".as_bytes(), Some(b'.'), true), ["Entwürfe", "été"]);
        assert_eq!(path(b"/", Some(b'/'), false), ["/"]);
    }

    #[test]
    fn ids_are_names_where_they_can_be() {
        assert_eq!(to_id(b"INBOX", false), "INBOX");
        assert_eq!(to_id(b"caf\xe9", false), "raw:636166e9");
        assert_eq!(to_id(b"caf\xe9", true), "raw:636166e9");
        assert_eq!(from_id("raw:6", false), None);
        assert_eq!(from_id("raw:zz", true), None);
    }

    #[test]
    fn a_server_that_learns_utf8_keeps_its_ids() {
        for (wire, utf8) in [("Entw&APw-rfe", "Entwürfe"), ("R&-D", "R&D"), ("&2D3eAA-", "😀"), ("a/&U,BTFw-/b", "a/台北/b")] {
            assert_eq!(to_id(wire.as_bytes(), false), to_id(utf8.as_bytes(), true));
            assert_eq!(from_id(wire, true).unwrap(), utf8.as_bytes());
            assert_eq!(from_id(wire, false).unwrap(), wire.as_bytes());
        }
    }

    proptest! {
        #[test]
        fn every_name_survives(name in proptest::collection::vec(any::<u8>(), 0..40), prefixed: bool) {
            let name = if prefixed { [RAW.as_bytes(), &name].concat() } else { name };
            for utf8 in [false, true] {
                prop_assert_eq!(from_id(&to_id(&name, utf8), utf8), Some(name.clone()));
                let _ = from_id(&String::from_utf8_lossy(&name), utf8);
            }
            let _ = path(&name, Some(b'.'), false);
        }

        #[test]
        fn every_text_survives_modified_utf7(text in "\\PC{0,20}") {
            let id = to_id(text.as_bytes(), true);
            prop_assert!(id.is_ascii());
            prop_assert_eq!(path(id.as_bytes(), None, false), [text]);
        }
    }
}
