//! A real server with the agents of a workload on it, and its books before and after.

use std::{thread, time::Duration, time::Instant};

use caxton_kit::{Failure, artifacts, http::Connection, server::Server};
use serde_json::{Value, json};

/// Enough for every workload; the limits that protect a server stay on. The limits come last, so that a workload may add
/// some.
const CONFIG: &str = r#"
[server]
log = "warn"

[plugins.router]
[plugins.protocols]
[plugins.rest]
listen = "127.0.0.1:0"

[limits]
agents_max = 11000
receivers_max = 1000
outbox_messages_max = 8192
mailbox_messages_max = 16384
"#;

const ANSWER_MAX: Duration = Duration::from_secs(60);
/// Messages in one request.
const LIST_MAX: usize = 1_000;

/// A server that is being measured.
pub struct Stage {
    server: Server,
    client: Connection,
    component: String,
}

/// What the server had done at one moment.
#[derive(Clone, Copy, Debug)]
pub struct Books {
    /// Messages delivered since the start.
    pub delivered: u64,
    /// Messages refused, expired, dead-lettered or dropped since the start.
    pub lost: u64,
    /// Processor time of the process in seconds.
    pub cpu_s: f64,
    at: Instant,
}

/// What the server did between two moments.
#[derive(Clone, Copy, Debug)]
pub struct Span {
    /// Messages delivered.
    pub delivered: u64,
    /// Messages that came to another end.
    pub lost: u64,
    /// Processor time in seconds.
    pub cpu_s: f64,
    /// Seconds on the clock.
    pub wall_s: f64,
}

impl Span {
    /// Messages delivered in a second.
    pub fn rate(&self) -> f64 {
        self.delivered as f64 / self.wall_s
    }

    /// Processor time for one message in microseconds.
    pub fn cpu_us(&self) -> f64 {
        self.cpu_s * 1e6 / self.delivered.max(1) as f64
    }
}

impl Stage {
    /// Starts a server and puts the guest of the workloads on it.
    ///
    /// # Errors
    /// Something could not be built or started.
    pub fn start() -> Result<Self, Failure> {
        Self::start_with("")
    }

    /// As [`Stage::start`], with more in the server's configuration: further limits, then tables.
    ///
    /// # Errors
    /// As for [`Stage::start`].
    pub fn start_with(config: &str) -> Result<Self, Failure> {
        let guest = artifacts::load_guests()?.join("load.wasm");
        let bytes = std::fs::read(&guest).map_err(|error| format!("{}: {error}", guest.display()))?;
        let server = Server::start(&format!("{CONFIG}{config}"))?;
        let mut client = Connection::open(server.url(), ANSWER_MAX)?;
        let reply = client.send("PUT", "/v1/components", "application/wasm", &bytes)?;
        let document = reply.json();
        let component = document.get("digest").and_then(Value::as_str);
        let component = component.ok_or_else(|| format!("no digest in {document}"))?.to_owned();
        Ok(Self { server, client, component })
    }

    /// The server.
    pub fn server(&self) -> &Server {
        &self.server
    }

    /// Deploys an agent with a role.
    ///
    /// # Errors
    /// The server refused it.
    pub fn deploy(&mut self, name: &str, role: &str) -> Result<(), Failure> {
        let manifest = json!({"name": name, "component": self.component, "config": role}).to_string();
        let reply = self.client.send("POST", "/v1/agents", "application/json", manifest.as_bytes())?;
        if reply.is_success() { Ok(()) } else { Err(format!("{name}: {}", reply.text())) }
    }

    /// Asks an agent and waits for its answer.
    ///
    /// # Errors
    /// It was not answered.
    pub fn ask(&mut self, name: &str) -> Result<(), Failure> {
        let reply = self.client.send("POST", &format!("/v1/agents/{name}/ask"), "text/plain", b"?")?;
        if reply.is_success() { Ok(()) } else { Err(format!("{name}: {}", reply.text())) }
    }

    /// Tells agents to begin.
    ///
    /// # Errors
    /// The server refused a message.
    pub fn go(&mut self, names: &[String]) -> Result<(), Failure> {
        for some in names.chunks(LIST_MAX) {
            let message =
                |name: &String| json!({"performative": "request", "receiver": [name], "content": "go"});
            let list = Value::Array(some.iter().map(message).collect()).to_string();
            let reply = self.client.send("POST", "/v1/messages", "application/json", list.as_bytes())?;
            if reply.json().get("refused").and_then(Value::as_u64) != Some(0) {
                return Err(format!("not every agent could be told to begin: {}", reply.text()));
            }
        }
        Ok(())
    }

    /// What an agent says when it is asked for its report.
    ///
    /// # Errors
    /// It did not answer in time, or refused.
    pub fn report(&mut self, name: &str) -> Result<String, Failure> {
        let path =
            format!("/v1/agents/{name}/ask?performative=query-ref&timeout-ms={}", ANSWER_MAX.as_millis());
        let reply = self.client.send("POST", &path, "text/plain", b"report")?;
        if reply.is_success() { Ok(reply.text()) } else { Err(format!("{name}: {}", reply.text())) }
    }

    /// The books now.
    ///
    /// # Errors
    /// The server did not answer.
    pub fn books(&mut self) -> Result<Books, Failure> {
        let status = self.client.send("GET", "/v1/status", "", b"")?.json();
        let at = Instant::now();
        let count = |key: &str| {
            status.pointer(&format!("/accounting/{key}")).and_then(Value::as_u64).unwrap_or_default()
        };
        let lost = ["refused", "expired", "dead-lettered", "dropped"].into_iter().map(count).sum();
        Ok(Books { delivered: count("delivered"), lost, cpu_s: cpu_seconds(self.server().pid()), at })
    }

    /// Lets it run for so long and says what it did in that time.
    ///
    /// # Errors
    /// The server did not answer.
    pub fn run(&mut self, seconds: f64) -> Result<Span, Failure> {
        let before = self.books()?;
        thread::sleep(Duration::from_secs_f64(seconds));
        let after = self.books()?;
        Ok(Span {
            delivered: after.delivered - before.delivered,
            lost: after.lost - before.lost,
            cpu_s: after.cpu_s - before.cpu_s,
            wall_s: (after.at - before.at).as_secs_f64(),
        })
    }
}

/// User and system time of a process (fields 14 and 15 of proc_pid_stat(5), in ticks of 10 ms).
fn cpu_seconds(pid: u32) -> f64 {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let fields = stat.rsplit_once(')').map_or("", |(_, fields)| fields);
    let ticks: f64 =
        fields.split_whitespace().skip(11).take(2).filter_map(|field| field.parse::<f64>().ok()).sum();
    ticks / 100.0
}
