//! Composes a server from its configuration: each plugin is checked, loaded, created, started and connected to its ports.
//!
//! Exporters first, so that they see everything; then router and protocols; transports last, so that no message enters
//! before it can be routed and watched. A required plugin that fails stops the start; an optional one is shown as failed.

use std::{
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use caxton_abi::Code;
use caxton_core::Bus;
use serde_json::json;

use crate::{
    admin::{PluginDocument, PluginView, Readiness},
    clock::Clock,
    config::{Fault, Loaded, Plugin, plugins},
    plugin::{self, Deadlines, Inspection, Instance, Library, Options, Services, State},
    pump::Pump,
};

/// How long a plugin may take to end after it was drained.
const STOP: Duration = Duration::from_secs(5);

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
}

/// A configured plugin and what became of it.
pub struct Slot {
    name: String,
    required: bool,
    path: PathBuf,
    place: Mutex<Place>,
}

#[derive(Default)]
struct Place {
    inspection: Option<Inspection>,
    instance: Option<Arc<Instance>>,
    failure: Option<(Code, String)>,
}

impl Slot {
    fn new(loaded: &Loaded, plugin: &Plugin) -> Arc<Self> {
        Arc::new(Self {
            name: plugin.name.clone(),
            required: plugin.own.required,
            path: plugins::library(&loaded.config.server, plugin),
            place: Mutex::default(),
        })
    }

    fn place(&self) -> std::sync::MutexGuard<'_, Place> {
        self.place.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The running instance, if there is one.
    pub fn instance(&self) -> Option<Arc<Instance>> {
        self.place().instance.clone()
    }

    /// How early it starts: what it provides decides.
    fn rank(&self) -> usize {
        let place = self.place();
        let provides = place
            .inspection
            .as_ref()
            .map(|inspection| inspection.manifest.provides.clone())
            .unwrap_or_default();
        let order = ["exporter/1", "router/1", "protocol/1"];
        order.iter().position(|port| provides.iter().any(|provided| provided == port)).unwrap_or(order.len())
    }
}

impl PluginView for Slot {
    fn view(&self) -> PluginDocument {
        let place = self.place();
        let state = match (&place.instance, &place.failure) {
            (Some(instance), _) => instance.health(),
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
            path: self.path.display().to_string(),
            digest: inspection.map(|inspection| format!("sha256:{}", inspection.sha256)),
            abi: inspection.map(|inspection| format!("{}.{}", inspection.abi_major, inspection.abi_minor)),
            provides: inspection.map(|inspection| inspection.manifest.provides.clone()).unwrap_or_default(),
        }
    }
}

/// What was started, in order of start: also when composing ends in a refusal or is given up, so that the caller can
/// stop it.
#[derive(Default)]
pub struct Started(Mutex<Vec<Arc<Slot>>>);

impl Started {
    /// Takes what was started out.
    pub fn take(&self) -> Vec<Arc<Slot>> {
        std::mem::take(&mut *self.slots())
    }

    fn slots(&self) -> std::sync::MutexGuard<'_, Vec<Arc<Slot>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
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
            Err(faults) => give_up(&slot, &faults),
        }
    }
    let offered: Vec<Inspection> = ready.iter().map(|(.., library)| library.inspection().clone()).collect();
    let offered: Vec<&Inspection> = offered.iter().collect();
    let mut refused = Vec::new();
    ready.retain(|(slot, plugin, library)| {
        let missing = plugins::missing_ports(loaded, plugin, library.inspection(), &offered);
        if !missing.is_empty() && !slot.required {
            give_up(slot, &missing);
        } else {
            refused.extend(missing.clone());
        }
        missing.is_empty()
    });
    if !refused.is_empty() {
        return Err(refused);
    }
    ready.sort_by_key(|(slot, ..)| slot.rank());
    for (number, (slot, plugin, library)) in ready.into_iter().enumerate() {
        match start(plugin, &slot, &library, number, sockets).await {
            Ok(()) => started.slots().push(slot),
            Err(fault) if slot.required => return Err(vec![fault]),
            Err(fault) => give_up(&slot, &[fault]),
        }
    }
    Ok(())
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
fn load(loaded: &Loaded, plugin: &Plugin, slot: &Slot) -> Result<Library, Vec<Fault>> {
    let refused = |error: plugin::LoadError| {
        vec![Fault::new(error.code(), format!("plugin `{}`: {error}", plugin.name))]
    };
    let inspection = plugin::inspect(&slot.path).map_err(refused)?;
    let faults = plugins::keys(loaded, plugin, &inspection);
    slot.place().inspection = Some(inspection);
    if !faults.is_empty() {
        return Err(faults);
    }
    plugin::load(&slot.path, plugin.own.digest.as_deref()).map_err(refused)
}

async fn start(
    plugin: &Plugin,
    slot: &Slot,
    library: &Library,
    number: usize,
    sockets: &Sockets,
) -> Result<(), Fault> {
    let fault = |failure: plugin::Failure| Fault::new(failure.code, failure.message);
    let millis = Duration::from_millis;
    let options = Options {
        name: plugin.name.clone(),
        config: serde_json::Value::Object(plugin.config.clone()).to_string(),
        worker_threads: plugin.own.worker_threads,
        deadlines: Deadlines {
            start: millis(plugin.own.start_ms),
            drain: millis(plugin.own.drain_ms),
            stop: STOP,
        },
    };
    let instance = Instance::create(library, options, Arc::clone(&sockets.services)).await.map_err(fault)?;
    slot.place().instance = Some(Arc::clone(&instance));
    connect(&instance, number, sockets);
    if let Err(failure) = instance.start().await {
        let _kept_as_failed = instance.stop().await;
        return Err(fault(failure));
    }
    tracing::info!(plugin = %plugin.name, version = %instance.inspection().manifest.version, "plugin running");
    Ok(())
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
