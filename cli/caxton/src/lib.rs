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
pub mod author;
pub mod caxtond;
pub mod change;
pub mod class;
pub mod client;
pub mod codes;
pub mod command;
pub mod complete;
mod content;
pub mod context;
pub mod conversation;
pub mod doctor;
pub mod events;
pub mod failure;
pub mod follow;
pub mod manifest;
pub mod output;
pub mod problem;
pub mod retry;
mod revision;
pub mod schema;
pub mod status;
pub mod table;
pub mod text;
pub mod time;
mod usage;

pub use conversation::{Conversation, Options, render};

use std::process::ExitCode;

/// Runs the command line of this process and gives its exit code.
pub fn run() -> ExitCode {
    command::completion::answer();
    let arguments = match usage::parse(std::env::args_os()) {
        Ok(arguments) => arguments,
        Err(code) => return code,
    };
    let settings = context::Settings::of(&arguments.global);
    // A file of contexts that is not valid stops what needs a server, and nothing else.
    let format = settings
        .as_ref()
        .map_or(arguments.global.output.unwrap_or(output::Format::Table), |found| found.format.value);
    let output = output::Output::of(&arguments.global, format);
    match command::run(arguments, &settings, &output) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => output.fail(&failure),
    }
}
