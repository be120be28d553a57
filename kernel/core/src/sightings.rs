//! Message ids that senders chose, remembered for a while, so that a message which is sent twice is taken once.
//!
//! The window is bounded, oldest out; an id is scoped by its sender. What comes again with other receivers, another act
//! or another content under the same id is a conflict. Ids that the kernel mints are not kept.

use std::collections::{HashMap, VecDeque};

use caxton_abi::{Code, Uid};

use crate::store::Sighting;

/// A sender and its id for a message.
pub(crate) type Key = (u32, Uid);

/// The window.
pub(crate) struct Sightings {
    known: HashMap<Key, Known>,
    /// Accepted ones, oldest first.
    order: VecDeque<Key>,
    sightings_max: usize,
}

struct Known {
    digest: u64,
    /// The number in the store, zero for those that are not kept there.
    number: u64,
    accepted: bool,
}

impl Sightings {
    pub(crate) fn new(sightings_max: usize) -> Self {
        Self { known: HashMap::new(), order: VecDeque::new(), sightings_max }
    }

    /// Takes note of a message that is about to be accepted, or says why it is not to be.
    pub(crate) fn begin(&mut self, key: Key, digest: u64) -> Result<(), Code> {
        match self.known.get(&key) {
            None => {
                self.known.insert(key, Known { digest, number: 0, accepted: false });
                Ok(())
            }
            Some(known) if known.digest != digest => Err(Code::ID_CONFLICT),
            Some(known) if known.accepted => Err(Code::DUPLICATE),
            Some(_) => Err(Code::STORING),
        }
    }

    /// The digest that was noted.
    pub(crate) fn digest(&self, key: Key) -> u64 {
        self.known.get(&key).map_or(0, |known| known.digest)
    }

    /// The message was accepted; returns the number of a stored sighting that falls out of the window.
    pub(crate) fn accept(&mut self, key: Key, number: u64) -> Option<u64> {
        let known = self.known.get_mut(&key)?;
        known.accepted = true;
        known.number = number;
        self.order.push_back(key);
        if self.order.len() <= self.sightings_max {
            return None;
        }
        let oldest = self.order.pop_front()?;
        self.known.remove(&oldest).map(|known| known.number).filter(|number| *number != 0)
    }

    /// The message was refused after all.
    pub(crate) fn forget(&mut self, key: Key) {
        self.known.remove(&key);
    }

    /// Takes over a sighting of the store.
    pub(crate) fn restore(&mut self, sighting: &Sighting) -> Option<u64> {
        let key = (sighting.sender, sighting.id);
        self.begin(key, sighting.digest).ok()?;
        self.accept(key, sighting.number)
    }
}

/// FNV-1a of 64 bits: the same on every machine and in every version, because it is stored. It tells a repetition from
/// a mistake; against a sender that wants to fool itself it need not hold.
pub(crate) struct Digest(u64);

impl Digest {
    pub(crate) fn new() -> Self {
        Self(0xcbf2_9ce4_8422_2325)
    }

    /// Adds a part; parts do not run into each other.
    pub(crate) fn add(&mut self, part: &[u8]) {
        for byte in part.iter().chain(&(part.len() as u64).to_le_bytes()) {
            self.0 = (self.0 ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }

    pub(crate) fn finish(self) -> u64 {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(id: u128) -> Key {
        (1, Uid::from_u128(id))
    }

    #[test]
    fn the_oldest_falls_out_of_the_window() {
        let mut window = Sightings::new(2);
        for id in 1..=3 {
            window.begin(key(id), 7).unwrap();
            assert_eq!(window.accept(key(id), id as u64 * 10), (id == 3).then_some(10));
        }
        assert_eq!(window.begin(key(3), 7), Err(Code::DUPLICATE));
        assert_eq!(window.begin(key(1), 7), Ok(()));
    }

    #[test]
    fn a_message_that_was_refused_may_come_again() {
        let mut window = Sightings::new(2);
        window.begin(key(1), 7).unwrap();
        assert_eq!(window.begin(key(1), 7), Err(Code::STORING));
        window.forget(key(1));
        assert_eq!(window.begin(key(1), 8), Ok(()));
    }

    #[test]
    fn parts_of_a_digest_do_not_run_into_each_other() {
        let digest = |parts: &[&str]| {
            let mut digest = Digest::new();
            parts.iter().for_each(|part| digest.add(part.as_bytes()));
            digest.finish()
        };
        assert_ne!(digest(&["ab", "c"]), digest(&["a", "bc"]));
    }
}
