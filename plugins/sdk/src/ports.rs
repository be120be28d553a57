//! The ports as an author sees them: plain traits, batches of plain records, no `Result` of the boundary.
//!
//! Methods are called from the server's worker threads, several at a time, and must not block; only [`Store`]'s may.

use std::sync::Arc;

use caxton_abi::{
    Code, Envelope, Payload, Signal, Uid,
    port::{Action, AgentEntry, Observation, RouteUpdate, StoreEntry, StoreOp, Unresolved},
};

use crate::Error;

/// Owns addresses on the bus.
pub trait Endpoint: Send + Sync {
    /// Takes messages, in order per sender. One code each: [`Code::NONE`] when it took the message.
    fn deliver(&self, batch: Vec<Envelope>) -> Vec<Code>;
}

/// Resolves addresses and programs the forwarding table.
pub trait Router: Send + Sync {
    /// Agents that came or left; answers with the table's changes.
    fn agents_changed(&self, changes: &[AgentEntry]) -> Vec<RouteUpdate>;
    /// Resolves addresses with messages waiting; one update each.
    fn resolve(&self, waiting: &[Unresolved]) -> Vec<RouteUpdate>;
}

/// Watches the conversations of its protocols. Pure: no clock, no I/O.
pub trait Protocol: Send + Sync {
    /// The protocol tokens it watches; asked once.
    fn protocols(&self) -> Vec<String>;
    /// Messages that name one of its protocols, and what happened to earlier ones; appends its decisions.
    fn observe(&self, batch: &[Observation], now_ms: u64, out: &mut Vec<Action>);
    /// Timers that are due.
    fn timers(&self, tokens: &[u64], now_ms: u64, out: &mut Vec<Action>);
    /// All state as a versioned document.
    fn snapshot(&self) -> Vec<u8>;
    /// Takes over another instance's state.
    ///
    /// # Errors
    /// When the document is not of a version it knows; the state is unchanged then.
    fn restore(&self, snapshot: &[u8]) -> Result<(), Error>;
    /// What is known of a conversation, as a JSON document.
    fn describe(&self, conversation: Uid) -> Option<serde_json::Value>;
}

/// Takes signals out of the server.
pub trait Exporter: Send + Sync {
    /// Takes a batch; must not block for long.
    ///
    /// # Errors
    /// Counted and logged by the server; the batch is lost to this exporter.
    fn export(&self, batch: &[Signal]) -> Result<(), Error>;
    /// Writes out what it holds.
    ///
    /// # Errors
    /// Counted and logged by the server.
    fn flush(&self) -> Result<(), Error>;
}

/// Keeps bytes under ordered keys, on stable storage.
///
/// The one port whose methods may block: the server calls `write` from a thread of its own, one call at a time; `get` and
/// `read` may come beside it.
pub trait Store: Send + Sync {
    /// Applies all changes as one transaction, in order, and returns when they are on stable storage.
    ///
    /// # Errors
    /// Nothing of them is applied. [`Code::STORE_FULL`]: the store goes on, and the same call may succeed when there is
    /// space. Any other: it refuses until [`Store::reopen`] succeeded.
    fn write(&self, changes: &[StoreOp]) -> Result<(), Error>;
    /// What lies under a key.
    ///
    /// # Errors
    /// It cannot be read.
    fn get(&self, key: &[u8]) -> Result<Option<Payload>, Error>;
    /// Entries from `from` up to, not including, `until` (empty for the end), in the order of their keys: at most
    /// `entries_max`, and no further one once their values have `bytes_max` bytes.
    ///
    /// # Errors
    /// They cannot be read.
    fn read(
        &self,
        from: &[u8],
        until: &[u8],
        entries_max: u32,
        bytes_max: u64,
    ) -> Result<Vec<StoreEntry>, Error>;
    /// Closes what is open, opens it again and verifies it. On success everything that a `write` reported as done is
    /// there.
    ///
    /// # Errors
    /// It cannot be opened, or it is damaged.
    fn reopen(&self) -> Result<(), Error>;
}

/// The ports that a plugin offers.
#[derive(Clone, Default)]
pub struct Ports {
    /// Owns addresses.
    pub endpoint: Option<Arc<dyn Endpoint>>,
    /// Resolves addresses.
    pub router: Option<Arc<dyn Router>>,
    /// Watches conversations.
    pub protocol: Option<Arc<dyn Protocol>>,
    /// Takes signals.
    pub exporter: Option<Arc<dyn Exporter>>,
    /// Keeps bytes.
    pub store: Option<Arc<dyn Store>>,
}

impl Ports {
    /// Offers an endpoint.
    pub fn endpoint(port: Arc<dyn Endpoint>) -> Self {
        Self { endpoint: Some(port), ..Self::default() }
    }

    /// Offers a router.
    pub fn router(port: Arc<dyn Router>) -> Self {
        Self { router: Some(port), ..Self::default() }
    }

    /// Offers a protocol.
    pub fn protocol(port: Arc<dyn Protocol>) -> Self {
        Self { protocol: Some(port), ..Self::default() }
    }

    /// Offers an exporter.
    pub fn exporter(port: Arc<dyn Exporter>) -> Self {
        Self { exporter: Some(port), ..Self::default() }
    }

    /// Offers a store.
    pub fn store(port: Arc<dyn Store>) -> Self {
        Self { store: Some(port), ..Self::default() }
    }
}
