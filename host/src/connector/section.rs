//! The manifest's custom section: found and replaced by walking the component's outermost sections (their number, size and
//! content stand in a row), without looking into any other.

use std::io::{self, Read, Seek, SeekFrom};

use wasm_encoder::{CustomSection, Encode, Section};

use super::manifest::{MANIFEST_OCTETS, SECTION};
use crate::fault::{Fault, Kind};

/// Sections that one component may have outermost; compilers write some dozens.
const SECTIONS: usize = 100_000;

/// Magic, version 13 and layer 1: what every component begins with (Component Model, Binary.md).
const COMPONENT: [u8; 8] = [0x00, b'a', b's', b'm', 0x0d, 0x00, 0x01, 0x00];

/// Magic, version 1 and layer 0: what a core module begins with (WebAssembly 2.0, section 5.5.16).
const CORE_MODULE: [u8; 8] = [0x00, b'a', b's', b'm', 0x01, 0x00, 0x00, 0x00];

/// The number of custom sections.
const CUSTOM: u8 = 0;

/// Why the sections could not be walked.
#[derive(Debug, thiserror::Error)]
pub enum SectionError {
    /// Not WebAssembly at all.
    #[error("this is not WebAssembly: it does not begin with the octets 00 61 73 6D")]
    NotWasm,
    /// A core module.
    #[error("this is a core module, not a component: build with `--target wasm32-wasip2`")]
    CoreModule,
    /// WebAssembly of a version that nobody here knows.
    #[error("this is WebAssembly of an unknown version, not a component")]
    UnknownVersion,
    /// The file ends inside a section, or a section's size is no number.
    #[error("the component is torn: its sections do not add up")]
    Torn,
    /// No section of that name.
    #[error("the component carries no manifest: `postrider connector pack FILE --manifest connector.toml` puts one in")]
    Missing,
    /// More than one: whoever reads the first and whoever reads the last would disagree.
    #[error("the component carries more than one manifest")]
    Repeated,
    /// Over [`MANIFEST_OCTETS`].
    #[error("the manifest takes {0} octets, and {MANIFEST_OCTETS} are allowed")]
    TooLarge(u64),
    /// The file could not be read.
    #[error("the file cannot be read")]
    Io(#[source] io::Error),
}

impl From<SectionError> for Fault {
    fn from(error: SectionError) -> Self {
        let kind = match error {
            SectionError::TooLarge(_) => Kind::TooLarge,
            SectionError::Io(_) => Kind::Storage,
            _ => Kind::ConnectorFailed,
        };
        Self::new(kind, "find the connector's manifest").because(&error)
    }
}

/// Which of WebAssembly's two layers a file is of, by its first eight octets.
///
/// # Errors
/// Anything but a component, named.
pub fn check_preamble(octets: &[u8]) -> Result<(), SectionError> {
    match octets.get(..8) {
        Some(preamble) if preamble == COMPONENT => Ok(()),
        Some(preamble) if preamble == CORE_MODULE => Err(SectionError::CoreModule),
        _ if octets.starts_with(&COMPONENT[..4]) => Err(SectionError::UnknownVersion),
        _ => Err(SectionError::NotWasm),
    }
}

/// The manifest's JSON in the component `file`. Reads only that section and the others' first octets, so that a folder of large
/// components is listed quickly. Blocking.
///
/// # Errors
/// Not a component, torn, no manifest, more than one, too large, or unreadable.
pub fn read(file: &mut (impl Read + Seek)) -> Result<Vec<u8>, SectionError> {
    let end = file.seek(SeekFrom::End(0)).map_err(SectionError::Io)?;
    file.rewind().map_err(SectionError::Io)?;
    let mut preamble = Vec::new();
    file.by_ref().take(8).read_to_end(&mut preamble).map_err(SectionError::Io)?;
    check_preamble(&preamble)?;
    let mut at = 8;
    let mut found = None;
    for _ in 0..SECTIONS {
        if at == end {
            return found.ok_or(SectionError::Missing);
        }
        let section = Header::read(file, at, end)?;
        if section.is_manifest {
            let size = section.end - section.content;
            if size > MANIFEST_OCTETS as u64 {
                return Err(SectionError::TooLarge(size));
            }
            let mut json = Vec::new();
            file.seek(SeekFrom::Start(section.content)).map_err(SectionError::Io)?;
            file.by_ref().take(size).read_to_end(&mut json).map_err(SectionError::Io)?;
            if found.replace(json).is_some() {
                return Err(SectionError::Repeated);
            }
        }
        at = section.end;
    }
    Err(SectionError::Torn)
}

/// The `component` with `json` as its one manifest, whatever it carried before.
///
/// # Errors
/// Not a component, or torn.
pub fn replace(component: &[u8], json: &[u8]) -> Result<Vec<u8>, SectionError> {
    check_preamble(component)?;
    let end = component.len() as u64;
    let mut file = io::Cursor::new(component);
    let mut packed = COMPONENT.to_vec();
    let mut at = 8;
    for _ in 0..SECTIONS {
        if at == end {
            let section = CustomSection { name: SECTION.into(), data: json.into() };
            packed.push(section.id());
            section.encode(&mut packed);
            return Ok(packed);
        }
        let section = Header::read(&mut file, at, end)?;
        if !section.is_manifest {
            let range = usize::try_from(at).ok().zip(usize::try_from(section.end).ok());
            let octets = range.and_then(|(begin, end)| component.get(begin..end)).ok_or(SectionError::Torn)?;
            packed.extend_from_slice(octets);
        }
        at = section.end;
    }
    Err(SectionError::Torn)
}

/// Where one section lies.
struct Header {
    is_manifest: bool,
    /// After the section's size, and for the manifest after its name.
    content: u64,
    /// The first octet of the next section.
    end: u64,
}

impl Header {
    /// The section that begins at `at`, in a file of `file_end` octets.
    fn read(file: &mut (impl Read + Seek), at: u64, file_end: u64) -> Result<Self, SectionError> {
        file.seek(SeekFrom::Start(at)).map_err(SectionError::Io)?;
        // A number, two LEB128 of at most five octets, and the name.
        let mut head = Vec::with_capacity(11 + SECTION.len());
        file.by_ref().take((11 + SECTION.len()) as u64).read_to_end(&mut head).map_err(SectionError::Io)?;
        let (number, rest) = head.split_first().ok_or(SectionError::Torn)?;
        let (size, rest) = leb128_u32(rest).ok_or(SectionError::Torn)?;
        let content = at + (head.len() - rest.len()) as u64;
        let end = content + u64::from(size);
        if end > file_end {
            return Err(SectionError::Torn);
        }
        if *number == CUSTOM
            && let Some((length, name)) = leb128_u32(rest)
            && length as usize == SECTION.len()
            && name.starts_with(SECTION.as_bytes())
        {
            let data = content + (rest.len() - name.len()) as u64 + u64::from(length);
            if data <= end {
                return Ok(Self { is_manifest: true, content: data, end });
            }
        }
        Ok(Self { is_manifest: false, content, end })
    }
}

/// An unsigned LEB128 of at most 32 bits (WebAssembly 2.0, section 5.2.2), and what follows it.
fn leb128_u32(octets: &[u8]) -> Option<(u32, &[u8])> {
    let mut value = 0_u64;
    for (index, octet) in octets.iter().enumerate().take(5) {
        value |= u64::from(octet & 0x7f) << (7 * index);
        if octet & 0x80 == 0 {
            return Some((u32::try_from(value).ok()?, octets.get(index + 1..)?));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const EMPTY: &[u8] = &COMPONENT;

    fn read_all(component: &[u8]) -> Result<Vec<u8>, SectionError> {
        read(&mut io::Cursor::new(component))
    }

    #[test]
    fn comes_back_and_is_replaced() {
        let first = replace(EMPTY, b"{\"a\":1}").unwrap();
        assert_eq!(read_all(&first).unwrap(), b"{\"a\":1}");
        let second = replace(&first, b"{}").unwrap();
        assert_eq!(read_all(&second).unwrap(), b"{}");
        assert_eq!(second, replace(EMPTY, b"{}").unwrap(), "nothing of the first is left");
        wasmparser::validate(&second).unwrap();
    }

    #[test]
    fn a_manifest_of_a_nested_component_is_not_ours() {
        let inner = replace(EMPTY, b"{\"inner\":true}").unwrap();
        let mut outer = EMPTY.to_vec();
        outer.push(4);
        inner.encode(&mut outer);
        assert!(matches!(read_all(&outer), Err(SectionError::Missing)));
    }

    #[test]
    fn refusals_are_named() {
        assert!(matches!(read_all(b"#!/bin/sh\n"), Err(SectionError::NotWasm)));
        assert!(matches!(read_all(b""), Err(SectionError::NotWasm)));
        assert!(matches!(read_all(&CORE_MODULE), Err(SectionError::CoreModule)));
        assert!(matches!(read_all(b"\0asm\x63\0\x01\0"), Err(SectionError::UnknownVersion)));
        assert!(matches!(read_all(EMPTY), Err(SectionError::Missing)));
        let whole = replace(EMPTY, b"{}").unwrap();
        for end in 9..whole.len() {
            assert!(matches!(read_all(&whole[..end]), Err(SectionError::Torn)), "cut at {end}");
        }
        let twice = [whole.as_slice(), &whole[8..]].concat();
        assert!(matches!(read_all(&twice), Err(SectionError::Repeated)));
        let large = replace(EMPTY, &vec![b' '; MANIFEST_OCTETS + 1]).unwrap();
        assert!(matches!(read_all(&large), Err(SectionError::TooLarge(_))));
    }

    proptest! {
        #[test]
        fn any_octets_are_walked(tail in proptest::collection::vec(any::<u8>(), 0..200), json in "\\PC{0,40}") {
            let component = [EMPTY, &tail].concat();
            let _ = read_all(&component);
            if let Ok(packed) = replace(&component, json.as_bytes()) {
                prop_assert_eq!(read_all(&packed).unwrap(), json.as_bytes());
            }
        }
    }
}
