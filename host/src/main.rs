//! The program `postrider`; all of it is in the library, but for the files that `postrider connector new` writes.

use std::process::ExitCode;

#[path = "../../plugins/template/embedded.rs"]
mod embedded;

fn main() -> ExitCode {
    postrider::cli::main(embedded::FILES)
}
