//! Durable messages: accepted when they are on disk, kept until their end is, and handed out again after a crash.

use std::sync::{Arc, Mutex};

use caxton_abi::{
    Code, Envelope, EventName, class, flags,
    port::{RouteUpdate, route},
};
use caxton_acl::Performative::Inform;
use caxton_core::{
    Limits,
    agent::{Fault, Turn},
};

use crate::{rig::*, shelf::*};

type Seen = Arc<Mutex<Vec<(String, u8, bool)>>>;

/// An agent that notes what it gets, with the number of the hand-out and whether it is flagged.
fn noting(rig: &Rig, name: &str, handle: fn(&[Envelope], &mut Turn) -> Result<(), Fault>) -> (u32, Seen) {
    let seen = Seen::default();
    let log = seen.clone();
    let address = rig.agent(name, move |batch, turn| {
        let note = |message: &Envelope| {
            let again = message.head.flags & flags::REDELIVERED != 0;
            (text(message), message.head.deliveries, again)
        };
        log.lock().unwrap().extend(batch.iter().map(note));
        handle(batch, turn)
    });
    (address, seen)
}

fn taken(seen: &Seen) -> Vec<(String, u8, bool)> {
    std::mem::take(&mut *seen.lock().unwrap())
}

fn entry(text: &str, deliveries: u8, again: bool) -> (String, u8, bool) {
    (text.to_owned(), deliveries, again)
}

#[test]
fn a_durable_message_is_accepted_when_it_is_written_and_not_before() {
    let rig = Rig::new();
    let shelf = rig.shelf();
    let (bob, seen) = noting(&rig, "bob", |_, _| Ok(()));
    rig.run();
    let promise = rig.submit_and_wait(vec![durable(rig.client, bob, "x")]);
    rig.run();
    assert!(promise.lock().unwrap().is_none() && taken(&seen).is_empty());
    assert_eq!(rig.bus.accounting().accepted, 0);
    rig.write(&shelf);
    assert_eq!(code(&promise), Code::NONE);
    rig.run();
    assert_eq!(taken(&seen), [entry("x", 1, false)]);
}

#[test]
fn only_the_call_that_waits_takes_durable_messages() {
    let rig = Rig::new();
    let _shelf = rig.shelf();
    let bob = rig.agent("bob", |_, _| Ok(()));
    assert_eq!(rig.submit(durable(rig.client, bob, "x")).code, Code::CLASS_NEEDS_WAIT);
}

#[test]
fn other_classes_do_not_wait_for_the_store() {
    let rig = Rig::new();
    let shelf = rig.shelf();
    let (bob, seen) = noting(&rig, "bob", |_, _| Ok(()));
    rig.run();
    let promise = rig.submit_and_wait(vec![acked(rig.client, bob, "acked")]);
    assert_eq!(code(&promise), Code::NONE);
    let mixed = rig.submit_and_wait(vec![
        durable(rig.client, bob, "durable"),
        message(rig.client, bob, Inform, "volatile"),
    ]);
    rig.run();
    assert_eq!(taken(&seen), [entry("acked", 0, false), entry("volatile", 0, false)]);
    rig.run_with(&shelf);
    assert_eq!(mixed.lock().unwrap().as_ref().unwrap().len(), 2);
    assert_eq!(taken(&seen), [entry("durable", 1, false)]);
}

#[test]
fn without_a_store_durable_messages_are_refused() {
    let rig = Rig::new();
    let bob = rig.agent("bob", |_, _| Ok(()));
    let refused = || code(&rig.submit_and_wait(vec![durable(rig.client, bob, "x")]));
    assert_eq!(refused(), Code::DURABLE_UNAVAILABLE);
    let _shelf = rig.shelf();
    rig.bus.set_store(None);
    assert_eq!(refused(), Code::DURABLE_UNAVAILABLE);
}

