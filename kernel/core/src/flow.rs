//! One operation on the bus, from its cause to its last consequence.
//!
//! ```text
//! enter ─▶ place ─▶ observe (protocol port) ─▶ put: mailbox · outlet · parked · expired · dead letter
//!   ▲                                            │
//!   └── failures, messages that protocols send ──┴── notices ─▶ protocol port, or the kernel's own failure
//! ```
//!
//! Consequences are steps in a list, not recursion. Ports are called without locks; a port that calls the bus starts a
//! flow of its own. Failures never beget failures, so every flow ends.

mod door;
mod find;
mod monitor;
mod notice;
mod place;
mod route;

pub(crate) use door::Door;
pub(crate) use monitor::Watch;
pub(crate) use route::{Begun, Changes};

use std::{collections::VecDeque, sync::Arc};

use caxton_abi::{Code, Envelope, EventName, Header, Signal, port::Observation};

use crate::{bus::Bus, cell::Cell, forwarding::Slot, outlet::Outlet, signal, sync::lock, time::Time};

/// An operation that runs.
pub(crate) struct Flow<'a> {
    bus: &'a Bus,
    pub(crate) now: Time,
    lane: usize,
    signals: Vec<Signal>,
    steps: VecDeque<Step>,
    notices: Vec<Notice>,
    outlets: Vec<Arc<Outlet>>,
    unresolved: Vec<u32>,
}

/// A consequence that is still to be worked out.
enum Step {
    /// The kernel or a protocol sends these.
    Send(Vec<Envelope>),
    /// Accepted messages in hand whose place is known.
    Place(Vec<Placed>),
    /// Every protocol is told.
    Broadcast(Box<Observation>),
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
            steps: VecDeque::new(),
            notices: Vec::new(),
            outlets: Vec::new(),
            unresolved: Vec::new(),
        }
    }

    /// Works out every consequence, then records the signals.
    pub(crate) fn settle(mut self) {
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
        self.record();
    }

    fn work_out(&mut self, step: Step) {
        match step {
            Step::Send(messages) => {
                self.enter(messages, Door::Kernel);
            }
            Step::Place(placed) => self.place(placed),
            Step::Broadcast(observation) => self.broadcast(&observation),
        }
    }

    /// Lets accepted messages in hand become what their place says, after what was asked for before.
    pub(crate) fn later(&mut self, placed: Vec<Placed>) {
        if !placed.is_empty() {
            self.steps.push_back(Step::Place(placed));
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

    pub(crate) fn registry(&self) -> &std::sync::RwLock<crate::registry::Registry> {
        &self.bus.lookup.registry
    }

    pub(crate) fn timers(&self) -> &std::sync::Mutex<crate::timer::Timers> {
        &self.bus.timers
    }

    /// Puts an agent that was just marked as queued into the run queue.
    pub(crate) fn queue(&self, cell: Arc<Cell>) {
        self.bus.run_queue.push(cell);
    }

    pub(crate) fn emit(&mut self, signal: Signal) {
        self.signals.push(signal);
    }

    /// An event about a message.
    pub(crate) fn about(&mut self, name: EventName, head: &Header, code: Code) {
        self.signals.push(signal::about(name, head, code, self.now));
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
        if !self.signals.is_empty() {
            self.bus.rings.record(self.lane, &mut self.signals);
        }
    }

    /// Does what is due.
    pub(crate) fn tick(&mut self) {
        use crate::timer::Key;
        let due = lock(&self.bus.timers).take_due(self.now);
        let mut protocol_timers = std::collections::BTreeMap::<u32, Vec<u64>>::new();
        for key in due {
            match key {
                Key::Agent(address, token) => self.agent_timer(address, token),
                Key::Protocol(port, token) => protocol_timers.entry(port).or_default().push(token),
                Key::Pending(address) => self.give_up_waiting(address),
            }
        }
        for (port, tokens) in protocol_timers {
            self.protocol_timers(port, tokens);
        }
    }

    fn agent_timer(&mut self, address: u32, token: u32) {
        let cell = crate::sync::read(&self.bus.lookup.registry).agents.get(&address).cloned();
        let Some(cell) = cell else { return };
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
