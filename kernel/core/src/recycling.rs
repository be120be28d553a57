//! Gives an agent a fresh instance when its memory has grown: linear memory never shrinks, and some languages leak.
//!
//! ```text
//!   memory   fresh ──────── grown ──────────── pressing ─────────── urgent ── limit (a trap)
//!   waits until             nothing is open    no protocol waits    nothing
//! ```
//!
//! A fresh instance is made between two turns, so no message is in it; those that come meanwhile lie in the mailbox. The
//! old one serves on when the fresh one fails in its `init`. What an agent keeps in memory alone is gone, so it is left
//! alone as long as it takes part in something: below pressing in any conversation, below urgent in one that a protocol
//! watches, and while it has set a timer. At urgent it would soon be stopped by its limit; what it promised is told to be
//! void then, as after a trap. After each turn this costs a comparison; looks happen when the memory has grown by a
//! further part, and every [`LOOK_MS`]. See docs/decisions/0020.

use caxton_abi::{Code, EventName, Signal};

use crate::{
    activation::Work,
    agent::AgentBody,
    bus::Bus,
    cell::{Cell, Desk, Run},
    flow::Flow,
    held::Judge,
    signal,
    supervisor::RestartPolicy,
    sync::lock,
    time::Time,
    timer::Key,
};

/// Milliseconds between two looks at an agent whose memory has grown and that takes part in something.
const LOOK_MS: u64 = 1_000;

/// The memory of one version's instances.
#[derive(Debug)]
pub(crate) struct Recycling {
    /// Bytes after the instance's `init`.
    fresh: u64,
    /// What it may still grow by from there until the sandbox stops it.
    room: u64,
    /// Growth from which on a fresh instance is wanted.
    growth: u64,
    /// Bytes at which it is looked at next.
    look_at: u64,
    /// The next turn makes a fresh instance.
    due: Option<Pressure>,
    /// Fresh instances so far.
    recycled: u32,
}

/// How far the memory has grown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Pressure {
    /// By what is allowed.
    Grown,
    /// By twice that.
    Pressing,
    /// The sandbox will stop it soon.
    Urgent,
}

impl Default for Recycling {
    fn default() -> Self {
        Self { fresh: 0, room: u64::MAX, growth: u64::MAX, look_at: u64::MAX, due: None, recycled: 0 }
    }
}

impl Recycling {
    /// An instance's `init` returned ok.
    fn begin(&mut self, body: &dyn AgentBody, growth_max: u64) {
        self.fresh = body.memory_bytes();
        self.room = body.memory_bytes_max().saturating_sub(self.fresh);
        self.growth = growth_max.min(self.room / 2);
        self.look_at = self.fresh.saturating_add(self.growth);
        self.due = None;
    }

    /// How far an instance of so many bytes has grown.
    fn pressure(&self, bytes: u64) -> Option<Pressure> {
        let grown = bytes.saturating_sub(self.fresh);
        match grown {
            _ if grown >= self.room / 8 * 7 => Some(Pressure::Urgent),
            _ if grown >= self.growth.saturating_mul(2) => Some(Pressure::Pressing),
            _ if grown >= self.growth => Some(Pressure::Grown),
            _ => None,
        }
    }

    /// Puts the next look off until it has grown by a further quarter of what is allowed.
    fn put_off(&mut self, bytes: u64) {
        let urgent_at = self.fresh.saturating_add(self.room / 8 * 7);
        let next = bytes.saturating_add((self.growth / 4).max(1));
        self.look_at = if bytes < urgent_at { next.min(urgent_at) } else { next };
    }

    /// True when the next turn makes a fresh instance.
    pub(crate) fn is_due(&self) -> bool {
        self.due.is_some()
    }

    pub(crate) fn recycled(&self) -> u32 {
        self.recycled
    }
}

impl Desk {
    /// Notes the memory after a turn that committed; `fresh` when the turn made the instance. Answers what a recycling
    /// came from, when that was one.
    pub(crate) fn note_memory(&mut self, cell: &Cell, fresh: bool) -> Option<(Pressure, u64)> {
        let before = std::mem::take(&mut self.memory_bytes);
        let body = self.body.as_deref()?;
        self.memory_bytes = body.memory_bytes();
        if !fresh {
            return None;
        }
        let due = self.recycling.due;
        if cell.spec.restart != RestartPolicy::Never {
            let growth_max = cell.spec.recycle_memory_bytes.unwrap_or(cell.limits.recycle_memory_bytes);
            self.recycling.begin(body, growth_max);
        }
        self.recycling.recycled += u32::from(due.is_some());
        due.map(|pressure| (pressure, before))
    }

    /// The turn that was to make a fresh instance failed: the one that is there serves on.
    pub(crate) fn recycling_failed(&mut self, work: Work) {
        if work == Work::Recycle {
            self.recycling.due = None;
            self.recycling.put_off(self.memory_bytes);
        }
    }

    /// Instances that there were before the one that is or is being made.
    pub(crate) fn instances_before(&self) -> u32 {
        self.supervisor.restarts() + self.recycling.recycled + u32::from(self.recycling.is_due())
    }

