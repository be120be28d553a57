//! Messages whose address nobody knows yet, parked until the router resolves it or its deadline passes.
//!
//! While an address has an entry here, later messages for it queue behind the earlier ones, also while the earlier ones
//! are being sent on; only then is the forwarding table switched. So nothing overtakes.

use std::collections::{HashMap, VecDeque};

use caxton_abi::Envelope;

use crate::{forwarding::Target, limits::Limits};

/// A message that waits.
pub(crate) struct Parked {
    pub(crate) envelope: Envelope,
    /// Its protocol has seen it, or must not.
    pub(crate) monitored: bool,
}

/// Everything that waits.
#[derive(Default)]
pub(crate) struct Pending {
    waiting: HashMap<u32, Waiting>,
    messages: usize,
    bytes: usize,
}

#[derive(Default)]
struct Waiting {
    parked: VecDeque<Parked>,
    /// Set while an operation sends the parked messages on: where they go, `None` for nowhere.
    switching: Option<Option<Target>>,
}

/// What a switch does next.
pub(crate) enum Switching {
    /// Send these on to the target, then ask again.
    Forward(Vec<Parked>, Option<Target>),
    /// Nothing waits any more; enter the target into the table now.
    Enter(Option<Target>),
}

impl Pending {
    pub(crate) fn len(&self) -> usize {
        self.messages
    }

    pub(crate) fn awaits(&self, address: u32) -> bool {
        self.waiting.contains_key(&address)
    }

    /// Every address that waits and is not being switched.
    pub(crate) fn unresolved(&self) -> Vec<u32> {
        let open = self.waiting.iter().filter(|(_, waiting)| waiting.switching.is_none());
        let mut addresses: Vec<_> = open.map(|(address, _)| *address).collect();
        addresses.sort_unstable();
        addresses
    }

    /// False when too much waits already.
    pub(crate) fn has_room(&self, limits: &Limits) -> bool {
        self.messages < limits.pending_messages_max && self.bytes < limits.pending_bytes_max
    }

    /// Parks a message; true when it is the first for its address.
    pub(crate) fn park(&mut self, parked: Parked) -> bool {
        let address = parked.envelope.head.receiver;
        self.messages += 1;
        self.bytes += parked.envelope.content.len();
        let first = !self.awaits(address);
        self.waiting.entry(address).or_default().parked.push_back(parked);
        first
    }

    /// Begins to switch an address; false when another operation is at it, which then uses this target.
    pub(crate) fn begin(&mut self, address: u32, target: Option<Target>) -> bool {
        let waiting = self.waiting.entry(address).or_default();
        waiting.switching.replace(target).is_none()
    }

    /// True while an address is being switched to an agent or endpoint.
    pub(crate) fn switches_to_owner(&self, address: u32) -> bool {
        let target = self.waiting.get(&address).and_then(|waiting| waiting.switching.as_ref()?.as_ref());
        target.is_some_and(Target::is_owner)
    }

    /// Begins to send what waits for an address nowhere; false when nothing waits or an operation is at it.
    pub(crate) fn begin_to_give_up(&mut self, address: u32) -> bool {
        match self.waiting.get_mut(&address) {
            Some(waiting) if waiting.switching.is_none() => {
                waiting.switching = Some(None);
                true
            }
            _ => false,
        }
    }

    /// The next step of a switch that [`Pending::begin`] began.
    pub(crate) fn step(&mut self, address: u32) -> Switching {
        let Some(waiting) = self.waiting.get_mut(&address) else { return Switching::Enter(None) };
        let target = waiting.switching.clone().flatten();
        if waiting.parked.is_empty() {
            self.waiting.remove(&address);
            return Switching::Enter(target);
        }
        let parked: Vec<_> = waiting.parked.drain(..).collect();
        self.messages -= parked.len();
        let bytes: usize = parked.iter().map(|parked| parked.envelope.content.len()).sum();
        self.bytes = self.bytes.saturating_sub(bytes);
        Switching::Forward(parked, target)
    }
}

#[cfg(test)]
mod tests {
    use caxton_abi::{Header, Payload};

    use super::*;

    fn parked(reply_with: u32) -> Parked {
        let head = Header { receiver: 9, reply_with, ..Header::default() };
        Parked { envelope: Envelope::new(head, Payload::EMPTY), monitored: false }
    }

    #[test]
    fn a_message_that_comes_during_the_switch_goes_behind_the_earlier_ones() {
        let mut pending = Pending::default();
        assert!(pending.park(parked(1)));
        assert!(pending.begin(9, None));
        assert!(matches!(pending.step(9), Switching::Forward(list, _) if list.len() == 1));
        assert!(!pending.park(parked(2)));
        assert!(matches!(pending.step(9), Switching::Forward(list, _) if list.len() == 1));
        assert!(matches!(pending.step(9), Switching::Enter(_)));
        assert_eq!((pending.len(), pending.awaits(9)), (0, false));
    }

    #[test]
    fn a_second_switch_leaves_the_work_to_the_first() {
        let mut pending = Pending::default();
        pending.park(parked(1));
        assert!(pending.begin(9, None));
        assert!(!pending.begin(9, None));
        assert!(pending.unresolved().is_empty());
    }

    #[test]
    fn has_no_room_when_too_much_waits() {
        let mut pending = Pending::default();
        pending.park(parked(1));
        let limits = Limits { pending_messages_max: 1, ..Limits::default() };
        assert!(!pending.has_room(&limits));
    }
}
