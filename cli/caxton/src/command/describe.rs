//! `caxton describe`: everything that the server tells of one thing.

use clap::Subcommand;
use serde_json::Value;

use super::{items, text};
use crate::{
    client::{Client, segment},
    conversation,
    failure::{Exit, Failure, cannot},
    output::{Format, Output, fields},
    revision,
    time::{ago, now_micros},
};

const EXAMPLES: &str = "\
Examples:
  caxton describe agent bidder-js
  caxton describe plugin rest -o json
  caxton describe component sha256:3f2a
  caxton describe dead-letter 17";

/// The arguments of `caxton describe`.
#[derive(Debug, clap::Args)]
#[command(after_long_help = EXAMPLES)]
pub struct Describe {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// An agent: its state, its component, its limits, its figures and its versions
    #[command(after_long_help = EXAMPLES)]
    Agent {
        /// The agent's name
        #[arg(add = crate::complete::agents())]
        name: String,
    },
    /// A plugin: its state and why, its version, its file
    #[command(after_long_help = EXAMPLES)]
    Plugin {
        /// The plugin's name in the configuration
        #[arg(add = crate::complete::plugins())]
        name: String,
    },
    /// A conversation: who took part, and everything that happened, as a table
    #[command(after_long_help = EXAMPLES)]
    Conversation {
        /// The conversation's id
        id: String,
    },
    /// A stored component: its world and its imports
    #[command(after_long_help = EXAMPLES)]
    Component {
        /// The component's digest, or enough of its beginning
        digest: String,
    },
    /// A dead letter: why it reached nobody, who sent it to whom, and its content
    #[command(after_long_help = EXAMPLES)]
    DeadLetter {
        /// The dead letter's id, as `caxton get dead-letters` lists it
        id: String,
    },
}

impl Describe {
    /// Describes.
    ///
    /// # Errors
    /// When there is no such thing, or the server cannot be asked.
    pub fn run(&self, client: &Client, output: &Output) -> Result<(), Failure> {
        let document = match &self.what {
            What::Agent { name } => one(client, "agents", name)?,
            What::Plugin { name } => one(client, "plugins", name)?,
            What::Conversation { id } => {
                return super::conversation::show(client, output, id, conversation::listing);
            }
            What::Component { digest } => component(client, digest)?,
            What::DeadLetter { id } => one(client, "dead-letters", id)?,
        };
        match output.format {
            Format::Json | Format::Jsonl => output.document(&document),
            Format::Name => {
                let names = ["name", "digest", "id"].map(|key| text(&document, key));
                output.line(&names.into_iter().find(|name| !name.is_empty()).unwrap_or_default())
            }
            Format::Table | Format::Wide => {
                output.line(&described(&document, now_micros()))?;
                match revision::table(&document, now_micros()) {
                    Some(versions) => output.line("").and_then(|()| output.table(&versions)),
                    None => Ok(()),
                }
            }
        }
    }
}

fn one(client: &Client, kind: &str, name: &str) -> Result<Value, Failure> {
    let path = format!("/v1/{kind}/{}", segment(name));
    client.get(&path).map_err(cannot(format!("describe `{name}`")))
}

/// Components have no resource of their own, so the one is looked for in the list.
fn component(client: &Client, digest: &str) -> Result<Value, Failure> {
    let what = format!("cannot describe component `{digest}`");
    let list = client.get("/v1/components").map_err(cannot("list components"))?;
    let fits = |item: &&Value| {
        let full = text(item, "digest");
        full.starts_with(digest) || full.strip_prefix("sha256:").is_some_and(|hex| hex.starts_with(digest))
    };
    let fitting: Vec<&Value> = items(&list).iter().filter(fits).collect();
    match fitting.as_slice() {
        [one] => Ok((*one).clone()),
        [] => Err(Failure::new(
            Exit::NotFound,
            what,
            "no stored component has that digest",
            "list them with `caxton get components -o wide`",
        )),
        several => {
            let why = format!("{} stored components begin so", several.len());
            Err(Failure::new(Exit::Usage, what, why, "give more digits of the digest"))
        }
    }
}

/// The keys that are shown first; the others follow in the order of the alphabet.
const FIRST_KEYS: [&str; 7] = ["name", "id", "digest", "version", "state", "code", "reason"];
/// Keys that are not lines: what the document is, and what is shown as a table.
const LEFT_OUT: [&str; 2] = ["kind", "revisions"];

/// The document's keys as lines, without the null ones; times with their age.
fn described(document: &Value, now_micros: i64) -> String {
    let Some(keys) = document.as_object() else { return document.to_string() };
    let shown = |(key, value): (&String, &Value)| {
        let age = value.as_str().map(|time| ago(time, now_micros)).filter(|age| !age.is_empty());
        let value = text(document, key);
        (key.clone(), age.map_or(value.clone(), |age| format!("{value} ({age} ago)")))
    };
    let told = keys.iter().filter(|(key, value)| !LEFT_OUT.contains(&key.as_str()) && !value.is_null());
    let mut told: Vec<(String, String)> = told.map(shown).collect();
    // The sort is stable, so equal keys of the sort keep the alphabet's order.
    told.sort_by_key(|(key, _)| FIRST_KEYS.iter().position(|first| first == key).unwrap_or(FIRST_KEYS.len()));
    fields(&told.iter().map(|(key, value)| (key.as_str(), value.clone())).collect::<Vec<_>>())
}
