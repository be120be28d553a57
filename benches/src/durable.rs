//! Durable messages: how many a second are acknowledged after the disk has them, with all checks on and a store on the
//! disk of the temporary folder.
//!
//! Counted is a message of 256 bytes whose acceptance was told: to the agent that sent it, when its turn committed, or to
//! the client, by the answer to its request. Both come after the store's sync returned. In the same time each message is
//! also handed to an agent, handled, and removed from the store, which is another write. After the run nothing more is
//! sent, and every message that was accepted must have been delivered, and the store be empty.

use std::{
    fs::File,
    io::Write,
    sync::atomic::{AtomicBool, AtomicU64, Ordering},
    thread,
    time::{Duration, Instant},
};

use caxton_kit::{Failure, http::Connection};
use hdrhistogram::Histogram;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::{measure::Measure, stage::Stage};

/// The stores, by the names of their plugins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Store {
    /// SQLite.
    Sqlite,
    /// redb.
    Redb,
}

const CONTENT_BYTES: usize = 256;
/// Messages under way between two agents, at most.
const WINDOW_MAX: u64 = 256;
/// Agents that take what clients send.
const SINKS: u64 = 16;
/// Messages of one request, as many as the server takes.
const LIST_MAX: u64 = 1_000;
/// Until a workload runs evenly.
const WARM_UP: Duration = Duration::from_secs(1);
const ANSWER_MAX: Duration = Duration::from_secs(60);
/// Until everything that was accepted is delivered.
const DRAIN_MAX: Duration = Duration::from_secs(60);

/// Durable messages from agents to agents that are acknowledged in a second, `size` of them under way.
///
/// # Errors
/// The server could not be started, refused something, or lost a message.
pub fn run(size: u64, seconds: f64) -> Result<Measure, Failure> {
    agents(Store::Sqlite, size, seconds).map(|(measure, _)| measure)
}

/// As [`run`], with a store; also the server's processor time for a message in microseconds.
///
/// # Errors
/// As for [`run`].
pub fn agents(store: Store, size: u64, seconds: f64) -> Result<(Measure, f64), Failure> {
    let folder = TempDir::new().map_err(|error| format!("no temporary folder: {error}"))?;
    let mut stage = Stage::start_with(&store.config(&folder))?;
    let pairs = size.div_ceil(WINDOW_MAX).max(1);
    let window = (size / pairs).max(1);
    let credit = (window / 4).max(1);
    for pair in 0..pairs {
        stage.deploy(&format!("sink-{pair}"), &format!("sink {credit}"))?;
        stage.deploy(&format!("source-{pair}"), &format!("durable source {window} {credit} sink-{pair}"))?;
    }
    let sources: Vec<_> = (0..pairs).map(|pair| format!("source-{pair}")).collect();
    let books = Books::of(&stage);
    stage.go(&sources)?;
    thread::sleep(WARM_UP);
    let (before, cpu) = (books.accepted()?, stage.books()?.cpu_s);
    let began = Instant::now();
    thread::sleep(Duration::from_secs_f64(seconds));
    let (accepted, elapsed) = (books.accepted()? - before, began.elapsed());
    let cpu = stage.books()?.cpu_s - cpu;
    books.stop(&sources)?;
    books.all_delivered()?;
    Ok((Measure::of(accepted as f64 / elapsed.as_secs_f64()), cpu * 1e6 / accepted.max(1) as f64))
}

/// Durable messages from clients that are acknowledged in a second, in lists of at most 1,000, `size` of them under way;
/// the latency is that of a list.
///
/// # Errors
/// As for [`run`]; also when the server acknowledged less than it was sent, or counted other numbers than the clients.
pub fn clients(store: Store, size: u64, seconds: f64) -> Result<(Measure, f64), Failure> {
    let folder = TempDir::new().map_err(|error| format!("no temporary folder: {error}"))?;
    let mut stage = Stage::start_with(&store.config(&folder))?;
    for sink in 0..SINKS {
        stage.deploy(&format!("sink-{sink}"), &format!("sink {}", u32::MAX))?;
    }
    let connections = size.div_ceil(LIST_MAX).max(1);
    let list = (size / connections).max(1);
    let (run, url) = (Run::new(list), stage.server().url().to_owned());
    let (mut measured, mut latency) = (Err("nothing was measured".to_owned()), histogram()?);
    let sent = thread::scope(|scope| {
        let clients: Vec<_> = (0..connections).map(|_| scope.spawn(|| run.client(&url))).collect();
        measured = run.measure(&mut stage, seconds);
        run.over.store(true, Ordering::Relaxed);
        clients.into_iter().try_for_each(|client| {
            let taken = client.join().map_err(|_| "a client panicked".to_owned())??;
            latency.add(taken).map_err(|error| error.to_string())
        })
    });
    sent?;
    let (rate, cpu_us) = measured?;
    let books = Books::of(&stage);
    let (counted, acknowledged) = (books.accepted()?, run.acknowledged.load(Ordering::Relaxed));
    if counted != acknowledged {
        return Err(format!(
            "the clients were told of {acknowledged} messages, the server counted {counted}"
        ));
    }
    books.all_delivered()?;
    let us = |quantile| Some(latency.value_at_quantile(quantile) as f64);
    let measure =
        Measure { value: rate, p50_us: us(0.5), p99_us: us(0.99), p999_us: us(0.999), ..Measure::default() };
    Ok((measure, cpu_us))
}

