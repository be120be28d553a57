//! Acked messages that cannot be delivered now: they wait and are tried again, in order, until their time passes.

use std::sync::{Arc, Mutex};

use caxton_abi::{Code, EventName, class, flags};
use caxton_core::{AgentSpec, Limits};

use crate::{rig::*, shelf::*};

type Seen = Arc<Mutex<Vec<String>>>;

fn noting(rig: &Rig, name: &str) -> Seen {
    let seen = Seen::default();
    let log = seen.clone();
    rig.agent(name, move |batch, _| {
        log.lock().unwrap().extend(texts(batch));
        Ok(())
    });
    seen
}

#[test]
fn an_acked_message_waits_for_room_and_keeps_its_order() {
    let mut rig = Rig::new();
    let seen = Seen::default();
    let log = seen.clone();
    let hooks = Hooks {
        handle: Box::new(move |batch, _| {
            log.lock().unwrap().extend(texts(batch));
            Ok(())
        }),
        ..Hooks::default()
    };
    let bob = rig.deploy_as(AgentSpec { mailbox_messages_max: Some(1), ..spec("bob") }, hooks);
    for word in ["one", "two", "three"] {
        assert_eq!(rig.submit(acked(rig.client, bob, word)).code, Code::NONE);
    }
    assert_eq!(rig.named(EventName::MESSAGE_RETRYING).len(), 2);
    rig.run();
    // There is room now, and those that wait still come first.
    rig.submit(acked(rig.client, bob, "four"));
    for _ in 0..8 {
        rig.later(1_000);
    }
    assert_eq!(*seen.lock().unwrap(), ["one", "two", "three", "four"]);
}

#[test]
fn an_acked_message_waits_for_an_agent_that_is_not_there_yet_and_finds_it_at_once() {
    let mut rig = Rig::with(Limits { pending_ms_max: 10, ..Limits::default() });
    let bob = rig.address("bob");
    rig.submit(acked(rig.client, bob, "early"));
    rig.later(11);
    rig.later(5_000);
    rig.later(11);
    assert!(rig.dead().is_empty() && rig.got().is_empty());
    let seen = noting(&rig, "bob");
    rig.run();
    assert_eq!(*seen.lock().unwrap(), ["early"]);
}

#[test]
fn an_acked_message_whose_agent_is_removed_waits_for_the_next_one() {
    let rig = Rig::new();
    let bob = rig.agent("bob", |_, _| panic!("removed before"));
    rig.submit(acked(rig.client, bob, "stays"));
    rig.tell(bob, "dies");
    rig.bus.remove("bob", rig.now).unwrap();
    rig.run();
    assert_eq!(rig.dead(), [Code::AGENT_STOPPED]);
    let seen = noting(&rig, "bob");
    rig.run();
    assert_eq!(*seen.lock().unwrap(), ["stays"]);
}

#[test]
fn an_acked_message_outlives_an_agent_that_fails() {
    let rig = Rig::new();
    let hooks = Hooks { init: Box::new(|_, _| Err(fault())), ..Hooks::default() };
    let bob = rig.deploy("bob", hooks);
    rig.submit(acked(rig.client, bob, "stays"));
    rig.run();
    assert_eq!(rig.bus.agent("bob").unwrap().state, "failed");
    let seen = noting(&rig, "bob");
    rig.run();
    assert_eq!(*seen.lock().unwrap(), ["stays"]);
}

#[test]
fn an_endpoint_that_is_away_gets_an_acked_message_again_flagged() {
    let mut rig = Rig::new();
    *rig.inbox.answer.lock().unwrap() = Code::PLUGIN_UNAVAILABLE;
    rig.submit(acked(rig.client, rig.client, "x"));
    assert_eq!(rig.got().len(), 1);
    *rig.inbox.answer.lock().unwrap() = Code::NONE;
    rig.later(20);
    let got = rig.got();
    assert_eq!((text(&got[0]).as_str(), got[0].head.flags), ("x", flags::REDELIVERED));
    assert_eq!(rig.bus.accounting().by_class[usize::from(class::ACKED)].delivered, 1);
}

#[test]
fn an_acked_message_expires_at_its_reply_by_and_the_sender_is_told() {
    let mut rig = Rig::with(Limits { pending_ms_max: 10, ..Limits::default() });
    let mut message = acked(rig.client, rig.address("nobody"), "x");
    message.head.reply_by_ms = rig.now.millis() + 1_500;
    rig.submit(message);
    for _ in 0..4 {
        rig.later(1_000);
    }
    assert_eq!(failure_code(&rig.got()[0]), "CX0306");
    let books = rig.bus.accounting();
    assert_eq!((books.expired, books.in_flight), (1, 0));
}

#[test]
fn the_pauses_grow_and_the_timer_goes_with_the_last_message() {
    let mut rig = Rig::new();
    let small = AgentSpec { mailbox_messages_max: Some(0), ..spec("bob") };
    let bob = rig.deploy_as(small, Hooks::default());
    rig.run();
    let mut message = acked(rig.client, bob, "x");
    message.head.reply_by_ms = rig.now.millis() + 100;
    rig.submit(message);
    let start = rig.now;
    let mut attempts = Vec::new();
    while let Some(next) = rig.bus.next_deadline() {
        attempts.push(next.nanos_since(start) / 1_000_000);
        rig.now = next;
        rig.bus.tick(next);
    }
    assert_eq!(attempts, [20, 60, 140]);
    assert_eq!(rig.bus.accounting().expired, 1);
}

#[test]
fn a_full_room_refuses_at_the_door_and_buries_behind_it() {
    let rig = Rig::with(Limits { retries_messages_max: 1, ..Limits::default() });
    let full = AgentSpec { mailbox_messages_max: Some(0), ..spec("full") };
    let full = rig.deploy_as(full, Hooks::default());
    let bob = rig.agent("bob", |_, _| Ok(()));
    rig.submit(acked(rig.client, bob, "in bob's mailbox"));
    assert_eq!(rig.submit(acked(rig.client, full, "waits")).code, Code::NONE);
    assert_eq!(rig.submit(acked(rig.client, full, "no room")).code, Code::RETRIES_FULL);
    rig.bus.remove("bob", rig.now).unwrap();
    assert_eq!(rig.dead(), [Code::AGENT_STOPPED]);
}

#[test]
fn a_message_that_its_agent_cannot_handle_is_not_tried_again() {
    let rig = Rig::new();
    let bob = rig.agent("bob", |_, _| Err(fault()));
    rig.submit(acked(rig.client, bob, "bad"));
    rig.run();
    assert_eq!(rig.dead(), [Code::HANDLER_FAULT]);
}
