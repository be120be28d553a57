//! `caxton dev`: runs an agent on a local server and brings in each change of its sources.

use std::path::PathBuf;

use crate::{author::dev, client::Client, failure::Failure, output::Output};

const EXAMPLES: &str = "\
Where no server answers at the address, one is started with the plugins that lie beside `caxtond`, and stopped with \
Ctrl-C; its files are in .caxton/dev. Each change is built and brought in as a new version: new conversations go to it, \
open ones end with the version that they began with. When a build or a start fails, the version before goes on. With \
-o json each event is one line of JSON.

Examples:
  caxton dev
  caxton dev agents/greeter --server http://127.0.0.1:8500
  caxton dev -o json";

/// The arguments of `caxton dev`.
#[derive(Debug, clap::Args)]
#[command(after_long_help = EXAMPLES)]
pub struct Dev {
    /// The agent's folder
    #[arg(value_name = "DIR", default_value = ".")]
    dir: PathBuf,
}

impl Dev {
    /// Runs until a signal asks to stop.
    ///
    /// # Errors
    /// There is no agent in the folder, no server, or nothing can be watched.
    pub fn run(&self, client: &Client, output: &Output) -> Result<(), Failure> {
        dev::Dev::new(&self.dir, client, output).run()
    }
}
