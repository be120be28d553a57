//! A bus with native agents, driven by one thread as the host's workers drive it.

use std::sync::Arc;

use caxton_abi::{Code, Envelope, Header, Payload, Signal};
use caxton_acl::Performative;
use caxton_core::{
    AgentSpec, Bus, Endpoint, Limits, Options, Time,
    agent::{AgentBody, BodyFactory, Fault, Start, Turn},
};

use crate::{Failure, case::MESSAGES_MAX};

/// The length of most contents here, as in the workloads of `caxton-bench`.
pub const CONTENT: [u8; 256] = [b'x'; 256];
/// The name of the platform.
pub const PLATFORM: &str = caxton_plugin::testing::PLATFORM;
/// Messages after which the host's other work is done: signals are taken out and due timers go off.
const SWEEP_MESSAGES: u64 = 1024;
/// How far the clock moves then: a hundred thousand messages a second, as on a server with work to do.
const SWEEP_MS: u64 = 10;

/// What an agent does with a batch.
pub trait Role: Clone + Send + Sync + 'static {
    /// Handles a batch.
    ///
    /// # Errors
    /// Something could not be staged.
    fn handle(&mut self, batch: &[Envelope], turn: &mut Turn) -> Result<(), Code>;
}

/// The bus with its clock.
pub struct Stage {
    pub bus: Bus,
    pub now: Time,
    unswept: u64,
    signals: Vec<Signal>,
}

impl Stage {
    /// An empty bus for one worker.
    ///
    /// # Errors
    /// The bus could not be made.
    pub fn new() -> Result<Self, Failure> {
        let mailbox = MESSAGES_MAX as usize;
        let options = Options {
            platform: PLATFORM.to_owned(),
            limits: Arc::new(Limits { mailbox_messages_max: mailbox, ..Limits::default() }),
            workers: 1,
            seed: 1,
            content_in_signals: false,
        };
        let bus = Bus::new(options).map_err(|refusal| refusal.to_string())?;
        Ok(Self { bus, now: Time::from_millis(1_800_000_000_000), unswept: 0, signals: Vec::new() })
    }

    /// Puts an agent on the bus and initialises it.
    ///
    /// # Errors
    /// The bus refused it.
    pub fn deploy(&mut self, name: &str, role: impl Role) -> Result<u32, Failure> {
        let spec = AgentSpec { name: name.to_owned(), ..AgentSpec::default() };
        let address = self
            .bus
            .deploy(spec, Arc::new(Factory(role)), self.now)
            .map_err(|refusal| refusal.to_string())?;
        self.turn(0)?;
        Ok(address)
    }

    /// Claims an address that takes everything.
    ///
    /// # Errors
    /// The bus refused it.
    pub fn client(&mut self) -> Result<u32, Failure> {
        self.bus.claim("client", 1, Arc::new(Taker), self.now).map_err(|refusal| refusal.to_string())
    }

    /// Submits messages.
    ///
    /// # Errors
    /// One was refused.
    pub fn submit(&mut self, messages: Vec<Envelope>) -> Result<(), Failure> {
        let count = messages.len();
        let outcomes = self.bus.submit(messages, self.now);
        self.sweep(count as u64);
        match outcomes.iter().find(|outcome| !outcome.code.is_none()) {
            None => Ok(()),
            Some(outcome) => Err(format!("a message was refused: {}", outcome.code)),
        }
    }

    /// Runs the turn of the next agent, which takes about so many messages.
    ///
    /// # Errors
    /// Nobody has anything to do.
    pub fn turn(&mut self, messages: u64) -> Result<(), Failure> {
        let activation = self.bus.next(0, self.now).ok_or("no agent has a turn to run")?;
        self.bus.finish(activation.run(), self.now);
        self.sweep(messages);
        Ok(())
    }

    /// What the host does beside turns, now and then.
    fn sweep(&mut self, messages: u64) {
        self.unswept += messages;
        if self.unswept < SWEEP_MESSAGES {
            return;
        }
        self.unswept = 0;
        self.now = self.now.plus_millis(SWEEP_MS);
        self.bus.drain_signals(self.now, &mut self.signals);
        self.signals.clear();
        if self.bus.next_deadline().is_some_and(|due| due <= self.now) {
            self.bus.tick(self.now);
        }
    }
}

/// A message with a content of the usual length.
pub fn message(sender: u32, receiver: u32, act: Performative, content: &Payload) -> Envelope {
    let head = Header { sender, receiver, performative: act.code(), ..Header::default() };
    Envelope::new(head, content.clone())
}

/// The usual content.
pub fn content() -> Payload {
    Payload::from(CONTENT.as_slice())
}

struct Factory<R>(R);

struct Body<R>(R);

impl<R: Role> BodyFactory for Factory<R> {
    fn instantiate(&self) -> Result<Box<dyn AgentBody>, Fault> {
        Ok(Box::new(Body(self.0.clone())))
    }

    fn digest(&self) -> &str {
        "sha256:native"
    }
}

impl<R: Role> AgentBody for Body<R> {
    fn init(&mut self, _start: &Start, _turn: &mut Turn) -> Result<(), Fault> {
        Ok(())
    }

    fn handle(&mut self, batch: &[Envelope], turn: &mut Turn) -> Result<(), Fault> {
        self.0.handle(batch, turn).map_err(|code| Fault::Returned {
            code: code.slug().to_owned(),
            detail: "a message could not be staged".to_owned(),
        })
    }

    fn timer(&mut self, _token: u32, _turn: &mut Turn) -> Result<(), Fault> {
        Ok(())
    }

    fn memory_bytes(&self) -> u64 {
        0
    }
}

struct Taker;

impl Endpoint for Taker {
    fn deliver(&self, batch: Vec<Envelope>) -> Vec<Code> {
        vec![Code::NONE; batch.len()]
    }
}
