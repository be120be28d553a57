//! What a plugin is tested on: its library, a configuration, and a bus of its own without agents.

use std::{path::Path, sync::Arc, time::Duration};

use caxton_abi::EventName;
use caxton_core::{Bus, Limits};
use serde_json::{Map, Value};

use crate::{
    clock::Clock,
    plugin::{Deadlines, Failure, Instance, Library, Manifest, Options, State},
    services::Server,
};

/// How long a step of its life may take: the server's defaults for `start_ms` and `drain_ms`.
const DEADLINES: Deadlines =
    Deadlines { start: Duration::from_secs(10), drain: Duration::from_secs(5), stop: Duration::from_secs(5) };
/// How long the calls of one check may take; a contract of a store writes tens of thousands of entries.
const CALLS: Duration = Duration::from_secs(300);
/// Threads of its own runtime: the server's default.
const WORKER_THREADS: u32 = 2;
/// The name of its instances.
const NAME: &str = "under-test";

/// The bench.
#[derive(Clone)]
pub struct Bench {
    library: Library,
    /// The configuration that was given.
    pub(super) config: Map<String, Value>,
    pub(super) bus: Arc<Bus>,
    pub(super) clock: Clock,
    services: Arc<Server>,
}

impl Bench {
    /// Makes a bench for a library; called inside a runtime.
    ///
    /// # Errors
    /// The bus could not be made.
    pub fn new(library: Library, config: Map<String, Value>) -> Result<Self, String> {
        let clock = Clock::start();
        let bus = Bus::new(caxton_core::Options {
            platform: "test".to_owned(),
            limits: Arc::new(Limits::default()),
            workers: 1,
            seed: 1,
            content_in_signals: false,
        });
        let bus = Arc::new(bus.map_err(|refusal| refusal.detail)?);
        let services = Server::new(Arc::clone(&bus), clock);
        Ok(Self { library, config, bus, clock, services })
    }

    pub(super) fn manifest(&self) -> &Manifest {
        &self.library.inspection().manifest
    }

    /// The library's file.
    pub(super) fn file(&self) -> &Path {
        &self.library.inspection().path
    }

    /// What panicked on this bench since it was asked last.
    pub(super) fn panics(&self) -> Result<(), String> {
        let mut signals = Vec::new();
        self.bus.drain_signals(self.clock.now(), &mut signals);
        let panicked = signals.iter().find(|signal| signal.name == EventName::PLUGIN_PANIC);
        panicked.map_or(Ok(()), |signal| Err(String::from_utf8_lossy(signal.text.as_slice()).into_owned()))
    }

    /// Makes an instance with the given configuration.
    pub(super) async fn create(&self) -> Result<Arc<Instance>, Failure> {
        self.create_with(self.config.clone()).await
    }

    pub(super) async fn create_with(&self, config: Map<String, Value>) -> Result<Arc<Instance>, Failure> {
        let options = Options {
            name: NAME.to_owned(),
            config: Value::Object(config).to_string(),
            worker_threads: WORKER_THREADS,
            deadlines: DEADLINES,
        };
        Instance::create(&self.library, options, Arc::clone(&self.services) as _).await
    }

    /// Makes and starts an instance.
    pub(super) async fn start(&self) -> Result<Arc<Instance>, String> {
        let instance = self.create().await.map_err(|failure| failure.to_string())?;
        match instance.start().await {
            Ok(()) => Ok(instance),
            Err(failure) => {
                let _kept_as_failed = instance.stop().await;
                Err(failure.to_string())
            }
        }
    }
}

/// Runs calls of a port, which may block, and sees that the instance is still in use afterwards.
pub(super) async fn calls(
    instance: &Arc<Instance>,
    work: impl FnOnce(&Instance) -> Result<(), String> + Send + 'static,
) -> Result<(), String> {
    let called = Arc::clone(instance);
    let done = tokio::time::timeout(CALLS, tokio::task::spawn_blocking(move || work(&called))).await;
    let held = match done {
        Ok(Ok(held)) => held,
        Ok(Err(_)) => Err("the check panicked".to_owned()),
        Err(_) => Err(format!("a call did not return within {} s", CALLS.as_secs())),
    };
    // What the instance died of says more than what came of it.
    match instance.state() {
        State::Failed { code, reason } => Err(format!("the instance failed: {reason} [{code}]")),
        _ => held,
    }
}
