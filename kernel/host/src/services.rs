//! What plugins may ask of the server, over the bus and the control operations.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, OnceLock, PoisonError},
};

use caxton_abi::{
    Code, Envelope, EventName, Payload, Signal, Uid,
    port::{AgentEntry, Outcome, RouteUpdate},
};
use caxton_core::{Bus, UnderWay, port::EndpointRef, store::Answer};

use crate::{
    admin::{self, Admin},
    clock::Clock,
    logging,
    news::logs::Source,
    plugin::{Failure, Services, State, host_table::Control},
    workers::Workers,
};
use tokio::sync::Notify;

/// Tells what the server as a whole does: a state, and a reason after a blank.
pub(crate) fn tell_state(bus: &Bus, clock: Clock, text: String) {
    let signal = Signal {
        time_ns: clock.now().nanos(),
        name: EventName::SERVER_STATE,
        level: 3,
        text: text.into(),
        ..Signal::default()
    };
    bus.emit(vec![signal]);
}

/// The target of the line with which the SDK tells of a panic.
const PANIC_TARGET: &str = "caxton_plugin::panic";

/// The server behind the table that each plugin receives.
pub struct Server {
    bus: Arc<Bus>,
    clock: Clock,
    admin: OnceLock<Arc<Admin>>,
    /// Numbers of plugins as owners of addresses, by name.
    owners: Mutex<BTreeMap<String, u32>>,
    /// Told when a plugin failed.
    pub failed: Arc<Notify>,
    workers: OnceLock<Arc<Workers>>,
}

impl Server {
    /// Makes the services; control operations are refused until [`Server::open`].
    pub fn new(bus: Arc<Bus>, clock: Clock) -> Arc<Self> {
        Arc::new(Self {
            bus,
            clock,
            admin: OnceLock::new(),
            owners: Mutex::default(),
            failed: Arc::default(),
            workers: OnceLock::new(),
        })
    }

    /// Gives plugins the control operations.
    pub fn open(&self, admin: Arc<Admin>) {
        let _only_once = self.admin.set(admin);
    }

    /// Lets threads that plugins lend run agents.
    pub fn lend_to(&self, workers: Arc<Workers>) {
        let _only_once = self.workers.set(workers);
    }

    /// Records a signal about a plugin.
    fn record(&self, name: EventName, code: Code, level: u8, text: String) {
        let text = text.trim_end().to_owned().into();
        let signal =
            Signal { time_ns: self.clock.now().nanos(), name, code, level, text, ..Signal::default() };
        self.bus.emit(vec![signal]);
    }

    fn owner(&self, plugin: &str) -> u32 {
        let mut owners = self.owners.lock().unwrap_or_else(PoisonError::into_inner);
        let next = u32::try_from(owners.len()).unwrap_or(u32::MAX).saturating_add(1);
        *owners.entry(plugin.to_owned()).or_insert(next)
    }
}

impl Services for Server {
    fn submit(&self, _plugin: &str, batch: Vec<Envelope>) -> Vec<Outcome> {
        self.bus.submit(batch, self.clock.now())
    }

    fn submit_and_lend(&self, plugin: &str, batch: Vec<Envelope>) -> Vec<Outcome> {
        match self.workers.get().and_then(|workers| workers.lend()) {
            Some(lender) => lender.submit(batch),
            None => self.submit(plugin, batch),
        }
    }

    fn submit_and_wait(&self, _plugin: &str, batch: Vec<Envelope>, answer: Answer) {
        self.bus.submit_and_wait(batch, self.clock.now(), answer);
    }

    fn claim(&self, plugin: &str, name: &str, endpoint: EndpointRef) -> Result<u32, Failure> {
        let claimed = self.bus.claim(name, self.owner(plugin), endpoint, self.clock.now());
        claimed.map_err(|refusal| Failure::new(refusal.code, refusal.detail))
    }

    fn release(&self, address: u32) {
        self.bus.release(address, self.clock.now());
    }

