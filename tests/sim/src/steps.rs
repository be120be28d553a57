//! What can happen next, and how often.

use std::sync::{Arc, PoisonError};

use caxton_abi::{
    Code,
    port::{AgentEntry, RouteUpdate, route},
};
use caxton_core::AgentSpec;

use crate::{
    agents::Factory,
    ports::{Labels, Monitor},
    shared::open,
    world::{AGENTS, OWNER, WORKERS, World},
};

/// A step of a run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Step {
    /// A client submits a few messages.
    #[default]
    Submit,
    /// A client fills a mailbox.
    Burst,
    /// A worker takes a turn.
    BeginTurn,
    /// A worker runs and settles its turn.
    EndTurn,
    /// Time passes.
    Tick,
    /// An agent comes, or comes again.
    Deploy,
    /// An agent is removed.
    Remove,
    /// The router is lost or comes back.
    Router,
    /// A protocol is lost, comes back, or begins to err.
    Protocol,
    /// A client's address is released, lost, or claimed again.
    Client,
    /// The forwarding table is programmed from outside.
    Program,
    /// New instances begin or cease to fail.
    BadStarts,
    /// The store writes, or fails to.
    Write,
    /// The store goes away or comes back.
    Store,
    /// An operator sends dead letters again, or purges them.
    Requeue,
    /// The server is killed and begins again.
    Crash,
}

impl Step {
    pub(crate) fn choose(world: &World) -> Self {
        open(&world.shared).chance.weighted(&[
            (20, Self::Submit),
            (3, Self::Burst),
            (40, Self::BeginTurn),
            (40, Self::EndTurn),
            (12, Self::Tick),
            (5, Self::Deploy),
            (3, Self::Remove),
            (3, Self::Router),
            (4, Self::Protocol),
            (2, Self::Client),
            (3, Self::Program),
            (2, Self::BadStarts),
            (24, Self::Write),
            (1, Self::Store),
            (3, Self::Requeue),
            (1, Self::Crash),
        ])
    }
}

impl World {
    /// Does a step and says what it was.
    pub(crate) fn take(&mut self, step: Step) -> String {
        match step {
            Step::Submit => self.submit_and_lend(),
            Step::Burst => self.burst(),
            Step::BeginTurn => {
                let worker = self.below(WORKERS);
                self.begin_turn(worker).unwrap_or_else(|| format!("worker {worker} has no turn"))
            }
            Step::EndTurn => {
                let which = self.below(self.turns.len());
                self.end_turn(which).unwrap_or_else(|| "no turn runs".to_owned())
            }
            Step::Tick => self.tick(),
            Step::Deploy => {
                let agent = self.below(AGENTS);
                self.deploy(agent)
            }
            Step::Remove => {
                let name = format!("agent{}", self.below(AGENTS));
                format!("remove {name}: {:?}", self.bus.remove(&name, self.now()).is_ok())
            }
            Step::Router => self.toggle_router(),
            Step::Protocol => self.toggle_protocol(),
            Step::Client => self.toggle_client(),
            Step::Program => self.program(),
            Step::BadStarts => {
                let percent = open(&self.shared).chance.pick(&[0, 0, 40, 100]);
                open(&self.shared).bad_starts = percent;
                format!("{percent} percent of starts fail")
            }
            Step::Write => self.write(),
            Step::Store => self.toggle_store(),
            Step::Requeue => self.requeue(),
            Step::Crash => self.crash(),
        }
    }

    fn sender(&self) -> Option<u32> {
        let claimed: Vec<_> = self.clients.iter().flatten().copied().collect();
        claimed.get(self.below(claimed.len())).copied()
    }

    fn submit_and_lend(&mut self) -> String {
        let lends = open(&self.shared).chance.percent(80);
        self.submit(lends)
    }

