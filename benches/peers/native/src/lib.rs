//! What every peer program has in common: its arguments, its clock and the line that it prints.
//!
//! A peer is called `PROGRAM WORKLOAD SIZE SECONDS`, warms up for [`WARM_UP`], measures for SECONDS and prints one JSON
//! line. Contents have [`CONTENT_BYTES`] bytes. The windows are those of Caxton's own workloads (`benches/src/talk.rs`).

use std::time::{Duration, Instant};

use hdrhistogram::Histogram;

pub mod actors;
pub mod calls;
pub mod load;
mod memory;
pub mod role;
pub mod server;

/// Why a program gives no figure, in one line.
pub type Failure = Box<dyn std::error::Error + Send + Sync>;

/// Bytes of every content.
pub const CONTENT_BYTES: usize = 256;
/// Until a workload runs evenly.
pub const WARM_UP: Duration = Duration::from_millis(300);
/// The longest latency that is told apart from longer ones, in nanoseconds.
const LATENCY_NS_MAX: u64 = 60_000_000_000;

/// What is to be measured.
#[derive(Clone, Debug)]
pub struct Arguments {
    /// The name of the workload.
    pub workload: String,
    /// Agents, participants, messages in a second or requests in flight.
    pub size: usize,
    /// How long.
    pub seconds: f64,
}

impl Arguments {
    /// Reads the command line.
    ///
    /// # Errors
    /// It is not `WORKLOAD SIZE SECONDS`.
    pub fn read() -> Result<Self, Failure> {
        let words: Vec<String> = std::env::args().skip(1).collect();
        let [workload, size, seconds] = words.as_slice() else {
            return Err("usage: PROGRAM WORKLOAD SIZE SECONDS".into());
        };
        Ok(Self { workload: workload.clone(), size: size.parse()?, seconds: seconds.parse()? })
    }

    /// The measured time.
    pub fn span(&self) -> Duration {
        Duration::from_secs_f64(self.seconds)
    }

    /// For a workload that this peer does not have.
    pub fn unknown(&self) -> Failure {
        format!("no workload {} here", self.workload).into()
    }
}

/// One figure, and its latencies where the workload has any.
#[derive(Debug)]
pub struct Measure {
    /// The figure, in the workload's unit.
    pub value: f64,
    /// Latencies in nanoseconds.
    pub latencies: Option<Histogram<u64>>,
}

impl Measure {
    /// A figure without latencies.
    pub fn of(value: f64) -> Self {
        Self { value, latencies: None }
    }

    /// Prints the line and ends the process without waiting for its agents.
    ///
    /// # Errors
    /// Never; it is the end of a `main` that may fail.
    pub fn print_and_exit(&self) -> Result<(), Failure> {
        self.print();
        std::process::exit(0)
    }

    /// Prints the line.
    pub fn print(&self) {
        let latencies = self.latencies.as_ref().map_or_else(String::new, |latencies| {
            let us = |quantile| latencies.value_at_quantile(quantile) as f64 / 1e3;
            format!(
                ", \"p50_us\": {:.1}, \"p99_us\": {:.1}, \"p999_us\": {:.1}",
                us(0.5),
                us(0.99),
                us(0.999)
            )
        });
        println!("{{\"value\": {:.3}{latencies}}}", self.value);
    }
}

/// Ends the program, because a letter could not be sent: a figure with lost letters would be none.
pub fn fail(error: impl std::fmt::Display) -> ! {
    eprintln!("a letter was not taken: {error}");
    std::process::exit(1)
}

/// Where latencies are counted, to three digits.
///
/// # Panics
/// Never: the bounds are in order.
pub fn histogram() -> Histogram<u64> {
    Histogram::new_with_bounds(1, LATENCY_NS_MAX, 3).expect("bounds in order")
}

/// Nanoseconds since a moment.
pub fn nanos_since(moment: Instant) -> u64 {
    moment.elapsed().as_nanos().min(u128::from(LATENCY_NS_MAX)) as u64
}
