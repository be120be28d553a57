//! The bus: everything the host calls. Methods take `&self`; any number of threads may call at once.
//!
//! Each operation is a [`Flow`]: it moves messages under short locks and calls ports without any lock.

use {std::collections::BTreeMap, std::sync::Arc};

use caxton_abi::{
    Code, Envelope, Signal, Uid,
    port::{Outcome, RouteUpdate},
};

use crate::sync::{AtomicBool, AtomicU64, Mutex, RwLock};
use crate::{
    accounting::{Accounting, Ledger},
    agent::Directory,
    dead_letter::DeadLetters,
    directory::Lookup,
    error::Refusal,
    flow::{Changes, Door, Flow, Watch},
    held::Closed,
    ids::IdSource,
    lanes::{Count, Lanes},
    limits::Limits,
    names,
    port::{ProtocolRef, RouterRef, Wake},
    retry::RetryRoom,
    run_queue::RunQueue,
    sightings::Sightings,
    signal::Rings,
    sync::{lock, read, write},
    tickets::Tickets,
    time::Time,
    timer::Timers,
    wording::Wording,
};

/// What a bus is made with.
#[derive(Clone, Debug)]
pub struct Options {
    /// The part of agents' names after `@`.
    pub platform: String,
    /// Every bound.
    pub limits: Arc<Limits>,
    /// Worker threads of the host.
    pub workers: usize,
    /// What makes this server's ids differ from another's.
    pub seed: u64,
    /// Puts the first bytes of contents into signals; the operator grants it.
    pub content_in_signals: bool,
}

/// The message bus and scheduler.
pub struct Bus {
    pub(crate) platform: String,
    pub(crate) ams: u32,
    pub(crate) limits: Arc<Limits>,
    pub(crate) content_in_signals: bool,
    pub(crate) lookup: Arc<Lookup>,
    pub(crate) ledger: Ledger,
    pub(crate) timers: Mutex<Timers>,
    pub(crate) run_queue: RunQueue,
    /// Turns that run.
    pub(crate) running: Count,
    pub(crate) rings: Rings,
    pub(crate) wording: Mutex<Wording>,
    pub(crate) dead_letters: Mutex<DeadLetters>,
    pub(crate) retries: Mutex<RetryRoom>,
    pub(crate) sightings: Mutex<Sightings>,
    pub(crate) tickets: Tickets,
    /// The server ends: nothing is taken any more.
    pub(crate) closed: AtomicBool,
    pub(crate) watch: RwLock<Watch>,
    /// Conversations that protocols closed last.
    pub(crate) closed_conversations: Mutex<Closed>,
    pub(crate) router: RwLock<Option<RouterRef>>,
    pub(crate) changes: Mutex<Changes>,
    pub(crate) ids: Lanes<Mutex<IdSource>>,
}

impl Bus {
    /// Makes an empty bus.
    ///
    /// # Errors
    /// [`Code::NAME_INVALID`] when the platform's name cannot be part of a name.
    pub fn new(options: Options) -> Result<Self, Refusal> {
        let Options { platform, limits, workers, seed, content_in_signals } = options;
        let lookup = Lookup::new(platform.clone(), &limits);
        let ams = lookup.intern_address("ams").map_err(|code| {
            Refusal::new(
                code,
                format!("`{platform}` cannot be a platform's name: use letters, digits, dots and dashes"),
            )
        })?;
        write(&lookup.names).hold(ams);
        let workers = workers.max(1);
        let first = IdSource::new(seed);
        let ids = Lanes::new(workers, || Mutex::new(first.fork()));
        Ok(Self {
            platform,
            ams,
            content_in_signals,
            retries: Mutex::default(),
            sightings: Mutex::new(Sightings::new(limits.duplicates_max)),
            tickets: Tickets::new(Arc::clone(&lookup.durable_refusal)),
            closed: AtomicBool::new(false),
            lookup: Arc::new(lookup),
            ledger: Ledger::new(workers),
            timers: Mutex::default(),
            run_queue: RunQueue::new(workers),
            running: Lanes::new(workers, AtomicU64::default),
            rings: Rings::new(workers, limits.signals_ring_max, limits.signals_per_second_max),
            wording: Mutex::default(),
            dead_letters: Mutex::new(DeadLetters::new(limits.dead_letters_max, limits.dead_letter_bytes_max)),
            watch: RwLock::default(),
            closed_conversations: Mutex::default(),
            router: RwLock::default(),
            changes: Mutex::default(),
            ids,
            limits,
        })
    }

    /// Sets who wakes worker threads; only the first call counts.
    pub fn set_wake(&self, wake: Arc<dyn Wake>) {
        self.run_queue.set_wake(wake);
    }

    /// The name of this platform.
    pub fn platform(&self) -> &str {
        &self.platform
    }

    /// The address of `ams@platform`, in whose name the platform sends failures.
    pub fn ams(&self) -> u32 {
        self.ams
    }

    /// The bounds.
    pub fn limits(&self) -> &Arc<Limits> {
        &self.limits
    }

    /// Names and symbols, answered from memory.
    pub fn directory(&self) -> Arc<dyn Directory> {
        Arc::clone(&self.lookup) as Arc<dyn Directory>
    }

    /// The address of a name, whether or not somebody has it; local names are completed.
    ///
    /// # Errors
    /// [`Code::NAME_INVALID`], or [`Code::NAMES_EXHAUSTED`] when the table is full of names in use.
    pub fn address(&self, name: &str) -> Result<u32, Code> {
        self.lookup.intern_address(name)
    }