#[test]
fn a_message_that_could_not_be_written_is_refused_and_gives_its_place_back() {
    let rig = Rig::new();
    let shelf = rig.shelf();
    let small = caxton_core::AgentSpec { mailbox_messages_max: Some(1), ..spec("bob") };
    let bob = rig.deploy_as(small, Hooks::default());
    let promise = rig.submit_and_wait(vec![durable(rig.client, bob, "x")]);
    assert_eq!(
        rig.tell(bob, "no place").code,
        Code::MAILBOX_FULL,
        "the place is reserved while it is written"
    );
    rig.fail_one(&shelf, Code::STORE_FULL);
    assert_eq!(code(&promise), Code::STORE_FULL);
    assert_eq!(rig.tell(bob, "a place").code, Code::NONE);
}

#[test]
fn a_message_is_kept_until_its_turn_has_committed_on_disk() {
    let rig = Rig::new();
    let shelf = rig.shelf();
    let client = rig.client;
    let bob = rig.agent("bob", move |_, turn| {
        turn.stage(message(0, client, Inform, "done")).unwrap();
        Ok(())
    });
    rig.keep(&shelf, bob, "x");
    rig.run();
    assert_eq!(shelf.kept.lock().unwrap().texts(), ["x"]);
    assert!(rig.got().is_empty(), "the turn has not committed");
    assert_eq!(rig.bus.agent("bob").unwrap().received, 0);
    rig.tell(bob, "next");
    assert!(!rig.turn(), "the agent is occupied");
    rig.write(&shelf);
    assert!(shelf.kept.lock().unwrap().messages.is_empty());
    rig.run();
    assert_eq!(texts(&rig.got()), ["done", "done"]);
}

#[test]
fn what_a_turn_sends_durably_is_kept_in_the_transaction_that_forgets_what_it_took() {
    let rig = Rig::new();
    let shelf = rig.shelf();
    let (carol, seen) = noting(&rig, "carol", |_, _| Ok(()));
    let bob = rig.agent("bob", move |_, turn| {
        turn.stage(durable(0, carol, "passed on")).unwrap();
        Ok(())
    });
    rig.keep(&shelf, bob, "x");
    rig.run();
    assert_eq!(shelf.kept.lock().unwrap().texts(), ["x"]);
    assert!(rig.write_one(&shelf));
    assert_eq!(shelf.kept.lock().unwrap().texts(), ["passed on"]);
    rig.run_with(&shelf);
    assert_eq!(taken(&seen), [entry("passed on", 1, false)]);
    assert!(shelf.kept.lock().unwrap().messages.is_empty());
}

#[test]
fn a_turn_that_could_not_be_written_is_run_again_after_a_pause() {
    let mut rig = Rig::new();
    let shelf = rig.shelf();
    let client = rig.client;
    let (bob, seen) = noting(&rig, "bob", |_, _| Ok(()));
    let eve = rig.agent("eve", move |_, turn| {
        turn.stage(message(0, client, Inform, "said")).unwrap();
        turn.stage(durable(0, client, "kept")).unwrap();
        Ok(())
    });
    rig.keep(&shelf, bob, "x");
    rig.tell(eve, "go");
    rig.run();
    rig.fail_one(&shelf, Code::STORE_FAILED);
    rig.fail_one(&shelf, Code::STORE_FAILED);
    assert!(rig.got().is_empty());
    rig.run_with(&shelf);
    assert_eq!(
        taken(&seen),
        [entry("x", 1, false)],
        "it rests, so that a store that fails is not asked all the time"
    );
    rig.later(100);
    rig.run_with(&shelf);
    assert_eq!(taken(&seen), [entry("x", 2, true)]);
    let mut got = texts(&rig.got());
    got.sort();
    assert_eq!(got, ["kept", "said"]);
    assert!(rig.dead().is_empty());
}

