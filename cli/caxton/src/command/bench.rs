//! `caxton bench`: a small load on one agent over HTTP, and how long each message took.

use std::{
    sync::{
        Mutex,
        atomic::{AtomicU64, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use clap::ValueEnum;
use serde_json::{Value, json};

use crate::{
    client::{Client, segment},
    failure::{Exit, Failure},
    output::{Format, Output, fields},
    time,
};

const EXAMPLES: &str = "\
Measures the whole way from this program: HTTP, the server, and with `ask` the agent and its answer. Each connection has \
one message under way at a time. It is a first look at a server and no benchmark of it: this program, the network and \
HTTP are part of every figure.

Examples:
  caxton bench ask echo
  caxton bench ask echo --count 10000 --concurrency 16
  caxton bench oneway worker --content 'hello' -o json";

/// More threads than this measure this machine.
const CONCURRENCY_MAX: i64 = 256;

/// The arguments of `caxton bench`.
#[derive(Debug, clap::Args)]
#[command(after_long_help = EXAMPLES)]
pub struct Bench {
    /// Whether answers are waited for
    #[arg(value_name = "MODE")]
    mode: Mode,
    /// The agent
    #[arg(value_name = "AGENT", add = crate::complete::agents())]
    agent: String,
    /// How many messages
    #[arg(long, value_name = "COUNT", default_value_t = 1000, value_parser = clap::value_parser!(u64).range(1..))]
    count: u64,
    /// How many at a time
    #[arg(long, value_name = "COUNT", default_value_t = 8, value_parser = clap::value_parser!(u16).range(1..=CONCURRENCY_MAX))]
    concurrency: u16,
    /// The content of each
    #[arg(long, value_name = "TEXT", default_value = "hello")]
    content: String,
    /// How long one answer may take
    #[arg(long, value_name = "TIME", default_value = "30s", value_parser = time::duration)]
    timeout: Duration,
}

/// Whether answers are waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Mode {
    /// A request, until its answer is here
    Ask,
    /// A message, until the server has accepted it
    Oneway,
}

/// What was measured.
#[derive(Debug, Default)]
struct Measured {
    times: Vec<Duration>,
    failed: u64,
    first: Option<String>,
}

impl Bench {
    /// Sends, measures and prints.
    ///
    /// # Errors
    /// When a message failed.
    pub fn run(&self, client: impl Fn() -> Result<Client, Failure>, output: &Output) -> Result<(), Failure> {
        let clients = (0..self.concurrency).map(|_| client()).collect::<Result<Vec<_>, _>>()?;
        let (taken, all) = (AtomicU64::new(0), Mutex::new(Measured::default()));
        let begun = Instant::now();
        thread::scope(|scope| {
            for client in &clients {
                scope.spawn(|| {
                    let own = self.work(client, &taken);
                    let mut all = all.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
                    all.times.extend(own.times);
                    all.failed += own.failed;
                    all.first = all.first.take().or(own.first);
                });
            }
        });
        let whole = begun.elapsed();
        let mut all = all.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner);
        all.times.sort_unstable();
        let report = self.report(&all, whole);
        match output.format {
            Format::Json | Format::Jsonl => output.document(&report)?,
            _ => output.line(&self.lines(&all, &report))?,
        }
        match all.first {
            None => Ok(()),
            Some(why) => {
                let what = format!("{} of {} messages failed", all.failed, self.count);
                Err(Failure::new(Exit::Failure, what, why, "see `caxton status` and `caxton get agents`"))
            }
        }
    }

    /// Takes messages until none is left.
    fn work(&self, client: &Client, taken: &AtomicU64) -> Measured {
        let mut measured = Measured::default();
        while taken.fetch_add(1, Ordering::Relaxed) < self.count {
            let begun = Instant::now();
            match self.one(client) {
                Ok(()) => measured.times.push(begun.elapsed()),
                Err(error) => {
                    measured.failed += 1;
                    measured.first.get_or_insert_with(|| error.to_string());
                }
            }
        }
        measured
    }

    fn one(&self, client: &Client) -> Result<(), crate::client::Error> {
        match self.mode {
            Mode::Ask => {
                let (agent, millis) = (segment(&self.agent), time::millis(self.timeout));
                let path = format!("/v1/agents/{agent}/ask?performative=request&timeout-ms={millis}");
                client.ask_raw(&path, &[], self.content.as_bytes(), self.timeout).map(|_| ())
            }
            Mode::Oneway => {
                let message =
                    json!({"performative": "inform", "receiver": [self.agent], "content": self.content});
                client.post("/v1/messages", &message).map(|_| ())
            }
        }
    }

    fn measures(&self) -> &'static str {
        match self.mode {
            Mode::Ask => "HTTP request to the agent's answer, with this program",
            Mode::Oneway => "HTTP request to the server's acceptance, with this program",
        }
    }

    fn report(&self, all: &Measured, whole: Duration) -> Value {
        let done = all.times.len();
        let micros = |part| u64::try_from(percentile(&all.times, part).as_micros()).unwrap_or(u64::MAX);
        json!({"kind": "caxton.bench/v1", "mode": self.mode.to_possible_value().map(|mode| mode.get_name().to_owned()),
            "agent": self.agent, "measures": self.measures(), "count": self.count, "failed": all.failed,
            "concurrency": self.concurrency, "duration-ms": time::millis(whole),
            "per-second": done as f64 / whole.as_secs_f64().max(0.000_001),
            "latency-us": {"p50": micros(50.0), "p90": micros(90.0), "p99": micros(99.0), "max": micros(100.0)}})
    }

    fn lines(&self, all: &Measured, report: &Value) -> String {
        let figure = |part| format!("{:.3} ms", percentile(&all.times, part).as_secs_f64() * 1000.0);
        let rate = report.get("per-second").and_then(Value::as_f64).unwrap_or_default();
        fields(&[
            ("measured", self.measures().to_owned()),
            (
                "messages",
                format!("{} done, {} failed, {} at a time", all.times.len(), all.failed, self.concurrency),
            ),
            ("rate", format!("{rate:.0} per second")),
            ("p50", figure(50.0)),
            ("p90", figure(90.0)),
            ("p99", figure(99.0)),
            ("max", figure(100.0)),
        ])
    }
}

/// The time that `part` percent of the sorted times do not exceed; zero without times.
fn percentile(times: &[Duration], part: f64) -> Duration {
    let rank = (times.len() as f64 * part / 100.0).ceil() as usize;
    times.get(rank.max(1) - 1).copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_times_that_were_measured() {
        let times: Vec<Duration> = (1..=200).map(Duration::from_millis).collect();
        let of = |part| percentile(&times, part).as_millis();
        assert_eq!([of(50.0), of(99.0), of(100.0), of(0.0)], [100, 198, 200, 1]);
        assert_eq!(percentile(&[], 50.0), Duration::ZERO);
    }
}
