//! `cargo bench`: the parts, each by itself. The wholes, beside their peers, are measured by `cargo bench-peers`.
//!
//! | group | what is timed |
//! |---|---|
//! | `path/…` | the cases of the instruction gate: ingest to a mailbox, turns, contract nets, plugin boundary, codecs, payload |
//! | `call/…` | a turn of a component that echoes, with batches of 1, 8 and 64 |
//! | `spawn/…` | a component's instance, made anew, until its first answer |
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod call;
mod path;
mod sandbox;
mod spawn;

use std::time::Duration;

use criterion::Criterion;

use sandbox::Sandbox;

/// All parts together take about two minutes, so that they are run while one works on them.
const WARM_UP: Duration = Duration::from_millis(500);
const MEASUREMENT: Duration = Duration::from_secs(3);

fn main() {
    let criterion = Criterion::default().warm_up_time(WARM_UP).measurement_time(MEASUREMENT).sample_size(30);
    let mut criterion = criterion.configure_from_args();
    path::bench(&mut criterion);
    let sandbox = Sandbox::new();
    call::bench(&mut criterion, &sandbox);
    spawn::bench(&mut criterion, &sandbox);
    criterion.final_summary();
}
