//! `caxton config`: the configuration's schema, what counts of one, and what a key means, by becoming `caxtond config`.

use std::{
    ffi::OsStr,
    path::{Path, PathBuf},
};

use crate::{
    caxtond::{Configured, become_caxtond},
    failure::Failure,
    output::Output,
};

const SCHEMA_EXAMPLES: &str = "\
The document is a JSON Schema (draft 2020-12) with the keys of the plugins that lie beside the server's program, for \
editors and for `taplo check`.

Examples:
  caxton config schema
  caxton config schema --plugin-dir plugins";

const SHOW_EXAMPLES: &str = "\
Without --effective only the keys that are given. Secrets are masked.

Examples:
  caxton config show -f caxton.toml
  caxton config show -f caxton.toml --effective --origin
  caxton config show -f caxton.toml --effective --set limits.turn_ms_max=50 -o json";

const EXPLAIN_EXAMPLES: &str = "\
Examples:
  caxton config explain limits.turn_ms_max
  caxton config explain plugins.rest.listen";

/// The arguments of `caxton config`.
#[derive(Debug, clap::Args)]
#[command(after_long_help = SCHEMA_EXAMPLES)]
pub struct Config {
    #[command(subcommand)]
    command: ConfigCommand,
}

#[derive(Debug, clap::Subcommand)]
enum ConfigCommand {
    /// Print the JSON Schema of the configuration
    #[command(after_long_help = SCHEMA_EXAMPLES)]
    Schema {
        /// Where plugin libraries lie [default: beside the server's program]
        #[arg(long, value_name = "DIR")]
        plugin_dir: Option<PathBuf>,
    },
    /// Show the keys of a configuration, and where their values come from
    #[command(after_long_help = SHOW_EXAMPLES)]
    Show {
        #[command(flatten)]
        configured: Configured,
        /// Also keys that have their defaults
        #[arg(long)]
        effective: bool,
        /// Say where each value comes from
        #[arg(long)]
        origin: bool,
    },
    /// Tell what a key is for, its type, default and bounds, and whether a reload takes it
    #[command(after_long_help = EXPLAIN_EXAMPLES)]
    Explain {
        /// The key, such as limits.turn_ms_max
        #[arg(value_name = "KEY")]
        key: String,
        /// Where plugin libraries lie [default: beside the server's program]
        #[arg(long, value_name = "DIR")]
        plugin_dir: Option<PathBuf>,
    },
}

impl Config {
    /// Becomes the telling program; returns only when that fails.
    pub fn run(&self, output: &Output) -> Failure {
        let json: &[&str] = if output.is_json() { &["-o", "json"] } else { &[] };
        let json = json.iter().map(OsStr::new);
        match &self.command {
            ConfigCommand::Schema { plugin_dir } => {
                become_caxtond(words(&["config", "schema"]).chain(folder(plugin_dir.as_deref())))
            }
            ConfigCommand::Show { configured, effective, origin } => {
                let flags = [(*effective, "--effective"), (*origin, "--origin")];
                let flags = flags.into_iter().filter(|(set, _)| *set).map(|(_, flag)| OsStr::new(flag));
                become_caxtond(words(&["config", "show"]).chain(configured.words()).chain(flags).chain(json))
            }
            ConfigCommand::Explain { key, plugin_dir } => {
                let key = words(&["config", "explain", key]);
                become_caxtond(key.chain(folder(plugin_dir.as_deref())).chain(json))
            }
        }
    }
}

fn words<'a>(words: &[&'a str]) -> impl Iterator<Item = &'a OsStr> + use<'a> {
    words.iter().map(|word| OsStr::new(*word)).collect::<Vec<_>>().into_iter()
}

fn folder(folder: Option<&Path>) -> impl Iterator<Item = &OsStr> {
    folder.into_iter().flat_map(|folder| ["--plugin-dir".as_ref(), folder.as_os_str()])
}
