//! What a component asks to be linked to, and what it offers, read from its import and export names before anything is
//! compiled.

use std::fmt;

use semver::Version;
use serde::{Deserialize, Serialize};
use wasmparser::{Parser, Payload, Validator, WasmFeatures};

use super::manifest::{ContractVersion, Manifest};
use super::section::{SectionError, check_preamble};
use crate::fault::{Fault, Kind};

/// The minor version of the contract that this host speaks.
pub const CONTRACT: ContractVersion = ContractVersion { major: 0, minor: 1 };

/// The contract's interfaces with the versions that this host speaks (`wit/deps`), and who offers them.
pub const INTERFACES: &[Interface] = &[
    Interface { name: "types", version: Version::new(0, 1, 0), side: Side::Host },
    Interface { name: "runtime", version: Version::new(0, 1, 0), side: Side::Host },
    Interface { name: "transport", version: Version::new(0, 1, 0), side: Side::Host },
    Interface { name: "http", version: Version::new(0, 1, 0), side: Side::Host },
    Interface { name: "state", version: Version::new(0, 1, 0), side: Side::Host },
    Interface { name: "mailbox", version: Version::new(0, 1, 0), side: Side::Host },
    Interface { name: "submission", version: Version::new(0, 1, 0), side: Side::Host },
    Interface { name: "receiving", version: Version::new(0, 1, 0), side: Side::Component },
    Interface { name: "sending", version: Version::new(0, 1, 0), side: Side::Component },
    Interface { name: "profile", version: Version::new(0, 1, 0), side: Side::Component },
];

/// What is linked of WASI 0.2, and whether anything can be reached through it.
const WASI: &[(&str, Reach)] = &[
    ("io", Reach::Linked),
    ("cli", Reach::Linked),
    ("clocks", Reach::Linked),
    ("random", Reach::Linked),
    ("filesystem", Reach::Inert),
    ("sockets", Reach::Inert),
];

/// Imports and exports that one component may have.
const NAMES: usize = 1_000;

/// One interface of the contract: package and interface are of the same name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Interface {
    /// "mailbox" for `postrider:mailbox/mailbox`.
    pub name: &'static str,
    /// The version that this host speaks.
    pub version: Version,
    /// Who offers it.
    pub side: Side,
}

/// Who offers an interface.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// Imported by components.
    Host,
    /// Exported by components.
    Component,
}

/// How far an import reaches.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Reach {
    /// The contract's own.
    Contract,
    /// Of WASI, and harmless: clocks, randomness, the log as standard output, an empty environment.
    Linked,
    /// Of WASI, linked for languages that always import it: no file and no socket can be reached.
    Inert,
}

/// One import that is satisfied.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Import {
    /// As the component names it: "postrider:mailbox/mailbox@0.1.0".
    pub name: String,
    /// How far it reaches.
    pub reach: Reach,
}

/// What a component wants and offers, all of which can be had.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Audit {
    /// In the component's order.
    pub imports: Vec<Import>,
    /// The interfaces of the contract that it exports: "receiving", "sending", "profile".
    pub exports: Vec<String>,
    /// Exports that nobody will call.
    pub unused: Vec<String>,
}