/// What the disk gives at most: messages of 256 bytes that a file takes in a second when each `size` of them are appended
/// together and synced.
///
/// # Errors
/// The file could not be written.
pub fn disk(size: u64, seconds: f64) -> Result<Measure, Failure> {
    let failed = |error: std::io::Error| error.to_string();
    let mut file: File = tempfile::tempfile().map_err(failed)?;
    let group = vec![b'x'; CONTENT_BYTES * size.max(1) as usize];
    let (mut syncs, mut latency, began) = (0_u64, histogram()?, Instant::now());
    while began.elapsed().as_secs_f64() < seconds {
        let begin = Instant::now();
        file.write_all(&group).and_then(|()| file.sync_data()).map_err(failed)?;
        syncs += 1;
        latency.saturating_record(micros(begin.elapsed()));
    }
    let us = |quantile| Some(latency.value_at_quantile(quantile) as f64);
    let value = (syncs * size.max(1)) as f64 / began.elapsed().as_secs_f64();
    Ok(Measure { value, p50_us: us(0.5), p99_us: us(0.99), p999_us: us(0.999), ..Measure::default() })
}

impl Store {
    /// What is added to the server's configuration.
    fn config(self, folder: &TempDir) -> String {
        let plugin = match self {
            Self::Sqlite => "store-sqlite",
            Self::Redb => "store-redb",
        };
        format!("\n[plugins.{plugin}]\npath = {:?}\n", folder.path().join("store"))
    }
}

/// The server's books as the end of a run needs them.
struct Books {
    url: String,
}

impl Books {
    fn of(stage: &Stage) -> Self {
        Self { url: stage.server().url().to_owned() }
    }

    /// A connection that is not idle for long, because the server ends such ones.
    fn client(&self) -> Result<Connection, Failure> {
        Connection::open(&self.url, ANSWER_MAX)
    }

    fn status(&self) -> Result<Value, Failure> {
        Ok(self.client()?.send("GET", "/v1/status", "", b"")?.json())
    }

    /// Durable messages that were accepted since the start.
    fn accepted(&self) -> Result<u64, Failure> {
        Ok(durable(&self.status()?, "accepted"))
    }

    /// Has sources send nothing more.
    fn stop(&self, sources: &[String]) -> Result<(), Failure> {
        for some in sources.chunks(LIST_MAX as usize) {
            let message =
                |name: &String| json!({"performative": "request", "receiver": [name], "content": "stop"});
            let list = Value::Array(some.iter().map(message).collect()).to_string();
            self.client()?.send("POST", "/v1/messages", "application/json", list.as_bytes())?;
        }
        Ok(())
    }

    /// Waits until everything that was accepted has its end, and is sure that each was delivered.
    fn all_delivered(&self) -> Result<(), Failure> {
        let began = Instant::now();
        loop {
            let status = self.status()?;
            let (accepted, delivered) = (durable(&status, "accepted"), durable(&status, "delivered"));
            let kept = status.pointer("/store/messages").and_then(Value::as_u64);
            let holds = status.pointer("/accounting/holds") == Some(&Value::Bool(true));
            if holds && kept == Some(0) && accepted == delivered {
                return Ok(());
            }
            if began.elapsed() > DRAIN_MAX {
                return Err(format!("{accepted} messages were accepted and {delivered} delivered: {status}"));
            }
            thread::sleep(Duration::from_millis(50));
        }
    }
}

fn durable(status: &Value, key: &str) -> u64 {
    let found = status.pointer(&format!("/accounting/by-class/durable/{key}"));
    found.and_then(Value::as_u64).unwrap_or_default()
}

/// What the clients of a run share.
struct Run {
    list: u64,
    body: Vec<u8>,
    over: AtomicBool,
    acknowledged: AtomicU64,
}

impl Run {
    fn new(list: u64) -> Self {
        let content = "x".repeat(CONTENT_BYTES);
        let message = |number: u64| {
            let to = format!("sink-{}", number % SINKS);
            json!({"performative": "inform", "receiver": [to], "class": "durable", "content": content})
        };
        let body = Value::Array((0..list).map(message).collect()).to_string().into_bytes();
        Self { list, body, over: AtomicBool::new(false), acknowledged: AtomicU64::new(0) }
    }

    /// Messages acknowledged in a second, and the server's processor time for each.
    fn measure(&self, stage: &mut Stage, seconds: f64) -> Result<(f64, f64), Failure> {
        thread::sleep(WARM_UP);
        let cpu = stage.books()?.cpu_s;
        let (before, began) = (self.acknowledged.load(Ordering::Relaxed), Instant::now());
        thread::sleep(Duration::from_secs_f64(seconds));
        let count = self.acknowledged.load(Ordering::Relaxed) - before;
        let rate = count as f64 / began.elapsed().as_secs_f64();
        Ok((rate, (stage.books()?.cpu_s - cpu) * 1e6 / count.max(1) as f64))
    }

    /// Sends one list after the other until the run is over; answers how long each took.
    fn client(&self, url: &str) -> Result<Histogram<u64>, Failure> {
        let (mut client, mut latency) = (Connection::open(url, ANSWER_MAX)?, histogram()?);
        let expected = format!("\"accepted\":{},", self.list);
        while !self.over.load(Ordering::Relaxed) {
            let began = Instant::now();
            let reply = client.send("POST", "/v1/messages", "application/json", &self.body)?;
            latency.saturating_record(micros(began.elapsed()));
            // The document is large and only one number of it is of interest.
            let all = reply.body.windows(expected.len()).any(|window| window == expected.as_bytes());
            if !all {
                let text: String = reply.text().chars().take(500).collect();
                return Err(format!("not all {} messages of a list were accepted: {text}", self.list));
            }
            self.acknowledged.fetch_add(self.list, Ordering::Relaxed);
        }
        Ok(latency)
    }
}

/// Up to a minute, in microseconds.
fn histogram() -> Result<Histogram<u64>, Failure> {
    Histogram::new_with_bounds(1, 60_000_000, 3).map_err(|error| error.to_string())
}

fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}
