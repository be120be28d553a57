//! `caxton plugin`: looks into plugin files by becoming `caxtond plugin`, without a server.

use std::{ffi::OsStr, path::PathBuf};

use crate::{
    caxtond::become_caxtond,
    failure::Failure,
    output::{Format, Output},
};

const EXAMPLES: &str = "\
None of the file's code is run, so a plugin that is not trusted can be looked at.

Examples:
  caxton plugin inspect plugins/libcaxton_rest.so
  caxton plugin inspect plugins/libcaxton_rest.so -o json";

/// The arguments of `caxton plugin`.
#[derive(Debug, clap::Args)]
pub struct Plugin {
    #[command(subcommand)]
    command: PluginCommand,
}

#[derive(Debug, clap::Subcommand)]
enum PluginCommand {
    /// Show a plugin file's name, versions and ports
    #[command(after_long_help = EXAMPLES)]
    Inspect {
        /// The plugin's shared library
        #[arg(value_name = "FILE")]
        file: PathBuf,
    },
}

impl Plugin {
    /// Becomes the inspecting program; returns only when that fails.
    pub fn run(&self, output: &Output) -> Failure {
        let PluginCommand::Inspect { file } = &self.command;
        let json: &[&str] =
            if matches!(output.format, Format::Json | Format::Jsonl) { &["-o", "json"] } else { &[] };
        let arguments = ["plugin".as_ref(), "inspect".as_ref(), file.as_os_str()];
        become_caxtond(arguments.into_iter().chain(json.iter().map(OsStr::new)))
    }
}
