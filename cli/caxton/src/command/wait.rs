//! `caxton wait`: until something is as it should be, or the time is over.

use std::{
    str::FromStr,
    thread,
    time::{Duration, Instant},
};

use serde_json::Value;

use super::text;
use crate::{
    client::{self, Client, segment},
    failure::{Exit, Failure, cannot},
    output::{Format, Output},
    time,
};

const EXAMPLES: &str = "\
A THING is agent/NAME, plugin/NAME, job/ID, conversation/ID, or server. `ready` is an agent that is active, a plugin that \
runs, a server that takes work; `over` is a job or a conversation that has ended; `deleted` is what is not there any more; \
`state=NAME` is any state. The exit code is 8 when the time is over before that.

Examples:
  caxton wait server --timeout 60s
  caxton wait agent/echo --for=ready --timeout 30s
  caxton wait agent/echo agent/bidder-js --for=deleted
  caxton wait job/0198c5f2-6a1e-7c3b-9d52-0f6e8a41b7c3 --for=over
  caxton wait plugin/router --for=state=degraded";

/// Between two looks.
const PAUSE: Duration = Duration::from_millis(100);

/// The arguments of `caxton wait`.
#[derive(Debug, clap::Args)]
#[command(after_long_help = EXAMPLES)]
pub struct Wait {
    /// What to look at
    #[arg(value_name = "THING", required = true)]
    things: Vec<Thing>,
    /// What to wait for: ready, over, deleted or state=NAME
    #[arg(long = "for", value_name = "WHAT", default_value = "ready")]
    until: Until,
    /// How long to wait, for all together
    #[arg(long, value_name = "TIME", default_value = "30s", value_parser = time::duration)]
    timeout: Duration,
}

/// Something with a state.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Thing {
    Server,
    One { kind: &'static str, name: String },
}

/// A condition.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Until {
    Ready,
    Over,
    Deleted,
    State(String),
}

impl FromStr for Thing {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == "server" {
            return Ok(Self::Server);
        }
        let expected = || {
            format!("expected server, or agent/, plugin/, job/ or conversation/ and a name, found `{text}`")
        };
        let (kind, name) = text.split_once('/').ok_or_else(expected)?;
        let kind = match kind {
            "agent" | "agents" => "agents",
            "plugin" | "plugins" => "plugins",
            "job" | "jobs" => "jobs",
            "conversation" | "conversations" => "conversations",
            _ => return Err(expected()),
        };
        if name.is_empty() { Err(expected()) } else { Ok(Self::One { kind, name: name.to_owned() }) }
    }
}

impl FromStr for Until {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "ready" => Ok(Self::Ready),
            "over" => Ok(Self::Over),
            "deleted" => Ok(Self::Deleted),
            _ => match text.strip_prefix("state=") {
                Some(state) if !state.is_empty() => Ok(Self::State(state.to_owned())),
                _ => Err(format!("expected ready, over, deleted or state=NAME, found `{text}`")),
            },
        }
    }
}

impl Wait {
    /// Waits for each in turn.
    ///
    /// # Errors
    /// With exit code 8 when the time is over; when something is not there, or the server cannot be asked.
    pub fn run(&self, client: &Client, output: &Output) -> Result<(), Failure> {
        let end = Instant::now() + self.timeout;
        for thing in &self.things {
            let document = self.wait(thing, end, client)?;
            match output.format {
                Format::Json | Format::Jsonl => output.document(&document)?,
                Format::Name => output.line(&thing.shown())?,
                Format::Table | Format::Wide => {
                    output.line(&format!("{} is {}", thing.shown(), self.until.met()))?;
                }
            }
        }
        Ok(())
    }

    fn wait(&self, thing: &Thing, end: Instant, client: &Client) -> Result<Value, Failure> {
        loop {
            let found = thing.look(client);
            let seen = match &found {
                Ok(document) if self.until.is_met(document) => return Ok(document.clone()),
                Ok(document) => format!("it is {}", state(document)),
                Err(client::Error::Problem(problem))
                    if problem.status == 404 && self.until == Until::Deleted =>
                {
                    return Ok(serde_json::json!({"kind": "caxton.deleted/v1", "name": thing.shown()}));
                }
                // A server that is not there yet is what is waited for.
                Err(error) if *thing == Thing::Server => error.to_string(),
                Err(_) => return found.map_err(cannot(format!("look at {}", thing.shown()))),
            };
            if Instant::now() + PAUSE >= end {
                let what = format!("{} is not {}", thing.shown(), self.until.met());
                let why = format!("after {} {seen}", time::spoken(time::millis(self.timeout)));
                return Err(Failure::new(Exit::Timeout, what, why, "allow more with `--timeout`"));
            }
            thread::sleep(PAUSE);
        }
    }
}

impl Thing {
    fn look(&self, client: &Client) -> Result<Value, client::Error> {
        match self {
            Self::Server => client.get("/readyz"),
            Self::One { kind, name } => client.get(&format!("/v1/{kind}/{}", segment(name))),
        }
    }

    fn shown(&self) -> String {
        match self {
            Self::Server => "server".to_owned(),
            Self::One { kind, name } => format!("{}/{name}", kind.trim_end_matches('s')),
        }
    }
}

impl Until {
    fn met(&self) -> &str {
        match self {
            Self::Ready => "ready",
            Self::Over => "over",
            Self::Deleted => "deleted",
            Self::State(state) => state,
        }
    }

    fn is_met(&self, document: &Value) -> bool {
        let state = state(document);
        match self {
            Self::Ready => matches!(state.as_str(), "active" | "running" | "ready" | "open"),
            Self::Over => {
                matches!(state.as_str(), "completed" | "partial" | "failed" | "cancelled" | "closed")
            }
            Self::Deleted => false,
            Self::State(wanted) => state == *wanted,
        }
    }
}

/// The state; a server's health has none, so it is made.
fn state(document: &Value) -> String {
    match document.get("ready").and_then(Value::as_bool) {
        Some(true) => "ready".to_owned(),
        Some(false) => format!("not ready: {}", text(document, "waiting")),
        None => text(document, "state"),
    }
}
