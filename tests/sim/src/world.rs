//! One run: the bus, its scripts and clock, and the loop of steps and checks.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, PoisonError},
};

use caxton_abi::Signal;
use caxton_core::{Activation, Bus, Endpoint, Limits, Options, Time};

use crate::{
    Failure, Report,
    disk::Disk,
    journal::Journal,
    ports::{Client, Clock},
    shared::{Shared, SharedRef, open},
    steps::Step,
};

/// Turns that run at the same time.
pub(crate) const WORKERS: usize = 3;
/// The host's number for the one plugin with endpoints.
pub(crate) const OWNER: u32 = 7;
/// Agents that may be deployed.
pub(crate) const AGENTS: usize = 6;
/// Names that nobody has.
pub(crate) const STRANGERS: [&str; 2] = ["nobody", "other@elsewhere"];
/// Names that the router resolves.
pub(crate) const LABELS: [&str; 7] =
    ["group:a", "group:b", "group:empty", "capability:x", "capability:y", "route:r", "route:loop"];
const CLIENTS: usize = 2;
const MAILBOX_MESSAGES: usize = 8;
const TRACE_STEPS: usize = 40;
/// Rounds of rest: every timer, deadline and restart needs a few.
const REST_ROUNDS: usize = 10_000;

/// Everything of a run.
pub(crate) struct World {
    pub(crate) seed: u64,
    pub(crate) bus: Arc<Bus>,
    pub(crate) shared: SharedRef,
    pub(crate) clock: Clock,
    pub(crate) journal: Journal,
    /// Turns that began and did not end.
    pub(crate) turns: Vec<Activation>,
    /// Addresses that the sim submits from; absent while released.
    pub(crate) clients: Vec<Option<u32>>,
    pub(crate) step: u32,
    pub(crate) disk: Arc<Disk>,
    /// What the servers did that were killed.
    pub(crate) past: Report,
    trace: VecDeque<String>,
}

impl World {
    pub(crate) fn new(seed: u64) -> Self {
        let (bus, disk) = (Self::server(seed), Arc::new(Disk::default()));
        bus.set_store(Some(disk.clone()));
        Self {
            seed,
            bus: Arc::new(bus),
            shared: Arc::new(Mutex::new(Shared::new(seed))),
            clock: Arc::new(Mutex::new(Time::from_millis(1_000_000))),
            journal: Journal::default(),
            turns: Vec::new(),
            clients: vec![None; CLIENTS],
            step: 0,
            disk,
            past: Report::default(),
            trace: VecDeque::new(),
        }
    }

    pub(crate) fn server(seed: u64) -> Bus {
        let bus = Bus::new(Options {
            platform: "sim".to_owned(),
            limits: Arc::new(small_limits()),
            workers: WORKERS,
            seed,
            content_in_signals: true,
        });
        // The platform's name is a constant that is valid.
        let Ok(bus) = bus else { unreachable!("`sim` is a platform's name") };
        bus
    }

    pub(crate) fn run(mut self, steps: u32) -> Result<Report, Failure> {
        self.set_up();
        self.check("set up")?;
        for _ in 0..steps {
            self.step += 1;
            let step = Step::choose(&self);
            let what = self.take(step);
            self.check(&what)?;
        }
        self.rest()?;
        self.probe()?;
        self.rest()?;
        self.close()?;
        self.past.add(&self.journal.report);
        Ok(self.past)
    }

    pub(crate) fn name_everybody(&mut self) {
        let names = (0..AGENTS).map(|n| format!("agent{n}"));
        let never = STRANGERS.map(str::to_owned);
        let direct: Vec<_> = names.chain(never).filter_map(|name| self.bus.address(&name).ok()).collect();
        let routed: Vec<_> = LABELS.iter().filter_map(|name| self.bus.address(name).ok()).collect();
        let mut shared = open(&self.shared);
        shared.direct = direct;
        shared.routed = routed;
        // An address that no name stands for.
        shared.direct.push(4_000_000);
    }

    pub(crate) fn set_up(&mut self) {
        self.name_everybody();
        self.clients = vec![None; CLIENTS];
        for client in 0..CLIENTS {
            self.claim(client);
        }
        for agent in 0..AGENTS - 1 {
            self.deploy(agent);
        }
    }

