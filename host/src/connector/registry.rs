//! Where component files lie, and which of them are active: approved by the operator, or shipped with the host and in the
//! build's hash list. Every function here reads or writes files and blocks: async callers use `spawn_blocking`.

use std::fmt;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use semver::Version;
use serde::{Deserialize, Serialize};

use super::approval::{Approval, widening};
use super::audit::Audit;
use super::folder::{self, Links};
use super::inspection::{Inspection, inspect_octets, readable, sha256, shown};
use super::manifest::Manifest;
use super::section;
use crate::clock::Timestamp;
use crate::fault::{Fault, Kind};
use crate::model::endpoint::Fingerprint;
use crate::model::name::ConnectorId;

mod choice;
#[cfg(test)]
mod tests;

/// The folders in which components lie.
#[derive(Debug)]
pub struct Registry {
    home: PathBuf,
    shipped: Vec<PathBuf>,
    /// One of our own operations at a time, so that none sees a file half-way between two names.
    exclusive: Mutex<()>,
}

/// Where a file lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Place {
    /// The home's `connectors/`, where operators drop files.
    Home,
    /// Beside the executable, where the build puts them.
    Shipped,
}

/// One file of a listing.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Listed {
    /// The connector; none where the file does not say.
    pub id: Option<ConnectorId>,
    /// Its version.
    pub version: Option<Version>,
    /// Its name for people.
    pub name: Option<String>,
    /// The file; for a folder that cannot be listed, the folder.
    pub path: PathBuf,
    /// The SHA-256 of the file, where it could be read.
    pub sha256: Option<Fingerprint>,
    /// Where it lies.
    pub place: Place,
    /// Whether it is used.
    #[serde(flatten)]
    pub state: State,
}

/// Whether a file is used.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase", tag = "state")]
pub enum State {
    /// This is what accounts run.
    Active,
    /// It could be.
    Inactive {
        /// Why it is not.
        why: String,
        /// What it asks for.
        asks: Vec<String>,
        /// What of that goes beyond the last approval; none where there was none.
        beyond: Option<Vec<String>>,
    },
    /// It could not be.
    Broken {
        /// What is wrong with it.
        fault: Fault,
    },
}

/// A component that may run, with the octets that were hashed: nobody reads the file again.
#[derive(Clone)]
pub struct ApprovedComponent {
    /// The connector.
    pub id: ConnectorId,
    /// Its version.
    pub version: Version,
    /// The SHA-256 of `bytes`.
    pub sha256: Fingerprint,
    /// The component.
    pub bytes: Vec<u8>,
    /// What it says of itself.
    pub manifest: Manifest,
    /// What it is to be linked to.
    pub audit: Audit,
    /// Where it was read, for people.
    pub path: PathBuf,
}

/// What would be approved, to be shown before it is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Proposal {
    /// The component.
    pub inspection: Inspection,
    /// What it asks for beyond the last approval; none where there was none.
    pub beyond: Option<Vec<String>>,
    /// The file that it would take the place of.
    pub instead_of: Option<PathBuf>,
}

/// A file with what could be found out about it.
struct Found {
    path: PathBuf,
    place: Place,
    /// Whether the build's hash list names it.
    is_listed: bool,
    id: Option<ConnectorId>,
    sha256: Option<Fingerprint>,
    octets: Vec<u8>,
    inspection: Result<Inspection, Fault>,
}

impl Registry {
    /// The home's folder, and the shipped ones in the order in which they are looked through. None of them needs to exist.
    #[must_use]
    pub const fn new(home_connectors: PathBuf, shipped: Vec<PathBuf>) -> Self {
        Self { home: home_connectors, shipped, exclusive: Mutex::new(()) }
    }

    /// The shipped folders of this executable: `connectors` beside it, and `../lib/postrider/connectors`.
    #[must_use]
    pub fn shipped_folders() -> Vec<PathBuf> {
        let executable = std::env::current_exe().and_then(|path| path.canonicalize()).ok();
        let Some(beside) = executable.as_deref().and_then(Path::parent) else { return Vec::new() };
        let library = beside.parent().map(|prefix| prefix.join("lib/postrider/connectors"));
        std::iter::once(beside.join("connectors")).chain(library).collect()
    }

