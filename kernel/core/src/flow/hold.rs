//! What waits while a protocol port is held, and how it goes on: in order, before anything newer.
//!
//! A port is held while the host exchanges the plugin behind it. Messages that the port would see wait with the places
//! that were found for them, so they stay in flight, and what follows from the same sender to the same receiver waits
//! behind them. Observations of losses wait in the same queue. Bounded by `held_messages_max`; more fails as at a port
//! that is gone.

use std::collections::{BTreeMap, HashMap, VecDeque};

use caxton_abi::{
    Code, Envelope,
    port::{Observation, observed},
};

use super::{
    Flow, Notice, Place, Placed,
    monitor::{Watch, observer},
};
use crate::{
    accounting::Moves,
    bus::Bus,
    sync::{lock, write},
    tally::Tally,
    time::Time,
    timer::Key,
};

/// What waits at one port.
#[derive(Default)]
struct Held {
    queue: VecDeque<Waiting>,
    /// How many messages wait from a sender to a receiver.
    pairs: HashMap<(u32, u32), usize>,
    /// Another protocol was set meanwhile.
    exchanged: bool,
}

pub(super) enum Waiting {
    Message(Placed),
    Told(Observation),
}

impl Waiting {
    fn message(&self) -> Option<&Envelope> {
        match self {
            Self::Message(placed) => Some(&placed.envelope),
            Self::Told(_) => None,
        }
    }
}

/// The ports that are held.
#[derive(Default)]
pub(crate) struct Holds {
    ports: BTreeMap<u32, Held>,
    lying: Tally,
    messages: usize,
    told: usize,
}

impl Holds {
    /// Messages that wait.
    pub(crate) fn lying(&self) -> Tally {
        self.lying
    }

    pub(super) fn none(&self) -> bool {
        self.ports.is_empty()
    }

    pub(super) fn is_held(&self, port: u32) -> bool {
        self.ports.contains_key(&port)
    }

    /// True when the port is held, unless the flow is the one that lets it go on.
    pub(super) fn stops(&self, port: u32, passing: Option<u32>) -> bool {
        passing != Some(port) && self.is_held(port)
    }

    pub(crate) fn begin(&mut self, port: u32) {
        self.ports.entry(port).or_default();
    }

    /// Notes that another protocol was set.
    pub(super) fn exchange(&mut self, port: u32) {
        if let Some(held) = self.ports.get_mut(&port) {
            held.exchanged = true;
        }
    }

    /// True once after another protocol was set.
    fn take_exchanged(&mut self, port: u32) -> bool {
        self.ports.get_mut(&port).is_some_and(|held| std::mem::take(&mut held.exchanged))
    }

    /// Where a message has to wait: at the port that is to see it, or behind an earlier one of the same two.
    fn stop(&self, placed: &Placed, observer: Option<u32>, passing: Option<u32>) -> Option<u32> {
        if let Some(port) = observer.filter(|port| self.stops(*port, passing)) {
            return Some(port);
        }
        let mut others = self.ports.iter().filter(|(port, _)| passing != Some(**port));
        others.find_map(|(port, held)| held.pairs.contains_key(&pair(placed)).then_some(*port))
    }

    fn keep(&mut self, port: u32, placed: Placed) {
        let Some(held) = self.ports.get_mut(&port) else { return };
        *held.pairs.entry(pair(&placed)).or_insert(0) += 1;
        self.lying.put(&placed.envelope);
        self.messages += 1;
        held.queue.push_back(Waiting::Message(placed));
    }

    fn keep_told(&mut self, port: u32, batch: &[Observation]) {
        let Some(held) = self.ports.get_mut(&port) else { return };
        held.queue.extend(batch.iter().cloned().map(Waiting::Told));
        self.told += batch.len();
    }

    /// Takes everything that waits at a port; when nothing does, the hold is over.
    fn take_or_end(&mut self, port: u32) -> VecDeque<Waiting> {
        let Some(held) = self.ports.get_mut(&port) else { return VecDeque::new() };
        let queue = std::mem::take(&mut held.queue);
        if queue.is_empty() {
            self.ports.remove(&port);
            return queue;
        }
        // What is taken is in a hand until this is called again, and nothing may overtake it there.
        held.pairs = pairs(&queue);
        for waiting in &queue {
            match waiting {
                Waiting::Message(placed) => {
                    self.lying.take(&placed.envelope);
                    self.messages -= 1;
                }
                Waiting::Told(_) => self.told -= 1,
            }
        }
        queue
    }
}

fn pairs(queue: &VecDeque<Waiting>) -> HashMap<(u32, u32), usize> {
    let mut pairs = HashMap::new();
    for waiting in queue {
        if let Waiting::Message(placed) = waiting {
            *pairs.entry(pair(placed)).or_insert(0) += 1;
        }
    }
    pairs
}

