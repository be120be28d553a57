//! The queue in front of one address of an endpoint.
//!
//! Whoever puts the first message in empties it, and others only append meanwhile. So the endpoint sees one call at a
//! time for an address, in order, and an endpoint that answers from within `deliver` cannot recurse.

use std::sync::Arc;

use caxton_abi::port::AgentEntry;

use crate::sync::{Mutex, RwLock};
use crate::{
    limits::Limits,
    mailbox::Mailbox,
    port::EndpointRef,
    sync::{read, write},
};

/// An address that an endpoint claimed.
pub(crate) struct Outlet {
    /// The host's number for who claimed it.
    pub(crate) owner: u32,
    endpoint: RwLock<EndpointRef>,
    pub(crate) limits: Arc<Limits>,
    pub(crate) desk: Mutex<OutletDesk>,
}

impl Outlet {
    pub(crate) fn new(owner: u32, endpoint: EndpointRef, limits: Arc<Limits>) -> Self {
        Self { owner, endpoint: RwLock::new(endpoint), limits, desk: Mutex::default() }
    }

    /// Who takes the next messages.
    pub(crate) fn endpoint(&self) -> EndpointRef {
        Arc::clone(&read(&self.endpoint))
    }

    /// Hands the address to another endpoint: it takes what waits, after the call that is under way.
    pub(crate) fn transfer(&self, endpoint: EndpointRef) {
        *write(&self.endpoint) = endpoint;
    }
}

/// What changes.
#[derive(Default)]
pub(crate) struct OutletDesk {
    pub(crate) mailbox: Mailbox,
    /// What the router sees, when the address is that of an agent outside of the server.
    pub(crate) entry: Option<AgentEntry>,
    pub(crate) draining: bool,
    /// Counts up when an endpoint hung in a call, so that the flow which waits for it does not come back to the queue.
    pub(crate) abandoned: u64,
}