    /// Every file, the home's first, with its state. What cannot be read is listed as broken.
    #[must_use]
    pub fn list(&self, approvals: &[Approval]) -> Vec<Listed> {
        let _exclusive = self.exclusive();
        let found = self.scan(None);
        let states = choice::states(&found, approvals);
        found.into_iter().zip(states).map(|(found, state)| found.listed(state)).collect()
    }

    /// Look at one file, wherever it lies. Nothing is run or compiled.
    ///
    /// # Errors
    /// Unreadable, not a component, or one that cannot run on this host.
    pub fn inspect(path: &Path) -> Result<Inspection, Fault> {
        let file = folder::open(path, Links::Follow)?;
        inspect_octets(path, &folder::read(&file, path)?)
    }

    /// The component that accounts run under this id.
    ///
    /// # Errors
    /// Kind `unapproved` with the command that approves it, `not-found` with what there is and where was looked, or what is wrong with
    /// the one file of that id.
    pub fn find(&self, id: &ConnectorId, approvals: &[Approval]) -> Result<ApprovedComponent, Fault> {
        let _exclusive = self.exclusive();
        let found = self.scan(Some(id));
        let states = choice::states(&found, approvals);
        let (mut inactive, mut broken, mut unreadable) = (None, None, None);
        for (found, state) in found.into_iter().zip(states) {
            match (state, found.inspection) {
                (State::Active, Ok(inspection)) => return Ok(ApprovedComponent::new(inspection, found.octets)),
                (State::Inactive { why, .. }, _) => inactive = inactive.or(Some((found.path, why))),
                (State::Broken { fault }, _) if found.id.is_some() => broken = broken.or(Some(fault)),
                // It may be the one: what the system does not let us look at is not missing.
                (State::Broken { fault }, _) if fault.kind == Kind::Storage => unreadable = unreadable.or(Some(fault)),
                _ => {}
            }
        }
        let operation = format!("use connector {id}");
        if let Some((path, why)) = inactive {
            let remedy = format!(
                "`postrider connector inspect {}` shows what it asks for, `postrider connector approve {id}` lets it",
                shown(&path)
            );
            return Err(Fault::new(Kind::Unapproved, operation).because_words(why).with_remedy(remedy));
        }
        Err(broken.or(unreadable).map_or_else(|| self.not_found(id), |fault| fault.within(operation)))
    }

    /// Copy the component at `path` into the home, durably and for the owner only. It takes the place of unapproved files of the same
    /// id; an approved one stays, and stays active, until this one is approved. The inspection names the new file.
    ///
    /// # Errors
    /// As for [`inspect`](Self::inspect), or the home cannot be written.
    pub fn install(&self, path: &Path, approvals: &[Approval]) -> Result<Inspection, Fault> {
        let _exclusive = self.exclusive();
        let file = folder::open(path, Links::Follow)?;
        let octets = folder::read(&file, path)?;
        let inspection = inspect_octets(path, &octets)?;
        let id = inspection.manifest.id.clone();
        self.settle(&id, approvals)?;
        let had: Vec<Found> =
            self.scan(Some(&id)).into_iter().filter(|found| found.place == Place::Home && found.id.as_ref() == Some(&id)).collect();
        let (approved, others): (Vec<_>, Vec<_>) = had.into_iter().partition(|found| found.is_approved(approvals));
        if let Some(same) = approved.iter().find(|found| found.sha256 == Some(inspection.sha256)) {
            return Ok(Inspection { path: same.path.clone(), ..inspection });
        }
        let plain = self.plain_path(&id);
        let name = if approved.iter().any(|found| found.path == plain) { format!("{id}+new.wasm") } else { format!("{id}.wasm") };
        let written = folder::replace(&self.home, &name, &octets)?;
        for other in others.iter().filter(|other| other.path != written) {
            folder::remove(&self.home, &other.path)?;
        }
        Ok(Inspection { path: written, ..inspection })
    }

