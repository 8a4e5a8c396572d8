//! A project for a new connector, outside any workspace: the template under its own name, and the SDK's sources, which are a copy of what this
//! program was built with, or a checkout's.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use serde::Serialize;

use crate::fault::{Fault, Kind};

/// Files of the repository by their paths in it, as the program carries them.
pub type Sources = &'static [(&'static str, &'static str)];

/// Where templates lie in the repository.
const TEMPLATES: &str = "plugins/template/";

/// Where the SDK lies in the repository.
const SDK: &str = "plugins/sdk/";

/// What a template's manifest says of the SDK, and what takes its place.
const SDK_PATH: &str = "path = \"../../sdk\"";

/// What cargo and the compiler keep for themselves, and what the templates depend on: a package of such a name would not build.
const RESERVED: &[&str] =
    &["alloc", "build", "core", "deps", "examples", "incremental", "postrider-connector", "proc-macro", "schemars", "serde", "std", "test"];

/// Rust's keywords (the reference's section "Keywords"): no name of a crate.
const KEYWORDS: &[&str] = &[
    "abstract", "as", "async", "await", "become", "box", "break", "const", "continue", "crate", "do", "dyn", "else", "enum", "extern",
    "false", "final", "fn", "for", "gen", "if", "impl", "in", "let", "loop", "macro", "match", "mod", "move", "mut", "override", "priv",
    "pub", "ref", "return", "self", "static", "struct", "super", "trait", "true", "try", "type", "typeof", "unsafe", "unsized", "use",
    "virtual", "where", "while", "yield",
];

/// What `connector new` writes besides: nothing that is built belongs to the sources.
const IGNORED: &str = "/target\n*.wasm\n";

/// What makes the project a workspace of its own, wherever it lies.
const WORKSPACE: &str = "
[workspace]
# The SDK is a copy of another project's sources.
exclude = [\"sdk\"]

[profile.release]
codegen-units = 1
lto = \"thin\"
opt-level = \"s\"
strip = true
";

/// What kind of provider the connector is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Template {
    /// One that speaks a line protocol: a state machine over a line that the host has signed in.
    Line,
    /// One that has a REST service: requests that the host signs.
    Rest,
}

/// What a project is called: its package, its connector's id and its file. 1 to 64 characters of a-z, 0-9 and single '-', a letter first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProjectName(String);

/// What is no name of a project.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ProjectNameError {
    /// Not within the set.
    #[error("a connector's name takes 1 to 64 characters of a-z, 0-9 and single '-', and begins with a letter: not `{0}`")]
    Bad(String),
    /// Cargo, the compiler or a dependency has it.
    #[error("`{0}` cannot be the name of a Rust package here: take another, such as `{0}-mail`")]
    Reserved(String),
}

/// A project that is to be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Project {
    /// What it is called.
    pub name: ProjectName,
    /// What it begins with.
    pub template: Template,
    /// The SDK's folder; none: a copy goes into the project.
    pub sdk: Option<PathBuf>,
}

/// A project that was made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Made {
    /// The project's folder.
    pub directory: PathBuf,
    /// The connector's id.
    pub id: String,
    /// The file that a build makes, in the project's folder.
    pub component: PathBuf,
}

impl Project {
    /// Write it to `directory`, which is made and must not be there yet. Blocking.
    ///
    /// # Errors
    /// `Usage` where something is there already or the SDK is not where it is said to be; `Storage` for the disk's faults, with nothing left behind.
    pub fn write(&self, sources: Sources, directory: &Path) -> Result<Made, Fault> {
        let operation = || format!("make the project `{}`", directory.display());
        let files = self.files(sources)?;
        fs::create_dir(directory).map_err(|error| match error.kind() {
            io::ErrorKind::AlreadyExists => Fault::new(Kind::Usage, operation())
                .because_words("something is there already, and nothing is written over")
                .with_remedy("name another place with `--directory DIR`"),
            io::ErrorKind::NotFound => Fault::new(Kind::Usage, operation())
                .because_words("the folder that it is to lie in does not exist")
                .with_remedy("make it first, or name another place with `--directory DIR`"),
            _ => Fault::new(Kind::Storage, operation()).because(&error),
        })?;
        let written = files.iter().try_for_each(|(path, text)| {
            let path = directory.join(path);
            path.parent().map_or(Ok(()), fs::create_dir_all)?;
            fs::write(path, text)
        });
        if let Err(error) = written {
            // It is ours: it was made a moment ago. What cannot be removed either is told with the first fault.
            let _ = fs::remove_dir_all(directory);
            return Err(Fault::new(Kind::Storage, operation()).because(&error));
        }
        let component = Path::new("target/wasm32-wasip2/release").join(format!("{}.wasm", self.name.crate_name()));
        Ok(Made { directory: directory.to_owned(), id: self.name.0.clone(), component })
    }

