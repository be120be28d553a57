//! Clients that send durable messages with ids of their own until each is acknowledged, however often the server dies.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread,
    time::Duration,
};

use caxton_kit::{chance::Chance, http::Client};
use serde_json::{Value, json};

use crate::e2e::verdicts;

/// Messages of one request.
const BATCH: usize = 100;
/// How long an answer may take before the request counts as not answered.
const ANSWER_MAX: Duration = Duration::from_secs(20);
/// How long a client waits after a refusal or a lost connection.
const PAUSE: Duration = Duration::from_millis(10);

/// The messages of a run and what is known of them.
pub struct Sending {
    waiting: Mutex<VecDeque<String>>,
    acknowledged: Mutex<BTreeSet<String>>,
    count: AtomicU64,
    total: u64,
    refused: Mutex<BTreeMap<String, u64>>,
    resent: AtomicU64,
    stop: AtomicBool,
}

fn hold<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Sending {
    /// So many messages with ids from a seed.
    pub fn new(total: u64, chance: &mut Chance) -> Self {
        Self {
            waiting: Mutex::new((0..total).map(|_| chance.uuid()).collect()),
            acknowledged: Mutex::default(),
            count: AtomicU64::new(0),
            total,
            refused: Mutex::default(),
            resent: AtomicU64::new(0),
            stop: AtomicBool::new(false),
        }
    }

    /// How many were acknowledged.
    pub fn acknowledged(&self) -> u64 {
        self.count.load(Ordering::Acquire)
    }

    /// True when all were.
    pub fn is_done(&self) -> bool {
        self.acknowledged() >= self.total
    }

    /// Ends the clients before all were acknowledged.
    pub fn stop(&self) {
        self.stop.store(true, Ordering::Release);
    }

    /// The ids that were acknowledged.
    pub fn ids(&self) -> BTreeSet<String> {
        hold(&self.acknowledged).clone()
    }

    /// Refusals by code, requests without an answer under `no answer`.
    pub fn refused(&self) -> BTreeMap<String, u64> {
        hold(&self.refused).clone()
    }

    /// Messages that were sent again.
    pub fn resent(&self) -> u64 {
        self.resent.load(Ordering::Acquire)
    }

    /// What one client does until all are acknowledged.
    pub fn client(&self, url: &str) {
        let mut client = Client::new(url, ANSWER_MAX);
        while !self.is_done() && !self.stop.load(Ordering::Acquire) {
            let batch: Vec<String> = {
                let mut waiting = hold(&self.waiting);
                let count = BATCH.min(waiting.len());
                waiting.drain(..count).collect()
            };
            if batch.is_empty() || !self.send(&mut client, batch) {
                thread::sleep(PAUSE);
            }
        }
    }

    /// Sends a batch; false when some of it must be sent again.
    fn send(&self, client: &mut Client, batch: Vec<String>) -> bool {
        let verdicts = match client.json("POST", "/v1/messages", &document(&batch, "")) {
            Ok(reply) => verdicts(&reply, batch.len()),
            // Nobody listens while the server starts: nothing was sent.
            Err(why) if why.starts_with("cannot connect") => {
                let mut waiting = hold(&self.waiting);
                batch.into_iter().rev().for_each(|id| waiting.push_front(id));
                return false;
            }
            Err(_) => vec![Err("no answer".to_owned()); batch.len()],
        };
        let mut again = Vec::new();
        for (id, verdict) in batch.into_iter().zip(verdicts) {
            match verdict {
                Err(code) => {
                    *hold(&self.refused).entry(code).or_default() += 1;
                    again.push(id);
                }
                Ok(_) => {
                    hold(&self.acknowledged).insert(id);
                    self.count.fetch_add(1, Ordering::AcqRel);
                }
            }
        }
        self.resent.fetch_add(again.len() as u64, Ordering::AcqRel);
        let whole = again.is_empty();
        let mut waiting = hold(&self.waiting);
        again.into_iter().rev().for_each(|id| waiting.push_front(id));
        whole
    }
}

/// Durable messages to the relay, each with its id as the start of its content.
pub fn document(ids: &[String], filler: &str) -> Value {
    let message = |id: &String| {
        json!({"performative": "inform", "receiver": ["relay"], "id": id, "class": "durable",
            "content": format!("{id} {filler}")})
    };
    ids.iter().map(message).collect()
}
