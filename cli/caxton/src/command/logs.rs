//! `caxton logs` and `caxton events`: what agents and plugins said, and what happened to them.

use std::{collections::VecDeque, ops::ControlFlow, time::Duration};

use clap::ValueEnum;
use serde_json::{Value, json};

use super::text;
use crate::{
    client::{Client, segment},
    failure::Failure,
    follow,
    output::{Format, Output},
    text::safe,
    time,
};

const LOGS_EXAMPLES: &str = "\
The server keeps the newest lines in memory; its log files have all. With -f and json, each line is one document.

Examples:
  caxton logs
  caxton logs -f bidder-js
  caxton logs --conversation 0198c5f2-6a1e-7c3b-9d52-0f6e8a41b7c3
  caxton logs --level warn --since 5m -o json";

const EVENTS_EXAMPLES: &str = "\
Events say what happened to agents and plugins: states, versions, restarts. The server keeps the newest in memory.

Examples:
  caxton events
  caxton events -f
  caxton events --since 1h -o json";

/// Which part of a list is shown.
#[derive(Debug, clap::Args)]
struct Part {
    /// Go on with what comes
    #[arg(short, long)]
    follow: bool,
    /// Only what is not older than this
    #[arg(long, value_name = "TIME", value_parser = time::duration)]
    since: Option<Duration>,
    /// Only this many, the newest; with -f before what comes
    #[arg(short = 'n', long, value_name = "COUNT", conflicts_with = "follow")]
    tail: Option<usize>,
}

/// The arguments of `caxton logs`.
#[derive(Debug, clap::Args)]
#[command(after_long_help = LOGS_EXAMPLES)]
pub struct Logs {
    /// Only of this agent
    #[arg(value_name = "AGENT", add = crate::complete::agents())]
    agent: Option<String>,
    /// Only of this conversation
    #[arg(long, value_name = "ID", add = crate::complete::conversations())]
    conversation: Option<String>,
    /// Only from this level on
    #[arg(long, value_name = "LEVEL")]
    level: Option<Level>,
    #[command(flatten)]
    part: Part,
}

/// The arguments of `caxton events`.
#[derive(Debug, clap::Args)]
#[command(after_long_help = EVENTS_EXAMPLES)]
pub struct Events {
    #[command(flatten)]
    part: Part,
}

/// How much a line matters.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum Level {
    Trace,
    Debug,
    Info,
    Warn,
    Error,
}

impl Logs {
    /// Prints lines.
    ///
    /// # Errors
    /// When the server cannot be asked.
    pub fn run(&self, client: &Client, output: &Output) -> Result<(), Failure> {
        let level = self.level.and_then(|level| level.to_possible_value());
        let filters = [
            ("agent", self.agent.clone()),
            ("conversation", self.conversation.clone()),
            ("level", level.map(|level| level.get_name().to_owned())),
        ];
        let filters: Vec<String> = filters
            .into_iter()
            .filter_map(|(key, value)| value.map(|value| format!("{key}={}", segment(&value))))
            .collect();
        let query = if filters.is_empty() { String::new() } else { format!("?{}", filters.join("&")) };
        let shown = self.part.show(&format!("/v1/logs{query}"), "caxton.log.list/v1", log, client, output);
        shown.map_err(|failure| failure.during("read the logs"))
    }
}

impl Events {
    /// Prints events.
    ///
    /// # Errors
    /// When the server cannot be asked.
    pub fn run(&self, client: &Client, output: &Output) -> Result<(), Failure> {
        let shown = self.part.show("/v1/events", "caxton.event.list/v1", event, client, output);
        shown.map_err(|failure| failure.during("read the events"))
    }
}

impl Part {
    fn show(
        &self,
        path: &str,
        kind: &str,
        line: impl Fn(&Value) -> String,
        client: &Client,
        output: &Output,
    ) -> Result<(), Failure> {
        let since =
            self.since.map(|since| time::now_micros() - i64::try_from(since.as_micros()).unwrap_or(i64::MAX));
        let old = |item: &Value| since > time::micros(&text(item, "time"));
        let lost = |count| output.note(&format!("{count} older ones are not kept any more"));
        let print = |item: &Value| match output.format {
            Format::Json | Format::Jsonl => output.line(&item.to_string()),
            Format::Name => output.line(&text(item, "sequence")),
            Format::Table | Format::Wide => output.line(&line(item)),
        };
        if self.follow {
            return follow::read(client, path, true, lost, |item| {
                if !old(item) {
                    print(item)?;
                }
                Ok(ControlFlow::Continue(()))
            });
        }
        let mut kept = VecDeque::new();
        follow::read::<Failure>(client, path, false, lost, |item| {
            if !old(item) {
                kept.push_back(item.clone());
            }
            if self.tail.is_some_and(|tail| kept.len() > tail) {
                kept.pop_front();
            }
            Ok(ControlFlow::Continue(()))
        })?;
        match output.format {
            Format::Json => output.document(&json!({"kind": kind, "items": kept})),
            _ => kept.iter().try_for_each(print),
        }
    }
}

/// `TIME LEVEL AGENT LINE key=value`.
fn log(item: &Value) -> String {
    let [time, level, agent, plugin, line] =
        ["time", "level", "agent", "plugin", "line"].map(|key| text(item, key));
    let who = if agent.is_empty() { plugin } else { agent };
    let fields = item.get("fields").and_then(Value::as_object);
    let fields: String = fields
        .into_iter()
        .flatten()
        .map(|(key, _)| {
            format!(" {key}={}", item.get("fields").map(|fields| text(fields, key)).unwrap_or_default())
        })
        .collect();
    safe(&format!("{time} {:<5} {who} {line}{fields}", level.to_uppercase())).into_owned()
}

/// `TIME EVENT SUBJECT FROM > STATE CODE REASON`.
fn event(item: &Value) -> String {
    let of = |key| text(item, key);
    let change = match (of("from"), of("state")) {
        (from, to) if from.is_empty() => to,
        (from, to) => format!("{from} > {to}"),
    };
    let parts = [of("time"), of("event"), of("subject"), change, of("code"), of("reason")];
    let parts: Vec<String> = parts.into_iter().filter(|part| !part.is_empty()).collect();
    safe(&parts.join(" ")).into_owned()
}
