//! A transaction, what it is for, and how it becomes changes of keys.

use caxton_abi::{
    Payload,
    port::{StoreOp, store_op},
    std_types::RVec,
};
use caxton_core::{agent::Directory, store::Change};

use super::{
    key,
    record::{self, Texts},
};

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
        let frees = |change: &Change| matches!(change, Change::Forget { .. } | Change::Unsee(_));
        let purpose = match () {
            () if changes.iter().all(adds) => Purpose::Adds,
            () if changes.iter().all(frees) => Purpose::Frees,
            () => Purpose::Ends,
        };
        let messages = changes.iter().map(|change| match change {
            Change::Keep(_) => 1,
            Change::Forget { .. } => -1,
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
}

/// Changes of keys that are made of several transactions, to be written together.
pub struct Group<'a> {
    texts: Texts<'a>,
    changes: Vec<StoreOp>,
    /// Messages that ended, and counts that go with them.
    forgotten: Vec<u64>,
    uncounted: Vec<u64>,
}

impl<'a> Group<'a> {
    /// One without transactions.
    pub fn new(names: &'a dyn Directory) -> Self {
        let (changes, forgotten, uncounted) = Default::default();
        Self { texts: Texts::of(names), changes, forgotten, uncounted }
    }

    /// Adds a transaction's changes.
    pub fn add(&mut self, transaction: &Transaction) {
        match &transaction.changes {
            Changes::Core(changes) => changes.iter().for_each(|change| self.encode(change)),
            Changes::Host(changes) => self.changes.extend(changes.iter().cloned()),
        }
    }

    /// All changes: in order, and last what is removed of messages, neighbours together. A message is never kept and
    /// forgotten in one group, because nobody has it before it is on disk.
    pub fn finish(self) -> Vec<StoreOp> {
        let Self { mut changes, forgotten, uncounted, .. } = self;
        changes.extend(removals(key::MESSAGES, forgotten));
        changes.extend(removals(key::COUNTS, uncounted));
        changes
    }

    fn encode(&mut self, change: &Change) {
        let texts = &self.texts;
        self.changes.push(match change {
            Change::Keep(envelope) => {
                let key = key::numbered(key::MESSAGES, envelope.head.stored);
                put(key, record::message(envelope, texts))
            }
            Change::Count { stored, deliveries } => {
                put(key::numbered(key::COUNTS, *stored), record::count(*deliveries))
            }
            Change::Forget { stored, counted } => {
                self.forgotten.push(*stored);
                self.uncounted.extend(counted.then_some(*stored));
                return;
            }
            Change::Bury(letter) => {
                put(key::numbered(key::LETTERS, letter.number), record::letter(letter, texts))
            }
            Change::Exhume(number) => remove(key::numbered(key::LETTERS, *number)),
            Change::Saw(sighting) => {
                put(key::numbered(key::SIGHTINGS, sighting.number), record::sighting(sighting, texts))
            }
            Change::Unsee(number) => remove(key::numbered(key::SIGHTINGS, *number)),
        });
    }
}

/// Removes numbers of a kind: numbers that follow each other by one change.
fn removals(kind: &[u8], mut numbers: Vec<u64>) -> impl Iterator<Item = StoreOp> {
    numbers.sort_unstable();
    numbers.dedup();
    let mut runs: Vec<(u64, u64)> = Vec::new();
    for number in numbers {
        match runs.last_mut() {
            Some((_, last)) if number - *last == 1 => *last = number,
            _ => runs.push((number, number)),
        }
    }
    runs.into_iter().map(|(first, last)| {
        let from = key::numbered(kind, first);
        if first == last { remove(from) } else { truncate(from, key::next(&key::numbered(kind, last))) }
    })
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

/// Removes the keys from one up to another.
fn truncate(from: Vec<u8>, until: Vec<u8>) -> StoreOp {
    StoreOp { kind: store_op::TRUNCATE, key: RVec::from(from), value: Payload::from(until) }
}

/// Removes a key.
pub fn remove(key: Vec<u8>) -> StoreOp {
    StoreOp { kind: store_op::REMOVE, key: RVec::from(key), value: Payload::EMPTY }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_that_follow_each_other_are_removed_by_one_change() {
        let shown = |change: StoreOp| {
            let until = if change.kind == store_op::TRUNCATE {
                key::shown(change.value.as_slice())
            } else {
                String::new()
            };
            (key::shown(&change.key), until)
        };
        let removed: Vec<_> = removals(key::MESSAGES, vec![9, 2, 1, 3, 7, 3]).map(shown).collect();
        // The end is the key right behind the last one, whatever stands there.
        let behind = key::shown(&key::next(&key::numbered(key::MESSAGES, 3)));
        let one = |key: &str| (key.to_owned(), String::new());
        assert_eq!(removed, [("m/1".to_owned(), behind), one("m/7"), one("m/9")]);
        assert!(removals(key::COUNTS, Vec::new()).next().is_none());
    }
}