    /// What `approve` would approve: the home's unapproved file of this id, else a shipped one that the hash list does not name.
    ///
    /// # Errors
    /// `not-found`, `conflict` where several files could be meant, what is wrong with the file, or that there is nothing to approve.
    pub fn proposal(&self, id: &ConnectorId, approvals: &[Approval]) -> Result<Proposal, Fault> {
        let _exclusive = self.exclusive();
        self.settle(id, approvals)?;
        let found = self.scan(Some(id));
        let states = choice::states(&found, approvals);
        let active = found.iter().zip(&states).find(|(_, state)| **state == State::Active).map(|(found, _)| found);
        let chosen = choice::to_approve(id, &found, &states)?;
        let Some(chosen) = chosen.or(active) else {
            let broken = found.into_iter().filter(|found| found.id.is_some()).find_map(|found| found.inspection.err());
            return Err(broken.map_or_else(|| self.not_found(id), |fault| fault.within(format!("approve connector {id}"))));
        };
        let inspection = chosen.inspection.clone()?;
        let beyond = approvals.iter().find(|approval| approval.id == *id).map(|approval| widening(approval, &inspection.manifest));
        let instead_of = active.filter(|active| active.path != inspection.path).map(|active| active.path.clone());
        Ok(Proposal { inspection, beyond, instead_of })
    }

    /// Approve what [`proposal`](Self::proposal) gives. The caller keeps the approval instead of an earlier one of the id; only then does it
    /// hold.
    ///
    /// # Errors
    /// As for `proposal`.
    pub fn approve(&self, id: &ConnectorId, approvals: &[Approval]) -> Result<Approval, Fault> {
        Ok(self.proposal(id, approvals)?.approve(Timestamp::now()))
    }

    /// Remove the home's files of this id. The caller forgets the approval.
    ///
    /// # Errors
    /// `not-found`, `refused-by-host` where only a shipped file has this id, or the home cannot be written.
    pub fn remove(&self, id: &ConnectorId) -> Result<Vec<PathBuf>, Fault> {
        let _exclusive = self.exclusive();
        let found: Vec<Found> = self.scan(Some(id)).into_iter().filter(|found| found.id.as_ref() == Some(id)).collect();
        let mut removed = Vec::new();
        for found in found.iter().filter(|found| found.place == Place::Home) {
            folder::remove(&self.home, &found.path)?;
            removed.push(found.path.clone());
        }
        match found.first() {
            _ if !removed.is_empty() => Ok(removed),
            Some(shipped) => Err(Fault::new(Kind::RefusedByHost, format!("remove connector {id}"))
                .because_words(format!("{} was shipped with this host", shown(&shipped.path)))),
            None => Err(self.not_found(id)),
        }
    }

    fn exclusive(&self) -> MutexGuard<'_, ()> {
        // Nothing is kept under the lock that a panic could leave half-done.
        self.exclusive.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn plain_path(&self, id: &ConnectorId) -> PathBuf {
        self.home.join(format!("{id}.wasm"))
    }

    /// Where a newly installed file waited beside an approved one and is approved by now, it takes that one's name.
    fn settle(&self, id: &ConnectorId, approvals: &[Approval]) -> Result<(), Fault> {
        // No id holds a '+': this name cannot be another connector's.
        let waiting = self.home.join(format!("{id}+new.wasm"));
        let found = if waiting.symlink_metadata().is_ok() { Some(Found::look(waiting, Place::Home, None)) } else { None };
        match found.flatten() {
            Some(found) if found.is_approved(approvals) => folder::rename(&self.home, &found.path, &self.plain_path(id)),
            _ => Ok(()),
        }
    }

    /// Every file, or those of one id together with what cannot be opened.
    fn scan(&self, only: Option<&ConnectorId>) -> Vec<Found> {
        let mut found = Vec::new();
        let folders = std::iter::once((&self.home, Place::Home)).chain(self.shipped.iter().map(|path| (path, Place::Shipped)));
        for (path, place) in folders {
            let sums = match place {
                Place::Home => Ok(Default::default()),
                Place::Shipped => folder::sums(path),
            };
            match folder::entries(path).and_then(|entries| Ok((entries, sums?))) {
                Ok((entries, sums)) => found.extend(entries.into_iter().filter_map(|entry| {
                    let mut found = Found::look(entry, place, only)?;
                    found.is_listed = found.sha256.is_some_and(|sha256| sums.contains(&sha256.0));
                    Some(found)
                })),
                Err(fault) => found.push(Found::broken(path.clone(), place, fault)),
            }
        }
        found
    }

