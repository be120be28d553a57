//! `caxton requeue` and `caxton purge`: what becomes of dead letters.

use std::io::{BufRead as _, IsTerminal as _, Write as _};

use serde_json::{Map, Value, json};

use super::{items, text};
use crate::{
    client::Client,
    failure::{Exit, Failure, cannot},
    output::{Format, Output},
    table::Table,
};

const REQUEUE_EXAMPLES: &str = "\
A requeued message is sent again to its receiver with the class that it had, and is no dead letter any more. One that \
is refused again stays a dead letter.

Examples:
  caxton requeue 17 18
  caxton requeue --all --reason mailbox-full
  caxton requeue --all --agent bidder-js
  caxton requeue $(caxton get dead-letters --reason poison -o name)";

const PURGE_EXAMPLES: &str = "\
A purged message is gone. On a terminal you are asked first; elsewhere --yes is needed.

Examples:
  caxton purge 17
  caxton purge --all --reason expired --yes";

/// Letters that a server takes in one call for all.
const AT_ONCE_MAX: usize = 10_000;

/// Which dead letters.
#[derive(Debug, clap::Args)]
struct Chosen {
    /// The dead letters' ids, as `caxton get dead-letters` lists them
    #[arg(value_name = "ID", required_unless_present = "all", conflicts_with = "all")]
    ids: Vec<String>,
    /// All, or all that --reason and --agent leave
    #[arg(long)]
    all: bool,
    /// Of all, those with this reason: a code or its name
    #[arg(long, value_name = "REASON", requires = "all", conflicts_with = "ids")]
    reason: Option<String>,
    /// Of all, those to this agent
    #[arg(long, value_name = "AGENT", requires = "all", conflicts_with = "ids")]
    agent: Option<String>,
}

impl Chosen {
    fn request(&self) -> Value {
        if !self.all {
            return json!({"ids": self.ids});
        }
        let mut request = Map::from_iter([("all".to_owned(), json!(true))]);
        for (key, value) in [("reason", &self.reason), ("agent", &self.agent)] {
            if let Some(value) = value {
                request.insert(key.to_owned(), json!(value));
            }
        }
        Value::Object(request)
    }

    /// The words for them in a sentence.
    fn spoken(&self) -> String {
        if !self.all {
            return format!("dead letter {}", self.ids.join(", "));
        }
        let reason = self.reason.as_ref().map(|reason| format!(" with the reason {reason}"));
        let agent = self.agent.as_ref().map(|agent| format!(" to {agent}"));
        format!("all dead letters{}{}", reason.unwrap_or_default(), agent.unwrap_or_default())
    }
}

/// The arguments of `caxton requeue`.
#[derive(Debug, clap::Args)]
#[command(after_long_help = REQUEUE_EXAMPLES)]
pub struct Requeue {
    #[command(flatten)]
    chosen: Chosen,
}

impl Requeue {
    /// Requeues them and tells what became of each.
    ///
    /// # Errors
    /// When one was refused again or is not known, or the server cannot be asked.
    pub fn run(&self, client: &Client, output: &Output) -> Result<(), Failure> {
        act(&self.chosen, "requeue", client, output)
    }
}

/// The arguments of `caxton purge`.
#[derive(Debug, clap::Args)]
#[command(after_long_help = PURGE_EXAMPLES)]
pub struct Purge {
    #[command(flatten)]
    chosen: Chosen,
    /// Do not ask
    #[arg(short, long)]
    yes: bool,
}

impl Purge {
    /// Purges them and tells what became of each.
    ///
    /// # Errors
    /// When it was not confirmed, one is not known, or the server cannot be asked.
    pub fn run(&self, client: &Client, output: &Output) -> Result<(), Failure> {
        if !self.yes {
            confirm(&self.chosen.spoken())?;
        }
        act(&self.chosen, "purge", client, output)
    }
}

/// Asks on the terminal.
fn confirm(what: &str) -> Result<(), Failure> {
    let stdin = std::io::stdin();
    if !stdin.is_terminal() {
        return Err(Failure::new(
            Exit::Usage,
            format!("cannot purge {what}"),
            "purged messages are gone, and there is no terminal to ask on",
            "pass --yes",
        ));
    }
    // A closed stderr shows no question, and then no answer means no.
    drop(write!(std::io::stderr(), "purge {what}? [y/N] "));
    let mut answer = String::new();
    stdin.lock().read_line(&mut answer)?;
    match answer.trim() {
        "y" | "Y" | "yes" => Ok(()),
        _ => Err(Failure::new(Exit::Failure, "nothing was purged", "it was not confirmed", "")),
    }
}

fn act(chosen: &Chosen, verb: &str, client: &Client, output: &Output) -> Result<(), Failure> {
    let doing = format!("{verb} {}", chosen.spoken());
    let path = format!("/v1/dead-letters/{verb}");
    let result = client.post(&path, &chosen.request()).map_err(cannot(doing.clone()))?;
    match output.format {
        Format::Json => output.document(&result)?,
        Format::Jsonl => items(&result).iter().try_for_each(|item| output.document(item))?,
        Format::Name => {
            let mut done = items(&result).iter().filter(|item| is_done(item));
            done.try_for_each(|item| output.line(&text(item, "id")))?;
        }
        Format::Table | Format::Wide if items(&result).is_empty() => output.note("no dead letters"),
        Format::Table | Format::Wide => output.table(&table(&result))?,
    }
    if chosen.all && items(&result).len() >= AT_ONCE_MAX {
        output.note(&format!("{AT_ONCE_MAX} were taken, the oldest first: run it again for the rest"));
    }
    undone(&result, &doing)
}

fn is_done(item: &Value) -> bool {
    matches!(text(item, "outcome").as_str(), "requeued" | "purged")
}

fn table(result: &Value) -> Table {
    let mut table = Table::new(["ID", "OUTCOME", "CODE"]);
    for item in items(result) {
        table.row(["id", "outcome", "code"].map(|key| text(item, key)));
    }
    table
}

/// What was not done is a failure, with the first one's code.
fn undone(result: &Value, doing: &str) -> Result<(), Failure> {
    let undone: Vec<&Value> = items(result).iter().filter(|item| !is_done(item)).collect();
    let Some(first) = undone.first() else { return Ok(()) };
    let all = items(result).len();
    let refused = undone.iter().find(|item| text(item, "outcome") == "refused");
    let (exit, why, fix) = match refused {
        Some(refused) => (
            Exit::Failure,
            format!("{} of {all} were not, the first with {}", undone.len(), text(refused, "code")),
            "look at one with `caxton describe dead-letter ID`",
        ),
        None => (
            Exit::NotFound,
            format!("{} of {all} are no dead letters, the first is {}", undone.len(), text(first, "id")),
            "list them with `caxton get dead-letters`",
        ),
    };
    let code = refused.map(|item| text(item, "code")).unwrap_or_default();
    Err(Failure::new(exit, format!("cannot {doing}"), why, fix).coded(&code))
}
