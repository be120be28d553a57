//! The bus under a model checker: many orders of its threads' steps, each order a seed that can be replayed.
//!
//! Every scenario runs real submitters and workers over the core and asks at the end: does the sum hold, did every message
//! arrive in the order of its sender, was nobody left asleep with work waiting.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::sync::Arc;

use caxton_abi::{
    Code, Envelope, Header, Payload, Uid, class,
    port::{Action, Observation, RouteUpdate, route},
};
use caxton_model::{
    AgentSpec, Bus, Endpoint, Limits, Options, Protocol, Time, Wake,
    agent::{AgentBody, BodyFactory, Fault, Start, TrapKind, Turn},
};
use shuttle::{
    sync::{Condvar, Mutex},
    thread,
};

/// Orders that each scenario is run in: a few seconds in all.
const ORDERS: usize = 2_000;
/// Preemptions at chosen depths find what random orders seldom reach.
const DEPTH: usize = 3;
const NOW: Time = Time::from_millis(1_000);
const INFORM: u8 = 8;

/// What receivers saw: sender and number.
type Seen = Arc<Mutex<Vec<(u32, u32)>>>;

/// Says when there may be work; a worker that finds none waits here, so a lost wake is a deadlock that the checker names.
#[derive(Default)]
struct Bell {
    rung: Mutex<(usize, bool)>,
    changed: Condvar,
}

impl Bell {
    fn rings(&self) -> usize {
        self.rung.lock().unwrap().0
    }

    fn wait_beyond(&self, rings: usize) -> bool {
        let mut rung = self.rung.lock().unwrap();
        while rung.0 == rings && !rung.1 {
            rung = self.changed.wait(rung).unwrap();
        }
        rung.0 != rings
    }

    fn close(&self) {
        self.rung.lock().unwrap().1 = true;
        self.changed.notify_all();
    }
}

impl Wake for Bell {
    fn wake(&self, _worker: usize) {
        self.rung.lock().unwrap().0 += 1;
        self.changed.notify_all();
    }
}

struct Script {
    seen: Seen,
    trap_on: Option<u32>,
}

impl BodyFactory for Script {
    fn instantiate(&self) -> Result<Box<dyn AgentBody>, Fault> {
        Ok(Box::new(Script { seen: Arc::clone(&self.seen), trap_on: self.trap_on }))
    }
    fn digest(&self) -> &str {
        "sha256:model"
    }
}

impl AgentBody for Script {
    fn init(&mut self, _start: &Start, _turn: &mut Turn) -> Result<(), Fault> {
        Ok(())
    }

    fn handle(&mut self, batch: &[Envelope], _turn: &mut Turn) -> Result<(), Fault> {
        if batch.iter().any(|message| Some(message.head.reply_with) == self.trap_on) {
            return Err(Fault::Trapped {
                kind: TrapKind::Other,
                message: "told to".to_owned(),
                frames: Vec::new(),
            });
        }
        note(&self.seen, batch);
        Ok(())
    }

    fn timer(&mut self, _token: u32, _turn: &mut Turn) -> Result<(), Fault> {
        Ok(())
    }

    fn memory_bytes(&self) -> u64 {
        0
    }
}

/// Lets everything pass.
struct Watcher;

impl Protocol for Watcher {
    fn protocols(&self) -> Vec<String> {
        vec!["fipa-request".to_owned()]
    }
    fn observe(&self, _batch: &[Observation], _now_ms: u64, _out: &mut Vec<Action>) -> Result<(), Code> {
        Ok(())
    }
    fn timers(&self, _tokens: &[u64], _now_ms: u64, _out: &mut Vec<Action>) -> Result<(), Code> {
        Ok(())
    }
    fn describe(&self, _conversation: Uid) -> Option<String> {
        None
    }
}

struct Sink(Seen);

impl Endpoint for Sink {
    fn deliver(&self, batch: Vec<Envelope>) -> Vec<Code> {
        note(&self.0, &batch);
        vec![Code::NONE; batch.len()]
    }
}

fn note(seen: &Seen, batch: &[Envelope]) {
    seen.lock().unwrap().extend(batch.iter().map(|message| (message.head.sender, message.head.reply_with)));
}

/// A bus with two senders and a bell.
struct World {
    bus: Arc<Bus>,
    bell: Arc<Bell>,
    seen: Seen,
    senders: [u32; 2],
}

