//! What the core asks of plugins, as plain traits. The host implements them over the plugin boundary, the simulator as
//! scripts.
//!
//! The core holds no lock while it calls a port, so a port may call the bus. Ports must not block: workers call them.

use std::sync::Arc;

use caxton_abi::{
    Code, Envelope, Uid,
    port::{Action, AgentEntry, Observation, RouteUpdate, Unresolved},
};

/// Owns addresses on the bus. The core calls it for one address by one thread at a time, in order of arrival.
pub trait Endpoint: Send + Sync {
    /// Takes messages; answers one code each, zero for taken. A missing code counts as
    /// [`Code::PLUGIN_UNAVAILABLE`], one that is not in the list as [`Code::REFUSED_BY_ENDPOINT`].
    fn deliver(&self, batch: Vec<Envelope>) -> Vec<Code>;
}

/// Resolves addresses and programs the forwarding table. A router that is gone answers nothing.
pub trait Router: Send + Sync {
    /// Agents that came or left, in order; answers with the table's changes.
    fn agents_changed(&self, changes: &[AgentEntry]) -> Vec<RouteUpdate>;
    /// Resolves addresses that have messages waiting. What is not answered waits until its deadline.
    fn resolve(&self, waiting: &[Unresolved]) -> Vec<RouteUpdate>;
}

/// Watches the conversations of its protocols. When it errs, the messages of the batch become dead letters with
/// [`Code::PLUGIN_UNAVAILABLE`] and their senders are told.
pub trait Protocol: Send + Sync {
    /// The protocol tokens that it watches; asked when it is set.
    fn protocols(&self) -> Vec<String>;
    /// Messages of its protocols about to be delivered, in order, and what happened to earlier ones.
    ///
    /// # Errors
    /// When it cannot decide; what it appended is ignored.
    fn observe(&self, batch: &[Observation], now_ms: u64, out: &mut Vec<Action>) -> Result<(), Code>;
    /// Timers that are due.
    ///
    /// # Errors
    /// When it cannot decide; the same timers come again later.
    fn timers(&self, tokens: &[u64], now_ms: u64, out: &mut Vec<Action>) -> Result<(), Code>;
    /// What it knows of a conversation, as JSON.
    fn describe(&self, conversation: Uid) -> Option<String>;
}

/// Wakes the host's threads. Called often, also for a worker that is awake; must be cheap and must not call the bus.
pub trait Wake: Send + Sync {
    /// An agent was queued for the worker. When that worker is busy, any idle one may be woken instead: it steals.
    fn wake(&self, worker: usize);
}

/// A shared endpoint.
pub type EndpointRef = Arc<dyn Endpoint>;
/// A shared router.
pub type RouterRef = Arc<dyn Router>;
/// A shared protocol.
pub type ProtocolRef = Arc<dyn Protocol>;
