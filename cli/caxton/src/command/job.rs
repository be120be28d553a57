//! `caxton job`: one agent asked many times while nobody waits, and what came of it.

use std::{
    io::{IsTerminal as _, Write as _},
    ops::ControlFlow,
    time::Duration,
};

use clap::{Subcommand, ValueEnum};
use serde_json::{Map, Value, json};

use super::{
    get::{self, Kind},
    text,
};
use crate::{
    class::Class,
    client::{Client, segment},
    content,
    failure::{Exit, Failure, cannot},
    follow,
    output::{Format, Output, fields},
    table::Table,
    time,
};

const CREATE_EXAMPLES: &str = "\
Each line of INPUT is one item. With --json, INPUT is a JSON list of items, or one item in each line: a text, or an object \
with `content` or `content-base64`, and maybe `key` and `parameters`. With --wait the exit code is 1 when not every item \
was done.

Examples:
  caxton job create worker tasks.txt
  caxton job create worker tasks.jsonl --json --concurrency 32 --wait
  seq 1000 | caxton job create worker - -o name
  caxton job create worker tasks.txt --id 0199a1b2-c3d4-7e5f-8a9b-0c1d2e3f4a5b";

const LS_EXAMPLES: &str = "\
Examples:
  caxton job ls
  caxton job ls -o name";

const ID_EXAMPLES: &str = "\
Examples:
  caxton job get 0198c5f2-6a1e-7c3b-9d52-0f6e8a41b7c3
  caxton job watch 0198c5f2-6a1e-7c3b-9d52-0f6e8a41b7c3
  caxton job cancel 0198c5f2-6a1e-7c3b-9d52-0f6e8a41b7c3
  caxton job resume 0198c5f2-6a1e-7c3b-9d52-0f6e8a41b7c3
  caxton job rm 0198c5f2-6a1e-7c3b-9d52-0f6e8a41b7c3";

const RESULTS_EXAMPLES: &str = "\
Results come in the order in which the items ended. With -f the command ends when the job is over.

Examples:
  caxton job results 0198c5f2-6a1e-7c3b-9d52-0f6e8a41b7c3
  caxton job results 0198c5f2-6a1e-7c3b-9d52-0f6e8a41b7c3 --state failed
  caxton job results 0198c5f2-6a1e-7c3b-9d52-0f6e8a41b7c3 -f -o jsonl";

/// The arguments of `caxton job`.
#[derive(Debug, clap::Args)]
#[command(after_long_help = CREATE_EXAMPLES)]
pub struct Job {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Ask an agent for each item, in the background
    #[command(after_long_help = CREATE_EXAMPLES)]
    Create(Create),
    /// List jobs, the newest first
    #[command(visible_alias = "list", after_long_help = LS_EXAMPLES)]
    Ls {
        /// How many to list at most
        #[arg(long, value_name = "COUNT", default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..))]
        limit: u32,
    },
    /// Show a job
    #[command(after_long_help = ID_EXAMPLES)]
    Get {
        /// The job's id
        id: String,
    },
    /// Watch a job until it is over
    #[command(after_long_help = ID_EXAMPLES)]
    Watch {
        /// The job's id
        id: String,
    },
    /// Show what came of a job's items
    #[command(after_long_help = RESULTS_EXAMPLES)]
    Results {
        /// The job's id
        id: String,
        /// Go on until the job is over
        #[arg(short, long)]
        follow: bool,
        /// Only items in this state
        #[arg(long, value_name = "STATE")]
        state: Option<State>,
    },
    /// Stop a job; what is done stays done
    #[command(after_long_help = ID_EXAMPLES)]
    Cancel {
        /// The job's id
        id: String,
    },
    /// Run again what failed or was cancelled
    #[command(after_long_help = ID_EXAMPLES)]
    Resume {
        /// The job's id
        id: String,
    },
    /// Remove a job that is over
    #[command(after_long_help = ID_EXAMPLES)]
    Rm {
        /// The job's id
        id: String,
    },
}

