//! One agent in the kernel: what is fixed at deployment, and its desk behind one small lock.
//!
//! The desk counts what lies in a running turn, so a balance needs not wait for it. An agent is queued at most once and
//! runs on one worker at a time; [`Run`] is what ensures both.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex},
};

use caxton_abi::Envelope;

use crate::{
    agent::{AgentBody, BodyFactory, State},
    ids::IdSource,
    lifecycle::Life,
    limits::Limits,
    mailbox::Mailbox,
    registry::AgentSpec,
    supervisor::{Intensity, Supervisor},
};

/// An agent.
pub(crate) struct Cell {
    pub(crate) address: u32,
    /// Counts deployments, for stable orders.
    pub(crate) number: u64,
    pub(crate) name: String,
    pub(crate) spec: AgentSpec,
    pub(crate) config: Arc<[u8]>,
    pub(crate) factory: Arc<dyn BodyFactory>,
    pub(crate) limits: Arc<Limits>,
    pub(crate) desk: Mutex<Desk>,
}

/// What changes.
pub(crate) struct Desk {
    pub(crate) life: Life,
    pub(crate) run: Run,
    pub(crate) mailbox: Mailbox,
    /// Messages of a turn that did not commit, to be handed out one by one before the mailbox.
    pub(crate) retry: VecDeque<Envelope>,
    /// Messages in the turn that runs.
    pub(crate) in_turn: usize,
    /// Absent while a turn runs and while no instance exists.
    pub(crate) body: Option<Box<dyn AgentBody>>,
    pub(crate) state: Arc<State>,
    pub(crate) ids: Option<IdSource>,
    /// Tokens of timers that are due.
    pub(crate) due: VecDeque<u32>,
    /// The last turn was a timer's, so that messages and timers take turns.
    pub(crate) timer_was_last: bool,
    pub(crate) supervisor: Supervisor,
    pub(crate) memory_bytes: u64,
    pub(crate) turns: u64,
    pub(crate) received: u64,
    pub(crate) sent: u64,
}

/// Where the agent is in scheduling.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Run {
    /// Nothing to do.
    Idle,
    /// In a run queue.
    Queued,
    /// On a worker.
    Running,
}

impl Desk {
    pub(crate) fn new(intensity: Intensity, ids: IdSource) -> Self {
        Self {
            life: Life::default(),
            run: Run::Queued,
            mailbox: Mailbox::default(),
            retry: VecDeque::new(),
            in_turn: 0,
            body: None,
            state: Arc::default(),
            ids: Some(ids),
            due: VecDeque::new(),
            timer_was_last: false,
            supervisor: Supervisor::new(intensity),
            memory_bytes: 0,
            turns: 0,
            received: 0,
            sent: 0,
        }
    }

    /// Messages that lie here.
    pub(crate) fn lying(&self) -> usize {
        self.mailbox.len() + self.retry.len() + self.in_turn
    }

    /// True when a turn could begin.
    pub(crate) fn has_work(&self) -> bool {
        self.life.needs_instance()
            || self.life.takes_messages()
                && !(self.mailbox.is_empty() && self.retry.is_empty() && self.due.is_empty())
    }

    /// Marks an idle agent that has work as queued; true when the caller is to put it into the run queue.
    pub(crate) fn enqueue(&mut self) -> bool {
        let now = self.run == Run::Idle && self.has_work();
        if now {
            self.run = Run::Queued;
        }
        now
    }
}
