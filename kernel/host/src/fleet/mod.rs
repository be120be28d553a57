//! Every configured plugin while the server runs: exchanged under load, restarted when it fails, watched for hung calls,
//! changed with the configuration.
//!
//! ```text
//!   plugins.reload ─▶ reload: inspect ─ load beside ─ create ─ start ─ connect ─▶ the old one drains in the background
//!   SIGHUP ─▶ reconfigure: check everything, then add · remove · reload
//!   a plugin failed ─▶ revive: after a pause, the same library again beside the failed one
//!   watchdog ─▶ a call that lasts too long fails its plugin; a worker in it gets a substitute
//! ```
//!
//! Bounds: [`GENERATIONS_MAX`] libraries of a plugin, [`RETIRING_MAX`] instances that drain. A hung thread of a native
//! plugin cannot be ended; it is left behind.

mod connect;
mod reconfigure;
mod reload;
mod revive;
mod store;

use std::{
    collections::BTreeMap,
    path::PathBuf,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::Duration,
};

use caxton_abi::Code;
use tokio::{sync::Notify, task::JoinSet};

use crate::{
    compose::{Slot, Sockets},
    config::{
        Config, Loaded, Plugin,
        effective::{Effective, effective},
    },
    plugin::{Failure, Instance, State},
    workers::Workers,
};

/// Different libraries that are loaded for one plugin: they are never unloaded, and cost some megabytes each.
pub const GENERATIONS_MAX: usize = 16;
/// Instances that drain at the same time, over all plugins.
pub const RETIRING_MAX: usize = 64;
/// How often the watchdog looks; a hung call is found that much late.
const WATCH: Duration = Duration::from_millis(100);

/// Every configured plugin, and what is needed to exchange it.
pub struct Fleet {
    sockets: Sockets,
    workers: Arc<Workers>,
    /// In the order of their start; what did not start comes last.
    slots: Mutex<Vec<Arc<Slot>>>,
    /// The configuration as it was read last.
    loaded: Mutex<Loaded>,
    /// What the server was started with.
    started_with: Config,
    /// Held while the configuration is read again.
    configuring: tokio::sync::Mutex<()>,
    retiring: Mutex<JoinSet<()>>,
    failed: Arc<Notify>,
    ending: AtomicBool,
}

/// What the next instance of a plugin is made from.
struct Wanted {
    table: Plugin,
    path: PathBuf,
    loaded: Loaded,
}

impl Fleet {
    /// Takes over what was composed; `failed` is told when a plugin failed.
    pub fn new(
        loaded: &Loaded,
        sockets: Sockets,
        workers: Arc<Workers>,
        slots: Vec<Arc<Slot>>,
        failed: Arc<Notify>,
    ) -> Arc<Self> {
        Arc::new(Self {
            sockets,
            workers,
            slots: Mutex::new(slots),
            loaded: Mutex::new(loaded.clone()),
            started_with: loaded.config.clone(),
            configuring: tokio::sync::Mutex::default(),
            retiring: Mutex::default(),
            failed,
            ending: AtomicBool::new(false),
        })
    }

    /// Begins to look after the plugins.
    ///
    /// # Errors
    /// The operating system gives no thread.
    pub fn attend(self: &Arc<Self>) -> std::io::Result<()> {
        tokio::spawn(Arc::clone(self).supervise());
        let fleet = Arc::clone(self);
        let watch = move || {
            while !fleet.ending.load(Ordering::SeqCst) {
                fleet.watch();
                thread::sleep(WATCH);
            }
        };
        thread::Builder::new().name("watchdog".into()).spawn(watch)?;
        Ok(())
    }

    /// Exchanges and restarts nothing any more; answers with the plugins in the order of their start.
    pub fn end(&self) -> Vec<Arc<Slot>> {
        self.ending.store(true, Ordering::SeqCst);
        self.slots().clone()
    }

    /// Waits until the instances that still drain have ended; each has its own deadline.
    pub async fn retired(&self) {
        let mut retiring = std::mem::take(&mut *self.retiring());
        while retiring.join_next().await.is_some() {}
    }

    /// How long a stop waits for work to finish.
    pub fn drain_ms(&self) -> u64 {
        self.loaded().config.server.drain_ms
    }

    /// The configuration as it was read last. What needs a restart is shown as it will be then.
    pub fn effective(&self) -> Effective {
        let loaded = self.loaded().clone();
        let mut inspected = BTreeMap::new();
        for slot in self.slots().clone() {
            if let Some(inspection) = slot.place().inspection.clone() {
                inspected.insert(slot.name.clone(), inspection);
            }
        }
        effective(&loaded, &inspected)
    }

    /// Fails what hangs, and lets the workers go on.
    fn watch(&self) {
        let slots = self.slots().clone();
        for slot in slots {
            let (instances, longest) = {
                let place = slot.place();
                let older = place.older.iter().filter_map(std::sync::Weak::upgrade);
                let instances: Vec<_> = place.instance.iter().cloned().chain(older).collect();
                (instances, Duration::from_millis(place.table.own.call_ms_max))
            };
            for instance in instances {
                let stuck = instance.expire(longest);
                if !stuck.is_empty() {
                    self.workers.substitute(&stuck);
                }
            }
        }
    }

    fn slot(&self, name: &str) -> Result<Arc<Slot>, Failure> {
        self.slots().iter().find(|slot| slot.name == name).cloned().ok_or_else(|| {
            let text = format!("no plugin `{name}` is configured: list them with `caxton get plugins`");
            Failure::new(Code::PLUGIN_NOT_FOUND, text)
        })
    }

    fn slots(&self) -> MutexGuard<'_, Vec<Arc<Slot>>> {
        self.slots.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn loaded(&self) -> MutexGuard<'_, Loaded> {
        self.loaded.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn retiring(&self) -> MutexGuard<'_, JoinSet<()>> {
        self.retiring.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Refuses work once the server ends.
    fn goes_on(&self) -> Result<(), Failure> {
        match self.ending.load(Ordering::SeqCst) {
            true => {
                Err(Failure::new(Code::SHUTTING_DOWN, "the server stops: plugins are not exchanged any more"))
            }
            false => Ok(()),
        }
    }
}

/// Runs what may call a plugin, and so block, on a thread for that.
async fn blocking<T: Send + 'static>(run: impl FnOnce() -> T + Send + 'static) -> Result<T, Failure> {
    let done = tokio::task::spawn_blocking(run).await;
    done.map_err(|error| Failure::new(Code::INTERNAL, format!("the server panicked: {error}")))
}

/// True while the instance does its work.
fn works(instance: &Instance) -> bool {
    matches!(instance.state(), State::Running | State::Degraded(_))
}
