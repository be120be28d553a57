//! The protocol port: pure, its state moves to another instance, and nothing that it observes ends it.

use std::sync::Arc;

use caxton_abi::{
    Code, Envelope, Header, Payload, Uid,
    port::{Action, Observation, action, observed},
};
use caxton_acl::Performative;
use caxton_core::port::Protocol;

use super::{Bench, Report, bench::calls};
use crate::plugin::{Instance, ports::ProtocolPort};

const GROUP: &str = "protocol/1";
/// When the observed exchange begins, in milliseconds since the Unix epoch.
const BEGIN_MS: u64 = 1_767_225_600_000;
/// Milliseconds between two batches.
const STEP_MS: u64 = 1_000;
/// Timers of one look that are fired.
const TIMERS_MAX: usize = 10_000;

pub(super) async fn check(bench: &Bench, report: &mut Report) {
    let (first, second) = match (bench.start().await, bench.start().await) {
        (Ok(first), Ok(second)) => (first, second),
        (Err(why), _) | (_, Err(why)) => return report.failed(GROUP, "two instances start", 48, why),
    };
    let Some((a, b)) = port(&first).zip(port(&second)) else { return };
    let script = script(bench, &a);
    let hostile = hostile(bench, &a);
    let (one, two, with) = (Arc::clone(&a), Arc::clone(&b), script.clone());
    let held = calls(&first, move |_| same_actions(&one, &two, &with)).await;
    report.add(GROUP, "the same input gives the same actions in two instances", 48, held);
    let (one, two) = (Arc::clone(&a), Arc::clone(&b));
    let held = calls(&first, move |_| restores(&one, &two)).await;
    report.add(GROUP, "another instance restores its snapshot, and its own is the same", 49, held);
    let one = Arc::clone(&a);
    let held = calls(&first, move |_| refuses_noise(&one)).await;
    report.add(GROUP, "bytes that are no snapshot are refused and change nothing", 49, held);
    let one = Arc::clone(&a);
    let held = calls(&first, move |_| unknown_timers(&one)).await;
    report.add(GROUP, "timers that it did not set are ignored", 50, held);
    let held = calls(&first, move |_| survives(&a, &hostile)).await;
    report.add(GROUP, "hostile observations do not end it", 50, held);
    drop(b);
    for instance in [first, second] {
        let stopped = instance.stop().await.map_err(|failure| failure.to_string());
        report.add(GROUP, "it stops afterwards", 8, stopped);
    }
}

fn port(instance: &Instance) -> Option<Arc<ProtocolPort>> {
    instance.ports().protocol.clone()
}

/// Requests and contract nets of each protocol: ones that end well, one that is refused, one that comes out of order.
fn script(bench: &Bench, port: &ProtocolPort) -> Vec<Vec<Observation>> {
    use Performative as P;
    let flows: [&[(bool, P)]; 5] = [
        &[(true, P::Request), (false, P::Agree), (false, P::Inform)],
        &[(true, P::Request), (false, P::Refuse)],
        &[(true, P::Cfp), (false, P::Propose), (true, P::AcceptProposal), (false, P::Inform)],
        &[(true, P::Cfp), (false, P::Refuse)],
        &[(false, P::Inform), (true, P::Request), (true, P::Request)],
    ];
    let mut batches: Vec<Vec<Observation>> = Vec::new();
    for token in port.protocols() {
        let protocol = bench.bus.directory().intern(&token);
        for flow in flows {
            let conversation = bench.bus.mint(bench.clock.now());
            for (at, (asks, act)) in flow.iter().enumerate() {
                let number = u32::try_from(at).unwrap_or_default();
                let (sender, receiver) =
                    if *asks { ("initiator", "participant") } else { ("participant", "initiator") };
                let head = Header {
                    id: bench.bus.mint(bench.clock.now()),
                    conversation,
                    sender: bench.bus.address(sender).unwrap_or_default(),
                    receiver: bench.bus.address(receiver).unwrap_or_default(),
                    protocol,
                    performative: act.code(),
                    reply_with: number + 1,
                    in_reply_to: number,
                    reply_by_ms: BEGIN_MS + 60_000,
                    ..Header::default()
                };
                match batches.get_mut(at) {
                    Some(batch) => batch.push(seen(observed::MESSAGE, head)),
                    None => batches.push(vec![seen(observed::MESSAGE, head)]),
                }
            }
        }
    }
    batches
}

fn seen(kind: u8, head: Header) -> Observation {
    let envelope = Envelope::new(head, Payload::from("{}".to_owned()));
    Observation { kind, code: Code::NONE, envelope, spared: Vec::new().into() }
}

fn same_actions(a: &ProtocolPort, b: &ProtocolPort, script: &[Vec<Observation>]) -> Result<(), String> {
    let mut now = BEGIN_MS;
    for batch in script {
        now += STEP_MS;
        let [first, second] = [observe(a, batch, now)?, observe(b, batch, now)?];
        if let Some(wrong) = first.iter().find(|action| {
            matches!(action.kind, action::AMEND | action::WITHHOLD) && action.index as usize >= batch.len()
        }) {
            return Err(format!("an action is about message {} of a batch of {}", wrong.index, batch.len()));
        }
        same(&first, &second)?;
        let due: Vec<u64> = first
            .iter()
            .filter(|action| action.kind == action::SET_TIMER)
            .map(|action| action.token)
            .take(TIMERS_MAX)
            .collect();
        same(&timers(a, &due, now)?, &timers(b, &due, now)?)?;
    }
    Ok(())
}

