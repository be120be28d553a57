//! Runs the simulator from many seeds. `CAXTON_SIM_SEED=n` runs that one alone, as `cargo test -p caxton-sim` says when a seed fails.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::panic::{AssertUnwindSafe, catch_unwind};

use caxton_abi::Code;
use caxton_sim::{Report, run};

const SEEDS: u64 = 1_000;
const STEPS: u32 = 400;

fn run_or_panic(seed: u64) -> Report {
    let result = catch_unwind(AssertUnwindSafe(|| run(seed, STEPS)));
    match result {
        Ok(Ok(report)) => report,
        Ok(Err(failure)) => panic!("{failure}"),
        Err(_) => panic!("seed {seed} panicked; replay: CAXTON_SIM_SEED={seed} cargo test -p caxton-sim"),
    }
}

fn only_seed() -> Option<u64> {
    std::env::var("CAXTON_SIM_SEED").ok().and_then(|text| text.parse().ok())
}

#[test]
fn every_message_has_one_outcome_and_order_holds_from_every_seed() {
    if let Some(seed) = only_seed() {
        println!("{:#?}", run_or_panic(seed));
        return;
    }
    let mut total = Report::default();
    for seed in 0..SEEDS {
        total.add(&run_or_panic(seed));
    }
    println!("{SEEDS} seeds: {total:#?}");
    check_that_every_fault_took_place(&total);
}

/// A rule that never met its fault was not tested.
fn check_that_every_fault_took_place(total: &Report) {
    let dead = [
        Code::PLUGIN_UNAVAILABLE,
        Code::MAILBOX_FULL,
        Code::UNKNOWN_RECEIVER,
        Code::PENDING_FULL,
        Code::HOP_LIMIT,
        Code::AGENT_STOPPED,
        Code::REFUSED_BY_ENDPOINT,
        Code::MEDIA_TYPE,
        Code::POISON,
        Code::HANDLER_FAULT,
        Code::AGENT_INIT_FAILED,
        Code::AGENT_FAILED,
        Code::UNEXPECTED_ACT,
        Code::DELIVERIES_EXCEEDED,
        Code::SHUTTING_DOWN,
    ];
    for code in dead {
        assert!(total.dead.contains_key(&code), "no dead letter with {code} {}", code.slug());
    }
    let refused = [
        Code::MAILBOX_FULL,
        Code::UNKNOWN_RECEIVER,
        Code::AGENT_STOPPED,
        Code::PENDING_FULL,
        Code::DUPLICATE,
        Code::ID_CONFLICT,
        Code::STORING,
        Code::RETRIES_FULL,
        Code::CLASS_NEEDS_WAIT,
        Code::DURABLE_UNAVAILABLE,
        Code::STORE_FULL,
        Code::STORE_FAILED,
    ];
    for code in refused {
        assert!(total.refused.contains_key(&code), "no refusal with {code} {}", code.slug());
    }
    let counts = [
        ("expired", total.expired),
        ("parked", total.parked),
        ("traps", total.traps),
        ("restarts", total.restarts),
        ("recycled", total.recycled),
        ("failures", total.failures),
        ("retried", total.retried),
        ("dropped", total.dropped),
        ("lent", total.lent),
        ("crashes", total.crashes),
        ("recovered", total.recovered),
        ("redelivered", total.redelivered),
    ];
    for (what, count) in counts {
        assert!(count > 0, "nothing {what}");
    }
}

#[test]
fn the_same_seed_gives_the_same_run() {
    assert_eq!(run_or_panic(42), run_or_panic(42));
}
