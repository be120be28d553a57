//! `caxton get`: lists one kind of thing in a table.

use clap::ValueEnum;
use serde_json::Value;

use super::{items, job, text};
use crate::{
    client::{Client, segment},
    failure::{Exit, Failure, cannot},
    output::{Format, Output},
    table::Table,
    time::{ago, now_micros},
};

const EXAMPLES: &str = "\
Examples:
  caxton get agents
  caxton get agents -o wide
  caxton get plugins -o json
  caxton get jobs
  caxton get attachments
  caxton get events --limit 1000
  caxton get dead-letters --limit 10
  caxton get dead-letters --reason mailbox-full --agent bidder-js
  caxton delete agent $(caxton get agents -o name)";

/// The arguments of `caxton get`.
#[derive(Debug, clap::Args)]
#[command(after_long_help = EXAMPLES)]
pub struct Get {
    /// What to list
    #[arg(value_name = "KIND")]
    kind: Kind,
    /// How many conversations, dead letters, jobs or events to list at most
    #[arg(long, value_name = "COUNT", default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..))]
    limit: u32,
    /// Only dead letters with this reason: a code or its name
    #[arg(long, value_name = "REASON")]
    reason: Option<String>,
    /// Only dead letters to this agent
    #[arg(long, value_name = "AGENT")]
    agent: Option<String>,
}

/// A kind of thing that a server lists.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Kind {
    /// Agents and what they do
    #[value(alias = "agent")]
    Agents,
    /// Plugins and their states
    #[value(alias = "plugin")]
    Plugins,
    /// Conversations, the newest first
    #[value(alias = "conversation")]
    Conversations,
    /// Messages that could not be delivered, the newest first
    #[value(alias = "dead-letter")]
    DeadLetters,
    /// Stored WebAssembly components
    #[value(alias = "component")]
    Components,
    /// Jobs, the newest first
    #[value(alias = "job")]
    Jobs,
    /// Agents outside of the server
    #[value(alias = "attachment")]
    Attachments,
    /// What happened to agents and plugins, the oldest first
    #[value(alias = "event")]
    Events,
}

