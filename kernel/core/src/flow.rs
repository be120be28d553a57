//! One operation on the bus, from its cause to its last consequence.
//!
//! ```text
//! enter ─▶ place ─▶ observe (protocol port) ─▶ put: mailbox · outlet · parked · to be tried again · expired · dead letter
//!   ▲                                            │
//!   └── failures, messages that protocols send ──┴── notices ─▶ protocol port, or the kernel's own failure
//! ```
//!
//! Consequences are steps in a list, not recursion. Ports are called without locks; a port that calls the bus starts a
//! flow of its own. Failures never beget failures, so every flow ends.

mod again;
mod door;
mod end;
mod find;
mod hand_over;
mod hold;
mod monitor;
mod notice;
mod passing;
mod place;
mod route;

pub(crate) use door::{Door, Entry};
pub(crate) use monitor::Watch;
pub(crate) use route::Changes;

use std::{collections::VecDeque, sync::Arc};

use caxton_abi::{Code, Envelope, EventName, Header, Signal, port::Observation};

use crate::{
    bus::Bus, cell::Cell, forwarding::Slot, lending::Taken, outlet::Outlet, signal, signal::Share,
    store::Change, sync::lock, time::Time,
};

/// An operation that runs.
pub(crate) struct Flow<'a> {
    pub(crate) bus: &'a Bus,
    pub(crate) now: Time,
    pub(crate) lane: usize,
    signals: Vec<Signal>,
    /// Which conversations are traced.
    share: Share,
    /// Signals of conversations that are not.
    left_out: u64,
    steps: VecDeque<Step>,
    notices: Vec<Notice>,
    outlets: Vec<Arc<Outlet>>,
    unresolved: Vec<u32>,
    /// What the store is to be told when the operation is through.
    ends: Vec<Change>,
    /// The held port that this operation lets go on.
    passing: Option<u32>,
    /// This thread is lent: it may run an agent after this operation.
    pub(crate) takes: bool,
    /// The agent that it is to run.
    pub(crate) taken: Option<Taken<'a>>,
}

/// A consequence that is still to be worked out.
enum Step {
    /// The kernel or a protocol sends these.
    Send(Vec<Envelope>),
    /// Accepted messages in hand whose place is known.
    Place(Vec<Placed>),
    /// Every protocol is told.
    Broadcast(Box<Observation>),
    /// Acked messages for a receiver are tried again.
    Again(u32),
}

/// An undeliverable message of whose fate somebody is to be told.
struct Notice {
    envelope: Envelope,
    code: Code,
}

/// An accepted message in hand.
pub(crate) struct Placed {
    pub(crate) envelope: Envelope,
    /// Its protocol has seen it, or must not.
    pub(crate) monitored: bool,
    pub(crate) place: Place,
}

/// Where it goes.
pub(crate) enum Place {
    /// Into a mailbox.
    Slot(Slot),
    /// Nobody knows the address yet.
    Unknown,
    /// To the dead letters; its sender or protocol is told.
    Dead(Code),
    /// To the dead letters without a word: a protocol withheld it.
    Withheld(Code),
    /// It waits to be tried again; zero when others wait before it.
    Retry(Code),
    /// Its reply-by passed.
    Expired,
}

impl<'a> Flow<'a> {
    pub(crate) fn new(bus: &'a Bus, lane: usize, now: Time) -> Self {
        Self {
            bus,
            now,
            lane,
            signals: Vec::new(),
            share: bus.rings.share(),
            left_out: 0,
            steps: VecDeque::new(),
            notices: Vec::new(),
            outlets: Vec::new(),
            unresolved: Vec::new(),
            ends: Vec::new(),
            passing: None,
            takes: false,
            taken: None,
        }
    }

    /// Works out every consequence, then records the signals.
    pub(crate) fn settle(mut self) {
        self.work_off();
    }

    /// As [`Flow::settle`]; what was taken in hand stays there.
    pub(crate) fn work_off(&mut self) {
        loop {
            if let Some(step) = self.steps.pop_front() {
                self.work_out(step);
            } else if !self.notices.is_empty() {
                self.tell();
            } else if let Some(outlet) = self.outlets.pop() {
                self.empty(&outlet);
            } else if !self.tell_router() {
                break;
            }
        }
        self.tell_store();
        self.record();
    }

    fn work_out(&mut self, step: Step) {
        match step {
            Step::Send(messages) => {
                self.enter(messages, Door::Kernel);
            }
            Step::Place(placed) => self.place(placed),
            Step::Broadcast(observation) => self.broadcast(&observation),
            Step::Again(receiver) => self.try_again(receiver),
        }
    }

