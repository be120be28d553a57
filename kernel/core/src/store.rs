//! What the core asks of stable storage: transactions that it begins and whose end it is told.
//!
//! The core never waits. It hands a transaction over with a ticket and goes on; [`Bus::stored`](crate::Bus::stored) takes
//! up again what hangs on the ticket. So a worker runs other agents while a disk turns, and the simulator decides when a
//! write is done and when it is lost.

use caxton_abi::{Code, Envelope, Header, Uid, class, flags, port::Outcome};

use crate::{dead_letter::DeadLetter, time::Time};

/// Milliseconds until a transaction that failed is written again: a disk needs longer than a turn to become well.
pub(crate) const WRITE_AGAIN_MS: u64 = 100;

/// One change of what is kept. Applying a change twice does the same as applying it once.
#[derive(Clone, Debug)]
pub enum Change {
    /// Keep an accepted message under `head.stored`, with its `head.deliveries`.
    Keep(Box<Envelope>),
    /// The message is about to be handed out for this time.
    Count {
        /// The message's number.
        stored: u64,
        /// How often it was handed out, this time included.
        deliveries: u8,
    },
    /// The message reached its end.
    Forget {
        /// The message's number.
        stored: u64,
        /// Whether a hand-out may have been counted under it.
        counted: bool,
    },
    /// Keep a dead letter under its number.
    Bury(Box<DeadLetter>),
    /// The dead letter was requeued, purged, or pushed out by newer ones.
    Exhume(u64),
    /// A sender's own id was accepted.
    Saw(Sighting),
    /// The sighting is older than the window.
    Unsee(u64),
}

impl Change {
    /// The message with this head reached its end.
    pub(crate) fn forget(head: &Header) -> Self {
        Self::Forget { stored: head.stored, counted: needs_count(head) }
    }
}

/// A message id that a sender chose, kept to know duplicates.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sighting {
    /// Its number in the order of sightings.
    pub number: u64,
    /// Interned sender.
    pub sender: u32,
    /// The sender's id for its message.
    pub id: Uid,
    /// A digest of receivers, act and content, to tell a repetition from another message.
    pub digest: u64,
}

/// Stable storage. Implemented by the host over the plugin that provides it, and by the simulator.
pub trait Store: Send + Sync {
    /// Begins one transaction and returns at once, without calling the bus. Each ticket ends in exactly one call of
    /// [`Bus::stored`](crate::Bus::stored), in the order of these calls, from any thread, never from within this one.
    fn write(&self, ticket: u64, changes: Vec<Change>);
}

/// What a store held when the server began; see [`Bus::recover`](crate::Bus::recover).
#[derive(Clone, Debug, Default)]
pub struct Recovered {
    /// Messages in the order of their numbers, with addresses interned anew.
    pub messages: Vec<Envelope>,
    /// Dead letters, oldest first.
    pub letters: Vec<DeadLetter>,
    /// Sightings, oldest first.
    pub sightings: Vec<Sighting>,
}

/// Takes the outcomes of a submission that waited: one each, in order.
pub type Answer = Box<dyn FnOnce(Vec<Outcome>) + Send>;

/// Takes the ends of dead letters that were sent again: one for each number that was asked for, in order.
pub type Requeuing = Box<dyn FnOnce(Vec<Requeued>) + Send>;

/// How a transaction ended: `Err` with [`Code::STORE_FULL`] or [`Code::STORE_FAILED`] when nothing of it is kept. The
/// core refuses new messages then, runs a turn again, and writes everything else again a little later.
pub type Written = Result<(), Code>;

/// A dead letter's end by an operator, for each number asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Requeued {
    /// The letter's number.
    pub number: u64,
    /// Zero when it was accepted again, [`Code::NOT_FOUND`] when there is no such letter, else why it was refused; it
    /// stays a dead letter then.
    pub code: Code,
    /// When.
    pub at: Time,
}

/// True for a message that lay in the store when the server began. It was accepted before, so it is never refused for
/// want of room and waits for its receiver without a deadline of the kernel's.
pub(crate) fn is_recovered(head: &Header) -> bool {
    // A letter that is sent again begins with no hand-outs; a recovered message had at least the first one counted.
    head.class == class::DURABLE && head.flags & flags::REDELIVERED != 0 && head.deliveries > 0
}

/// True for a message whose hand-out is to be counted in the store first; the first one is counted when it is accepted.
pub(crate) fn needs_count(head: &Header) -> bool {
    head.class == class::DURABLE && head.flags & flags::REDELIVERED != 0
}