/// The arguments of `caxton job create`.
#[derive(Debug, clap::Args)]
struct Create {
    /// The agent to ask
    #[arg(value_name = "AGENT", add = crate::complete::agents())]
    agent: String,
    /// A file, or - for stdin
    #[arg(value_name = "INPUT")]
    input: String,
    /// The input is JSON and not lines
    #[arg(long)]
    json: bool,
    /// How many items run at a time
    #[arg(long, value_name = "COUNT")]
    concurrency: Option<u32>,
    /// How long one item may take
    #[arg(long, value_name = "TIME", value_parser = time::duration)]
    timeout: Option<Duration>,
    /// How long results are kept
    #[arg(long, value_name = "TIME", value_parser = time::duration)]
    ttl: Option<Duration>,
    /// What each question is promised: volatile, acked or durable
    #[arg(long, value_name = "CLASS", hide_possible_values = true)]
    class: Option<Class>,
    /// The job's own id, a UUID: the same again gives the job that there is
    #[arg(long, value_name = "UUID")]
    id: Option<String>,
    /// Wait until the job is over
    #[arg(long)]
    wait: bool,
}

/// The state of an item.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum State {
    Done,
    Failed,
    Cancelled,
}

impl Job {
    /// Makes, lists, shows or changes jobs.
    ///
    /// # Errors
    /// When there is no such job, the server refuses, or a job that was waited for did not complete.
    pub fn run(&self, client: &Client, output: &Output) -> Result<(), Failure> {
        let post = |id: &str, verb: &str| {
            let path = format!("{}/{verb}", path(id));
            let job = client.post(&path, &json!({})).map_err(cannot(format!("{verb} job `{id}`")))?;
            show(&job, output)
        };
        match &self.command {
            Command::Create(create) => create.run(client, output),
            Command::Ls { limit } => get::list(Kind::Jobs, *limit, client, output),
            Command::Get { id } => {
                show(&client.get(&path(id)).map_err(cannot(format!("show job `{id}`")))?, output)
            }
            Command::Watch { id } => watch(id, client, output),
            Command::Results { id, follow, state } => results(id, *follow, *state, client, output),
            Command::Cancel { id } => post(id, "cancel"),
            Command::Resume { id } => post(id, "resume"),
            Command::Rm { id } => {
                show(&client.delete(&path(id)).map_err(cannot(format!("remove job `{id}`")))?, output)
            }
        }
    }
}

impl Create {
    fn run(&self, client: &Client, output: &Output) -> Result<(), Failure> {
        let mut request = Map::new();
        request.insert("agent".to_owned(), json!(self.agent));
        request.insert("items".to_owned(), Value::Array(self.items()?));
        let optional = [
            ("concurrency", self.concurrency.map(Value::from)),
            ("timeout-ms", self.timeout.map(|timeout| json!(time::millis(timeout)))),
            ("ttl-ms", self.ttl.map(|ttl| json!(time::millis(ttl)))),
            ("class", self.class.map(|class| json!(class.as_str()))),
            ("id", self.id.as_ref().map(|id| json!(id))),
        ];
        request.extend(optional.into_iter().filter_map(|(key, value)| Some((key.to_owned(), value?))));
        let job = client.post("/v1/jobs", &Value::Object(request));
        let job = job.map_err(cannot(format!("make a job for `{}`", self.agent)))?;
        if self.wait { watch(&text(&job, "id"), client, output) } else { show(&job, output) }
    }

    fn items(&self) -> Result<Vec<Value>, Failure> {
        let bytes = match self.input.as_str() {
            "-" => content::read("-")?,
            file => content::file(file.as_ref())?,
        };
        if self.json {
            return json_items(&bytes);
        }
        let lines = bytes.split(|byte| *byte == b'\n');
        let item = |line: &[u8]| {
            let mut item = Map::new();
            content::set(&mut item, line.to_vec());
            Value::Object(item)
        };
        let mut items: Vec<Value> = lines.map(item).collect();
        // What follows the last line break is no line.
        if bytes.last().is_none_or(|last| *last == b'\n') {
            items.pop();
        }
        Ok(items)
    }
}

/// A list, or one item in each line; a text stands for its content.
fn json_items(bytes: &[u8]) -> Result<Vec<Value>, Failure> {
    let values: Result<Vec<Value>, _> = match serde_json::from_slice(bytes) {
        Ok(Value::Array(items)) => Ok(items),
        _ => serde_json::Deserializer::from_slice(bytes).into_iter().collect(),
    };
    let values = values.map_err(|error| {
        let fix = "write a list of items, or one item in each line";
        Failure::new(Exit::Invalid, "the items are not JSON", error.to_string(), fix)
    })?;
    let item = |value| match value {
        Value::String(text) => json!({ "content": text }),
        other => other,
    };
    Ok(values.into_iter().map(item).collect())
}

