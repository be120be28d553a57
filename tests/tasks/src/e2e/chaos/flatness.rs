//! Whether memory, threads and open files of a process stay where they are, by samples taken each second.

use std::{
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::{Duration, Instant},
};

use caxton_kit::figures::{Process, median, mib, slope};

use crate::e2e::claims::Claims;

const SAMPLE: Duration = Duration::from_secs(1);
/// Memory may rise by so much in ten seconds after the warm-up.
const RISE_MIB_MAX: f64 = 1.0;
/// Memory at the end may be above its middle value by so much: what a moment's load holds.
const ABOVE_MIDDLE_MIB_MAX: f64 = 16.0;
/// Threads and files may be above their middle value by so much at the end: connections and a reload under way.
const ABOVE_MIDDLE_MAX: f64 = 8.0;

/// The samples of a run.
pub struct Samples(Vec<(f64, Process)>);

impl Samples {
    /// Takes samples of a process until told to stop.
    pub fn take(pid: u32, stop: &AtomicBool) -> Self {
        let (mut samples, began) = (Vec::new(), Instant::now());
        while !stop.load(Ordering::Acquire) {
            samples.extend(Process::read(pid).map(|process| (began.elapsed().as_secs_f64(), process)));
            thread::sleep(SAMPLE);
        }
        Self(samples)
    }

    /// Judges the second half; the first is warm-up, in which caches and logs of a bounded size fill.
    pub fn judge(&self, claims: &mut Claims) {
        let warm = self.0.get(self.0.len() / 2..).unwrap_or_default();
        let series = |of: fn(&Process) -> f64| -> Vec<(f64, f64)> {
            warm.iter().map(|(at, process)| (*at, of(process))).collect()
        };
        let middle = |points: &[(f64, f64)]| median(points.iter().map(|point| point.1));
        let last = |points: &[(f64, f64)]| points.last().map_or(0.0, |point| point.1);
        let memory = series(|process| mib(process.rss_bytes));
        let rise = slope(&memory) * 10.0;
        let above = last(&memory) - middle(&memory);
        self.print();
        claims.judge(
            "memory is flat after the warm-up",
            memory.len() > 2 && rise < RISE_MIB_MAX && above < ABOVE_MIDDLE_MIB_MAX,
            format!(
                "{rise:.2} MiB more in 10 s; middle {:.1} MiB, last {:.1} MiB of {} samples",
                middle(&memory),
                last(&memory),
                memory.len()
            ),
        );
        let counts = [
            ("threads", series(|process| process.threads as f64)),
            ("open files", series(|process| process.files as f64)),
        ];
        for (what, points) in counts {
            let above = last(&points) - middle(&points);
            let found = format!("middle {:.0}, last {:.0}", middle(&points), last(&points));
            claims.judge(format!("{what} are flat"), above <= ABOVE_MIDDLE_MAX, found);
        }
    }

    /// Some of the samples over the whole run.
    fn print(&self) {
        println!("{:>8} {:>12} {:>8} {:>8}", "SECOND", "MEMORY", "THREADS", "FILES");
        for (at, process) in self.0.iter().step_by((self.0.len() / 12).max(1)) {
            println!("{at:>8.0} {:>8.1} MiB {:>8} {:>8}", process.rss_mib(), process.threads, process.files);
        }
    }
}
