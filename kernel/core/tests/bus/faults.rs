//! Traps, returned faults, failed starts and removal: what is lost, what is tried again, who is told.

use std::sync::{
    Arc, Mutex,
    atomic::{AtomicU32, Ordering},
};

use caxton_abi::{Code, EventName, flags};
use caxton_acl::Performative::Inform;

use crate::rig::*;

type Seen = Arc<Mutex<Vec<(String, bool)>>>;

fn note(seen: &Seen, batch: &[caxton_abi::Envelope]) {
    for message in batch {
        let again = message.head.flags & flags::REDELIVERED != 0;
        seen.lock().unwrap().push((text(message), again));
    }
}

fn pairs(seen: &Seen) -> Vec<(String, bool)> {
    std::mem::take(&mut *seen.lock().unwrap())
}

#[test]
fn after_a_trap_only_the_message_that_traps_alone_is_lost() {
    let rig = Rig::new();
    let seen = Seen::default();
    let log = seen.clone();
    let bob = rig.agent("bob", move |batch, turn| {
        note(&log, batch);
        turn.stage(message(0, batch[0].head.sender, Inform, "reply")).unwrap();
        if batch.iter().any(|message| text(message) == "bad") { Err(trap()) } else { Ok(()) }
    });
    rig.run();
    for word in ["one", "bad", "two"] {
        rig.tell(bob, word);
    }
    rig.run();
    let seen: Vec<_> = pairs(&seen).into_iter().map(|(text, again)| format!("{text} {again}")).collect();
    assert_eq!(seen, ["one false", "bad false", "two false", "one true", "bad true", "two true"]);
    assert_eq!(rig.dead(), [Code::POISON]);
    let got = rig.got();
    let replies = got.iter().filter(|message| text(message) == "reply").count();
    assert_eq!(replies, 2, "only turns that committed sent");
    let failure = got.iter().find(|message| message.head.flags == flags::PLATFORM).unwrap();
    assert_eq!((failure_code(failure).as_str(), failure.head.in_reply_to), ("CX0313", 5));
    assert_eq!(failure.head.sender, rig.bus.ams());
    assert_eq!(rig.bus.agent("bob").unwrap().restarts, 2);
}

#[test]
fn a_returned_fault_keeps_the_instance() {
    let rig = Rig::new();
    let inits = Arc::new(AtomicU32::new(0));
    let count = inits.clone();
    let hooks = Hooks {
        init: Box::new(move |_, _| {
            count.fetch_add(1, Ordering::Relaxed);
            Ok(())
        }),
        handle: Box::new(|batch, _| if text(&batch[0]) == "bad" { Err(fault()) } else { Ok(()) }),
        ..Hooks::default()
    };
    let bob = rig.deploy("bob", hooks);
    rig.run();
    rig.tell(bob, "bad");
    rig.run();
    assert_eq!(rig.dead(), [Code::HANDLER_FAULT]);
    assert_eq!(inits.load(Ordering::Relaxed), 1);
    assert_eq!(rig.bus.agent("bob").unwrap().state, "active");
}

#[test]
fn an_agent_that_traps_too_often_is_given_up_and_its_mailbox_fails() {
    let rig = Rig::new();
    let hooks = Hooks { handle: Box::new(|_, _| Err(trap())), ..Hooks::default() };
    let bob = rig.deploy_as(fragile("bob", 2), hooks);
    for word in ["one", "two", "three"] {
        rig.tell(bob, word);
    }
    rig.run();
    let view = rig.bus.agent("bob").unwrap();
    assert_eq!((view.state, view.code, view.restarts), ("failed", Code::AGENT_FAILED, 2));
    assert!(view.reason.contains("told to"), "{}", view.reason);
    assert_eq!(rig.dead(), [Code::POISON, Code::POISON, Code::AGENT_FAILED]);
    assert_eq!(rig.tell(bob, "late").code, Code::AGENT_FAILED);
    assert_eq!(rig.got().len(), 3, "a failure for each message that was accepted");
}