    fn attach(&self, plugin: &str, entry: AgentEntry, endpoint: EndpointRef) -> Result<u32, Failure> {
        admin::labels(&entry)?;
        admin::local_name(&self.bus, &entry.name)?;
        let attached = self.bus.attach(entry, self.owner(plugin), endpoint, self.clock.now());
        attached.map_err(|refusal| Failure::new(refusal.code, refusal.detail))
    }

    fn relabel(&self, address: u32, entry: AgentEntry) -> Result<(), Failure> {
        admin::labels(&entry)?;
        self.bus.relabel(address, entry, self.clock.now());
        Ok(())
    }

    fn detach(&self, address: u32, code: Code) {
        self.bus.detach(address, code, self.clock.now());
    }

    fn transfer(&self, address: u32, endpoint: EndpointRef, under_way: UnderWay) {
        self.bus.transfer(address, endpoint, under_way, self.clock.now());
    }

    fn program(&self, routes: Vec<RouteUpdate>) {
        self.bus.program(routes, self.clock.now());
    }

    fn addresses(&self, names: &[&str]) -> Vec<u32> {
        names.iter().map(|name| self.bus.address(name).unwrap_or_default()).collect()
    }

    fn names(&self, addresses: &[u32]) -> Vec<String> {
        let directory = self.bus.directory();
        addresses.iter().map(|address| directory.name_of(*address).unwrap_or_default()).collect()
    }

    fn symbol(&self, text: &str) -> u32 {
        self.bus.directory().intern(text)
    }

    fn symbols(&self, symbols: &[u32]) -> Vec<String> {
        let known = self.bus.symbol_names(symbols);
        symbols.iter().map(|symbol| known.get(symbol).cloned().unwrap_or_default()).collect()
    }

    fn platform(&self) -> String {
        self.bus.platform().to_owned()
    }

    fn mint(&self) -> Uid {
        self.bus.mint(self.clock.now())
    }

    fn now_ns(&self) -> u64 {
        self.clock.now().nanos()
    }

    fn emit(&self, signals: Vec<Signal>) {
        self.bus.emit(signals);
    }

    fn log_level(&self, _target: &str) -> u8 {
        logging::level()
    }

    fn log(&self, plugin: &str, level: u8, target: &str, line: &str, fields: &str) {
        let source = if target.is_empty() { plugin } else { target };
        logging::line(level, source, line, fields);
        if let Some(admin) = self.admin.get() {
            let from = Source::Plugin(plugin.to_owned());
            admin.pump.news().log(self.clock.now(), level, from, line, fields);
        }
        match target == PANIC_TARGET {
            true => {
                self.record(EventName::PLUGIN_PANIC, Code::PLUGIN_PANICKED, level, format!("{plugin} {line}"))
            }
            false => self.record(EventName::LOG, Code::NONE, level, format!("{source} {line}")),
        }
    }

    fn control(&self, _plugin: &str, verb: &str, request: Payload) -> Control {
        let Some(admin) = self.admin.get().cloned() else {
            let failure = Failure::new(Code::PLUGIN_UNAVAILABLE, "the server is starting: try again");
            return Box::pin(std::future::ready(Err(failure)));
        };
        let verb = verb.to_owned();
        Box::pin(async move {
            match admin.invoke(&verb, request).await {
                Ok(document) => Ok(document),
                Err(refused) => Err(refused.into()),
            }
        })
    }

    fn plugin_state(&self, plugin: &str, state: &State) {
        let (code, reason) = match state {
            State::Failed { code, reason } => (*code, reason.as_str()),
            State::Degraded(reason) => (Code::NONE, reason.as_str()),
            _ => (Code::NONE, ""),
        };
        match state {
            State::Failed { code, reason } => tracing::error!(plugin, %code, reason, "plugin failed"),
            State::Degraded(reason) => tracing::warn!(plugin, reason, "plugin degraded"),
            other => tracing::debug!(plugin, state = other.as_str(), "plugin state"),
        }
        if matches!(state, State::Failed { .. }) {
            self.failed.notify_one();
        }
        let level = if code.is_none() { 3 } else { 5 };
        self.record(EventName::PLUGIN_STATE, code, level, format!("{plugin} {} {reason}", state.as_str()));
    }
}
