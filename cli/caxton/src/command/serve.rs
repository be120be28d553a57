//! `caxton serve`: runs a server by becoming `caxtond`.

use crate::{caxtond::Configured, failure::Failure, output::Output};

const EXAMPLES: &str = "\
The server runs in the foreground until it gets SIGINT or SIGTERM, then it drains and stops. Its program, `caxtond`, is \
looked for next to `caxton` and then on PATH.

Examples:
  caxton serve -f caxton.toml
  caxton serve -f caxton.toml --set 'plugins.rest.listen=\"127.0.0.1:8500\"'";

/// The arguments of `caxton serve`.
#[derive(Debug, clap::Args)]
#[command(after_long_help = EXAMPLES)]
pub struct Serve {
    #[command(flatten)]
    configured: Configured,
}

impl Serve {
    /// Becomes the server; returns only when that fails.
    pub fn run(&self, output: &Output) -> Failure {
        self.configured.pass_to("serve", output)
    }
}
