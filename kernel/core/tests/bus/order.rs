//! Order and the books under chance and under threads.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
};

use caxton_abi::{Code, Envelope};
use caxton_acl::Performative::Inform;
use caxton_core::{Bus, Limits, agent::Turn};
use proptest::prelude::*;

use crate::rig::*;

#[derive(Clone, Debug)]
enum Event {
    Send { agent: usize },
    Turn,
    Trap { agent: usize },
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        4 => (0..3_usize).prop_map(|agent| Event::Send { agent }),
        3 => Just(Event::Turn),
        1 => (0..3_usize).prop_map(|agent| Event::Trap { agent }),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    /// Whatever happens, each agent commits what it was sent in order, each once, and the books hold at every moment.
    #[test]
    fn messages_commit_in_order_and_the_books_hold(events in prop::collection::vec(event(), 1..80)) {
        let rig = Rig::with(Limits { mailbox_messages_max: 6, turn_messages_max: 3, restarts_max: 1000, restart_backoff_ms: 0, ..Limits::default() });
        let agents: Vec<_> = ["a", "b", "c"].map(|name| {
            let client = rig.client;
            rig.agent(name, move |batch, turn| echo(client, batch, turn))
        }).into();
        for (number, event) in events.into_iter().enumerate() {
            match event {
                Event::Send { agent } => { rig.tell(agents[agent], &format!("{number}")); }
                Event::Trap { agent } => { rig.tell(agents[agent], "trap"); }
                Event::Turn => { rig.turn(); }
            }
            let books = rig.bus.accounting();
            prop_assert!(books.holds(), "{books:?}");
        }
        rig.run();
        let mut last = HashMap::new();
        for message in rig.got() {
            if let Ok(number) = text(&message).parse::<usize>() {
                let before = last.insert(message.head.sender, number);
                prop_assert!(before.is_none_or(|before| before < number));
            }
        }
        prop_assert_eq!(rig.bus.accounting().in_flight, 0);
    }
}

fn echo(to: u32, batch: &[Envelope], turn: &mut Turn) -> Result<(), caxton_core::agent::Fault> {
    for received in batch {
        if text(received) == "trap" {
            return Err(trap());
        }
        turn.stage(message(0, to, Inform, &text(received))).unwrap();
    }
    Ok(())
}

/// Four workers, three senders, an agent that traps now and then; the books are balanced all the while.
#[test]
fn threads_keep_order_and_the_books() {
    const MESSAGES: usize = 20_000;
    let rig = Rig::with(Limits { restarts_max: u32::MAX, restart_backoff_ms: 0, ..Limits::default() });
    let seen = Arc::new(Mutex::new(Vec::new()));
    let receivers: Vec<_> = (0..3)
        .map(|n| {
            let log = seen.clone();
            rig.agent(&format!("r{n}"), move |batch, turn| {
                let fresh = batch.len() > 1 && batch[0].head.flags == 0;
                if fresh && batch.iter().any(|message| text(message).ends_with("77")) {
                    return Err(trap());
                }
                let mut log = log.lock().unwrap();
                log.extend(batch.iter().map(|m| (m.head.sender, turn.address, text(m))));
                Ok(())
            })
        })
        .collect();
    let clients: Vec<_> =
        (0..3).map(|n| rig.bus.claim(&format!("c{n}"), 1, rig.inbox.clone(), rig.now).unwrap()).collect();
    let done = AtomicBool::new(false);
    let (bus, now) = (&*rig.bus, rig.now);
    std::thread::scope(|scope| {
        for worker in 0..4 {
            let done = &done;
            scope.spawn(move || work(bus, worker, now, done));
        }
        let auditor = scope.spawn(|| {
            while !done.load(Ordering::Acquire) {
                let books = bus.accounting();
                assert!(books.holds(), "{books:?}");
                std::thread::yield_now();
            }
        });
        let senders: Vec<_> = clients
            .iter()
            .map(|client| {
                let receivers = &receivers;
                scope.spawn(move || send(bus, *client, receivers, MESSAGES, now))
            })
            .collect();
        senders.into_iter().for_each(|sender| sender.join().unwrap());
        while !bus.quiescent() && !auditor.is_finished() {
            std::thread::yield_now();
        }
        done.store(true, Ordering::Release);
    });
    let mut last: HashMap<(u32, u32), usize> = HashMap::new();
    let seen = seen.lock().unwrap();
    assert_eq!(seen.len(), clients.len() * MESSAGES);
    for (from, to, text) in seen.iter() {
        let number = text.parse().unwrap();
        let before = last.insert((*from, *to), number);
        assert!(before.is_none_or(|before| before < number), "{from} to {to}: {number} late");
    }
}

fn work(bus: &Bus, worker: usize, now: caxton_core::Time, done: &AtomicBool) {
    while !done.load(Ordering::Acquire) {
        match bus.next(worker, now) {
            Some(turn) => bus.finish(turn.run(), now),
            None => std::thread::yield_now(),
        }
    }
}

fn send(bus: &Bus, from: u32, receivers: &[u32], messages: usize, now: caxton_core::Time) {
    for number in 0..messages {
        let to = receivers[number % receivers.len()];
        let draft = message(from, to, Inform, &number.to_string());
        while bus.submit(vec![draft.clone()], now)[0].code == Code::MAILBOX_FULL {
            std::thread::yield_now();
        }
    }
}