#[test]
fn after_a_crash_a_message_comes_again_flagged_and_counted() {
    let rig = Rig::new();
    let shelf = rig.shelf();
    let (bob, seen) = noting(&rig, "bob", |_, _| Ok(()));
    rig.keep(&shelf, bob, "one");
    rig.keep(&shelf, bob, "two");
    rig.run();
    assert_eq!(taken(&seen).len(), 2);
    let (again, shelf) = rig.begin_again(&shelf, Limits::default());
    let (_, seen) = noting(&again, "bob", |_, _| Ok(()));
    again.run();
    assert!(taken(&seen).is_empty(), "the count is written before the hand-out");
    again.run_with(&shelf);
    assert_eq!(taken(&seen), [entry("one", 2, true), entry("two", 2, true)]);
    assert!(shelf.kept.lock().unwrap().messages.is_empty());
    let books = again.bus.accounting().by_class[usize::from(class::DURABLE)];
    assert_eq!((books.accepted, books.delivered), (2, 2));
}

#[test]
fn a_message_that_outlives_the_server_too_often_is_not_handed_out_again() {
    let mut rig = Rig::new();
    let mut shelf = rig.shelf();
    let bob = rig.agent("bob", |_, _| Ok(()));
    rig.keep(&shelf, bob, "fatal");
    for deliveries in 2..=3 {
        let limits = Limits { deliveries_max: 3, ..Limits::default() };
        (rig, shelf) = rig.begin_again(&shelf, limits);
        rig.agent("bob", |_, _| Ok(()));
        rig.turn();
        rig.turn();
        // Counted, and killed before the turn has committed.
        assert!(rig.write_one(&shelf));
        assert_eq!(shelf.kept.lock().unwrap().messages[&1].head.deliveries, deliveries);
    }
    let (rig, shelf) = rig.begin_again(&shelf, Limits { deliveries_max: 3, ..Limits::default() });
    rig.agent("bob", |_, _| panic!("handed out"));
    rig.run_with(&shelf);
    assert_eq!(rig.dead(), [Code::DELIVERIES_EXCEEDED]);
    assert!(shelf.kept.lock().unwrap().messages.is_empty());
    assert_eq!(shelf.kept.lock().unwrap().letters.len(), 1);
}

#[test]
fn recovered_messages_wait_for_their_receiver_without_a_deadline_and_keep_their_order() {
    let rig = Rig::new();
    let shelf = rig.shelf();
    let bob = rig.agent("bob", |_, _| Ok(()));
    for word in ["one", "two", "three"] {
        rig.keep(&shelf, bob, word);
    }
    let limits = Limits { pending_messages_max: 2, mailbox_messages_max: 2, ..Limits::default() };
    let (mut again, shelf) = rig.begin_again(&shelf, limits);
    let bob = again.address("bob");
    let stranger = message(again.client, bob, Inform, "new");
    assert_eq!(again.submit(stranger).code, Code::PENDING_FULL, "new ones are refused meanwhile");
    again.later(60_000);
    // A router that denies the name changes nothing.
    again
        .bus
        .program(vec![RouteUpdate { address: bob, mode: route::NONE, ..RouteUpdate::default() }], again.now);
    let (_, seen) = noting(&again, "bob", |_, _| Ok(()));
    again.run_with(&shelf);
    assert_eq!(taken(&seen).iter().map(|seen| seen.0.as_str()).collect::<Vec<_>>(), ["one", "two", "three"]);
    assert!(again.dead().is_empty());
}

#[test]
fn a_poisonous_durable_message_becomes_a_letter_that_outlives_the_server() {
    let rig = Rig::new();
    let shelf = rig.shelf();
    let (bob, seen) = noting(&rig, "bob", |batch, _| match text(&batch[0]).as_str() {
        "bad" => Err(trap()),
        _ => Ok(()),
    });
    rig.run();
    rig.keep(&shelf, bob, "bad");
    rig.run_with(&shelf);
    assert_eq!(taken(&seen), [entry("bad", 1, false), entry("bad", 2, true)]);
    assert_eq!(rig.dead(), [Code::POISON]);
    assert!(shelf.kept.lock().unwrap().messages.is_empty());
    let (again, _) = rig.begin_again(&shelf, Limits::default());
    assert_eq!(again.dead(), [Code::POISON]);
    assert_eq!(again.bus.accounting().dead(), 0, "it was counted by the server before");
}

