//! Several threads at once: conversations do not disturb each other.

use std::{sync::Mutex, thread};

use caxton_plugin::{Action, Protocol, action};
use caxton_protocols::{Config, Engine};

use crate::kit::{I, NUMBERS, P, Q, T0, agent_lost, say};

/// One auction from call to result; returns how many conversations closed.
fn auction(engine: &Engine, id: u128) -> usize {
    let mut out: Vec<Action> = Vec::new();
    let steps = [
        vec![say(I, P, "cfp").with(1), say(I, Q, "cfp").with(2)],
        vec![say(P, I, "propose").with(3).re(1)],
        vec![say(Q, I, "propose").with(4).re(2)],
        vec![say(I, P, "accept-proposal").with(5).re(3), say(I, Q, "reject-proposal").re(4)],
        vec![say(P, I, "inform").re(5)],
    ];
    for step in steps {
        let batch: Vec<_> = step.into_iter().map(|message| message.conversation(id).observed()).collect();
        engine.observe(&batch, T0, &mut out);
    }
    assert!(out.iter().all(|act| !matches!(act.kind, action::WITHHOLD | action::SEND)));
    out.iter().filter(|act| act.kind == action::CLOSED).count()
}

#[test]
fn auctions_on_four_threads_all_complete_while_agents_are_lost() {
    let engine = Engine::new(Config::default(), NUMBERS);
    let closed = Mutex::new(0);
    thread::scope(|scope| {
        for worker in 0..4_u128 {
            let (engine, closed) = (&engine, &closed);
            scope.spawn(move || {
                let mine: usize = (1..=200).map(|number| auction(engine, worker << 64 | number)).sum();
                *closed.lock().unwrap() += mine;
            });
        }
        scope.spawn(|| {
            for stranger in 1_000..1_050 {
                engine.observe(&[agent_lost(stranger, &[])], T0, &mut Vec::new());
                engine.snapshot();
            }
        });
    });
    assert_eq!(closed.into_inner().unwrap(), 800);
    assert_eq!(engine.open_conversations(), 0);
}
