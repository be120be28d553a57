//! How long an echo takes at a load that does not wait for answers (open loop).
//!
//! Half of the agents ask the other half on time: so many requests a second, in bursts of a millisecond, the bursts of the
//! askers spread over it. A latency counts from the moment at which the request was due until the asker's turn that takes
//! the answer, so a server that falls behind can not hide it by asking later. In it are two deliveries, the turn of the
//! echo, the waits for both agents' turns, and how late the server's timer was; beside it stands the latency from when the
//! request was really sent, without the timer.

use std::{
    sync::OnceLock,
    time::{Duration, Instant},
};

use caxton_kit::Failure;
use hdrhistogram::Histogram;

use crate::{measure::Measure, stage::Stage, talk, workload::FIXED_AGENTS};

/// Seconds until it runs evenly.
const WARM_UP_S: f64 = 0.5;
/// The bursts of the askers begin at so many different moments of a millisecond.
const PHASES: u64 = 10;
/// How long the throughput is measured when nobody said what it is.
const FULL_S: f64 = 2.0;

/// How long the reports of all askers may take: longer means that the server is far behind.
const REPORTS_MAX: Duration = Duration::from_secs(20);

static FULL: OnceLock<f64> = OnceLock::new();

/// Says what a full load is: the round trips in a second that were found.
pub fn full_load(rate: f64) {
    let _the_first_counts = FULL.set(rate);
}

/// The requests in a second that a percentage of the full load is. Measures the full load when nobody said what it is.
///
/// # Errors
/// The full load could not be measured.
pub fn offered(percent: u64) -> Result<f64, Failure> {
    let full = match FULL.get() {
        Some(full) => *full,
        None => {
            let (found, _) = talk::echo(FIXED_AGENTS, FULL_S)?;
            *FULL.get_or_init(|| found)
        }
    };
    Ok(full * percent as f64 / 100.0)
}

/// Round trips in a second at so many percent of the full load, and their latencies.
///
/// # Errors
/// The server could not be started, refused something, or lost a message.
pub fn run(percent: u64, seconds: f64) -> Result<Measure, Failure> {
    let rate = offered(percent)?;
    let pairs = FIXED_AGENTS / 2;
    let mut stage = Stage::start()?;
    let mut askers = Vec::new();
    for pair in 0..pairs {
        let (each, phase) = ((rate / pairs as f64).round(), pair % PHASES * 1_000 / PHASES);
        stage.deploy(&format!("echo-{pair}"), "echo")?;
        stage.deploy(&format!("asker-{pair}"), &format!("paced {each} {phase} echo-{pair}"))?;
        askers.push(format!("asker-{pair}"));
    }
    stage.go(&askers)?;
    stage.run(WARM_UP_S)?;
    collect(&mut stage, &askers)?;
    let span = stage.run(seconds)?;
    let seen = collect(&mut stage, &askers)?;
    if span.lost > 0 {
        return Err(format!("{} messages were not delivered: the load overruns a limit", span.lost));
    }
    let us = |seen: &Histogram<u64>, quantile| Some(seen.value_at_quantile(quantile) as f64 / 1e3);
    let (due, sent) = (&seen.since_due, &seen.since_sent);
    Ok(Measure {
        value: seen.rate,
        p50_us: us(due, 0.5),
        p99_us: us(due, 0.99),
        p999_us: us(due, 0.999),
        sent_p50_us: us(sent, 0.5),
        sent_p99_us: us(sent, 0.99),
        cpu_us: Some(span.cpu_us()),
    })
}

/// Requests in a second of the one agent that asks alone: few enough that each finds the server idle.
const ALONE_RATE: u32 = 1_000;

/// The latency of an echo between two agents when nothing else happens.
///
/// # Errors
/// As for [`run`].
pub fn alone(seconds: f64) -> Result<Measure, Failure> {
    let mut stage = Stage::start()?;
    stage.deploy("echo-0", "echo")?;
    stage.deploy("asker-0", &format!("paced {ALONE_RATE} 0 echo-0"))?;
    let askers = ["asker-0".to_owned()];
    stage.go(&askers)?;
    stage.run(WARM_UP_S)?;
    collect(&mut stage, &askers)?;
    stage.run(seconds)?;
    let seen = collect(&mut stage, &askers)?;
    let us = |quantile| Some(seen.since_sent.value_at_quantile(quantile) as f64 / 1e3);
    Ok(Measure { value: seen.rate, sent_p50_us: us(0.5), sent_p99_us: us(0.99), ..Measure::default() })
}

/// What all askers counted since the last time.
struct Seen {
    rate: f64,
    since_due: Histogram<u64>,
    since_sent: Histogram<u64>,
}

fn collect(stage: &mut Stage, askers: &[String]) -> Result<Seen, Failure> {
    let empty = || Histogram::new(3).map_err(|error| error.to_string());
    let mut seen = Seen { rate: 0.0, since_due: empty()?, since_sent: empty()? };
    let began = Instant::now();
    for asker in askers {
        if began.elapsed() > REPORTS_MAX {
            return Err("the server fell far behind the load".into());
        }
        let report = stage.report(asker)?;
        add(&mut seen, &report).ok_or_else(|| format!("{asker}: not a report: {report}"))?;
    }
    Ok(seen)
}

/// Adds a report: the nanoseconds it is about, and two lines of `NANOSECONDS:COUNT`.
fn add(seen: &mut Seen, report: &str) -> Option<()> {
    let mut lines = report.lines();
    let span_s = lines.next()?.parse::<f64>().ok()? / 1e9;
    let mut count_all = 0;
    for histogram in [&mut seen.since_due, &mut seen.since_sent] {
        count_all = 0;
        for pair in lines.next().unwrap_or_default().split_whitespace() {
            let (nanos, count) = pair.split_once(':')?;
            let (nanos, count) = (nanos.parse().ok()?, count.parse().ok()?);
            histogram.record_n(nanos, count).ok()?;
            count_all += count;
        }
    }
    seen.rate += count_all as f64 / span_s;
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reports_of_askers_are_added() {
        let empty = || Histogram::new(3).unwrap();
        let mut seen = Seen { rate: 0.0, since_due: empty(), since_sent: empty() };
        assert_eq!(add(&mut seen, "500000000\n1000:3 9000:1 \n500:4 "), Some(()));
        assert_eq!(add(&mut seen, "1000000000\n1000:2 \n500:2 "), Some(()));
        assert_eq!(seen.rate, 10.0);
        assert_eq!((seen.since_due.len(), seen.since_sent.len()), (6, 6));
        assert_eq!(seen.since_due.value_at_quantile(0.5), 1000);
        assert_eq!(add(&mut seen, "1000000000\n\n"), Some(()));
        assert_eq!(seen.rate, 10.0);
        assert_eq!(add(&mut seen, "not a report"), None);
    }
}
