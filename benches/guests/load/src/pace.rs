//! Asks on time, whether answers come or not, and counts how long they took.
//!
//! Time is cut into ticks of a millisecond. What is due in a tick is sent by a timer's turn; when that turn comes late, the
//! requests of all ticks that went by are sent at once, each with the time at which it was due. So two latencies are known
//! of an answer: since the request was due, which nothing can hide, and since it was sent, which leaves out how late the
//! timer was. When too many answers are missing, the rest waits here instead of in the server, and stays due. The clock is
//! the host's monotonic one, which moves during a turn.

use std::{
    fmt::Write,
    time::{Duration, Instant as Moment},
};

use crate::{
    bindings::caxton::agent::{
        clock, directory,
        types::{AgentRef, Draft, Fault, Instant, Message, Performative},
    },
    draft, unknown,
};

const TICK: Duration = Duration::from_millis(1);
const TICKS_PER_SECOND: u64 = 1_000;
const NANOS: u64 = 1_000_000_000;
/// Requests without an answer at once: more than a server at full load has of one asker.
const OPEN_MAX: u64 = 1_024;
/// The only timer.
const TOKEN: u32 = 1;
/// Each power of two is cut into so many steps, as a power of two: a latency is known to 1.6 %.
const STEP_BITS: u32 = 6;

pub struct Pace {
    per_second: u64,
    phase: Duration,
    name: String,
    to: AgentRef,
    /// The clock when it began, and the requests and answers since.
    began: Moment,
    asked: u64,
    answered: u64,
    /// Since the last report.
    reported: Moment,
    since_due: Counts,
    since_sent: Counts,
}

/// How often each latency came.
#[derive(Default)]
struct Counts(Vec<u32>);

impl Pace {
    pub fn new(per_second: u64, phase_us: u64, name: String) -> Self {
        let (phase, began) = (Duration::from_micros(phase_us), Moment::now());
        let (since_due, since_sent) = (Counts::default(), Counts::default());
        Self {
            per_second,
            phase,
            name,
            to: 0,
            began,
            asked: 0,
            answered: 0,
            reported: began,
            since_due,
            since_sent,
        }
    }

    pub fn begin(&mut self) -> Result<(), Fault> {
        self.to = directory::resolve(&self.name).ok_or_else(|| unknown(&self.name))?;
        self.began = Moment::now() + self.phase;
        self.reported = self.began;
        self.sleep(Moment::now());
        Ok(())
    }

    /// Sends what is due.
    pub fn tick(&mut self) -> Vec<Draft> {
        let now = Moment::now();
        let mut out = Vec::new();
        while self.due() <= now && self.asked - self.answered < OPEN_MAX {
            out.push(self.ask(self.due(), now));
            self.asked += 1;
        }
        self.sleep(now);
        out
    }

    /// Counts an answer.
    pub fn note(&mut self, answer: &Message) {
        let now = self.nanos(Moment::now());
        let time = |at: usize| {
            let bytes = answer.content.get(at..at + 8)?;
            Some(u64::from_le_bytes(bytes.try_into().ok()?))
        };
        let (Some(due), Some(sent)) = (time(0), time(8)) else { return };
        self.answered += 1;
        self.since_due.add(now.saturating_sub(due));
        self.since_sent.add(now.saturating_sub(sent));
    }

    /// The nanoseconds that this report is about, then in two lines the latencies since due and since sent, each with its
    /// count. Begins anew.
    pub fn report(&mut self) -> Vec<u8> {
        let now = Moment::now();
        let span = now.saturating_duration_since(self.reported).as_nanos();
        self.reported = now;
        let (due, sent) = (std::mem::take(&mut self.since_due), std::mem::take(&mut self.since_sent));
        format!("{span}\n{}\n{}", due.text(), sent.text()).into_bytes()
    }

    /// When the next request is due: at the end of its tick.
    fn due(&self) -> Moment {
        let ticks = ((self.asked + 1) * TICKS_PER_SECOND).div_ceil(self.per_second.max(1));
        self.began + Duration::from_millis(ticks)
    }

    fn ask(&self, due: Moment, now: Moment) -> Draft {
        let mut ask = draft(self.to, Performative::Request);
        let times = [self.nanos(due).to_le_bytes(), self.nanos(now).to_le_bytes()].concat();
        ask.content.resize(ask.content.len().max(times.len()), b'x');
        ask.content[..times.len()].copy_from_slice(&times);
        ask
    }

    fn nanos(&self, moment: Moment) -> u64 {
        moment.saturating_duration_since(self.began).as_nanos() as u64
    }

    /// Sets the timer for what is due next, or a tick later when that has to wait; timers know the time of day.
    fn sleep(&self, now: Moment) {
        let today = clock::now();
        let wait = self.due().saturating_duration_since(now);
        let wait = if wait.is_zero() { TICK } else { wait }.as_nanos() as u64;
        let nanos = u64::from(today.nanos) + wait;
        let seconds = today.seconds + (nanos / NANOS) as u32;
        clock::set_timer(Instant { seconds, nanos: (nanos % NANOS) as u32 }, TOKEN);
    }
}

impl Counts {
    fn add(&mut self, nanos: u64) {
        let step = step(nanos);
        if self.0.len() <= step {
            self.0.resize(step + 1, 0);
        }
        self.0[step] += 1;
    }

    fn text(&self) -> String {
        let mut text = String::new();
        for (step, count) in self.0.iter().enumerate().filter(|(_, count)| **count > 0) {
            let _never_fails = write!(text, "{}:{count} ", middle(step));
        }
        text
    }
}

/// The step of a latency: below 2^7 each nanosecond is one, above them each power of two has 2^6.
fn step(nanos: u64) -> usize {
    let bits = u64::BITS - nanos.leading_zeros();
    let shift = bits.saturating_sub(STEP_BITS + 1);
    ((shift as usize) << STEP_BITS) + (nanos >> shift) as usize
}

/// The latency in the middle of a step.
fn middle(step: usize) -> u64 {
    let shift = (step >> STEP_BITS).saturating_sub(1);
    let low = (step - (shift << STEP_BITS)) as u64;
    (low << shift) + ((1 << shift) >> 1)
}
