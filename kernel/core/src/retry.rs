//! Acked messages that could not be delivered for a reason that passes: they wait for their receiver and are tried again.
//!
//! In order for each receiver: while it has entries here, later acked messages for it go behind them. The pause between
//! two attempts doubles up to a second; each message waits until its reply-by at most. Bounded in messages and bytes.

use std::collections::{HashMap, VecDeque};

use caxton_abi::{Code, Envelope, class};

use crate::{limits::Limits, pending::Parked, tally::Tally};

/// Milliseconds until the first new attempt: a few turns of a busy receiver.
const PAUSE_MS_MIN: u64 = 20;
/// Milliseconds between attempts at most, so that a receiver that comes back is found soon.
const PAUSE_MS_MAX: u64 = 1_000;
/// Messages that one attempt takes, so that it ends soon.
const ATTEMPT_MESSAGES_MAX: usize = 64;

/// Everything that waits to be tried again.
#[derive(Default)]
pub(crate) struct RetryRoom {
    queues: HashMap<u32, Queue>,
    messages: usize,
    bytes: usize,
}

#[derive(Default)]
struct Queue {
    waiting: VecDeque<Parked>,
    pause_ms: u64,
    /// An operation tries some of them; the others wait behind.
    trying: bool,
}

/// What an attempt took out.
#[derive(Default)]
pub(crate) struct Attempt {
    /// Their time passed.
    pub(crate) late: Vec<Parked>,
    /// To be tried, in order.
    pub(crate) batch: Vec<Parked>,
}

/// True for reasons that may pass without anybody changing the message.
pub(crate) fn passes(code: Code) -> bool {
    matches!(
        code,
        Code::MAILBOX_FULL
            | Code::UNKNOWN_RECEIVER
            | Code::PENDING_FULL
            | Code::AGENT_STOPPED
            | Code::AGENT_INIT_FAILED
            | Code::AGENT_FAILED
            | Code::ATTACHMENT_LOST
            | Code::PLUGIN_UNAVAILABLE
    )
}

impl RetryRoom {
    /// What lies here.
    pub(crate) fn lying(&self) -> Tally {
        Tally::new(class::ACKED, self.messages as u64)
    }

    /// True while earlier messages for a receiver wait.
    pub(crate) fn awaits(&self, receiver: u32) -> bool {
        self.queues.contains_key(&receiver)
    }

    pub(crate) fn has_room(&self, limits: &Limits) -> bool {
        self.messages < limits.retries_messages_max && self.bytes < limits.retries_bytes_max
    }

    /// Puts a message behind the others for its receiver. For the first one, returns when to try, in milliseconds.
    pub(crate) fn push(&mut self, parked: Parked) -> Option<u64> {
        let receiver = parked.envelope.head.receiver;
        self.messages += 1;
        self.bytes += parked.envelope.content.len();
        let first = !self.awaits(receiver);
        let queue = self.queues.entry(receiver).or_default();
        queue.waiting.push_back(parked);
        if first {
            queue.pause_ms = PAUSE_MS_MIN;
        }
        first.then_some(PAUSE_MS_MIN)
    }

    /// Takes out what is late, and the first ones to try; `None` when nothing waits or another operation is at it.
    pub(crate) fn begin(&mut self, receiver: u32, is_late: impl Fn(&Envelope) -> bool) -> Option<Attempt> {
        let queue = self.queues.get_mut(&receiver).filter(|queue| !queue.trying)?;
        queue.trying = true;
        let mut late = Vec::new();
        if queue.waiting.iter().any(|parked| is_late(&parked.envelope)) {
            let all = std::mem::take(&mut queue.waiting);
            let (past, rest): (Vec<_>, Vec<_>) =
                all.into_iter().partition(|parked| is_late(&parked.envelope));
            (late, queue.waiting) = (past, rest.into());
        }
        let count = queue.waiting.len().min(ATTEMPT_MESSAGES_MAX);
        let batch: Vec<_> = queue.waiting.drain(..count).collect();
        self.leave(&late);
        self.leave(&batch);
        Some(Attempt { late, batch })
    }

