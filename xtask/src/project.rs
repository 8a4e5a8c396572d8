//! Where things are, and how cargo is called.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, bail};

/// A build profile that the verbs use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Profile {
    /// Dependencies optimised, no debug information: every test, and the demo.
    Dev,
    /// What operators get: the benchmark and the archive.
    Release,
}

impl Profile {
    /// The folder's name in the target folder.
    const fn folder(self) -> &'static str {
        match self {
            Self::Dev => "debug",
            Self::Release => "release",
        }
    }

    /// What cargo is told.
    pub(crate) const fn options(self) -> &'static [&'static str] {
        match self {
            Self::Dev => &[],
            Self::Release => &["--release"],
        }
    }
}

/// The clone's root.
pub(crate) fn root() -> Result<PathBuf> {
    let package = std::env::var("CARGO_MANIFEST_DIR").context("call this as `cargo xtask`")?;
    Path::new(&package).parent().map(Path::to_owned).context("the package `xtask` has no parent folder")
}

/// Where binaries of `profile` are, beside this one.
pub(crate) fn binaries(profile: Profile) -> Result<PathBuf> {
    let own = std::env::current_exe().context("find this program")?;
    let target = own.ancestors().nth(2).context("find the target folder")?;
    Ok(target.join(profile.folder()))
}

/// The built `postrider`.
pub(crate) fn postrider(profile: Profile) -> Result<PathBuf> {
    Ok(binaries(profile)?.join("postrider"))
}

/// The packages of the workspace.
#[derive(Debug, Default)]
pub(crate) struct Packages {
    /// What runs on this machine.
    pub(crate) native: Vec<String>,
    /// What becomes components. Built apart from the others: together, cargo would build the host's dependencies with other features,
    /// and wasmtime once more.
    pub(crate) components: Vec<String>,
}

/// Ask cargo for the packages of the workspace.
pub(crate) fn packages() -> Result<Packages> {
    let output = cargo(&["metadata", "--no-deps", "--format-version", "1"])?.output().context("run `cargo metadata`")?;
    if !output.status.success() {
        bail!("`cargo metadata` ended with {}: {}", output.status, String::from_utf8_lossy(&output.stderr));
    }
    let metadata: serde_json::Value = serde_json::from_slice(&output.stdout).context("read the answer of `cargo metadata`")?;
    let root = root()?;
    let mut packages = Packages::default();
    for package in metadata.get("packages").and_then(serde_json::Value::as_array).context("`cargo metadata` names no packages")? {
        let text =
            |field: &str| package.get(field).and_then(serde_json::Value::as_str).with_context(|| format!("a package without {field}"));
        let folder = Path::new(text("manifest_path")?);
        let is_component = ["plugins", "tests/guests"].iter().any(|parent| folder.starts_with(root.join(parent)));
        let set = if is_component { &mut packages.components } else { &mut packages.native };
        set.push(text("name")?.to_owned());
    }
    Ok(packages)
}

/// `--package` for each of `names`.
pub(crate) fn selection(names: &[String]) -> Vec<&str> {
    names.iter().flat_map(|name| ["--package", name]).collect()
}

/// `cargo` with `arguments`, in the clone's root.
pub(crate) fn cargo(arguments: &[&str]) -> Result<Command> {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.args(arguments).current_dir(root()?);
    // Cargo set these for this package. Build scripts that watch them (that of ring does) would run again each time a person calls
    // cargo without xtask, and most of the host with them.
    for (name, _) in std::env::vars_os() {
        if ["CARGO_PKG_", "CARGO_MANIFEST_", "CARGO_BIN_"].iter().any(|prefix| name.to_string_lossy().starts_with(prefix)) {
            command.env_remove(name);
        }
    }
    Ok(command)
}

/// Build the host, so that the tests, the demo and the benchmark find it.
pub(crate) fn build_postrider(profile: Profile) -> Result<PathBuf> {
    let arguments: Vec<&str> = ["build", "--package", "postrider"].iter().chain(profile.options()).copied().collect();
    finish(&mut cargo(&arguments)?)?;
    postrider(profile)
}

/// Build everything that runs on this machine, tests included, and with it the host. Who is going to run tests calls this and not
/// [`build_postrider`]: alone, the host has dependencies with fewer features, and wasmtime would be built once more.
pub(crate) fn build_tests() -> Result<PathBuf> {
    let packages = packages()?;
    finish(&mut cargo(&[&["build", "--all-targets"], &selection(&packages.native)[..]].concat())?)?;
    postrider(Profile::Dev)
}

/// Run `command` to its end, which must be a success.
pub(crate) fn finish(command: &mut Command) -> Result<()> {
    let words = words(command);
    let status = command.status().with_context(|| format!("run `{words}`"))?;
    if !status.success() {
        bail!("`{words}` ended with {status}");
    }
    Ok(())
}

/// A command line as a person would write it.
pub(crate) fn words(command: &Command) -> String {
    let program = Path::new(command.get_program()).file_name().unwrap_or_default().to_string_lossy().into_owned();
    let arguments = command.get_args().map(|argument| argument.to_string_lossy().into_owned());
    std::iter::once(program).chain(arguments).collect::<Vec<_>>().join(" ")
}
