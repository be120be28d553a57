//! `config`: the schema of the configuration, what counts of one, and what a key means.

use std::{path::PathBuf, process::ExitCode};

use caxton_host::config::{self, effective, effective::Origin, explain};
use clap::Subcommand;
use serde_json::json;

use crate::{
    Configured, Output,
    output::{document, exit, failed, print, refused},
};

#[derive(Subcommand)]
pub enum Command {
    /// Prints the JSON Schema of the configuration, with the keys of the plugins that are installed.
    Schema {
        /// Where plugin libraries lie; beside this program when absent.
        #[arg(long = "plugin-dir", value_name = "DIR")]
        plugin_dir: Option<PathBuf>,
    },
    /// Shows the keys of a configuration; secrets are masked.
    Show {
        #[command(flatten)]
        configured: Configured,
        /// Also those that have their defaults.
        #[arg(long)]
        effective: bool,
        /// Where each value comes from.
        #[arg(long)]
        origin: bool,
    },
    /// Tells what a key is for: its type, default, bounds, and whether a reload takes it.
    Explain {
        /// The key, such as `limits.turn_ms_max` or `plugins.rest.listen`.
        key: String,
        /// Where plugin libraries lie; beside this program when absent.
        #[arg(long = "plugin-dir", value_name = "DIR")]
        plugin_dir: Option<PathBuf>,
        /// How to print it.
        #[arg(short = 'o', long = "output", value_enum, default_value = "table")]
        output: Output,
    },
}

impl Command {
    pub fn run(self) -> ExitCode {
        match self {
            Self::Schema { plugin_dir } => {
                let plugins = explain::installed(plugin_dir.as_deref());
                document(&explain::schema(&plugins));
                ExitCode::SUCCESS
            }
            Self::Show { configured, effective, origin } => show(&configured, effective, origin),
            Self::Explain { key, plugin_dir, output } => {
                match explain::explain(&key, &explain::installed(plugin_dir.as_deref())) {
                    Ok(found) => {
                        match output {
                            Output::Json => document(&json!(found)),
                            Output::Table => print(&found.text()),
                        }
                        ExitCode::SUCCESS
                    }
                    Err(fault) => failed(Some(fault.code), &fault.message, output, exit::CONFIG),
                }
            }
        }
    }
}

fn show(configured: &Configured, all: bool, origin: bool) -> ExitCode {
    let loaded = match config::load(&configured.file, &configured.sets) {
        Ok(loaded) => loaded,
        Err(faults) => return refused(&faults, "the configuration", configured.output),
    };
    let mut shown = effective::effective(&loaded, &effective::inspect(&loaded));
    if !all {
        shown.entries.retain(|entry| entry.origin != Origin::Default);
    }
    if let Output::Json = configured.output {
        document(&json!(shown));
        return ExitCode::SUCCESS;
    }
    for entry in &shown.entries {
        let from = match (entry.origin, entry.line) {
            _ if !origin => String::new(),
            (Origin::File, Some(line)) => format!("  # {}:{line}", shown.file),
            (Origin::File, None) => format!("  # {}", shown.file),
            (Origin::Set, _) => "  # --set".to_owned(),
            (Origin::Default, _) => "  # default".to_owned(),
        };
        print(&format!("{} = {}{from}\n", entry.key, entry.value));
    }
    ExitCode::SUCCESS
}
