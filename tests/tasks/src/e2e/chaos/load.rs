//! The steady load: questions, messages of each class, contract nets; each client by its own stream of choices.

use std::{
    collections::BTreeMap,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use caxton_kit::{
    chance::Chance,
    figures::Spans,
    http::{Client, Reply},
};
use serde_json::{Value, json};

use crate::e2e::verdicts;

/// How long a client waits for an answer before it gives up.
const ANSWER_MAX: Duration = Duration::from_secs(15);
/// A client's step while the load is steady; it varies by half.
pub const STEP: Duration = Duration::from_millis(10);
/// Numbers that the flaky agent gets; it traps on one in twenty.
const NUMBERS: u64 = 1_000;
/// Messages of one request.
const MESSAGES_MAX: u64 = 5;

/// What the clients saw, of all of them.
#[derive(Debug, Default)]
pub struct Book {
    notes: Mutex<Notes>,
}

/// What was noted.
#[derive(Clone, Debug, Default)]
pub struct Notes {
    /// For each kind of request and verdict, how often.
    pub verdicts: BTreeMap<(&'static str, String), u64>,
    /// How long answered questions took.
    pub spans: Spans,
    /// Accepted messages by id, with their class.
    pub accepted: BTreeMap<String, &'static str>,
}

impl Book {
    fn write(&self, note: impl FnOnce(&mut Notes)) {
        note(&mut self.notes.lock().unwrap_or_else(PoisonError::into_inner));
    }

    /// Everything so far.
    pub fn notes(&self) -> Notes {
        self.notes.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// How many requests and messages were answered or given up.
    pub fn requests(&self) -> u64 {
        self.notes.lock().unwrap_or_else(PoisonError::into_inner).verdicts.values().sum()
    }

    /// Counts what a request of a kind was answered with.
    pub fn count(&self, kind: &'static str, reply: &Result<Reply, String>) {
        let verdict = match reply {
            Ok(reply) if reply.is_success() => "done".to_owned(),
            Ok(reply) => reply.code().unwrap_or_else(|| reply.status.to_string()),
            Err(_) => "no answer".to_owned(),
        };
        self.write(|notes| *notes.verdicts.entry((kind, verdict)).or_default() += 1);
    }

    /// Sends volatile messages, whose ids the server makes.
    pub fn send_volatile(&self, client: &mut Client, receiver: &str, count: u64) {
        let one = json!({"performative": "inform", "receiver": [receiver], "content": "volatile"});
        let reply = client.json("POST", "/v1/messages", &json!(vec![one; count as usize]));
        self.note("volatile", &reply, count as usize);
    }

    /// Sends messages of another class with ids of their own. Without an answer they may have been accepted all the
    /// same, so they are sent once more.
    pub fn send_kept(&self, client: &mut Client, class: &'static str, receiver: &str, ids: &[String]) {
        let message = |id: &String| {
            json!({"performative": "inform", "receiver": [receiver], "id": id, "class": class,
                "content": format!("{id} {class}")})
        };
        let document: Value = ids.iter().map(message).collect();
        let mut reply = client.json("POST", "/v1/messages", &document);
        if reply.is_err() {
            thread::sleep(STEP * 10);
            reply = client.json("POST", "/v1/messages", &document);
        }
        self.note(class, &reply, ids.len());
    }

    fn note(&self, class: &'static str, reply: &Result<Reply, String>, count: usize) {
        let verdicts = match reply {
            Ok(reply) => verdicts(reply, count),
            Err(_) => vec![Err("no answer".to_owned()); count],
        };
        self.write(|notes| {
            for verdict in verdicts {
                let word = match verdict {
                    Ok(id) => {
                        notes.accepted.insert(id, class);
                        "done".to_owned()
                    }
                    Err(code) => code,
                };
                *notes.verdicts.entry((class, word)).or_default() += 1;
            }
        });
    }
}

/// One client that does something at each step, until it is told to stop.
pub fn client(url: &str, seed: u64, stream: u64, step: Duration, book: &Book, stop: &AtomicBool) {
    let mut chance = Chance::new(seed, stream);
    let mut client = Client::new(url, ANSWER_MAX);
    while !stop.load(Ordering::Acquire) {
        let began = Instant::now();
        match chance.below(100) {
            0..45 => question(&mut client, book, "clerk", "ask", "which version?"),
            45..60 => {
                question(&mut client, book, "flaky", "ask the flaky", &chance.below(NUMBERS).to_string());
            }
            60..68 => question(&mut client, book, "echo", "ask the plugin", "echo"),
            68..72 => contract_net(&mut client, book),
            72..75 => question(&mut client, book, "manager", "ask the manager", "one two two three"),
            _ => messages(&mut client, book, &mut chance),
        }
        let more = step * chance.below(50) as u32 / 100;
        thread::sleep((step + more).saturating_sub(began.elapsed()));
    }
}

fn question(client: &mut Client, book: &Book, name: &str, kind: &'static str, content: &str) {
    let path = format!("/v1/agents/{name}/ask?performative=request&timeout-ms=10000");
    let asked = Instant::now();
    let reply = client.send("POST", &path, "text/plain", content.as_bytes());
    book.count(kind, &reply);
    if kind == "ask" && reply.is_ok_and(|reply| reply.is_success()) {
        book.write(|notes| notes.spans.add(asked.elapsed()));
    }
}

fn contract_net(client: &mut Client, book: &Book) {
    let task = json!({"file": "e2e", "bytes": 18}).to_string();
    let net = json!({"participants": ["group:bidders"], "task": task, "work": "one two two three\n",
        "deadline-ms": 300, "result-timeout-ms": 3000});
    book.count("contract net", &client.json("POST", "/v1/contract-nets", &net));
}

fn messages(client: &mut Client, book: &Book, chance: &mut Chance) {
    let (choice, count) = (chance.below(3), chance.between(1, MESSAGES_MAX));
    let class = match choice {
        0 => return book.send_volatile(client, "relay", count),
        1 => "acked",
        _ => "durable",
    };
    let ids: Vec<String> = (0..count).map(|_| chance.uuid()).collect();
    book.send_kept(client, class, "relay", &ids);
}
