//! The command line of Caxton.

use std::process::ExitCode;

fn main() -> ExitCode {
    caxton_cli::run()
}
