//! Bounded rings of signals, one for each worker and one for everybody else, and how signals are made.
//!
//! A full ring drops the newest and counts it; the next drain tells how many. Nothing here formats or exports.

use std::collections::VecDeque;

use caxton_abi::{Code, EventName, Header, Payload, Signal};

use crate::sync::{AtomicU64, Mutex, Ordering};
use crate::{sync::lock, time::Time};

/// Bytes of a signal's text: long enough for a trap's frames, short enough for a ring.
pub const TEXT_BYTES_MAX: usize = 4096;

/// The rings.
pub(crate) struct Rings {
    lanes: Vec<Mutex<VecDeque<Signal>>>,
    dropped: AtomicU64,
    ring_max: usize,
}

impl Rings {
    pub(crate) fn new(lanes: usize, ring_max: usize) -> Self {
        let lanes = (0..lanes.max(1)).map(|_| Mutex::default()).collect();
        Self { lanes, dropped: AtomicU64::new(0), ring_max }
    }

    /// Moves signals into a lane's ring, in order.
    pub(crate) fn record(&self, lane: usize, signals: &mut Vec<Signal>) {
        let Some(ring) = self.lanes.get(lane).or(self.lanes.last()) else { return };
        let mut ring = lock(ring);
        let room = self.ring_max.saturating_sub(ring.len()).min(signals.len());
        let over = signals.len() - room;
        ring.extend(signals.drain(..).take(room));
        if over > 0 {
            self.dropped.fetch_add(over as u64, Ordering::Relaxed);
        }
    }

    /// Appends everything to `out`, lane after lane, and tells of drops.
    pub(crate) fn drain(&self, now: Time, out: &mut Vec<Signal>) {
        for ring in &self.lanes {
            out.extend(lock(ring).drain(..));
        }
        let dropped = self.dropped.swap(0, Ordering::Relaxed);
        if dropped > 0 {
            out.push(Signal { value: dropped, level: 4, ..event(EventName::SIGNALS_DROPPED, now) });
        }
    }
}

/// A bare event.
pub(crate) fn event(name: EventName, now: Time) -> Signal {
    Signal { time_ns: now.nanos(), name, ..Signal::default() }
}

/// An event about a message.
pub(crate) fn about(name: EventName, head: &Header, code: Code, now: Time) -> Signal {
    Signal {
        message: head.id,
        conversation: head.conversation,
        trace: head.trace,
        sender: head.sender,
        receiver: head.receiver,
        protocol: head.protocol,
        reply_with: head.reply_with,
        in_reply_to: head.in_reply_to,
        code,
        flags: head.flags,
        performative: head.performative,
        ..event(name, now)
    }
}

/// A text cut at a character boundary to [`TEXT_BYTES_MAX`].
pub(crate) fn text(mut line: String) -> Payload {
    let mut end = line.len().min(TEXT_BYTES_MAX);
    while !line.is_char_boundary(end) {
        end -= 1;
    }
    line.truncate(end);
    Payload::from(line)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_ring_drops_the_newest_and_tells_how_many() {
        let rings = Rings::new(1, 2);
        let mut signals: Vec<_> = (0..5).map(|n| Signal { value: n, ..Signal::default() }).collect();
        rings.record(0, &mut signals);
        let mut out = Vec::new();
        rings.drain(Time::ZERO, &mut out);
        assert_eq!(out.iter().map(|signal| signal.value).collect::<Vec<_>>(), [0, 1, 3]);
        assert_eq!(out[2].name, EventName::SIGNALS_DROPPED);
    }

    #[test]
    fn a_long_text_is_cut_between_characters() {
        let long = "ü".repeat(TEXT_BYTES_MAX);
        let cut = text(format!("x{long}"));
        assert_eq!(cut.len(), TEXT_BYTES_MAX - 1);
        assert!(std::str::from_utf8(cut.as_slice()).is_ok());
    }
}
