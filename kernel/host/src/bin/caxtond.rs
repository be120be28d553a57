//! caxtond: the server. `serve` runs it, `check` judges a configuration, `plugin inspect` shows a library.

use std::{
    io::{IsTerminal, Write},
    path::PathBuf,
    process::ExitCode,
};

use caxton_abi::Code;
use caxton_host::{
    config::{self, Fault, Loaded},
    logging,
    plugin::{self, Inspection},
    server::{self, StartError},
};
use clap::{Args, Parser, Subcommand, ValueEnum};
use serde_json::{Value, json};

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
    /// How to tell faults: as text, or as one JSON object.
    #[arg(short = 'o', long = "output", value_enum, default_value = "table")]
    output: Output,
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
        Err(faults) => return refused(&faults, configured.output),
    };
    if let Err(why) = logging::start(&loaded.config.server) {
        return failed(None, &why.to_string(), configured.output, exit::CONFIG);
    }
    match server::run(loaded) {
        Ok(()) => ExitCode::SUCCESS,
        Err(StartError::Faults(faults)) => refused(&faults, configured.output),
        Err(StartError::Failed { code, message }) => {
            failed(Some(code), &message, configured.output, exit::FAILURE)
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
            match configured.output {
                Output::Json => println!("{:#}", checked(&loaded)),
                Output::Table => println!("{}", summary(&loaded)),
            }
            ExitCode::SUCCESS
        }
        Err(faults) => refused(&faults, configured.output),
    }
}

fn enabled(loaded: &Loaded) -> Vec<&str> {
    let plugins = loaded.config.plugins.iter().filter(|plugin| plugin.own.enabled);
    plugins.map(|plugin| plugin.name.as_str()).collect()
}

fn summary(loaded: &Loaded) -> String {
    let enabled = enabled(loaded);
    let plugins = if enabled.is_empty() { "none".to_owned() } else { enabled.join(", ") };
    format!("{} is valid; platform {}, plugins: {plugins}", loaded.source.name, loaded.config.server.platform)
}

fn checked(loaded: &Loaded) -> Value {
    let platform = &loaded.config.server.platform;
    json!({"kind": "caxton.check/v1", "file": loaded.source.name, "platform": platform, "plugins": enabled(loaded)})
}

fn refused(faults: &[Fault], output: Output) -> ExitCode {
    let mut err = std::io::stderr().lock();
    let noun = if faults.len() == 1 { "fault" } else { "faults" };
    let message = format!("{} {noun} in the configuration", faults.len());
    let _closed = match output {
        Output::Json => {
            let code = faults.first().map(|fault| fault.code);
            let mut document = told(code, &message, "correct each at its place");
            if let Some(error) = document.get_mut("error").and_then(Value::as_object_mut) {
                error.insert("faults".to_owned(), faults.iter().map(fault).collect());
            }
            writeln!(err, "{document}")
        }
        Output::Table => {
            let colour = err.is_terminal();
            let drawn: Vec<String> = faults.iter().map(|fault| fault.render(colour)).collect();
            writeln!(err, "{}\nerror: {message}", drawn.join("\n"))
        }
    };
    ExitCode::from(exit::CONFIG)
}

/// Tells one failure and gives the exit code.
fn failed(code: Option<Code>, message: &str, output: Output, exit: u8) -> ExitCode {
    let line = match (output, code) {
        (Output::Json, code) => {
            let fix = code.and_then(Code::entry).map_or("see the message", |entry| entry.fix);
            told(code, message, fix).to_string()
        }
        (Output::Table, Some(code)) => format!("error: {message} [{code}]"),
        (Output::Table, None) => format!("error: {message}"),
    };
    let _closed = writeln!(std::io::stderr(), "{line}");
    ExitCode::from(exit)
}

/// The short form in which the command line tells errors as JSON.
fn told(code: Option<Code>, message: &str, fix: &str) -> Value {
    json!({"error": {"code": code.map(|code| code.to_string()), "message": message, "fix": fix}})
}

fn fault(fault: &Fault) -> Value {
    let fix = fault.help.as_deref().or_else(|| fault.code.entry().map(|entry| entry.fix));
    let (line, column) = fault.position().unzip();
    json!({
        "code": fault.code.to_string(),
        "message": fault.message,
        "fix": fix,
        "file": fault.source.as_ref().map(|source| &source.name),
        "line": line,
        "column": column,
    })
}

fn inspect(file: &std::path::Path, output: Output) -> ExitCode {
    match plugin::inspect(file) {
        Ok(inspection) => {
            match output {
                Output::Json => println!("{}", inspected(&inspection)),
                Output::Table => print!("{}", table(&inspection)),
            }
            ExitCode::SUCCESS
        }
        Err(error) => failed(Some(error.code()), &error.to_string(), output, exit::INCOMPATIBLE),
    }
}

fn inspected(inspection: &Inspection) -> String {
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
