//! Bounded rings of signals, one for each worker and one for everybody else, and how signals are made.
//!
//! While there is more traffic than `limits.signals_per_second_max`, only a share of the conversations is traced, each
//! as a whole; what is left out is counted. Failures are always recorded. A full ring drops the newest and counts it;
//! the next drain tells how many. Nothing here formats or exports.

use std::collections::VecDeque;

use caxton_abi::{Code, EventName, Header, Payload, Signal, Uid};

use crate::sync::{AtomicU32, AtomicU64, Mutex, Ordering};
use crate::{lanes::Lanes, sync::lock, time::Time};

/// Bytes of a signal's text: long enough for a trap's frames, short enough for a ring.
pub const TEXT_BYTES_MAX: usize = 4096;
/// How long traffic is watched until the share is chosen anew.
const WATCH_NANOS: u64 = 10_000_000;
/// At least one of 2^20 conversations is traced.
const HALVINGS_MAX: u32 = 20;

/// The rings.
pub(crate) struct Rings {
    lanes: Lanes<Lane>,
    /// How often the share of traced conversations is halved.
    halvings: AtomicU32,
    traffic: Mutex<Traffic>,
    ring_max: usize,
    per_second_max: u64,
}

#[derive(Default)]
struct Lane {
    ring: Mutex<VecDeque<Signal>>,
    dropped: AtomicU64,
    left_out: AtomicU64,
}

/// What came since the share was chosen.
#[derive(Default)]
struct Traffic {
    since: Option<Time>,
    signals: u64,
}

/// Which conversations are traced.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Share {
    halvings: u32,
}

impl Share {
    /// True for a conversation that is traced; the same for all its messages while the share stays.
    pub(crate) fn has(self, conversation: Uid) -> bool {
        const ODD: u64 = 0x9e37_79b9_7f4a_7c15;
        let mixed = (conversation.hi ^ conversation.lo).wrapping_mul(ODD);
        self.halvings == 0 || mixed.leading_zeros() >= self.halvings
    }
}

impl Rings {
    pub(crate) fn new(workers: usize, ring_max: usize, per_second_max: u64) -> Self {
        let lanes = Lanes::new(workers, Lane::default);
        Self { lanes, halvings: AtomicU32::new(0), traffic: Mutex::default(), ring_max, per_second_max }
    }

    /// Which conversations are traced now.
    pub(crate) fn share(&self) -> Share {
        Share { halvings: self.halvings.load(Ordering::Relaxed) }
    }

    /// Moves signals into a lane's ring, in order, and counts those that were left out.
    pub(crate) fn record(&self, lane: usize, signals: &mut Vec<Signal>, left_out: u64) {
        let lane = self.lanes.get(lane);
        if left_out > 0 {
            lane.left_out.fetch_add(left_out, Ordering::Relaxed);
        }
        if signals.is_empty() {
            return;
        }
        let mut ring = lock(&lane.ring);
        let room = self.ring_max.saturating_sub(ring.len()).min(signals.len());
        let over = signals.len() - room;
        ring.extend(signals.drain(..).take(room));
        drop(ring);
        signals.clear();
        if over > 0 {
            lane.dropped.fetch_add(over as u64, Ordering::Relaxed);
        }
    }

    /// Appends everything to `out`, lane after lane, and tells of what is missing. Chooses the share for what comes.
    pub(crate) fn drain(&self, now: Time, out: &mut Vec<Signal>) {
        let before = out.len();
        let (mut dropped, mut left_out) = (0, 0);
        for lane in self.lanes.iter() {
            out.extend(lock(&lane.ring).drain(..));
            dropped += lane.dropped.swap(0, Ordering::Relaxed);
            left_out += lane.left_out.swap(0, Ordering::Relaxed);
        }
        let came = (out.len() - before) as u64 + dropped + left_out;
        self.choose_share(now, came);
        for (count, name) in
            [(dropped, EventName::SIGNALS_DROPPED), (left_out, EventName::SIGNALS_SAMPLED_OUT)]
        {
            if count > 0 {
                out.push(Signal { value: count, level: 4, ..event(name, now) });
            }
        }
    }

    fn choose_share(&self, now: Time, came: u64) {
        let mut traffic = lock(&self.traffic);
        traffic.signals += came;
        let since = *traffic.since.get_or_insert(now);
        let passed = now.nanos_since(since);
        if passed < WATCH_NANOS {
            return;
        }
        let per_second = u128::from(traffic.signals) * 1_000_000_000 / u128::from(passed);
        *traffic = Traffic { since: Some(now), signals: 0 };
        let times = per_second.div_ceil(u128::from(self.per_second_max.max(1))).max(1);
        let wanted = times.next_power_of_two().trailing_zeros().min(HALVINGS_MAX);
        let is = self.halvings.load(Ordering::Relaxed);
        // At once when there is too much; step by step when there is less, because traffic comes in bursts.
        let next = if wanted >= is { wanted } else { is - 1 };
        self.halvings.store(next, Ordering::Relaxed);
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
        let rings = Rings::new(1, 2, 1_000);
        let mut signals: Vec<_> = (0..5).map(|n| Signal { value: n, ..Signal::default() }).collect();
        rings.record(0, &mut signals, 0);
        let mut out = Vec::new();
        rings.drain(Time::ZERO, &mut out);
        assert_eq!(out.iter().map(|signal| signal.value).collect::<Vec<_>>(), [0, 1, 3]);
        assert_eq!(out[2].name, EventName::SIGNALS_DROPPED);
    }

    /// Drains once a second after so many signals came; the share of a thousand conversations that is traced then.
    fn share_after(rings: &Rings, second: u64, signals: u64) -> usize {
        rings.record(0, &mut Vec::new(), signals);
        rings.drain(Time::from_millis(second * 1_000), &mut Vec::new());
        let conversations = (1..=1_000).map(|n| Uid::from_u128((n << 64) | (n * n)));
        conversations.filter(|id| rings.share().has(*id)).count()
    }

    #[test]
    fn traces_fewer_conversations_while_there_is_more_traffic_and_all_again_afterwards() {
        let rings = Rings::new(1, 2, 1_000);
        assert_eq!(share_after(&rings, 0, 0), 1_000);
        assert_eq!(share_after(&rings, 1, 1_000), 1_000);
        let quarter = share_after(&rings, 2, 4_000);
        assert!((200..300).contains(&quarter), "{quarter}");
        assert!(share_after(&rings, 3, 0) > quarter);
        assert_eq!(share_after(&rings, 4, 0), 1_000);
    }

    #[test]
    fn tells_how_many_were_left_out() {
        let rings = Rings::new(1, 2, 1_000);
        rings.record(0, &mut Vec::new(), 7);
        let mut out = Vec::new();
        rings.drain(Time::ZERO, &mut out);
        assert_eq!((out[0].name, out[0].value), (EventName::SIGNALS_SAMPLED_OUT, 7));
    }

    #[test]
    fn a_long_text_is_cut_between_characters() {
        let long = "ü".repeat(TEXT_BYTES_MAX);
        let cut = text(format!("x{long}"));
        assert_eq!(cut.len(), TEXT_BYTES_MAX - 1);
        assert!(std::str::from_utf8(cut.as_slice()).is_ok());
    }
}
