//! The end of the server: nothing is taken any more, and what is left ends as its class says.

use caxton_abi::{Code, Envelope};

use crate::sync::Ordering;
use crate::{
    accounting::Accounting,
    bus::Bus,
    flow::{Flow, Place},
    pending::Parked,
    schedule::placed,
    sync::{lock, read},
    tally::Tally,
    time::Time,
};

impl Bus {
    /// Closes every mailbox, for the server's end, and balances the books for the last time. Volatile messages that are
    /// left are dropped with [`Code::SHUTTING_DOWN`], acked ones become dead letters, durable ones stay in flight: they
    /// lie in the store. So do messages of turns that still run; call it when they have ended.
    pub fn close(&self, now: Time) -> Accounting {
        self.closed.store(true, Ordering::Release);
        let mut flow = Flow::new(self, self.run_queue.workers(), now);
        let moves = self.ledger.open();
        let mut left = self.empty_desks();
        let parked = |parked: Vec<Parked>| parked.into_iter().map(|parked| parked.envelope);
        left.extend(parked(lock(&self.lookup.pending).clear()));
        left.extend(parked(lock(&self.retries).clear()));
        moves.pick_up(Tally::of(&left));
        drop(moves);
        let ended = |message| placed(message, Place::Dead(Code::SHUTTING_DOWN));
        flow.later(left.into_iter().map(ended).collect());
        flow.settle();
        self.accounting()
    }

    fn empty_desks(&self) -> Vec<Envelope> {
        let registry = read(&self.lookup.registry);
        let mut left = Vec::new();
        for lineage in registry.in_order() {
            for version in &lock(&lineage.roster).versions {
                let mut desk = lock(&version.cell.desk);
                left.extend(desk.retry.drain(..));
                left.extend(desk.mailbox.close(Code::SHUTTING_DOWN));
            }
        }
        for outlet in registry.outlets.values() {
            left.extend(lock(&outlet.desk).mailbox.close(Code::SHUTTING_DOWN));
        }
        left
    }
}
