//! What a transport adds: a client's round trip to an agent and back, minus the round trip of the same messages between
//! two agents inside of the server, beside the round trip to a bare server of the same library. One request is under way
//! at a time; the systems take turns, and medians are taken over the rounds.

use caxton_kit::{Failure, artifacts};

use crate::{
    api, latency,
    measure::{Measure, Spread},
    peers::Peer,
};

/// A bare server at most so much faster.
const GOAL: f64 = 1.5;

/// Measures a transport with so many requests under way for so many seconds.
type Measuring = fn(u64, f64) -> Result<Measure, Failure>;

/// A transport, how it is measured, and the bare server beside it.
const TRANSPORTS: [(&str, Measuring, &str); 2] = [("rest", api::rest, "axum"), ("grpc", api::grpc, "tonic")];

/// The figures of one system over the rounds, in microseconds.
#[derive(Default)]
struct Times {
    p50: Vec<f64>,
    p99: Vec<f64>,
}

impl Times {
    fn add(&mut self, p50: Option<f64>, p99: Option<f64>) {
        self.p50.extend(p50);
        self.p99.extend(p99);
    }

    fn medians(&self) -> Result<[f64; 2], Failure> {
        let median = |values: &[f64]| Spread::of(values.iter().copied()).map(|spread| spread.median);
        match (median(&self.p50), median(&self.p99)) {
            (Some(p50), Some(p99)) => Ok([p50, p99]),
            _ => Err("a run gave no latencies".into()),
        }
    }
}

/// Measures and prints the table.
///
/// # Errors
/// A system could not be built, started or measured.
pub fn print(rounds: u32, seconds: f64) -> Result<(), Failure> {
    artifacts::native()?;
    let mut kernel = Times::default();
    let mut doors = Vec::new();
    for (name, measure, bare) in TRANSPORTS {
        doors.push((name, measure, Peer::prepare(bare)?, bare, Times::default(), Times::default()));
    }
    for _ in 0..rounds {
        let inside = latency::alone(seconds)?;
        kernel.add(inside.sent_p50_us, inside.sent_p99_us);
        for (name, measure, peer, _, ours, theirs) in &mut doors {
            let found = measure(1, seconds)?;
            ours.add(found.p50_us, found.p99_us);
            let found = peer.run(name, 1, seconds)?;
            theirs.add(found.p50_us, found.p99_us);
        }
    }
    let [kernel50, kernel99] = kernel.medians()?;
    println!("round trips in microseconds, one request under way, medians of {rounds} rounds of {seconds} s");
    println!("inside the server, agent to agent: p50 {:.1}, p99 {:.1}\n", kernel50, kernel99);
    println!(
        "{:<10} {:>6} {:>9} {:>9} {:>9}  {:<6} {:>9} {:>7}  goal",
        "transport", "", "client", "inside", "overhead", "bare", "", "ratio"
    );
    for (name, _, _, bare, ours, theirs) in &doors {
        let (ours, theirs) = (ours.medians()?, theirs.medians()?);
        let ([ours50, ours99], [theirs50, theirs99]) = (ours, theirs);
        println!("{}", row(name, "p50", bare, [ours50, kernel50, theirs50]));
        println!("{}", row(name, "p99", bare, [ours99, kernel99, theirs99]));
    }
    Ok(())
}

fn row(name: &str, quantile: &str, bare: &str, [client, inside, echo]: [f64; 3]) -> String {
    let ratio = client / echo.max(f64::MIN_POSITIVE);
    let verdict = if ratio <= GOAL { "reached" } else { "missed" };
    let overhead = client - inside;
    format!(
        "{name:<10} {quantile:>6} {client:>9.1} {inside:>9.1} {overhead:>9.1}  {bare:<6} {echo:>9.1} {ratio:>7.2}  \
         at most {GOAL}: {verdict}"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_says_what_the_transport_adds_and_whether_that_is_little_enough() {
        let row = row("rest", "p50", "axum", [75.0, 5.0, 50.0]);
        assert!(row.contains(" 70.0 ") && row.ends_with("1.50  at most 1.5: reached"), "{row}");
    }

    #[test]
    fn a_run_without_latencies_is_no_figure() {
        assert!(Times::default().medians().is_err());
    }
}
