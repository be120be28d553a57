//! One attached agent: what waits for it, what it acknowledged, and until when it must ask.
//!
//! Pure: no clock, no server; times are arguments. What was handed out stays in the queue until it is acknowledged, so a
//! client whose connection broke gets it again.

use std::collections::VecDeque;

use caxton_plugin::{Code, Envelope, Uid};

use super::words::Words;

/// Who an attached agent is.
#[derive(Clone, Debug)]
pub(crate) struct Profile {
    /// Full name.
    pub(crate) name: String,
    pub(crate) capabilities: Vec<String>,
    pub(crate) groups: Vec<String>,
    pub(super) lease_ms: u64,
    pub(super) since_ms: u64,
}

/// How much may wait for one agent.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bounds {
    pub(super) messages_max: usize,
    pub(super) bytes_max: usize,
}

/// One attached agent.
#[derive(Debug)]
pub(super) struct Attached {
    /// Whoever has it speaks for the agent.
    pub(super) id: Uid,
    pub(super) address: u32,
    pub(super) profile: Profile,
    pub(super) words: Words,
    pub(super) received: u64,
    pub(super) sent: u64,
    bounds: Bounds,
    /// Messages that were not acknowledged, with their sequence.
    queue: VecDeque<(u64, Envelope)>,
    bytes: usize,
    sequence: u64,
    /// The last sequence that was handed out.
    given: u64,
    /// Callers who wait for messages now; while there is one, the lease does not run.
    asking: usize,
    until_ms: u64,
}

impl Attached {
    /// Makes one whose lease begins now.
    pub(super) fn new(id: Uid, address: u32, profile: Profile, bounds: Bounds) -> Self {
        let until_ms = profile.since_ms.saturating_add(profile.lease_ms);
        Self {
            id,
            address,
            profile,
            words: Words::default(),
            received: 0,
            sent: 0,
            bounds,
            queue: VecDeque::new(),
            bytes: 0,
            sequence: 0,
            given: 0,
            asking: 0,
            until_ms,
        }
    }

    /// Takes a message; [`Code::MAILBOX_FULL`] when the queue has no room.
    pub(super) fn take(&mut self, message: Envelope) -> Code {
        let bytes = self.bytes.saturating_add(message.content.len());
        let too_large = bytes > self.bounds.bytes_max && !self.queue.is_empty();
        if self.queue.len() >= self.bounds.messages_max || too_large {
            return Code::MAILBOX_FULL;
        }
        self.bytes = bytes;
        self.sequence += 1;
        self.received += 1;
        self.queue.push_back((self.sequence, message));
        Code::NONE
    }

    /// Forgets what is acknowledged. False when that was never handed out.
    pub(super) fn acknowledge(&mut self, after: u64) -> bool {
        if after > self.given {
            return false;
        }
        while self.queue.front().is_some_and(|(sequence, _)| *sequence <= after) {
            if let Some((_, message)) = self.queue.pop_front() {
                self.bytes = self.bytes.saturating_sub(message.content.len());
            }
        }
        true
    }

    /// Acknowledges everything that was handed out: an agent that leaves by itself has what it got.
    pub(super) fn acknowledge_given(&mut self) {
        self.acknowledge(self.given);
    }

    /// The oldest messages that are not acknowledged and come after a sequence: at most `limit`, and no further one once
    /// their contents have `bytes_max` bytes.
    pub(super) fn give(&mut self, after: u64, limit: usize, bytes_max: usize) -> Vec<(u64, Envelope)> {
        let mut bytes = 0;
        let fresh = self.queue.iter().filter(|(sequence, _)| *sequence > after).take(limit);
        let given: Vec<(u64, Envelope)> = fresh
            .take_while(|(_, message)| {
                let fits = bytes < bytes_max;
                bytes += message.content.len();
                fits
            })
            .cloned()
            .collect();
        self.given = self.given.max(given.last().map_or(0, |(sequence, _)| *sequence));
        given
    }

