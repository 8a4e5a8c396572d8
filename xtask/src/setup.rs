//! Installs the servers and clients that the tests and the benchmark need, and keeps them from starting by themselves.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, bail};
use harness::package;

use crate::{project, toolchain};

/// Debian asks this file whether a package may start its service.
const POLICY: &str = "/usr/sbin/policy-rc.d";

/// `cargo xtask setup`.
pub(crate) fn run(arguments: &[String]) -> Result<()> {
    if !arguments.is_empty() {
        bail!("`setup` takes no arguments");
    }
    toolchain::ensure()?;
    servers()?;
    println!("everything is there");
    Ok(())
}

/// Install what is missing.
///
/// # Errors
/// Without root, or where there is no `apt-get`; the words say which packages to install.
pub(crate) fn servers() -> Result<()> {
    let missing = package::missing();
    if missing.is_empty() {
        return Ok(());
    }
    install(&missing)?;
    for (server, units) in [
        ("dovecot-core", &["dovecot.service", "dovecot.socket"][..]),
        ("postfix", &["postfix.service"]),
        ("tinyproxy", &["tinyproxy.service"]),
    ] {
        if missing.contains(&server) && package::find("systemctl").is_some() {
            // The tests start servers of their own; the packaged one would start with the machine.
            let _ = Command::new("systemctl").args(["disable", "--quiet"]).args(units).status();
        }
    }
    let missing = package::missing();
    if !missing.is_empty() {
        bail!("apt-get installed no {}", missing.join(", "));
    }
    Ok(())
}

/// Install Debian packages, without starting what they bring.
///
/// # Errors
/// Without root, or where there is no `apt-get`; the words say which packages to install.
pub(crate) fn install(packages: &[&str]) -> Result<()> {
    let names = packages.join(" ");
    if package::find("apt-get").is_none() {
        bail!("this needs programs of Debian 12 (Dovecot 2.3, Postfix, mbsync, ...); on Debian these are the packages {names}");
    }
    if !rustix::process::geteuid().is_root() {
        bail!("this needs packages that are not installed: run `sudo apt-get install --no-install-recommends {names}`");
    }
    println!("apt-get install {names}");
    let policy = Policy::refuse(Path::new(POLICY))?;
    let installed = run_apt(packages);
    policy.restore()?;
    installed
}

fn run_apt(packages: &[&str]) -> Result<()> {
    let apt = |arguments: &[&str]| {
        let mut command = Command::new("apt-get");
        command.args(["-qq", "-o", "DPkg::Lock::Timeout=300"]).args(arguments).env("DEBIAN_FRONTEND", "noninteractive");
        project::finish(&mut command)
    };
    let arguments: Vec<&str> = ["install", "--yes", "--no-install-recommends"].iter().chain(packages).copied().collect();
    // A list of packages that is too old is the usual reason for a failure.
    if apt(&arguments).is_err() {
        apt(&["update"])?;
        apt(&arguments)?;
    }
    Ok(())
}

/// A [`POLICY`] file that refuses every start, and what stood there before.
struct Policy {
    file: PathBuf,
    before: Option<PathBuf>,
}

impl Policy {
    fn refuse(file: &Path) -> Result<Self> {
        let saved = file.with_extension("d.before-setup");
        // A run that was killed left it: what stood there before is in `saved`.
        if !saved.exists() && file.exists() {
            fs::rename(file, &saved).with_context(|| format!("move {} away", file.display()))?;
        }
        let policy = Self { file: file.to_owned(), before: saved.exists().then_some(saved) };
        fs::write(file, "#!/bin/sh\nexit 101\n").with_context(|| format!("write {}", file.display()))?;
        fs::set_permissions(file, fs::Permissions::from_mode(0o755)).with_context(|| format!("write {}", file.display()))?;
        Ok(policy)
    }

    fn restore(self) -> Result<()> {
        match &self.before {
            Some(before) => fs::rename(before, &self.file),
            None => fs::remove_file(&self.file),
        }
        .with_context(|| format!("restore {}", self.file.display()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_policy_that_stood_there_comes_back() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("policy-rc.d");
        fs::write(&file, "mine").unwrap();
        let policy = Policy::refuse(&file).unwrap();
        assert!(fs::read_to_string(&file).unwrap().contains("exit 101"));
        policy.restore().unwrap();
        assert_eq!(fs::read_to_string(&file).unwrap(), "mine");

        fs::remove_file(&file).unwrap();
        Policy::refuse(&file).unwrap().restore().unwrap();
        assert!(!file.exists());
    }
}
