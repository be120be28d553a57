//! The cases of the instruction gate by the clock. Times for one step; `elem` is a message.

use std::time::{Duration, Instant};

use caxton_gate::{CASES, Case, MESSAGES_MAX};
use criterion::{Criterion, Throughput};

pub fn bench(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("path");
    for case in CASES {
        group.throughput(Throughput::Elements(case.messages));
        group.bench_function(case.name, |bencher| bencher.iter_custom(|steps| time(case, steps)));
    }
    group.finish();
}

/// Times so many steps. A case is prepared anew, unmeasured, before it has taken more messages than it may.
fn time(case: &Case, steps: u64) -> Duration {
    let steps_max = (MESSAGES_MAX / case.messages).max(1);
    let (mut left, mut total) = (steps, Duration::ZERO);
    while left > 0 {
        let now = left.min(steps_max);
        let mut step = (case.prepare)().unwrap();
        let began = Instant::now();
        for _ in 0..now {
            step().unwrap();
        }
        total += began.elapsed();
        left -= now;
    }
    total
}
