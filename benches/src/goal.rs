//! What is to be reached, and whether a run reached it.

use crate::{
    figure::figure,
    measure::{Measure, Spread},
    results::{Results, Row},
    workload::CAXTON,
};

/// Something to be reached at one size of a workload.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Goal {
    /// The figure, at least.
    AtLeast(f64),
    /// The figure, at most.
    AtMost(f64),
    /// The 99th percentile of the latency in microseconds, at most.
    P99AtMost(f64),
    /// The median latency at most so many times that of a peer in the same run.
    P50Times(&'static str, f64),
    /// The 99th percentile of the latency at most so many times that of a peer in the same run.
    P99Times(&'static str, f64),
    /// The median latency at most so many microseconds over that of another row.
    P50Over(&'static str, u64, f64),
}

/// Whether a goal was reached.
#[derive(Clone, Debug, PartialEq)]
pub struct Verdict {
    /// The goal in words.
    pub goal: String,
    /// What was found over what was wanted; `None` when something was not measured.
    pub share: Option<f64>,
    /// True when it was reached.
    pub reached: bool,
}

impl Verdict {
    /// One phrase for a table.
    pub fn text(&self) -> String {
        match (self.share, self.reached) {
            (None, _) => format!("{}: not measured", self.goal),
            (Some(share), true) => format!("{}: reached ({share:.2})", self.goal),
            (Some(share), false) => format!("{}: not reached ({share:.2})", self.goal),
        }
    }
}

impl Goal {
    /// Compares a row of a run with the goal.
    pub fn judge(&self, row: &Row, results: &Results) -> Verdict {
        let (goal, wanted, found) = match *self {
            Self::AtLeast(wanted) => (format!("≥ {}", figure(wanted)), Some(wanted), value(row)),
            Self::AtMost(wanted) => (format!("≤ {}", figure(wanted)), Some(wanted), value(row)),
            Self::P99AtMost(wanted) => {
                (format!("p99 ≤ {} µs", figure(wanted)), Some(wanted), p99(row, CAXTON))
            }
            Self::P50Times(peer, times) => {
                let wanted = p50(row, peer).map(|peer| peer * times);
                (format!("p50 ≤ {times} × {peer}"), wanted, p50(row, CAXTON))
            }
            Self::P99Times(peer, times) => {
                let wanted = p99(row, peer).map(|peer| peer * times);
                (format!("p99 ≤ {times} × {peer}"), wanted, p99(row, CAXTON))
            }
            Self::P50Over(other, size, us) => {
                let wanted =
                    results.row(other, size).and_then(|row| p50(row, CAXTON)).map(|other| other + us);
                (format!("p50 ≤ {other} + {} µs", figure(us)), wanted, p50(row, CAXTON))
            }
        };
        let share = wanted.zip(found).map(|(wanted, found)| found / wanted);
        let enough = |share: f64| if matches!(self, Self::AtLeast(_)) { share >= 1.0 } else { share <= 1.0 };
        Verdict { goal, share, reached: share.is_some_and(enough) }
    }
}

fn value(row: &Row) -> Option<f64> {
    median(row, CAXTON, |measure| Some(measure.value))
}

fn p50(row: &Row, system: &str) -> Option<f64> {
    median(row, system, |measure| measure.p50_us)
}

fn p99(row: &Row, system: &str) -> Option<f64> {
    median(row, system, |measure| measure.p99_us)
}

fn median(row: &Row, system: &str, of: fn(&Measure) -> Option<f64>) -> Option<f64> {
    row.cell(system)?.spread(of).map(|spread: Spread| spread.median)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::results::Cell;

    fn row(workload: &str, cells: &[(&str, f64, f64)]) -> Row {
        let cell = |(system, value, p99): &(&str, f64, f64)| {
            let measure = Measure { p50_us: Some(p99 / 2.0), p99_us: Some(*p99), ..Measure::of(*value) };
            Cell { system: (*system).to_owned(), samples: vec![measure], failures: vec![] }
        };
        Row { workload: workload.into(), size: 1, cells: cells.iter().map(cell).collect() }
    }

    fn judged(goal: Goal, row: &Row) -> (Option<f64>, bool) {
        let results = Results { rows: vec![row.clone()], ..Results::default() };
        let verdict = goal.judge(row, &results);
        (verdict.share, verdict.reached)
    }

    #[test]
    fn a_rate_is_to_be_more_and_a_time_less() {
        let row = row("echo", &[("caxton", 50.0, 10.0)]);
        assert_eq!(judged(Goal::AtLeast(40.0), &row), (Some(1.25), true));
        assert_eq!(judged(Goal::AtLeast(100.0), &row), (Some(0.5), false));
        assert_eq!(judged(Goal::AtMost(100.0), &row), (Some(0.5), true));
        assert_eq!(judged(Goal::P99AtMost(5.0), &row), (Some(2.0), false));
    }

    #[test]
    fn a_goal_against_a_peer_takes_the_peers_figure_of_the_same_run() {
        let both = row("rest", &[("caxton", 1.0, 12.0), ("axum", 1.0, 10.0)]);
        assert_eq!(judged(Goal::P99Times("axum", 1.5), &both), (Some(0.8), true));
        assert_eq!(judged(Goal::P50Times("axum", 1.0), &both), (Some(1.2), false));
        assert_eq!(judged(Goal::P50Over("rest", 1, 6.0), &both), (Some(0.5), true));
    }

    #[test]
    fn a_goal_whose_figure_is_missing_is_not_reached_and_says_so() {
        let alone = row("rest", &[("caxton", 1.0, 12.0)]);
        let results = Results { rows: vec![alone.clone()], ..Results::default() };
        let verdict = Goal::P99Times("axum", 1.5).judge(&alone, &results);
        assert_eq!(verdict.text(), "p99 ≤ 1.5 × axum: not measured");
    }
}
