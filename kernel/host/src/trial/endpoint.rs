//! The endpoint port: one code for each message, whatever stands in it.

use caxton_abi::{Code, Envelope, Header, Payload, Uid};
use caxton_acl::Performative;

use super::{Bench, Report, bench::calls};
use crate::plugin::Instance;

const GROUP: &str = "endpoint/1";
/// Bytes of a large content.
const LARGE: usize = 1 << 20;

pub(super) async fn check(bench: &Bench, report: &mut Report) {
    let batches = [
        ("ordinary messages get one code each", ordinary(bench)),
        ("hostile messages get one code each", hostile(bench)),
        ("an empty batch is taken", Vec::new()),
    ];
    let instance = match bench.start().await {
        Ok(instance) => instance,
        Err(why) => return report.failed(GROUP, "it starts", 46, why),
    };
    for (name, batch) in batches {
        let held = calls(&instance, move |instance| one_code_each(instance, batch)).await;
        report.add(GROUP, name, 46, held);
    }
    let stopped = instance.stop().await.map_err(|failure| failure.to_string());
    report.add(GROUP, "it stops afterwards", 8, stopped);
}

fn one_code_each(instance: &Instance, batch: Vec<Envelope>) -> Result<(), String> {
    let endpoint = instance.ports().endpoint.clone().ok_or("it offers no endpoint")?;
    let count = batch.len();
    let codes = endpoint.deliver(batch);
    // The host fills in this code where the plugin gave none.
    let missing = codes.iter().filter(|code| **code == Code::PLUGIN_UNAVAILABLE).count();
    if codes.len() != count || missing > 0 {
        return Err(format!("{count} messages got {} codes", codes.len() - missing));
    }
    match codes.iter().find(|code| !code.is_none() && code.entry().is_none()) {
        Some(code) => Err(format!("it answered {code}, which is not in the list of codes")),
        None => Ok(()),
    }
}

fn address(bench: &Bench, name: &str) -> u32 {
    bench.bus.address(name).unwrap_or_default()
}

fn message(bench: &Bench, act: u8, content: Vec<u8>) -> Envelope {
    let now = bench.clock.now();
    let head = Header {
        id: bench.bus.mint(now),
        conversation: bench.bus.mint(now),
        sender: address(bench, "sender"),
        receiver: address(bench, "receiver"),
        performative: act,
        reply_with: 1,
        ..Header::default()
    };
    Envelope::new(head, Payload::from(content))
}

fn ordinary(bench: &Bench) -> Vec<Envelope> {
    let content = |act: &Performative| format!("{{\"act\":\"{act}\"}}").into_bytes();
    Performative::ALL.iter().map(|act| message(bench, act.code(), content(act))).collect()
}

fn hostile(bench: &Bench) -> Vec<Envelope> {
    let inform = Performative::Inform.code();
    let with = |change: fn(&mut Header)| {
        let mut envelope = message(bench, inform, b"x".to_vec());
        change(&mut envelope.head);
        envelope
    };
    vec![
        message(bench, 0, b"no act".to_vec()),
        message(bench, 255, b"unknown act".to_vec()),
        message(bench, inform, vec![b'x'; LARGE]),
        message(bench, inform, vec![0; 64]),
        message(bench, inform, vec![0xff, 0xfe, 0xc0, 0x80]),
        message(bench, inform, Vec::new()),
        with(|head| head.sender = u32::MAX),
        with(|head| head.sender = 0),
        with(|head| head.receiver = u32::MAX),
        with(|head| head.conversation = Uid::NONE),
        with(|head| head.id = Uid::NONE),
        with(|head| {
            head.in_reply_to = u32::MAX;
            head.reply_with = 0;
        }),
        with(|head| {
            head.protocol = u32::MAX;
            head.ontology = u32::MAX;
            head.language = u32::MAX;
            head.encoding = u32::MAX;
        }),
        with(|head| head.reply_by_ms = 1),
        with(|head| head.reply_by_ms = u64::MAX),
        with(|head| {
            head.flags = u16::MAX;
            head.class = u8::MAX;
            head.hop = u8::MAX;
        }),
    ]
}
