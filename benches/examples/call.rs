//! What a call of a guest costs: processor time for one message, by role of the load guest and size of the batch.
//!
//! `cargo run --release -p caxton-benches --example call -- load.wasm [ROLE BATCH CALLS]`; without a role a table of all.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::{collections::BTreeMap, sync::Arc};

use caxton_abi::{Envelope, Header, Payload, Uid};
use caxton_core::{
    agent::{AgentBody, Directory, Start, State, Turn},
    ids::IdSource,
    limits::Limits,
    time::Time,
};
use caxton_runtime::{CompilerMode, InstanceLimits, Runtime, RuntimeOptions};

const REQUEST: u8 = 19;
const ROLES: [&str; 3] = ["sink", "echo", "source"];
const BATCHES: [usize; 5] = [1, 8, 32, 64, 256];
const MESSAGES: usize = 1_000_000;
const SAMPLES: usize = 5;

struct Nobody;

impl Directory for Nobody {
    fn resolve(&self, _name: &str) -> Option<u32> {
        Some(2)
    }
    fn name_of(&self, _address: u32) -> Option<String> {
        None
    }
    fn find(&self, _name: &str) -> Vec<u32> {
        Vec::new()
    }
    fn intern(&self, _text: &str) -> u32 {
        1
    }
    fn symbol_name(&self, _symbol: u32) -> Option<String> {
        None
    }
}

fn turn() -> Turn {
    Turn {
        now: Time::from_millis(1_700_000_000_123),
        address: 1,
        directory: Arc::new(Nobody),
        limits: Arc::new(Limits::default()),
        state: Arc::new(State::new()),
        ids: IdSource::new(1),
        outbox: Vec::new(),
        puts: BTreeMap::new(),
        timers: Vec::new(),
        logs: Vec::new(),
    }
}

fn message(number: u64) -> Envelope {
    let head = Header {
        id: Uid { hi: 1, lo: number },
        conversation: Uid { hi: 2, lo: number },
        sender: 2,
        receiver: 1,
        reply_with: 42,
        performative: REQUEST,
        ..Header::default()
    };
    Envelope::new(head, Payload::from(vec![b'x'; 256]))
}

/// Processor time of this thread in nanoseconds.
fn cpu_ns() -> u64 {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap();
    text.split_whitespace().next().unwrap().parse().unwrap()
}

struct Agent {
    body: Box<dyn AgentBody>,
    turn: Turn,
    batch: Vec<Envelope>,
}

impl Agent {
    /// A source answers one message with a batch, the others take a batch.
    fn new(runtime: &Runtime, component: &[u8], role: &str, batch: usize) -> Self {
        let config = match role {
            "sink" => "sink 4000000000".to_owned(),
            "source" => format!("source {batch} {batch} peer"),
            other => other.to_owned(),
        };
        let compiled = runtime.compile(component).unwrap();
        let limits = InstanceLimits { memory_bytes_max: 64 << 20, turn_ms_max: 1_000 };
        let mut body = runtime.factory(&compiled, limits, &[]).unwrap().instantiate().unwrap();
        let mut turn = turn();
        let start = Start { address: 1, config: config.as_bytes().into(), restarts: 0 };
        body.init(&start, &mut turn).unwrap();
        let size = if role == "source" { 1 } else { batch };
        Self { body, turn, batch: (0..size as u64).map(message).collect() }
    }

    fn run(&mut self, calls: usize) {
        for _ in 0..calls {
            self.body.handle(&self.batch, &mut self.turn).unwrap();
            self.turn.outbox.clear();
        }
    }
}

fn main() {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let component = std::fs::read(&words[0]).unwrap();
    let cache = std::env::temp_dir().join("caxton-call-cache");
    let options = RuntimeOptions { agents_max: 64, ..RuntimeOptions::new(cache, CompilerMode::InProcess) };
    let runtime = Runtime::new(options).unwrap();
    if let [_, role, batch, calls] = words.as_slice() {
        let batch = batch.parse().unwrap();
        Agent::new(&runtime, &component, role, batch).run(calls.parse().unwrap());
        return;
    }
    for role in ROLES {
        for batch in BATCHES {
            let mut agent = Agent::new(&runtime, &component, role, batch);
            let calls = MESSAGES / batch / SAMPLES;
            agent.run(calls / 10);
            let sample = |agent: &mut Agent| {
                let before = cpu_ns();
                agent.run(calls);
                (cpu_ns() - before) as f64 / (calls * batch) as f64
            };
            let best = (0..SAMPLES).map(|_| sample(&mut agent)).fold(f64::MAX, f64::min);
            println!("{role:8} {batch:4}: {best:7.1} ns");
        }
    }
}