    pub(crate) fn now(&self) -> Time {
        *self.clock.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn advance(&self, millis: u64) {
        let mut clock = self.clock.lock().unwrap_or_else(PoisonError::into_inner);
        *clock = clock.plus_millis(millis);
    }

    pub(crate) fn below(&self, end: usize) -> usize {
        open(&self.shared).chance.below(end)
    }

    pub(crate) fn client(&self) -> Arc<dyn Endpoint> {
        Arc::new(Client {
            shared: self.shared.clone(),
            bus: Arc::downgrade(&self.bus),
            clock: self.clock.clone(),
        })
    }

    /// Lets everything end: ports come back, nothing new is made, and all timers pass.
    fn rest(&mut self) -> Result<(), Failure> {
        open(&self.shared).resting = true;
        open(&self.shared).bad_starts = 0;
        self.bus.set_store(Some(self.disk.clone()));
        self.set_router();
        for port in 1..=2 {
            self.set_protocol(port, 0);
        }
        self.people_every_name();
        for _ in 0..REST_ROUNDS {
            if self.write_one() {
                self.check("rest: write")?;
                continue;
            }
            while let Some(what) = self.end_turn(0) {
                self.check(&what)?;
            }
            if let Some(what) = self.begin_turn(0) {
                self.check(&what)?;
                continue;
            }
            if self.disk.open().begun() > 0 {
                continue;
            }
            let Some(deadline) = self.bus.next_deadline() else { break };
            let wait = deadline.nanos_since(self.now()) / 1_000_000;
            self.advance(wait + 1);
            self.bus.tick(self.now());
            self.check("rest: tick")?;
        }
        if self.bus.quiescent() {
            return Ok(());
        }
        Err(self.failure(format!("does not come to rest: {:?}", self.bus.accounting())))
    }

    /// After a rest every active agent has room again: no place in a mailbox was lost.
    fn probe(&mut self) -> Result<(), Failure> {
        let views = self.bus.agents();
        let Some(sender) = self.clients.iter().flatten().copied().next() else { return Ok(()) };
        for view in views.iter().filter(|view| view.state == "active") {
            let room = if view.name.starts_with("agent0") { 3 } else { MAILBOX_MESSAGES };
            let mut shared = open(&self.shared);
            let batch = (0..room).map(|_| shared.message(sender, view.address, "-", "work")).collect();
            drop(shared);
            let outcomes = self.bus.submit(batch, self.now());
            if outcomes.iter().any(|outcome| !outcome.code.is_none()) {
                return Err(self.failure(format!("{} has no room for {room} messages", view.name)));
            }
            self.check("probe")?;
        }
        Ok(())
    }

    pub(crate) fn check(&mut self, what: &str) -> Result<(), Failure> {
        self.trace.push_back(format!("{} {what}", self.step));
        if self.trace.len() > TRACE_STEPS {
            self.trace.pop_front();
        }
        let mut signals: Vec<Signal> = Vec::new();
        self.bus.drain_signals(self.now(), &mut signals);
        let read = self.journal.read(&signals);
        let checked = read.and_then(|()| self.journal.check(&self.bus.accounting()));
        let kept = checked.and_then(|()| self.journal.check_disk(&self.disk.open()));
        kept.and_then(|()| self.check_flags()).map_err(|broken| self.failure(broken))
    }

    fn check_flags(&self) -> Result<(), String> {
        match open(&self.shared).unflagged {
            Some(id) => Err(format!("{id} was handed out again without its flag")),
            None => Ok(()),
        }
    }

    pub(crate) fn failure(&self, broken: String) -> Failure {
        Failure { seed: self.seed, broken, trace: self.trace.iter().cloned().collect() }
    }
}

/// Bounds that a short run reaches.
fn small_limits() -> Limits {
    Limits {
        // Every message is followed.
        signals_per_second_max: u64::MAX,
        mailbox_messages_max: MAILBOX_MESSAGES,
        mailbox_bytes_max: 400,
        mailbox_platform_extra: 6,
        turn_messages_max: 4,
        // Every agent may run on a lent thread.
        lent_turn_ns_max: u64::MAX,
        turn_bytes_max: 60,
        outbox_messages_max: 16,
        timers_per_agent_max: 8,
        timers_per_protocol_max: 3,
        pending_messages_max: 20,
        pending_ms_max: 120,
        route_copies_max: 12,
        dead_letters_max: 5,
        acked_ms_max: 900,
        retries_messages_max: 6,
        deliveries_max: 3,
        restarts_max: 3,
        restart_window_ms: 400,
        recycle_memory_bytes: 3,
        ..Limits::default()
    }
}
