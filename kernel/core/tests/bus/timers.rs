//! Timers of agents: when they fire, what moves or cancels them, and how many an agent may have.

use std::sync::{
    Arc, Mutex,
    atomic::{AtomicBool, AtomicU32, Ordering},
};

use caxton_core::{
    Limits,
    agent::{TimerChange, Turn},
};

use crate::rig::*;

type Fired = Arc<Mutex<Vec<u32>>>;

/// An agent that sets the tokens for now when it starts, and does something whenever one fires.
fn bob(rig: &Rig, tokens: &'static [u32], then: impl Fn(&mut Turn) + Send + Sync + 'static) -> Fired {
    let fired = Fired::default();
    let log = fired.clone();
    let hooks = Hooks {
        init: Box::new(|_, turn| {
            set(turn, tokens);
            Ok(())
        }),
        timer: Box::new(move |token, turn| {
            log.lock().unwrap().push(token);
            then(turn);
            Ok(())
        }),
        ..Hooks::default()
    };
    rig.deploy("bob", hooks);
    rig.run();
    fired
}

fn set(turn: &mut Turn, tokens: &[u32]) {
    let now = turn.now;
    turn.timers.extend(tokens.iter().map(|token| TimerChange::Set { token: *token, at: now }));
}

#[test]
fn a_timer_that_is_due_and_cancelled_before_its_turn_does_not_fire() {
    let mut rig = Rig::new();
    let fired = bob(&rig, &[1, 2], |turn| turn.timers.push(TimerChange::Cancel { token: 2 }));
    rig.later(1);
    assert_eq!(*fired.lock().unwrap(), [1]);
}

#[test]
fn a_timer_that_is_due_and_set_again_before_its_turn_fires_once_and_later() {
    let mut rig = Rig::new();
    let first = AtomicBool::new(true);
    let fired = bob(&rig, &[1, 2], move |turn| {
        if first.swap(false, Ordering::Relaxed) {
            turn.timers.push(TimerChange::Set { token: 2, at: turn.now.plus_millis(10) });
        }
    });
    rig.later(1);
    assert_eq!(*fired.lock().unwrap(), [1]);
    rig.later(10);
    assert_eq!(*fired.lock().unwrap(), [1, 2]);
}

#[test]
fn timers_that_are_due_count_towards_the_bound() {
    let rig = Rig::with(Limits { timers_per_agent_max: 2, ..Limits::default() });
    let next = AtomicU32::new(10);
    let greedy = Arc::new(AtomicBool::new(true));
    let goes_on = greedy.clone();
    let fired = bob(&rig, &[1, 2], move |turn| {
        if goes_on.load(Ordering::Relaxed) {
            let token = next.fetch_add(2, Ordering::Relaxed);
            set(turn, &[token, token + 1]);
        }
    });
    for _ in 0..5 {
        rig.bus.tick(rig.now);
        rig.turn();
    }
    greedy.store(false, Ordering::Relaxed);
    rig.bus.tick(rig.now);
    rig.run();
    assert_eq!(fired.lock().unwrap().len(), 5 + 2, "what fired, and the two that it may have");
}