    /// Its files, by their paths in it.
    fn files(&self, sources: Sources) -> Result<Vec<(PathBuf, String)>, Fault> {
        let former = format!("template-{}", self.template.word());
        let folder = format!("{TEMPLATES}{}/", self.template.word());
        let rename = |text: &str| text.replace(&former, &self.name.0).replace(&former.replace('-', "_"), &self.name.crate_name());
        let sdk = self.sdk_path()?;
        let mut files = vec![(PathBuf::from(".gitignore"), IGNORED.to_owned())];
        for (path, text) in sources {
            if let Some(path) = path.strip_prefix(&folder) {
                let mut text = rename(text);
                if path == "Cargo.toml" {
                    text = text.replace(SDK_PATH, &format!("path = {sdk}")) + WORKSPACE;
                }
                files.push((PathBuf::from(path), text));
            } else if *path == "rust-toolchain.toml" {
                files.push((PathBuf::from(path), (*text).to_owned()));
            } else if self.sdk.is_none()
                && let Some(copy) = sdk_copy(path)
            {
                let text =
                    if *path == format!("{SDK}Cargo.toml") { standalone(text, source(sources, "Cargo.toml")) } else { (*text).to_owned() };
                files.push((copy, text));
            }
        }
        Ok(files)
    }

    /// Where the project finds the SDK, as TOML writes a text.
    fn sdk_path(&self) -> Result<String, Fault> {
        let Some(folder) = &self.sdk else { return Ok("\"sdk\"".to_owned()) };
        let refused = |words: String| {
            Fault::new(Kind::Usage, format!("take the SDK from `{}`", folder.display()))
                .because_words(words)
                .with_remedy("name the folder `plugins/sdk` of a checkout, or leave `--sdk` out: a copy goes into the project")
        };
        let folder = folder.canonicalize().map_err(|error| refused(error.to_string()))?;
        let manifest =
            fs::read_to_string(folder.join("Cargo.toml")).map_err(|error| refused(format!("its `Cargo.toml` cannot be read: {error}")))?;
        if !manifest.lines().any(|line| line == "name = \"postrider-connector\"") {
            return Err(refused("it holds another package than `postrider-connector`".to_owned()));
        }
        let path = folder.to_str().ok_or_else(|| refused("its path is not UTF-8, as `Cargo.toml` has to be".to_owned()))?;
        // JSON's texts are TOML's basic strings.
        Ok(serde_json::Value::from(path).to_string())
    }
}

impl Template {
    /// Every template.
    pub const ALL: [Self; 2] = [Self::Line, Self::Rest];

    /// As in `--kind` and in the template's folder.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Line => "line",
            Self::Rest => "rest",
        }
    }
}

impl ProjectName {
    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// As the compiler calls it.
    fn crate_name(&self) -> String {
        self.0.replace('-', "_")
    }
}

impl FromStr for ProjectName {
    type Err = ProjectNameError;

    fn from_str(given: &str) -> Result<Self, ProjectNameError> {
        let in_set = given.bytes().all(|octet| octet.is_ascii_lowercase() || octet.is_ascii_digit() || octet == b'-');
        let begins_well = given.starts_with(|first: char| first.is_ascii_lowercase());
        if !in_set || !begins_well || given.len() > 64 || given.ends_with('-') || given.contains("--") {
            return Err(ProjectNameError::Bad(given.escape_debug().to_string()));
        }
        if RESERVED.contains(&given) || KEYWORDS.contains(&given) {
            return Err(ProjectNameError::Reserved(given.to_owned()));
        }
        Ok(Self(given.to_owned()))
    }
}

/// Where a file of the repository goes in the project's copy of the SDK; none: it is no part of it.
fn sdk_copy(path: &str) -> Option<PathBuf> {
    let inside = match path.strip_prefix(SDK) {
        Some(inside) => inside,
        None if path.starts_with("wit/") || path.starts_with("LICENSE-") => path,
        None => return None,
    };
    Some(Path::new("sdk").join(inside))
}

fn source(sources: Sources, path: &str) -> &'static str {
    sources.iter().find(|(name, _)| *name == path).map_or("", |(_, text)| text)
}

/// A package's `manifest` without its workspace: what it takes from `workspace` (the root's `Cargo.toml`) is written out; what only the workspace's own tests
/// and lints need is left out.
fn standalone(manifest: &str, workspace: &str) -> String {
    let (mut text, mut section) = (String::new(), "");
    for line in manifest.lines() {
        if line.starts_with('[') {
            section = line;
        }
        if matches!(section, "[dev-dependencies]" | "[lints]") {
            continue;
        }
        let inherited = line.strip_suffix(".workspace = true");
        let place = if section == "[package]" { "[workspace.package]" } else { "[workspace.dependencies]" };
        text.push_str(inherited.and_then(|key| entry(workspace, place, key)).unwrap_or(line));
        text.push('\n');
    }
    text.trim_end().to_owned() + "\n"
}

/// The line `KEY = ..` of a section.
fn entry<'a>(manifest: &'a str, section: &str, key: &str) -> Option<&'a str> {
    let mut lines = manifest.lines().skip_while(|line| *line != section).skip(1).take_while(|line| !line.starts_with('['));
    lines.find(|line| line.strip_prefix(key).is_some_and(|rest| rest.starts_with(" =")))
}

#[cfg(test)]
mod tests;
