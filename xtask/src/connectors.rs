//! Builds connectors to where a binary of the same build finds them: `connectors/` beside it, with the hash list that approves
//! them.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use sha2::{Digest as _, Sha256};

use crate::project::{self, Profile};
use crate::toolchain::{self, TARGET};

/// The file that describes a connector, in its package's folder.
const MANIFEST: &str = "connector.toml";

/// The hash list, as `sha256sum --check` reads it.
const SUMS: &str = "SHA256SUMS";

/// One packed component.
#[derive(Debug)]
pub(crate) struct Packed {
    /// The connector's id, which names its file.
    pub(crate) id: String,
    /// The component with its manifest.
    pub(crate) octets: Vec<u8>,
}

/// A package whose library becomes a component.
struct Source {
    package: String,
    folder: PathBuf,
    id: String,
}

/// `cargo xtask connectors [--release] [--guests]`.
pub(crate) fn run(arguments: &[String]) -> Result<()> {
    let (mut profile, mut guests) = (Profile::Dev, false);
    for argument in arguments {
        match argument.as_str() {
            "--release" => profile = Profile::Release,
            "--guests" => guests = true,
            other => bail!("`connectors` takes `--release` and `--guests`, not `{other}`"),
        }
    }
    let postrider = if guests && profile == Profile::Dev { project::build_tests()? } else { project::build_postrider(profile)? };
    let folder = project::binaries(profile)?.join("connectors");
    let packed = build(&postrider)?;
    put(&packed, &folder)?;
    for Packed { id, octets } in &packed {
        println!("{id:<12} {:>9} octets  {}", octets.len(), folder.join(format!("{id}.wasm")).display());
    }
    if guests { build_guests(&postrider) } else { Ok(()) }
}

/// Build every first-party connector, and pack its manifest into it with `postrider`.
pub(crate) fn build(postrider: &Path) -> Result<Vec<Packed>> {
    let plugins = project::root()?.join("plugins");
    let mut sources = Vec::new();
    for entry in fs::read_dir(&plugins).with_context(|| format!("list {}", plugins.display()))? {
        let folder = entry?.path();
        if folder.join(MANIFEST).is_file() {
            sources.push(Source::read(folder)?);
        }
    }
    // The same order, and with it the same hash list, on every machine.
    sources.sort_by(|one, other| one.id.cmp(&other.id));
    pack(&sources, postrider)
}

/// Make `folder` hold exactly these components and their hash list.
pub(crate) fn put(packed: &[Packed], folder: &Path) -> Result<()> {
    fs::create_dir_all(folder).with_context(|| format!("make {}", folder.display()))?;
    for entry in fs::read_dir(folder).with_context(|| format!("list {}", folder.display()))? {
        let path = entry?.path();
        // What an earlier build made and this one does not would be in no hash list.
        if path.extension().is_some_and(|extension| extension == "wasm") {
            fs::remove_file(&path).with_context(|| format!("remove {}", path.display()))?;
        }
    }
    let mut sums = String::new();
    for Packed { id, octets } in packed {
        let name = format!("{id}.wasm");
        fs::write(folder.join(&name), octets).with_context(|| format!("write {}", folder.join(&name).display()))?;
        sums.push_str(&format!("{}  {name}\n", hex(octets)));
    }
    fs::write(folder.join(SUMS), sums).context("write the hash list")
}

/// The SHA-256 of `octets` in hexadecimal digits.
pub(crate) fn hex(octets: &[u8]) -> String {
    Sha256::digest(octets).iter().map(|octet| format!("{octet:02x}")).collect()
}

/// The components that misbehave, for the tests of the sandbox.
fn build_guests(postrider: &Path) -> Result<()> {
    let source = Source::read(project::root()?.join("tests/guests"))?;
    let folder = target()?.join("guests");
    fs::create_dir_all(&folder).with_context(|| format!("make {}", folder.display()))?;
    for Packed { octets, .. } in pack(&[source], postrider)? {
        let path = folder.join("misbehaving.wasm");
        fs::write(&path, &octets).with_context(|| format!("write {}", path.display()))?;
        println!("{:<12} {:>9} octets  {}", "guests", octets.len(), path.display());
    }
    Ok(())
}

/// Compile all of `sources` at once, and pack each.
fn pack(sources: &[Source], postrider: &Path) -> Result<Vec<Packed>> {
    if sources.is_empty() {
        return Ok(Vec::new());
    }
    toolchain::ensure()?;
    let packages: Vec<String> = sources.iter().map(|source| source.package.clone()).collect();
    let arguments = [&["build", "--release", "--lib", "--target", TARGET], &project::selection(&packages)[..]].concat();
    project::finish(&mut project::cargo(&arguments)?)?;
    let built = target()?.join(TARGET).join("release");
    let scratch = tempfile::tempdir().context("make a folder")?;
    let mut packed = Vec::new();
    for Source { package, folder, id } in sources {
        let component = built.join(format!("{}.wasm", package.replace('-', "_")));
        let output = scratch.path().join(format!("{id}.wasm"));
        let mut command = std::process::Command::new(postrider);
        command.args(["connector", "pack"]).arg(&component).arg("--manifest").arg(folder.join(MANIFEST)).arg("--output").arg(&output);
        // Its words are for authors who pack by hand; here only what fails is of interest.
        let ended = command.output().with_context(|| format!("run `{}`", project::words(&command)))?;
        if !ended.status.success() {
            bail!("`{}` ended with {}\n{}", project::words(&command), ended.status, String::from_utf8_lossy(&ended.stderr));
        }
        let octets = fs::read(&output).with_context(|| format!("read {}", output.display()))?;
        packed.push(Packed { id: id.clone(), octets });
    }
    Ok(packed)
}

impl Source {
    fn read(folder: PathBuf) -> Result<Self> {
        let package = line_value(&folder.join("Cargo.toml"), "name")?;
        let id = line_value(&folder.join(MANIFEST), "id")?;
        Ok(Self { package, folder, id })
    }
}

/// Cargo's target folder.
fn target() -> Result<PathBuf> {
    Ok(project::binaries(Profile::Dev)?.parent().context("find the target folder")?.to_owned())
}

/// The text after the first `KEY =` at a line's beginning; enough for our own files, which other programs check.
fn line_value(path: &Path, key: &str) -> Result<String> {
    let text = fs::read_to_string(path).with_context(|| format!("read {}", path.display()))?;
    let value = text.lines().find_map(|line| line.strip_prefix(key)?.trim_start().strip_prefix('='));
    let value = value.map(|value| value.trim().trim_matches('"').to_owned());
    value.with_context(|| format!("{} has no line `{key} = ..`", path.display()))
}
