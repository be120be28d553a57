//! `caxton plugin`: looks into plugin files and tests them by becoming `caxtond plugin`, without a server; and lists and
//! reloads plugins of one.

use std::{
    ffi::OsStr,
    path::{Path, PathBuf},
};

use serde_json::{Map, Value, json};

use super::{get, text};
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

const TEST_EXAMPLES: &str = "\
Holds a plugin to docs/spec/plugin.md: its file, its configuration, its life, each port that it offers, its \
operations. Its code runs in the program `caxtond`, in a process of the test's own. Relative paths in its configuration \
lie in a folder that is removed afterwards. The exit code is 0 when all checks pass, 9 when one fails, and 10 when the \
library does not fit this server.

Examples:
  caxton plugin test target/debug/libcaxton_echo.so
  caxton plugin test target/debug/libcaxton_rest.so --set 'listen=\"127.0.0.1:0\"'
  caxton plugin test libmine.so --config mine.toml -o json";

const LS_EXAMPLES: &str = "\
The same as `caxton get plugins`.

Examples:
  caxton plugin ls
  caxton plugin ls -o json";

/// Plugins that are listed; a server has a handful.
const PLUGINS_MAX: u32 = 1_000;

/// How long a reload may take: the old library finishes its work first.
const RELOAD_WAIT: std::time::Duration = std::time::Duration::from_secs(120);

/// The arguments of `caxton plugin`.
#[derive(Debug, clap::Args)]
#[command(after_long_help = RELOAD_EXAMPLES)]
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
    /// Test a plugin file against the specification of plugins
    #[command(after_long_help = TEST_EXAMPLES)]
    Test {
        /// The plugin's shared library
        #[arg(value_name = "FILE")]
        file: PathBuf,
        /// A TOML file with the plugin's own keys at its top level
        #[arg(long, value_name = "FILE")]
        config: Option<PathBuf>,
        /// A key of the plugin's own, in TOML; may be repeated
        #[arg(long = "set", value_name = "KEY=VALUE")]
        sets: Vec<String>,
    },
    /// List the plugins of a server and their states
    #[command(after_long_help = LS_EXAMPLES)]
    Ls,
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
            PluginCommand::Test { file, config, sets } => Err(test(file, config.as_deref(), sets, output)),
            PluginCommand::Ls => get::list(get::Kind::Plugins, PLUGINS_MAX, &client()?, output),
            PluginCommand::Reload { name, file } => reload(name, file.as_deref(), &client()?, output),
        }
    }
}

fn inspect(file: &Path, output: &Output) -> Failure {
    let json: &[&str] = if output.is_json() { &["-o", "json"] } else { &[] };
    let arguments = ["plugin".as_ref(), "inspect".as_ref(), file.as_os_str()];
    become_caxtond(arguments.into_iter().chain(json.iter().map(OsStr::new)))
}

fn test(file: &Path, config: Option<&Path>, sets: &[String], output: &Output) -> Failure {
    let words = ["plugin".as_ref(), "test".as_ref(), file.as_os_str()].into_iter();
    let config = config.into_iter().flat_map(|config| ["--config".as_ref(), config.as_os_str()]);
    let sets = sets.iter().flat_map(|set| ["--set".as_ref(), OsStr::new(set)]);
    let json: &[&str] = if output.is_json() { &["-o", "json"] } else { &[] };
    become_caxtond(words.chain(config).chain(sets).chain(json.iter().map(OsStr::new)))
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
