//! Transactions that the store has not finished, and what hangs on each.
//!
//! One lock gives tickets out and hands transactions over, so they reach the store in the order of their numbers. New
//! messages are refused when they cannot be written. Everything else, such as the end of a message, must get there in
//! the end: it is held back while there is no store, and written again when a write failed. So what is held back is
//! bounded by the durable messages that were accepted before.

use {std::collections::HashMap, std::collections::VecDeque, std::sync::Arc, std::sync::atomic::AtomicU16};

use caxton_abi::{Code, Envelope};

use crate::sync::{AtomicU64, Mutex, Ordering};
use crate::{
    activation::{Activation, Work},
    agent::State,
    cell::Cell,
    flow::{Entry, Placed},
    outlet::Outlet,
    store::{Answer, Change, Requeued, Requeuing, Store},
    sync::lock,
};

/// What is taken up again when a transaction ended.
pub(crate) enum Held {
    /// Nothing: it tells of an end.
    Nothing,
    /// A dead letter that operators may send again when it is on disk.
    Letter(u64),
    /// Messages that are accepted when they are on disk.
    Submission(Box<Submission>),
    /// A turn that commits when it is on disk.
    Commit(Box<Commit>),
    /// Accepted messages with the copies that a route made of them, which are placed when these are on disk.
    Copies(Vec<Placed>),
    /// Messages that an agent handles when the count of their hand-outs is on disk.
    Turn { cell: Arc<Cell>, work: Work, batch: Vec<Envelope> },
    /// The same for an endpoint.
    HandOver { outlet: Arc<Outlet>, batch: Vec<Envelope> },
}

/// A submission that waits.
pub(crate) struct Submission {
    pub(crate) entry: Entry,
    pub(crate) reply: Reply,
}

/// Who is told of its end.
pub(crate) enum Reply {
    Sender(Answer),
    Operator(Requeue),
}

/// Dead letters that are sent again.
pub(crate) struct Requeue {
    /// One for each number that was asked for.
    pub(crate) results: Vec<Requeued>,
    /// For each message of the submission, where its result stands.
    pub(crate) places: Vec<usize>,
    pub(crate) answer: Requeuing,
}

/// A turn that waits.
pub(crate) struct Commit {
    pub(crate) activation: Activation,
    pub(crate) state: Option<State>,
    pub(crate) entry: Entry,
}

/// A transaction with what hangs on it.
pub(crate) struct Ticket {
    pub(crate) held: Held,
    /// The changes again, when they must get to the store in the end.
    pub(crate) again: Vec<Change>,
}

/// The transactions that are under way.
pub(crate) struct Tickets {
    desk: Mutex<Desk>,
    numbers: AtomicU64,
    /// Why new messages are not taken; zero when they are. Shared with those who ask beforehand.
    refusal: Arc<AtomicU16>,
}

#[derive(Default)]
struct Desk {
    store: Option<Arc<dyn Store>>,
    next: u64,
    open: HashMap<u64, Ticket>,
    /// What waits for a store that works, in order.
    back: VecDeque<(Held, Vec<Change>)>,
    trouble: Code,
}

impl Tickets {
    pub(crate) fn new(refusal: Arc<AtomicU16>) -> Self {
        refusal.store(Code::DURABLE_UNAVAILABLE.0, Ordering::Release);
        Self { desk: Mutex::default(), numbers: AtomicU64::new(1), refusal }
    }

    /// The next number of a message, dead letter or sighting.
    pub(crate) fn number(&self) -> u64 {
        self.numbers(1)
    }

    /// The first of so many numbers that follow each other.
    pub(crate) fn numbers(&self, count: u64) -> u64 {
        self.numbers.fetch_add(count, Ordering::Relaxed)
    }

    /// Goes on after a number that the store knows.
    pub(crate) fn go_on_after(&self, number: u64) {
        self.numbers.fetch_max(number.saturating_add(1), Ordering::Relaxed);
    }

    /// Why new durable messages are not taken; zero when they are.
    pub(crate) fn refusal(&self) -> Code {
        Code(self.refusal.load(Ordering::Acquire))
    }

    /// Sets the store and writes what waited for one.
    pub(crate) fn set_store(&self, store: Option<Arc<dyn Store>>) {
        let mut desk = lock(&self.desk);
        desk.store = store;
        desk.write_again();
        self.tell(&desk);
    }

    /// Begins to write a submission; it comes back when there is no store that takes it.
    pub(crate) fn try_write(
        &self,
        submission: Box<Submission>,
        changes: Vec<Change>,
    ) -> Result<(), Box<Submission>> {
        let mut desk = lock(&self.desk);
        if desk.store.is_none() || !desk.back.is_empty() {
            return Err(submission);
        }
        desk.begin(Held::Submission(submission), changes);
        Ok(())
    }

    /// Begins to write what must get to the store in the end, behind what is kept back.
    pub(crate) fn must_write(&self, held: Held, changes: Vec<Change>) {
        let mut desk = lock(&self.desk);
        if desk.back.is_empty() {
            desk.begin(held, changes);
        } else {
            desk.back.push_back((held, changes));
        }
    }

    /// Ends a ticket; `None` for one that is not known.
    pub(crate) fn end(&self, ticket: u64) -> Option<Ticket> {
        lock(&self.desk).open.remove(&ticket)
    }

    /// Keeps a transaction that failed, to write it again. New messages are refused until that is done.
    pub(crate) fn keep_back(&self, held: Held, again: Vec<Change>, code: Code) {
        let mut desk = lock(&self.desk);
        desk.back.push_back((held, again));
        desk.trouble = code;
        self.tell(&desk);
    }

    /// Writes what was kept back.
    pub(crate) fn write_again(&self) {
        let mut desk = lock(&self.desk);
        desk.write_again();
        self.tell(&desk);
    }

    fn tell(&self, desk: &Desk) {
        let code = match () {
            () if desk.store.is_none() => Code::DURABLE_UNAVAILABLE,
            () if !desk.back.is_empty() => desk.trouble,
            () => Code::NONE,
        };
        self.refusal.store(code.0, Ordering::Release);
    }
}

impl Desk {
    fn begin(&mut self, held: Held, changes: Vec<Change>) {
        let Some(store) = self.store.clone() else {
            self.back.push_back((held, changes));
            return;
        };
        let ticket = self.next;
        self.next += 1;
        let again = if held.can_fail() { Vec::new() } else { changes.clone() };
        self.open.insert(ticket, Ticket { held, again });
        store.write(ticket, changes);
    }

    fn write_again(&mut self) {
        if self.store.is_some() {
            for (held, changes) in std::mem::take(&mut self.back) {
                self.begin(held, changes);
            }
        }
    }
}

impl Held {
    /// True when a failed write has an answer: the messages are refused, or the turn did not commit.
    fn can_fail(&self) -> bool {
        matches!(self, Self::Submission(_) | Self::Commit(_))
    }
}
