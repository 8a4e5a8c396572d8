//! `cargo xtask soak`: the rounds of kill -9 that are too many for every day.

use anyhow::{Context as _, Result, bail};

use crate::project;
use crate::suite::Suites;
use crate::{connectors, setup, toolchain};

/// As promised in the release notes.
const ROUNDS: u32 = 1_000;

/// `cargo xtask soak [ROUNDS]`.
pub(crate) fn run(arguments: &[String]) -> Result<()> {
    let rounds = match arguments {
        [] => ROUNDS,
        [rounds] => rounds.parse().with_context(|| format!("`{rounds}` is not a number of rounds"))?,
        _ => bail!("`soak` takes a number of rounds and nothing else"),
    };
    let mut suites = Suites::default();
    suites.run("toolchain and servers", || {
        toolchain::ensure()?;
        setup::servers()
    })?;
    suites.run("host, tests and connectors", || connectors::run(&["--guests".to_owned()]))?;
    suites.run(&format!("{rounds} rounds of the store's laboratory, each way"), || {
        let packages = project::packages()?;
        let arguments = [&["test"], &project::selection(&packages.native)[..], &["--lib", "store::tests::", "--", "--nocapture"]].concat();
        let mut command = project::cargo(&arguments)?;
        command.env("POSTRIDER_SOAK_ROUNDS", rounds.to_string()).env("POSTRIDER_SOAK_SEED", seed());
        project::finish(&mut command)
    })?;
    suites.run(&format!("{rounds} rounds of kill -9"), || {
        let mut command = project::cargo(&["test", "--package", "postrider-tests", "kill::", "--", "--nocapture"])?;
        command.env("POSTRIDER_SOAK_ROUNDS", rounds.to_string());
        project::finish(&mut command)
    })?;
    suites.passed();
    Ok(())
}

/// The one that is asked for, else another one each time. The rounds print it: they can be had again.
fn seed() -> String {
    std::env::var("POSTRIDER_SOAK_SEED").unwrap_or_else(|_| std::process::id().to_string())
}
