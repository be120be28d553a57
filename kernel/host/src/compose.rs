//! Composes a server from its configuration: each plugin is checked, loaded, created, started and connected to its ports.
//!
//! The store first, because it is read before anything is sent; exporters next, so that they see everything; then router
//! and protocols; then what was kept and deployed comes back; transports last, so that no message enters
//! before it can be routed and watched. A required plugin that fails stops the start; an optional one is shown as failed.

use std::{
    collections::VecDeque,
    path::PathBuf,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, Weak,
        atomic::{AtomicU32, Ordering},
    },
    time::{Duration, Instant},
};

use caxton_abi::Code;
use caxton_core::Bus;
use serde_json::json;

use crate::{
    admin::{Admin, PluginDocument, PluginView, Readiness},
    clock::Clock,
    config::{Fault, Loaded, Plugin, plugins},
    plugin::{self, Deadlines, Failure, Inspection, Instance, Library, Options, Services, State},
    pump::Pump,
    store::{Port, Storage},
};

/// How long a plugin may take to end after it was drained.
const STOP: Duration = Duration::from_secs(5);

/// Ports in the order in which plugins that provide them start; all others start last.
const PORTS_FIRST: [&str; 4] = ["store/1", "exporter/1", "router/1", "protocol/1"];

/// What plugins are connected to.
pub struct Sockets {
    /// Routers, protocols and endpoints go here.
    pub bus: Arc<Bus>,
    /// The server's clock.
    pub clock: Clock,
    /// Exporters go here.
    pub pump: Arc<Pump>,
    /// What each plugin may ask.
    pub services: Arc<dyn Services>,
    /// Where each plugin is shown.
    pub readiness: Arc<Readiness>,
    /// Stores go here.
    pub storage: Arc<Storage>,
    /// Deploys agents that come back.
    pub admin: Arc<Admin>,
}

/// A configured plugin and what became of it.
pub struct Slot {
    pub(crate) name: String,
    required: bool,
    /// The core's number for its protocol port.
    number: AtomicU32,
    place: Mutex<Place>,
    /// Held while its instance is exchanged.
    pub(crate) busy: Arc<tokio::sync::Mutex<()>>,
}

/// What a plugin is made from, and what runs of it.
pub(crate) struct Place {
    pub(crate) table: Plugin,
    pub(crate) path: PathBuf,
    pub(crate) inspection: Option<Inspection>,
    pub(crate) instance: Option<Arc<Instance>>,
    pub(crate) failure: Option<(Code, String)>,
    /// Every library that was loaded for it, the latest last; they stay mapped.
    pub(crate) libraries: Vec<Library>,
    /// When it was restarted, within the window.
    pub(crate) restarts: VecDeque<Instant>,
    /// It failed too often and is not restarted any more.
    pub(crate) given_up: bool,
    /// Instances that were started.
    pub(crate) generation: u32,
    /// Instances that may still drain.
    pub(crate) older: Vec<Weak<Instance>>,
}

impl Slot {
    pub(crate) fn new(loaded: &Loaded, plugin: &Plugin) -> Arc<Self> {
        let place = Place {
            table: plugin.clone(),
            path: plugins::library(&loaded.config.server, plugin),
            inspection: None,
            instance: None,
            failure: None,
            libraries: Vec::new(),
            restarts: VecDeque::new(),
            given_up: false,
            generation: 0,
            older: Vec::new(),
        };
        Arc::new(Self {
            name: plugin.name.clone(),
            required: plugin.own.required,
            number: AtomicU32::new(u32::MAX),
            place: Mutex::new(place),
            busy: Arc::default(),
        })
    }

    /// The core's number for its protocol port.
    pub(crate) fn number(&self) -> u32 {
        self.number.load(Ordering::Relaxed)
    }

    /// Gives it a number when it has none, because it could not be loaded at the start.
    pub(crate) fn number_if_none(&self, number: usize) {
        let number = u32::try_from(number).unwrap_or(u32::MAX);
        let _has_one = self.number.compare_exchange(u32::MAX, number, Ordering::Relaxed, Ordering::Relaxed);
    }

    pub(crate) fn place(&self) -> MutexGuard<'_, Place> {
        self.place.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The running instance, if there is one.
    pub fn instance(&self) -> Option<Arc<Instance>> {
        self.place().instance.clone()
    }

    /// How early it starts: what it provides decides.
    pub(crate) fn rank(&self) -> usize {
        let place = self.place();
        let provides = place
            .inspection
            .as_ref()
            .map(|inspection| inspection.manifest.provides.clone())
            .unwrap_or_default();
        let order = PORTS_FIRST;
        order.iter().position(|port| provides.iter().any(|provided| provided == port)).unwrap_or(order.len())
    }
}

