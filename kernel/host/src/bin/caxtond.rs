//! caxtond: the server. `serve` runs it, `check` judges a configuration, `plugin inspect` shows a library.

use std::{
    io::{IsTerminal, Write},
    path::PathBuf,
    process::ExitCode,
};

use caxton_host::{
    config::{self, Fault, Loaded},
    logging,
    plugin::{self, Inspection},
    server::{self, StartError},
};
use clap::{Args, Parser, Subcommand, ValueEnum};

/// Exit codes, the same as those of `caxton`.
mod exit {
    pub const FAILURE: u8 = 1;
    pub const CONFIG: u8 = 3;
    pub const INCOMPATIBLE: u8 = 10;
}

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
    /// Looks at plugin libraries.
    #[command(subcommand)]
    Plugin(PluginCommand),
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
}

#[derive(Subcommand)]
enum PluginCommand {
    /// Shows what a library is, without running any of its code.
    Inspect {
        /// The library.
        file: PathBuf,
        /// How to print it.
        #[arg(short = 'o', long = "output", value_enum, default_value = "table")]
        output: Output,
    },
}

#[derive(Clone, Copy, ValueEnum)]
enum Output {
    Table,
    Json,
}

fn main() -> ExitCode {
    match Caxtond::parse().command {
        Command::Serve(configured) => serve(&configured),
        Command::Check(configured) => check(&configured),
        Command::Plugin(PluginCommand::Inspect { file, output }) => inspect(&file, output),
        Command::Compile => caxton_runtime::compile::child_main(),
    }
}

fn serve(configured: &Configured) -> ExitCode {
    let loaded = match config::load(&configured.file, &configured.sets) {
        Ok(loaded) => loaded,
        Err(faults) => return refused(&faults),
    };
    if let Err(why) = logging::start(&loaded.config.server) {
        eprintln!("error: {why}");
        return ExitCode::from(exit::CONFIG);
    }
    match server::run(loaded) {
        Ok(()) => ExitCode::SUCCESS,
        Err(StartError::Faults(faults)) => refused(&faults),
        Err(StartError::Failed { code, message }) => {
            eprintln!("error: {message} [{code}]");
            ExitCode::from(exit::FAILURE)
        }
    }
}

fn check(configured: &Configured) -> ExitCode {
    let judged = config::load(&configured.file, &configured.sets).and_then(|loaded| {
        let faults = config::plugins::check(&loaded);
        if faults.is_empty() { Ok(loaded) } else { Err(faults) }
    });
    match judged {
        Ok(loaded) => {
            println!("{}", summary(&loaded));
            ExitCode::SUCCESS
        }
        Err(faults) => refused(&faults),
    }
}

fn summary(loaded: &Loaded) -> String {
    let enabled: Vec<&str> = loaded
        .config
        .plugins
        .iter()
        .filter(|plugin| plugin.own.enabled)
        .map(|plugin| plugin.name.as_str())
        .collect();
    let plugins = if enabled.is_empty() { "none".to_owned() } else { enabled.join(", ") };
    format!("{} is valid; platform {}, plugins: {plugins}", loaded.source.name, loaded.config.server.platform)
}

fn refused(faults: &[Fault]) -> ExitCode {
    let mut err = std::io::stderr().lock();
    let colour = err.is_terminal();
    for fault in faults {
        let _closed = writeln!(err, "{}", fault.render(colour));
    }
    let noun = if faults.len() == 1 { "fault" } else { "faults" };
    let _closed = writeln!(err, "error: {} {noun} in the configuration", faults.len());
    ExitCode::from(exit::CONFIG)
}

fn inspect(file: &std::path::Path, output: Output) -> ExitCode {
    match plugin::inspect(file) {
        Ok(inspection) => {
            match output {
                Output::Json => println!("{}", json(&inspection)),
                Output::Table => print!("{}", table(&inspection)),
            }
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("error: {error} [{}]", error.code());
            ExitCode::from(exit::INCOMPATIBLE)
        }
    }
}

fn json(inspection: &Inspection) -> String {
    let mut document = serde_json::to_value(inspection).unwrap_or_default();
    if let Some(fields) = document.as_object_mut() {
        fields.insert("kind".into(), "caxton.plugin.inspection/v1".into());
    }
    format!("{document:#}")
}

fn table(inspection: &Inspection) -> String {
    let manifest = &inspection.manifest;
    let list = |items: &[String]| if items.is_empty() { "none".to_owned() } else { items.join(", ") };
    let mut rows = vec![
        ("name", format!("{} {}", manifest.name, manifest.version)),
        ("what", manifest.description.clone()),
        ("provides", list(&manifest.provides)),
        ("requires", list(&manifest.requires)),
        ("abi", format!("{}.{}", inspection.abi_major, inspection.abi_minor)),
        ("built", format!("{} for {}", inspection.rustc, inspection.target)),
        (
            "panics",
            if inspection.panic_unwind { "unwind" } else { "abort: this server refuses it" }.to_owned(),
        ),
        ("file", format!("{} ({} bytes)", inspection.path.display(), inspection.bytes)),
        ("digest", format!("sha256:{}", inspection.sha256)),
    ];
    for (key, schema) in &manifest.config.properties {
        let text = |field: &str| {
            schema.get(field).map(|value| value.as_str().map_or(value.to_string(), str::to_owned))
        };
        let default = text("default").map(|default| format!(" (default {default})")).unwrap_or_default();
        rows.push(("key", format!("{key}: {}{default}", text("description").unwrap_or_default())));
    }
    rows.iter().map(|(name, value)| format!("{name:<9} {value}\n")).collect()
}