    fn leave(&mut self, parked: &[Parked]) {
        self.messages = self.messages.saturating_sub(parked.len());
        let bytes: usize = parked.iter().map(|parked| parked.envelope.content.len()).sum();
        self.bytes = self.bytes.saturating_sub(bytes);
    }

    /// Ends an attempt; `left` are those that could still not be delivered. Returns when to try again, in milliseconds,
    /// unless nothing waits any more.
    pub(crate) fn end(&mut self, receiver: u32, left: Vec<Parked>) -> Option<u64> {
        let queue = self.queues.entry(receiver).or_default();
        queue.trying = false;
        queue.pause_ms = if left.is_empty() { PAUSE_MS_MIN } else { (queue.pause_ms * 2).min(PAUSE_MS_MAX) };
        self.messages += left.len();
        self.bytes += left.iter().map(|parked| parked.envelope.content.len()).sum::<usize>();
        let pause_ms = if left.is_empty() { 0 } else { queue.pause_ms };
        for parked in left.into_iter().rev() {
            queue.waiting.push_front(parked);
        }
        if queue.waiting.is_empty() {
            self.queues.remove(&receiver);
            return None;
        }
        Some(pause_ms)
    }

    /// Takes everything out.
    pub(crate) fn clear(&mut self) -> Vec<Parked> {
        (self.messages, self.bytes) = (0, 0);
        self.queues.values_mut().flat_map(|queue| std::mem::take(&mut queue.waiting)).collect()
    }
}

#[cfg(test)]
mod tests {
    use caxton_abi::{Header, Payload};

    use super::*;

    fn parked(reply_with: u32) -> Parked {
        let head = Header { receiver: 9, reply_with, class: class::ACKED, ..Header::default() };
        Parked { envelope: Envelope::new(head, Payload::EMPTY), monitored: false }
    }

    fn numbers(parked: &[Parked]) -> Vec<u32> {
        parked.iter().map(|parked| parked.envelope.head.reply_with).collect()
    }

    #[test]
    fn what_could_not_be_delivered_goes_back_before_later_ones() {
        let mut room = RetryRoom::default();
        assert_eq!(room.push(parked(1)), Some(20));
        assert_eq!(room.push(parked(2)), None);
        let attempt = room.begin(9, |_| false).unwrap();
        assert_eq!(numbers(&attempt.batch), [1, 2]);
        assert_eq!(room.push(parked(3)), None);
        assert!(room.begin(9, |_| false).is_none(), "another operation is at it");
        room.end(9, attempt.batch);
        assert_eq!(numbers(&room.begin(9, |_| false).unwrap().batch), [1, 2, 3]);
        assert_eq!(room.end(9, Vec::new()), None);
        assert!(!room.awaits(9));
    }

    #[test]
    fn the_pause_doubles_up_to_a_second() {
        let mut room = RetryRoom::default();
        room.push(parked(1));
        let pauses: Vec<_> = (0..8)
            .map(|_| {
                let attempt = room.begin(9, |_| false).unwrap();
                room.end(9, attempt.batch).unwrap()
            })
            .collect();
        assert_eq!(pauses, [40, 80, 160, 320, 640, 1_000, 1_000, 1_000]);
    }

    #[test]
    fn what_is_late_is_taken_out_wherever_it_stands() {
        let mut room = RetryRoom::default();
        for number in 1..=3 {
            room.push(parked(number));
        }
        let attempt = room.begin(9, |message| message.head.reply_with == 2).unwrap();
        assert_eq!((numbers(&attempt.late), numbers(&attempt.batch)), (vec![2], vec![1, 3]));
    }

    #[test]
    fn has_no_room_when_too_much_waits() {
        let mut room = RetryRoom::default();
        room.push(parked(1));
        assert!(!room.has_room(&Limits { retries_messages_max: 1, ..Limits::default() }));
        assert!(!room.has_room(&Limits { retries_bytes_max: 0, ..Limits::default() }));
    }
}
