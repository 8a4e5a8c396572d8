//! A folder of component files: listing, reading and replacing them, with every oddity that a folder may hold said in words.
//! All of it blocks.

use std::collections::BTreeSet;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::OFlags;

use super::inspection::{shown, too_large};
use crate::fault::{Fault, Kind};
use crate::limits::COMPONENT_OCTETS;
use crate::model::endpoint::Fingerprint;

/// Files that are looked at in one folder.
pub(super) const FILES: usize = 1_000;

/// The build's hash list, as `sha256sum` writes it.
const SUMS: &str = "SHA256SUMS";

/// The greatest hash list, in octets.
const SUMS_OCTETS: u64 = 1 << 20;

/// Whether the last step of a path may be a symbolic link.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Links {
    /// The operator named the path.
    Follow,
    /// The path was found in a folder.
    Refuse,
}

/// What may be a component in `folder`, in the order of the names: files that end in `.wasm`, and folders, so that they can be said to
/// be in the wrong place. Hidden entries are left out. A folder that does not exist is empty.
pub(super) fn entries(folder: &Path) -> Result<Vec<PathBuf>, Fault> {
    let fault = |error: io::Error| Fault::new(Kind::Storage, format!("list {}", shown(folder))).because(&error);
    let listing = match fs::read_dir(folder) {
        Ok(listing) => listing,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(fault(error)),
    };
    let mut paths = Vec::new();
    for entry in listing {
        let entry = entry.map_err(fault)?;
        let hidden = entry.file_name().as_encoded_bytes().starts_with(b".");
        let is_wasm = Path::new(&entry.file_name()).extension().is_some_and(|extension| extension == "wasm");
        if !hidden && (is_wasm || entry.file_type().is_ok_and(|kind| kind.is_dir())) {
            paths.push(entry.path());
        }
        if paths.len() > FILES {
            let words = format!("it holds more than {FILES} files, and none of them is looked at");
            return Err(Fault::new(Kind::TooLarge, format!("list {}", shown(folder))).because_words(words));
        }
    }
    paths.sort();
    Ok(paths)
}

/// Open a regular file of at most [`COMPONENT_OCTETS`].
pub(super) fn open(path: &Path, links: Links) -> Result<File, Fault> {
    let fault = || Fault::new(Kind::Storage, format!("open {}", shown(path)));
    // Not the disk's trouble: nothing of it passes by itself.
    let refuse = |words: &str, remedy: &str| Err(Fault { kind: Kind::Misconfigured, ..fault() }.because_words(words).with_remedy(remedy));
    let metadata = match links {
        Links::Follow => fs::metadata(path),
        Links::Refuse => fs::symlink_metadata(path),
    };
    let metadata = metadata.map_err(|error| fault().because(&error))?;
    if metadata.is_dir() {
        return refuse("it is a folder", "put the `.wasm` file itself there");
    }
    if metadata.is_symlink() {
        return refuse("it is a symbolic link, and what it leads to may change unseen", "copy the file itself there");
    }
    if !metadata.is_file() {
        return refuse("it is no regular file", "copy the component into a file first");
    }
    // The name may lead to something else by now: a link is refused again, and a pipe must not block.
    let flags = match links {
        Links::Follow => OFlags::NONBLOCK,
        Links::Refuse => OFlags::NONBLOCK | OFlags::NOFOLLOW,
    };
    let flags = i32::try_from(flags.bits()).unwrap_or_default();
    let file = OpenOptions::new().read(true).custom_flags(flags).open(path).map_err(|error| fault().because(&error))?;
    let metadata = file.metadata().map_err(|error| fault().because(&error))?;
    if !metadata.is_file() {
        return refuse("it is no regular file", "copy the component into a file first");
    }
    if metadata.len() > COMPONENT_OCTETS {
        return Err(too_large(metadata.len()).within(format!("open {}", shown(path))));
    }
    Ok(file)
}

/// All octets of `file`, bounded even while somebody appends to it.
pub(super) fn read(file: &File, path: &Path) -> Result<Vec<u8>, Fault> {
    let mut octets = Vec::new();
    let read = file.take(COMPONENT_OCTETS + 1).read_to_end(&mut octets);
    read.map_err(|error| Fault::new(Kind::Storage, format!("read {}", shown(path))).because(&error))?;
    if octets.len() as u64 > COMPONENT_OCTETS {
        return Err(too_large(octets.len() as u64).within(format!("read {}", shown(path))));
    }
    Ok(octets)
}

/// The hashes that the build listed beside its components; none where there is no list.
pub(super) fn sums(folder: &Path) -> Result<BTreeSet<[u8; 32]>, Fault> {
    let path = folder.join(SUMS);
    let fault = |error: &io::Error| Fault::new(Kind::Storage, format!("read {}", shown(&path))).because(error);
    let file = match File::open(&path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(BTreeSet::new()),
        Err(error) => return Err(fault(&error)),
    };
    let mut text = String::new();
    file.take(SUMS_OCTETS).read_to_string(&mut text).map_err(|error| fault(&error))?;
    Ok(text.lines().filter_map(|line| line.split_whitespace().next()?.parse::<Fingerprint>().ok()).map(|sum| sum.0).collect())
}

/// Make `octets` the content of `name` in `folder`, at once and durably: a temporary file, synced, renamed, and the folder synced. The
/// folder and the file are the owner's only.
pub(super) fn replace(folder: &Path, name: &str, octets: &[u8]) -> Result<PathBuf, Fault> {
    let path = folder.join(name);
    let fault = |error: io::Error| Fault::new(Kind::Storage, format!("write {}", shown(&path))).because(&error);
    fs::DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(fault)?;
    let temporary = folder.join(format!(".{name}.{}.tmp", std::process::id()));
    let written = (|| {
        // What a killed process of the same number left.
        remove_if_there(&temporary)?;
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&temporary)?;
        file.write_all(octets)?;
        file.sync_all()?;
        fs::rename(&temporary, &path)
    })();
    if let Err(error) = written {
        let _ = remove_if_there(&temporary);
        return Err(fault(error));
    }
    sync(folder)?;
    Ok(path)
}

/// Rename `from` to `to` within `folder`, durably.
pub(super) fn rename(folder: &Path, from: &Path, to: &Path) -> Result<(), Fault> {
    let renamed = fs::rename(from, to);
    renamed.map_err(|error| Fault::new(Kind::Storage, format!("rename {} to {}", shown(from), shown(to))).because(&error))?;
    sync(folder)
}

/// Remove a file, durably.
pub(super) fn remove(folder: &Path, path: &Path) -> Result<(), Fault> {
    remove_if_there(path).map_err(|error| Fault::new(Kind::Storage, format!("remove {}", shown(path))).because(&error))?;
    sync(folder)
}

fn remove_if_there(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

fn sync(folder: &Path) -> Result<(), Fault> {
    let synced = File::open(folder).and_then(|folder| folder.sync_all());
    synced.map_err(|error| Fault::new(Kind::Storage, format!("sync {}", shown(folder))).because(&error))
}