fn observe(port: &ProtocolPort, batch: &[Observation], now: u64) -> Result<Vec<Action>, String> {
    let mut out = Vec::new();
    port.observe(batch, now, &mut out).map_err(|code| format!("observe was refused with {code}"))?;
    Ok(out)
}

fn timers(port: &ProtocolPort, tokens: &[u64], now: u64) -> Result<Vec<Action>, String> {
    let mut out = Vec::new();
    port.timers(tokens, now, &mut out).map_err(|code| format!("timers was refused with {code}"))?;
    Ok(out)
}

fn same(first: &[Action], second: &[Action]) -> Result<(), String> {
    let pairs = first.iter().map(words).zip(second.iter().map(words));
    match pairs.enumerate().find(|(_, (a, b))| a != b) {
        Some((at, (a, b))) => Err(format!("action {at} differs: {a} and {b}")),
        None if first.len() == second.len() => Ok(()),
        None => Err(format!("one gave {} actions, the other {}", first.len(), second.len())),
    }
}

/// An action as text; the id of a message to send is stamped by the server.
fn words(action: &Action) -> String {
    let head = Header { id: Uid::NONE, ..action.envelope.head };
    let content = String::from_utf8_lossy(action.envelope.content.as_slice()).into_owned();
    let (kind, flags, code, index) = (action.kind, action.flags, action.code, action.index);
    format!(
        "kind {kind} flags {flags} code {code} index {index} token {} time {} text {:?} content {content:?} {head:?}",
        action.token, action.time_ms, action.text
    )
}

fn snapshot(port: &ProtocolPort) -> Result<Vec<u8>, String> {
    port.snapshot().map_err(|failure| format!("snapshot: {failure}"))
}

fn restores(from: &ProtocolPort, into: &ProtocolPort) -> Result<(), String> {
    let taken = snapshot(from)?;
    into.restore(&taken).map_err(|failure| format!("restore: {failure}"))?;
    let again = snapshot(into)?;
    if taken == again {
        return Ok(());
    }
    let at = taken.iter().zip(&again).take_while(|(a, b)| a == b).count();
    Err(format!("the snapshots have {} and {} bytes and differ at byte {at}", taken.len(), again.len()))
}

fn refuses_noise(port: &ProtocolPort) -> Result<(), String> {
    let before = snapshot(port)?;
    for noise in [b"".as_slice(), b"\0", b"\xff\xff\xff\xff", b"{\"version\":999999}", b"not a snapshot"] {
        if port.restore(noise).is_ok() && snapshot(port)? != before {
            return Err(format!("`{}` was taken for a snapshot", noise.escape_ascii()));
        }
    }
    if snapshot(port)? == before { Ok(()) } else { Err("its state changed".to_owned()) }
}

fn unknown_timers(port: &ProtocolPort) -> Result<(), String> {
    let before = snapshot(port)?;
    let actions = timers(port, &[0, u64::MAX, 0x1234_5678_9abc_def0], BEGIN_MS)?;
    match actions.iter().find(|action| action.kind == action::SEND) {
        Some(sent) => Err(format!("it sent a message: {}", words(sent))),
        None if snapshot(port)? == before => Ok(()),
        None => Err("its state changed".to_owned()),
    }
}

fn hostile(bench: &Bench, port: &ProtocolPort) -> Vec<Observation> {
    let protocol = port.protocols().first().map_or(0, |token| bench.bus.directory().intern(token));
    let act = Performative::Inform.code();
    let head =
        Header { protocol, performative: act, conversation: Uid { hi: 7, lo: 7 }, ..Header::default() };
    let all = Header {
        sender: u32::MAX,
        receiver: u32::MAX,
        reply_with: u32::MAX,
        in_reply_to: u32::MAX,
        reply_by_ms: u64::MAX,
        flags: u16::MAX,
        hop: u8::MAX,
        ..head
    };
    let heads = [
        Header::default(),
        Header { performative: 0, ..head },
        Header { performative: u8::MAX, ..head },
        Header { conversation: Uid::NONE, ..head },
        Header { protocol: u32::MAX, ..head },
        Header { reply_by_ms: 1, performative: Performative::Cfp.code(), ..head },
        all,
        Header { performative: Performative::Cfp.code(), ..all },
        Header { performative: Performative::AcceptProposal.code(), ..all },
    ];
    let kinds = [observed::MESSAGE, observed::UNDELIVERABLE, observed::AGENT_LOST, 0, u8::MAX];
    kinds.into_iter().flat_map(|kind| heads.map(|head| seen(kind, head))).collect()
}

fn survives(port: &ProtocolPort, hostile: &[Observation]) -> Result<(), String> {
    // A refusal is an answer too; only a panic or a call that does not return is not.
    for at in [0, BEGIN_MS, u64::MAX] {
        let _refused_or_not = observe(port, hostile, at);
        for one in hostile {
            let _refused_or_not = observe(port, std::slice::from_ref(one), at);
        }
        let _refused_or_not = timers(port, &[1, 2, 3], at);
    }
    let _known_or_not = port.describe(Uid { hi: 7, lo: 7 });
    snapshot(port).map(drop)
}
