//! A runtime in a temporary directory, and turns for its agents.

use std::{
    collections::BTreeMap,
    path::Path,
    sync::{Arc, OnceLock},
};

use caxton_abi::{Envelope, Header, Payload, Uid};
use caxton_core::{
    agent::{AgentBody, Directory, Fault, Start, State, TrapKind, Turn},
    ids::IdSource,
    limits::Limits,
    time::Time,
};
use caxton_runtime::{CompilerMode, InstanceLimits, Runtime, RuntimeOptions};

pub const NOW: Time = Time::from_millis(1_700_000_000_123);
/// The agent's own address and that of the one who writes to it.
pub const SELF: u32 = 1;
pub const PEER: u32 = 2;

/// The options of a test: few agents, every log line, a cache that outlives the test.
pub fn options() -> RuntimeOptions {
    let cache = Path::new(env!("CARGO_TARGET_TMPDIR")).join("caxton-components");
    RuntimeOptions { agents_max: 64, log_level_min: 1, ..RuntimeOptions::new(cache, CompilerMode::InProcess) }
}

/// The runtime that tests share.
pub fn shared() -> &'static Runtime {
    static SHARED: OnceLock<Runtime> = OnceLock::new();
    SHARED.get_or_init(|| Runtime::new(options()).unwrap())
}

pub const LIMITS: InstanceLimits = InstanceLimits { memory_bytes_max: 64 << 20, turn_ms_max: 1_000 };

struct Phonebook;

impl Directory for Phonebook {
    fn resolve(&self, name: &str) -> Option<u32> {
        (name == "peer").then_some(PEER)
    }
    fn name_of(&self, address: u32) -> Option<String> {
        (address == PEER).then(|| "peer".to_owned())
    }
    fn find(&self, name: &str) -> Vec<u32> {
        self.resolve(name).into_iter().collect()
    }
    fn intern(&self, _text: &str) -> u32 {
        7
    }
    fn symbol_name(&self, _symbol: u32) -> Option<String> {
        None
    }
}

pub fn turn() -> Turn {
    Turn {
        now: NOW,
        address: SELF,
        directory: Arc::new(Phonebook),
        limits: Arc::new(Limits::default()),
        state: Arc::new(State::new()),
        ids: IdSource::new(1),
        outbox: Vec::new(),
        puts: BTreeMap::new(),
        timers: Vec::new(),
        logs: Vec::new(),
    }
}

/// A request from the peer.
pub fn request(content: impl Into<Vec<u8>>) -> Envelope {
    let head = Header {
        id: Uid { hi: 1, lo: 1 },
        conversation: Uid { hi: 0x0123_4567_89ab_cdef, lo: 0xfedc_ba98_7654_3210 },
        sender: PEER,
        receiver: SELF,
        reply_with: 42,
        performative: 19,
        ..Header::default()
    };
    Envelope::new(head, Payload::from(content.into()))
}

pub fn start(config: &str) -> Start {
    Start { address: SELF, config: config.as_bytes().into(), restarts: 0 }
}

/// One agent, initialised.
pub struct Agent {
    pub body: Box<dyn AgentBody>,
    pub turn: Turn,
}

pub fn agent(component: &[u8]) -> Agent {
    agent_with(component, LIMITS)
}

pub fn agent_with(component: &[u8], limits: InstanceLimits) -> Agent {
    let compiled = shared().compile(component).unwrap();
    let mut body = shared().factory(&compiled, limits, &[]).unwrap().instantiate().unwrap();
    let mut turn = turn();
    body.init(&start(""), &mut turn).unwrap();
    Agent { body, turn }
}

impl Agent {
    pub fn tell(&mut self, content: impl Into<Vec<u8>>) -> Result<(), Fault> {
        self.body.handle(&[request(content)], &mut self.turn)
    }

    /// The texts in the outbox.
    pub fn sent(&self) -> Vec<String> {
        self.turn
            .outbox
            .iter()
            .map(|sent| String::from_utf8_lossy(sent.content.as_slice()).into_owned())
            .collect()
    }

    pub fn logged(&self) -> Vec<&str> {
        self.turn.logs.iter().map(|line| line.text.as_str()).collect()
    }
}

/// Takes a trap apart; anything else fails the test.
pub fn trapped(outcome: Result<(), Fault>) -> (TrapKind, String, Vec<String>) {
    match outcome {
        Err(Fault::Trapped { kind, message, frames }) => (kind, message, frames),
        other => panic!("expected a trap, found {other:?}"),
    }
}
