//! `caxton component`: looks at components and checks them by becoming `caxtond component`, without a server.

use std::{
    ffi::OsStr,
    path::{Path, PathBuf},
};

use crate::{caxtond::become_caxtond, failure::Failure, output::Output};

const INSPECT_EXAMPLES: &str = "\
Nothing of the component is compiled or run.

Examples:
  caxton component inspect build/greeter.wasm
  caxton component inspect build/greeter.wasm -o json";

const VERIFY_EXAMPLES: &str = "\
The same checks as at a deployment, in the same order: size and structure, world and imports, validity, compilation \
under limits, grants, and one instance. The exit code is 0 when all pass; else it is 1 and the error has a code.

Examples:
  caxton component verify build/greeter.wasm
  caxton component verify build/greeter.wasm -o json";

/// The arguments of `caxton component`.
#[derive(Debug, clap::Args)]
#[command(after_long_help = INSPECT_EXAMPLES)]
pub struct Component {
    #[command(subcommand)]
    command: ComponentCommand,
}

#[derive(Debug, clap::Subcommand)]
enum ComponentCommand {
    /// Show a component's world, imports, exports, digest, tools and packed manifest
    #[command(after_long_help = INSPECT_EXAMPLES)]
    Inspect {
        /// The component
        #[arg(value_name = "FILE")]
        file: PathBuf,
    },
    /// Check a component as a server would at its deployment
    #[command(after_long_help = VERIFY_EXAMPLES)]
    Verify {
        /// The component
        #[arg(value_name = "FILE")]
        file: PathBuf,
        /// A grant that the agent is to have; may be repeated
        #[arg(long = "grant", value_name = "GRANT")]
        grants: Vec<String>,
    },
}

impl Component {
    /// Becomes the looking program; returns only when that fails.
    pub fn run(&self, output: &Output) -> Failure {
        match &self.command {
            ComponentCommand::Inspect { file } => pass("inspect", file, &[], output),
            ComponentCommand::Verify { file, grants } => pass("verify", file, grants, output),
        }
    }
}

fn pass(verb: &str, file: &Path, grants: &[String], output: &Output) -> Failure {
    let words = ["component".as_ref(), verb.as_ref(), file.as_os_str()];
    let grants = grants.iter().flat_map(|grant| ["--grant".as_ref(), OsStr::new(grant)]);
    let json: &[&str] = if output.is_json() { &["-o", "json"] } else { &[] };
    become_caxtond(words.into_iter().chain(grants).chain(json.iter().map(OsStr::new)))
}
