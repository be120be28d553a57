//! Turns on a lent thread: who submits runs the agent that waits for the message, so that nobody is woken for the turn,
//! nor for its answer.
//!
//! A wake of a sleeping thread takes longer than a short turn. An agent is taken only while no other waits for a worker,
//! and only when its turns are short, because the lender has other work. It stays marked as queued meanwhile, so it still
//! runs on one thread at a time and sees its messages in order.

use std::sync::Arc;

use caxton_abi::{Envelope, port::Outcome};

use crate::{
    activation::{Activation, Finished},
    bus::Bus,
    cell::Cell,
    flow::{Door, Flow},
    limits::Limits,
    sync::{Ordering, lock},
    time::Time,
};

/// A turn counts as at most so many times the longest average: one interruption of a thread does not make an agent slow.
const COUNTED: u64 = 4;
/// A turn's share in the average.
const SHARE: u64 = 8;

/// How long an agent's turns last on average, in nanoseconds; a new one has to show that they are short.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pace(u64);

impl Default for Pace {
    fn default() -> Self {
        Self(u64::MAX)
    }
}

impl Pace {
    /// Counts a turn.
    pub(crate) fn note(&mut self, began: Time, ended: Time, limits: &Limits) {
        let longest = limits.lent_turn_ns_max.saturating_mul(COUNTED);
        let (before, took) = (self.0.min(longest), ended.nanos_since(began).min(longest));
        self.0 = before - before / SHARE + took / SHARE;
    }

    fn is_short(self, limits: &Limits) -> bool {
        self.0 <= limits.lent_turn_ns_max
    }
}

/// An agent in the hands of a lender, in no run queue; it counts as running. Dropping it leaves it to the workers.
#[must_use = "run it, or drop it to leave it to the workers"]
pub struct Taken<'a> {
    bus: &'a Bus,
    cell: Option<Arc<Cell>>,
}

impl Taken<'_> {
    /// Begins its turn; `None` when there is nothing to do any more.
    pub fn begin(mut self, now: Time) -> Option<Activation> {
        let cell = self.cell.take()?;
        let activation = self.bus.begin(cell, self.bus.run_queue.workers(), now);
        if activation.is_none() {
            self.bus.running.others().fetch_sub(1, Ordering::AcqRel);
        }
        activation
    }
}

impl Drop for Taken<'_> {
    fn drop(&mut self) {
        self.bus.queue_again(self.cell.take(), usize::MAX);
    }
}

impl Bus {
    /// As [`Bus::submit`], by a thread that may run an agent: the first one that was idle and need not wait for others.
    pub fn submit_and_take(&self, messages: Vec<Envelope>, now: Time) -> (Vec<Outcome>, Option<Taken<'_>>) {
        let mut flow = Flow::new(self, self.run_queue.workers(), now);
        flow.takes = true;
        let outcomes = flow.enter(messages, Door::Submit);
        flow.work_off();
        (outcomes, flow.taken.take())
    }

    /// As [`Bus::finish`], by a lender: the same agent again when it has more to do.
    pub fn finish_taken(&self, finished: Finished, now: Time) -> Option<Taken<'_>> {
        self.settle_turn(finished, now).map(|cell| Taken { bus: self, cell: Some(cell) })
    }

    /// True when an agent that was just marked as queued may run on a lent thread.
    fn may_be_taken(&self, cell: &Cell) -> bool {
        self.run_queue.is_empty() && lock(&cell.desk).pace.is_short(&self.limits)
    }
}

impl Flow<'_> {
    /// Takes an agent that was just marked as queued in hand, when this thread is lent and holds none; else queues it.
    pub(crate) fn take_or_queue(&mut self, cell: Arc<Cell>) {
        if self.takes && self.taken.is_none() && self.bus.may_be_taken(&cell) {
            self.bus.running.others().fetch_add(1, Ordering::AcqRel);
            self.taken = Some(Taken { bus: self.bus, cell: Some(cell) });
        } else {
            self.queue(cell);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_short_after(turns_us: &[u64]) -> bool {
        let (mut pace, limits) = (Pace::default(), Limits::default());
        for micros in turns_us {
            pace.note(Time::ZERO, Time::from_nanos(micros * 1_000), &limits);
        }
        pace.is_short(&limits)
    }

    #[test]
    fn a_new_agent_is_not_short_before_it_has_shown_it() {
        assert!(!is_short_after(&[]));
        assert!(!is_short_after(&[10; 5]));
        assert!(is_short_after(&[10; 20]));
    }

    #[test]
    fn one_long_turn_is_an_interruption_and_several_are_the_agents_way() {
        let short = [10; 40];
        assert!(is_short_after(&[&short[..], &[9_000_000]].concat()));
        assert!(!is_short_after(&[&short[..], &[9_000_000; 3]].concat()));
    }
}
