//! A host for native tests: it records what an agent stages and gives it turns, on a clock that the test moves.
//!
//! One host for each test thread. It commits every turn but those that a test says are not; traps, faults and limits
//! are the real host's.
//!
//! ```
//! use caxton_agent::{Agent, Fault, Message, Performative, Start, testing::ScriptedHost};
//!
//! struct Echo;
//! impl Agent for Echo {
//!     fn init(_: Start) -> Result<Self, Fault> { Ok(Self) }
//!     async fn handle(&self, message: Message) -> Result<(), Fault> {
//!         message.inform().content(message.content()).send().map(drop)
//!     }
//! }
//!
//! let host = ScriptedHost::install();
//! let bob = host.agent("bob");
//! host.start::<Echo>("{}").unwrap();
//! host.deliver(host.incoming(Performative::Request, bob).content(b"hi"));
//! assert_eq!(host.sent()[0].content, b"hi");
//! ```

use std::{
    cell::{Cell, RefCell},
    collections::BTreeMap,
    rc::Rc,
    time::Duration,
};

use crate::{
    Agent, AgentRef, Fault, Instant, Message, Performative, Start, Uid, agent,
    bindings::caxton::agent::types as wire,
    draft::NO_UID,
    host::{Host, Level, StateEntry, install},
};

/// A message as the agent staged it.
pub type Sent = wire::Draft;

/// The number under which the agent itself runs.
pub const SELF: AgentRef = 1;

/// The recording host.
pub struct ScriptedHost {
    now: Cell<Instant>,
    names: RefCell<Vec<String>>,
    groups: RefCell<BTreeMap<String, Vec<AgentRef>>>,
    symbols: RefCell<Vec<String>>,
    uids: Cell<u32>,
    outbox: RefCell<Vec<Sent>>,
    timers: RefCell<BTreeMap<u32, Instant>>,
    lines: RefCell<Vec<String>>,
    state: RefCell<BTreeMap<String, Vec<u8>>>,
}

impl ScriptedHost {
    /// Makes a host whose clock stands at second 1000 and puts it under this thread's agent.
    pub fn install() -> Rc<Self> {
        let host = Rc::new(Self {
            now: Cell::new(Instant::new(1000, 0)),
            names: RefCell::new(vec!["self".to_owned()]),
            groups: RefCell::default(),
            symbols: RefCell::default(),
            uids: Cell::new(0),
            outbox: RefCell::default(),
            timers: RefCell::default(),
            lines: RefCell::default(),
            state: RefCell::default(),
        });
        install(host.clone());
        host
    }

    /// Adds an agent's name and returns its number.
    pub fn agent(&self, name: &str) -> AgentRef {
        number_of(&mut self.names.borrow_mut(), name)
    }

    /// Adds a group, by its name with `group:`.
    pub fn group(&self, name: &str, members: &[AgentRef]) {
        self.groups.borrow_mut().insert(name.to_owned(), members.to_vec());
    }

    /// Begins an instance; beginning again is a restart with an empty memory.
    ///
    /// # Errors
    /// The agent's own, from `init`.
    pub fn start<A: Agent>(&self, config: &str) -> Result<(), Fault> {
        agent::begin::<A>(Start { agent: SELF, config: config.into(), restarts: 0 })
    }

    /// Begins a message to the agent, of a protocol-less conversation of its own.
    pub fn incoming(&self, performative: Performative, sender: AgentRef) -> Incoming {
        Incoming(wire::Message {
            id: self.uid(),
            performative,
            sender,
            conversation: self.uid(),
            reply_with: self.uids.get(),
            in_reply_to: 0,
            reply_by: wire::Instant { seconds: 0, nanos: 0 },
            protocol: 0,
            ontology: 0,
            language: 0,
            encoding: 0,
            marks: 0,
            trace: wire::TraceContext { trace: NO_UID, span_hi: 0, span_lo: 0, trace_flags: 0 },
            content: Vec::new(),
            extra: None,
        })
    }

    /// Begins an answer to something that the agent sent, from whom it went to.
    pub fn answer(&self, sent: &Sent, performative: Performative) -> Incoming {
        let mut answer = self.incoming(performative, sent.to);
        answer.0.conversation = sent.conversation;
        answer.0.in_reply_to = sent.reply_with;
        answer.0.protocol = sent.protocol;
        answer
    }

    /// Gives the agent a turn with one message.
    pub fn deliver(&self, incoming: Incoming) {
        agent::turn(std::iter::once(Message::new(incoming.0)));
    }

    /// Gives the agent a turn with one message and commits nothing of it, as when its state grows over the bound:
    /// what it sent, set and stored is dropped, while the instance goes on with what it remembers.
    pub fn deliver_uncommitted(&self, incoming: Incoming) {
        let (outbox, timers, state) =
            (self.outbox.borrow().clone(), self.timers.borrow().clone(), self.state.borrow().clone());
        self.deliver(incoming);
        self.outbox.replace(outbox);
        self.timers.replace(timers);
        self.state.replace(state);
    }

