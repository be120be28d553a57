//! Figures of a run: what the operating system says of a process, percentiles of spans, and how steep a series is.

use std::{fs, time::Duration};

/// What `/proc` says of a process at one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Process {
    /// Resident memory, bytes.
    pub rss_bytes: u64,
    /// Threads.
    pub threads: u64,
    /// Open files.
    pub files: u64,
}

impl Process {
    /// Reads the figures; `None` when there is no such process.
    pub fn read(pid: u32) -> Option<Self> {
        let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
        let field = |name: &str| -> Option<u64> {
            let line = status.lines().find_map(|line| line.strip_prefix(name))?;
            line.trim_start_matches(':').split_whitespace().next()?.parse().ok()
        };
        let files = fs::read_dir(format!("/proc/{pid}/fd")).ok()?.count() as u64;
        Some(Self { rss_bytes: field("VmRSS")? * 1024, threads: field("Threads")?, files })
    }

    /// Resident memory in mebibytes.
    pub fn rss_mib(&self) -> f64 {
        mib(self.rss_bytes)
    }
}

/// Bytes as mebibytes.
pub fn mib(bytes: u64) -> f64 {
    bytes as f64 / (1024.0 * 1024.0)
}

/// Spans of requests, and their percentiles.
#[derive(Clone, Debug, Default)]
pub struct Spans(Vec<Duration>);

impl Spans {
    /// Adds one.
    pub fn add(&mut self, span: Duration) {
        self.0.push(span);
    }

    /// Adds all of another.
    pub fn merge(&mut self, other: Self) {
        self.0.extend(other.0);
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// True when there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The span that so many of a hundred do not exceed (nearest rank); zero for none.
    pub fn percentile(&self, percent: f64) -> Duration {
        let mut sorted = self.0.clone();
        sorted.sort_unstable();
        let rank = (percent / 100.0 * sorted.len() as f64).ceil() as usize;
        sorted.get(rank.saturating_sub(1)).copied().unwrap_or_default()
    }

    /// The longest; zero for none.
    pub fn max(&self) -> Duration {
        self.0.iter().max().copied().unwrap_or_default()
    }
}

/// Milliseconds with two digits, for a table.
pub fn millis(span: Duration) -> String {
    format!("{:.2} ms", span.as_secs_f64() * 1000.0)
}

/// How much a series rises for each step of `x`, by least squares; zero for fewer than two points.
pub fn slope(points: &[(f64, f64)]) -> f64 {
    let count = points.len() as f64;
    let mean = |of: fn(&(f64, f64)) -> f64| points.iter().map(of).sum::<f64>() / count;
    let (mean_x, mean_y) = (mean(|point| point.0), mean(|point| point.1));
    let spread: f64 = points.iter().map(|(x, _)| (x - mean_x).powi(2)).sum();
    let joint: f64 = points.iter().map(|(x, y)| (x - mean_x) * (y - mean_y)).sum();
    if points.len() < 2 || spread == 0.0 { 0.0 } else { joint / spread }
}

/// The middle value; zero for none.
pub fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut sorted: Vec<f64> = values.collect();
    sorted.sort_by(f64::total_cmp);
    sorted.get(sorted.len() / 2).copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_sees_its_own_memory_threads_and_files() {
        let own = Process::read(std::process::id()).unwrap();
        assert!(own.rss_bytes > 100_000 && own.threads > 0 && own.files > 0, "{own:?}");
        assert_eq!(Process::read(u32::MAX), None);
    }

    #[test]
    fn a_percentile_is_a_span_that_was_measured() {
        let mut spans = Spans::default();
        (1..=100).for_each(|millis| spans.add(Duration::from_millis(millis)));
        assert_eq!(spans.percentile(99.0), Duration::from_millis(99));
        assert_eq!(spans.percentile(50.0), Duration::from_millis(50));
        assert_eq!(Spans::default().percentile(99.0), Duration::ZERO);
    }

    #[test]
    fn a_rising_series_has_its_rise_as_slope_and_a_flat_one_none() {
        let rising: Vec<(f64, f64)> = (0..10).map(|x| (f64::from(x), 3.0 * f64::from(x) + 1.0)).collect();
        assert!((slope(&rising) - 3.0).abs() < 1e-9);
        assert_eq!(slope(&[(0.0, 5.0), (1.0, 5.0)]), 0.0);
        assert_eq!(slope(&[]), 0.0);
        assert_eq!(median([3.0, 1.0, 2.0].into_iter()), 2.0);
    }
}