    fn not_found(&self, id: &ConnectorId) -> Fault {
        let mut ids: Vec<String> = self.scan(None).into_iter().filter_map(|found| found.id).map(|id| id.to_string()).collect();
        ids.sort();
        ids.dedup();
        let there = if ids.is_empty() { "there is no connector at all".to_owned() } else { format!("there are {}", ids.join(", ")) };
        let folders: Vec<String> = std::iter::once(&self.home).chain(&self.shipped).map(|path| shown(path)).collect();
        Fault::new(Kind::NotFound, format!("find connector {id}"))
            .because_words(format!("{there}; looked in {}", folders.join(", ")))
            .with_remedy(
                "`postrider connector install FILE` adds one; in a development build, `cargo xtask connectors` builds the first-party ones",
            )
    }
}

impl Proposal {
    /// The operator says yes.
    #[must_use]
    pub fn approve(&self, now: Timestamp) -> Approval {
        Approval::new(&self.inspection.manifest, self.inspection.sha256, now)
    }
}

impl ApprovedComponent {
    fn new(inspection: Inspection, bytes: Vec<u8>) -> Self {
        let Inspection { path, sha256, manifest, audit, .. } = inspection;
        Self { id: manifest.id.clone(), version: manifest.version.clone(), sha256, bytes, manifest, audit, path }
    }
}

impl fmt::Debug for ApprovedComponent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ApprovedComponent")
            .field("id", &self.id)
            .field("version", &self.version)
            .field("sha256", &self.sha256)
            .finish_non_exhaustive()
    }
}

impl Found {
    /// Look at one file; none where it does not say that it is the one looked for.
    fn look(path: PathBuf, place: Place, only: Option<&ConnectorId>) -> Option<Self> {
        let file = match folder::open(&path, Links::Refuse) {
            Ok(file) => file,
            Err(fault) => return Some(Self::broken(path, place, fault)),
        };
        let declared = declared_id(&file);
        if only.is_some() && declared.as_ref() != only {
            return None;
        }
        let octets = match rewound(&file, &path).and_then(|file| folder::read(file, &path)) {
            Ok(octets) => octets,
            Err(fault) => return Some(Self { id: declared, ..Self::broken(path, place, fault) }),
        };
        let sha256 = sha256(&octets);
        let inspection = inspect_octets(&path, &octets);
        // What was inspected counts: the file may have changed since the section was read.
        let id = inspection.as_ref().map_or(declared, |inspection| Some(inspection.manifest.id.clone()));
        // A whole listing keeps no octets.
        let octets = if only.is_some() { octets } else { Vec::new() };
        Some(Self { path, place, is_listed: false, id, sha256: Some(sha256), octets, inspection })
    }

    const fn broken(path: PathBuf, place: Place, fault: Fault) -> Self {
        Self { path, place, is_listed: false, id: None, sha256: None, octets: Vec::new(), inspection: Err(fault) }
    }

    fn is_approved(&self, approvals: &[Approval]) -> bool {
        match (&self.id, self.sha256) {
            (Some(id), Some(sha256)) => approvals.iter().any(|approval| approval.covers(id, sha256)),
            _ => false,
        }
    }

    fn listed(self, state: State) -> Listed {
        let manifest = self.inspection.ok().map(|inspection| inspection.manifest);
        let (version, name) = manifest.map(|manifest| (manifest.version, manifest.name)).unzip();
        Listed { id: self.id, version, name, path: readable(&self.path), sha256: self.sha256, place: self.place, state }
    }
}

/// The id that a file's manifest declares, whatever else is wrong with it.
fn declared_id(mut file: &File) -> Option<ConnectorId> {
    #[derive(Deserialize)]
    struct Declared {
        id: ConnectorId,
    }
    let json = section::read(&mut file).ok()?;
    Some(serde_json::from_slice::<Declared>(&json).ok()?.id)
}

fn rewound<'a>(file: &'a File, path: &Path) -> Result<&'a File, Fault> {
    use std::io::Seek;
    let mut rewinding = file;
    rewinding.rewind().map_err(|error| Fault::new(Kind::Storage, format!("read {}", shown(path))).because(&error))?;
    Ok(file)
}
