//! Messages whose address nobody knows yet, parked until the router resolves it or its deadline passes.
//!
//! While an address has an entry here, later messages for it queue behind the earlier ones, also while the earlier ones
//! are being sent on; only then is the forwarding table switched. So nothing overtakes.

use std::collections::{HashMap, VecDeque};

use caxton_abi::Envelope;

use crate::{forwarding::Target, limits::Limits, store::is_recovered, tally::Tally};

/// A message that waits.
pub(crate) struct Parked {
    pub(crate) envelope: Envelope,
    /// Its protocol has seen it, or must not.
    pub(crate) monitored: bool,
}

impl Parked {
    /// True for what was recovered from the store: it waits until its receiver comes.
    fn is_patient(&self) -> bool {
        is_recovered(&self.envelope.head)
    }
}

/// What a parked message asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Wait {
    /// It is the first for its address, which is to be resolved.
    pub(crate) ask: bool,
    /// It is the first with a deadline, which is to be set.
    pub(crate) set_deadline: bool,
}

/// Everything that waits.
#[derive(Default)]
pub(crate) struct Pending {
    waiting: HashMap<u32, Waiting>,
    messages: usize,
    bytes: usize,
    tally: Tally,
}

#[derive(Default)]
struct Waiting {
    parked: VecDeque<Parked>,
    /// Somebody waits who has a deadline.
    has_deadline: bool,
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
    /// The messages by class.
    pub(crate) fn lying(&self) -> Tally {
        self.tally
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

    /// Parks a message and says what is to be done for its address.
    pub(crate) fn park(&mut self, parked: Parked) -> Wait {
        let address = parked.envelope.head.receiver;
        self.messages += 1;
        self.bytes += parked.envelope.content.len();
        self.tally.put(&parked.envelope);
        let ask = !self.awaits(address);
        let waiting = self.waiting.entry(address).or_default();
        let has_deadline = !parked.is_patient() && waiting.switching.is_none();
        let set_deadline = has_deadline && !std::mem::replace(&mut waiting.has_deadline, true);
        waiting.parked.push_back(parked);
        Wait { ask, set_deadline }
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

    /// The next step of a switch that [`Pending::begin`] began. What has no deadline is not sent nowhere: it stays.
    pub(crate) fn step(&mut self, address: u32) -> Switching {
        let Some(waiting) = self.waiting.get_mut(&address) else { return Switching::Enter(None) };
        let target = waiting.switching.clone().flatten();
        let all = std::mem::take(&mut waiting.parked);
        let stays = |parked: &Parked| target.is_none() && parked.is_patient();
        let (kept, parked): (Vec<_>, Vec<_>) = all.into_iter().partition(stays);
        waiting.parked = kept.into();
        if !parked.is_empty() {
            self.count_out(&parked);
            return Switching::Forward(parked, target);
        }
        if waiting.parked.is_empty() {
            self.waiting.remove(&address);
        } else {
            waiting.switching = None;
            waiting.has_deadline = false;
        }
        Switching::Enter(target)
    }

    fn count_out(&mut self, parked: &[Parked]) {
        self.messages = self.messages.saturating_sub(parked.len());
        for Parked { envelope, .. } in parked {
            self.bytes = self.bytes.saturating_sub(envelope.content.len());
            self.tally.take(envelope);
        }
    }

    /// Takes everything out that waits.
    pub(crate) fn clear(&mut self) -> Vec<Parked> {
        (self.messages, self.bytes, self.tally) = (0, 0, Tally::default());
        self.waiting.values_mut().flat_map(|waiting| std::mem::take(&mut waiting.parked)).collect()
    }
}

#[cfg(test)]
mod tests {
    use caxton_abi::{Header, Payload, class, flags};

    use super::*;

    fn parked(reply_with: u32) -> Parked {
        let head = Header { receiver: 9, reply_with, ..Header::default() };
        Parked { envelope: Envelope::new(head, Payload::EMPTY), monitored: false }
    }

    #[test]
    fn a_message_that_comes_during_the_switch_goes_behind_the_earlier_ones() {
        let mut pending = Pending::default();
        assert!(pending.park(parked(1)).ask);
        assert!(pending.begin(9, None));
        assert!(matches!(pending.step(9), Switching::Forward(list, _) if list.len() == 1));
        assert!(!pending.park(parked(2)).ask);
        assert!(matches!(pending.step(9), Switching::Forward(list, _) if list.len() == 1));
        assert!(matches!(pending.step(9), Switching::Enter(_)));
        assert_eq!((pending.lying(), pending.awaits(9)), (Tally::default(), false));
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
    fn what_was_recovered_has_no_deadline_and_is_not_sent_nowhere() {
        let mut pending = Pending::default();
        let mut recovered = parked(1);
        recovered.envelope.head.class = class::DURABLE;
        recovered.envelope.head.flags = flags::REDELIVERED;
        recovered.envelope.head.deliveries = 1;
        assert_eq!(pending.park(recovered), Wait { ask: true, set_deadline: false });
        assert_eq!(pending.park(parked(2)), Wait { ask: false, set_deadline: true });
        assert!(pending.begin_to_give_up(9));
        assert!(matches!(pending.step(9), Switching::Forward(list, None) if list.len() == 1));
        assert!(matches!(pending.step(9), Switching::Enter(None)));
        assert!(pending.awaits(9));
        assert_eq!(pending.park(parked(3)), Wait { ask: false, set_deadline: true });
    }

    #[test]
    fn has_no_room_when_too_much_waits() {
        let mut pending = Pending::default();
        pending.park(parked(1));
        let limits = Limits { pending_messages_max: 1, ..Limits::default() };
        assert!(!pending.has_room(&limits));
    }
}
