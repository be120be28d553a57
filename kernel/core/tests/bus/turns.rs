//! What a turn takes and what it commits: outbox, state, timers, traces, bounds.

use std::sync::{Arc, Mutex};

use caxton_abi::{
    Code, Envelope, EventName, Extra, Payload,
    std_types::{RArc, ROption},
};
use caxton_acl::Performative::{Inform, Request};
use caxton_core::{AgentSpec, Limits, agent::TimerChange};

use crate::rig::*;

#[test]
fn a_full_mailbox_refuses_at_the_door() {
    let rig = Rig::new();
    let small = AgentSpec { mailbox_messages_max: Some(1), ..spec("bob") };
    let bob = rig.deploy_as(small, Hooks::default());
    assert_eq!(rig.tell(bob, "one").code, Code::NONE);
    assert_eq!(rig.tell(bob, "two").code, Code::MAILBOX_FULL);
    assert!(rig.got().is_empty(), "the caller saw the refusal, so nobody writes");
}

#[test]
fn a_turn_that_sends_to_a_full_mailbox_gets_a_failure() {
    let rig = Rig::new();
    let small = AgentSpec { mailbox_messages_max: Some(1), ..spec("full") };
    let full = rig.deploy_as(small, Hooks::default());
    let seen = Arc::new(Mutex::new(Vec::new()));
    let log = seen.clone();
    let bob = rig.agent("bob", move |batch, turn| {
        log.lock().unwrap().extend(batch.iter().cloned());
        if text(&batch[0]) == "go" {
            turn.stage(message(0, full, Inform, "1")).unwrap();
            turn.stage(message(0, full, Inform, "2")).unwrap();
        }
        Ok(())
    });
    rig.tell(bob, "go");
    // Only bob's turns: `full` must not empty its mailbox in between.
    let mut others = Vec::new();
    while let Some(turn) = rig.bus.next(0, rig.now) {
        if turn.address() == bob { rig.bus.finish(turn.run(), rig.now) } else { others.push(turn) }
    }
    let seen = seen.lock().unwrap();
    assert_eq!(failure_code(&seen[1]), "CX0301");
    assert_eq!(seen[1].head.in_reply_to, 5);
}

#[test]
fn state_is_committed_with_the_turn_and_dropped_with_a_fault() {
    let rig = Rig::new();
    let seen = Arc::new(Mutex::new(Vec::new()));
    let log = seen.clone();
    let bob = rig.agent("bob", move |batch, turn| {
        let before = turn.state.get("k").map(|value| value.to_vec());
        log.lock().unwrap().push(before);
        turn.puts.insert("k".to_owned(), Some(batch[0].content.as_slice().into()));
        if text(&batch[0]) == "bad" { Err(fault()) } else { Ok(()) }
    });
    rig.run();
    for word in ["a", "bad", "c"] {
        rig.tell(bob, word);
        rig.run();
    }
    let a = Some(b"a".to_vec());
    assert_eq!(*seen.lock().unwrap(), [None, a.clone(), a.clone(), a]);
}

#[test]
fn state_beyond_the_bound_fails_the_turn() {
    let rig = Rig::with(Limits { state_bytes_max: 4, ..Limits::default() });
    let bob = rig.agent("bob", |_, turn| {
        turn.puts.insert("key".to_owned(), Some([0_u8; 2].as_slice().into()));
        Ok(())
    });
    rig.tell(bob, "x");
    rig.run();
    assert_eq!(rig.dead(), [Code::HANDLER_FAULT]);
}

#[test]
fn a_timer_fires_once_when_it_is_due_and_can_be_moved_and_cancelled() {
    let mut rig = Rig::new();
    let fired = Arc::new(Mutex::new(Vec::new()));
    let log = fired.clone();
    let hooks = Hooks {
        init: Box::new(|_, turn| {
            let at = |millis| turn.now.plus_millis(millis);
            turn.timers = vec![
                TimerChange::Set { token: 1, at: at(10) },
                TimerChange::Set { token: 2, at: at(10) },
                TimerChange::Set { token: 1, at: at(30) },
                TimerChange::Cancel { token: 2 },
            ];
            Ok(())
        }),
        timer: Box::new(move |token, turn| {
            log.lock().unwrap().push((token, turn.now.millis()));
            Ok(())
        }),
        ..Hooks::default()
    };
    rig.deploy("bob", hooks);
    rig.run();
    assert_eq!(rig.bus.next_deadline(), Some(rig.now.plus_millis(30)));
    rig.later(29);
    rig.later(11);
    rig.later(50);
    assert_eq!(*fired.lock().unwrap(), [(1, 1_000_040)]);
}

#[test]
fn a_request_that_waited_past_its_reply_by_expires_and_its_sender_is_told() {
    let mut rig = Rig::new();
    let bob = rig.agent("bob", |_, _| panic!("must not see it"));
    while rig.turn() {}
    let mut request = message(rig.client, bob, Request, "x");
    request.head.reply_by_ms = rig.now.plus_millis(5).millis();
    assert_eq!(rig.submit(request).code, Code::NONE);
    rig.later(6);
    assert_eq!(failure_code(&rig.got()[0]), "CX0306");
    assert_eq!(rig.bus.accounting().expired, 1);
}