/// Why a component cannot run here.
#[derive(Debug, thiserror::Error)]
pub enum AuditError {
    /// Not a component.
    #[error(transparent)]
    NotComponent(#[from] SectionError),
    /// Not valid.
    #[error("the component is not valid")]
    Invalid(#[source] wasmparser::BinaryReaderError),
    /// More names than anybody needs.
    #[error("the component has more than {NAMES} imports and exports")]
    TooMany,
    /// Made for another version of the contract.
    #[error("connector {connector} wants contract {wanted}, this host speaks {spoken}: update the host or install {other} connector")]
    Contract {
        /// "pop3 0.3.0".
        connector: String,
        /// The version wanted, with the interface where only that is newer.
        wanted: String,
        /// What this host speaks.
        spoken: String,
        /// "an older" or "a newer".
        other: &'static str,
    },
    /// Imports that are not to be had.
    #[error("connector {connector} wants what no connector gets: {}", .wanted.join(", "))]
    Refused {
        /// "pop3 0.3.0".
        connector: String,
        /// Each with the reason.
        wanted: Vec<String>,
    },
    /// The manifest says something else than the component is.
    #[error("connector {connector}: {wrong}")]
    Inconsistent {
        /// "pop3 0.3.0".
        connector: String,
        /// What does not go together.
        wrong: String,
    },
}

/// Check that `component` is a valid component, that all it imports can be had, and that it is what its manifest says.
/// Nothing is compiled. Takes about as long as reading: tens of megabytes a second and more.
///
/// # Errors
/// Not a component, not valid, another version of the contract, imports that no connector gets (all at once), or a manifest that
/// does not fit.
pub fn audit(component: &[u8], manifest: &Manifest) -> Result<Audit, AuditError> {
    check_preamble(component)?;
    // Asked before validation: a component of a later contract may well use what this validator does not know.
    check_contract(manifest.contract, manifest)?;
    Validator::new_with_features(features()).validate_all(component).map_err(AuditError::Invalid)?;
    let (imports, exports) = names(component)?;
    let audit = sort(imports, exports, manifest)?;
    check_abilities(&audit, manifest)?;
    Ok(audit)
}

impl Audit {
    /// Whether the component exports this interface of the contract.
    #[must_use]
    pub fn exports(&self, interface: &str) -> bool {
        self.exports.iter().any(|export| export == interface)
    }

    /// Whether the component imports this interface of the contract.
    #[must_use]
    pub fn imports(&self, interface: &str) -> bool {
        let prefix = format!("postrider:{interface}/");
        self.imports.iter().any(|import| import.name.starts_with(&prefix))
    }

    /// What an author or an operator may want to know, in words.
    #[must_use]
    pub fn notes(&self, manifest: &Manifest) -> Vec<String> {
        let mut notes = Vec::new();
        let inert: Vec<&str> =
            self.imports.iter().filter(|import| import.reach == Reach::Inert).map(|import| import.name.as_str()).collect();
        if !inert.is_empty() {
            notes.push(format!("imports {} of files and sockets, inert: nothing can be reached through them", inert.len()));
        }
        if self.imports("http") && manifest.origins.is_empty() {
            notes.push("imports http, but names no origin: every request will be refused".to_owned());
        }
        if self.imports("transport") && manifest.endpoints.is_empty() {
            notes.push("imports transport, but names no endpoint: every connection will be refused".to_owned());
        }
        if !self.unused.is_empty() {
            notes.push(format!("exports what nobody will call: {}", self.unused.join(", ")));
        }
        notes
    }
}

impl From<AuditError> for Fault {
    fn from(error: AuditError) -> Self {
        let kind = match error {
            AuditError::Contract { .. } => Kind::Unsupported,
            AuditError::Refused { .. } => Kind::RefusedByHost,
            _ => Kind::ConnectorFailed,
        };
        Self::new(kind, "use the component").because(&error)
    }
}

impl fmt::Display for Reach {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Contract => "contract",
            Self::Linked => "WASI",
            Self::Inert => "WASI, inert: nothing reachable",
        })
    }
}

/// What the engine takes: the standard features, with native async.
fn features() -> WasmFeatures {
    WasmFeatures::default() | WasmFeatures::CM_ASYNC
}

/// The names of the outermost imports and exports.
fn names(component: &[u8]) -> Result<(Vec<String>, Vec<String>), AuditError> {
    let (mut imports, mut exports) = (Vec::new(), Vec::new());
    let mut depth = 0_usize;
    for payload in Parser::new(0).parse_all(component) {
        match payload.map_err(AuditError::Invalid)? {
            Payload::ModuleSection { .. } | Payload::ComponentSection { .. } => depth += 1,
            Payload::End(_) => depth = depth.saturating_sub(1),
            Payload::ComponentImportSection(section) if depth == 0 => {
                for import in section {
                    imports.push(import.map_err(AuditError::Invalid)?.name.name.to_owned());
                }
            }
            Payload::ComponentExportSection(section) if depth == 0 => {
                for export in section {
                    exports.push(export.map_err(AuditError::Invalid)?.name.name.to_owned());
                }
            }
            _ => {}
        }
        if imports.len() + exports.len() > NAMES {
            return Err(AuditError::TooMany);
        }
    }
    Ok((imports, exports))
}

