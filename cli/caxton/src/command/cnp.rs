//! `caxton cnp`: a contract net from the shell, with the server as its initiator.

use std::time::Duration;

use clap::ValueEnum;
use serde_json::{Value, json};

use super::text;
use crate::{
    class::Class,
    client::Client,
    content,
    failure::{Exit, Failure, cannot},
    output::{Format, Output, fields},
    table::Table,
    time,
};

const EXAMPLES: &str = "\
Calls for proposals, waits until the deadline, accepts the best bid, rejects the others, and prints the bids and the \
winner's result. The exit code is 1 when nobody bid or the work failed.

Examples:
  caxton cnp group:bidders --task @notes.txt --deadline 2s
  caxton cnp group:bidders --task '{\"bytes\": 11}' --work 'hello world'
  caxton cnp bidder-rs bidder-js --task 'count words' --select lowest -o json";

/// The arguments of `caxton cnp`.
#[derive(Debug, clap::Args)]
#[command(after_long_help = EXAMPLES)]
pub struct Cnp {
    /// Agents and groups (group:NAME) to call
    #[arg(value_name = "PARTICIPANT", required = true)]
    participants: Vec<String>,
    /// The task: text, @FILE, or - for stdin
    #[arg(long, value_name = "TASK")]
    task: String,
    /// What the winner gets with the acceptance: text, @FILE, or - for stdin
    #[arg(long, value_name = "WORK")]
    work: Option<String>,
    /// How long bids are taken
    #[arg(long, value_name = "TIME", default_value = "2s", value_parser = time::duration)]
    deadline: Duration,
    /// How long the winner may work
    #[arg(long, value_name = "TIME", default_value = "30s", value_parser = time::duration)]
    result_timeout: Duration,
    /// Which bid wins
    #[arg(long, value_name = "RULE", default_value = "lowest")]
    select: Select,
    /// The key of the price in a bid's JSON
    #[arg(long, value_name = "KEY", default_value = "price")]
    price_key: String,
    /// What each message to the participants is promised: volatile, acked or durable
    #[arg(long, value_name = "CLASS", hide_possible_values = true)]
    class: Option<Class>,
}

/// Which bid wins.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Select {
    /// The lowest price
    Lowest,
    /// The highest price
    Highest,
    /// The first bid
    First,
}

impl Cnp {
    /// Runs the contract net and prints how it went.
    ///
    /// # Errors
    /// Nobody bid, the work failed, or the server refused.
    pub fn run(&self, client: &Client, output: &Output) -> Result<(), Failure> {
        let wait = self.deadline + self.result_timeout;
        let request = self.request()?;
        let net = client
            .post_and_wait("/v1/contract-nets", &request, wait)
            .map_err(cannot("call for proposals"))?;
        match output.format {
            Format::Json | Format::Jsonl => output.document(&net)?,
            Format::Name => output.line(&text(&net, "winner"))?,
            Format::Table | Format::Wide => output.line(&report(&net))?,
        }
        let conversation = text(&net, "conversation-id");
        output.note(&format!("see it with `caxton conversation show {conversation}`"));
        match text(&net, "outcome").as_str() {
            "completed" => Ok(()),
            "no-bids" => Err(Failure::new(
                Exit::Failure,
                "the contract net had no winner",
                "nobody made a valid bid before the deadline",
                "allow more time with `--deadline`, or check the names with `caxton get agents`",
            )),
            outcome => {
                let what = format!("the contract net ended with `{outcome}`");
                Err(Failure::new(
                    Exit::Failure,
                    what,
                    "the accepted work was not done",
                    "see the conversation",
                ))
            }
        }
    }

    fn request(&self) -> Result<Value, Failure> {
        let mut request = json!({
            "participants": self.participants,
            "task": text_of("task", &self.task)?,
            "deadline-ms": time::millis(self.deadline),
            "result-timeout-ms": time::millis(self.result_timeout),
            "select": self.select.to_possible_value().map(|value| value.get_name().to_owned()),
            "price-key": self.price_key,
        });
        if let (Some(work), Some(keys)) = (&self.work, request.as_object_mut()) {
            keys.insert("work".to_owned(), Value::String(text_of("work", work)?));
        }
        if let (Some(class), Some(keys)) = (self.class, request.as_object_mut()) {
            keys.insert("class".to_owned(), json!(class.as_str()));
        }
        Ok(request)
    }
}

fn text_of(option: &str, given: &str) -> Result<String, Failure> {
    String::from_utf8(content::read(given)?).map_err(|_| {
        Failure::new(
            Exit::Usage,
            "cannot call for proposals",
            format!("the {option} is not UTF-8 text"),
            "pass text, and send other bytes to one agent with `caxton ask AGENT --file FILE`",
        )
    })
}

/// The bids as a table, then the winner and its result.
fn report(net: &Value) -> String {
    let mut table = Table::new(["AGENT", "PRICE", "STATE", "CONTENT"]);
    let bids = net.get("bids").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
    for bid in bids {
        table.row(["agent", "price", "state", "content"].map(|key| text(bid, key)));
    }
    let told = ["winner", "outcome", "result", "result-base64"].map(|key| (key, text(net, key)));
    let end = fields(&told.into_iter().filter(|(_, value)| !value.is_empty()).collect::<Vec<_>>());
    if bids.is_empty() { end } else { format!("{}\n\n{end}", table.text(crate::output::columns(), '…')) }
}
