//! A store that writes when the test says so, and a server that begins again from what was written.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::{Arc, Mutex},
};

use caxton_abi::{Code, Envelope, Uid, class, port::Outcome};
use caxton_core::{
    Bus, DeadLetter, Limits,
    store::{Change, Recovered, Sighting, Store},
};

use crate::rig::*;

#[derive(Default)]
pub struct Shelf {
    begun: Mutex<VecDeque<(u64, Vec<Change>)>>,
    pub kept: Mutex<Kept>,
}

#[derive(Clone, Default)]
pub struct Kept {
    pub messages: BTreeMap<u64, Envelope>,
    pub letters: BTreeMap<u64, DeadLetter>,
    pub sightings: BTreeMap<u64, Sighting>,
}

/// The outcomes of a submission that waits, once they came.
pub type Promise = Arc<Mutex<Option<Vec<Outcome>>>>;

impl Store for Shelf {
    fn write(&self, ticket: u64, changes: Vec<Change>) {
        self.begun.lock().unwrap().push_back((ticket, changes));
    }
}

impl Kept {
    fn apply(&mut self, change: Change) {
        match change {
            Change::Keep(message) => drop(self.messages.insert(message.head.stored, *message)),
            Change::Count { stored, deliveries } => {
                self.messages.get_mut(&stored).unwrap().head.deliveries = deliveries;
            }
            Change::Forget { stored, .. } => drop(self.messages.remove(&stored)),
            Change::Bury(letter) => drop(self.letters.insert(letter.number, *letter)),
            Change::Exhume(number) => drop(self.letters.remove(&number)),
            Change::Saw(sighting) => drop(self.sightings.insert(sighting.number, sighting)),
            Change::Unsee(number) => drop(self.sightings.remove(&number)),
        }
    }

    pub fn texts(&self) -> Vec<String> {
        self.messages.values().map(text).collect()
    }
}

impl Rig {
    pub fn shelf(&self) -> Arc<Shelf> {
        let shelf = Arc::new(Shelf::default());
        self.bus.set_store(Some(shelf.clone()));
        shelf
    }

    /// Writes everything that was begun, and what begins then.
    pub fn write(&self, shelf: &Shelf) {
        while self.write_one(shelf) {}
    }

    pub fn write_one(&self, shelf: &Shelf) -> bool {
        let Some((ticket, changes)) = shelf.begun.lock().unwrap().pop_front() else { return false };
        let mut kept = shelf.kept.lock().unwrap();
        changes.into_iter().for_each(|change| kept.apply(change));
        drop(kept);
        self.bus.stored(ticket, Ok(()), self.now);
        true
    }

    /// Fails the transaction that was begun first.
    pub fn fail_one(&self, shelf: &Shelf, code: Code) {
        let (ticket, _) = shelf.begun.lock().unwrap().pop_front().unwrap();
        self.bus.stored(ticket, Err(code), self.now);
    }

    /// Turns and writes until nothing is left to do.
    pub fn run_with(&self, shelf: &Shelf) {
        while self.turn() || self.write_one(shelf) {}
    }

    pub fn submit_and_wait(&self, messages: Vec<Envelope>) -> Promise {
        let promise = Promise::default();
        let answer = promise.clone();
        let take = move |outcomes| *answer.lock().unwrap() = Some(outcomes);
        self.bus.submit_and_wait(messages, self.now, Box::new(take));
        promise
    }

    /// Submits a durable message from the client and writes it.
    pub fn keep(&self, shelf: &Shelf, to: u32, text: &str) -> Code {
        let promise = self.submit_and_wait(vec![durable(self.client, to, text)]);
        self.write(shelf);
        code(&promise)
    }

    /// The server is killed and begins again from what was written; nobody is deployed yet.
    pub fn begin_again(&self, shelf: &Shelf, limits: Limits) -> (Rig, Arc<Shelf>) {
        let rig = Rig::with(limits);
        let kept = shelf.kept.lock().unwrap().clone();
        let again = rig.shelf();
        *again.kept.lock().unwrap() = kept.clone();
        let move_over = |address: u32| move_address(&self.bus, &rig.bus, address);
        let message = |mut message: Envelope| {
            message.head.sender = move_over(message.head.sender);
            message.head.receiver = move_over(message.head.receiver);
            message
        };
        let letter = |letter: DeadLetter| DeadLetter { envelope: message(letter.envelope.clone()), ..letter };
        let sighting = |seen: Sighting| Sighting { sender: move_over(seen.sender), ..seen };
        let recovered = Recovered {
            messages: kept.messages.into_values().map(message).collect(),
            letters: kept.letters.into_values().map(letter).collect(),
            sightings: kept.sightings.into_values().map(sighting).collect(),
        };
        rig.bus.recover(recovered, rig.now);
        (rig, again)
    }
}

fn move_address(from: &Bus, to: &Bus, address: u32) -> u32 {
    to.address(&from.directory().name_of(address).unwrap()).unwrap()
}

pub fn code(promise: &Promise) -> Code {
    promise.lock().unwrap().as_ref().expect("an answer")[0].code
}

pub fn of_class(class: u8, from: u32, to: u32, text: &str) -> Envelope {
    let mut message = message(from, to, caxton_acl::Performative::Inform, text);
    message.head.class = class;
    message
}

pub fn durable(from: u32, to: u32, text: &str) -> Envelope {
    of_class(class::DURABLE, from, to, text)
}

pub fn acked(from: u32, to: u32, text: &str) -> Envelope {
    of_class(class::ACKED, from, to, text)
}

pub fn with_id(mut message: Envelope, id: u128) -> Envelope {
    message.head.id = Uid::from_u128(id);
    message
}