fn path(id: &str) -> String {
    format!("/v1/jobs/{}", segment(id))
}

fn count(job: &Value, state: &str) -> u64 {
    job.get("items").and_then(|items| items.get(state)).and_then(Value::as_u64).unwrap_or_default()
}

fn show(job: &Value, output: &Output) -> Result<(), Failure> {
    match output.format {
        Format::Json | Format::Jsonl => output.document(job),
        Format::Name => output.line(&text(job, "id")),
        Format::Table | Format::Wide => output.line(&fields(&[
            ("job", text(job, "id")),
            ("agent", text(job, "agent")),
            ("state", text(job, "state")),
            ("items", progress(job)),
            ("created", text(job, "created")),
            ("expires", text(job, "expires")),
        ])),
    }
}

/// `990 of 1000 done, 10 failed`.
pub(super) fn progress(job: &Value) -> String {
    let more = ["failed", "cancelled", "running"].map(|state| (state, count(job, state)));
    let more =
        more.into_iter().filter(|(_, count)| *count > 0).map(|(state, count)| format!(", {count} {state}"));
    format!("{} of {} done{}", count(job, "done"), count(job, "total"), more.collect::<String>())
}

fn is_over(job: &Value) -> bool {
    !matches!(text(job, "state").as_str(), "running" | "cancelling")
}

/// Waits until the job is over; progress goes to a terminal only.
fn watch(id: &str, client: &Client, output: &Output) -> Result<(), Failure> {
    let doing = format!("watch job `{id}`");
    let shown = std::io::stderr().is_terminal() && !output.quiet;
    let job = follow::watch::<Failure>(client, &path(id), |job| {
        if output.format == Format::Jsonl {
            output.document(job)?;
        }
        if shown {
            // Nothing can be done about a closed stderr.
            drop(write!(std::io::stderr(), "\r\u{1b}[K{}", progress(job)));
        }
        Ok(if is_over(job) { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
    });
    if shown {
        drop(writeln!(std::io::stderr()));
    }
    let job = job.map_err(|failure| failure.during(&doing))?;
    if output.format != Format::Jsonl {
        show(&job, output)?;
    }
    if text(&job, "state") == "completed" {
        return Ok(());
    }
    let what = format!("the job is {}", text(&job, "state"));
    let fix = format!(
        "see why with `caxton job results {id} --state failed`, and run it again with `caxton job resume {id}`"
    );
    Err(Failure::new(Exit::Failure, what, progress(&job), fix))
}

fn results(
    id: &str,
    follow: bool,
    state: Option<State>,
    client: &Client,
    output: &Output,
) -> Result<(), Failure> {
    let state = state.and_then(|state| state.to_possible_value());
    let query = state.map(|state| format!("?state={}", state.get_name())).unwrap_or_default();
    let streamed = follow || matches!(output.format, Format::Jsonl | Format::Name);
    let mut kept = Vec::new();
    let read = follow::read::<Failure>(
        client,
        &format!("{}/results{query}", path(id)),
        follow,
        |_| (),
        |item| {
            match output.format {
                _ if !streamed => kept.push(item.clone()),
                Format::Json | Format::Jsonl => output.line(&item.to_string())?,
                Format::Name => output.line(&text(item, "index"))?,
                Format::Table | Format::Wide => output.line(&crate::text::safe(&cells(item).join("  ")))?,
            }
            Ok(ControlFlow::Continue(()))
        },
    );
    read.map_err(|failure| failure.during(&format!("read the results of job `{id}`")))?;
    match output.format {
        _ if streamed => Ok(()),
        Format::Json => output.document(&json!({"kind": "caxton.job.result.list/v1", "items": kept})),
        _ => {
            let mut table = Table::new(["INDEX", "KEY", "STATE", "ATTEMPT", "CODE", "CONTENT"]);
            kept.iter().for_each(|item| table.row(cells(item)));
            output.table(&table)
        }
    }
}

fn cells(item: &Value) -> [String; 6] {
    ["index", "key", "state", "attempt", "code", "content"].map(|key| text(item, key))
}
