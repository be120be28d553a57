//! What an idle agent costs: a real server with so many agents that each handled one message.
//!
//! The figure is private memory (`smaps_rollup`: Private_Clean + Private_Dirty) with page tables (`VmPTE`) of the server,
//! over that of the same server before the first agent, for each agent. PSS and private dirty are told beside it. Resident
//! memory would count the component's image for every agent, though all share it.

use std::{
    fmt, thread,
    time::{Duration, Instant},
};

use caxton_kit::{Failure, http::Connection, server::Server};
use serde_json::{Value, json};

use crate::{guests::Guest, measure::Measure};

/// Agents that exchange messages to see whether memory stays flat, beside those that ask them.
const TALKERS: u64 = 4;
/// Requests under way to each of them.
const WINDOW: u32 = 16;
/// How long a server may take to have handled what it was sent.
const HANDLED_MAX: Duration = Duration::from_secs(120);
/// How long after its last message an agent is idle: longer than its conversations take to be over, and a look at it.
const IDLE: Duration = Duration::from_millis(6_500);
const ANSWER_MAX: Duration = Duration::from_secs(60);
/// Messages in one request.
const LIST_MAX: usize = 1_000;
const LOOK: Duration = Duration::from_millis(50);
/// The conversation of all first messages: what the server's log keeps of conversations is bounded, and not the agents'.
const CONVERSATION: &str = "00000000-0000-7000-8000-000000000001";

/// Memory of a process in bytes.
#[derive(Clone, Copy, Debug, Default)]
pub struct Usage {
    /// Pages that nobody else has, and their tables.
    pub private: u64,
    /// The tables alone.
    pub page_tables: u64,
    /// Its share of all pages.
    pub pss: u64,
    /// Private pages that differ from any file.
    pub dirty: u64,
}

/// What agents cost each, in bytes.
#[derive(Clone, Copy, Debug)]
pub struct Idle {
    /// After one message.
    pub each: Usage,
    /// Microseconds that one deployment took.
    pub deploy_us: f64,
}

/// What messages left behind in agents that handled many.
#[derive(Clone, Copy, Debug)]
pub struct Flat {
    /// Messages that each handled.
    pub messages: u64,
    /// Bytes by which the server grew for each.
    pub grown: i64,
    /// Fresh instances that they got in all.
    pub recycled: u64,
    /// The largest linear memory of one at the end.
    pub memory_bytes: u64,
}

/// Bytes of private memory with page tables for each of `size` idle Rust agents.
///
/// # Errors
/// The server could not be started or refused something.
pub fn rust(size: u64, _seconds: f64) -> Result<Measure, Failure> {
    idle(Guest::Rust, size).map(|idle| Measure::of(idle.each.private as f64))
}

/// As [`rust`], for JavaScript.
///
/// # Errors
/// As for [`rust`].
pub fn javascript(size: u64, _seconds: f64) -> Result<Measure, Failure> {
    idle(Guest::JavaScript, size).map(|idle| Measure::of(idle.each.private as f64))
}

/// As [`rust`], for Python.
///
/// # Errors
/// As for [`rust`].
pub fn python(size: u64, _seconds: f64) -> Result<Measure, Failure> {
    idle(Guest::Python, size).map(|idle| Measure::of(idle.each.private as f64))
}

/// Deploys agents, sends each a message, and looks at the server's memory.
///
/// # Errors
/// As for [`rust`].
pub fn idle(guest: Guest, size: u64) -> Result<Idle, Failure> {
    let mut house = House::start(size + 2)?;
    let component = house.upload(&guest.component()?)?;
    // The first agent brings what all share: code pages, the image of its memory.
    let config = guest.quiet_config();
    house.deploy("first", &component, guest, &config)?;
    house.tell_all(&["first".to_owned()])?;
    let before = Usage::of(&house.server)?;
    let names: Vec<_> = (0..size).map(|number| format!("idle-{number}")).collect();
    let began = Instant::now();
    for name in &names {
        house.deploy(name, &component, guest, &config)?;
    }
    let deploy_us = began.elapsed().as_secs_f64() * 1e6 / size.max(1) as f64;
    house.tell_all(&names)?;
    let after = Usage::of(&house.server)?;
    Ok(Idle { each: after.less(before).over(size), deploy_us })
}