    /// A client submits; its thread may be lent.
    pub(crate) fn submit(&mut self, lends: bool) -> String {
        let Some(sender) = self.sender() else { return "no client".to_owned() };
        let count = 1 + self.below(4);
        let now = self.now();
        let mut shared = open(&self.shared);
        let batch: Vec<_> = (0..count).map(|_| shared.client_draft(sender, now)).collect();
        let waits = shared.chance.percent(70);
        drop(shared);
        if waits {
            self.bus.submit_and_wait(batch, now, Box::new(drop));
            return format!("submit {count} and wait");
        }
        let (outcomes, taken) = self.bus.submit_and_take(batch, now);
        // What is not run goes to the workers.
        let turn = taken.filter(|_| lends).and_then(|agent| agent.begin(now));
        let lent = turn.is_some();
        if let Some(turn) = turn {
            self.run_lent(turn);
        }
        let codes: Vec<_> = outcomes.iter().map(|outcome| outcome.code.0).collect();
        format!("submit {count}: {codes:?}{}", if lent { ", and a turn on the lent thread" } else { "" })
    }

    /// Runs an agent on the client's thread, and goes on with it half the time; else the workers do.
    fn run_lent(&mut self, turn: caxton_core::Activation) {
        let mut next = Some(turn);
        while let Some(turn) = next.take() {
            self.journal.report.lent += 1;
            let again = self.bus.finish_taken(turn.run(), self.now());
            let goes_on = open(&self.shared).chance.percent(50);
            next = again.filter(|_| goes_on).and_then(|agent| agent.begin(self.now()));
        }
    }

    fn burst(&mut self) -> String {
        let Some(sender) = self.sender() else { return "no client".to_owned() };
        let now = self.now();
        let mut shared = open(&self.shared);
        let receiver = shared.somebody();
        let batch: Vec<_> = (0..12).map(|_| shared.message(sender, receiver, "-", "work")).collect();
        drop(shared);
        let outcomes = self.bus.submit(batch, now);
        let refused = outcomes.iter().filter(|outcome| !outcome.code.is_none()).count();
        format!("burst to {receiver}: {refused} of 12 refused")
    }

    pub(crate) fn begin_turn(&mut self, worker: usize) -> Option<String> {
        if self.turns.len() >= WORKERS {
            return None;
        }
        let turn = self.bus.next(worker, self.now())?;
        let what = format!("worker {worker} begins a turn of {}", turn.address());
        self.turns.push(turn);
        Some(what)
    }

    pub(crate) fn end_turn(&mut self, which: usize) -> Option<String> {
        if which >= self.turns.len() {
            return None;
        }
        let turn = self.turns.swap_remove(which);
        let what = format!("a turn of {} ends", turn.address());
        let finished = turn.run();
        self.bus.finish(finished, self.now());
        Some(what)
    }

    fn tick(&mut self) -> String {
        let millis = open(&self.shared).chance.next() % 40;
        self.advance(millis);
        self.bus.tick(self.now());
        format!("tick after {millis} ms")
    }

    pub(crate) fn deploy(&mut self, agent: usize) -> String {
        let factory = Arc::new(Factory(self.shared.clone()));
        let deployed = self.bus.deploy(spec_of(agent), factory, self.now());
        format!("deploy agent{agent}: {}", deployed.is_ok())
    }

    pub(crate) fn set_router(&self) {
        self.bus.set_router(Some(Arc::new(Labels::new(self.shared.clone()))), self.now());
    }

    fn toggle_router(&mut self) -> String {
        if self.below(2) == 0 {
            self.bus.set_router(None, self.now());
            return "the router is lost".to_owned();
        }
        self.set_router();
        "the router comes back".to_owned()
    }

    pub(crate) fn set_protocol(&self, port: u32, errs: usize) {
        let token = if port == 1 { "fipa-contract-net" } else { "fipa-request" };
        let monitor = Monitor {
            shared: self.shared.clone(),
            tokens: vec![token.to_owned()],
            ams: self.bus.ams(),
            errs,
            meddle: self.meddler(),
        };
        self.bus.set_protocol(port, Some(Arc::new(monitor)));
    }