    /// A caller begins to ask.
    pub(super) fn ask(&mut self) {
        self.asking += 1;
    }

    /// A caller got its answer, or left.
    pub(super) fn asked(&mut self, now_ms: u64) {
        self.asking = self.asking.saturating_sub(1);
        self.until_ms = now_ms.saturating_add(self.profile.lease_ms);
    }

    /// Until when somebody must ask; `None` while somebody does.
    pub(super) fn until_ms(&self) -> Option<u64> {
        (self.asking == 0).then_some(self.until_ms)
    }

    /// Messages that are not acknowledged.
    pub(super) fn queued(&self) -> usize {
        self.queue.len()
    }

    /// Their bytes of content.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// What was not acknowledged, when the agent is gone.
    pub(super) fn left(self) -> impl Iterator<Item = Envelope> {
        self.queue.into_iter().map(|(_, message)| message)
    }
}

#[cfg(test)]
mod tests {
    use caxton_plugin::{Header, Payload};

    use super::*;

    fn attached(messages_max: usize, bytes_max: usize) -> Attached {
        let profile = Profile {
            name: "buyer@test".to_owned(),
            capabilities: Vec::new(),
            groups: Vec::new(),
            lease_ms: 100,
            since_ms: 1000,
        };
        Attached::new(Uid::from_u128(1), 7, profile, Bounds { messages_max, bytes_max })
    }

    fn message(bytes: usize) -> Envelope {
        Envelope::new(Header::default(), Payload::from(vec![0; bytes]))
    }

    fn sequences(given: &[(u64, Envelope)]) -> Vec<u64> {
        given.iter().map(|(sequence, _)| *sequence).collect()
    }

    #[test]
    fn what_is_not_acknowledged_comes_again() {
        let mut agent = attached(9, 99);
        (0..3).for_each(|_| assert_eq!(agent.take(message(1)), Code::NONE));
        assert_eq!(sequences(&agent.give(0, 2, 99)), [1, 2]);
        assert!(agent.acknowledge(1));
        assert_eq!(sequences(&agent.give(1, 9, 99)), [2, 3]);
        assert_eq!((agent.queued(), agent.bytes()), (2, 2));
    }

    #[test]
    fn what_was_never_handed_out_cannot_be_acknowledged() {
        let mut agent = attached(9, 99);
        agent.take(message(1));
        assert!(!agent.acknowledge(1));
        agent.give(0, 9, 99);
        assert!(agent.acknowledge(1));
        assert_eq!(agent.queued(), 0);
    }

    #[test]
    fn the_queue_is_bounded_in_messages_and_bytes() {
        let mut agent = attached(2, 10);
        assert_eq!(
            [11, 0, 0].map(|bytes| agent.take(message(bytes))),
            [Code::NONE, Code::MAILBOX_FULL, Code::MAILBOX_FULL]
        );
        let mut agent = attached(2, 10);
        assert_eq!(
            [5, 5, 0].map(|bytes| agent.take(message(bytes))),
            [Code::NONE, Code::NONE, Code::MAILBOX_FULL]
        );
    }

    #[test]
    fn a_page_is_bounded_in_bytes_and_never_empty() {
        let mut agent = attached(9, 99);
        (0..3).for_each(|_| assert_eq!(agent.take(message(10)), Code::NONE));
        assert_eq!(sequences(&agent.give(0, 9, 10)), [1]);
        assert_eq!(sequences(&agent.give(0, 9, 11)), [1, 2]);
    }

    #[test]
    fn the_lease_runs_only_while_nobody_asks() {
        let mut agent = attached(9, 99);
        assert_eq!(agent.until_ms(), Some(1100));
        agent.ask();
        agent.ask();
        agent.asked(2000);
        assert_eq!(agent.until_ms(), None);
        agent.asked(3000);
        assert_eq!(agent.until_ms(), Some(3100));
    }
}
