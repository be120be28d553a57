//! The ports as an author sees them: plain traits, batches of plain records, no `Result` of the boundary.
//!
//! Methods are called from the server's worker threads, several at a time, and must not block.

use std::sync::Arc;

use caxton_abi::{
    Code, Envelope, Signal, Uid,
    port::{Action, AgentEntry, Observation, RouteUpdate, Unresolved},
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
}