    fn meddler(&self) -> Box<dyn Fn() + Send + Sync> {
        let (bus, shared, clock) = (Arc::downgrade(&self.bus), self.shared.clone(), self.clock.clone());
        Box::new(move || {
            let Some(bus) = bus.upgrade() else { return };
            let now = *clock.lock().unwrap_or_else(PoisonError::into_inner);
            let mut chance = open(&shared);
            let agent = chance.chance.below(AGENTS);
            let comes = chance.chance.percent(50);
            drop(chance);
            // Either is refused when the agent is there already, or is not; both are fine.
            if comes {
                let _there = bus.deploy(spec_of(agent), Arc::new(Factory(shared.clone())), now).is_ok();
            } else {
                let _gone = bus.remove(&format!("agent{agent}"), now).is_ok();
            }
        })
    }

    fn toggle_protocol(&mut self) -> String {
        let port = 1 + self.below(2) as u32;
        match self.below(4) {
            0 => {
                self.bus.set_protocol(port, None);
                format!("protocol {port} is lost")
            }
            1 => {
                self.set_protocol(port, 40);
                format!("protocol {port} errs")
            }
            _ => {
                self.set_protocol(port, 0);
                format!("protocol {port} works")
            }
        }
    }

    pub(crate) fn claim(&mut self, client: usize) {
        let name = format!("client{client}");
        // Some clients are agents outside of the server.
        let labels = |name: &str| vec![name.into()].into();
        let claimed = match client % 2 {
            0 => self.bus.claim(&name, OWNER, self.client(), self.now()),
            _ => {
                let entry = AgentEntry {
                    name: name.as_str().into(),
                    capabilities: labels("x"),
                    groups: labels("a"),
                    ..AgentEntry::default()
                };
                self.bus.attach(entry, OWNER, self.client(), self.now())
            }
        };
        if let (Ok(address), Some(slot)) = (claimed, self.clients.get_mut(client)) {
            *slot = Some(address);
            self.journal.endpoints.insert(address);
            let mut shared = open(&self.shared);
            if !shared.direct.contains(&address) {
                shared.direct.push(address);
            }
        }
    }

    fn toggle_client(&mut self) -> String {
        let client = self.below(self.clients.len());
        match self.clients.get_mut(client).and_then(Option::take) {
            Some(address) => {
                let lost = open(&self.shared).chance.percent(50);
                let code = if lost { Code::ATTACHMENT_LOST } else { Code::NONE };
                self.bus.detach(address, code, self.now());
                format!("client{client} is {}", if lost { "lost" } else { "released" })
            }
            None => {
                self.claim(client);
                format!("client{client} is claimed")
            }
        }
    }

    /// Routes that no label stands for: to one agent, to several, to themselves.
    fn program(&mut self) -> String {
        let address = |name: &str| self.bus.address(name).unwrap_or_default();
        let (one, ring) = (address("route:r"), address("route:loop"));
        let target = address(&format!("agent{}", self.below(AGENTS)));
        let update =
            |address, mode, targets: Vec<u32>| RouteUpdate { address, mode, targets: targets.into() };
        let (what, update) = match self.below(4) {
            0 => ("no route", update(one, route::NONE, Vec::new())),
            1 => ("a route to one", update(one, route::ONE, vec![target])),
            2 => ("a route to none", update(one, route::ALL, Vec::new())),
            _ => ("a route to itself", update(ring, route::ALL, vec![ring, ring])),
        };
        self.bus.program(vec![update], self.now());
        what.to_owned()
    }
}

fn spec_of(agent: usize) -> AgentSpec {
    let labels = |names: [&str; 2]| match agent % 3 {
        0 => vec![names.concat().chars().take(1).collect::<String>()],
        1 => names.iter().map(|name| (*name).to_owned()).collect(),
        _ => Vec::new(),
    };
    AgentSpec {
        name: format!("agent{agent}"),
        groups: labels(["a", "b"]),
        capabilities: labels(["x", "y"]),
        mailbox_messages_max: (agent == 0).then_some(3),
        ..AgentSpec::default()
    }
}