/// Each name to its place, or all refusals at once.
fn sort(imports: Vec<String>, exports: Vec<String>, manifest: &Manifest) -> Result<Audit, AuditError> {
    let mut audit = Audit { imports: Vec::new(), exports: Vec::new(), unused: Vec::new() };
    let mut refused = Vec::new();
    for name in imports {
        match reach(&name, manifest)? {
            Ok(reach) => audit.imports.push(Import { name, reach }),
            Err(why) => refused.push(format!("{name} ({why})")),
        }
    }
    for name in exports {
        match spoken(&name, Side::Component) {
            Some((interface, wanted)) => {
                check_minor(&wanted, interface, manifest)?;
                audit.exports.push(interface.name.to_owned());
            }
            None => audit.unused.push(name),
        }
    }
    if refused.is_empty() { Ok(audit) } else { Err(AuditError::Refused { connector: manifest.title(), wanted: refused }) }
}

/// How far one import reaches, or why it cannot be had; the outer error is a version of the contract that is not spoken.
fn reach(name: &str, manifest: &Manifest) -> Result<Result<Reach, &'static str>, AuditError> {
    if let Some((interface, wanted)) = spoken(name, Side::Host) {
        check_minor(&wanted, interface, manifest)?;
        if wanted.patch > interface.version.patch {
            return Err(mismatch(manifest, &wanted, interface));
        }
        return Ok(Ok(Reach::Contract));
    }
    let Some((package, version)) = name.split_once(':').filter(|(namespace, _)| *namespace == "wasi").and_then(|(_, rest)| {
        let (path, version) = rest.split_once('@')?;
        Some((path.split('/').next()?, Version::parse(version).ok()?))
    }) else {
        return Ok(Err("no such interface in the contract"));
    };
    Ok(match WASI.iter().find(|(linked, _)| *linked == package) {
        Some(_) if (version.major, version.minor) != (0, 2) || !version.pre.is_empty() => {
            Err("of WASI, this host links 0.2: build with `--target wasm32-wasip2`")
        }
        Some((_, reach)) => Ok(*reach),
        None if package == "http" => Err("use postrider:http, whose requests carry the account's credentials"),
        None => Err("not linked"),
    })
}

/// The contract's interface that `name` names, on this side, and the version wanted.
fn spoken(name: &str, side: Side) -> Option<(&'static Interface, Version)> {
    let (path, version) = name.strip_prefix("postrider:")?.split_once('@')?;
    let (package, interface) = path.split_once('/')?;
    let interface = INTERFACES.iter().find(|known| known.side == side && known.name == package && known.name == interface)?;
    Some((interface, Version::parse(version).ok()?))
}

fn check_contract(wanted: ContractVersion, manifest: &Manifest) -> Result<(), AuditError> {
    if wanted == CONTRACT {
        return Ok(());
    }
    let other = if wanted > CONTRACT { "an older" } else { "a newer" };
    Err(AuditError::Contract { connector: manifest.title(), wanted: wanted.to_string(), spoken: CONTRACT.to_string(), other })
}

/// Within one minor version everything goes together: patches only add functions to what the host offers.
fn check_minor(wanted: &Version, interface: &Interface, manifest: &Manifest) -> Result<(), AuditError> {
    let spoken = &interface.version;
    if (wanted.major, wanted.minor) == (spoken.major, spoken.minor) && wanted.pre == spoken.pre {
        return Ok(());
    }
    Err(mismatch(manifest, wanted, interface))
}

fn mismatch(manifest: &Manifest, wanted: &Version, interface: &Interface) -> AuditError {
    AuditError::Contract {
        connector: manifest.title(),
        wanted: format!("{} {wanted}", interface.name),
        spoken: format!("{} {}", interface.name, interface.version),
        other: if *wanted > interface.version { "an older" } else { "a newer" },
    }
}

/// The abilities that stand for interfaces are exactly those that are exported.
fn check_abilities(audit: &Audit, manifest: &Manifest) -> Result<(), AuditError> {
    let wrong = |wrong: String| Err(AuditError::Inconsistent { connector: manifest.title(), wrong });
    for (ability, interface) in [("receive", "receiving"), ("send", "sending"), ("profile", "profile")] {
        match (manifest.has_ability(ability), audit.exports(interface)) {
            (true, false) => {
                return wrong(format!("its manifest's `abilities` name `{ability}`, but it exports no postrider:{interface}/{interface}"));
            }
            (false, true) => {
                return wrong(format!(
                    "it exports postrider:{interface}/{interface}, but its manifest's `abilities` do not name `{ability}`"
                ));
            }
            _ => {}
        }
    }
    if audit.exports("receiving") || audit.exports("sending") {
        return Ok(());
    }
    wrong("it exports neither postrider:receiving/receiving nor postrider:sending/sending, so that it can do nothing".to_owned())
}

#[cfg(test)]
mod tests;