fn pair(placed: &Placed) -> (u32, u32) {
    let head = &placed.envelope.head;
    (head.sender, head.receiver)
}

impl Bus {
    /// Holds a protocol port: from now on what it would see waits, in order and in flight, until
    /// [`Bus::release_protocol`]. Calls that began before go on; see [`Bus::protocol_quiet`].
    pub fn hold_protocol(&self, port: u32) {
        write(&self.watch).holds.begin(port);
    }

    /// True when no call of the port is under way. Stays true while the port is held.
    pub fn protocol_quiet(&self, port: u32) -> bool {
        crate::sync::read(&self.watch).is_quiet(port)
    }

    /// Lets a held port go on with the protocol that is set: what waited passes in order, before anything newer. A
    /// protocol that was set during the hold is first called without timers, so that it can set its own.
    pub fn release_protocol(&self, port: u32, now: Time) {
        loop {
            let mut flow = Flow::new(self, self.run_queue.workers(), now);
            flow.passing = Some(port);
            let went_on = flow.go_on(port);
            flow.settle();
            if !went_on {
                return;
            }
        }
    }
}

impl Flow<'_> {
    /// Takes messages that have to wait out of a batch. Those that find no room fail; the places that they had are
    /// returned, to be given back when the caller has freed the watch: that takes the locks of agents.
    #[must_use]
    pub(super) fn hold_back(
        &self,
        moves: &Moves<'_>,
        watch: &mut Watch,
        batch: &mut Vec<Placed>,
    ) -> Vec<Place> {
        let mut left = Vec::new();
        let max = self.bus.limits.held_messages_max;
        let mut passes = Vec::with_capacity(batch.len());
        for mut placed in batch.drain(..) {
            match watch.holds.stop(&placed, observer(watch, &placed), self.passing) {
                None => passes.push(placed),
                Some(port) if watch.holds.messages < max => {
                    moves.lay_down(&placed.envelope);
                    watch.holds.keep(port, placed);
                }
                Some(_) => {
                    placed.monitored = true;
                    let dead = Place::Dead(Code::PLUGIN_UNAVAILABLE);
                    left.push(std::mem::replace(&mut placed.place, dead));
                    passes.push(placed);
                }
            }
        }
        *batch = passes;
        left
    }

    /// Keeps what a held port is to be told; `Err` when too much waits.
    pub(super) fn tell_later(&self, watch: &mut Watch, port: u32, batch: &[Observation]) -> Result<(), Code> {
        if watch.holds.told >= self.bus.limits.held_messages_max {
            return Err(Code::PLUGIN_UNAVAILABLE);
        }
        watch.holds.keep_told(port, batch);
        Ok(())
    }

    /// Takes up what waits at a port; false when nothing did, and the hold is over.
    fn go_on(&mut self, port: u32) -> bool {
        let bus = self.bus;
        let moves = bus.ledger.open();
        let mut watch = write(&bus.watch);
        if watch.holds.take_exchanged(port) {
            drop(watch);
            drop(moves);
            self.protocol_timers(port, Vec::new());
            return true;
        }
        let mut waiting = watch.holds.take_or_end(port);
        let timers = watch.missed_timers(port);
        moves.pick_up(Tally::of(waiting.iter().filter_map(Waiting::message)));
        drop(watch);
        drop(moves);
        let went_on = !waiting.is_empty();
        while !waiting.is_empty() {
            let (messages, told) = next_run(&mut waiting);
            self.place(messages);
            self.tell_now(port, &told);
        }
        let mut table = lock(&bus.timers);
        timers.into_iter().for_each(|token| table.set(Key::Protocol(port, token), Time::ZERO));
        went_on
    }

    /// Tells a port what it was to be told earlier.
    fn tell_now(&mut self, port: u32, told: &[Observation]) {
        if told.is_empty() {
            return;
        }
        match self.ask(port, told) {
            Ok(actions) => actions.iter().for_each(|action| self.act(port, action)),
            Err(_) => {
                let lost = told.iter().filter(|told| told.kind == observed::UNDELIVERABLE);
                let notices = lost.map(|told| Notice { envelope: told.envelope.clone(), code: told.code });
                self.send_failures(notices.collect());
            }
        }
    }
}

/// The messages that wait first, or the observations.
fn next_run(waiting: &mut VecDeque<Waiting>) -> (Vec<Placed>, Vec<Observation>) {
    let (mut messages, mut told) = (Vec::new(), Vec::new());
    while let Some(next) = waiting.pop_front() {
        match next {
            Waiting::Message(placed) if told.is_empty() => messages.push(placed),
            Waiting::Told(observation) if messages.is_empty() => told.push(observation),
            other => {
                waiting.push_front(other);
                break;
            }
        }
    }
    (messages, told)
}
