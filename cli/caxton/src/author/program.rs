//! Runs the programs that build and test agents, and says what to do when one is missing or fails.

use std::{
    io::{ErrorKind, Read as _, Seek as _, SeekFrom, Write as _},
    os::fd::AsFd as _,
    path::Path,
    process::{Command, ExitStatus, Stdio},
};

use crate::{
    failure::{Exit, Failure},
    output::Output,
};

/// How much of a program's messages a failure repeats.
const MESSAGES_CHARS_MAX: usize = 8_000;
/// What an outer cargo sets for its own build; a build of ours does without.
const OUTER: [&str; 6] = [
    "CARGO_BUILD_TARGET",
    "CARGO_ENCODED_RUSTFLAGS",
    "CARGO_MANIFEST_DIR",
    "CARGO_PKG_NAME",
    "CARGO_TARGET_DIR",
    "RUSTC_WORKSPACE_WRAPPER",
];

/// Where the messages of programs go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Messages {
    /// To stderr, as they come.
    Shown,
    /// To stderr, if it fails.
    OnFailure,
    /// Into the failure, if it fails.
    Kept,
}

impl Messages {
    /// Shown to people, kept for machines.
    pub fn of(output: &Output) -> Self {
        if output.is_json() || output.quiet { Self::Kept } else { Self::Shown }
    }

    /// For programs that talk although nothing is wrong.
    pub fn on_failure(self) -> Self {
        if self == Self::Shown { Self::OnFailure } else { self }
    }
}

/// A program that did not do what it was run for.
struct Failed {
    status: ExitStatus,
    messages: String,
}

/// A command in a folder, without what an outer cargo set for this process.
pub fn command(program: impl AsRef<std::ffi::OsStr>, folder: &Path) -> Command {
    let mut command = Command::new(program);
    command.current_dir(folder).stdin(Stdio::null());
    for name in OUTER {
        command.env_remove(name);
    }
    // A toolchain's own stack hides what it says about the sources.
    command.env("RUST_BACKTRACE", "0").env("RUST_LIB_BACKTRACE", "0");
    command
}

/// Runs a step of a build: `what` it makes, as in "the component".
///
/// # Errors
/// The program is missing or failed.
pub fn build(command: &mut Command, what: &str, messages: Messages) -> Result<(), Failure> {
    match ended(command, messages)? {
        None => Ok(()),
        Some(failed) => Err(not_built(what, command, failed.status, &failed.messages, messages)),
    }
}

/// Runs tests. True when they passed, else with what they printed where that was kept.
///
/// # Errors
/// The program is missing.
pub fn test(command: &mut Command, messages: Messages) -> Result<Result<(), String>, Failure> {
    Ok(match ended(command, messages)? {
        None => Ok(()),
        Some(failed) => Err(failed.messages),
    })
}

/// A build that failed.
pub fn not_built(
    what: &str,
    command: &Command,
    status: ExitStatus,
    messages: &str,
    shown: Messages,
) -> Failure {
    let program = command.get_program().to_string_lossy();
    let program = program.rsplit('/').next().unwrap_or_default();
    let said = match shown {
        Messages::Shown => "its messages stand above".to_owned(),
        Messages::OnFailure => {
            // Nothing can be done about a closed stderr.
            drop(writeln!(anstream::stderr(), "{}", tail(messages.trim())));
            "its messages stand above".to_owned()
        }
        Messages::Kept => tail(messages.trim()).to_owned(),
    };
    let why = format!("{program} ended with {status}: {said}");
    Failure::new(Exit::Failure, format!("cannot build {what}"), why, "correct what it says and build again")
        .coded("CX0414")
}

/// A program that is not there.
pub fn missing(program: &str) -> Failure {
    let fix = match program {
        "cargo" | "rustc" | "rustup" => "install Rust by rustup, see https://rustup.rs",
        "node" | "npm" => "install Node.js 20 or newer with npm, see https://nodejs.org",
        "python3" => "install Python 3.10 or newer with its module venv, see https://www.python.org",
        "caxtond" => "install `caxtond` next to `caxton`, or build it with `cargo artifacts`",
        _ => "install it, or correct `[build] command` in agent.toml",
    };
    let why = format!("`{program}` is not on the PATH");
    Failure::new(Exit::Failure, format!("cannot run {program}"), why, fix).coded("CX0413")
}

/// Refuses where a program is not there; asks it for its version.
///
/// # Errors
/// It is missing.
pub fn needed(program: &str, folder: &Path) -> Result<(), Failure> {
    match command(program, folder).arg("--version").output() {
        Ok(output) if output.status.success() => Ok(()),
        _ => Err(missing(program)),
    }
}

/// A program that cannot be run.
pub fn not_run(command: &Command, error: &std::io::Error) -> Failure {
    let program = command.get_program().to_string_lossy();
    if error.kind() == ErrorKind::NotFound {
        return missing(program.rsplit('/').next().unwrap_or_default());
    }
    Failure::new(Exit::Failure, format!("cannot run {program}"), error.to_string(), "check its permissions")
        .coded("CX0413")
}

fn ended(command: &mut Command, messages: Messages) -> Result<Option<Failed>, Failure> {
    match messages {
        Messages::Shown => {
            // Data alone goes to our own stdout.
            let stderr =
                std::io::stderr().as_fd().try_clone_to_owned().map_err(|error| not_run(command, &error))?;
            let status = command.stdout(stderr).status().map_err(|error| not_run(command, &error))?;
            Ok((!status.success()).then(|| Failed { status, messages: String::new() }))
        }
        Messages::OnFailure | Messages::Kept => {
            // One file for both, so that the lines stay in order.
            let ran = kept().and_then(|mut file| {
                let status = command.stdout(file.try_clone()?).stderr(file.try_clone()?).status()?;
                file.seek(SeekFrom::Start(0))?;
                let mut bytes = Vec::new();
                file.read_to_end(&mut bytes)?;
                Ok((status, String::from_utf8_lossy(&bytes).into_owned()))
            });
            let (status, messages) = ran.map_err(|error| not_run(command, &error))?;
            Ok((!status.success()).then_some(Failed { status, messages }))
        }
    }
}

/// A file in memory, without a name.
fn kept() -> std::io::Result<std::fs::File> {
    Ok(rustix::fs::memfd_create("messages", rustix::fs::MemfdFlags::CLOEXEC)?.into())
}

fn tail(messages: &str) -> &str {
    let skipped = messages.chars().count().saturating_sub(MESSAGES_CHARS_MAX);
    messages.char_indices().nth(skipped).map_or("", |(at, _)| messages.get(at..).unwrap_or_default())
}
