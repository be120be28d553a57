//! Restart policies: never, on failure with backoff, and what waits meanwhile.

use caxton_abi::Code;
use caxton_core::{AgentSpec, Limits, RestartPolicy};

use crate::rig::*;

/// Traps on `bad` and notes nothing else.
fn brittle() -> Hooks {
    Hooks {
        handle: Box::new(|batch, _| if text(&batch[0]) == "bad" { Err(trap()) } else { Ok(()) }),
        ..Hooks::default()
    }
}

/// Milliseconds until something is due; nothing when nothing is.
fn pause(rig: &Rig) -> Option<u64> {
    rig.bus.next_deadline().map(|at| at.nanos_since(rig.now) / 1_000_000)
}

#[test]
fn an_agent_that_is_never_restarted_is_given_up_at_its_first_trap() {
    let rig = Rig::with(Limits::default());
    let spec = AgentSpec { restart: RestartPolicy::Never, ..spec("bob") };
    let bob = rig.deploy_as(spec, brittle());
    rig.run();
    rig.tell(bob, "bad");
    rig.tell(bob, "good");
    rig.run();
    let view = rig.bus.agent("bob").unwrap();
    assert_eq!((view.state, view.code, view.restarts), ("failed", Code::AGENT_FAILED, 0));
    assert_eq!(view.restart.as_str(), "never");
    assert!(view.reason.contains("told to"), "{}", view.reason);
    assert_eq!(rig.dead(), [Code::AGENT_FAILED, Code::AGENT_FAILED]);
}

#[test]
fn the_first_restart_comes_at_once_and_each_further_one_later() {
    let mut rig = Rig::with(Limits::default());
    let bob = rig.deploy_as(fragile("bob", 99), brittle());
    rig.run();
    let mut pauses = Vec::new();
    for _ in 0..4 {
        // Two traps each: in the batch, and alone.
        rig.tell(bob, "bad");
        for _ in 0..2 {
            rig.run();
            let wait = pause(&rig);
            pauses.push(wait.unwrap_or(0));
            rig.later(wait.map_or(0, |wait| wait + 1));
        }
    }
    let pauses: Vec<_> = pauses.into_iter().filter(|pause| *pause > 0).collect();
    for (pause, plain) in pauses.iter().zip([10, 20, 40, 80, 160, 320, 640]) {
        assert!((plain - plain / 5 - 1..=plain + plain / 5).contains(pause), "{pause} is not about {plain}");
    }
    assert_eq!(pauses.len(), 7, "{pauses:?}");
}

#[test]
fn messages_wait_while_an_agent_rests_and_no_turn_is_given_to_it() {
    let mut rig = Rig::with(Limits::default());
    let bob = rig.deploy("bob", brittle());
    rig.run();
    rig.tell(bob, "bad");
    rig.run();
    assert_eq!(rig.bus.agent("bob").unwrap().state, "replacing");
    assert_eq!(rig.tell(bob, "good").code, Code::NONE);
    assert!(!rig.turn(), "it rests");
    assert!(!rig.bus.quiescent(), "a message waits");
    rig.later(12);
    let view = rig.bus.agent("bob").unwrap();
    assert_eq!((view.state, view.received), ("active", 1));
}

#[test]
fn a_quiet_window_lets_the_next_restart_come_at_once() {
    let mut rig = Rig::with(Limits::default());
    let bob = rig.deploy("bob", brittle());
    rig.run();
    rig.tell(bob, "bad");
    rig.run();
    rig.later(12);
    rig.later(10_000);
    rig.tell(bob, "bad");
    assert!(rig.turn());
    assert!(rig.turn(), "its next instance is made at once");
    assert_eq!(rig.bus.agent("bob").unwrap().restarts, 3);
}

#[test]
fn an_agent_that_rests_can_be_removed() {
    let mut rig = Rig::with(Limits::default());
    let bob = rig.deploy("bob", brittle());
    rig.run();
    rig.tell(bob, "bad");
    rig.run();
    rig.tell(bob, "good");
    rig.bus.remove("bob", rig.now).unwrap();
    assert!(rig.bus.agent("bob").is_none());
    assert_eq!(rig.bus.next_deadline(), None);
    rig.later(50);
    assert_eq!(rig.dead(), [Code::POISON, Code::AGENT_STOPPED]);
}
