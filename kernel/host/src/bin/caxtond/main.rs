//! caxtond: the server, and what needs its parts without one: checks, inspections and tests.

mod agent;
mod component;
mod config;
mod output;
mod plugin;
mod serve;

use std::{path::PathBuf, process::ExitCode};

use clap::{Args, Parser, Subcommand, ValueEnum};

/// The Caxton server.
#[derive(Parser)]
#[command(name = "caxtond", version)]
struct Caxtond {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Runs a server until it is told to stop.
    Serve(Configured),
    /// Checks a configuration and every plugin that it names, and reports all faults.
    Check(Configured),
    /// Looks at plugin libraries and tests them.
    #[command(subcommand)]
    Plugin(plugin::Command),
    /// Tests agents without a server.
    #[command(subcommand)]
    Agent(agent::Command),
    /// Looks at components and checks them, without a server.
    #[command(subcommand)]
    Component(component::Command),
    /// Shows and explains the configuration.
    #[command(subcommand)]
    Config(config::Command),
    /// Compiles a component; the server runs it as a child with limits.
    #[command(hide = true)]
    Compile,
}

#[derive(Args)]
struct Configured {
    /// The configuration file.
    #[arg(short = 'f', long = "file", value_name = "FILE")]
    file: PathBuf,
    /// Overrides a key of the file, in TOML: `--set plugins.rest.listen='"127.0.0.1:0"'`.
    #[arg(long = "set", value_name = "KEY=VALUE")]
    sets: Vec<String>,
    /// How to tell faults: as text, or as one JSON object.
    #[arg(short = 'o', long = "output", value_enum, default_value = "table")]
    output: Output,
}

#[derive(Clone, Copy, ValueEnum)]
enum Output {
    Table,
    Json,
}

fn main() -> ExitCode {
    match Caxtond::parse().command {
        Command::Serve(configured) => serve::serve(&configured),
        Command::Check(configured) => serve::check(&configured),
        Command::Plugin(command) => command.run(),
        Command::Agent(command) => command.run(),
        Command::Component(command) => command.run(),
        Command::Config(command) => command.run(),
        Command::Compile => caxton_runtime::compile::child_main(),
    }
}
