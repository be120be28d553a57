//! A bus, a clock that is set by hand, agents made of closures, and an endpoint that keeps what it gets.

use std::sync::{Arc, Mutex};

use caxton_abi::{Code, Envelope, EventName, Header, Payload, Signal, Uid, port::Outcome};
use caxton_acl::Performative;
use caxton_core::{
    AgentSpec, Bus, Endpoint, Intensity, Limits, Options, Time,
    agent::{AgentBody, BodyFactory, Fault, Start, TrapKind, Turn},
};

pub type Init = dyn Fn(&Start, &mut Turn) -> Result<(), Fault> + Send + Sync;
pub type Handler = dyn Fn(&[Envelope], &mut Turn) -> Result<(), Fault> + Send + Sync;
pub type OnTimer = dyn Fn(u32, &mut Turn) -> Result<(), Fault> + Send + Sync;

pub struct Rig {
    pub bus: Arc<Bus>,
    pub now: Time,
    pub client: u32,
    pub inbox: Arc<Inbox>,
}

#[derive(Default)]
pub struct Inbox {
    pub got: Mutex<Vec<Envelope>>,
    pub answer: Mutex<Code>,
}

impl Endpoint for Inbox {
    fn deliver(&self, batch: Vec<Envelope>) -> Vec<Code> {
        let code = *self.answer.lock().unwrap();
        let codes = vec![code; batch.len()];
        self.got.lock().unwrap().extend(batch);
        codes
    }
}

struct Script {
    on: Arc<Hooks>,
}

pub struct Hooks {
    pub init: Box<Init>,
    pub handle: Box<Handler>,
    pub timer: Box<OnTimer>,
}

impl Default for Hooks {
    fn default() -> Self {
        Self {
            init: Box::new(|_, _| Ok(())),
            handle: Box::new(|_, _| Ok(())),
            timer: Box::new(|_, _| Ok(())),
        }
    }
}

struct Factory(Arc<Hooks>);

pub fn factory(hooks: Hooks) -> Arc<dyn BodyFactory> {
    Arc::new(Factory(Arc::new(hooks)))
}

impl BodyFactory for Factory {
    fn instantiate(&self) -> Result<Box<dyn AgentBody>, Fault> {
        Ok(Box::new(Script { on: self.0.clone() }))
    }
    fn digest(&self) -> &str {
        "sha256:test"
    }
}

impl AgentBody for Script {
    fn init(&mut self, start: &Start, turn: &mut Turn) -> Result<(), Fault> {
        (self.on.init)(start, turn)
    }
    fn handle(&mut self, batch: &[Envelope], turn: &mut Turn) -> Result<(), Fault> {
        (self.on.handle)(batch, turn)
    }
    fn timer(&mut self, token: u32, turn: &mut Turn) -> Result<(), Fault> {
        (self.on.timer)(token, turn)
    }
    fn memory_bytes(&self) -> u64 {
        1
    }
}

impl Rig {
    /// Instances come back at once, so that a run needs no clock.
    pub fn new() -> Self {
        Self::with(Limits { restart_backoff_ms: 0, ..Limits::default() })
    }

    pub fn with(limits: Limits) -> Self {
        let bus = Arc::new(
            Bus::new(Options {
                platform: "here".to_owned(),
                limits: Arc::new(limits),
                workers: 2,
                seed: 1,
                content_in_signals: false,
            })
            .unwrap(),
        );
        let inbox = Arc::new(Inbox::default());
        let now = Time::from_millis(1_000_000);
        let client = bus.claim("client", 1, inbox.clone(), now).unwrap();
        Self { bus, now, client, inbox }
    }

    pub fn deploy(&self, name: &str, hooks: Hooks) -> u32 {
        self.deploy_as(AgentSpec { name: name.to_owned(), ..AgentSpec::default() }, hooks)
    }

    pub fn deploy_as(&self, spec: AgentSpec, hooks: Hooks) -> u32 {
        self.bus.deploy(spec, factory(hooks), self.now).unwrap()
    }

    pub fn agent(
        &self,
        name: &str,
        handle: impl Fn(&[Envelope], &mut Turn) -> Result<(), Fault> + Send + Sync + 'static,
    ) -> u32 {
        self.deploy(name, Hooks { handle: Box::new(handle), ..Hooks::default() })
    }

    pub fn submit(&self, message: Envelope) -> Outcome {
        self.bus.submit(vec![message], self.now)[0]
    }

    /// From the client to an address.
    pub fn tell(&self, to: u32, text: &str) -> Outcome {
        self.submit(message(self.client, to, Performative::Inform, text))
    }

    /// Runs turns until nobody has anything to do.
    pub fn run(&self) {
        while self.turn() {}
    }

    pub fn turn(&self) -> bool {
        let Some(turn) = self.bus.next(0, self.now) else { return false };
        self.bus.finish(turn.run(), self.now);
        true
    }

    pub fn later(&mut self, millis: u64) {
        self.now = self.now.plus_millis(millis);
        self.bus.tick(self.now);
        self.run();
    }

    pub fn signals(&self) -> Vec<Signal> {
        let mut out = Vec::new();
        self.bus.drain_signals(self.now, &mut out);
        out
    }

    pub fn named(&self, name: EventName) -> Vec<Signal> {
        self.signals().into_iter().filter(|signal| signal.name == name).collect()
    }

    pub fn got(&self) -> Vec<Envelope> {
        std::mem::take(&mut *self.inbox.got.lock().unwrap())
    }

    pub fn dead(&self) -> Vec<Code> {
        self.bus.dead_letters(100).iter().rev().map(|letter| letter.code).collect()
    }

    pub fn address(&self, name: &str) -> u32 {
        self.bus.address(name).unwrap()
    }
}

/// The books hold at the end of every test.
impl Drop for Rig {
    fn drop(&mut self) {
        let books = self.bus.accounting();
        assert!(std::thread::panicking() || books.holds(), "{books:?}");
    }
}

pub fn message(from: u32, to: u32, act: Performative, text: &str) -> Envelope {
    let head =
        Header { sender: from, receiver: to, performative: act.code(), reply_with: 5, ..Header::default() };
    Envelope::new(head, Payload::from(text.to_owned()))
}

pub fn text(message: &Envelope) -> String {
    String::from_utf8(message.content.as_slice().to_vec()).unwrap()
}

pub fn texts(messages: &[Envelope]) -> Vec<String> {
    messages.iter().map(text).collect()
}

/// The `code` of a platform's failure.
pub fn failure_code(message: &Envelope) -> String {
    assert_eq!(message.head.performative, Performative::Failure.code());
    text(message).split('"').nth(7).unwrap().to_owned()
}

pub fn trap() -> Fault {
    Fault::Trapped {
        kind: TrapKind::Unreachable,
        message: "told to".to_owned(),
        frames: vec!["frame".to_owned()],
    }
}

pub fn fault() -> Fault {
    Fault::Returned { code: "test.fault".to_owned(), detail: "told to".to_owned() }
}

pub fn spec(name: &str) -> AgentSpec {
    AgentSpec { name: name.to_owned(), ..AgentSpec::default() }
}

pub fn fragile(name: &str, restarts_max: u32) -> AgentSpec {
    let intensity = Intensity { restarts_max, window_ms: 10_000 };
    AgentSpec { restart_intensity: Some(intensity), ..spec(name) }
}

pub const NO_ID: Uid = Uid::NONE;