#[test]
fn a_failed_init_fails_the_agent_and_what_was_buffered() {
    let rig = Rig::new();
    let hooks = Hooks { init: Box::new(|_, _| Err(trap())), ..Hooks::default() };
    let bob = rig.deploy("bob", hooks);
    assert_eq!(rig.tell(bob, "early").code, Code::NONE);
    rig.run();
    let view = rig.bus.agent("bob").unwrap();
    assert_eq!((view.state, view.code), ("failed", Code::AGENT_INIT_FAILED));
    assert_eq!(view.reason, "told to\nframe");
    assert_eq!(failure_code(&rig.got()[0]), "CX0422");
}

#[test]
fn a_failed_agent_can_be_deployed_again_under_its_address() {
    let rig = Rig::new();
    let hooks = Hooks { init: Box::new(|_, _| Err(fault())), ..Hooks::default() };
    let first = rig.deploy("bob", hooks);
    rig.run();
    let second = rig.agent("bob", |_, _| Ok(()));
    rig.run();
    assert_eq!(first, second);
    assert_eq!(rig.tell(second, "hello").code, Code::NONE);
    rig.run();
    assert_eq!(rig.bus.agent("bob").unwrap().received, 1);
}

#[test]
fn a_panic_of_the_sandbox_counts_as_a_trap() {
    let rig = Rig::new();
    let bob = rig.agent("bob", |_, _| panic!("a bug in the sandbox"));
    rig.run();
    rig.tell(bob, "x");
    rig.run();
    assert_eq!(rig.dead(), [Code::POISON]);
    let traps = rig.named(EventName::AGENT_TRAP);
    assert_eq!(traps[0].code, Code::TRAP_OTHER);
}

#[test]
fn a_timer_that_traps_is_not_tried_again() {
    let mut rig = Rig::new();
    let fired = Arc::new(AtomicU32::new(0));
    let count = fired.clone();
    let hooks = Hooks {
        init: Box::new(|start, turn| {
            if start.restarts == 0 {
                turn.timers.push(caxton_core::agent::TimerChange::Set { token: 3, at: turn.now });
            }
            Ok(())
        }),
        timer: Box::new(move |_, _| {
            count.fetch_add(1, Ordering::Relaxed);
            Err(trap())
        }),
        ..Hooks::default()
    };
    rig.deploy("bob", hooks);
    rig.run();
    rig.later(1);
    rig.later(1);
    assert_eq!(fired.load(Ordering::Relaxed), 1);
    assert_eq!(rig.bus.agent("bob").unwrap().restarts, 1);
}

#[test]
fn removal_fails_what_waits_and_lets_the_running_turn_commit() {
    let rig = Rig::new();
    let client = rig.client;
    let bob = rig.agent("bob", move |_, turn| {
        turn.stage(message(0, client, Inform, "done")).unwrap();
        Ok(())
    });
    rig.run();
    rig.tell(bob, "running");
    let turn = rig.bus.next(0, rig.now).unwrap();
    rig.tell(bob, "waiting");
    rig.bus.remove("bob", rig.now).unwrap();
    assert_eq!(rig.bus.agent("bob").unwrap().state, "draining");
    assert_eq!(rig.tell(bob, "late").code, Code::AGENT_STOPPED);
    rig.bus.finish(turn.run(), rig.now);
    assert!(rig.bus.agent("bob").is_none());
    assert_eq!(rig.dead(), [Code::AGENT_STOPPED]);
    let texts = texts(&rig.got());
    assert!(texts.contains(&"done".to_owned()), "{texts:?}");
}

#[test]
fn a_trap_is_told_once_for_each_conversation_with_its_frames() {
    let rig = Rig::new();
    let bob = rig.agent("bob", |_, _| Err(trap()));
    rig.run();
    rig.tell(bob, "a");
    rig.tell(bob, "b");
    rig.signals();
    rig.turn();
    let traps = rig.named(EventName::AGENT_TRAP);
    assert_eq!(traps.len(), 2);
    assert_ne!(traps[0].conversation, traps[1].conversation);
    assert_eq!(traps[0].text.as_slice(), b"told to\nframe");
    assert_eq!((traps[0].sender, traps[0].code), (bob, Code::TRAP_UNREACHABLE));
}