    /// Lets accepted messages in hand become what their place says, after what was asked for before.
    pub(crate) fn later(&mut self, placed: Vec<Placed>) {
        if !placed.is_empty() {
            self.steps.push_back(Step::Place(placed));
        }
    }

    /// The pause before a new instance is over.
    fn restart(&mut self, address: u32, version: u32) {
        let Some(cell) = self.bus.version(address, version) else { return };
        let mut desk = lock(&cell.desk);
        desk.rests = false;
        let queue = desk.enqueue();
        drop(desk);
        if queue {
            self.queue(cell);
        }
    }

    /// Tells every protocol that a version of an agent lost its instance or left: what it promised in these
    /// conversations is void, and nothing else of the agent's.
    pub(crate) fn conversations_lost(&mut self, address: u32, code: Code, lost: Vec<caxton_abi::Uid>) {
        for conversation in lost {
            let head = Header { sender: address, conversation, ..Header::default() };
            self.steps.push_back(Step::Broadcast(Box::new(Observation {
                kind: caxton_abi::port::observed::AGENT_LOST,
                code,
                envelope: Envelope::new(head, caxton_abi::Payload::EMPTY),
                spared: caxton_abi::std_types::RVec::new(),
            })));
        }
    }

    /// Tells every protocol that an agent lost its instance or left.
    pub(crate) fn agent_lost(&mut self, address: u32, code: Code, spared: Vec<caxton_abi::Uid>) {
        let head = Header { sender: address, ..Header::default() };
        self.steps.push_back(Step::Broadcast(Box::new(Observation {
            kind: caxton_abi::port::observed::AGENT_LOST,
            code,
            envelope: Envelope::new(head, caxton_abi::Payload::EMPTY),
            spared: spared.into(),
        })));
    }

    pub(crate) fn timers(&self) -> &crate::sync::Mutex<crate::timer::Timers> {
        &self.bus.timers
    }

    /// Puts an agent that was just marked as queued into the run queue.
    pub(crate) fn queue(&self, cell: Arc<Cell>) {
        self.bus.run_queue.push(cell, self.lane);
    }

    pub(crate) fn emit(&mut self, signal: Signal) {
        self.signals.push(signal);
    }

    /// An event about a message; left out when all is well and its conversation is not traced.
    pub(crate) fn about(&mut self, name: EventName, head: &Header, code: Code) {
        if self.traces(head.conversation, code) {
            self.signals.push(signal::about(name, head, code, self.now));
        }
    }

    /// True for what is to be recorded: any failure, and everything of a conversation that is traced. Counts the rest.
    pub(crate) fn traces(&mut self, conversation: caxton_abi::Uid, code: Code) -> bool {
        let traces = code != Code::NONE || self.share.has(conversation);
        self.left_out += u64::from(!traces);
        traces
    }

    /// An event about an agent.
    pub(crate) fn agent_event(&mut self, name: EventName, address: u32, code: Code, text: String) {
        self.signals.push(Signal {
            sender: address,
            code,
            text: signal::text(text),
            ..signal::event(name, self.now)
        });
    }

    /// Moves the signals into the ring, so that they come before those of a port that is about to be called.
    fn record(&mut self) {
        let left_out = std::mem::take(&mut self.left_out);
        self.bus.rings.record(self.lane, &mut self.signals, left_out);
    }

    /// Does what is due.
    pub(crate) fn tick(&mut self) {
        use crate::timer::Key;
        let due = lock(&self.bus.timers).take_due(self.now);
        let mut protocol_timers = std::collections::BTreeMap::<u32, Vec<u64>>::new();
        for key in due {
            match key {
                Key::Agent(address, version, token) => self.agent_timer(address, version, token),
                Key::Restart(address, version) => self.restart(address, version),
                Key::Recycle(address, version) => self.bus.weigh_again(self, address, version),
                Key::Draining(address) => self.bus.look_at_draining(self, address),
                Key::Protocol(port, token) => protocol_timers.entry(port).or_default().push(token),
                Key::Pending(address) => self.give_up_waiting(address),
                Key::Retry(receiver) => self.try_again(receiver),
                Key::Store => self.bus.tickets.write_again(),
            }
        }
        for (port, tokens) in protocol_timers {
            self.protocol_timers(port, tokens);
        }
    }

    fn agent_timer(&mut self, address: u32, version: u32, token: u32) {
        let Some(cell) = self.bus.version(address, version) else { return };
        let mut desk = lock(&cell.desk);
        if !desk.life.takes_messages() {
            return;
        }
        desk.due.push_back(token);
        let queue = desk.enqueue();
        drop(desk);
        if queue {
            self.queue(cell);
        }
    }
}
