//! A real runtime with the guest of the workloads, and turns for its instances.

use std::{collections::BTreeMap, sync::Arc};

use caxton_abi::{Envelope, Header, Payload, Uid};
use caxton_acl::Performative;
use caxton_core::{
    Bus, Limits, Options, Time,
    agent::{AgentBody, BodyFactory, Directory, Start, Turn},
    ids::IdSource,
};
use caxton_kit::artifacts;
use caxton_runtime::{CompilerMode, InstanceLimits, Runtime, RuntimeOptions};
use tempfile::TempDir;

const NOW: Time = Time::from_millis(1_800_000_000_000);
const LIMITS: InstanceLimits = InstanceLimits { memory_bytes_max: 64 << 20, turn_ms_max: 1_000 };
const SELF: u32 = 1;
const PEER: u32 = 2;

/// Instances of the guest `benches/guests/load`, which play one of its roles.
pub struct Sandbox {
    factory: Arc<dyn BodyFactory>,
    directory: Arc<dyn Directory>,
    limits: Arc<Limits>,
    /// Outlives the instances.
    _runtime: Runtime,
    _cache: TempDir,
}

impl Sandbox {
    /// Builds and compiles the guest.
    pub fn new() -> Self {
        let cache = tempfile::tempdir().unwrap();
        let options =
            RuntimeOptions { agents_max: 64, ..RuntimeOptions::new(cache.path(), CompilerMode::InProcess) };
        let runtime = Runtime::new(options).unwrap();
        let component = std::fs::read(artifacts::load_guests().unwrap().join("load.wasm")).unwrap();
        let compiled = runtime.compile(&component).unwrap();
        let factory = runtime.factory(&compiled, LIMITS, &[]).unwrap();
        let limits = Arc::new(Limits::default());
        let bus = Bus::new(Options {
            platform: "caxton".to_owned(),
            limits: Arc::clone(&limits),
            workers: 1,
            seed: 1,
            content_in_signals: false,
        });
        let directory = bus.unwrap().directory();
        Self { factory, directory, limits, _runtime: runtime, _cache: cache }
    }

    /// A new instance that has been initialised.
    pub fn instance(&self, role: &str) -> Box<dyn AgentBody> {
        let mut body = self.factory.instantiate().unwrap();
        let start = Start { address: SELF, config: format!("\"{role}\"").into_bytes().into(), restarts: 0 };
        body.init(&start, &mut self.turn()).unwrap();
        body
    }

    /// A turn as the kernel begins one.
    pub fn turn(&self) -> Turn {
        Turn {
            now: NOW,
            address: SELF,
            directory: Arc::clone(&self.directory),
            limits: Arc::clone(&self.limits),
            state: Arc::default(),
            ids: IdSource::new(1),
            outbox: Vec::new(),
            puts: BTreeMap::new(),
            timers: Vec::new(),
            logs: Vec::new(),
        }
    }
}

/// So many requests of 256 bytes, each in a conversation of its own.
pub fn requests(count: u64) -> Vec<Envelope> {
    let content = Payload::from(vec![b'x'; 256]);
    let request = |lo| {
        let head = Header {
            id: Uid { hi: 1, lo },
            conversation: Uid { hi: 2, lo },
            sender: PEER,
            receiver: SELF,
            reply_with: 1,
            performative: Performative::Request.code(),
            ..Header::default()
        };
        Envelope::new(head, content.clone())
    };
    (1..=count).map(request).collect()
}