    /// A fresh id.
    pub fn mint(&self, now: Time) -> Uid {
        self.mint_in(self.run_queue.workers(), now)
    }

    pub(crate) fn mint_in(&self, lane: usize, now: Time) -> Uid {
        lock(self.ids.get(lane)).mint(now)
    }

    pub(crate) fn fork_ids(&self) -> IdSource {
        lock(self.ids.others()).fork()
    }

    /// Takes messages of endpoints and edges; one outcome each. Durable ones are refused with
    /// [`Code::CLASS_NEEDS_WAIT`]: see [`Bus::submit_and_wait`]. An id that a sender chose is taken once. Whose name a sender may use is not checked here: the
    /// host's desk of each plugin lets only addresses through that the plugin claimed. A message whose `receiver` is zero
    /// goes to every receiver of its `extra`.
    pub fn submit(&self, messages: Vec<Envelope>, now: Time) -> Vec<Outcome> {
        let mut flow = Flow::new(self, self.run_queue.workers(), now);
        let outcomes = flow.enter(messages, Door::Submit);
        flow.settle();
        outcomes
    }

    /// Sets, replaces or (with `None`) suspends a protocol port. While it is suspended, messages of its protocols
    /// become dead letters with [`Code::PLUGIN_UNAVAILABLE`]; its timers wait. What is set while the port is held counts
    /// from [`Bus::release_protocol`] on.
    pub fn set_protocol(&self, port: u32, protocol: Option<ProtocolRef>) {
        let tokens = protocol.as_ref().map(|protocol| protocol.protocols()).unwrap_or_default();
        let symbols: Vec<_> =
            tokens.iter().map(|text| self.lookup.intern(text)).filter(|symbol| *symbol != 0).collect();
        let missed = write(&self.watch).set(port, protocol, &symbols);
        let mut timers = lock(&self.timers);
        for token in missed {
            timers.set(crate::timer::Key::Protocol(port, token), Time::ZERO);
        }
    }

    /// Takes a protocol port away for good: nobody watches its protocols any more, and its timers are forgotten.
    pub fn remove_protocol(&self, port: u32) {
        write(&self.watch).remove(port);
        lock(&self.timers).cancel_owner(crate::timer::Key::Protocol(port, 0));
    }

    /// What protocols know of a conversation, as JSON.
    pub fn describe(&self, conversation: Uid) -> Option<String> {
        let ports = read(&self.watch).present();
        ports.iter().find_map(|(_, protocol)| protocol.describe(conversation))
    }

    /// Sets or removes the router. A new one is told of every agent and asked for every address that waits.
    pub fn set_router(&self, router: Option<RouterRef>, now: Time) {
        let present = router.is_some();
        *write(&self.router) = router;
        let mut flow = Flow::new(self, self.run_queue.workers(), now);
        if present {
            let registry = read(&self.lookup.registry);
            let agents = registry.in_order();
            let agents = agents.iter().filter_map(|lineage| {
                let cell = lineage.serving()?;
                let present = lock(&cell.desk).life.takes_messages();
                present.then(|| lineage.entry(&cell, true))
            });
            lock(&self.changes).restart(agents.chain(registry.attached()));
            drop(registry);
            flow.ask_again();
        }
        flow.settle();
    }

    /// Changes the forwarding table.
    pub fn program(&self, updates: Vec<RouteUpdate>, now: Time) {
        let mut flow = Flow::new(self, self.run_queue.workers(), now);
        flow.program(updates);
        flow.settle();
    }

    /// Does what is due. Call it when [`Bus::next_deadline`] has come; an early call does nothing.
    pub fn tick(&self, now: Time) {
        let mut flow = Flow::new(self, self.run_queue.workers(), now);
        flow.tick();
        flow.settle();
    }

    /// When [`Bus::tick`] has something to do next.
    pub fn next_deadline(&self) -> Option<Time> {
        lock(&self.timers).next()
    }

    /// The books, balanced at one instant. Does not wait for turns.
    pub fn accounting(&self) -> Accounting {
        let books = self.ledger.balance(|| {
            let parked = lock(&self.lookup.pending).lying() + lock(&self.retries).lying();
            read(&self.lookup.registry).lying() + parked + read(&self.watch).holds.lying()
        });
        Accounting { dead_letters_forgotten: lock(&self.dead_letters).forgotten(), ..books }
    }

    /// True when no message is in flight, and no agent runs or waits to run. Timers may still be set.
    pub fn quiescent(&self) -> bool {
        self.run_queue.is_empty() && self.running.sum() == 0 && self.accounting().in_flight == 0
    }

    /// Appends all signals since the last call, in order for each worker.
    pub fn drain_signals(&self, now: Time, out: &mut Vec<Signal>) {
        let first = out.len();
        self.rings.drain(now, out);
        let drained = out.get_mut(first..).unwrap_or_default();
        lock(&self.wording).spell(drained, |symbol| self.lookup.symbol_name(symbol));
    }

    /// Records signals of plugins and the host.
    pub fn emit(&self, mut signals: Vec<Signal>) {
        self.rings.record(self.run_queue.workers(), &mut signals, 0);
    }

    /// The texts of symbols, for views.
    pub fn symbol_names(&self, symbols: &[u32]) -> BTreeMap<u32, String> {
        let known = symbols.iter().filter_map(|symbol| Some((*symbol, self.lookup.symbol_name(*symbol)?)));
        known.collect()
    }

    /// Completes a local name and checks it.
    ///
    /// # Errors
    /// [`Code::NAME_INVALID`].
    pub fn full_name(&self, name: &str) -> Result<String, Code> {
        names::complete(name, &self.platform)
    }
}
