//! Everything that waits for a time, in one table: timers of agents and protocols, and addresses that wait to be
//! resolved.
//!
//! Keys are exact, so a timer that is moved leaves nothing behind; the owners' limits bound the table.

use std::{
    collections::{BTreeMap, BTreeSet},
    ops::RangeInclusive,
};

use crate::time::Time;

/// Whose timer it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Key {
    /// A version of an agent's, by address, version and token.
    Agent(u32, u32, u32),
    /// The next instance of a version of an agent, by address and version.
    Restart(u32, u32),
    /// A look at a version of an agent whose memory has grown, by address and version.
    Recycle(u32, u32),
    /// The agent's versions that drain, by address.
    Draining(u32),
    /// A protocol's, by port and token.
    Protocol(u32, u64),
    /// A waiting address's.
    Pending(u32),
    /// A receiver's whose acked messages are tried again.
    Retry(u32),
    /// The store's, when a write failed.
    Store,
}

/// The table.
#[derive(Default)]
pub(crate) struct Timers {
    by_time: BTreeSet<(Time, Key)>,
    by_key: BTreeMap<Key, Time>,
    by_owner: BTreeMap<Key, usize>,
}

impl Timers {
    /// Sets or moves a timer.
    pub(crate) fn set(&mut self, key: Key, at: Time) {
        self.cancel(key);
        self.by_key.insert(key, at);
        self.by_time.insert((at, key));
        *self.by_owner.entry(owner(key)).or_insert(0) += 1;
    }

    /// Forgets a timer.
    pub(crate) fn cancel(&mut self, key: Key) {
        let Some(at) = self.by_key.remove(&key) else { return };
        self.by_time.remove(&(at, key));
        let left = self.by_owner.get(&owner(key)).map_or(0, |count| count.saturating_sub(1));
        if left == 0 {
            self.by_owner.remove(&owner(key));
        } else {
            self.by_owner.insert(owner(key), left);
        }
    }

    /// Sets or moves a timer, unless it is new and its owner has `owner_max` already. False when it was not set.
    pub(crate) fn set_bounded(&mut self, key: Key, at: Time, owner_max: usize) -> bool {
        let count = self.by_owner.get(&owner(key)).copied().unwrap_or(0);
        if count >= owner_max && !self.by_key.contains_key(&key) {
            return false;
        }
        self.set(key, at);
        true
    }

    /// True when the key's owner has a timer.
    pub(crate) fn has_any(&self, key: Key) -> bool {
        self.by_owner.contains_key(&owner(key))
    }

    /// Forgets all timers of the key's owner.
    pub(crate) fn cancel_owner(&mut self, key: Key) {
        let keys: Vec<_> = self.by_key.range(owner_range(key)).map(|(key, _)| *key).collect();
        for key in keys {
            self.cancel(key);
        }
    }

    /// Takes the timers that are due, the earliest first.
    pub(crate) fn take_due(&mut self, now: Time) -> Vec<Key> {
        let mut due = Vec::new();
        while let Some((at, key)) = self.by_time.first().copied() {
            if at > now {
                break;
            }
            self.cancel(key);
            due.push(key);
        }
        due
    }

    /// When the next one is due.
    pub(crate) fn next(&self) -> Option<Time> {
        self.by_time.first().map(|(at, _)| *at)
    }
}

/// The key that stands for all timers of an owner.
fn owner(key: Key) -> Key {
    match key {
        Key::Agent(address, version, _) => Key::Agent(address, version, 0),
        Key::Restart(..) => Key::Restart(0, 0),
        Key::Recycle(..) => Key::Recycle(0, 0),
        Key::Draining(_) => Key::Draining(0),
        Key::Protocol(port, _) => Key::Protocol(port, 0),
        Key::Pending(_) => Key::Pending(0),
        Key::Retry(_) => Key::Retry(0),
        Key::Store => Key::Store,
    }
}

fn owner_range(key: Key) -> RangeInclusive<Key> {
    match key {
        Key::Agent(address, version, _) => {
            Key::Agent(address, version, 0)..=Key::Agent(address, version, u32::MAX)
        }
        Key::Protocol(port, _) => Key::Protocol(port, 0)..=Key::Protocol(port, u64::MAX),
        Key::Pending(_)
        | Key::Retry(_)
        | Key::Store
        | Key::Restart(..)
        | Key::Recycle(..)
        | Key::Draining(_) => key..=key,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_timer_that_is_set_again_moves() {
        let mut timers = Timers::default();
        timers.set(Key::Agent(1, 1, 1), Time::from_millis(5));
        timers.set(Key::Agent(1, 1, 1), Time::from_millis(9));
        assert!(timers.take_due(Time::from_millis(6)).is_empty());
        assert_eq!(timers.take_due(Time::from_millis(9)), [Key::Agent(1, 1, 1)]);
        assert_eq!(timers.next(), None);
    }

    #[test]
    fn due_timers_come_in_the_order_of_their_times() {
        let mut timers = Timers::default();
        timers.set(Key::Agent(1, 1, 1), Time::from_millis(5));
        timers.set(Key::Pending(1), Time::from_millis(3));
        assert_eq!(timers.take_due(Time::from_millis(9)), [Key::Pending(1), Key::Agent(1, 1, 1)]);
    }

    #[test]
    fn an_owner_has_a_bounded_number_and_can_still_move_one() {
        let mut timers = Timers::default();
        assert!(timers.set_bounded(Key::Agent(1, 1, 1), Time::ZERO, 1));
        assert!(!timers.set_bounded(Key::Agent(1, 1, 2), Time::ZERO, 1));
        assert!(timers.set_bounded(Key::Agent(1, 1, 1), Time::from_millis(1), 1));
        assert!(timers.set_bounded(Key::Agent(2, 1, 1), Time::ZERO, 1));
        timers.cancel_owner(Key::Agent(1, 1, 0));
        assert_eq!(timers.take_due(Time::from_millis(1)), [Key::Agent(2, 1, 1)]);
    }
}
