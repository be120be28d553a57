//! `caxton new`: makes the folder of an agent or of a plugin from the templates in this program.

use std::path::{Path, PathBuf};

use serde_json::json;

use crate::{
    author::{Language, scaffold},
    failure::Failure,
    output::{Format, Output},
};

const AGENT_EXAMPLES: &str = "\
The folder has a greeter to change: its sources, agent.toml, tests, the SDK and the WIT package. Nothing is fetched.

Examples:
  caxton new agent greeter --lang python
  caxton new agent greeter --lang js --dir agents/greeter
  caxton new agent greeter --lang rust && cd greeter && caxton build && caxton test && caxton dev";

const PLUGIN_EXAMPLES: &str = "\
The folder has a crate with an endpoint to change, and its tests. It depends on the crate caxton-plugin in a clone of \
Caxton: the one that this program was built from, or the one that --sdk names.

Examples:
  caxton new plugin greeter-port
  caxton new plugin greeter-port --sdk ../caxton";

/// The arguments of `caxton new`.
#[derive(Debug, clap::Args)]
#[command(after_long_help = AGENT_EXAMPLES)]
pub struct New {
    #[command(subcommand)]
    command: NewCommand,
}

#[derive(Debug, clap::Subcommand)]
enum NewCommand {
    /// Make the folder of an agent
    #[command(after_long_help = AGENT_EXAMPLES)]
    Agent {
        /// The agent's name
        #[arg(value_name = "NAME", value_parser = scaffold::name)]
        name: String,
        /// The language: rust, js (javascript) or python (py)
        #[arg(long, value_enum, value_name = "LANGUAGE", hide_possible_values = true)]
        lang: Language,
        /// The folder; by default the name
        #[arg(long, value_name = "DIR")]
        dir: Option<PathBuf>,
    },
    /// Make the folder of a plugin, in Rust
    #[command(after_long_help = PLUGIN_EXAMPLES)]
    Plugin {
        /// The plugin's name
        #[arg(value_name = "NAME", value_parser = scaffold::name)]
        name: String,
        /// A clone of Caxton, or the crate plugins/sdk in it
        #[arg(long, value_name = "PATH")]
        sdk: Option<PathBuf>,
        /// The folder; by default the name
        #[arg(long, value_name = "DIR")]
        dir: Option<PathBuf>,
    },
}

impl New {
    /// Writes the folder and says what to do next.
    ///
    /// # Errors
    /// The folder is not empty or cannot be written; the SDK for plugins is not found.
    pub fn run(&self, output: &Output) -> Result<(), Failure> {
        match &self.command {
            NewCommand::Agent { name, lang, dir } => {
                let files = scaffold::agent(name, *lang)?;
                let next = ["caxton build", "caxton test", "caxton dev"];
                made("agent", name, dir.as_deref(), &files, &next, output)
            }
            NewCommand::Plugin { name, sdk, dir } => {
                let files = scaffold::plugin(name, &scaffold::plugin_sdk(sdk.as_deref())?)?;
                made("plugin", name, dir.as_deref(), &files, &["cargo test", "cargo build --release"], output)
            }
        }
    }
}

fn made(
    what: &str,
    name: &str,
    folder: Option<&Path>,
    files: &[scaffold::File],
    next: &[&str],
    output: &Output,
) -> Result<(), Failure> {
    let folder = folder.unwrap_or(Path::new(name));
    scaffold::write(folder, files)?;
    match output.format {
        Format::Json | Format::Jsonl => {
            let files: Vec<&str> = files.iter().map(|(path, _)| path.as_str()).collect();
            output.document(&json!({"kind": "caxton.new/v1", "what": what, "name": name, "folder": folder,
                "files": files, "next": next}))
        }
        Format::Name => output.line(&folder.display().to_string()),
        Format::Table | Format::Wide => {
            output.line(&format!("made the {what} {name} in {}: {} files", folder.display(), files.len()))?;
            output.note(&format!("next: cd {} && {}", folder.display(), next.join(" && ")));
            Ok(())
        }
    }
}
