//! A store in memory for tests, which fails as it is told to.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::{Mutex, mpsc},
};

use caxton_abi::{
    Code, Payload,
    port::{StoreEntry, StoreOp, store_op},
};

use super::{Port, writer::lock};
use crate::plugin::Failure;

/// What becomes of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// It succeeds.
    None,
    /// The disk is full: nothing is applied.
    Full,
    /// It fails, and nothing is applied.
    Lost,
    /// It fails, and all is applied.
    Applied,
}

/// The store.
#[derive(Default)]
pub struct Faulty {
    entries: Mutex<BTreeMap<Vec<u8>, Payload>>,
    /// What becomes of the next writes; then they succeed.
    writes: Mutex<VecDeque<Fault>>,
    /// How many more times it cannot be opened again.
    closed: Mutex<u32>,
    /// Keys of each write that was tried, in order.
    tried: Mutex<Vec<Vec<Vec<u8>>>>,
    /// Writes wait here for a word each, when there is one.
    gate: Mutex<Option<mpsc::Receiver<()>>>,
    /// It failed and was not opened again.
    broken: Mutex<bool>,
}

impl Faulty {
    pub fn fail(&self, faults: impl IntoIterator<Item = Fault>) {
        lock(&self.writes).extend(faults);
    }
    pub fn stay_closed(&self, times: u32) {
        *lock(&self.closed) = times;
    }
    /// Makes each write wait for a word.
    pub fn gate(&self) -> mpsc::Sender<()> {
        let (sender, receiver) = mpsc::channel();
        *lock(&self.gate) = Some(receiver);
        sender
    }
    pub fn put(&self, key: Vec<u8>, value: Vec<u8>) {
        lock(&self.entries).insert(key, value.into());
    }
    /// The keys that are there, as people read them, without the version.
    pub fn keys(&self) -> Vec<String> {
        let keys = lock(&self.entries).keys().map(|key| super::key::shown(key)).collect::<Vec<_>>();
        keys.into_iter().filter(|key| key != "v").collect()
    }
    /// The keys of each write that was tried.
    pub fn tried(&self) -> Vec<Vec<String>> {
        let shown = |keys: &Vec<Vec<u8>>| keys.iter().map(|key| super::key::shown(key)).collect();
        lock(&self.tried).iter().map(shown).collect()
    }
}

impl Port for Faulty {
    fn write(&self, changes: &[StoreOp]) -> Result<(), Failure> {
        lock(&self.tried).push(changes.iter().map(|change| change.key.to_vec()).collect());
        if let Some(gate) = &*lock(&self.gate) {
            let _open_for_good = gate.recv();
        }
        if *lock(&self.broken) {
            return Err(Failure::new(Code::STORE_FAILED, "not opened again"));
        }
        let fault = lock(&self.writes).pop_front().unwrap_or(Fault::None);
        if matches!(fault, Fault::None | Fault::Applied) {
            let mut entries = lock(&self.entries);
            for change in changes {
                let (key, value) = (change.key.as_slice(), change.value.as_slice());
                match change.kind {
                    store_op::PUT => drop(entries.insert(key.to_vec(), change.value.clone())),
                    store_op::REMOVE => drop(entries.remove(key)),
                    _ => entries.retain(|other, _| !(key..value).contains(&other.as_slice())),
                }
            }
        }
        match fault {
            Fault::None => Ok(()),
            Fault::Full => Err(Failure::new(Code::STORE_FULL, "the disk is full")),
            Fault::Lost | Fault::Applied => {
                *lock(&self.broken) = true;
                Err(Failure::new(Code::INTERNAL, "input/output error"))
            }
        }
    }

    fn get(&self, key: &[u8]) -> Result<Option<Payload>, Failure> {
        Ok(lock(&self.entries).get(key).cloned())
    }

    fn page(&self, from: &[u8], until: &[u8]) -> Result<Vec<StoreEntry>, Failure> {
        let entries = lock(&self.entries);
        let within =
            entries.range(from.to_vec()..).take_while(|(key, _)| until.is_empty() || key.as_slice() < until);
        let entry = |(key, value): (&Vec<u8>, &Payload)| StoreEntry {
            key: key.as_slice().into(),
            value: value.clone(),
        };
        // Small pages, so that tests turn some.
        Ok(within.take(2).map(entry).collect())
    }

    fn reopen(&self) -> Result<(), Failure> {
        let mut closed = lock(&self.closed);
        if *closed > 0 {
            *closed -= 1;
            return Err(Failure::new(Code::STORE_FAILED, "cannot be opened"));
        }
        *lock(&self.broken) = false;
        Ok(())
    }
}
