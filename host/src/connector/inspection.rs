//! One component's file, looked at from outside: what it is, what it asks for, and whether it could run here.

use std::fmt;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::approval::Wishes;
use super::audit::{Audit, audit};
use super::manifest::Manifest;
use super::section;
use super::settings::Setting;
use crate::fault::{Fault, Kind};
use crate::limits::COMPONENT_OCTETS;
use crate::model::endpoint::Fingerprint;

/// All that can be said of a component without running it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Inspection {
    /// Where it was read.
    pub path: PathBuf,
    /// Octets of the file.
    pub size: u64,
    /// The SHA-256 of the file.
    pub sha256: Fingerprint,
    /// What it says of itself.
    pub manifest: Manifest,
    /// What it is linked to.
    pub audit: Audit,
    /// What it asks the operator for, one wish a line.
    pub asks: Vec<String>,
    /// What else an author or an operator may want to know.
    pub notes: Vec<String>,
    /// The settings that it takes.
    pub settings: Vec<Setting>,
}

/// Look at the octets of a component's file, which was read from `path`. Whatever the octets are, this neither panics
/// nor computes for long: fuzzing calls it.
///
/// # Errors
/// Not a component, not valid, no manifest or a bad one, or one that cannot run on this host; each said in words.
pub fn inspect_octets(path: &Path, octets: &[u8]) -> Result<Inspection, Fault> {
    let operation = format!("read connector {}", shown(path));
    let manifest = read_manifest(octets).map_err(|fault| fault.within(operation.clone()))?;
    let audit = audit(octets, &manifest).map_err(|error| Fault::from(error).within(operation))?;
    Ok(Inspection {
        path: readable(path),
        size: octets.len() as u64,
        sha256: sha256(octets),
        asks: Wishes::of(&manifest).in_words(),
        notes: audit.notes(&manifest),
        settings: manifest.settings.settings(),
        manifest,
        audit,
    })
}

/// The manifest of the component in `octets`, checked.
pub(super) fn read_manifest(octets: &[u8]) -> Result<Manifest, Fault> {
    if octets.len() as u64 > COMPONENT_OCTETS {
        return Err(too_large(octets.len() as u64));
    }
    let json = section::read(&mut std::io::Cursor::new(octets))?;
    Ok(Manifest::from_json(&json)?)
}

/// The SHA-256 of `octets`.
#[must_use]
pub fn sha256(octets: &[u8]) -> Fingerprint {
    Fingerprint(Sha256::digest(octets).into())
}

/// A path as text that JSON can carry: octets that are no UTF-8 are shown as replacement characters.
pub(super) fn readable(path: &Path) -> PathBuf {
    PathBuf::from(path.to_string_lossy().into_owned())
}

/// A path as a terminal may show it.
pub(super) fn shown(path: &Path) -> String {
    path.display().to_string().chars().flat_map(|c| if c.is_control() { c.escape_default().collect() } else { vec![c] }).collect()
}

pub(super) fn too_large(size: u64) -> Fault {
    let words = format!("the file takes {size} octets, and {COMPONENT_OCTETS} are allowed");
    Fault::new(Kind::TooLarge, "use the component").because_words(words)
}

impl fmt::Display for Inspection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Manifest { name, description, homepage, contract, abilities, .. } = &self.manifest;
        writeln!(f, "{} ({name})", self.manifest.title())?;
        for line in description.lines() {
            writeln!(f, "  {line}")?;
        }
        if let Some(homepage) = homepage {
            writeln!(f, "  {homepage}")?;
        }
        writeln!(f, "File      {}, {} octets", shown(&self.path), self.size)?;
        writeln!(f, "SHA-256   {}", self.sha256)?;
        writeln!(f, "Contract  {contract}")?;
        writeln!(f, "Abilities {}", abilities.join(", "))?;
        section_of(f, "Asks to", &self.asks)?;
        let settings: Vec<String> = self.settings.iter().map(ToString::to_string).collect();
        section_of(f, "Settings", &settings)?;
        let imports: Vec<String> = self.audit.imports.iter().map(|import| format!("{} ({})", import.name, import.reach)).collect();
        section_of(f, "Imports", &imports)?;
        section_of(f, "Notes", &self.notes)
    }
}

