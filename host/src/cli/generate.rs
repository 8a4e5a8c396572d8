//! `postrider generate`: man pages and completions, from the same grammar that parses.

use std::path::{Path, PathBuf};

use clap::{CommandFactory, Subcommand};
use clap_complete::Shell;

use super::Cli;
use super::context::Context;
use crate::fault::{Fault, Kind};

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Write a man page for every command
    Man {
        /// Into this directory, which is made if need be
        #[arg(value_name = "DIR")]
        directory: PathBuf,
    },
    /// Write completions for bash, elvish, fish, PowerShell and zsh
    Completions {
        /// Into this directory, which is made if need be
        #[arg(value_name = "DIR")]
        directory: PathBuf,
    },
}

impl Command {
    pub(super) fn run(self, context: &Context) -> Result<(), Fault> {
        let (directory, written) = match &self {
            Self::Man { directory } => (directory, write(directory, man)),
            Self::Completions { directory } => (directory, write(directory, completions)),
        };
        written.map_err(|error| Fault::new(Kind::Storage, format!("write into `{}`", directory.display())).because(&error))?;
        context.report.note(&format!("written into `{}`", directory.display()));
        Ok(())
    }
}

fn write(directory: &Path, generate: fn(&Path) -> std::io::Result<()>) -> std::io::Result<()> {
    std::fs::create_dir_all(directory)?;
    generate(directory)
}

fn man(directory: &Path) -> std::io::Result<()> {
    clap_mangen::generate_to(Cli::command(), directory)
}

fn completions(directory: &Path) -> std::io::Result<()> {
    let mut command = Cli::command();
    for shell in [Shell::Bash, Shell::Elvish, Shell::Fish, Shell::PowerShell, Shell::Zsh] {
        clap_complete::generate_to(shell, &mut command, "postrider", directory)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_command_has_its_page_and_every_shell_its_file() {
        let directory = tempfile::tempdir().unwrap();
        write(directory.path(), man).unwrap();
        for page in ["postrider.1", "postrider-account-add.1", "postrider-receive.1", "postrider-store-check.1"] {
            let text = std::fs::read_to_string(directory.path().join(page)).unwrap_or_else(|error| panic!("{page}: {error}"));
            assert!(text.contains(".SH NAME") || text.contains(".SH name"), "{page}");
        }
        write(directory.path(), completions).unwrap();
        let zsh = std::fs::read_to_string(directory.path().join("_postrider")).unwrap();
        assert!(zsh.contains("--maildir"));
    }
}