#[test]
fn a_late_inform_is_delivered() {
    let rig = Rig::new();
    let bob = rig.agent("bob", |_, _| Ok(()));
    let mut inform = message(rig.client, bob, Inform, "x");
    inform.head.reply_by_ms = 1;
    rig.submit(inform);
    rig.run();
    assert_eq!(rig.bus.accounting().delivered, 1);
}

#[test]
fn what_a_turn_sends_carries_its_span_and_stays_in_the_trace() {
    let rig = Rig::new();
    let bob = rig.agent("bob", |batch, turn| {
        let mut reply = message(0, batch[0].head.sender, Inform, "reply");
        reply.head.conversation = batch[0].head.conversation;
        turn.stage(reply).unwrap();
        Ok(())
    });
    rig.run();
    rig.signals();
    let mut first = message(rig.client, bob, Inform, "x");
    first.head.trace.trace = caxton_abi::Uid::from_u128(99);
    first.head.trace.span = 7;
    rig.submit(first);
    rig.run();
    let reply = &rig.got()[0];
    let turns = rig.named(EventName::TURN);
    let span = &turns[0];
    assert_eq!(span.parent_span, 7);
    assert_eq!(reply.head.trace.span, span.trace.span);
    assert_eq!(reply.head.trace.trace, caxton_abi::Uid::from_u128(99));
}

#[test]
fn a_message_without_a_conversation_gets_one_that_is_its_trace() {
    let rig = Rig::new();
    rig.tell(rig.client, "to myself");
    let got = rig.got();
    assert_ne!(got[0].head.conversation, NO_ID);
    assert_eq!(got[0].head.trace.trace, got[0].head.conversation);
}

fn staged(limits: Limits, make: impl Fn(u32) -> Envelope + Send + Sync + 'static) -> Vec<Code> {
    let rig = Rig::with(limits);
    let codes = Arc::new(Mutex::new(Vec::new()));
    let (log, client) = (codes.clone(), rig.client);
    let hooks = Hooks {
        init: Box::new(move |_, turn| {
            for _ in 0..3 {
                let staged = turn.stage(make(client));
                log.lock().unwrap().push(staged.err().unwrap_or(Code::NONE));
            }
            Ok(())
        }),
        ..Hooks::default()
    };
    rig.deploy("bob", hooks);
    rig.run();
    let staged = codes.lock().unwrap();
    staged.clone()
}

#[test]
fn staging_stops_at_the_outbox_bound() {
    let limits = Limits { outbox_messages_max: 2, ..Limits::default() };
    let codes = staged(limits, |to| message(0, to, Inform, "x"));
    assert_eq!(codes, [Code::NONE, Code::NONE, Code::OUTBOX_FULL]);
}

#[test]
fn staging_stops_at_the_bytes_of_the_outbox() {
    let limits = Limits { outbox_bytes_max: 10_000, ..Limits::default() };
    let codes = staged(limits, |to| {
        let mut large = message(0, to, Inform, "");
        large.content = Payload::from(vec![0; 5_000]);
        large
    });
    assert_eq!(codes, [Code::NONE, Code::NONE, Code::OUTBOX_FULL]);
}

#[test]
fn staging_refuses_large_content_unknown_acts_and_no_receiver() {
    let limits = || Limits { content_bytes_max: 2, ..Limits::default() };
    assert_eq!(staged(limits(), |to| message(0, to, Inform, "xyz"))[0], Code::CONTENT_TOO_LARGE);
    assert_eq!(staged(limits(), |_| message(0, 0, Inform, "x"))[0], Code::NO_RECEIVER);
    let unknown = |to| {
        let mut message = message(0, to, Inform, "x");
        message.head.performative = 23;
        message
    };
    assert_eq!(staged(limits(), unknown)[0], Code::UNKNOWN_PERFORMATIVE);
}

#[test]
fn staging_for_several_receivers_makes_one_message_each() {
    let rig = Rig::new();
    let second = Arc::new(Inbox::default());
    let other = rig.bus.claim("other", 1, second.clone(), rig.now).unwrap();
    let client = rig.client;
    let hooks = Hooks {
        init: Box::new(move |_, turn| {
            let mut draft = message(0, client, Inform, "x");
            let receivers = vec![other, client, other].into();
            draft.extra = ROption::RSome(RArc::new(Extra { receivers, ..Extra::default() }));
            let first = turn.stage(draft).unwrap();
            assert_eq!((turn.outbox.len(), turn.outbox[0].head.id), (2, first));
            Ok(())
        }),
        ..Hooks::default()
    };
    rig.deploy("bob", hooks);
    rig.run();
    assert_eq!(rig.got().len(), 1);
    assert_eq!(second.got.lock().unwrap().len(), 1);
}
