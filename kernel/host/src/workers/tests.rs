use std::sync::Mutex as StdMutex;

use caxton_abi::{Code, Header, Payload};
use caxton_core::{
    AgentSpec, Endpoint, Limits, Options,
    agent::{AgentBody, BodyFactory, Fault, Start, Turn},
    port::EndpointRef,
};

use super::*;

const REQUEST: u8 = 16;
const INFORM: u8 = 8;

/// Answers each message and notes the thread.
struct Echo(Arc<StdMutex<Vec<ThreadId>>>);

impl BodyFactory for Echo {
    fn instantiate(&self) -> Result<Box<dyn AgentBody>, Fault> {
        Ok(Box::new(Echo(Arc::clone(&self.0))))
    }
    fn digest(&self) -> &str {
        "sha256:test"
    }
}

impl AgentBody for Echo {
    fn init(&mut self, _: &Start, _: &mut Turn) -> Result<(), Fault> {
        Ok(())
    }
    fn handle(&mut self, batch: &[Envelope], turn: &mut Turn) -> Result<(), Fault> {
        self.0.lock().unwrap().push(thread::current().id());
        for asked in batch {
            let head = Header { receiver: asked.head.sender, performative: INFORM, ..Header::default() };
            turn.stage(Envelope::new(head, Payload::EMPTY)).unwrap();
        }
        Ok(())
    }
    fn timer(&mut self, _: u32, _: &mut Turn) -> Result<(), Fault> {
        Ok(())
    }
    fn memory_bytes(&self) -> u64 {
        0
    }
}

#[derive(Default)]
struct Inbox(AtomicUsize);

impl Endpoint for Inbox {
    fn deliver(&self, batch: Vec<Envelope>) -> Vec<Code> {
        self.0.fetch_add(batch.len(), Ordering::SeqCst);
        vec![Code::NONE; batch.len()]
    }
}

struct Rig {
    bus: Arc<Bus>,
    clock: Clock,
    workers: Arc<Workers>,
    inbox: Arc<Inbox>,
    turns: Arc<StdMutex<Vec<ThreadId>>>,
    message: Envelope,
}

impl Rig {
    fn new() -> Self {
        let (platform, limits) = ("here".to_owned(), Arc::new(Limits::default()));
        let bus = Bus::new(Options { platform, limits, workers: 1, seed: 1, content_in_signals: false });
        let (bus, clock) = (Arc::new(bus.unwrap()), Clock::start());
        let workers = Workers::start(&bus, clock, 1).unwrap();
        let (inbox, turns) = (Arc::new(Inbox::default()), Arc::default());
        let client = bus.claim("client", 1, Arc::clone(&inbox) as EndpointRef, clock.now()).unwrap();
        let spec = AgentSpec { name: "echo".to_owned(), ..AgentSpec::default() };
        let echo = bus.deploy(spec, Arc::new(Echo(Arc::clone(&turns))), clock.now()).unwrap();
        let head = Header { sender: client, receiver: echo, performative: REQUEST, ..Header::default() };
        let message = Envelope::new(head, Payload::EMPTY);
        Self { bus, clock, workers, inbox, turns, message }
    }

    fn answers(&self) -> usize {
        self.inbox.0.load(Ordering::SeqCst)
    }

    /// Asks until so many answers are there; their turns are the workers'.
    fn practise(&self, answers: usize) {
        while self.answers() < answers {
            self.bus.submit(vec![self.message.clone()], self.clock.now());
            while !self.bus.quiescent() {
                thread::yield_now();
            }
        }
    }
}

#[test]
fn a_lent_thread_runs_the_turn_and_has_the_answer() {
    let rig = Rig::new();
    assert!(rig.workers.lend().is_none(), "agents do not run yet");
    rig.workers.open();
    rig.practise(40);
    let own = thread::current().id();
    assert!(!rig.turns.lock().unwrap().contains(&own));
    // A machine that is busy may make some turns look long; those go to the worker.
    let lent = (0..1_000).any(|_| {
        let before = rig.answers();
        let outcomes = rig.workers.lend().unwrap().submit(vec![rig.message.clone()]);
        assert_eq!(outcomes[0].code, Code::NONE);
        let there = rig.answers() > before && rig.turns.lock().unwrap().contains(&own);
        while !rig.bus.quiescent() {
            thread::yield_now();
        }
        there
    });
    assert!(lent);
    rig.workers.stop();
    assert!(rig.workers.lend().is_none(), "agents do not run any more");
    assert!(rig.bus.accounting().holds());
}

#[test]
fn the_end_waits_for_threads_that_are_lent() {
    let rig = Rig::new();
    rig.workers.open();
    let lender = rig.workers.lend().unwrap();
    let workers = Arc::clone(&rig.workers);
    let end = thread::spawn(move || workers.stop());
    while !rig.workers.parking.stop.load(Ordering::SeqCst) {
        thread::yield_now();
    }
    assert!(!end.is_finished());
    drop(lender);
    end.join().unwrap();
}
