//! The seeded simulator: drives the real kernel core with scripted agents, endpoints, a router and a protocol through
//! faults, and checks the books after every step.
//!
//! ```text
//! seed ─▶ Chance ─▶ step: submit · begin a turn · end a turn · tick · deploy · remove · lose and return ports ·
//!                     │    write or fail to · send dead letters again · crash and recover
//!                     │
//!                     ▼ caxton_core::Bus (one thread, virtual time)
//!            signals ─▶ Journal: one outcome for each id, the sums, order, failures ─▶ Report or Failure
//!            Disk ─▶ every durable message that was accepted is there, and comes again with its flag
//! ```
//!
//! The same seed gives the same run. It does not test threads; the core's own stress test does.

mod agents;
mod chance;
mod crash;
mod disk;
mod journal;
mod ports;
mod shared;
mod steps;
mod world;

use std::{collections::BTreeMap, fmt};

use caxton_abi::Code;

/// What a run did, so that a test can see that the faults it is about took place.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// Messages that were accepted.
    pub accepted: u64,
    /// Messages that were delivered.
    pub delivered: u64,
    /// Messages that expired.
    pub expired: u64,
    /// Messages that were refused, by reason.
    pub refused: BTreeMap<Code, u64>,
    /// Dead letters by reason.
    pub dead: BTreeMap<Code, u64>,
    /// Messages that were parked.
    pub parked: u64,
    /// Traps.
    pub traps: u64,
    /// New instances.
    pub restarts: u64,
    /// Fresh instances in the place of grown ones.
    pub recycled: u64,
    /// Failures that the platform sent.
    pub failures: u64,
    /// Acked messages that waited to be tried again.
    pub retried: u64,
    /// Messages that were dropped when the server ended.
    pub dropped: u64,
    /// Turns on threads that were lent.
    pub lent: u64,
    /// Times that the server was killed.
    pub crashes: u64,
    /// Messages that were recovered then.
    pub recovered: u64,
    /// Messages that were handed out again, delivered in the end.
    pub redelivered: u64,
}

impl Report {
    /// Adds another run's figures.
    pub fn add(&mut self, other: &Self) {
        self.accepted += other.accepted;
        self.delivered += other.delivered;
        self.expired += other.expired;
        self.parked += other.parked;
        self.traps += other.traps;
        self.restarts += other.restarts;
        self.recycled += other.recycled;
        self.failures += other.failures;
        self.retried += other.retried;
        self.dropped += other.dropped;
        self.lent += other.lent;
        self.crashes += other.crashes;
        self.recovered += other.recovered;
        self.redelivered += other.redelivered;
        for (mine, theirs) in [(&mut self.refused, &other.refused), (&mut self.dead, &other.dead)] {
            for (code, count) in theirs {
                *mine.entry(*code).or_insert(0) += count;
            }
        }
    }
}

/// A rule was broken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// The seed that shows it.
    pub seed: u64,
    /// What was expected and what was found.
    pub broken: String,
    /// The last steps, oldest first.
    pub trace: Vec<String>,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "seed {}: {}", self.seed, self.broken)?;
        writeln!(f, "the last steps:")?;
        for step in &self.trace {
            writeln!(f, "  {step}")?;
        }
        write!(f, "replay: CAXTON_SIM_SEED={} cargo test -p caxton-sim", self.seed)
    }
}

/// Runs `steps` random steps from a seed, then lets everything come to rest.
///
/// # Errors
/// A [`Failure`] when a rule is broken.
pub fn run(seed: u64, steps: u32) -> Result<Report, Failure> {
    world::World::new(seed).run(steps)
}