#[test]
fn an_endpoint_gets_recovered_messages_counted_and_flagged() {
    let rig = Rig::new();
    let shelf = rig.shelf();
    let desk = rig.agent("desk", |_, _| Ok(()));
    rig.keep(&shelf, desk, "x");
    let (again, shelf) = rig.begin_again(&shelf, Limits::default());
    again.bus.claim("desk", 2, again.inbox.clone(), again.now).unwrap();
    assert!(again.got().is_empty());
    again.run_with(&shelf);
    let got = again.got();
    assert_eq!((got[0].head.deliveries, got[0].head.flags), (2, flags::REDELIVERED));
    assert!(shelf.kept.lock().unwrap().messages.is_empty());
}

#[test]
fn copies_along_a_route_are_kept_before_they_are_handed_out() {
    let rig = Rig::new();
    let shelf = rig.shelf();
    let (a, seen_by_a) = noting(&rig, "a", |_, _| Ok(()));
    let (b, seen_by_b) = noting(&rig, "b", |_, _| Ok(()));
    rig.run();
    let both = rig.address("group:both");
    rig.keep(&shelf, both, "x");
    let all = RouteUpdate { address: both, mode: route::ALL, targets: vec![a, b].into() };
    rig.bus.program(vec![all], rig.now);
    assert!(rig.write_one(&shelf));
    assert_eq!(shelf.kept.lock().unwrap().texts(), ["x", "x"]);
    rig.run_with(&shelf);
    assert_eq!((taken(&seen_by_a).len(), taken(&seen_by_b).len()), (1, 1));
    assert!(shelf.kept.lock().unwrap().messages.is_empty());
}

#[test]
fn ends_are_written_again_when_a_write_failed_and_new_messages_wait_for_that() {
    let mut rig = Rig::new();
    let shelf = rig.shelf();
    rig.keep(&shelf, rig.client, "to an endpoint");
    // Taken by the endpoint; the end is being written.
    rig.submit_and_wait(vec![durable(rig.client, rig.client, "x")]);
    rig.write_one(&shelf);
    rig.fail_one(&shelf, Code::STORE_FAILED);
    let refused = rig.submit_and_wait(vec![durable(rig.client, rig.client, "y")]);
    assert_eq!(code(&refused), Code::STORE_FAILED);
    rig.later(100);
    rig.write(&shelf);
    assert!(shelf.kept.lock().unwrap().messages.is_empty());
    assert_eq!(rig.keep(&shelf, rig.client, "z"), Code::NONE);
}

#[test]
fn a_turn_that_is_to_commit_waits_for_a_store_that_was_taken_away() {
    let rig = Rig::new();
    let shelf = rig.shelf();
    let bob = rig.agent("bob", |_, _| Ok(()));
    rig.run();
    rig.keep(&shelf, bob, "x");
    rig.bus.set_store(None);
    rig.run();
    assert_eq!(rig.bus.agent("bob").unwrap().received, 0);
    rig.bus.set_store(Some(shelf.clone()));
    rig.run_with(&shelf);
    assert_eq!(rig.bus.agent("bob").unwrap().received, 1);
    assert!(shelf.kept.lock().unwrap().messages.is_empty());
}

#[test]
fn an_agent_that_is_removed_leaves_its_durable_messages_as_letters() {
    let rig = Rig::new();
    let shelf = rig.shelf();
    let bob = rig.agent("bob", |_, _| Ok(()));
    rig.run();
    rig.keep(&shelf, bob, "x");
    rig.signals();
    rig.bus.remove("bob", rig.now).unwrap();
    rig.write(&shelf);
    assert_eq!(rig.dead(), [Code::AGENT_STOPPED]);
    assert_eq!(rig.named(EventName::MESSAGE_DEAD_LETTERED)[0].code, Code::AGENT_STOPPED);
    let kept = shelf.kept.lock().unwrap();
    assert_eq!((kept.messages.len(), kept.letters.len()), (0, 1));
}
