//! `caxton promote` and `caxton rollback`: which version of an agent serves.

use super::text;
use crate::{
    client::{Client, segment},
    failure::{Failure, cannot},
    output::{Format, Output},
    revision,
};

const PROMOTE_EXAMPLES: &str = "\
The canary gets every new conversation. Conversations that began on the old version finish there.

Examples:
  caxton deploy bidder.toml --canary 10
  caxton promote bidder-js";

const ROLLBACK_EXAMPLES: &str = "\
With a canary, the canary is taken back; else the version before comes back. Conversations that began on the version \
that goes finish there.

Examples:
  caxton rollback bidder-js";

/// The arguments of `caxton promote`.
#[derive(Debug, clap::Args)]
#[command(after_long_help = PROMOTE_EXAMPLES)]
pub struct Promote {
    /// The agent's name
    #[arg(value_name = "NAME", add = crate::complete::agents())]
    name: String,
}

/// The arguments of `caxton rollback`.
#[derive(Debug, clap::Args)]
#[command(after_long_help = ROLLBACK_EXAMPLES)]
pub struct Rollback {
    /// The agent's name
    #[arg(value_name = "NAME", add = crate::complete::agents())]
    name: String,
}

impl Promote {
    /// Promotes the canary.
    ///
    /// # Errors
    /// When there is none, or the server cannot be asked.
    pub fn run(&self, client: &Client, output: &Output) -> Result<(), Failure> {
        revise(&self.name, "promote", &format!("promote the canary of `{}`", self.name), client, output)
    }
}

impl Rollback {
    /// Goes back to the version before.
    ///
    /// # Errors
    /// When there is none, or the server cannot be asked.
    pub fn run(&self, client: &Client, output: &Output) -> Result<(), Failure> {
        revise(&self.name, "rollback", &format!("roll `{}` back", self.name), client, output)
    }
}

fn revise(name: &str, verb: &str, doing: &str, client: &Client, output: &Output) -> Result<(), Failure> {
    let path = format!("/v1/agents/{}/{verb}", segment(name));
    let agent = client.post(&path, &serde_json::json!({})).map_err(cannot(doing))?;
    match output.format {
        Format::Json | Format::Jsonl => output.document(&agent),
        Format::Name => output.line(&text(&agent, "name")),
        Format::Table | Format::Wide => {
            output.line(&format!("agent {}: {}", text(&agent, "name"), revision::serving(&agent)))
        }
    }
}
