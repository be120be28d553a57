//! Turns on a thread that is lent by who submits.

use std::sync::{Arc, Mutex};

use caxton_abi::{Code, Envelope};
use caxton_acl::Performative::{Inform, Request};
use caxton_core::{Taken, agent::Turn};

use crate::rig::*;

/// An agent that answers each message with its text.
fn echo(rig: &Rig, name: &str) -> u32 {
    rig.agent(name, |batch: &[Envelope], turn: &mut Turn| {
        for asked in batch {
            turn.stage(message(0, asked.head.sender, Inform, &text(asked))).unwrap();
        }
        Ok(())
    })
}

/// Lets an agent show that its turns are short: time stands still in them.
fn practise(rig: &Rig, agent: u32) {
    for _ in 0..20 {
        rig.tell(agent, "practice");
        rig.run();
    }
    rig.got();
}

fn ask<'a>(rig: &'a Rig, to: u32, content: &str) -> Option<Taken<'a>> {
    let (outcomes, taken) = rig.bus.submit_and_take(vec![message(rig.client, to, Request, content)], rig.now);
    assert_eq!(outcomes[0].code, Code::NONE);
    taken
}

#[test]
fn who_submits_runs_the_agent_and_has_its_answer() {
    let rig = Rig::new();
    let bob = echo(&rig, "bob");
    practise(&rig, bob);
    let turn = ask(&rig, bob, "hi").unwrap().begin(rig.now).unwrap();
    assert!(!rig.bus.quiescent());
    assert!(rig.bus.finish_taken(turn.run(), rig.now).is_none());
    assert_eq!(texts(&rig.got()), ["hi"]);
    assert!(rig.bus.quiescent() && !rig.turn());
}

#[test]
fn an_agent_that_is_new_slow_or_behind_others_is_left_to_the_workers() {
    let mut rig = Rig::new();
    let (bob, other) = (echo(&rig, "bob"), echo(&rig, "other"));
    rig.run();
    assert!(ask(&rig, bob, "a new one").is_none());
    rig.run();
    practise(&rig, bob);
    rig.tell(other, "waits");
    assert!(ask(&rig, bob, "behind another").is_none());
    rig.run();
    for _ in 0..3 {
        rig.tell(bob, "a long turn");
        let turn = rig.bus.next(0, rig.now).unwrap();
        rig.now = rig.now.plus_millis(50);
        rig.bus.finish(turn.run(), rig.now);
    }
    assert!(ask(&rig, bob, "a slow one").is_none());
    rig.run();
    assert_eq!(texts(&rig.got()).last().unwrap(), "a slow one");
}

#[test]
fn what_is_not_run_goes_to_the_workers() {
    let rig = Rig::new();
    let bob = echo(&rig, "bob");
    practise(&rig, bob);
    drop(ask(&rig, bob, "1"));
    assert!(rig.turn());
    let turn = ask(&rig, bob, "2").unwrap().begin(rig.now).unwrap();
    rig.tell(bob, "3");
    // It has more to do, and the lender has not.
    drop(rig.bus.finish_taken(turn.run(), rig.now).unwrap());
    assert!(rig.turn());
    assert_eq!(texts(&rig.got()), ["1", "2", "3"]);
    assert!(rig.bus.quiescent());
}

#[test]
fn a_lender_goes_on_with_what_came_meanwhile() {
    let rig = Rig::new();
    let bob = echo(&rig, "bob");
    practise(&rig, bob);
    let turn = ask(&rig, bob, "1").unwrap().begin(rig.now).unwrap();
    rig.tell(bob, "2");
    assert!(ask(&rig, bob, "3").is_none(), "it runs already");
    let again = rig.bus.finish_taken(turn.run(), rig.now).unwrap();
    assert!(!rig.turn(), "it is in no run queue");
    let turn = again.begin(rig.now).unwrap();
    assert!(rig.bus.finish_taken(turn.run(), rig.now).is_none());
    assert_eq!(texts(&rig.got()), ["1", "2", "3"]);
}

#[test]
fn a_trap_on_a_lent_thread_is_a_trap_as_any() {
    let rig = Rig::new();
    let seen = Arc::new(Mutex::new(0));
    let count = Arc::clone(&seen);
    let bob = rig.agent("bob", move |batch, _| {
        *count.lock().unwrap() += 1;
        if text(&batch[0]) == "bad" { Err(trap()) } else { Ok(()) }
    });
    practise(&rig, bob);
    let turn = ask(&rig, bob, "bad").unwrap().begin(rig.now).unwrap();
    drop(rig.bus.finish_taken(turn.run(), rig.now));
    rig.run();
    assert_eq!(rig.dead(), [Code::POISON]);
    assert_eq!((*seen.lock().unwrap(), rig.bus.quiescent()), (22, true));
}

#[test]
fn an_agent_that_was_removed_in_hand_is_gone() {
    let rig = Rig::new();
    let bob = echo(&rig, "bob");
    practise(&rig, bob);
    let taken = ask(&rig, bob, "late").unwrap();
    rig.bus.remove("bob", rig.now).unwrap();
    if let Some(turn) = taken.begin(rig.now) {
        drop(rig.bus.finish_taken(turn.run(), rig.now));
    }
    rig.run();
    assert!(rig.bus.quiescent());
}
