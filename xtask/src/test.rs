//! `cargo xtask test`: every test there is, the quick ones first.

use anyhow::{Result, bail};

use crate::suite::Suites;
use crate::toolchain::TARGET;
use crate::{connectors, project, setup, toolchain};

/// What `--fast` leaves out: minutes, where the rest takes seconds.
const SLOW: &[&str] = &["receive::ten_thousand", "reception::ten_thousand", "sending::ten_thousand", "large::a_hundred_thousand", "kill::"];

/// The package of the end-to-end tests.
const END_TO_END: &str = "postrider-tests";

/// What was asked for.
struct Options {
    fast: bool,
    filter: Option<String>,
}

/// `cargo xtask test [--fast] [FILTER]`.
pub(crate) fn run(arguments: &[String]) -> Result<()> {
    let options = Options::parse(arguments)?;
    let mut suites = Suites::default();
    suites.run("toolchain and servers", || {
        toolchain::ensure()?;
        setup::servers()
    })?;
    let packages = project::packages()?;
    let (native, components) = (project::selection(&packages.native), project::selection(&packages.components));
    if options.filter.is_none() {
        let (lint, wasm) = (["--all-targets", "--", "--deny", "warnings"], ["--target", TARGET, "--", "--deny", "warnings"]);
        suites.run("format", || cargo(&["fmt", "--all", "--check"]))?;
        suites.run("clippy, host and tests", || cargo(&[&["clippy"], &native[..], &lint].concat()))?;
        suites.run("clippy, connectors", || {
            cargo(&[&["clippy"], &components[..], &lint].concat())?;
            cargo(&[&["clippy"], &components[..], &wasm].concat())
        })?;
    }
    let filter: Vec<&str> = options.filter.as_deref().into_iter().collect();
    // With every target, so that the end-to-end tests find the binary that was just built.
    suites.run("build host, tests and connectors", || connectors::run(&["--guests".to_owned()]))?;
    suites.run("unit tests, connectors", || cargo(&[&["test"], &components[..], &filter].concat()))?;
    let unit: Vec<String> = packages.native.iter().filter(|name| *name != END_TO_END).cloned().collect();
    suites.run("unit tests, host", || cargo(&[&["test"], &project::selection(&unit)[..], &filter].concat()))?;
    suites.run("end-to-end tests", || end_to_end(&options))?;
    suites.passed();
    if options.fast {
        println!("left out by --fast: {}", SLOW.join(", "));
    }
    Ok(())
}

fn end_to_end(options: &Options) -> Result<()> {
    let mut arguments = vec!["test", "--package", END_TO_END];
    arguments.extend(options.filter.as_deref());
    arguments.push("--");
    if options.fast {
        arguments.extend(SLOW.iter().flat_map(|slow| ["--skip", slow]));
    }
    cargo(&arguments)
}

fn cargo(arguments: &[&str]) -> Result<()> {
    let mut command = project::cargo(arguments)?;
    // A snapshot that differs is a failure, not a file to be looked at later.
    command.env("INSTA_UPDATE", "no");
    project::finish(&mut command)
}

impl Options {
    fn parse(arguments: &[String]) -> Result<Self> {
        let mut options = Self { fast: false, filter: None };
        for argument in arguments {
            match argument.as_str() {
                "--fast" => options.fast = true,
                option if option.starts_with('-') => bail!("`test` has no option `{option}`: `cargo xtask help` lists them"),
                filter if options.filter.is_none() => options.filter = Some(filter.to_owned()),
                further => bail!("`test` takes one filter: not `{further}` too"),
            }
        }
        Ok(options)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_one_filter() {
        let parse = |arguments: &[&str]| Options::parse(&arguments.iter().map(|&text| text.to_owned()).collect::<Vec<_>>());
        let options = parse(&["--fast", "mistakes"]).unwrap();
        assert!(options.fast);
        assert_eq!(options.filter.as_deref(), Some("mistakes"));
        assert!(parse(&["one", "two"]).is_err());
        assert!(parse(&["--quick"]).is_err());
    }
}
