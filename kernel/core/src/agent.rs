//! What the kernel knows of an agent's inside: a body that takes batches and fills an outbox.
//!
//! The runtime implements [`AgentBody`] over a WebAssembly instance, the simulator over a script. The kernel moves a
//! [`Turn`] into the body for the length of one call and takes it back; what the turn staged becomes true only when
//! the call returns `Ok`. A body never blocks and never sees another agent's memory.

use std::{collections::BTreeMap, sync::Arc};

use caxton_abi::{Code, Envelope, Uid};

use crate::{ids::IdSource, limits::Limits, time::Time};

/// Names and symbols as a guest may ask for them during a turn; answers at once from memory.
pub trait Directory: Send + Sync {
    /// The address of a full or local name; `None` when nobody has it.
    fn resolve(&self, name: &str) -> Option<u32>;
    /// The full name of an address.
    fn name_of(&self, address: u32) -> Option<String>;
    /// The agents behind a name: itself, the members of a group, the providers of a capability; in a stable order.
    fn find(&self, name: &str) -> Vec<u32>;
    /// The symbol of a text; zero when the table is full or the text empty.
    fn intern(&self, text: &str) -> u32;
    /// The text of a symbol.
    fn symbol_name(&self, symbol: u32) -> Option<String>;
    /// Why a message of a class would be refused right now, as far as that is known: the receiver's mailbox is full, or
    /// no store takes durable messages. Zero stands for several receivers. Cheap while nothing is full.
    fn refuses(&self, _receiver: u32, _class: u8) -> Option<Code> {
        None
    }
}

/// How a new instance is told who it is.
#[derive(Clone, Debug)]
pub struct Start {
    /// Its own address.
    pub address: u32,
    /// Its configuration, opaque to the kernel.
    pub config: Arc<[u8]>,
    /// How many instances it had before.
    pub restarts: u32,
}

/// A timer that a turn sets or cancels; tokens are the agent's own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TimerChange {
    /// Wake with the token at the time; setting a token again moves it.
    Set {
        /// The agent's own number for it.
        token: u32,
        /// When.
        at: Time,
    },
    /// Forget the token.
    Cancel {
        /// The number given when it was set.
        token: u32,
    },
}

/// A log line of a guest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogLine {
    /// 1 trace to 5 error.
    pub level: u8,
    /// The text, already bounded.
    pub text: String,
}

/// An agent's committed key-value state.
pub type State = BTreeMap<String, Arc<[u8]>>;

/// One activation: what the body may read, and what it stages. Owned, so that a sandbox can hold it during the call.
pub struct Turn {
    /// The time at which the turn began.
    pub now: Time,
    /// The agent.
    pub address: u32,
    /// Names and symbols.
    pub directory: Arc<dyn Directory>,
    /// Bounds that staging obeys.
    pub limits: Arc<Limits>,
    /// State as of the last committed turn.
    pub state: Arc<State>,
    /// Where message ids come from.
    pub ids: IdSource,
    /// Messages to send when the turn commits, ids already stamped, in order.
    pub outbox: Vec<Envelope>,
    /// State to write when the turn commits; `None` removes a key. Later entries win.
    pub puts: BTreeMap<String, Option<Arc<[u8]>>>,
    /// Timers to change when the turn commits, in order.
    pub timers: Vec<TimerChange>,
    /// Log lines; kept even when the turn does not commit.
    pub logs: Vec<LogLine>,
}

impl Turn {
    /// What is left for the next turn: nothing that was staged.
    pub(crate) fn ended(mut self) -> Self {
        self.outbox = Vec::new();
        self.puts = BTreeMap::new();
        self.timers = Vec::new();
        self.logs = Vec::new();
        self
    }
}

/// Why the sandbox stopped a guest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TrapKind {
    /// The turn's time was used up.
    Deadline,
    /// The memory limit was reached.
    Memory,
    /// The call stack overflowed.
    Stack,
    /// A panic or abort.
    Unreachable,
    /// A call that the sandbox denies.
    Denied,
    /// Anything else.
    Other,
}

impl TrapKind {
    /// The code that operators see.
    pub const fn code(self) -> Code {
        match self {
            Self::Deadline => Code::TRAP_DEADLINE,
            Self::Memory => Code::TRAP_MEMORY,
            Self::Stack => Code::TRAP_STACK,
            Self::Unreachable => Code::TRAP_UNREACHABLE,
            Self::Denied => Code::TRAP_DENIED,
            Self::Other => Code::TRAP_OTHER,
        }
    }
}

/// Why a call into a body failed. Nothing that the turn staged becomes true, except its log lines.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The guest returned a fault of its own; the instance is still good.
    Returned {
        /// The guest's dotted code.
        code: String,
        /// The guest's words.
        detail: String,
    },
    /// The sandbox stopped the guest; the instance is gone.
    Trapped {
        /// What stopped it.
        kind: TrapKind,
        /// One line.
        message: String,
        /// The guest's frames, innermost first; may be empty.
        frames: Vec<String>,
    },
}

/// One instance of an agent. Called by one worker at a time, from any thread.
pub trait AgentBody: Send {
    /// Prepares a fresh instance; called once, before anything else.
    ///
    /// # Errors
    /// Any fault ends the instance.
    fn init(&mut self, start: &Start, turn: &mut Turn) -> Result<(), Fault>;

    /// Handles a batch, in order. May take what `turn` holds and must put it back before it returns `Ok`.
    ///
    /// # Errors
    /// [`Fault::Returned`] leaves the instance usable, [`Fault::Trapped`] ends it.
    fn handle(&mut self, batch: &[Envelope], turn: &mut Turn) -> Result<(), Fault>;

    /// Tells that a timer is due.
    ///
    /// # Errors
    /// As for [`AgentBody::handle`].
    fn timer(&mut self, token: u32, turn: &mut Turn) -> Result<(), Fault>;

    /// Bytes of linear memory in use, for watermarks and views.
    fn memory_bytes(&self) -> u64;

    /// The most that [`AgentBody::memory_bytes`] can become.
    fn memory_bytes_max(&self) -> u64 {
        u64::MAX
    }
}

/// Makes instances of one agent; called at deployment and after every trap.
pub trait BodyFactory: Send + Sync {
    /// Makes a fresh instance that has not been initialised.
    ///
    /// # Errors
    /// When the sandbox has no room; the fault says what to raise.
    fn instantiate(&self) -> Result<Box<dyn AgentBody>, Fault>;

    /// The digest of what it instantiates, `sha256:…`, for views.
    fn digest(&self) -> &str;
}

impl Turn {
    /// Stages a message: checks the bounds, stamps sender, id and (when zero) conversation, and expands several
    /// receivers to one envelope each. Returns the id of the first.
    ///
    /// # Errors
    /// The code says which bound was reached; nothing is staged then.
    pub fn stage(&mut self, envelope: Envelope) -> Result<Uid, Code> {
        crate::turn::stage(self, envelope)
    }
}