impl PluginView for Slot {
    fn view(&self) -> PluginDocument {
        // The plugin is asked without the lock: it may hang.
        let health = self.instance().map(|instance| instance.health());
        let place = self.place();
        let state = match (health, &place.failure) {
            (Some(health), _) => health,
            (None, Some((code, reason))) => State::Failed { code: *code, reason: reason.clone() },
            (None, None) if place.inspection.is_some() => State::Verified,
            (None, None) => State::Discovered,
        };
        let (code, reason) = match &state {
            State::Failed { code, reason } => (Some(code.to_string()), Some(reason.clone())),
            State::Degraded(reason) => (None, Some(reason.clone())),
            _ => (None, None),
        };
        let inspection = place.inspection.as_ref();
        PluginDocument {
            kind: "caxton.plugin/v1",
            name: self.name.clone(),
            version: inspection.map(|inspection| inspection.manifest.version.clone()).unwrap_or_default(),
            state: state.as_str(),
            required: self.required,
            code,
            health: json!({"status": state.as_str(), "detail": reason}),
            reason,
            path: place.path.display().to_string(),
            generation: place.generation,
            restarts: place.restarts.len(),
            digest: inspection.map(|inspection| format!("sha256:{}", inspection.sha256)),
            abi: inspection.map(|inspection| format!("{}.{}", inspection.abi_major, inspection.abi_minor)),
            provides: inspection.map(|inspection| inspection.manifest.provides.clone()).unwrap_or_default(),
            verbs: inspection.map(|inspection| inspection.manifest.verbs.clone()).unwrap_or_default(),
        }
    }

    fn serves(&self, family: &str) -> Option<Result<Arc<Instance>, Failure>> {
        let place = self.place();
        let verbs = &place.inspection.as_ref()?.manifest.verbs;
        verbs.iter().any(|verb| verb == family).then(|| {
            place.instance.clone().ok_or_else(|| {
                let why = place.failure.as_ref().map_or("is not running", |(_, reason)| reason);
                let text = format!("plugin `{}`, which offers `{family}`: {why}", self.name);
                Failure::new(Code::PLUGIN_UNAVAILABLE, text)
            })
        })
    }
}

/// What was started, in order of start: also when composing ends in a refusal or is given up, so that the caller can
/// stop it. And what is configured and did not start.
#[derive(Default)]
pub struct Started {
    started: Mutex<Vec<Arc<Slot>>>,
    others: Mutex<Vec<Arc<Slot>>>,
}

impl Started {
    /// Takes what was started out.
    pub fn take(&self) -> Vec<Arc<Slot>> {
        std::mem::take(&mut *self.slots())
    }

    /// Takes out what is optional and did not start.
    pub fn take_others(&self) -> Vec<Arc<Slot>> {
        std::mem::take(&mut *self.others())
    }

