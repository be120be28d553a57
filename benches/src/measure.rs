//! What a measurement is, for Caxton and for every peer alike, and what several of them say together.

use serde::{Deserialize, Serialize};

/// One figure of one system for one workload at one size, and its latencies where the workload has any.
#[derive(Clone, Debug, Default, Serialize, Deserialize, PartialEq)]
pub struct Measure {
    /// The figure, in the workload's unit.
    pub value: f64,
    /// Median latency in microseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub p50_us: Option<f64>,
    /// 99th percentile of the latency in microseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub p99_us: Option<f64>,
    /// 99.9th percentile of the latency in microseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub p999_us: Option<f64>,
    /// Median of the latency from sending on, in microseconds, where the other latencies count from when it was due.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sent_p50_us: Option<f64>,
    /// 99th percentile of the latency from sending on, in microseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sent_p99_us: Option<f64>,
    /// Processor time of the server for one message in microseconds, where it was looked at.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cpu_us: Option<f64>,
}

impl Measure {
    /// A figure without latencies.
    pub fn of(value: f64) -> Self {
        Self { value, ..Self::default() }
    }
}

/// The middle of several figures, and how far they lie apart.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Spread {
    /// The middle figure; of an even number, the mean of the two in the middle.
    pub median: f64,
    /// The smallest.
    pub min: f64,
    /// The largest.
    pub max: f64,
}

impl Spread {
    /// What several figures say together; `None` when there are none.
    pub fn of(values: impl IntoIterator<Item = f64>) -> Option<Self> {
        let mut sorted: Vec<f64> = values.into_iter().collect();
        sorted.sort_by(f64::total_cmp);
        let (min, max) = (*sorted.first()?, *sorted.last()?);
        let (low, high) = (sorted.get((sorted.len() - 1) / 2)?, sorted.get(sorted.len() / 2)?);
        Some(Self { median: (low + high) / 2.0, min, max })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_the_middle_and_of_an_even_number_the_mean_of_two() {
        assert_eq!(Spread::of([5.0, 1.0, 3.0]), Some(Spread { median: 3.0, min: 1.0, max: 5.0 }));
        assert_eq!(Spread::of([4.0, 1.0, 2.0, 100.0]), Some(Spread { median: 3.0, min: 1.0, max: 100.0 }));
        assert_eq!(Spread::of([7.0]), Some(Spread { median: 7.0, min: 7.0, max: 7.0 }));
        assert_eq!(Spread::of([]), None);
    }

    #[test]
    fn a_peers_line_may_leave_latencies_out() {
        let measure: Measure = serde_json::from_str(r#"{"value": 2, "p99_us": 4.5}"#).unwrap();
        assert_eq!(measure, Measure { p99_us: Some(4.5), ..Measure::of(2.0) });
    }
}
