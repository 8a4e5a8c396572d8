//! Small files that are replaced as a whole, and folders whose entries are synced.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;

use super::error::Error;
use super::failpoint::{Failpoint, at, waits};

/// Make a folder for the owner only, where there is none.
pub(super) fn make_folder(path: &Path) -> Result<(), Error> {
    let make = || fs::DirBuilder::new().recursive(true).mode(0o700).create(path);
    at(Failpoint::FolderMake, make).map_err(Error::io("make the folder", path))
}

/// Make the entries of a folder durable.
pub(super) fn sync_folder(path: &Path) -> Result<(), Error> {
    at(Failpoint::FolderSync, || File::open(path)?.sync_all()).map_err(Error::io("sync the folder", path))
}

/// Make durable that `path` is there, up to the root of the file system: somebody may have made the folders above it just now.
pub(super) fn sync_way_to(path: &Path) -> Result<(), Error> {
    for folder in path.ancestors().skip(1).filter(|folder| !folder.as_os_str().is_empty()) {
        match sync_folder(folder) {
            // Who may not read a folder did not make what stands in it.
            Err(Error::Io { source, .. }) if source.kind() == io::ErrorKind::PermissionDenied => {}
            synced => synced?,
        }
    }
    Ok(())
}

/// Write a file so that after a crash it has its old content or its new one; durable on return.
pub(super) fn replace(path: &Path, octets: &[u8]) -> Result<(), Error> {
    write(path, std::iter::once(octets))
}

/// The same of a content that comes in pieces.
pub(super) fn write<P: AsRef<[u8]>>(path: &Path, mut pieces: impl Iterator<Item = P>) -> Result<(), Error> {
    let draft = path.with_extension("new");
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(true).mode(0o600);
    let written = options.open(&draft).and_then(|mut file| {
        at(Failpoint::DraftWrite, || pieces.try_for_each(|piece| file.write_all(piece.as_ref())))?;
        at(Failpoint::DraftSync, || file.sync_all())
    });
    written.map_err(Error::io("write", &draft))?;
    at(Failpoint::DraftRename, || fs::rename(&draft, path)).map_err(Error::io("replace", path))?;
    path.parent().map_or(Ok(()), sync_folder)
}

/// The content of a file; none: there is no such file.
pub(super) fn read(path: &Path) -> Result<Option<Vec<u8>>, Error> {
    waits();
    match fs::read(path) {
        Ok(octets) => Ok(Some(octets)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(Error::io("read", path)(error)),
    }
}
