//! What a workload is: what is measured, at which sizes, who takes part, and what is to be reached.

use caxton_kit::Failure;

use crate::{goal::Goal, measure::Measure};

/// A peer whose run is short enough at any size.
pub const ANY: u64 = u64::MAX;

/// The name of this server among the systems.
pub const CAXTON: &str = "caxton";

/// What the size of a workload counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Axis {
    /// Agents in all.
    Agents,
    /// Participants of each contract net.
    Participants,
    /// Requests or messages whose answers are awaited at once.
    InFlight,
    /// Processor cores that the system may use.
    Cores,
    /// Percent of the echo throughput at [`FIXED_AGENTS`] agents.
    Percent,
    /// Bytes of each message's content.
    Bytes,
    /// Messages handed to an agent at once.
    Batch,
}

/// The agents of a workload whose size counts something else.
pub const FIXED_AGENTS: u64 = 100;

impl Axis {
    /// The words for a table or a plot.
    pub fn text(self) -> &'static str {
        match self {
            Self::Agents => "agents",
            Self::Participants => "participants",
            Self::InFlight => "in flight",
            Self::Cores => "cores",
            Self::Percent => "% of full load",
            Self::Bytes => "bytes",
            Self::Batch => "messages a turn",
        }
    }
}

/// Which direction is better.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Better {
    /// A rate.
    More,
    /// A time or an amount of memory.
    Less,
}

/// How often a workload is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rounds {
    /// As often as the run says, for a fair comparison.
    All,
    /// Fewer times: a point of a plot, a figure that hardly varies, or a row without peers that takes long to start.
    Few,
}

/// A row of the table for each of its sizes.
pub struct Workload {
    /// Its name on the command line and in the results.
    pub id: &'static str,
    /// The name by which peers know it.
    pub peer_id: &'static str,
    /// The unit of its figure.
    pub unit: &'static str,
    /// The figure of a measure.
    pub figure: fn(&Measure) -> Option<f64>,
    /// Which figures are better.
    pub better: Better,
    /// How often it is measured.
    pub rounds: Rounds,
    /// What its sizes count.
    pub axis: Axis,
    /// The sizes.
    pub sizes: &'static [u64],
    /// Measures Caxton at a size for so many seconds.
    pub measure: fn(u64, f64) -> Result<Measure, Failure>,
    /// Seconds that a sample of Caxton takes beside starting its agents and measuring.
    pub beside_s: f64,
    /// The peers, each with the largest size at which its run is short enough.
    pub peers: &'static [(&'static str, u64)],
    /// What is to be reached at which size.
    pub goals: &'static [(u64, Goal)],
}

impl Workload {
    /// The agents that a size needs, about.
    pub fn agents(&self, size: u64) -> u64 {
        match self.axis {
            Axis::Agents | Axis::Participants => size,
            Axis::InFlight => 1,
            Axis::Cores | Axis::Percent | Axis::Bytes | Axis::Batch => FIXED_AGENTS,
        }
    }

    /// The unit in words, with the direction where it is not that of a rate.
    pub fn unit(&self) -> String {
        match self.better {
            Better::More => self.unit.to_owned(),
            Better::Less => format!("{}, less is better", self.unit),
        }
    }

    /// What is to be reached at a size.
    pub fn goals_at(&self, size: u64) -> impl Iterator<Item = &'static Goal> {
        self.goals.iter().filter(move |(at, _)| *at == size).map(|(_, goal)| goal)
    }

    /// Everybody who takes part at a size, Caxton first.
    pub fn systems_at(&self, size: u64) -> impl Iterator<Item = &'static str> {
        let peers = self.peers.iter().filter(move |(_, size_max)| size <= *size_max).map(|(name, _)| *name);
        std::iter::once(CAXTON).chain(peers)
    }
}

/// What most workloads have in common.
pub const BASE: Workload = Workload {
    id: "",
    peer_id: "",
    unit: "msg/s",
    figure: value,
    better: Better::More,
    rounds: Rounds::All,
    axis: Axis::Agents,
    sizes: &[],
    measure: nothing,
    beside_s: 0.0,
    peers: &[],
    goals: &[],
};

fn nothing(_size: u64, _seconds: f64) -> Result<Measure, Failure> {
    Err("nothing to measure".into())
}

/// The figure itself.
fn value(measure: &Measure) -> Option<f64> {
    Some(measure.value)
}

/// The 99th percentile of the latency, for workloads that are about it.
pub fn p99(measure: &Measure) -> Option<f64> {
    measure.p99_us
}