    /// True when nothing is open that an instance of this pressure must not leave.
    fn may_leave(&self, pressure: Pressure, judge: &Judge<'_>, has_timers: bool) -> bool {
        let timers = has_timers || !self.due.is_empty();
        match pressure {
            Pressure::Grown => !timers && self.held.open(judge) == 0,
            Pressure::Pressing => !timers && !self.held.has_watched(judge),
            Pressure::Urgent => true,
        }
    }
}

impl Bus {
    /// After a turn and its consequences: decides whether the next turn makes a fresh instance.
    pub(crate) fn weigh(&self, cell: &Cell, desk: &mut Desk, now: Time) {
        if desk.memory_bytes < desk.recycling.look_at || !desk.life.takes_messages() || desk.body.is_none() {
            return;
        }
        let bytes = desk.memory_bytes;
        let Some(pressure) = desk.recycling.pressure(bytes) else { return };
        let mut timers = lock(&self.timers);
        let has_timers = timers.has_any(Key::Agent(cell.address, cell.version, 0));
        let look = Key::Recycle(cell.address, cell.version);
        if desk.may_leave(pressure, &self.judge(now), has_timers) {
            desk.recycling.due = Some(pressure);
            timers.cancel(look);
        } else {
            desk.recycling.put_off(bytes);
            timers.set(look, now.plus_millis(LOOK_MS));
        }
    }

    /// Looks again at a version whose memory has grown; while a turn of it runs, the end of that looks.
    pub(crate) fn weigh_again(&self, flow: &Flow<'_>, address: u32, version: u32) {
        let Some(cell) = self.version(address, version) else { return };
        let mut desk = lock(&cell.desk);
        desk.recycling.look_at = 0;
        if desk.run != Run::Idle {
            return;
        }
        self.weigh(&cell, &mut desk, flow.now);
        let queue = desk.enqueue();
        drop(desk);
        if queue {
            flow.queue(cell);
        }
    }

    /// Tells of a fresh instance, and the protocols when the old one had to leave what it had promised.
    pub(crate) fn recycled(&self, flow: &mut Flow<'_>, cell: &Cell, pressure: Pressure, before: u64) {
        let desk = lock(&cell.desk);
        let (count, after) = (desk.recycling.recycled, desk.memory_bytes);
        // Beside other versions only what this one held is lost.
        let held = desk.divided.then(|| desk.held.watched(&self.judge(flow.now)));
        drop(desk);
        flow.emit(Signal {
            sender: cell.address,
            value: u64::from(count),
            text: signal::text(format!("memory {before} > {after}")),
            ..signal::event(EventName::AGENT_RECYCLED, flow.now)
        });
        match (pressure, held) {
            (Pressure::Urgent, Some(held)) => {
                flow.conversations_lost(cell.address, Code::TRAP_MEMORY, held);
            }
            (Pressure::Urgent, None) => flow.agent_lost(cell.address, Code::TRAP_MEMORY, Vec::new()),
            (Pressure::Grown | Pressure::Pressing, _) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::agent::{Fault, Start, Turn};

    struct Sized(u64, u64);

    impl AgentBody for Sized {
        fn init(&mut self, _: &Start, _: &mut Turn) -> Result<(), Fault> {
            Ok(())
        }
        fn handle(&mut self, _: &[caxton_abi::Envelope], _: &mut Turn) -> Result<(), Fault> {
            Ok(())
        }
        fn timer(&mut self, _: u32, _: &mut Turn) -> Result<(), Fault> {
            Ok(())
        }
        fn memory_bytes(&self) -> u64 {
            self.0
        }
        fn memory_bytes_max(&self) -> u64 {
            self.1
        }
    }

    fn begun(fresh: u64, limit: u64, growth_max: u64) -> Recycling {
        let mut recycling = Recycling::default();
        recycling.begin(&Sized(fresh, limit), growth_max);
        recycling
    }

    #[test]
    fn pressure_rises_with_the_growth_since_init() {
        let recycling = begun(100, 900, 50);
        let pressures = [149, 150, 199, 200, 799, 800].map(|bytes| recycling.pressure(bytes));
        use Pressure::{Grown, Pressing, Urgent};
        let expected = [None, Some(Grown), Some(Grown), Some(Pressing), Some(Pressing), Some(Urgent)];
        assert_eq!(pressures, expected);
    }

    #[test]
    fn a_large_instance_under_a_small_limit_is_grown_when_half_of_its_room_is_gone() {
        let recycling = begun(60, 100, 1 << 30);
        assert_eq!([79, 80].map(|bytes| recycling.pressure(bytes)), [None, Some(Pressure::Grown)]);
    }

    #[test]
    fn looks_come_with_each_further_quarter_and_at_the_urgent_mark() {
        let mut recycling = begun(0, 800, 100);
        let mut looks = vec![recycling.look_at];
        while *looks.last().unwrap() < 720 {
            recycling.put_off(*looks.last().unwrap());
            looks.push(recycling.look_at);
        }
        assert_eq!(looks[..4], [100, 125, 150, 175]);
        assert!(looks.contains(&700), "{looks:?}");
    }
}
