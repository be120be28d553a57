//! From the call that spawns an agent to its first answer.
//!
//! *Compiled* is the server's own work for it in one process, comparable with an actor library's: the factory of the
//! sandbox, the kernel's deployment, `init`, and the turn that answers a request of 256 bytes. One thread does all of it,
//! as a worker would, so no time of a thread's wake is in it. *By REST* is the whole way of a client: one request that
//! deploys and one that asks. *Cold* is the same beginning with the upload of bytes that the server never saw.

use std::{
    sync::{Arc, Mutex},
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use caxton_abi::{Code, Envelope, Header, Payload};
use caxton_acl::Performative;
use caxton_core::{AgentSpec, Bus, Endpoint, Limits, Options, Time};
use caxton_kit::{Failure, http::Connection, server::Server};
use caxton_runtime::{CompiledComponent, CompilerMode, InstanceLimits, Runtime, RuntimeOptions};
use hdrhistogram::Histogram;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::{guests::Guest, measure::Measure};

/// Bytes of the first message.
const CONTENT_BYTES: usize = 256;
/// Spawns before the first that counts.
const WARM_UP: u32 = 20;
/// Agents that live while others are spawned, so that a spawn finds a server that is in use.
const NEIGHBOURS: u64 = 100;
const ANSWER_MAX: Duration = Duration::from_secs(60);
/// The longest time that is told apart.
const LONGEST_NS: u64 = 60_000_000_000;
/// Uploads of different bytes for one figure; each compiles.
const COLD_SPAWNS: u32 = 5;

const CONFIG: &str = r#"
[server]
log = "warn"

[plugins.router]
[plugins.protocols]
[plugins.rest]
listen = "127.0.0.1:0"
"#;

/// Microseconds from spawn to first answer of a Rust guest that is compiled, in the kernel.
///
/// # Errors
/// The guest could not be built or did not answer.
pub fn rust(_size: u64, seconds: f64) -> Result<Measure, Failure> {
    compiled(Guest::Rust, seconds)
}

/// As [`rust`], for JavaScript.
///
/// # Errors
/// As for [`rust`].
pub fn javascript(_size: u64, seconds: f64) -> Result<Measure, Failure> {
    compiled(Guest::JavaScript, seconds)
}

/// As [`rust`], for Python.
///
/// # Errors
/// As for [`rust`].
pub fn python(_size: u64, seconds: f64) -> Result<Measure, Failure> {
    compiled(Guest::Python, seconds)
}

/// As [`rust`], through the API of a server: two requests of one client.
///
/// # Errors
/// As for [`rust`].
pub fn rest(_size: u64, seconds: f64) -> Result<Measure, Failure> {
    let (_server, mut client) = start()?;
    let digest = upload(&mut client, &Guest::Rust.component()?)?;
    let mut latencies = latencies()?;
    let mut number = 0;
    let until = Instant::now() + Duration::from_secs_f64(seconds);
    while Instant::now() < until {
        number += 1;
        let name = format!("spawned-{number}");
        let began = Instant::now();
        deploy_and_ask(&mut client, &name, &digest)?;
        note(&mut latencies, began.elapsed());
        client.send("DELETE", &format!("/v1/agents/{name}"), "", b"")?;
    }
    Ok(measure(&latencies))
}

/// Microseconds from the upload of a Rust guest's bytes to its first answer, through the API of a server that never saw
/// them.
///
/// # Errors
/// As for [`rust`].
pub fn cold(_size: u64, _seconds: f64) -> Result<Measure, Failure> {
    let (_server, mut client) = start()?;
    let bytes = Guest::Rust.component()?;
    let mut latencies = latencies()?;
    for number in 0..COLD_SPAWNS {
        let other = with_mark(&bytes, number);
        let began = Instant::now();
        let digest = upload(&mut client, &other)?;
        deploy_and_ask(&mut client, &format!("cold-{number}"), &digest)?;
        note(&mut latencies, began.elapsed());
    }
    Ok(measure(&latencies))
}

fn compiled(guest: Guest, seconds: f64) -> Result<Measure, Failure> {
    let nursery = Nursery::new(guest)?;
    for number in 0..NEIGHBOURS {
        nursery.spawn(&format!("neighbour-{number}"))?;
    }
    let mut latencies = latencies()?;
    let until = Instant::now() + Duration::from_secs_f64(seconds);
    let mut number = 0;
    while Instant::now() < until || number <= WARM_UP {
        number += 1;
        let took = nursery.spawn("spawned")?;
        if number > WARM_UP {
            note(&mut latencies, took);
        }
        nursery.remove("spawned")?;
    }
    Ok(measure(&latencies))
}

/// The kernel and the sandbox without a server around them.
struct Nursery {
    runtime: Runtime,
    compiled: Arc<CompiledComponent>,
    config: Vec<u8>,
    bus: Bus,
    client: u32,
    inbox: Arc<Inbox>,
    _cache: TempDir,
}

#[derive(Default)]
struct Inbox(Mutex<Vec<Envelope>>);

impl Endpoint for Inbox {
    fn deliver(&self, batch: Vec<Envelope>) -> Vec<Code> {
        let codes = vec![Code::NONE; batch.len()];
        if let Ok(mut inbox) = self.0.lock() {
            inbox.extend(batch);
        }
        codes
    }
}

impl Nursery {
    fn new(guest: Guest) -> Result<Self, Failure> {
        let cache = TempDir::new().map_err(|error| format!("no temporary folder: {error}"))?;
        let options = RuntimeOptions::new(cache.path().join("components"), CompilerMode::InProcess);
        let runtime = Runtime::new(options).map_err(|error| error.to_string())?;
        let compiled = runtime.compile(&guest.component()?).map_err(|error| error.to_string())?;
        let bus = Bus::new(Options {
            platform: "bench".to_owned(),
            limits: Arc::new(Limits::default()),
            workers: 1,
            seed: 1,
            content_in_signals: false,
        });
        let bus = bus.map_err(|refusal| refusal.detail)?;
        let inbox = Arc::new(Inbox::default());
        let client = bus.claim("client", 1, inbox.clone(), now()).map_err(|refusal| refusal.detail)?;
        let config = guest.config().to_string().into_bytes();
        Ok(Self { runtime, compiled, config, bus, client, inbox, _cache: cache })
    }

    /// Spawns an agent, asks it, and says how long that took.
    fn spawn(&self, name: &str) -> Result<Duration, Failure> {
        let began = Instant::now();
        let limits = InstanceLimits { memory_bytes_max: 128 << 20, turn_ms_max: 1_000 };
        let factory = self.runtime.factory(&self.compiled, limits, &[]).map_err(|error| error.to_string())?;
        let spec = AgentSpec { name: name.to_owned(), config: self.config.clone(), ..AgentSpec::default() };
        let address = self.bus.deploy(spec, factory, now()).map_err(|refusal| refusal.detail)?;
        let head = Header {
            sender: self.client,
            receiver: address,
            performative: Performative::Request.code(),
            reply_with: 1,
            ..Header::default()
        };
        let question = Envelope::new(head, Payload::from(vec![b'x'; CONTENT_BYTES]));
        self.bus.submit(vec![question], now());
        self.run();
        let took = began.elapsed();
        let answer = self.inbox.0.lock().ok().and_then(|mut inbox| inbox.pop());
        match answer {
            Some(answer) if answer.head.sender == address => Ok(took),
            _ => Err(format!("`{name}` did not answer: {:?}", self.bus.agent(name))),
        }
    }

    fn remove(&self, name: &str) -> Result<(), Failure> {
        self.bus.remove(name, now()).map_err(|refusal| refusal.detail)?;
        self.run();
        let mut signals = Vec::new();
        self.bus.drain_signals(now(), &mut signals);
        Ok(())
    }

    fn run(&self) {
        while let Some(turn) = self.bus.next(0, now()) {
            self.bus.finish(turn.run(), now());
        }
    }
}

fn now() -> Time {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Time::from_nanos(u64::try_from(since.as_nanos()).unwrap_or(u64::MAX))
}

fn start() -> Result<(Server, Connection), Failure> {
    let server = Server::start(CONFIG)?;
    let client = Connection::open(server.url(), ANSWER_MAX)?;
    Ok((server, client))
}

fn upload(client: &mut Connection, bytes: &[u8]) -> Result<String, Failure> {
    let document = client.send("PUT", "/v1/components", "application/wasm", bytes)?.json();
    let digest = document.get("digest").and_then(Value::as_str);
    digest.map(str::to_owned).ok_or_else(|| format!("no digest in {document}"))
}

fn deploy_and_ask(client: &mut Connection, name: &str, digest: &str) -> Result<(), Failure> {
    let manifest = json!({"name": name, "component": digest, "config": Guest::Rust.config()}).to_string();
    let deployed = client.send("POST", "/v1/agents", "application/json", manifest.as_bytes())?;
    let ask = format!("/v1/agents/{name}/ask");
    let answered = client.send("POST", &ask, "application/octet-stream", &[b'x'; CONTENT_BYTES])?;
    match [deployed, answered].iter().find(|reply| !reply.is_success()) {
        Some(refused) => Err(format!("{name}: {}", refused.text())),
        None => Ok(()),
    }
}

/// The same component with a custom section at its end (id 0, length, name, content), so that its digest is another one.
fn with_mark(bytes: &[u8], number: u32) -> Vec<u8> {
    let mut marked = bytes.to_vec();
    let mark = [b'm', (number % 256) as u8];
    marked.extend([0, 1 + mark.len() as u8, mark.len() as u8]);
    marked.extend(mark);
    marked
}

fn latencies() -> Result<Histogram<u64>, Failure> {
    Histogram::new_with_bounds(1, LONGEST_NS, 3).map_err(|error| error.to_string())
}

fn note(latencies: &mut Histogram<u64>, took: Duration) {
    latencies.saturating_record(u64::try_from(took.as_nanos()).unwrap_or(u64::MAX));
}

fn measure(latencies: &Histogram<u64>) -> Measure {
    let us = |quantile: f64| latencies.value_at_quantile(quantile) as f64 / 1e3;
    Measure {
        p50_us: Some(us(0.5)),
        p99_us: Some(us(0.99)),
        p999_us: Some(us(0.999)),
        ..Measure::of(us(0.5))
    }
}
