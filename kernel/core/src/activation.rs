//! One turn of an agent from begin to end: the worker takes it, runs it without any lock, and hands it back.
//!
//! What a turn staged becomes true only when its call returned ok. A batch that did not commit is tried again one
//! message at a time, before anything newer, so only the message that fails alone is lost.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
};

use caxton_abi::{Envelope, TraceContext};

use crate::{
    agent::{AgentBody, Fault, Start, TrapKind, Turn},
    cell::Cell,
    time::Time,
};

/// What a turn is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Work {
    /// Make an instance and initialise it.
    Init,
    /// Handle the batch.
    Batch,
    /// Handle one message that was in a turn that did not commit.
    Retry,
    /// A timer is due.
    Timer(u32),
    /// Make a fresh instance in the place of one whose memory has grown, and initialise it.
    Recycle,
}

impl Work {
    /// True for a turn that is only there for its messages.
    pub(crate) fn takes_messages(self) -> bool {
        matches!(self, Self::Batch | Self::Retry)
    }

    /// True for a turn that initialises a new instance.
    pub(crate) fn makes_instance(self) -> bool {
        matches!(self, Self::Init | Self::Recycle)
    }
}

/// A turn that is to be run; dropping it instead strands the agent.
#[must_use = "run it and give the result to `Bus::finish`"]
pub struct Activation {
    pub(crate) cell: Arc<Cell>,
    pub(crate) worker: usize,
    pub(crate) began: Time,
    pub(crate) work: Work,
    pub(crate) batch: Vec<Envelope>,
    pub(crate) body: Option<Box<dyn AgentBody>>,
    pub(crate) turn: Turn,
    /// How many instances the agent had before.
    pub(crate) restarts: u32,
    /// The turn's span and the one that caused it.
    pub(crate) trace: TraceContext,
    pub(crate) parent_span: u64,
}

/// A turn that ran.
#[must_use = "give it to `Bus::finish`"]
pub struct Finished {
    pub(crate) activation: Activation,
    pub(crate) result: Result<(), Fault>,
}

impl Activation {
    /// The agent's address.
    pub fn address(&self) -> u32 {
        self.cell.address
    }

    /// Calls the body. Takes as long as the guest takes; a panic in the sandbox counts as a trap.
    pub fn run(mut self) -> Finished {
        let call = AssertUnwindSafe(|| self.call());
        let result = catch_unwind(call).unwrap_or_else(|_| {
            Err(Fault::Trapped {
                kind: TrapKind::Other,
                message: "the sandbox panicked during the turn".to_owned(),
                frames: Vec::new(),
            })
        });
        Finished { activation: self, result }
    }

    fn call(&mut self) -> Result<(), Fault> {
        let Self { cell, work, batch, body, turn, restarts, .. } = self;
        match work {
            Work::Init => {
                return body.insert(cell.factory.instantiate()?).init(&start(cell, *restarts), turn);
            }
            Work::Recycle => {
                let mut fresh = cell.factory.instantiate()?;
                fresh.init(&start(cell, *restarts), turn)?;
                *body = Some(fresh);
                return Ok(());
            }
            _ => {}
        }
        let Some(body) = body else { return Err(no_instance()) };
        match work {
            Work::Timer(token) => body.timer(*token, turn),
            _ => body.handle(batch, turn),
        }
    }
}

fn start(cell: &Cell, restarts: u32) -> Start {
    Start { address: cell.address, config: Arc::clone(&cell.config), restarts }
}

fn no_instance() -> Fault {
    Fault::Trapped {
        kind: TrapKind::Other,
        message: "the agent has no instance".to_owned(),
        frames: Vec::new(),
    }
}
