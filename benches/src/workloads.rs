//! The one table of workloads: what is measured, at which sizes, who takes part, and what is to be reached.

use crate::{
    api, durable,
    goal::Goal,
    latency,
    measure::Measure,
    memory, spawn,
    stage::Span,
    talk::{self, Setting},
    workload::{ANY, Axis, BASE, Better, FIXED_AGENTS, Rounds, Workload, p99},
};

const ACTORS: &[(&str, u64)] =
    &[("tokio", ANY), ("kameo", ANY), ("ractor", ANY), ("actix", ANY), ("erlang", ANY)];
const NATIVE: &[(&str, u64)] = &[("tokio", ANY), ("kameo", ANY), ("ractor", ANY), ("actix", ANY)];
const SENDERS: &[(&str, u64)] = &[
    ("tokio", ANY),
    ("kameo", ANY),
    ("ractor", ANY),
    ("actix", ANY),
    ("erlang", ANY),
    ("nats", 100),
    ("autogen", 2),
];
const TALKERS: &[(&str, u64)] = &[
    ("tokio", ANY),
    ("kameo", ANY),
    ("ractor", ANY),
    ("actix", ANY),
    ("erlang", ANY),
    ("nats", 100),
    ("autogen", 100),
    ("spade", 2),
];
const NEGOTIATORS: &[(&str, u64)] = &[
    ("tokio", ANY),
    ("kameo", ANY),
    ("ractor", ANY),
    ("actix", ANY),
    ("erlang", ANY),
    ("autogen", 10),
    ("spade", 10),
];
const SPAWNERS: &[(&str, u64)] =
    &[("tokio", ANY), ("kameo", ANY), ("ractor", ANY), ("actix", ANY), ("erlang", ANY), ("autogen", 10_000)];

