//! `cargo xtask test`: every test there is, the quick ones first.

use anyhow::{Result, bail};

use crate::project::{self, Profile};
use crate::suite::Suites;
use crate::{connectors, setup, toolchain};

/// What `--fast` leaves out: minutes, where the rest takes seconds.
const SLOW: &[&str] = &["receive::ten_thousand", "kill::"];

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
    if options.filter.is_none() {
        suites.run("format", || cargo(&["fmt", "--all", "--check"]))?;
        suites.run("clippy", || cargo(&["clippy", "--workspace", "--all-targets", "--", "--deny", "warnings"]))?;
    }
    suites.run("connectors", || connectors::run(&[]))?;
    suites.run("unit tests", || {
        let mut arguments = vec!["test", "--workspace", "--exclude", "postrider-tests"];
        arguments.extend(options.filter.as_deref());
        cargo(&arguments)
    })?;
    suites.run("host", || project::build_postrider(Profile::Dev).map(|_| ()))?;
    suites.run("end-to-end tests", || end_to_end(&options))?;
    suites.passed();
    if options.fast {
        println!("left out by --fast: {}", SLOW.join(", "));
    }
    Ok(())
}

fn end_to_end(options: &Options) -> Result<()> {
    let mut arguments = vec!["test", "--package", "postrider-tests"];
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
