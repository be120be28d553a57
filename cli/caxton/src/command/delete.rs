//! `caxton delete`: stops and removes agents.

use clap::Subcommand;

use super::text;
use crate::{
    client::{Client, segment},
    failure::{Failure, cannot},
    output::{Format, Output},
};

const EXAMPLES: &str = "\
Examples:
  caxton delete agent echo
  caxton delete agent bidder-rs bidder-js";

/// The arguments of `caxton delete`.
#[derive(Debug, clap::Args)]
#[command(after_long_help = EXAMPLES)]
pub struct Delete {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Stop agents and remove them; each is tried, also when one fails
    #[command(after_long_help = EXAMPLES)]
    Agent {
        /// The agents' names
        #[arg(value_name = "NAME", required = true, add = crate::complete::agents())]
        names: Vec<String>,
    },
}

impl Delete {
    /// Deletes each and tells of each that could not be.
    ///
    /// # Errors
    /// The last agent that could not be deleted; those before it were told already.
    pub fn run(&self, client: &Client, output: &Output) -> Result<(), Failure> {
        let What::Agent { names } = &self.what;
        let mut failed: Option<Failure> = None;
        for name in names {
            let deleted = client.delete(&format!("/v1/agents/{}", segment(name)));
            match deleted.map_err(cannot(format!("delete agent `{name}`"))) {
                Ok(agent) => match output.format {
                    Format::Json | Format::Jsonl => output.document(&agent)?,
                    Format::Name => output.line(&text(&agent, "name"))?,
                    Format::Table | Format::Wide => {
                        output.line(&format!("agent {} deleted", text(&agent, "name")))?
                    }
                },
                Err(failure) => {
                    if let Some(earlier) = failed.replace(failure) {
                        output.tell(&earlier);
                    }
                }
            }
        }
        failed.map_or(Ok(()), Err)
    }
}
