//! What disturbs the load: reloads, upgrades, clients that leave, and bursts that fill a mailbox.

use std::{
    collections::BTreeMap,
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::{Duration, Instant},
};

use caxton_kit::{
    chance::Chance,
    figures::Spans,
    http::{Client, Connection, Leaving},
};
use serde_json::{Value, json};

use super::load::Book;

const RELOAD: Duration = Duration::from_millis(200);
const UPGRADE: Duration = Duration::from_secs(1);
const LEAVE: Duration = Duration::from_millis(100);
const BURST: Duration = Duration::from_millis(500);
/// Messages of one burst, more than the slow agent's mailbox takes.
const BURST_MESSAGES: u64 = 150;
/// How long a reload or an upgrade may take.
const CONTROL_MAX: Duration = Duration::from_secs(30);

/// What came of it: for each thing that was done, the verdicts and how long it took.
#[derive(Debug, Default)]
pub struct Deeds {
    /// Verdicts and how often, for each thing.
    pub verdicts: BTreeMap<String, u64>,
    /// How long those took that were done.
    pub spans: Spans,
}

impl Deeds {
    fn note(&mut self, what: &str, verdict: &str, took: Duration) {
        if verdict == "done" {
            self.spans.add(took);
        }
        *self.verdicts.entry(format!("{what} {verdict}")).or_default() += 1;
    }

    /// How often something was done.
    pub fn done(&self) -> u64 {
        self.verdicts.iter().filter(|(what, _)| what.ends_with(" done")).map(|(_, count)| count).sum()
    }
}

/// Calls `deed` at a pace until told to stop.
fn every(pace: Duration, stop: &AtomicBool, mut deed: impl FnMut()) {
    let mut due = Instant::now();
    while !stop.load(Ordering::Acquire) {
        deed();
        due = (due + pace).max(Instant::now());
        thread::sleep(due.saturating_duration_since(Instant::now()));
    }
}

fn control(client: &mut Client, method: &str, path: &str, document: &Value) -> (String, Duration) {
    let began = Instant::now();
    let verdict = match client.json(method, path, document) {
        Ok(reply) if reply.is_success() => "done".to_owned(),
        Ok(reply) => reply.code().unwrap_or_else(|| reply.status.to_string()),
        Err(_) => "no answer".to_owned(),
    };
    (verdict, began.elapsed())
}

/// Reloads one of the plugins every 200 ms.
pub fn reload(url: &str, seed: u64, plugins: &[&str], stop: &AtomicBool) -> Deeds {
    let (mut chance, mut deeds) = (Chance::new(seed, 101), Deeds::default());
    let mut client = Client::new(url, CONTROL_MAX);
    every(RELOAD, stop, || {
        let name = plugins.get(chance.below(plugins.len() as u64) as usize).copied().unwrap_or_default();
        let (verdict, took) = control(&mut client, "POST", &format!("/v1/plugins/{name}/reload"), &json!({}));
        deeds.note(name, &verdict, took);
    });
    deeds
}

/// Brings in a new version of the clerk every second.
pub fn upgrade(url: &str, manifest: &Value, stop: &AtomicBool) -> Deeds {
    let (mut deeds, mut version) = (Deeds::default(), 1);
    let mut client = Client::new(url, CONTROL_MAX);
    every(UPGRADE, stop, || {
        version += 1;
        let mut manifest = manifest.clone();
        if let Some(config) = manifest.get_mut("config") {
            *config = json!(format!("answer v{version}"));
        }
        let (verdict, took) = control(&mut client, "PUT", "/v1/agents/clerk", &manifest);
        deeds.note("clerk", &verdict, took);
    });
    deeds
}

/// Sends a question and leaves, every 100 ms in another way.
pub fn leave(url: &str, seed: u64, stop: &AtomicBool) -> Deeds {
    let (mut chance, mut deeds) = (Chance::new(seed, 102), Deeds::default());
    let question = json!({"performative": "query-ref", "receiver": ["clerk"], "content": "gone"}).to_string();
    every(LEAVE, stop, || {
        let (what, how) = match chance.below(3) {
            0 => ("in the middle", Leaving::InTheMiddle),
            1 => ("half-closed", Leaving::HalfClosed),
            _ => ("reset", Leaving::Reset),
        };
        let left = Connection::open(url, CONTROL_MAX)
            .and_then(|connection| connection.leave(how, "/v1/ask?timeout-ms=1000", question.as_bytes()));
        deeds.note(what, if left.is_ok() { "done" } else { "not connected" }, Duration::ZERO);
    });
    deeds
}

/// Fills the slow agent's mailbox every half second.
pub fn burst(url: &str, book: &Book, stop: &AtomicBool) {
    let mut client = Client::new(url, CONTROL_MAX);
    every(BURST, stop, || book.send_volatile(&mut client, "slow", BURST_MESSAGES));
}
