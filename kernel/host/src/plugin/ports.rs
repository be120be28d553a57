//! The core's ports over the boundary: vectors and slices converted, every call through the fence.

use std::sync::Arc;

use caxton_abi::{
    Code, Envelope, Payload, Signal, Uid,
    port::{
        Action, AgentEntry, EndpointBox, ExporterBox, Observation, ProtocolBox, RouteUpdate, RouterBox,
        StoreBox, StoreEntry, StoreOp, Unresolved,
    },
    std_types::{RResult::ROk, RSlice, RVec},
};
use caxton_core::port::{Endpoint, Protocol, Router};

use super::{Failure, fence::Fence};

/// A plugin's endpoint.
pub struct EndpointPort {
    pub(super) port: EndpointBox,
    pub(super) fence: Arc<Fence>,
}

/// A plugin's router.
pub struct RouterPort {
    pub(super) port: RouterBox,
    pub(super) fence: Arc<Fence>,
}

/// A plugin's protocol.
pub struct ProtocolPort {
    pub(super) port: ProtocolBox,
    pub(super) fence: Arc<Fence>,
}

/// A plugin's exporter.
pub struct ExporterPort {
    pub(super) port: ExporterBox,
    pub(super) fence: Arc<Fence>,
}

/// A plugin's store.
pub struct StorePort {
    pub(super) port: StoreBox,
    pub(super) fence: Arc<Fence>,
}

impl Endpoint for EndpointPort {
    fn deliver(&self, batch: Vec<Envelope>) -> Vec<Code> {
        let count = batch.len();
        let mut codes = RVec::with_capacity(count);
        match self.fence.call(|| self.port.deliver(batch.into(), &mut codes)) {
            Ok(()) => {
                codes.resize(count, Code::PLUGIN_UNAVAILABLE);
                codes.into_vec()
            }
            Err(failure) => vec![failure.code; count],
        }
    }
}

impl Router for RouterPort {
    fn agents_changed(&self, changes: &[AgentEntry]) -> Vec<RouteUpdate> {
        let mut routes = RVec::new();
        let changes = RSlice::from_slice(changes);
        let result = self.fence.call(|| self.port.agents_changed(changes, &mut routes));
        result.map(|()| routes.into_vec()).unwrap_or_default()
    }

    fn resolve(&self, waiting: &[Unresolved]) -> Vec<RouteUpdate> {
        let mut routes = RVec::new();
        let result = self.fence.call(|| self.port.resolve(RSlice::from_slice(waiting), &mut routes));
        result.map(|()| routes.into_vec()).unwrap_or_default()
    }
}

impl Protocol for ProtocolPort {
    fn protocols(&self) -> Vec<String> {
        let tokens = self.fence.call(|| ROk(self.port.protocols())).unwrap_or_default();
        tokens.into_iter().map(Into::into).collect()
    }

    fn observe(&self, batch: &[Observation], now_ms: u64, out: &mut Vec<Action>) -> Result<(), Code> {
        // Made here and large enough, it is filled in place and taken over without a copy.
        let mut actions = RVec::with_capacity(2 * batch.len() + 4);
        let batch = RSlice::from_slice(batch);
        let result = self.fence.call(|| self.port.observe(batch, now_ms, &mut actions));
        append(result, actions, out)
    }

    fn timers(&self, tokens: &[u64], now_ms: u64, out: &mut Vec<Action>) -> Result<(), Code> {
        let mut actions = RVec::new();
        let tokens = RSlice::from_slice(tokens);
        let result = self.fence.call(|| self.port.timers(tokens, now_ms, &mut actions));
        append(result, actions, out)
    }

    fn describe(&self, conversation: Uid) -> Option<String> {
        let document = self.fence.call(|| self.port.describe(conversation)).ok()?;
        (!document.is_empty()).then(|| document.into())
    }
}

fn append(result: Result<(), Failure>, actions: RVec<Action>, out: &mut Vec<Action>) -> Result<(), Code> {
    result.map_err(|failure| failure.code)?;
    if out.is_empty() {
        *out = actions.into_vec();
    } else {
        out.extend(actions);
    }
    Ok(())
}

impl ProtocolPort {
    /// All state as a versioned document, to be restored by another version.
    ///
    /// # Errors
    /// The plugin's own; then there is nothing to restore.
    pub fn snapshot(&self) -> Result<Vec<u8>, Failure> {
        self.fence.call(|| self.port.snapshot()).map(RVec::into_vec)
    }

    /// Takes over the state of another instance.
    ///
    /// # Errors
    /// When the plugin does not know the document's version; its state is unchanged then.
    pub fn restore(&self, snapshot: &[u8]) -> Result<(), Failure> {
        self.fence.call(|| self.port.restore(RSlice::from_slice(snapshot)))
    }
}

impl ExporterPort {
    /// The instance's name.
    pub fn name(&self) -> &str {
        self.fence.name()
    }

    /// Hands a batch over.
    ///
    /// # Errors
    /// The batch is lost to this exporter.
    pub fn export(&self, batch: &[Signal]) -> Result<(), Failure> {
        self.fence.call(|| self.port.export(RSlice::from_slice(batch)))
    }

    /// Has it write out what it holds.
    ///
    /// # Errors
    /// The plugin's own.
    pub fn flush(&self) -> Result<(), Failure> {
        self.fence.call(|| self.port.flush())
    }
}

impl StorePort {
    /// Applies all changes as one transaction and returns when they are on disk.
    ///
    /// # Errors
    /// The plugin's own, [`Code::STORE_FULL`] among them.
    pub fn write(&self, changes: &[StoreOp]) -> Result<(), Failure> {
        self.fence.call(|| self.port.write(RSlice::from_slice(changes)))
    }

    /// What lies under a key.
    ///
    /// # Errors
    /// The plugin's own.
    pub fn get(&self, key: &[u8]) -> Result<Option<Payload>, Failure> {
        let mut found = RVec::new();
        self.fence.call(|| self.port.get(RSlice::from_slice(key), &mut found))?;
        Ok(found.into_iter().next().map(|entry: StoreEntry| entry.value))
    }

    /// Entries from a key up to another, in order.
    ///
    /// # Errors
    /// The plugin's own.
    pub fn read(
        &self,
        from: &[u8],
        until: &[u8],
        entries_max: u32,
        bytes_max: u64,
    ) -> Result<Vec<StoreEntry>, Failure> {
        let mut found = RVec::new();
        let [from, until] = [from, until].map(RSlice::from_slice);
        self.fence.call(|| self.port.read(from, until, entries_max, bytes_max, &mut found))?;
        Ok(found.into_vec())
    }

    /// Closes what is open, opens it again and verifies it.
    ///
    /// # Errors
    /// The plugin's own; it takes no changes then.
    pub fn reopen(&self) -> Result<(), Failure> {
        self.fence.call(|| self.port.reopen())
    }
}