/// A column: its heading, and the cell of an item.
type Column = (&'static str, Cell);

/// How a cell is made from an item.
#[derive(Clone, Copy)]
enum Cell {
    /// The text under the key.
    Text(&'static str),
    /// How long ago the time under the key was.
    Ago(&'static str),
    /// The beginning of the digest under the key.
    Digest(&'static str),
    /// How far a job is.
    Progress,
}

impl Get {
    /// Lists.
    ///
    /// # Errors
    /// When the server cannot be asked.
    pub fn run(&self, client: &Client, output: &Output) -> Result<(), Failure> {
        let filters = [("reason", &self.reason), ("agent", &self.agent)];
        let mut path = self.kind.path(self.limit);
        for (key, value) in filters {
            let Some(value) = value else { continue };
            if self.kind != Kind::DeadLetters {
                return Err(Failure::new(
                    Exit::Usage,
                    format!("cannot list {} with --{key}", self.kind.plural()),
                    "--reason and --agent choose among dead letters",
                    "leave it out",
                ));
            }
            path.push_str(&format!("&{key}={}", segment(value)));
        }
        list_at(&path, self.kind, client, output)
    }
}

/// Lists things of a kind.
pub(super) fn list(kind: Kind, limit: u32, client: &Client, output: &Output) -> Result<(), Failure> {
    list_at(&kind.path(limit), kind, client, output)
}

fn list_at(path: &str, kind: Kind, client: &Client, output: &Output) -> Result<(), Failure> {
    let list = client.get(path).map_err(cannot(format!("list {}", kind.plural())))?;
    match output.format {
        Format::Json => output.document(&list),
        Format::Jsonl => items(&list).iter().try_for_each(|item| output.document(item)),
        Format::Name => items(&list).iter().try_for_each(|item| output.line(&text(item, kind.name_key()))),
        Format::Table | Format::Wide if items(&list).is_empty() => {
            output.note(&format!("no {}", kind.plural()));
            Ok(())
        }
        Format::Table => output.table(&table(kind.columns(), items(&list), now_micros())),
        Format::Wide => {
            output.table(&table(&[kind.columns(), kind.more_columns()].concat(), items(&list), now_micros()))
        }
    }
}

fn table(columns: &[Column], items: &[Value], now_micros: i64) -> Table {
    let mut table = Table::new(columns.iter().map(|(heading, _)| *heading));
    for item in items {
        table.row(columns.iter().map(|(_, cell)| match cell {
            // A trap's frames stand below its first line; a row has room for that one.
            Cell::Text(key) => text(item, key).lines().next().unwrap_or_default().to_owned(),
            Cell::Ago(key) => ago(&text(item, key), now_micros),
            Cell::Digest(key) => short_digest(&text(item, key)),
            Cell::Progress => job::progress(item),
        }));
    }
    table
}

/// `sha256:` and twelve digits: enough to tell the components of one server apart.
pub(crate) fn short_digest(digest: &str) -> String {
    let kept = "sha256:".len() + 12;
    digest.chars().take(kept).collect()
}

impl Kind {
    /// The word in a sentence.
    fn plural(self) -> &'static str {
        match self {
            Self::Agents => "agents",
            Self::Plugins => "plugins",
            Self::Conversations => "conversations",
            Self::DeadLetters => "dead letters",
            Self::Components => "components",
            Self::Jobs => "jobs",
            Self::Attachments => "attachments",
            Self::Events => "events",
        }
    }

    fn path(self, limit: u32) -> String {
        match self {
            Self::Agents => "/v1/agents".to_owned(),
            Self::Plugins => "/v1/plugins".to_owned(),
            Self::Conversations => format!("/v1/conversations?limit={limit}"),
            Self::DeadLetters => format!("/v1/dead-letters?limit={limit}"),
            Self::Components => "/v1/components".to_owned(),
            Self::Jobs => format!("/v1/jobs?limit={limit}"),
            Self::Attachments => "/v1/attachments".to_owned(),
            Self::Events => format!("/v1/events?limit={limit}"),
        }
    }

    /// The key that names an item.
    fn name_key(self) -> &'static str {
        match self {
            Self::Agents | Self::Plugins | Self::Attachments => "name",
            Self::Conversations | Self::DeadLetters | Self::Jobs => "id",
            Self::Components => "digest",
            Self::Events => "sequence",
        }
    }

    fn columns(self) -> &'static [Column] {
        use Cell::{Ago, Digest, Text};
        match self {
            Self::Agents => &[
                ("NAME", Text("name")),
                ("STATE", Text("state")),
                ("MAILBOX", Text("mailbox")),
                ("RECEIVED", Text("received")),
                ("SENT", Text("sent")),
                ("RESTARTS", Text("restarts")),
                ("AGE", Ago("since")),
                ("REASON", Text("reason")),
            ],
            Self::Plugins => &[
                ("NAME", Text("name")),
                ("VERSION", Text("version")),
                ("STATE", Text("state")),
                ("REQUIRED", Text("required")),
                ("PROVIDES", Text("provides")),
                ("REASON", Text("reason")),
            ],
            Self::Conversations => &[
                ("ID", Text("id")),
                ("PROTOCOL", Text("protocol")),
                ("STATE", Text("state")),
                ("END", Text("end")),
                ("MESSAGES", Text("messages")),
                ("INITIATOR", Text("initiator")),
                ("AGE", Ago("started")),
            ],
            Self::DeadLetters => &[
                ("ID", Text("id")),
                ("AGE", Ago("at")),
                ("REASON", Text("reason")),
                ("SENDER", Text("sender")),
                ("RECEIVER", Text("receiver")),
                ("ACT", Text("performative")),
                ("CLASS", Text("class")),
            ],
            Self::Components => {
                &[("DIGEST", Digest("digest")), ("BYTES", Text("bytes")), ("WORLD", Text("world"))]
            }
            Self::Jobs => &[
                ("ID", Text("id")),
                ("AGENT", Text("agent")),
                ("STATE", Text("state")),
                ("ITEMS", Cell::Progress),
                ("AGE", Ago("created")),
            ],
            Self::Attachments => &[
                ("NAME", Text("name")),
                ("QUEUED", Text("queued")),
                ("RECEIVED", Text("received")),
                ("SENT", Text("sent")),
                ("AGE", Ago("since")),
            ],
            Self::Events => &[
                ("AGE", Ago("time")),
                ("EVENT", Text("event")),
                ("SUBJECT", Text("subject")),
                ("FROM", Text("from")),
                ("STATE", Text("state")),
                ("REASON", Text("reason")),
            ],
        }
    }

    fn more_columns(self) -> &'static [Column] {
        use Cell::{Digest, Text};
        match self {
            Self::Agents => &[
                ("CODE", Text("code")),
                ("CAPABILITIES", Text("capabilities")),
                ("GROUPS", Text("groups")),
                ("MEMORY", Text("memory-bytes")),
                ("COMPONENT", Digest("component")),
            ],
            Self::Plugins => &[
                ("CODE", Text("code")),
                ("GENERATION", Text("generation")),
                ("RESTARTS", Text("restarts")),
                ("ABI", Text("abi")),
                ("DIGEST", Digest("digest")),
                ("PATH", Text("path")),
            ],
            Self::Conversations => &[
                ("PARTICIPANTS", Text("participants")),
                ("STARTED", Text("started")),
                ("ENDED", Text("ended")),
            ],
            Self::DeadLetters => &[
                ("CODE", Text("code")),
                ("MESSAGE", Text("message")),
                ("CONVERSATION", Text("conversation")),
                ("DELIVERIES", Text("deliveries")),
                ("BYTES", Text("size")),
                ("TRACE", Text("trace")),
            ],
            Self::Components => &[("IMPORTS", Text("imports")), ("FULL DIGEST", Text("digest"))],
            Self::Jobs => &[
                ("CONCURRENCY", Text("concurrency")),
                ("ENDED", Text("ended")),
                ("EXPIRES", Text("expires")),
            ],
            Self::Attachments => &[
                ("CAPABILITIES", Text("capabilities")),
                ("GROUPS", Text("groups")),
                ("LEASE", Text("lease-ms")),
            ],
            Self::Events => &[
                ("SEQUENCE", Text("sequence")),
                ("TIME", Text("time")),
                ("REVISION", Text("revision")),
                ("CODE", Text("code")),
            ],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn agents_are_listed_with_what_they_do() {
        let agent = serde_json::json!({"name": "bidder-js@caxton", "state": "active", "reason": null, "mailbox": 0,
            "received": 10, "sent": 8, "restarts": 0, "since": "2026-11-20T12:00:00Z"});
        let now = crate::time::micros("2026-11-20T12:05:00Z").unwrap();
        insta::assert_snapshot!(table(Kind::Agents.columns(), &[agent], now).text(200, '…'), @"
        NAME              STATE   MAILBOX  RECEIVED  SENT  RESTARTS  AGE  REASON
        bidder-js@caxton  active  0        10        8     0         5m   -
        ");
    }
}