    /// Moves the clock and gives the agent a turn for each timer on the way.
    pub fn advance(&self, span: Duration) {
        let end = self.now.get() + span;
        while let Some((token, at)) = self.due(end) {
            self.timers.borrow_mut().remove(&token);
            self.now.set(at.max(self.now.get()));
            agent::timer(token);
        }
        self.now.set(end);
    }

    /// Takes what the agent staged since the last call.
    pub fn sent(&self) -> Vec<Sent> {
        self.outbox.take()
    }

    /// Takes the log lines since the last call.
    pub fn lines(&self) -> Vec<String> {
        self.lines.take()
    }

    fn due(&self, end: Instant) -> Option<(u32, Instant)> {
        let timers = self.timers.borrow();
        timers.iter().map(|(token, at)| (*token, *at)).filter(|(_, at)| *at <= end).min_by_key(|(_, at)| *at)
    }

    fn uid(&self) -> Uid {
        self.uids.set(self.uids.get() + 1);
        Uid { a: 0, b: 0, c: 0, d: self.uids.get() }
    }
}

/// A message on its way to the agent.
#[must_use = "it arrives when it is delivered"]
pub struct Incoming(wire::Message);

impl Incoming {
    /// Sets the content.
    pub fn content(mut self, bytes: &[u8]) -> Self {
        self.0.content = bytes.to_vec();
        self
    }

    /// Sets the conversation.
    pub fn conversation(mut self, conversation: Uid) -> Self {
        self.0.conversation = conversation;
        self
    }

    /// Sets reply-with.
    pub fn reply_with(mut self, number: u32) -> Self {
        self.0.reply_with = number;
        self
    }

    /// Sets in-reply-to.
    pub fn in_reply_to(mut self, number: u32) -> Self {
        self.0.in_reply_to = number;
        self
    }

    /// Sets reply-by.
    pub fn reply_by(mut self, at: Instant) -> Self {
        self.0.reply_by = at.to_wire();
        self
    }

    /// Sets the sender.
    pub fn from(mut self, sender: AgentRef) -> Self {
        self.0.sender = sender;
        self
    }

    /// Sets the platform's marks, by their bits.
    pub fn marks(mut self, bits: u32) -> Self {
        self.0.marks = bits;
        self
    }

    /// Adds a user parameter.
    pub fn param(mut self, name: &str, value: &str) -> Self {
        let params = vec![(name.to_owned(), value.to_owned())];
        self.0.extra = Some(wire::Extra { receivers: Vec::new(), reply_to: Vec::new(), params });
        self
    }
}

impl Host for ScriptedHost {
    fn send(&self, batch: &[wire::Draft]) -> Result<Vec<Uid>, Fault> {
        self.outbox.borrow_mut().extend_from_slice(batch);
        Ok(batch.iter().map(|_| self.uid()).collect())
    }
    fn new_conversation(&self) -> Uid {
        self.uid()
    }
    fn resolve(&self, name: &str) -> Option<AgentRef> {
        let names = self.names.borrow();
        names.iter().position(|known| known == name).map(|index| as_number(index + 1))
    }
    fn name_of(&self, agent: AgentRef) -> Option<String> {
        nth(&self.names.borrow(), agent)
    }
    fn find(&self, name: &str) -> Vec<AgentRef> {
        match self.groups.borrow().get(name) {
            Some(members) => members.clone(),
            None => self.resolve(name).into_iter().collect(),
        }
    }
    fn intern(&self, text: &str) -> u32 {
        number_of(&mut self.symbols.borrow_mut(), text)
    }
    fn symbol_name(&self, symbol: u32) -> Option<String> {
        nth(&self.symbols.borrow(), symbol)
    }
    fn now(&self) -> Instant {
        self.now.get()
    }
    fn set_timer(&self, at: Instant, token: u32) {
        self.timers.borrow_mut().insert(token, at);
    }
    fn cancel_timer(&self, token: u32) {
        self.timers.borrow_mut().remove(&token);
    }
    fn log_level(&self) -> Level {
        Level::Trace
    }
    fn log(&self, _level: Level, text: &str) {
        self.lines.borrow_mut().push(text.to_owned());
    }
    fn get(&self, key: &str) -> Result<Option<Vec<u8>>, Fault> {
        Ok(self.state.borrow().get(key).cloned())
    }
    fn put(&self, entries: &[StateEntry]) -> Result<(), Fault> {
        let mut state = self.state.borrow_mut();
        for (key, value) in entries {
            match value {
                Some(bytes) => state.insert(key.clone(), bytes.clone()),
                None => state.remove(key),
            };
        }
        Ok(())
    }
}

fn number_of(texts: &mut Vec<String>, text: &str) -> u32 {
    let index = texts.iter().position(|known| known == text).unwrap_or_else(|| {
        texts.push(text.to_owned());
        texts.len() - 1
    });
    as_number(index + 1)
}

fn nth(texts: &[String], number: u32) -> Option<String> {
    let index = usize::try_from(number).ok()?.checked_sub(1)?;
    texts.get(index).cloned()
}

fn as_number(index: usize) -> u32 {
    u32::try_from(index).unwrap_or(u32::MAX)
}
