//! The books: submitted = accepted + refused, and accepted = delivered + expired + dead-lettered + dropped + in flight,
//! in total and for each delivery class.
//!
//! Counters change only together with the move that they count, inside [`Ledger::open`]. A balance shuts the gate for a
//! moment, so no move is half done, and counts what is in flight where it lies: mailboxes, turns, retries, parked
//! messages, and the hands of operations that are running. It does not wait for turns. A durable message that is being
//! written is not in the books yet.

use std::collections::BTreeMap;

use caxton_abi::{Code, Envelope, class};

use crate::sync::{AtomicU64, Mutex, Ordering, RwLock, RwLockReadGuard};
use crate::{
    lanes::Lanes,
    sync::{lock, read, write},
    tally::Tally,
};

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
    /// Accepted volatile messages that were lost when the server ended, by reason.
    pub dropped: BTreeMap<Code, u64>,
    /// Accepted messages that have no outcome yet, counted where they lie.
    pub in_flight: u64,
    /// The same by class; the index is one of [`class`].
    pub by_class: [ClassBooks; class::COUNT],
    /// Dead letters that newer ones pushed out, of those counted above.
    pub dead_letters_forgotten: u64,
}

/// The balance of one delivery class.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ClassBooks {
    /// Messages that reached the door.
    pub submitted: u64,
    /// Of these, refused.
    pub refused: u64,
    /// Of these, taken.
    pub accepted: u64,
    /// Accepted and delivered.
    pub delivered: u64,
    /// Accepted and expired.
    pub expired: u64,
    /// Accepted and dead-lettered.
    pub dead_lettered: u64,
    /// Accepted and dropped.
    pub dropped: u64,
    /// Accepted without an outcome yet.
    pub in_flight: u64,
}

impl Accounting {
    /// All dead letters.
    pub fn dead(&self) -> u64 {
        self.dead_lettered.values().sum()
    }

    /// All dropped messages.
    pub fn lost(&self) -> u64 {
        self.dropped.values().sum()
    }

    /// True when no message vanished and none was counted twice, in total and in each class, and nothing but volatile
    /// messages was dropped.
    pub fn holds(&self) -> bool {
        let dropped = |class: &ClassBooks| class.dropped;
        self.total().holds()
            && self.by_class.iter().all(ClassBooks::holds)
            && self.sum(|class| class.in_flight) == self.in_flight
            && self.sum(|class| class.dead_lettered) == self.dead()
            && self.by_class.first().map_or(0, dropped) == self.lost()
    }

    fn sum(&self, field: impl Fn(&ClassBooks) -> u64) -> u64 {
        self.by_class.iter().map(field).sum()
    }

    fn total(&self) -> ClassBooks {
        ClassBooks {
            submitted: self.submitted,
            refused: self.refused,
            accepted: self.accepted,
            delivered: self.delivered,
            expired: self.expired,
            dead_lettered: self.dead(),
            dropped: self.lost(),
            in_flight: self.in_flight,
        }
    }
}

impl ClassBooks {
    /// True when the class's own sum holds.
    pub fn holds(&self) -> bool {
        let ended = self.delivered + self.expired + self.dead_lettered + self.dropped;
        self.submitted == self.accepted + self.refused && self.accepted == ended + self.in_flight
    }
}

/// One counter for each class.
#[derive(Default)]
struct Column([AtomicU64; class::COUNT]);

impl Column {
    fn add(&self, tally: Tally) {
        for (counter, number) in self.0.iter().zip(tally.counts()) {
            if number > 0 {
                counter.fetch_add(number, Ordering::Relaxed);
            }
        }
    }

    fn sub(&self, tally: Tally) {
        for (counter, number) in self.0.iter().zip(tally.counts()) {
            if number > 0 {
                counter.fetch_sub(number, Ordering::Relaxed);
            }
        }
    }

    fn get(&self, class: usize) -> u64 {
        self.0.get(class).map_or(0, |counter| counter.load(Ordering::Relaxed))
    }
}

/// The counters and the gates, one set for each lane.
pub(crate) struct Ledger {
    lanes: Lanes<Lane>,
    dead_by_code: Mutex<BTreeMap<Code, u64>>,
    dropped_by_code: Mutex<BTreeMap<Code, u64>>,
}

/// What one lane counts. Only sums over all lanes mean something: what one picks up another may lay down.
#[derive(Default)]
struct Lane {
    gate: RwLock<()>,
    accepted: Column,
    refused: Column,
    delivered: Column,
    expired: Column,
    dead: Column,
    dropped: Column,
    in_hand: Column,
}

/// The right to move messages. Short: no port is called and no second one is opened while it lives.
pub(crate) struct Moves<'a> {
    ledger: &'a Ledger,
    lane: &'a Lane,
    _open: RwLockReadGuard<'a, ()>,
}

impl Ledger {
    pub(crate) fn new(workers: usize) -> Self {
        let lanes = Lanes::new(workers, Lane::default);
        Self { lanes, dead_by_code: Mutex::default(), dropped_by_code: Mutex::default() }
    }

