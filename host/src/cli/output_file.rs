//! A file that a command writes for a person: whole under its name or not there, readable by its owner only; and what is no
//! regular file (a pipe, `/dev/stdout`) is written to and never replaced.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use tempfile::NamedTempFile;

/// Where the octets go until the file is whole.
pub(super) enum OutputFile {
    /// A draft beside the file, and the name that it gets.
    Draft(NamedTempFile, PathBuf),
    /// What is written to as it stands.
    Stream(File),
}

impl OutputFile {
    /// Begin to write `path`.
    ///
    /// # Errors
    /// The folder cannot be written, or what stands there cannot be opened.
    pub(super) fn create(path: &Path) -> io::Result<Self> {
        // What a link leads to is meant, and not the link.
        let path = path.canonicalize().unwrap_or_else(|_| path.to_owned());
        if path.metadata().is_ok_and(|metadata| !metadata.is_file()) {
            return OpenOptions::new().write(true).open(&path).map(Self::Stream);
        }
        // A name that nobody can foretell, made anew, mode 0600.
        let draft = tempfile::Builder::new().prefix(".postrider-").tempfile_in(folder_of(&path))?;
        Ok(Self::Draft(draft, path))
    }

    /// The end of it: durable, and under its name.
    ///
    /// # Errors
    /// The disk's. The draft is gone then.
    pub(super) fn finish(self) -> io::Result<()> {
        match self {
            Self::Draft(draft, path) => {
                draft.as_file().sync_all()?;
                draft.persist(&path).map_err(|error| error.error)?;
                File::open(folder_of(&path))?.sync_all()
            }
            Self::Stream(mut file) => file.flush(),
        }
    }
}

impl Write for OutputFile {
    fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
        match self {
            Self::Draft(draft, _) => draft.write(octets),
            Self::Stream(file) => file.write(octets),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Draft(draft, _) => draft.flush(),
            Self::Stream(file) => file.flush(),
        }
    }
}

fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{FileTypeExt, PermissionsExt};

    use super::*;

    fn write(path: &Path, octets: &[u8]) -> io::Result<()> {
        let mut file = OutputFile::create(path)?;
        file.write_all(octets)?;
        file.finish()
    }

    #[test]
    fn a_file_is_there_whole_or_not_at_all() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("m.eml");
        let mut given_up = OutputFile::create(&path).unwrap();
        given_up.write_all(b"half").unwrap();
        drop(given_up);
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
        write(&path, b"whole").unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"whole");
        assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o600);
    }

    #[test]
    fn links_are_followed_and_devices_stay_devices() {
        let folder = tempfile::tempdir().unwrap();
        let (file, link) = (folder.path().join("file"), folder.path().join("link"));
        std::fs::write(&file, "old").unwrap();
        std::os::unix::fs::symlink(&file, &link).unwrap();
        write(&link, b"new").unwrap();
        assert!(link.symlink_metadata().unwrap().is_symlink());
        assert_eq!(std::fs::read(&file).unwrap(), b"new");
        let pipe = folder.path().join("pipe");
        rustix::fs::mknodat(rustix::fs::CWD, &pipe, rustix::fs::FileType::Fifo, 0o600.into(), 0).unwrap();
        let reader = std::thread::spawn({
            let pipe = pipe.clone();
            move || std::fs::read(pipe).unwrap()
        });
        write(&pipe, b"through").unwrap();
        assert_eq!(reader.join().unwrap(), b"through");
        assert!(pipe.metadata().unwrap().file_type().is_fifo());
    }
}