fn section_of(f: &mut fmt::Formatter<'_>, heading: &str, lines: &[String]) -> fmt::Result {
    if lines.is_empty() {
        return writeln!(f, "{heading}: nothing");
    }
    writeln!(f, "{heading}:")?;
    lines.iter().try_for_each(|line| writeln!(f, "  - {line}"))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::connector::fixture::{RECEIVER_TOML, RECEIVER_WAT, component, packed};
    use crate::connector::pack::pack;

    fn path() -> PathBuf {
        PathBuf::from("imap.wasm")
    }

    #[test]
    fn what_is_packed_can_be_inspected() {
        let (octets, inspection) = pack(&component(RECEIVER_WAT), RECEIVER_TOML, &path()).unwrap();
        assert_eq!(octets, packed(RECEIVER_WAT, RECEIVER_TOML), "packing twice gives the same");
        assert_eq!(inspect_octets(&path(), &octets).unwrap(), inspection);
        let words = inspection.to_string().replace(&inspection.sha256.to_string(), "[hash]");
        insta::assert_snapshot!(words, @r#"
        imap 0.1.0 (IMAP)
          Receives mail over IMAP.
        File      imap.wasm, 650 octets
        SHA-256   [hash]
        Contract  0.1
        Abilities receive, push
        Asks to:
          - open lines to the account's `receive` server (IMAP), where the host signs in with the account's password
        Settings:
          - window-days: a whole number from 1 to 3650 (default 30); Days to look back
        Imports:
          - postrider:transport/transport@0.1.0 (contract)
          - postrider:mailbox/mailbox@0.1.0 (contract)
          - wasi:cli/environment@0.2.6 (WASI)
        Notes: nothing
        "#);
    }

    #[test]
    fn wishes_are_said_in_words() {
        let toml = r#"
            format = 1
            id = "jmap"
            version = "1.0.0"
            contract = "0.1"
            name = "JMAP"
            abilities = ["receive"]
            origins = ["account", "https://files.example"]
            [[endpoints]]
            name = "sieve"
            protocol = "stream"
            [[credentials]]
            name = "token"
            kind = "oauth"
            placement = "bearer"
            origins = ["account"]
            [[credentials]]
            name = "key"
            kind = "api-key"
            placement = { header = "X-Api-Key" }
            origins = ["https://files.example"]
            [oauth]
            authorization = "https://login.example/authorize"
            token = "https://login.example/token"
            device = "https://login.example/device"
            scopes = ["mail.read"]
        "#;
        let inspection = inspect_octets(&path(), &packed(RECEIVER_WAT, toml)).unwrap();
        insta::assert_snapshot!(inspection.asks.join("\n"), @r#"
        open lines to the account's `sieve` server (STREAM), where nobody signs in
        send HTTP requests to the account's own server
        send HTTP requests to https://files.example
        have the host send the account's OAuth sign-in `token` to the account's own server as a bearer token
        have the host send the account's API key `key` to https://files.example in the header X-Api-Key
        let users sign in at https://login.example/authorize
        get tokens from https://login.example/token
        let users sign in on another device at https://login.example/device
        ask for the scope mail.read
        "#);
    }

    #[test]
    fn a_fault_names_the_file_and_the_reason() {
        let fault = inspect_octets(&path(), b"\0asm\x01\0\0\0").unwrap_err();
        assert_eq!(fault.operation, "read connector imap.wasm");
        assert_eq!(fault.causes().last().unwrap(), "this is a core module, not a component: build with `--target wasm32-wasip2`");
    }

    proptest! {
        #[test]
        fn no_octets_panic(octets in proptest::collection::vec(any::<u8>(), 0..300)) {
            let _ = inspect_octets(&path(), &octets);
        }

        #[test]
        fn no_damage_panics(at in any::<prop::sample::Index>(), octet in any::<u8>(), cut in any::<prop::sample::Index>()) {
            let mut octets = packed(RECEIVER_WAT, RECEIVER_TOML);
            let length = octets.len();
            octets[at.index(length)] = octet;
            let _ = inspect_octets(&path(), &octets);
            octets.truncate(cut.index(length));
            let _ = inspect_octets(&path(), &octets);
        }

        #[test]
        fn no_manifest_panics(json in "\\{(\"[a-z]{1,8}\":(1|null|\"[a-z.]{0,4}\"|\\[\\]|\\{\\}),?){0,8}\\}") {
            let octets = section::replace(&component(RECEIVER_WAT), json.as_bytes()).unwrap();
            let _ = inspect_octets(&path(), &octets);
        }
    }
}