    /// Opens the books for the lane of everybody who is no worker.
    pub(crate) fn open(&self) -> Moves<'_> {
        self.open_in(usize::MAX)
    }

    /// Opens the books for a lane.
    pub(crate) fn open_in(&self, lane: usize) -> Moves<'_> {
        let lane = self.lanes.get(lane);
        Moves { ledger: self, lane, _open: read(&lane.gate) }
    }

    /// Shuts the gate and balances; `lying` counts messages that lie somewhere, in nobody's hand.
    pub(crate) fn balance(&self, lying: impl FnOnce() -> Tally) -> Accounting {
        let _shut: Vec<_> = self.lanes.iter().map(|lane| write(&lane.gate)).collect();
        let lying = lying().counts();
        let mut books = Accounting {
            dead_lettered: lock(&self.dead_by_code).clone(),
            dropped: lock(&self.dropped_by_code).clone(),
            ..Accounting::default()
        };
        for (class, (row, lying)) in books.by_class.iter_mut().zip(lying).enumerate() {
            *row = self.row(class, lying);
        }
        books.submitted = books.sum(|class| class.submitted);
        books.accepted = books.sum(|class| class.accepted);
        books.refused = books.sum(|class| class.refused);
        books.delivered = books.sum(|class| class.delivered);
        books.expired = books.sum(|class| class.expired);
        books.in_flight = books.sum(|class| class.in_flight);
        books
    }

    fn row(&self, class: usize, lying: u64) -> ClassBooks {
        let sum = |column: fn(&Lane) -> &Column| {
            self.lanes.iter().fold(0u64, |sum, lane| sum.wrapping_add(column(lane).get(class)))
        };
        let (accepted, refused) = (sum(|lane| &lane.accepted), sum(|lane| &lane.refused));
        ClassBooks {
            submitted: accepted + refused,
            refused,
            accepted,
            delivered: sum(|lane| &lane.delivered),
            expired: sum(|lane| &lane.expired),
            dead_lettered: sum(|lane| &lane.dead),
            dropped: sum(|lane| &lane.dropped),
            in_flight: lying.wrapping_add(sum(|lane| &lane.in_hand)),
        }
    }
}

impl Moves<'_> {
    /// Messages came in and are in the hand of the operation.
    pub(crate) fn accept(&self, messages: impl Into<Tally>) {
        let messages = messages.into();
        self.lane.accepted.add(messages);
        self.lane.in_hand.add(messages);
    }

    /// Messages came in and were laid down in the same move.
    pub(crate) fn accept_laid_down(&self, messages: Tally) {
        self.lane.accepted.add(messages);
    }

    /// Messages were turned away.
    pub(crate) fn refuse(&self, messages: impl Into<Tally>) {
        self.lane.refused.add(messages.into());
    }

    /// Messages were taken up from where they lay.
    pub(crate) fn pick_up(&self, messages: impl Into<Tally>) {
        self.lane.in_hand.add(messages.into());
    }

    /// Messages were laid down somewhere.
    pub(crate) fn lay_down(&self, messages: impl Into<Tally>) {
        self.lane.in_hand.sub(messages.into());
    }

    /// Messages that lay in a turn reached their receiver.
    pub(crate) fn deliver(&self, messages: impl Into<Tally>) {
        self.lane.delivered.add(messages.into());
    }

    /// A message in hand expired.
    pub(crate) fn expire(&self, message: &Envelope) {
        self.lay_down(message);
        self.lane.expired.add(message.into());
    }

    /// A message in hand became a dead letter.
    pub(crate) fn bury(&self, message: &Envelope, code: Code) {
        self.lay_down(message);
        self.lane.dead.add(message.into());
        *lock(&self.ledger.dead_by_code).entry(code).or_insert(0) += 1;
    }

    /// A message in hand is lost, because the server ends.
    pub(crate) fn lose(&self, message: &Envelope, code: Code) {
        self.lay_down(message);
        self.lane.dropped.add(message.into());
        *lock(&self.ledger.dropped_by_code).entry(code).or_insert(0) += 1;
    }
}

#[cfg(test)]
mod tests {
    use caxton_abi::{Header, Payload};

    use super::*;

    fn of_class(class: u8) -> Envelope {
        Envelope::new(Header { class, ..Header::default() }, Payload::EMPTY)
    }

    #[test]
    fn the_sum_holds_while_messages_are_in_a_hand() {
        let ledger = Ledger::new(1);
        let message = of_class(class::ACKED);
        ledger.open().accept(Tally::new(class::ACKED, 3));
        ledger.open().refuse(&message);
        ledger.open().lay_down(&message);
        ledger.open().bury(&message, Code::POISON);
        let books = ledger.balance(|| Tally::new(class::ACKED, 1));
        assert_eq!((books.in_flight, books.dead()), (2, 1));
        assert_eq!(books.by_class[usize::from(class::ACKED)].accepted, 3);
        assert!(books.holds());
    }

    #[test]
    fn a_vanished_message_breaks_the_sum() {
        let ledger = Ledger::new(1);
        ledger.open().accept(&of_class(0));
        ledger.open().lay_down(&of_class(0));
        assert!(!ledger.balance(Tally::default).holds());
    }

    #[test]
    fn a_message_that_changes_its_class_breaks_the_sum_of_the_classes() {
        let ledger = Ledger::new(1);
        ledger.open().accept(&of_class(class::ACKED));
        ledger.open().lay_down(&of_class(class::ACKED));
        let books = ledger.balance(|| Tally::new(class::VOLATILE, 1));
        assert!(books.total().holds());
        assert!(!books.holds());
    }

    #[test]
    fn a_dropped_message_that_was_not_volatile_breaks_the_sum() {
        let ledger = Ledger::new(1);
        for class in [class::VOLATILE, class::ACKED] {
            ledger.open().accept(&of_class(class));
            ledger.open().lose(&of_class(class), Code::SHUTTING_DOWN);
            assert_eq!(ledger.balance(Tally::default).holds(), class == class::VOLATILE);
        }
    }
}