impl World {
    fn new(limits: Limits) -> Self {
        let (platform, limits) = ("here".to_owned(), Arc::new(limits));
        let bus = Bus::new(Options { platform, limits, workers: 2, seed: 1, content_in_signals: false });
        let bus = Arc::new(bus.unwrap());
        let bell = Arc::new(Bell::default());
        bus.set_wake(Arc::clone(&bell) as Arc<dyn Wake>);
        let nobody: Seen = Arc::default();
        let senders =
            ["a", "b"].map(|name| bus.claim(name, 1, Arc::new(Sink(Arc::clone(&nobody))), NOW).unwrap());
        Self { bus, bell, seen: Arc::default(), senders }
    }

    fn deploy(&self, name: &str, trap_on: Option<u32>) -> u32 {
        let spec = AgentSpec { name: name.to_owned(), ..AgentSpec::default() };
        let factory = Arc::new(Script { seen: Arc::clone(&self.seen), trap_on });
        self.bus.deploy(spec, factory, NOW).unwrap()
    }

    /// Runs the jobs beside two workers; ends when the jobs are done and nothing is left to do.
    fn run(&self, jobs: Vec<Box<dyn FnOnce() + Send>>) {
        let workers: Vec<_> = (0..2)
            .map(|worker| {
                let (bus, bell) = (Arc::clone(&self.bus), Arc::clone(&self.bell));
                thread::spawn(move || work(&bus, &bell, worker))
            })
            .collect();
        let jobs: Vec<_> = jobs.into_iter().map(thread::spawn).collect();
        jobs.into_iter().for_each(|job| job.join().unwrap());
        self.bell.close();
        workers.into_iter().for_each(|worker| worker.join().unwrap());
    }

    /// Runs what is left on this thread.
    fn drain(&self) {
        while let Some(turn) = self.bus.next(0, NOW) {
            self.bus.finish(turn.run(), NOW);
        }
    }

    fn submits(&self, sender: usize, to: u32, numbers: std::ops::Range<u32>) -> Box<dyn FnOnce() + Send> {
        let (bus, from) = (Arc::clone(&self.bus), self.senders[sender]);
        Box::new(move || {
            for number in numbers {
                let outcome = bus.submit(vec![message(from, to, number)], NOW)[0];
                assert!(outcome.code.is_none(), "{}", outcome.code);
            }
        })
    }

    /// Submits on a thread that is lent: it runs the agent where it may.
    fn lends(&self, sender: usize, to: u32, numbers: std::ops::Range<u32>) -> Box<dyn FnOnce() + Send> {
        let (bus, from) = (Arc::clone(&self.bus), self.senders[sender]);
        Box::new(move || {
            for number in numbers {
                let (outcomes, mut taken) = bus.submit_and_take(vec![message(from, to, number)], NOW);
                assert!(outcomes[0].code.is_none());
                let mut turns = 0;
                while let Some(turn) = taken.and_then(|agent| agent.begin(NOW)) {
                    turns += 1;
                    // A second one is left to the workers.
                    taken = bus.finish_taken(turn.run(), NOW).filter(|_| turns < 2);
                }
            }
        })
    }

    /// Lets an agent show that its turns are short.
    fn practise(&self, to: u32) {
        for _ in 0..12 {
            self.bus.submit(vec![message(self.senders[0], to, 0)], NOW);
            self.drain();
        }
        self.seen.lock().unwrap().clear();
    }

    /// The numbers that arrived of a sender, in order of arrival.
    fn arrived(&self, sender: usize) -> Vec<u32> {
        let from = self.senders[sender];
        self.seen.lock().unwrap().iter().filter(|(who, _)| *who == from).map(|(_, number)| *number).collect()
    }
}

fn message(from: u32, to: u32, number: u32) -> Envelope {
    let head =
        Header { sender: from, receiver: to, reply_with: number, performative: INFORM, ..Header::default() };
    Envelope::new(head, Payload::EMPTY)
}

fn work(bus: &Bus, bell: &Bell, worker: usize) {
    loop {
        let rings = bell.rings();
        while let Some(turn) = bus.next(worker, NOW) {
            bus.finish(turn.run(), NOW);
        }
        if !bell.wait_beyond(rings) {
            return;
        }
    }
}

fn check(scenario: impl Fn() + Send + Sync + Copy + 'static) {
    shuttle::check_random(scenario, ORDERS);
    shuttle::check_pct(scenario, ORDERS, DEPTH);
}

