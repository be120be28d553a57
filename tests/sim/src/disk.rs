//! A simulated store: transactions are begun at once and written when the seed says so. A crash keeps some of those that
//! were begun, in order, and loses the rest.

use std::{
    collections::{BTreeMap, HashSet, VecDeque},
    sync::{Mutex, MutexGuard, PoisonError},
};

use caxton_abi::{Envelope, Uid};
use caxton_core::{
    DeadLetter,
    store::{Change, Sighting, Store},
};

/// The disk and what is on its way there.
#[derive(Default)]
pub(crate) struct Disk(Mutex<Inner>);

#[derive(Default)]
pub(crate) struct Inner {
    begun: VecDeque<(u64, Vec<Change>)>,
    pub(crate) kept: Kept,
}

/// What is on the disk.
#[derive(Clone, Default)]
pub(crate) struct Kept {
    pub(crate) messages: BTreeMap<u64, Envelope>,
    pub(crate) letters: BTreeMap<u64, DeadLetter>,
    pub(crate) sightings: BTreeMap<u64, Sighting>,
}

impl Store for Disk {
    fn write(&self, ticket: u64, changes: Vec<Change>) {
        self.open().begun.push_back((ticket, changes));
    }
}

impl Disk {
    pub(crate) fn with(kept: Kept) -> Self {
        Self(Mutex::new(Inner { begun: VecDeque::new(), kept }))
    }

    pub(crate) fn open(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes the transaction that was begun first; returns its ticket.
    pub(crate) fn write_one(&self) -> Option<u64> {
        self.open().write_one()
    }

    /// Fails the transaction that was begun first; returns its ticket.
    pub(crate) fn fail_one(&self) -> Option<u64> {
        self.open().begun.pop_front().map(|(ticket, _)| ticket)
    }
}

impl Inner {
    pub(crate) fn begun(&self) -> usize {
        self.begun.len()
    }

    pub(crate) fn write_one(&mut self) -> Option<u64> {
        let (ticket, changes) = self.begun.pop_front()?;
        changes.into_iter().for_each(|change| self.kept.apply(change));
        Some(ticket)
    }

    /// The ids and contents of the messages on the disk.
    pub(crate) fn messages(&self) -> (HashSet<Uid>, HashSet<&[u8]>) {
        let kept = self.kept.messages.values();
        kept.map(|message| (message.head.id, message.content.as_slice())).unzip()
    }
}

impl Kept {
    fn apply(&mut self, change: Change) {
        match change {
            Change::Keep(message) => {
                self.messages.insert(message.head.stored, *message);
            }
            Change::Count { stored, deliveries } => {
                if let Some(message) = self.messages.get_mut(&stored) {
                    message.head.deliveries = deliveries;
                }
            }
            Change::Forget { stored, .. } => {
                self.messages.remove(&stored);
            }
            Change::Bury(letter) => {
                self.letters.insert(letter.number, *letter);
            }
            Change::Exhume(number) => {
                self.letters.remove(&number);
            }
            Change::Saw(sighting) => {
                self.sightings.insert(sighting.number, sighting);
            }
            Change::Unsee(number) => {
                self.sightings.remove(&number);
            }
        }
    }
}
