//! The program `postrider`; all of it is in the library.

use std::process::ExitCode;

fn main() -> ExitCode {
    postrider::cli::main()
}
