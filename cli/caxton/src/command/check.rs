//! `caxton check`: checks a server's configuration by becoming `caxtond check`.

use crate::{caxtond::Configured, failure::Failure, output::Output};

const EXAMPLES: &str = "\
Nothing is started. All faults are reported at once, each with its line and column. The exit code is 0 when there is \
none and 3 when there is one.

Examples:
  caxton check -f caxton.toml
  caxton check -f caxton.toml && caxton serve -f caxton.toml";

/// The arguments of `caxton check`.
#[derive(Debug, clap::Args)]
#[command(after_long_help = EXAMPLES)]
pub struct Check {
    #[command(flatten)]
    configured: Configured,
}

impl Check {
    /// Becomes the checking program; returns only when that fails.
    pub fn run(&self, output: &Output) -> Failure {
        self.configured.pass_to("check", output)
    }
}
