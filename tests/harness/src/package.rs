//! Programs that a test needs and that come from a Debian package: where they are, and what to install where they are not.

use std::path::PathBuf;

/// A program and the Debian package that brings it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Program {
    /// The command's name.
    pub name: &'static str,
    /// A file that only this package has, where the command's package alone is not enough.
    pub also: Option<&'static str>,
    /// The package.
    pub package: &'static str,
}

/// Everything that `cargo xtask test` needs.
pub const PROGRAMS: &[Program] = &[
    Program { name: "dovecot", also: None, package: "dovecot-core" },
    Program { name: "doveadm", also: Some("/usr/lib/dovecot/imap"), package: "dovecot-imapd" },
    Program { name: "doveadm", also: Some("/usr/lib/dovecot/pop3"), package: "dovecot-pop3d" },
    Program { name: "doveadm", also: Some("/usr/lib/dovecot/lmtp"), package: "dovecot-lmtpd" },
    Program { name: "postfix", also: None, package: "postfix" },
    Program { name: "gsasl", also: None, package: "gsasl" },
    Program { name: "openssl", also: None, package: "openssl" },
    Program { name: "mbsync", also: None, package: "isync" },
    Program { name: "microsocks", also: None, package: "microsocks" },
    Program { name: "tinyproxy", also: None, package: "tinyproxy" },
    Program { name: "faketime", also: None, package: "faketime" },
];

/// Where `name` is: in `PATH` or where Debian puts servers, which an unprivileged user's `PATH` leaves out.
#[must_use]
pub fn find(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::env::split_paths(&path).chain(["/usr/sbin".into(), "/usr/bin".into(), "/sbin".into()]);
    folders.map(|folder| folder.join(name)).find(|file| file.is_file())
}

/// The packages that are wanted and not there, each once.
#[must_use]
pub fn missing() -> Vec<&'static str> {
    let is_missing =
        |program: &&Program| find(program.name).is_none() || program.also.is_some_and(|file| !std::path::Path::new(file).exists());
    let mut packages: Vec<_> = PROGRAMS.iter().filter(is_missing).map(|program| program.package).collect();
    packages.dedup();
    packages
}

/// Where `name` is.
///
/// # Panics
/// When it is not installed; the words say what to install.
#[must_use]
#[track_caller]
pub fn require(name: &str) -> PathBuf {
    let missing = missing();
    match find(name) {
        Some(file) if !missing.iter().any(|package| package.starts_with(name)) => file,
        _ => panic!("`{name}` is not installed: run `cargo xtask setup` as root, or `apt-get install {}`", missing.join(" ")),
    }
}
