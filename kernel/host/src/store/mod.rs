//! What is durable: the writer between the core and a store plugin, recovery, and deployments that come back.
//!
//! ```text
//!   core::Bus ─ Store::write ─▶ writer ─ transaction ─ record, key ─▶ port ─▶ plugin
//!       ▲  ◀──── stored ─────────┘ one thread                          │
//!       └── recover ◀──────────────── recovery ◀───────────────────────┘
//!   admin ─ deployed, deleted ─▶ deployments ─▶ files · writer
//! ```
//!
//! Without a store plugin there is no writer: durable messages are refused and agents do not come back. What is written
//! is described in docs/decisions/0017-what-a-store-holds.md.

mod committing;
pub mod deployments;
#[cfg(test)]
pub(crate) mod faulty;
mod files;
pub mod key;
pub mod port;
mod queue;
pub mod record;
pub mod recovery;
pub mod state;
pub mod transaction;
pub mod writer;

use std::{
    path::Path,
    sync::{Arc, Mutex, OnceLock, Weak},
    time::{Duration, Instant},
};

use caxton_abi::{Code, EventName, Signal};
use caxton_core::{Bus, store::Written};

pub use deployments::Deployments;
pub use port::Port;
pub use recovery::Recover;
pub use state::{Figures, Stage, State};
pub use writer::Writer;

use crate::{admin::Admin, clock::Clock, plugin::Failure};
use recovery::Found;
use writer::{Pace, Told, lock};

/// A server's stable storage, with or without a store.
pub struct Storage {
    bus: Arc<Bus>,
    clock: Clock,
    policy: Recover,
    deployments: Deployments,
    opened: OnceLock<Opened>,
    /// What was read and not taken over yet.
    found: Mutex<Option<Found>>,
}

struct Opened {
    plugin: String,
    required: bool,
    writer: Arc<Writer>,
}

/// The store as operators see it.
#[derive(Clone, Debug)]
pub struct View {
    /// The plugin that provides it.
    pub plugin: String,
    /// Whether the server is not ready without it.
    pub required: bool,
    /// How it is doing.
    pub state: State,
    /// What it holds.
    pub figures: Figures,
}

impl Storage {
    /// Makes storage without a store.
    pub fn new(bus: Arc<Bus>, clock: Clock, policy: Recover, data_dir: &Path) -> Arc<Self> {
        Arc::new(Self {
            bus,
            clock,
            policy,
            deployments: Deployments::new(data_dir),
            opened: OnceLock::new(),
            found: Mutex::default(),
        })
    }

    /// Reads a plugin's store and starts to write to it. Blocks.
    ///
    /// # Errors
    /// It cannot be read, see [`recovery::read`]; or there is no thread.
    pub fn open(&self, plugin: &str, required: bool, port: Arc<dyn Port>) -> Result<(), Failure> {
        let of_plugin =
            |failure: Failure| Failure::new(failure.code, format!("plugin `{plugin}`: {}", failure.message));
        let began = Instant::now();
        let found = recovery::read(port.as_ref(), &self.bus, self.policy).map_err(of_plugin)?;
        let told = Arc::new(OfBus { bus: Arc::downgrade(&self.bus), clock: self.clock });
        let messages = found.recovered.messages.len();
        let names = self.bus.directory();
        let writer = Writer::start(port, names, told, self.clock, Pace::default(), messages)
            .map_err(|error| Failure::new(Code::HOST_LIMIT, format!("no thread for the store: {error}")))?;
        tracing::info!(
            plugin,
            messages,
            letters = found.recovered.letters.len(),
            sightings = found.recovered.sightings.len(),
            agents = found.agents.len(),
            aside = found.aside,
            ms = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX),
            "store read"
        );
        self.deployments.open(Arc::clone(&writer));
        *lock(&self.found) = Some(found);
        let _only_once = self.opened.set(Opened { plugin: plugin.to_owned(), required, writer });
        Ok(())
    }

    /// Gives the core what was read, and deploys the agents again. Once, after routers and protocols run and before
    /// messages come in. Blocks while components are compiled.
    pub fn take_over(&self, admin: &Admin) {
        let Some(writer) = self.writer() else { return };
        let Some(found) = lock(&self.found).take() else { return };
        self.bus.set_store(Some(Arc::clone(writer) as _));
        self.bus.recover(found.recovered, self.clock.now());
        let agents = found.agents.len();
        if agents > 0 {
            let back = self.deployments.bring_back(found.agents, admin);
            tracing::info!(agents, back, "deployed agents are back");
        }
    }

    /// The writer, when there is a store. A reload of its plugin goes by [`Writer::hold`] and [`Writer::replace`].
    pub fn writer(&self) -> Option<&Arc<Writer>> {
        self.opened.get().map(|opened| &opened.writer)
    }

    /// Where deployments are kept.
    pub fn deployments(&self) -> &Deployments {
        &self.deployments
    }

    /// How the store is doing; `None` without one.
    pub fn view(&self) -> Option<View> {
        let Opened { plugin, required, writer } = self.opened.get()?;
        let (state, figures) = (writer.state(), writer.figures());
        Some(View { plugin: plugin.clone(), required: *required, state, figures })
    }

    /// What a server that needs its store still waits for.
    pub fn waiting(&self) -> Option<String> {
        let View { plugin, required, state, .. } = self.view()?;
        let failed = required && state.stage == Stage::Failed;
        failed.then(|| format!("store {plugin}: {}", state.reason))
    }

    /// Writes what there is and ends; true when all was written. Blocks.
    pub fn close(&self, longest: Duration) -> bool {
        let Some(writer) = self.writer() else { return true };
        let flushed = writer.flush(longest);
        if !flushed {
            let waiting = writer.figures().writing;
            tracing::error!(waiting, "the store did not write everything: what is left is redelivered");
        }
        writer.close();
        flushed
    }
}

/// Tells the bus.
struct OfBus {
    bus: Weak<Bus>,
    clock: Clock,
}

impl Told for OfBus {
    fn stored(&self, ticket: u64, written: Written) {
        if let Some(bus) = self.bus.upgrade() {
            bus.stored(ticket, written, self.clock.now());
        }
    }

    fn state(&self, state: &State) {
        let State { stage, since, code, reason } = state;
        match stage {
            Stage::Full | Stage::Failed => {
                tracing::error!(state = stage.as_str(), %code, reason, "store");
            }
            Stage::Running | Stage::Closed => tracing::info!(state = stage.as_str(), reason, "store"),
        }
        let Some(bus) = self.bus.upgrade() else { return };
        let level = if matches!(stage, Stage::Full | Stage::Failed) { 5 } else { 3 };
        let text = format!("{} {reason}", stage.as_str());
        let signal = Signal {
            time_ns: since.nanos(),
            name: EventName::STORE_STATE,
            code: *code,
            level,
            text: text.into(),
            ..Signal::default()
        };
        bus.emit(vec![signal]);
    }
}
