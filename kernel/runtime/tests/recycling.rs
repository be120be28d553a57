//! A real guest that leaks, under a real bus and two workers: it is recycled again and again, and nobody notices.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod support;

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    thread,
};

use caxton_abi::{Code, Envelope, Header, Payload};
use caxton_core::{AgentSpec, Bus, Endpoint, Limits, Options};
use support::{
    guests::guest,
    world::{LIMITS, NOW, shared},
};

const MESSAGES: usize = 3_000;
/// Every message of it leaks 64 KiB, so a fresh instance is wanted after sixteen.
const GROWTH: u64 = 1 << 20;

#[derive(Default)]
struct Inbox(Mutex<Vec<Envelope>>);

impl Endpoint for Inbox {
    fn deliver(&self, batch: Vec<Envelope>) -> Vec<Code> {
        let codes = vec![Code::NONE; batch.len()];
        self.0.lock().unwrap().extend(batch);
        codes
    }
}

fn work(bus: &Bus, worker: usize, stop: &AtomicBool, most: &Mutex<u64>) {
    while !stop.load(Ordering::Relaxed) {
        match bus.next(worker, NOW) {
            Some(turn) => bus.finish(turn.run(), NOW),
            None => thread::yield_now(),
        }
        if let Some(view) = bus.agent("leaky") {
            let mut most = most.lock().unwrap();
            *most = view.memory_bytes.max(*most);
        }
    }
}

#[test]
fn a_guest_that_leaks_is_recycled_over_and_over_and_every_message_is_answered_in_order() {
    let limits = Limits { recycle_memory_bytes: GROWTH, mailbox_messages_max: MESSAGES, ..Limits::default() };
    let options = Options {
        platform: "here".to_owned(),
        limits: Arc::new(limits),
        workers: 2,
        seed: 1,
        content_in_signals: false,
    };
    let bus = Bus::new(options).unwrap();
    let inbox = Arc::new(Inbox::default());
    let client = bus.claim("client", 1, inbox.clone(), NOW).unwrap();
    let runtime = shared();
    let factory = runtime.factory(&runtime.compile(&guest("hostile")).unwrap(), LIMITS, &[]).unwrap();
    let spec = AgentSpec { name: "leaky".to_owned(), ..AgentSpec::default() };
    let leaky = bus.deploy(spec, factory, NOW).unwrap();
    let (stop, most) = (AtomicBool::new(false), Mutex::new(0));
    let request = |number: usize| {
        let head = Header { sender: client, receiver: leaky, performative: 19, ..Header::default() };
        Envelope::new(head, Payload::from(format!("leak {number}").into_bytes()))
    };
    thread::scope(|scope| {
        for worker in 0..2 {
            let (bus, stop, most) = (&bus, &stop, &most);
            scope.spawn(move || work(bus, worker, stop, most));
        }
        for number in 0..MESSAGES {
            assert_eq!(bus.submit(vec![request(number)], NOW)[0].code, Code::NONE);
        }
        while !bus.quiescent() {
            thread::yield_now();
        }
        stop.store(true, Ordering::Relaxed);
    });
    let got: Vec<_> =
        inbox.0.lock().unwrap().iter().map(|answer| answer.content.as_slice().to_vec()).collect();
    let expected: Vec<_> = (0..MESSAGES).map(|number| number.to_string().into_bytes()).collect();
    assert!(got == expected, "{} of {MESSAGES} were answered", got.len());
    let view = bus.agent("leaky").unwrap();
    // Somebody spoke with it just now, so twice the growth is what it may have; a turn of 64 messages comes on top.
    let most = *most.lock().unwrap();
    assert!(view.recycled >= 20, "{}", view.recycled);
    assert_eq!((view.restarts, view.received), (0, MESSAGES as u64));
    assert!(most < (3 << 20) + 2 * GROWTH + 64 * (64 << 10), "it had {most} bytes");
    assert!(bus.accounting().holds());
}
