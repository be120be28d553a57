//! The exporter port: it takes every signal, also ones it has never heard of, and writes out what it holds.

use caxton_abi::{Code, EventName, Payload, Signal, Uid};

use super::{Bench, Report, bench::calls};

const GROUP: &str = "exporter/1";
/// Bytes of the longest text of a signal and some more.
const LARGE: usize = 1 << 16;
/// Batches that come one after the other.
const BATCHES: usize = 50;

pub(super) async fn check(bench: &Bench, report: &mut Report) {
    let instance = match bench.start().await {
        Ok(instance) => instance,
        Err(why) => return report.failed(GROUP, "it starts", 51, why),
    };
    let Some(exporter) = instance.ports().exporter.clone() else { return };
    let now = bench.clock.now().nanos();
    let named = move |name: EventName| Signal {
        time_ns: now,
        name,
        code: Code::MAILBOX_FULL,
        conversation: Uid { hi: 1, lo: 2 },
        text: Payload::from("text".to_owned()),
        ..Signal::default()
    };
    let all: Vec<Signal> = EventName::ALL.iter().map(|(name, ..)| named(*name)).collect();
    let hostile = vec![
        Signal { name: EventName(u16::MAX), ..named(EventName::LOG) },
        Signal {
            code: Code(u16::MAX),
            flags: u16::MAX,
            performative: u8::MAX,
            level: u8::MAX,
            ..named(EventName::LOG)
        },
        Signal {
            time_ns: u64::MAX,
            duration_ns: u64::MAX,
            value: u64::MAX,
            sender: u32::MAX,
            ..named(EventName::TURN)
        },
        Signal { text: Payload::from(vec![0xff, 0, 0xc0]), ..named(EventName::AGENT_LOG) },
        Signal { text: Payload::from(vec![b'x'; LARGE]), ..named(EventName::AGENT_LOG) },
        Signal::default(),
    ];
    let batches = [
        ("it takes a signal of every name", vec![all.clone()]),
        ("it takes signals that it does not know", vec![hostile]),
        ("it takes an empty batch", vec![Vec::new()]),
        ("it takes many batches", vec![all; BATCHES]),
    ];
    for (name, batches) in batches {
        let exporter = exporter.clone();
        let held = calls(&instance, move |_| {
            batches.iter().try_for_each(|batch| exporter.export(batch)).map_err(|failure| failure.to_string())
        });
        report.add(GROUP, name, 51, held.await);
    }
    let flushed = calls(&instance, move |_| exporter.flush().map_err(|failure| failure.to_string())).await;
    report.add(GROUP, "it writes out what it holds", 51, flushed);
    let stopped = instance.stop().await.map_err(|failure| failure.to_string());
    report.add(GROUP, "it stops afterwards", 8, stopped);
}
