//! `caxton plugin`: looks into plugin files by becoming `caxtond plugin`, without a server; and reloads plugins of one.

use std::{
    ffi::OsStr,
    path::{Path, PathBuf},
};

use serde_json::{Map, Value, json};

use super::text;
use crate::{
    caxtond::become_caxtond,
    client::{Client, segment},
    failure::{Exit, Failure, cannot},
    output::{Format, Output},
};

const EXAMPLES: &str = "\
None of the file's code is run, so a plugin that is not trusted can be looked at.

Examples:
  caxton plugin inspect plugins/libcaxton_rest.so
  caxton plugin inspect plugins/libcaxton_rest.so -o json";

const RELOAD_EXAMPLES: &str = "\
The new library is loaded beside the old one and takes over; the old one finishes what it began. When the new one is \
refused, the old one stays. Without --file the plugin's file is read again.

Examples:
  caxton plugin reload protocols
  caxton plugin reload router --file build/librouter.so";

/// How long a reload may take: the old library finishes its work first.
const RELOAD_WAIT: std::time::Duration = std::time::Duration::from_secs(120);

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
    /// Bring in a plugin's library anew, from its file or from another, while the server runs
    #[command(after_long_help = RELOAD_EXAMPLES)]
    Reload {
        /// The plugin's name in the configuration
        #[arg(value_name = "NAME")]
        name: String,
        /// The new library; the server must be able to read it
        #[arg(long, value_name = "FILE")]
        file: Option<PathBuf>,
    },
}

impl Plugin {
    /// Becomes the inspecting program, or asks the server.
    ///
    /// # Errors
    /// When `caxtond` cannot be run, or the server refuses.
    pub fn run(
        &self,
        client: impl FnOnce() -> Result<Client, Failure>,
        output: &Output,
    ) -> Result<(), Failure> {
        match &self.command {
            PluginCommand::Inspect { file } => Err(inspect(file, output)),
            PluginCommand::Reload { name, file } => reload(name, file.as_deref(), &client()?, output),
        }
    }
}

fn inspect(file: &Path, output: &Output) -> Failure {
    let json: &[&str] = if output.is_json() { &["-o", "json"] } else { &[] };
    let arguments = ["plugin".as_ref(), "inspect".as_ref(), file.as_os_str()];
    become_caxtond(arguments.into_iter().chain(json.iter().map(OsStr::new)))
}

fn reload(name: &str, file: Option<&Path>, client: &Client, output: &Output) -> Result<(), Failure> {
    let mut request = Map::new();
    if let Some(file) = file {
        // The server has another working directory.
        let whole = std::path::absolute(file).map_err(|error| {
            let what = format!("cannot find {}", file.display());
            Failure::new(Exit::Usage, what, error.to_string(), "give the path from the root")
        })?;
        request.insert("library".to_owned(), json!(whole));
    }
    let path = format!("/v1/plugins/{}/reload", segment(name));
    let plugin = client.post_and_wait(&path, &Value::Object(request), RELOAD_WAIT);
    let plugin = plugin.map_err(cannot(format!("reload plugin `{name}`")))?;
    match output.format {
        Format::Json | Format::Jsonl => output.document(&plugin),
        Format::Name => output.line(&text(&plugin, "name")),
        Format::Table | Format::Wide => {
            let told = ["name", "version", "state"].map(|key| text(&plugin, key));
            output.line(&format!("plugin {}", told.join(" ")))
        }
    }
}