fn holds(bus: &Bus) {
    let books = bus.accounting();
    assert!(books.holds() && books.in_flight == 0, "{books:?}");
}

#[test]
fn a_mailbox_keeps_each_senders_order_and_wakes_its_agent() {
    check(|| {
        let world = World::new(Limits { turn_messages_max: 2, ..Limits::default() });
        let to = world.deploy("r", None);
        world.run(vec![world.submits(0, to, 1..4), world.submits(1, to, 1..4)]);
        assert_eq!((world.arrived(0), world.arrived(1)), (vec![1, 2, 3], vec![1, 2, 3]));
        holds(&world.bus);
    });
}

#[test]
fn lent_threads_beside_workers_keep_each_senders_order_and_strand_no_agent() {
    check(|| {
        let world = World::new(Limits { turn_messages_max: 2, ..Limits::default() });
        let to = world.deploy("r", None);
        world.practise(to);
        world.run(vec![world.lends(0, to, 1..4), world.lends(1, to, 1..4)]);
        assert_eq!((world.arrived(0), world.arrived(1)), (vec![1, 2, 3], vec![1, 2, 3]));
        assert!(world.bus.quiescent());
        holds(&world.bus);
    });
}

#[test]
fn a_removal_beside_a_lent_thread_loses_nothing_from_the_books() {
    check(|| {
        let world = World::new(Limits::default());
        let to = world.deploy("r", None);
        world.practise(to);
        let (bus, from) = (Arc::clone(&world.bus), world.senders[0]);
        let lend = Box::new(move || {
            for number in 1..4 {
                let (_either_way, taken) = bus.submit_and_take(vec![message(from, to, number)], NOW);
                if let Some(turn) = taken.and_then(|agent| agent.begin(NOW)) {
                    drop(bus.finish_taken(turn.run(), NOW));
                }
            }
        });
        let bus = Arc::clone(&world.bus);
        world.run(vec![lend, Box::new(move || bus.remove("r", NOW).unwrap())]);
        world.bus.tick(NOW.plus_millis(60_000));
        holds(&world.bus);
        assert!(world.arrived(0).is_sorted());
    });
}

#[test]
fn a_trap_loses_only_the_message_that_traps() {
    check(|| {
        // Time stands still here, so a new instance does not wait for it.
        let world = World::new(Limits { restart_backoff_ms: 0, ..Limits::default() });
        let to = world.deploy("r", Some(2));
        world.run(vec![world.submits(0, to, 1..4)]);
        assert_eq!(world.arrived(0), [1, 3]);
        holds(&world.bus);
    });
}

#[test]
fn an_outlet_is_emptied_by_one_at_a_time_and_left_by_nobody() {
    check(|| {
        let world = World::new(Limits { turn_messages_max: 1, ..Limits::default() });
        let sink = Arc::new(Sink(Arc::clone(&world.seen)));
        let to = world.bus.claim("r", 2, sink, NOW).unwrap();
        world.run(vec![world.submits(0, to, 1..4), world.submits(1, to, 1..4)]);
        assert_eq!((world.arrived(0), world.arrived(1)), (vec![1, 2, 3], vec![1, 2, 3]));
        holds(&world.bus);
    });
}

#[test]
fn nothing_overtakes_while_an_address_is_switched() {
    check(|| {
        let world = World::new(Limits::default());
        let to = world.bus.address("capability:count").unwrap();
        let agent = world.deploy("r", None);
        let bus = Arc::clone(&world.bus);
        let program = Box::new(move || {
            let update = RouteUpdate { address: to, mode: route::ONE, targets: vec![agent].into() };
            bus.program(vec![update], NOW);
        });
        world.run(vec![world.submits(0, to, 1..4), program]);
        assert_eq!(world.arrived(0), [1, 2, 3]);
        holds(&world.bus);
    });
}

#[test]
fn a_removal_beside_submissions_loses_nothing_from_the_books() {
    check(|| {
        let world = World::new(Limits::default());
        let to = world.deploy("r", None);
        let (bus, from) = (Arc::clone(&world.bus), world.senders[0]);
        let send = Box::new(move || {
            for number in 1..4 {
                let _either_way = bus.submit(vec![message(from, to, number)], NOW);
            }
        });
        let bus = Arc::clone(&world.bus);
        world.run(vec![send, Box::new(move || bus.remove("r", NOW).unwrap())]);
        world.bus.tick(NOW.plus_millis(60_000));
        holds(&world.bus);
        assert!(world.arrived(0).is_sorted());
    });
}

