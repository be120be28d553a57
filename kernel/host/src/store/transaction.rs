//! A transaction, what it is for, and how it becomes changes of keys.

use caxton_abi::{
    Payload,
    port::{StoreOp, store_op},
    std_types::RVec,
};
use caxton_core::{agent::Directory, store::Change};

use super::{key, record};

/// What a transaction is for, which decides what becomes of it while the store cannot write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// It only adds: it is refused, and its sender is told.
    Adds,
    /// It ends something that is kept: it is tried until it succeeds.
    Ends,
    /// As [`Purpose::Ends`], and all it does is to remove what no other transaction that waits is about: it may go
    /// before them when the disk is full.
    Frees,
}

/// Changes that are written together or not at all.
#[derive(Clone, Debug)]
pub struct Transaction {
    changes: Changes,
    /// What it is for.
    pub purpose: Purpose,
    /// By how much it changes the number of messages that are kept.
    pub messages: i64,
    /// Its size in bytes, about.
    pub bytes: usize,
}

/// The core's changes are encoded by the writer's thread: names are looked up there, under no lock of the core, and
/// contents are shared until then.
#[derive(Clone, Debug)]
enum Changes {
    Core(Vec<Change>),
    Host(Vec<StoreOp>),
}

impl Transaction {
    /// A transaction of the core.
    pub fn new(changes: Vec<Change>) -> Self {
        let adds = |change: &Change| matches!(change, Change::Keep(_) | Change::Saw(_));
        let frees = |change: &Change| matches!(change, Change::Forget(_) | Change::Unsee(_));
        let purpose = match () {
            () if changes.iter().all(adds) => Purpose::Adds,
            () if changes.iter().all(frees) => Purpose::Frees,
            () => Purpose::Ends,
        };
        let messages = changes.iter().map(|change| match change {
            Change::Keep(_) => 1,
            Change::Forget(_) => -1,
            _ => 0,
        });
        let bytes = changes.iter().map(size).sum();
        Self { purpose, messages: messages.sum(), bytes, changes: Changes::Core(changes) }
    }

    /// A transaction of the host's own, which must be written.
    pub fn of(changes: Vec<StoreOp>) -> Self {
        let bytes = changes.iter().map(|change| change.key.len() + change.value.len()).sum();
        Self { changes: Changes::Host(changes), purpose: Purpose::Ends, messages: 0, bytes }
    }

    /// How many changes it has.
    pub fn count(&self) -> usize {
        match &self.changes {
            Changes::Core(changes) => changes.len(),
            Changes::Host(changes) => changes.len(),
        }
    }

    /// Appends its changes of keys, in order.
    pub fn encode(&self, names: &dyn Directory, out: &mut Vec<StoreOp>) {
        match &self.changes {
            Changes::Core(changes) => changes.iter().for_each(|change| encode(change, names, out)),
            Changes::Host(changes) => out.extend(changes.iter().cloned()),
        }
    }
}

/// Bytes of a record beside the content: ids, numbers and some names.
const RECORD_BYTES: usize = 256;

fn size(change: &Change) -> usize {
    RECORD_BYTES
        + match change {
            Change::Keep(envelope) => envelope.content.len(),
            Change::Bury(letter) => letter.envelope.content.len(),
            _ => 0,
        }
}

/// Writes a value under a key.
pub fn put(key: Vec<u8>, value: Vec<u8>) -> StoreOp {
    StoreOp { kind: store_op::PUT, key: RVec::from(key), value: Payload::from(value) }
}

/// Removes a key.
pub fn remove(key: Vec<u8>) -> StoreOp {
    StoreOp { kind: store_op::REMOVE, key: RVec::from(key), value: Payload::EMPTY }
}

fn encode(change: &Change, names: &dyn Directory, out: &mut Vec<StoreOp>) {
    match change {
        Change::Keep(envelope) => {
            let key = key::numbered(key::MESSAGES, envelope.head.stored);
            out.push(put(key, record::message(envelope, names)));
        }
        Change::Count { stored, deliveries } => {
            out.push(put(key::numbered(key::COUNTS, *stored), record::count(*deliveries)));
        }
        Change::Forget(stored) => {
            out.push(remove(key::numbered(key::MESSAGES, *stored)));
            out.push(remove(key::numbered(key::COUNTS, *stored)));
        }
        Change::Bury(letter) => {
            out.push(put(key::numbered(key::LETTERS, letter.number), record::letter(letter, names)));
        }
        Change::Exhume(number) => out.push(remove(key::numbered(key::LETTERS, *number))),
        Change::Saw(sighting) => {
            out.push(put(key::numbered(key::SIGHTINGS, sighting.number), record::sighting(sighting, names)));
        }
        Change::Unsee(number) => out.push(remove(key::numbered(key::SIGHTINGS, *number))),
    }
}
