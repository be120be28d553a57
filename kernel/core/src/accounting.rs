//! The books: submitted = accepted + refused, and accepted = delivered + expired + dead-lettered + in flight.
//!
//! Counters change only together with the move that they count, inside [`Ledger::open`]. A balance shuts the gate for a
//! moment, so no move is half done, and counts what is in flight where it lies: mailboxes, turns, retries, parked
//! messages, and the hands of operations that are running. It does not wait for turns.

use std::{
    collections::BTreeMap,
    sync::{
        Mutex, RwLock, RwLockReadGuard,
        atomic::{AtomicU64, Ordering},
    },
};

use caxton_abi::Code;

use crate::sync::{lock, read, write};

/// The balance at one instant.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Accounting {
    /// Messages that reached the door, each copy to one receiver counted.
    pub submitted: u64,
    /// Of these, taken.
    pub accepted: u64,
    /// Of these, refused.
    pub refused: u64,
    /// Accepted messages whose receiver's turn committed, or that an endpoint took.
    pub delivered: u64,
    /// Accepted messages whose reply-by passed first.
    pub expired: u64,
    /// Accepted messages that could not be delivered, by reason.
    pub dead_lettered: BTreeMap<Code, u64>,
    /// Accepted messages that have no outcome yet, counted where they lie.
    pub in_flight: u64,
}

impl Accounting {
    /// All dead letters.
    pub fn dead(&self) -> u64 {
        self.dead_lettered.values().sum()
    }

    /// True when no message vanished and none was counted twice.
    pub fn holds(&self) -> bool {
        self.submitted == self.accepted + self.refused
            && self.accepted == self.delivered + self.expired + self.dead() + self.in_flight
    }
}

/// The counters and the gate.
#[derive(Default)]
pub(crate) struct Ledger {
    gate: RwLock<()>,
    submitted: AtomicU64,
    accepted: AtomicU64,
    refused: AtomicU64,
    delivered: AtomicU64,
    expired: AtomicU64,
    dead: Mutex<BTreeMap<Code, u64>>,
    in_hand: AtomicU64,
}

/// The right to move messages. Short: no port is called and no second one is opened while it lives.
pub(crate) struct Moves<'a> {
    ledger: &'a Ledger,
    _open: RwLockReadGuard<'a, ()>,
}

impl Ledger {
    pub(crate) fn open(&self) -> Moves<'_> {
        Moves { ledger: self, _open: read(&self.gate) }
    }

    /// Shuts the gate and balances; `lying` counts messages that lie somewhere, in nobody's hand.
    pub(crate) fn balance(&self, lying: impl FnOnce() -> u64) -> Accounting {
        let _shut = write(&self.gate);
        let get = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Accounting {
            submitted: get(&self.submitted),
            accepted: get(&self.accepted),
            refused: get(&self.refused),
            delivered: get(&self.delivered),
            expired: get(&self.expired),
            dead_lettered: lock(&self.dead).clone(),
            in_flight: lying() + get(&self.in_hand),
        }
    }
}

impl Moves<'_> {
    /// Messages came in and are in the hand of the operation.
    pub(crate) fn accept(&self, messages: u64) {
        add(&self.ledger.submitted, messages);
        add(&self.ledger.accepted, messages);
        add(&self.ledger.in_hand, messages);
    }

    /// Messages were turned away.
    pub(crate) fn refuse(&self, messages: u64) {
        add(&self.ledger.submitted, messages);
        add(&self.ledger.refused, messages);
    }

    /// Messages were taken up from where they lay.
    pub(crate) fn pick_up(&self, messages: usize) {
        add(&self.ledger.in_hand, messages as u64);
    }

    /// Messages were laid down somewhere.
    pub(crate) fn lay_down(&self, messages: usize) {
        self.ledger.in_hand.fetch_sub(messages as u64, Ordering::Relaxed);
    }

    /// Messages that lay in a turn reached their receiver.
    pub(crate) fn deliver(&self, messages: usize) {
        add(&self.ledger.delivered, messages as u64);
    }

    /// A message in hand expired.
    pub(crate) fn expire(&self) {
        self.lay_down(1);
        add(&self.ledger.expired, 1);
    }

    /// A message in hand became a dead letter.
    pub(crate) fn bury(&self, code: Code) {
        self.lay_down(1);
        *lock(&self.ledger.dead).entry(code).or_insert(0) += 1;
    }
}

fn add(counter: &AtomicU64, number: u64) {
    counter.fetch_add(number, Ordering::Relaxed);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sum_holds_while_messages_are_in_a_hand() {
        let ledger = Ledger::default();
        ledger.open().accept(3);
        ledger.open().refuse(1);
        ledger.open().lay_down(1);
        ledger.open().bury(Code::POISON);
        let books = ledger.balance(|| 1);
        assert_eq!((books.in_flight, books.dead()), (2, 1));
        assert!(books.holds());
    }

    #[test]
    fn a_vanished_message_breaks_the_sum() {
        let ledger = Ledger::default();
        ledger.open().accept(1);
        ledger.open().lay_down(1);
        assert!(!ledger.balance(|| 0).holds());
    }
}