#[test]
fn a_new_version_beside_submissions_keeps_each_conversations_order() {
    check(|| {
        let world = World::new(Limits::default());
        let to = world.deploy("r", None);
        let (bus, seen) = (Arc::clone(&world.bus), Arc::clone(&world.seen));
        let upgrade = Box::new(move || {
            let spec = AgentSpec { name: "r".to_owned(), ..AgentSpec::default() };
            bus.apply(spec, Arc::new(Script { seen, trap_on: None }), None, NOW).unwrap();
        });
        let (bus, from) = (Arc::clone(&world.bus), world.senders[0]);
        let talk = Box::new(move || {
            for number in 1..5 {
                let mut message = message(from, to, number);
                message.head.conversation = Uid::from_u128(7);
                assert!(bus.submit(vec![message], NOW)[0].code.is_none());
            }
        });
        world.run(vec![talk, upgrade]);
        assert_eq!(world.arrived(0), [1, 2, 3, 4]);
        holds(&world.bus);
    });
}

#[test]
fn acked_messages_that_two_try_again_at_once_are_neither_lost_nor_reordered() {
    check(|| {
        let world = World::new(Limits { mailbox_messages_max: 1, ..Limits::default() });
        let to = world.deploy("r", None);
        let from = world.senders[0];
        // The first one fills the mailbox; the others are acked, wait and are tried again.
        for number in 1..4 {
            let mut message = message(from, to, number);
            message.head.class = if number == 1 { class::VOLATILE } else { class::ACKED };
            message.head.conversation = Uid::from_u128(7);
            assert!(world.bus.submit(vec![message], NOW)[0].code.is_none());
        }
        let bus = Arc::clone(&world.bus);
        let tick = Box::new(move || (1..4).for_each(|step| bus.tick(NOW.plus_millis(step * 1_000))));
        // A new version has them tried at once, beside the timer.
        let (bus, seen) = (Arc::clone(&world.bus), Arc::clone(&world.seen));
        let deploy = Box::new(move || {
            let spec = AgentSpec { name: "r".to_owned(), ..AgentSpec::default() };
            bus.apply(spec, Arc::new(Script { seen, trap_on: None }), None, NOW).unwrap();
        });
        world.run(vec![tick, deploy]);
        for second in 4..10 {
            world.bus.tick(NOW.plus_millis(second * 1_000));
            world.drain();
        }
        // Order is promised within a class.
        let acked: Vec<_> = world.arrived(0).into_iter().filter(|number| *number > 1).collect();
        assert_eq!((acked, world.arrived(0).len()), (vec![2, 3], 3));
        holds(&world.bus);
    });
}

#[test]
fn a_protocol_that_is_held_beside_submissions_sees_them_in_order() {
    check(|| {
        let world = World::new(Limits::default());
        let to = world.deploy("r", None);
        world.bus.set_protocol(0, Some(Arc::new(Watcher)));
        let protocol = world.bus.directory().intern("fipa-request");
        let (bus, from) = (Arc::clone(&world.bus), world.senders[0]);
        let talk = Box::new(move || {
            for number in 1..5 {
                let mut message = message(from, to, number);
                // Only every other one is watched: the rest must not overtake.
                message.head.protocol = if number % 2 == 0 { 0 } else { protocol };
                assert!(bus.submit(vec![message], NOW)[0].code.is_none());
            }
        });
        let bus = Arc::clone(&world.bus);
        let exchange = Box::new(move || {
            bus.hold_protocol(0);
            while !bus.protocol_quiet(0) {
                thread::yield_now();
            }
            bus.set_protocol(0, Some(Arc::new(Watcher)));
            bus.release_protocol(0, NOW);
        });
        world.run(vec![talk, exchange]);
        assert_eq!(world.arrived(0), [1, 2, 3, 4]);
        holds(&world.bus);
    });
}

#[test]
fn a_balance_holds_at_any_moment() {
    check(|| {
        let world = World::new(Limits::default());
        let to = world.deploy("r", None);
        let bus = Arc::clone(&world.bus);
        let audit = Box::new(move || {
            for _ in 0..3 {
                let books = bus.accounting();
                assert!(books.holds(), "{books:?}");
            }
        });
        world.run(vec![world.submits(0, to, 1..3), world.submits(1, to, 1..3), audit]);
        holds(&world.bus);
    });
}
