//! Checks that the Rust toolchain can build connectors, and adds what it lacks.

use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result, bail};

use crate::project;

/// The target that connectors are built for: plain `cargo build` yields a component.
pub(crate) const TARGET: &str = "wasm32-wasip2";

/// Make sure that [`TARGET`], `rustfmt` and `clippy` are there.
///
/// # Errors
/// When something is missing and rustup is not there to add it; the words say what to do.
pub(crate) fn ensure() -> Result<()> {
    let output = Command::new("rustc").args(["--print", "sysroot"]).current_dir(project::root()?).output().context("run `rustc`")?;
    let sysroot = String::from_utf8(output.stdout).context("read rustc's answer")?;
    let sysroot = Path::new(sysroot.trim());
    if !sysroot.join("lib/rustlib").join(TARGET).is_dir() {
        rustup(&["target", "add", TARGET])?;
    }
    for (component, program) in [("clippy", "cargo-clippy"), ("rustfmt", "rustfmt")] {
        if !sysroot.join("bin").join(program).is_file() {
            rustup(&["component", "add", component])?;
        }
    }
    Ok(())
}

fn rustup(arguments: &[&str]) -> Result<()> {
    println!("rustup {}", arguments.join(" "));
    let Ok(status) = Command::new("rustup").args(arguments).current_dir(project::root()?).status() else {
        bail!("`rustup` is not there: install it from https://rustup.rs, then run `rustup {}`", arguments.join(" "));
    };
    if !status.success() {
        bail!("`rustup {}` ended with {status}", arguments.join(" "));
    }
    Ok(())
}
