//! Runs suites one after the other, stops at the first that fails, and says at the end what took how long.

use std::time::{Duration, Instant};

use anyhow::{Result, bail};

/// What ran so far.
#[derive(Default)]
pub(crate) struct Suites {
    done: Vec<(String, Duration)>,
}

impl Suites {
    /// Run a suite.
    ///
    /// # Errors
    /// The suite's own failure, after the summary.
    pub(crate) fn run(&mut self, name: &str, suite: impl FnOnce() -> Result<()>) -> Result<()> {
        println!("\n=== {name}");
        let begin = Instant::now();
        let result = suite();
        self.done.push((name.to_owned(), begin.elapsed()));
        match result {
            Ok(()) => Ok(()),
            Err(error) => {
                self.print("FAILED");
                bail!("suite `{name}`: {error:#}");
            }
        }
    }

    /// Say what took how long.
    pub(crate) fn passed(&self) {
        self.print("ok");
    }

    fn print(&self, last: &str) {
        println!("\n=== summary");
        for (index, (name, took)) in self.done.iter().enumerate() {
            let state = if index + 1 == self.done.len() { last } else { "ok" };
            println!("{:>7.1} s  {state:<6}  {name}", took.as_secs_f64());
        }
        let all: Duration = self.done.iter().map(|(_, took)| took).sum();
        println!("{:>7.1} s  in all", all.as_secs_f64());
    }
}