    fn slots(&self) -> MutexGuard<'_, Vec<Arc<Slot>>> {
        self.started.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn others(&self) -> MutexGuard<'_, Vec<Arc<Slot>>> {
        self.others.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Loads and starts every enabled plugin.
///
/// # Errors
/// The faults of the first required plugin that cannot run, or of all whose required ports nobody offers.
pub async fn compose(loaded: &Loaded, sockets: &Sockets, started: &Started) -> Result<(), Vec<Fault>> {
    let mut ready = Vec::new();
    for plugin in loaded.config.plugins.iter().filter(|plugin| plugin.own.enabled) {
        let slot = Slot::new(loaded, plugin);
        sockets.readiness.add(Arc::clone(&slot) as Arc<dyn PluginView>);
        match load(loaded, plugin, &slot) {
            Ok(library) => ready.push((slot, plugin, library)),
            Err(faults) if slot.required => return Err(faults),
            Err(faults) => {
                give_up(&slot, &faults);
                started.others().push(slot);
            }
        }
    }
    let offered: Vec<Inspection> = ready.iter().map(|(.., library)| library.inspection().clone()).collect();
    let offered: Vec<&Inspection> = offered.iter().collect();
    let mut refused = Vec::new();
    ready.retain(|(slot, plugin, library)| {
        let missing = plugins::missing_ports(loaded, plugin, library.inspection(), &offered);
        if !missing.is_empty() && !slot.required {
            give_up(slot, &missing);
            started.others().push(Arc::clone(slot));
        } else {
            refused.extend(missing.clone());
        }
        missing.is_empty()
    });
    let inspected = ready.iter().map(|(_, plugin, library)| (*plugin, library.inspection()));
    let inspected: Vec<_> = inspected.collect();
    refused.extend(plugins::several_stores(loaded, inspected.iter().copied()));
    refused.extend(plugins::families(loaded, &inspected));
    if !refused.is_empty() {
        return Err(refused);
    }
    ready.sort_by_key(|(slot, ..)| slot.rank());
    let mut came_back = false;
    for (number, (slot, plugin, library)) in ready.into_iter().enumerate() {
        if slot.rank() == PORTS_FIRST.len() && !std::mem::replace(&mut came_back, true) {
            come_back(sockets).await;
        }
        match start(plugin, &slot, &library, number, sockets).await {
            Ok(()) => started.slots().push(slot),
            Err(fault) if slot.required => return Err(vec![fault]),
            Err(fault) => {
                give_up(&slot, &[fault]);
                started.others().push(slot);
            }
        }
    }
    if !came_back {
        come_back(sockets).await;
    }
    Ok(())
}

/// Gives the core and the agents back what the store held.
async fn come_back(sockets: &Sockets) {
    let (storage, admin) = (Arc::clone(&sockets.storage), Arc::clone(&sockets.admin));
    if let Err(error) = tokio::task::spawn_blocking(move || storage.take_over(&admin)).await {
        tracing::error!(%error, "what the store held was not taken over");
    }
}

fn give_up(slot: &Slot, faults: &[Fault]) {
    for fault in faults {
        tracing::warn!(plugin = %slot.name, %fault, "optional plugin is not running");
    }
    let code = faults.first().map_or(Code::INTERNAL, |fault| fault.code);
    let reasons: Vec<String> = faults.iter().map(ToString::to_string).collect();
    slot.place().failure = Some((code, reasons.join("; ")));
}

/// Checks a plugin's file and its keys, and loads it; nothing of it runs before both passed.
pub(crate) fn load(loaded: &Loaded, plugin: &Plugin, slot: &Slot) -> Result<Library, Vec<Fault>> {
    let refused = |error: plugin::LoadError| {
        vec![Fault::new(error.code(), format!("plugin `{}`: {error}", plugin.name))]
    };
    let path = slot.place().path.clone();
    let inspection = plugin::inspect(&path).map_err(refused)?;
    let faults = plugins::keys(loaded, plugin, &inspection);
    slot.place().inspection = Some(inspection);
    if !faults.is_empty() {
        return Err(faults);
    }
    let library = plugin::load(&path, plugin.own.digest.as_deref()).map_err(refused)?;
    slot.place().libraries.push(library.clone());
    Ok(library)
}

/// How an instance of a plugin is made from its table.
pub(crate) fn options(plugin: &Plugin, config: &serde_json::Map<String, serde_json::Value>) -> Options {
    let millis = Duration::from_millis;
    Options {
        name: plugin.name.clone(),
        config: serde_json::Value::Object(config.clone()).to_string(),
        worker_threads: plugin.own.worker_threads,
        deadlines: Deadlines {
            start: millis(plugin.own.start_ms),
            drain: millis(plugin.own.drain_ms),
            stop: STOP,
        },
    }
}

pub(crate) async fn start(
    plugin: &Plugin,
    slot: &Slot,
    library: &Library,
    number: usize,
    sockets: &Sockets,
) -> Result<(), Fault> {
    let fault = |failure: plugin::Failure| Fault::new(failure.code, failure.message);
    let options = options(plugin, &plugin.config);
    slot.number.store(u32::try_from(number).unwrap_or(u32::MAX), Ordering::Relaxed);
    let instance = Instance::create(library, options, Arc::clone(&sockets.services)).await.map_err(fault)?;
    slot.place().instance = Some(Arc::clone(&instance));
    connect(&instance, number, sockets);
    if let Err(failure) = instance.start().await {
        let _kept_as_failed = instance.stop().await;
        return Err(fault(failure));
    }
    if let Err(failure) = open_store(&instance, slot.required, sockets).await {
        let _already_failing = instance.stop().await;
        slot.place().instance = None;
        return Err(fault(failure));
    }
    slot.place().generation = 1;
    tracing::info!(plugin = %plugin.name, version = %instance.inspection().manifest.version, "plugin running");
    Ok(())
}

/// Reads the instance's store, when it offers one; nobody writes to it before.
async fn open_store(instance: &Instance, required: bool, sockets: &Sockets) -> Result<(), plugin::Failure> {
    let Some(port) = instance.ports().store.clone() else { return Ok(()) };
    let (storage, name) = (Arc::clone(&sockets.storage), instance.name().to_owned());
    let opened =
        tokio::task::spawn_blocking(move || storage.open(&name, required, port as Arc<dyn Port>)).await;
    opened.unwrap_or_else(|error| Err(plugin::Failure::new(Code::INTERNAL, error.to_string())))
}

/// Gives the core what the instance offers. Endpoints are connected by claiming addresses.
fn connect(instance: &Instance, number: usize, sockets: &Sockets) {
    let ports = instance.ports().clone();
    if let Some(exporter) = ports.exporter {
        sockets.pump.add(exporter);
    }
    if let Some(router) = ports.router {
        sockets.bus.set_router(Some(router), sockets.clock.now());
    }
    if let Some(protocol) = ports.protocol {
        sockets.bus.set_protocol(u32::try_from(number).unwrap_or(u32::MAX), Some(protocol));
    }
}
