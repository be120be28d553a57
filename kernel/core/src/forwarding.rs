//! The forwarding table: from an address to where its messages go. Agents and claimed addresses are entered by the
//! kernel, the rest is programmed by the router.
//!
//! An address without an entry is unknown; its messages wait in `pending`. The table is only switched there, after
//! waiting messages went ahead, so that nothing overtakes.

use std::{
    collections::HashMap,
    hash::{BuildHasherDefault, Hasher},
    sync::Arc,
};

use caxton_abi::{Code, Envelope};

use crate::sync::{AtomicUsize, Ordering};
use crate::{cell::Cell, lineage, mailbox::Bounced, outlet::Outlet, sync::lock};

/// Where messages go.
#[derive(Clone)]
pub(crate) enum Target {
    Agent(Arc<Cell>),
    Outlet(Arc<Outlet>),
    Route(Arc<Route>),
}

impl Target {
    /// True for an agent or endpoint, to whom the address belongs; a route only borrows it.
    pub(crate) fn is_owner(&self) -> bool {
        matches!(self, Self::Agent(_) | Self::Outlet(_))
    }
}

/// A route that the router programmed.
pub(crate) struct Route {
    pub(crate) mode: Mode,
    pub(crate) targets: Vec<u32>,
    next: AtomicUsize,
}

/// How a route uses its targets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    /// A copy to each.
    All,
    /// To one of them, in turn.
    Any,
}

impl Route {
    pub(crate) fn new(mode: Mode, targets: Vec<u32>) -> Self {
        Self { mode, targets, next: AtomicUsize::new(0) }
    }

    /// All targets, beginning with the one whose turn it is.
    pub(crate) fn in_turn(&self) -> impl Iterator<Item = u32> {
        let count = self.targets.len().max(1);
        let start = self.next.fetch_add(1, Ordering::Relaxed) % count;
        self.targets.iter().cycle().skip(start).take(self.targets.len()).copied()
    }
}

/// The table.
pub(crate) type Table = HashMap<u32, Target, BuildHasherDefault<ByAddress>>;

/// Addresses are the kernel's own numbers, so one multiplication spreads them.
#[derive(Default)]
pub(crate) struct ByAddress(u64);

impl Hasher for ByAddress {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        bytes.iter().for_each(|byte| self.write_u32(u32::from(*byte)));
    }

    fn write_u32(&mut self, address: u32) {
        const ODD: u64 = 0x9e37_79b9_7f4a_7c15;
        self.0 = (self.0.rotate_left(32) ^ u64::from(address)).wrapping_mul(ODD);
    }
}

/// A reserved place in a mailbox; given back when it is dropped.
pub(crate) struct Slot {
    inbox: Option<Inbox>,
    bytes: usize,
}

enum Inbox {
    Agent(Arc<Cell>),
    Outlet(Arc<Outlet>),
}

/// What is to be done after a message was put into its place.
pub(crate) enum Filled {
    /// Nothing: somebody is at it.
    Quiet,
    /// The agent is now marked as queued and belongs into the run queue.
    Queue(Arc<Cell>),
    /// The outlet has to be emptied by the caller.
    Empty(Arc<Outlet>),
}

impl Slot {
    pub(crate) fn of_agent(cell: &Arc<Cell>, message: &Envelope) -> Result<Self, Code> {
        let mut desk = lock(&cell.desk);
        let cell = if desk.divided {
            drop(desk);
            lineage::reserve(cell, message)?
        } else {
            desk.mailbox.reserve(message, &cell.limits)?;
            Arc::clone(cell)
        };
        Ok(Self { inbox: Some(Inbox::Agent(cell)), bytes: message.content.len() })
    }

    pub(crate) fn of_outlet(outlet: &Arc<Outlet>, message: &Envelope) -> Result<Self, Code> {
        lock(&outlet.desk).mailbox.reserve(message, &outlet.limits)?;
        Ok(Self { inbox: Some(Inbox::Outlet(Arc::clone(outlet))), bytes: message.content.len() })
    }

    /// Puts the message in; gives it back with the reason when the mailbox was closed since.
    pub(crate) fn fill(mut self, message: Envelope) -> Result<Filled, Box<Bounced>> {
        match self.inbox.take() {
            None => Err(Box::new(Bounced { envelope: message, code: Code::INTERNAL })),
            Some(Inbox::Agent(cell)) => {
                let mut desk = lock(&cell.desk);
                if desk.divided {
                    drop(desk);
                    return lineage::fill(&cell, message);
                }
                desk.mailbox.fill(message)?;
                let queue = desk.enqueue();
                drop(desk);
                Ok(if queue { Filled::Queue(cell) } else { Filled::Quiet })
            }
            Some(Inbox::Outlet(outlet)) => {
                let mut desk = lock(&outlet.desk);
                desk.mailbox.fill(message)?;
                let first = !std::mem::replace(&mut desk.draining, true);
                drop(desk);
                Ok(if first { Filled::Empty(outlet) } else { Filled::Quiet })
            }
        }
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        match self.inbox.take() {
            None => {}
            Some(Inbox::Agent(cell)) => lock(&cell.desk).mailbox.cancel(self.bytes),
            Some(Inbox::Outlet(outlet)) => lock(&outlet.desk).mailbox.cancel(self.bytes),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_any_route_takes_its_targets_in_turn() {
        let route = Route::new(Mode::Any, vec![5, 6, 7]);
        assert_eq!(route.in_turn().collect::<Vec<_>>(), [5, 6, 7]);
        assert_eq!(route.in_turn().collect::<Vec<_>>(), [6, 7, 5]);
    }

    #[test]
    fn a_route_without_targets_offers_none() {
        assert_eq!(Route::new(Mode::Any, Vec::new()).in_turn().count(), 0);
    }
}
