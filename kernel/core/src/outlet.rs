//! The queue in front of one address of an endpoint.
//!
//! Whoever puts the first message in empties it, and others only append meanwhile. So the endpoint sees one call at a
//! time for an address, in order, and an endpoint that answers from within `deliver` cannot recurse.

use std::sync::{Arc, Mutex};

use crate::{limits::Limits, mailbox::Mailbox, port::EndpointRef};

/// An address that an endpoint claimed.
pub(crate) struct Outlet {
    /// The host's number for who claimed it.
    pub(crate) owner: u32,
    pub(crate) endpoint: EndpointRef,
    pub(crate) limits: Arc<Limits>,
    pub(crate) desk: Mutex<OutletDesk>,
}

/// What changes.
#[derive(Default)]
pub(crate) struct OutletDesk {
    pub(crate) mailbox: Mailbox,
    pub(crate) draining: bool,
}