/// All workloads, in the order in which they are run.
pub const WORKLOADS: &[Workload] = &[
    Workload {
        id: "oneway",
        peer_id: "oneway",
        sizes: &[2, 100, 1_000, 10_000],
        measure: |size, seconds| talk::one_way(&Setting::default(), size, seconds).map(of_span),
        peers: SENDERS,
        goals: &[(100, Goal::AtLeast(3e6)), (10_000, Goal::AtLeast(2e6))],
        ..BASE
    },
    Workload {
        id: "echo",
        peer_id: "echo",
        unit: "round trips/s",
        sizes: &[2, 100, 1_000, 10_000],
        measure: |size, seconds| talk::echo(size, seconds).map(of_span),
        peers: TALKERS,
        goals: &[(100, Goal::AtLeast(1e6)), (10_000, Goal::AtLeast(0.7e6))],
        ..BASE
    },
    Workload {
        id: "fan-in",
        peer_id: "fan-in",
        sizes: &[1_000],
        measure: |size, seconds| talk::fan_in(size, seconds).map(of_span),
        peers: ACTORS,
        ..BASE
    },
    Workload {
        id: "fan-out",
        peer_id: "fan-out",
        sizes: &[1_000],
        measure: |size, seconds| talk::fan_out(size, seconds).map(of_span),
        peers: ACTORS,
        ..BASE
    },
    Workload {
        id: "contract-net",
        peer_id: "contract-net",
        unit: "negotiations/s",
        axis: Axis::Participants,
        sizes: &[10, 100, 1_000],
        measure: |size, seconds| talk::contract_net(size, seconds).map(of_span),
        peers: NEGOTIATORS,
        goals: &[(10, Goal::AtLeast(40_000.0)), (100, Goal::AtLeast(6_000.0)), (1_000, Goal::AtLeast(450.0))],
        ..BASE
    },
    Workload {
        id: "latency",
        peer_id: "latency",
        unit: "µs p99",
        figure: p99,
        better: Better::Less,
        axis: Axis::Percent,
        sizes: &[10, 50, 80],
        measure: latency::run,
        peers: NATIVE,
        goals: &[(50, Goal::P99AtMost(1_000.0))],
        ..BASE
    },
    Workload {
        id: "rest",
        peer_id: "rest",
        unit: "requests/s",
        axis: Axis::InFlight,
        sizes: &[1, 16, 64],
        measure: api::rest,
        peers: &[("axum", ANY)],
        goals: &[
            (1, Goal::P50Over("latency", 10, 100.0)),
            (1, Goal::P50Times("axum", 1.5)),
            (1, Goal::P99Times("axum", 1.5)),
            (16, Goal::P50Times("axum", 1.5)),
            (16, Goal::P99Times("axum", 1.5)),
            (64, Goal::P50Times("axum", 1.5)),
            (64, Goal::P99Times("axum", 1.5)),
        ],
        ..BASE
    },
    Workload {
        id: "grpc",
        peer_id: "grpc",
        unit: "requests/s",
        axis: Axis::InFlight,
        sizes: &[1, 16, 64],
        measure: api::grpc,
        peers: &[("tonic", ANY)],
        goals: &[(1, Goal::P50Times("tonic", 1.5)), (1, Goal::P99Times("tonic", 1.5))],
        ..BASE
    },
    Workload {
        id: "durable",
        peer_id: "durable",
        axis: Axis::InFlight,
        sizes: &[4_096],
        measure: durable::run,
        beside_s: 1.0,
        peers: &[("nats", ANY)],
        goals: &[(4_096, Goal::AtLeast(50_000.0))],
        ..BASE
    },
    Workload {
        id: "durable-redb",
        rounds: Rounds::Few,
        axis: Axis::InFlight,
        sizes: &[4_096],
        measure: |size, seconds| durable::agents(durable::Store::Redb, size, seconds).map(of_store),
        beside_s: 1.0,
        ..BASE
    },
    Workload {
        id: "durable-rest",
        rounds: Rounds::Few,
        axis: Axis::InFlight,
        sizes: &[4_000],
        measure: |size, seconds| durable::clients(durable::Store::Sqlite, size, seconds).map(of_store),
        beside_s: 1.0,
        ..BASE
    },
    Workload {
        id: "disk",
        rounds: Rounds::Few,
        axis: Axis::InFlight,
        sizes: &[1_024],
        measure: durable::disk,
        ..BASE
    },
    Workload {
        id: "spawn-rust",
        peer_id: "spawn",
        unit: "µs/agent",
        better: Better::Less,
        sizes: &[1_000],
        measure: spawn::rust,
        peers: SPAWNERS,
        goals: &[(1_000, Goal::AtMost(50.0))],
        ..BASE
    },
    Workload {
        id: "spawn-javascript",
        unit: "µs/agent",
        better: Better::Less,
        rounds: Rounds::Few,
        sizes: &[1],
        measure: spawn::javascript,
        beside_s: 8.0,
        goals: &[(1, Goal::AtMost(300.0))],
        ..BASE
    },
    Workload {
        id: "spawn-python",
        unit: "µs/agent",
        better: Better::Less,
        rounds: Rounds::Few,
        sizes: &[1],
        measure: spawn::python,
        beside_s: 8.0,
        goals: &[(1, Goal::AtMost(1_500.0))],
        ..BASE
    },
    Workload {
        id: "spawn-rest",
        unit: "µs/agent",
        better: Better::Less,
        rounds: Rounds::Few,
        sizes: &[1],
        measure: spawn::rest,
        ..BASE
    },
    Workload {
        id: "spawn-cold",
        unit: "µs/agent",
        better: Better::Less,
        rounds: Rounds::Few,
        sizes: &[1],
        measure: spawn::cold,
        goals: &[(1, Goal::AtMost(100_000.0))],
        ..BASE
    },
    Workload {
        id: "memory-rust",
        peer_id: "memory",
        unit: "bytes/agent",
        better: Better::Less,
        rounds: Rounds::Few,
        sizes: &[1_000, 10_000],
        measure: memory::rust,
        peers: SPAWNERS,
        goals: &[(10_000, Goal::AtMost(50_000.0))],
        ..BASE
    },
    Workload {
        id: "memory-javascript",
        unit: "bytes/agent",
        better: Better::Less,
        rounds: Rounds::Few,
        sizes: &[1_000],
        measure: memory::javascript,
        beside_s: 8.0,
        goals: &[(1_000, Goal::AtMost(300_000.0))],
        ..BASE
    },
    Workload {
        id: "memory-python",
        unit: "bytes/agent",
        better: Better::Less,
        rounds: Rounds::Few,
        sizes: &[1_000],
        measure: memory::python,
        beside_s: 8.0,
        goals: &[(1_000, Goal::AtMost(1_000_000.0))],
        ..BASE
    },
    Workload {
        id: "latency-load",
        peer_id: "latency",
        unit: "µs p99",
        figure: p99,
        better: Better::Less,
        rounds: Rounds::Few,
        axis: Axis::Percent,
        sizes: &[25, 65, 90],
        measure: latency::run,
        ..BASE
    },
    Workload {
        id: "oneway-cores",
        peer_id: "oneway",
        rounds: Rounds::Few,
        axis: Axis::Cores,
        sizes: &[1, 2],
        measure: |_, seconds| talk::one_way(&Setting::default(), FIXED_AGENTS, seconds).map(of_span),
        peers: ACTORS,
        ..BASE
    },
    Workload {
        id: "oneway-bytes",
        rounds: Rounds::Few,
        axis: Axis::Bytes,
        sizes: &[64, 256, 1_024, 4_096, 16_384, 65_536],
        measure: |bytes, seconds| {
            let setting = Setting { content_bytes: bytes, ..Setting::default() };
            talk::one_way(&setting, FIXED_AGENTS, seconds).map(of_span)
        },
        ..BASE
    },
    Workload {
        id: "oneway-batch",
        rounds: Rounds::Few,
        axis: Axis::Batch,
        sizes: &[1, 4, 16, 64, 256],
        measure: |batch, seconds| {
            let setting = Setting { turn_messages_max: Some(batch), ..Setting::default() };
            talk::one_way(&setting, FIXED_AGENTS, seconds).map(of_span)
        },
        ..BASE
    },
];

/// The workload of a name.
pub fn find(id: &str) -> Option<&'static Workload> {
    WORKLOADS.iter().find(|workload| workload.id == id)
}

fn of_store((measure, cpu_us): (Measure, f64)) -> Measure {
    Measure { cpu_us: Some(cpu_us), ..measure }
}

fn of_span((value, span): (f64, Span)) -> Measure {
    Measure { cpu_us: Some(span.cpu_us()), ..Measure::of(value) }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::workload::CAXTON;

    #[test]
    fn names_are_unique_and_goals_stand_at_sizes_that_are_run() {
        let names: BTreeSet<_> = WORKLOADS.iter().map(|workload| workload.id).collect();
        assert_eq!(names.len(), WORKLOADS.len());
        for workload in WORKLOADS {
            assert!(workload.goals.iter().all(|(size, _)| workload.sizes.contains(size)), "{}", workload.id);
        }
    }

    #[test]
    fn slow_peers_take_part_at_small_sizes_only() {
        let echo = find("echo").unwrap();
        assert!(echo.systems_at(2).any(|name| name == "spade"));
        assert!(!echo.systems_at(100).any(|name| name == "spade"));
        assert_eq!(echo.systems_at(10_000).next(), Some(CAXTON));
    }
}
