//! The command line of Caxton, as a library, so that tests and the demo call the same client and draw the same pictures.
//!
//! ```text
//!   arguments ─▶ command/* ─▶ client ─▶ HTTP, the documents of docs/reference/control.md
//!                    │
//!                    ├─▶ conversation (sequence diagram, table, mermaid: pure functions)
//!                    └─▶ output (data on stdout, all else on stderr)  failure (error text, exit code)
//! ```
//!
//! One file is one command. Nothing here knows the kernel or the plugin boundary: the HTTP contract is all it speaks.

pub mod arguments;
pub mod caxtond;
pub mod class;
pub mod client;
pub mod codes;
pub mod command;
mod content;
pub mod conversation;
pub mod failure;
pub mod manifest;
pub mod output;
pub mod problem;
pub mod retry;
mod revision;
pub mod status;
pub mod table;
pub mod text;
pub mod time;
mod usage;

pub use conversation::{Conversation, Options, render};

use std::process::ExitCode;

/// Runs the command line of this process and gives its exit code.
pub fn run() -> ExitCode {
    let arguments = match usage::parse(std::env::args_os()) {
        Ok(arguments) => arguments,
        Err(code) => return code,
    };
    let output = output::Output::of(&arguments.global);
    match command::run(arguments, &output) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => output.fail(&failure),
    }
}