/// Lets [`TALKERS`] agents answer requests of 256 bytes until each has handled so many, and compares the server's memory.
///
/// # Errors
/// As for [`rust`].
pub fn flat(guest: Guest, messages: u64) -> Result<Flat, Failure> {
    let mut house = House::start(2 * TALKERS + 2)?;
    let component = house.upload(&guest.component()?)?;
    let load = house.upload(&Guest::Rust.component()?)?;
    let names: Vec<_> = (0..TALKERS).map(|number| format!("talker-{number}")).collect();
    for name in &names {
        house.deploy(name, &component, guest, &guest.config())?;
    }
    // What a few messages leave behind is not a leak: interpreters compile on first use.
    house.talk(&names, &load, 1_000, "first")?;
    let before = Usage::of(&house.server)?;
    house.talk(&names, &load, messages, "second")?;
    thread::sleep(IDLE);
    let after = Usage::of(&house.server)?;
    let views: Vec<Value> = names.iter().map(|name| house.agent(name)).collect::<Result<_, _>>()?;
    let number = |view: &Value, key: &str| view.get(key).and_then(Value::as_u64).unwrap_or_default();
    Ok(Flat {
        messages: views.iter().map(|view| number(view, "received")).min().unwrap_or_default(),
        grown: (after.private as i64 - before.private as i64) / TALKERS as i64,
        recycled: views.iter().map(|view| number(view, "recycled")).sum(),
        memory_bytes: views.iter().map(|view| number(view, "memory-bytes")).max().unwrap_or_default(),
    })
}

impl fmt::Display for Idle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Usage { private, page_tables, pss, dirty } = self.each;
        write!(
            f,
            "an idle agent: {private} B private, of these {page_tables} B page tables; {pss} B PSS; {dirty} B private \
             dirty; deployed in {:.0} us",
            self.deploy_us
        )
    }
}

impl fmt::Display for Flat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { messages, grown, recycled, memory_bytes } = self;
        write!(
            f,
            "after {messages} messages each: {grown} B more each, the largest memory {memory_bytes} B, {recycled} fresh \
             instances in all"
        )
    }
}

/// A server with idle agents.
struct House {
    server: Server,
    client: Connection,
}

impl House {
    fn start(agents_max: u64) -> Result<Self, Failure> {
        let config = format!(
            "[server]\nlog = \"warn\"\n[limits]\nagents_max = {agents_max}\n[plugins.router]\n[plugins.protocols]\n\
             [plugins.rest]\nlisten = \"127.0.0.1:0\"\n"
        );
        let server = Server::start(&config)?;
        let client = Connection::open(server.url(), ANSWER_MAX)?;
        Ok(Self { server, client })
    }

    fn upload(&mut self, bytes: &[u8]) -> Result<String, Failure> {
        let document = self.client.send("PUT", "/v1/components", "application/wasm", bytes)?.json();
        let digest = document.get("digest").and_then(Value::as_str);
        digest.map(str::to_owned).ok_or_else(|| format!("no digest in {document}"))
    }

    fn deploy(&mut self, name: &str, component: &str, guest: Guest, config: &Value) -> Result<(), Failure> {
        self.manifest(&json!({
            "name": name, "component": component, "config": config, "limits": guest.limits(),
        }))
    }

    fn manifest(&mut self, manifest: &Value) -> Result<(), Failure> {
        let text = manifest.to_string();
        let reply = self.client.send("POST", "/v1/agents", "application/json", text.as_bytes())?;
        if reply.is_success() { Ok(()) } else { Err(reply.text()) }
    }

    /// Sends each a message of 256 bytes that wants no answer in time, and waits until all were handled.
    fn tell_all(&mut self, names: &[String]) -> Result<(), Failure> {
        let content = "x".repeat(256);
        for some in names.chunks(LIST_MAX) {
            let message = |name: &String| {
                json!({
                    "performative": "inform", "receiver": [name], "content": content,
                    "conversation-id": CONVERSATION,
                })
            };
            let list = Value::Array(some.iter().map(message).collect()).to_string();
            let reply = self.client.send("POST", "/v1/messages", "application/json", list.as_bytes())?;
            if reply.json().get("refused").and_then(Value::as_u64) != Some(0) {
                return Err(format!("not every agent could be told: {}", reply.text()));
            }
        }
        self.wait("every agent to handle its message", |house| {
            let status = house.client.send("GET", "/v1/status", "", b"")?.json();
            let count = |path: &str| status.pointer(path).and_then(Value::as_u64).unwrap_or(u64::MAX);
            Ok(count("/accounting/in-flight") == 0 && count("/agents/starting") == 0)
        })
    }

