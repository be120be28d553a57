//! Upgrades under protocols and under load: promises are kept by the version that made them, and nothing is lost or out
//! of order.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
};

use caxton_abi::{
    Code, Envelope, Uid,
    port::{Action, action, observed},
};
use caxton_acl::Performative::{self, AcceptProposal, Cfp, Inform, Propose};
use caxton_core::{Finished, Limits, agent::Turn, names::symbols};

use crate::{monitoring::watch, rig::*, versions::*};

/// Bids for calls and does the work; the content says which version.
fn bidder(number: u8) -> Hooks {
    let handle = move |batch: &[Envelope], turn: &mut Turn| {
        for message in batch {
            let act = if message.head.performative == Cfp.code() { Propose } else { Inform };
            let mut answer = crate::rig::message(0, message.head.sender, act, &format!("version {number}"));
            answer.head.conversation = message.head.conversation;
            answer.head.protocol = symbols::CONTRACT_NET;
            turn.stage(answer).unwrap();
        }
        Ok(())
    };
    Hooks { handle: Box::new(handle), ..Hooks::default() }
}

fn watched(rig: &Rig, to: u32, act: Performative, conversation: u128) {
    let mut message = message(rig.client, to, act, "x");
    message.head.conversation = Uid::from_u128(conversation);
    message.head.protocol = symbols::CONTRACT_NET;
    assert_eq!(rig.submit(message).code, Code::NONE);
    rig.run();
}

fn blank(kind: u8) -> Action {
    Action {
        kind,
        flags: 0,
        code: Code::NONE,
        index: 0,
        token: 0,
        time_ms: 0,
        envelope: Envelope::new(Default::default(), caxton_abi::Payload::EMPTY),
        text: Default::default(),
    }
}

#[test]
fn ruling_f08_the_version_that_accepted_does_the_work_and_the_new_one_gets_new_calls() {
    let mut rig = Rig::new();
    // The protocol closes a conversation with its result.
    watch(&rig, |_, seen| {
        let done = seen.kind == observed::MESSAGE && seen.envelope.head.performative == Inform.code();
        done.then(|| Action { envelope: seen.envelope.clone(), ..blank(action::CLOSED) })
            .into_iter()
            .collect()
    });
    let bob = apply(&rig, bidder(1), None).address;
    watched(&rig, bob, Cfp, 1);
    apply(&rig, bidder(2), None);
    rig.run();
    watched(&rig, bob, Cfp, 2);
    rig.later(30_000);
    assert_eq!(rig.bus.agent("bob").unwrap().revisions.len(), 2, "a promise is not over by silence");
    watched(&rig, bob, AcceptProposal, 1);
    watched(&rig, bob, AcceptProposal, 2);
    let got: Vec<_> = rig.got().iter().map(|m| format!("{} {}", m.head.conversation.lo, text(m))).collect();
    assert_eq!(got, ["1 version 1", "2 version 2", "1 version 1", "2 version 2"]);
    rig.later(100);
    assert_eq!(
        rig.bus.agent("bob").unwrap().revisions.len(),
        1,
        "with its last promise the old version goes"
    );
}

#[test]
fn a_promise_that_is_not_kept_in_time_is_lost_and_no_other() {
    let mut rig = Rig::with(Limits { upgrade_drain_ms: 1_000, ..Limits::default() });
    let lost: Arc<Mutex<Vec<(Code, u64)>>> = Arc::default();
    let log = lost.clone();
    watch(&rig, move |_, seen| {
        if seen.kind == observed::AGENT_LOST {
            log.lock().unwrap().push((seen.code, seen.envelope.head.conversation.lo));
        }
        Vec::new()
    });
    let bob = apply(&rig, bidder(1), None).address;
    watched(&rig, bob, Cfp, 1);
    apply(&rig, bidder(2), None);
    rig.run();
    watched(&rig, bob, Cfp, 2);
    rig.later(999);
    assert!(lost.lock().unwrap().is_empty());
    rig.later(101);
    assert_eq!(*lost.lock().unwrap(), [(Code::AGENT_STOPPED, 1)]);
    assert_eq!(rig.bus.agent("bob").unwrap().revisions.len(), 1);
}

