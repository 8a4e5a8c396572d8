//! The control socket as a file: who may speak on it, and names longer than a socket's address holds.

use std::fs;
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use rustix::fs::{Mode, OFlags};
use rustix::process::geteuid;
use tokio::net::{UnixListener, UnixStream};

/// The longest name in a `sockaddr_un` on Linux: 108 octets with the NUL (unix(7)).
const ADDRESS_OCTETS: usize = 107;

/// A name for a path that fits into a socket's address.
struct Address {
    name: PathBuf,
    // What `name` goes through, where the path is too long.
    _directory: Option<rustix::fd::OwnedFd>,
}

impl Address {
    fn of(path: &Path) -> io::Result<Self> {
        if path.as_os_str().len() <= ADDRESS_OCTETS {
            return Ok(Self { name: path.to_owned(), _directory: None });
        }
        let (Some(parent), Some(file)) = (path.parent(), path.file_name()) else { return Err(io::ErrorKind::InvalidFilename.into()) };
        let directory = rustix::fs::open(parent, OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())?;
        let name = Path::new("/proc/self/fd").join(directory.as_raw_fd().to_string()).join(file);
        Ok(Self { name, _directory: Some(directory) })
    }
}

/// Listen at `path`, for this user only. A socket that a killed daemon left is replaced; the caller owns the home.
///
/// # Errors
/// `AddrInUse` where another process listens there (two homes with one run-time directory), and as of the system calls.
pub(super) async fn bind(path: &Path) -> io::Result<UnixListener> {
    if connect(path).await.is_ok() {
        return Err(io::ErrorKind::AddrInUse.into());
    }
    // Made private under another name first: nobody can connect to a socket that is not private yet.
    let mut unfinished = path.as_os_str().to_owned();
    unfinished.push(".new");
    let unfinished = PathBuf::from(unfinished);
    match fs::remove_file(&unfinished) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let listener = UnixListener::bind(&Address::of(&unfinished)?.name)?;
    fs::set_permissions(&unfinished, fs::Permissions::from_mode(0o600))?;
    fs::rename(&unfinished, path)?;
    Ok(listener)
}

/// Connect to the socket at `path`.
///
/// # Errors
/// As of the system calls; `PermissionDenied` where the listener is another user's.
pub(super) async fn connect(path: &Path) -> io::Result<UnixStream> {
    let address = Address::of(path)?;
    let stream = UnixStream::connect(&address.name).await?;
    check_peer(&stream)?;
    Ok(stream)
}

/// Refuse a peer that is another user's process.
///
/// # Errors
/// `PermissionDenied`, or as of asking the system for it.
pub(super) fn check_peer(stream: &UnixStream) -> io::Result<()> {
    if may_speak(stream.peer_cred()?.uid(), geteuid().as_raw()) { Ok(()) } else { Err(io::ErrorKind::PermissionDenied.into()) }
}

/// Whether a process of user `peer` and one of user `own` may speak: the same user, or root, who can read the home anyway.
const fn may_speak(peer: u32, own: u32) -> bool {
    peer == own || peer == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn other_users_may_not_speak() {
        assert!(may_speak(1000, 1000));
        assert!(may_speak(0, 1000));
        assert!(!may_speak(1001, 1000));
        assert!(!may_speak(1000, 0));
    }

    #[tokio::test]
    async fn a_socket_is_private_and_replaces_a_dead_one() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("control.sock");
        drop(bind(&path).await.unwrap());
        assert!(path.exists(), "a killed daemon leaves its socket");
        let _listener = bind(&path).await.unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(bind(&path).await.unwrap_err().kind(), io::ErrorKind::AddrInUse);
        connect(&path).await.unwrap();
    }

    #[tokio::test]
    async fn long_names_work() {
        let directory = tempfile::tempdir().unwrap();
        let deep = directory.path().join("d".repeat(120));
        fs::create_dir(&deep).unwrap();
        let path = deep.join("control.sock");
        let _listener = bind(&path).await.unwrap();
        connect(&path).await.unwrap();
    }
}
