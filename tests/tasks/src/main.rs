//! What the cargo aliases run: `cargo demo`, `cargo artifacts`, `cargo tools` and `cargo e2e`.

mod auction;
mod demo;
mod e2e;
mod expected;
mod folder;
mod print;

use std::{ffi::OsString, path::PathBuf, process::ExitCode};

use clap::{Parser, Subcommand};

/// Builds the parts of Caxton and shows them at work.
#[derive(Parser)]
#[command(name = "cargo", bin_name = "cargo")]
struct Tasks {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Builds everything and auctions one task for each file of a folder.
    Demo(Demo),
    /// Builds the server, the command line and the plugins into target/debug, and the agents into target/agents.
    Artifacts,
    /// Installs the foreign clients and checkers that some tests run: Python packages and buf, below target/tools.
    Tools,
    /// Shows on a real server that a promise of the delivery contract is kept.
    E2e(e2e::Options),
}

/// How the demo runs.
#[derive(clap::Args)]
struct Demo {
    /// The folder whose files are the tasks; by default the repository's own docs.
    path: Option<PathBuf>,
    /// Leaves the server running and prints what to try.
    #[arg(long)]
    keep: bool,
    /// Uses Rust bidders only, as where Node and Python are missing.
    #[arg(long)]
    rust_only: bool,
}

fn main() -> ExitCode {
    let done = match Tasks::parse_from(words(std::env::args_os())).task {
        Task::Demo(options) => demo::run(&options),
        Task::Artifacts => artifacts(),
        Task::Tools => tools(),
        Task::E2e(options) => e2e::run(&options),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("error: {failure}");
            ExitCode::FAILURE
        }
    }
}

/// `cargo demo -- --keep`: cargo hands the `--` on, and what follows it would be taken for a path.
fn words(arguments: impl Iterator<Item = OsString>) -> Vec<OsString> {
    arguments.filter(|word| word != "--").collect()
}

fn artifacts() -> Result<(), String> {
    let native = caxton_kit::artifacts::native()?;
    println!("server, command line, plugins: {}", native.display());
    for package in caxton_kit::packages::all()? {
        match package.built {
            Ok(manifest) => println!("agent {}: {}", package.name, manifest.display()),
            Err(why) => println!("agent {}: not built: {why}", package.name),
        }
    }
    Ok(())
}

fn tools() -> Result<(), String> {
    println!("Python clients: {}", caxton_kit::tools::python()?.display());
    println!("buf: {}", caxton_kit::tools::buf()?.display());
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_may_follow_cargos_double_dash() {
        let given = ["cargo", "demo", "--", "--keep", "texts"].map(OsString::from);
        let Task::Demo(demo) = Tasks::parse_from(words(given.into_iter())).task else { panic!("the demo") };
        assert!(demo.keep);
        assert_eq!(demo.path, Some(PathBuf::from("texts")));
    }
}