    /// Lets an asker talk with each until it has handled so many more.
    fn talk(&mut self, names: &[String], load: &str, messages: u64, round: &str) -> Result<(), Failure> {
        let received = |view: &Value| view.get("received").and_then(Value::as_u64).unwrap_or_default();
        let mut until = Vec::new();
        for name in names {
            until.push(received(&self.agent(name)?) + messages);
            let config = format!("asker {WINDOW} {name}");
            let asker = format!("{round}-{name}");
            self.manifest(&json!({"name": asker, "component": load, "config": config}))?;
            let go = json!([{"performative": "request", "receiver": [asker], "content": "go"}]).to_string();
            self.client.send("POST", "/v1/messages", "application/json", go.as_bytes())?;
        }
        // The slowest guest here handles some ten thousand a second.
        let longest = HANDLED_MAX + Duration::from_micros(messages * TALKERS * 100);
        self.wait_for(longest, "the talkers", |house| {
            for (name, until) in names.iter().zip(&until) {
                if received(&house.agent(name)?) < *until {
                    return Ok(false);
                }
            }
            Ok(true)
        })?;
        for name in names {
            self.client.send("DELETE", &format!("/v1/agents/{round}-{name}"), "", b"")?;
        }
        Ok(())
    }

    fn agent(&mut self, name: &str) -> Result<Value, Failure> {
        Ok(self.client.send("GET", &format!("/v1/agents/{name}"), "", b"")?.json())
    }

    fn wait(
        &mut self,
        what: &str,
        done: impl FnMut(&mut Self) -> Result<bool, Failure>,
    ) -> Result<(), Failure> {
        self.wait_for(HANDLED_MAX, what, done)
    }

    fn wait_for(
        &mut self,
        longest: Duration,
        what: &str,
        mut done: impl FnMut(&mut Self) -> Result<bool, Failure>,
    ) -> Result<(), Failure> {
        let began = Instant::now();
        while !done(self)? {
            if began.elapsed() > longest {
                return Err(format!("waited {} s for {what}", longest.as_secs()));
            }
            thread::sleep(LOOK);
        }
        Ok(())
    }
}

impl Usage {
    /// A server's memory now (proc_pid_smaps(5), proc_pid_status(5); both count in KiB).
    ///
    /// # Errors
    /// It is gone.
    pub fn of(server: &Server) -> Result<Self, Failure> {
        let read = |file: &str| {
            let path = format!("/proc/{}/{file}", server.pid());
            std::fs::read_to_string(&path).map_err(|error| format!("{path}: {error}"))
        };
        let (rollup, status) = (read("smaps_rollup")?, read("status")?);
        let bytes = |text: &str, key: &str| {
            let line = text.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(':'));
            let number = line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok());
            number.unwrap_or_default() * 1024
        };
        let (dirty, page_tables) = (bytes(&rollup, "Private_Dirty"), bytes(&status, "VmPTE"));
        let private = bytes(&rollup, "Private_Clean") + dirty + page_tables;
        Ok(Self { private, page_tables, pss: bytes(&rollup, "Pss"), dirty })
    }

    fn less(self, before: Self) -> Self {
        Self {
            private: self.private.saturating_sub(before.private),
            page_tables: self.page_tables.saturating_sub(before.page_tables),
            pss: self.pss.saturating_sub(before.pss),
            dirty: self.dirty.saturating_sub(before.dirty),
        }
    }

    fn over(self, agents: u64) -> Self {
        let agents = agents.max(1);
        Self {
            private: self.private / agents,
            page_tables: self.page_tables / agents,
            pss: self.pss / agents,
            dirty: self.dirty / agents,
        }
    }
}
