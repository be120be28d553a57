//! One version of an agent in the kernel: what is fixed at deployment, and its desk behind one small lock.
//!
//! The desk counts what lies in a running turn, so a balance needs not wait for it. An agent is queued at most once and
//! runs on one worker at a time; [`Run`] is what ensures both.

use {std::collections::VecDeque, std::sync::Arc, std::sync::Weak};

use caxton_abi::Envelope;

use crate::sync::{AtomicBool, AtomicUsize, Mutex};
use crate::{
    activation::Work,
    agent::{AgentBody, BodyFactory, Turn},
    held::Held,
    lending::Pace,
    lifecycle::Life,
    limits::Limits,
    lineage::{Lineage, SharedState},
    mailbox::Mailbox,
    recycling::Recycling,
    registry::AgentSpec,
    supervisor::{Intensity, Supervisor},
    tally::Tally,
    time::Time,
};

/// A version of an agent.
pub(crate) struct Cell {
    pub(crate) address: u32,
    /// Its number among the versions of its agent, from 1.
    pub(crate) version: u32,
    /// The agent as a whole; it owns its versions.
    pub(crate) lineage: Weak<Lineage>,
    pub(crate) state: Arc<SharedState>,
    pub(crate) spec: AgentSpec,
    pub(crate) config: Arc<[u8]>,
    pub(crate) factory: Arc<dyn BodyFactory>,
    pub(crate) limits: Arc<Limits>,
    /// The worker on which it ran last.
    pub(crate) home: AtomicUsize,
    /// It was queued again with a full batch waiting, within its slice: it goes first.
    pub(crate) goes_on: AtomicBool,
    pub(crate) desk: Mutex<Desk>,
}

/// What changes.
pub(crate) struct Desk {
    pub(crate) life: Life,
    pub(crate) run: Run,
    pub(crate) mailbox: Mailbox,
    /// Messages of a turn that did not commit, to be handed out one by one before the mailbox.
    pub(crate) retry: VecDeque<Envelope>,
    /// Messages in the turn that runs, or that waits for the store.
    pub(crate) in_turn: Tally,
    /// A turn whose hand-outs the store has counted, to begin before anything else.
    pub(crate) prepared: Option<(Work, Vec<Envelope>)>,
    /// Absent while a turn runs and while no instance exists.
    pub(crate) body: Option<Box<dyn AgentBody>>,
    /// What it keeps between turns, beside its body; absent while a turn runs.
    pub(crate) turn: Option<Turn>,
    /// Tokens of timers that are due.
    pub(crate) due: VecDeque<u32>,
    /// The last turn was a timer's, so that messages and timers take turns.
    pub(crate) timer_was_last: bool,
    pub(crate) supervisor: Supervisor,
    /// Its next instance is not made before its timer.
    pub(crate) rests: bool,
    /// When its turns in a row began.
    pub(crate) slice_began: Time,
    /// Other versions live beside it, so the lineage says where a message goes.
    pub(crate) divided: bool,
    pub(crate) held: Held,
    pub(crate) memory_bytes: u64,
    pub(crate) recycling: Recycling,
    pub(crate) turns: u64,
    pub(crate) pace: Pace,
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
    pub(crate) fn new(intensity: Intensity, turn: Turn) -> Self {
        Self {
            life: Life::default(),
            run: Run::Queued,
            mailbox: Mailbox::default(),
            retry: VecDeque::new(),
            in_turn: Tally::default(),
            prepared: None,
            body: None,
            turn: Some(turn),
            due: VecDeque::new(),
            timer_was_last: false,
            supervisor: Supervisor::new(intensity),
            rests: false,
            slice_began: Time::ZERO,
            divided: false,
            held: Held::default(),
            memory_bytes: 0,
            recycling: Recycling::default(),
            turns: 0,
            pace: Pace::default(),
            received: 0,
            sent: 0,
        }
    }

    /// Messages that lie here.
    pub(crate) fn lying(&self) -> Tally {
        self.mailbox.lying() + Tally::of(&self.retry) + self.in_turn
    }

    /// True when a turn could begin.
    pub(crate) fn has_work(&self) -> bool {
        if self.rests {
            return false;
        }
        self.life.needs_instance()
            || self.life.takes_messages()
                && !(self.mailbox.is_empty()
                    && self.retry.is_empty()
                    && self.due.is_empty()
                    && !self.recycling.is_due())
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