#[test]
fn a_trap_beside_another_version_loses_only_what_that_version_promised() {
    let rig = Rig::new();
    let lost: Arc<Mutex<Vec<u64>>> = Arc::default();
    let log = lost.clone();
    watch(&rig, move |_, seen| {
        if seen.kind == observed::AGENT_LOST {
            log.lock().unwrap().push(seen.envelope.head.conversation.lo);
        }
        Vec::new()
    });
    let bob = apply(&rig, bidder(1), None).address;
    watched(&rig, bob, Cfp, 1);
    let trapping = Hooks {
        handle: Box::new(
            |batch, _| {
                if batch[0].head.performative == Inform.code() { Err(trap()) } else { Ok(()) }
            },
        ),
        ..Hooks::default()
    };
    apply(&rig, trapping, None);
    rig.run();
    watched(&rig, bob, Cfp, 2);
    watched(&rig, bob, Inform, 3);
    assert_eq!(*lost.lock().unwrap(), [2, 2, 3], "3 was spared while it was tried again");
}

/// A small generator, so that a seed is a whole run.
struct Chance(u64);

impl Chance {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % bound
    }
}

/// Messages of twenty conversations while versions come, are promoted, rolled back and drain, on two workers whose turns
/// overlap.
fn swap_under_load(seed: u64) {
    const CONVERSATIONS: u64 = 20;
    let limits = Limits {
        settle_ms: 40,
        upgrade_drain_ms: 150,
        turn_messages_max: 3,
        mailbox_messages_max: 100_000,
        ..Limits::default()
    };
    let (mut rig, log, mut chance) = (Rig::with(limits), Log::default(), Chance(seed));
    let bob = apply(&rig, version(1, &log), None).address;
    let (mut sent, mut running): (BTreeMap<u64, u64>, Vec<Finished>) = Default::default();
    for _ in 0..3_000 {
        match chance.below(100) {
            0..50 => {
                let conversation = chance.below(CONVERSATIONS);
                let number = sent.entry(conversation).or_default();
                let sent = say(&rig, bob, u128::from(conversation) + 1, &number.to_string());
                assert_eq!(sent.code, Code::NONE);
                *number += 1;
            }
            50..70 => running.extend(rig.bus.next(chance.below(2) as usize, rig.now).map(|turn| turn.run())),
            70..90 if !running.is_empty() => {
                let turn = running.remove(chance.below(running.len() as u64) as usize);
                rig.bus.finish(turn, rig.now);
            }
            90..94 => {
                let canary = [None, Some(50)][chance.below(2) as usize];
                // Refused while another one comes in.
                let _refused = rig.bus.apply(spec("bob"), factory(version(2, &log)), canary, rig.now);
            }
            94..96 => drop(rig.bus.promote("bob", rig.now)),
            96..97 => drop(rig.bus.rollback("bob", rig.now)),
            _ => {
                rig.now = rig.now.plus_millis(chance.below(60));
                rig.bus.tick(rig.now);
            }
        }
        assert!(rig.bus.accounting().holds());
    }
    running.into_iter().for_each(|turn| rig.bus.finish(turn, rig.now));
    rig.run();
    let mut seen: BTreeMap<u64, Vec<u64>> = BTreeMap::new();
    for (_, conversation, number) in log.lock().unwrap().iter() {
        seen.entry(*conversation as u64 - 1).or_default().push(number.parse().unwrap());
    }
    for (conversation, count) in sent {
        assert_eq!(seen[&conversation], (0..count).collect::<Vec<_>>(), "seed {seed}, {conversation}");
    }
    assert_eq!(rig.bus.accounting().in_flight, 0);
    assert!(rig.dead().is_empty());
    rig.later(200);
    rig.later(200);
    let live = rig.bus.agent("bob").unwrap().revisions;
    assert!(live.iter().all(|revision| revision.state != "draining"), "seed {seed}: {live:?}");
}

#[test]
fn nothing_is_lost_or_reordered_within_a_conversation_by_swaps_under_load() {
    (0..40).for_each(swap_under_load);
}
