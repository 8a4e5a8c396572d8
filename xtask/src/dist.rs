//! Makes the archive that an operator unpacks. The same binaries give the same octets: files are sorted, belong to nobody, and carry
//! the time of the commit. (The binaries themselves are the same only where toolchain and the clone's path are.)

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, bail};

use crate::connectors;
use crate::project::{self, Profile};

/// What is tested; other platforms are built by whoever wants them.
const PLATFORM: &str = "x86_64-linux";

/// Texts that go along, as they lie in the clone.
const TEXTS: &[&str] = &["README.md", "CHANGELOG.md", "LICENSE-APACHE", "LICENSE-MIT"];

/// `cargo xtask dist`.
pub(crate) fn run(arguments: &[String]) -> Result<()> {
    if !arguments.is_empty() {
        bail!("`dist` takes no arguments");
    }
    let postrider = project::build_postrider(Profile::Release)?;
    let packed = connectors::build(&postrider)?;
    let name = format!("postrider-{}-{PLATFORM}", env!("CARGO_PKG_VERSION"));
    let scratch = tempfile::tempdir().context("make a folder")?;
    let tree = scratch.path().join(&name);

    let binary = copy(&postrider, &tree.join("bin"), 0o755)?;
    connectors::put(&packed, &tree.join("lib/postrider/connectors"))?;
    generate(&postrider, "man", &tree.join("share/man/man1"))?;
    generate(&postrider, "completions", &tree.join("share/postrider/completions"))?;
    for text in TEXTS {
        copy(&project::root()?.join(text), &tree, 0o644)?;
    }

    let folder = project::binaries(Profile::Release)?.parent().context("find the target folder")?.join("dist");
    fs::create_dir_all(&folder).with_context(|| format!("make {}", folder.display()))?;
    let archive = folder.join(format!("{name}.tar.gz"));
    pack(scratch.path(), &name, &archive)?;
    let octets = fs::read(&archive).with_context(|| format!("read {}", archive.display()))?;
    fs::write(folder.join("SHA256SUMS"), format!("{}  {name}.tar.gz\n", connectors::hex(&octets))).context("write the hash list")?;

    println!("binary     {:>11} octets", fs::metadata(&binary).context("look at the binary")?.len());
    for connector in &packed {
        println!("{:<10} {:>11} octets", connector.id, connector.octets.len());
    }
    println!("archive    {:>11} octets  {}", octets.len(), archive.display());
    Ok(())
}

/// Have the built program write its man pages or completions.
fn generate(postrider: &Path, what: &str, folder: &Path) -> Result<()> {
    fs::create_dir_all(folder).with_context(|| format!("make {}", folder.display()))?;
    project::finish(Command::new(postrider).args(["generate", what]).arg(folder))
}

fn copy(from: &Path, folder: &Path, mode: u32) -> Result<PathBuf> {
    fs::create_dir_all(folder).with_context(|| format!("make {}", folder.display()))?;
    let to = folder.join(from.file_name().context("a file without a name")?);
    fs::copy(from, &to).with_context(|| format!("copy {} to {}", from.display(), to.display()))?;
    fs::set_permissions(&to, fs::Permissions::from_mode(mode)).with_context(|| format!("set the mode of {}", to.display()))?;
    Ok(to)
}

/// `tar` and `gzip` of the system, told to leave out whatever differs from one machine or minute to the next.
fn pack(parent: &Path, name: &str, archive: &Path) -> Result<()> {
    let tar = parent.join("archive.tar");
    let time = format!("--mtime=@{}", commit_time()?);
    let mut command = Command::new("tar");
    command.args([
        "--create",
        "--format=ustar",
        "--sort=name",
        "--owner=0",
        "--group=0",
        "--numeric-owner",
        "--mode=u+rwX,go+rX,go-w",
        &time,
    ]);
    command.arg("--file").arg(&tar).arg("--directory").arg(parent).arg(name);
    project::finish(&mut command)?;
    // Without `--no-name` the header would carry the time.
    let mut command = Command::new("gzip");
    command.args(["--no-name", "--best", "--stdout"]).arg(&tar);
    let output = command.output().context("run `gzip`")?;
    if !output.status.success() {
        bail!("`{}` ended with {}", project::words(&command), output.status);
    }
    fs::write(archive, output.stdout).with_context(|| format!("write {}", archive.display()))
}

/// Seconds since 1970 of the commit that is built; `SOURCE_DATE_EPOCH` where the sources are no clone.
fn commit_time() -> Result<u64> {
    if let Ok(time) = std::env::var("SOURCE_DATE_EPOCH") {
        return time.parse().with_context(|| format!("SOURCE_DATE_EPOCH is `{time}`, which is no number of seconds"));
    }
    let output = Command::new("git").args(["log", "-1", "--format=%ct"]).current_dir(project::root()?).output().context("run `git`")?;
    let text = String::from_utf8_lossy(&output.stdout);
    text.trim().parse().context("no commit to take the time from: set SOURCE_DATE_EPOCH")
}
