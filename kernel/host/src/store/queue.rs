//! Transactions that wait to be written, in order.

use std::{collections::VecDeque, sync::mpsc};

use caxton_core::store::Written;

use super::transaction::{Purpose, Transaction};

/// Who waits for a transaction.
pub enum End {
    /// The core.
    Ticket(u64),
    /// A caller of the host's own.
    Caller(mpsc::SyncSender<Written>),
}

/// A transaction and who waits for it.
pub struct Entry {
    /// Who waits.
    pub end: End,
    /// What is to be written.
    pub transaction: Transaction,
}

/// The queue.
#[derive(Default)]
pub struct Queue {
    entries: VecDeque<Entry>,
    bytes: usize,
}

impl Queue {
    /// Appends a transaction.
    pub fn push(&mut self, entry: Entry) {
        self.bytes += entry.transaction.bytes;
        self.entries.push_back(entry);
    }

    /// Takes the oldest ones, as many as fit into the bounds and at least one.
    pub fn group(&mut self, changes_max: usize, bytes_max: usize) -> Vec<Entry> {
        let (mut changes, mut bytes) = (0, 0);
        let fitting = self.entries.iter().take_while(|Entry { transaction, .. }| {
            changes += transaction.count();
            bytes += transaction.bytes;
            changes <= changes_max && bytes <= bytes_max
        });
        let count = fitting.count().max(1).min(self.entries.len());
        let group: Vec<Entry> = self.entries.drain(..count).collect();
        group.iter().for_each(|entry| self.bytes -= entry.transaction.bytes);
        group
    }

    /// Takes those of a purpose out.
    pub fn take(&mut self, purpose: Purpose) -> Vec<Entry> {
        let all = std::mem::take(self).entries;
        let (taken, left): (Vec<_>, Vec<_>) =
            all.into_iter().partition(|entry| entry.transaction.purpose == purpose);
        left.into_iter().for_each(|entry| self.push(entry));
        taken
    }

    /// True when nothing waits.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Bytes that wait.
    pub fn bytes(&self) -> usize {
        self.bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use caxton_abi::{Envelope, Header};
    use caxton_core::store::Change;

    /// Each has one change; its size is that of its content and a constant.
    fn entry(ticket: u64, bytes: usize, purpose: Purpose) -> Entry {
        let change = match purpose {
            Purpose::Adds => Change::Keep(Box::new(Envelope::new(Header::default(), vec![0; bytes].into()))),
            Purpose::Ends => Change::Exhume(ticket),
            Purpose::Frees => Change::Forget { stored: ticket, counted: false },
        };
        Entry { end: End::Ticket(ticket), transaction: Transaction::new(vec![change]) }
    }

    fn tickets(entries: &[Entry]) -> Vec<u64> {
        let ticket = |entry: &Entry| match entry.end {
            End::Ticket(ticket) => ticket,
            End::Caller(_) => 0,
        };
        entries.iter().map(ticket).collect()
    }

    #[test]
    fn a_group_keeps_to_its_bounds_and_a_large_one_goes_alone() {
        let mut queue = Queue::default();
        let empty = entry(0, 0, Purpose::Adds).transaction.bytes;
        [0, 0, 0, 9 * empty, 0].iter().zip(1..).for_each(|(bytes, ticket)| {
            queue.push(entry(ticket, *bytes, Purpose::Adds));
        });
        assert_eq!(tickets(&queue.group(2, 3 * empty)), [1, 2]);
        assert_eq!(tickets(&queue.group(9, 3 * empty)), [3]);
        assert_eq!(tickets(&queue.group(9, 3 * empty)), [4]);
        assert_eq!(queue.bytes(), empty);
        assert_eq!(tickets(&queue.group(9, 3 * empty)), [5]);
        assert!(queue.group(9, 3 * empty).is_empty());
    }

    #[test]
    fn what_is_left_stays_in_order_when_some_are_taken_out() {
        let mut queue = Queue::default();
        let purposes = [Purpose::Ends, Purpose::Adds, Purpose::Frees, Purpose::Adds];
        purposes.iter().zip(1..).for_each(|(purpose, ticket)| queue.push(entry(ticket, 8, *purpose)));
        assert_eq!(tickets(&queue.take(Purpose::Adds)), [2, 4]);
        assert_eq!(tickets(&queue.group(9, 9999)), [1, 3]);
    }
}
