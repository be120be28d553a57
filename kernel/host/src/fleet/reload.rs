//! Exchanges the instance of a plugin under load: the new one beside the old, the old one drained.

use std::{
    fs,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use caxton_abi::{Code, EventName, Payload, Signal};
use serde_json::{Map, Value};
use tokio::sync::OwnedMutexGuard;

use super::{Fleet, GENERATIONS_MAX, RETIRING_MAX, Wanted, blocking, store, works};
use crate::{
    compose::{self, Slot},
    config::plugins,
    plugin::{self, Failure, Inspection, Instance, Library, LoadError},
};

/// How long the old instance may take to say what it hands over.
const HANDOVER: Duration = Duration::from_secs(2);

impl Fleet {
    /// Exchanges a plugin for a new instance, of another file when one is given. Answers when the new one has taken
    /// over; the old one drains in the background.
    ///
    /// # Errors
    /// [`Code::PLUGIN_NOT_FOUND`], [`Code::PLUGIN_BUSY`], [`Code::PLUGIN_GENERATIONS`],
    /// [`Code::PLUGIN_SNAPSHOT_REFUSED`], or why the new version cannot be loaded, created or started. The old instance
    /// goes on as before.
    pub async fn reload(
        self: &Arc<Self>,
        name: &str,
        library: Option<PathBuf>,
    ) -> Result<Arc<Slot>, Failure> {
        self.goes_on()?;
        let slot = self.slot(name)?;
        let busy = take(&slot)?;
        let loaded = self.loaded().clone();
        let (table, current) = {
            let place = slot.place();
            (place.table.clone(), place.path.clone())
        };
        let path = match library {
            Some(library) => {
                let mut named = table.clone();
                named.own.library = Some(library);
                let path = plugins::library(&loaded.config.server, &named);
                // Links on the way would let the judged path lead elsewhere.
                let path = fs::canonicalize(&path).unwrap_or(path);
                trusted(&path)?;
                path
            }
            None => current,
        };
        self.exchange(&slot, Wanted { table, path, loaded }, busy).await?;
        Ok(slot)
    }

    /// Makes an instance of what is wanted and lets it take over. Goes on to its end when nobody waits any more.
    pub(super) async fn exchange(
        self: &Arc<Self>,
        slot: &Arc<Slot>,
        wanted: Wanted,
        busy: OwnedMutexGuard<()>,
    ) -> Result<(), Failure> {
        let (fleet, slot) = (Arc::clone(self), Arc::clone(slot));
        let task = tokio::spawn(async move {
            let result = fleet.bring_in(&slot, wanted).await;
            drop(busy);
            // It may have failed meanwhile.
            fleet.failed.notify_one();
            result
        });
        let panicked = |error| Err(Failure::new(Code::INTERNAL, format!("the server panicked: {error}")));
        task.await.unwrap_or_else(panicked)
    }

    async fn bring_in(&self, slot: &Arc<Slot>, wanted: Wanted) -> Result<(), Failure> {
        self.has_room()?;
        let old = slot.instance();
        slot.number_if_none(self.next_number());
        let (of, table, path) = (Arc::clone(slot), wanted.table.clone(), wanted.path.clone());
        let loaded = wanted.loaded.clone();
        let changed = slot.place().table.config.clone();
        let library = blocking(move || prepare(&of, &Wanted { table, path, loaded })).await??;
        self.families_fit(slot, library.inspection())?;
        if store::is_store(library.inspection()) {
            return self.exchange_store(slot, wanted, &library).await;
        }
        let config = match &old {
            Some(old) if works(old) => overlaid(&wanted, library.inspection(), handover(old).await, &changed),
            // What a failed instance holds, such as a listener, ends before the next one starts.
            Some(old) => {
                old.discard().await;
                wanted.table.config.clone()
            }
            None => wanted.table.config.clone(),
        };
        let older = older(slot, old.as_ref());
        let options = compose::options(&wanted.table, &config);
        let services = Arc::clone(&self.sockets.services);
        let new = Instance::create_beside(&library, options, services, old.as_deref(), &older).await?;
        let took_over = match new.start().await {
            Ok(()) => self.connect(slot, &new, old.as_ref()).await,
            Err(failure) => Err(failure),
        };
        if let Err(failure) = took_over {
            let _goes_anyway = new.stop().await;
            return Err(failure);
        }
        new.settle();
        self.install(slot, wanted, &new);
        if let Some(old) = old {
            self.retire(slot, old);
        }
        Ok(())
    }

    /// Another version may answer other operations, unless another plugin does.
    fn families_fit(&self, slot: &Slot, new: &Inspection) -> Result<(), Failure> {
        let slots = self.slots().clone();
        let others = slots.iter().filter(|other| other.name != slot.name);
        let others: Vec<_> = others
            .filter_map(|other| Some((other.name.clone(), other.place().inspection.clone()?)))
            .collect();
        let others = others.iter().map(|(name, inspection)| (name.as_str(), inspection));
        plugins::family_fault(new, others)
            .map_err(|what| Failure::new(Code::CONFIG_CONFLICT, format!("plugin `{}`: {what}", slot.name)))
    }

    fn has_room(&self) -> Result<(), Failure> {
        let mut retiring = self.retiring();
        while retiring.try_join_next().is_some() {}
        if retiring.len() < RETIRING_MAX {
            return Ok(());
        }
        let text =
            format!("{RETIRING_MAX} old instances of plugins still drain: try again when they have ended");
        Err(Failure::new(Code::PLUGIN_BUSY, text))
    }

    pub(super) fn install(&self, slot: &Slot, wanted: Wanted, new: &Arc<Instance>) {
        let version = new.inspection().manifest.version.clone();
        let generation = {
            let mut place = slot.place();
            place.table = wanted.table;
            place.path = wanted.path;
            place.inspection = Some(new.inspection().clone());
            place.instance = Some(Arc::clone(new));
            place.failure = None;
            place.given_up = false;
            place.generation += 1;
            place.generation
        };
        let signal = Signal {
            time_ns: self.sockets.clock.now().nanos(),
            name: EventName::PLUGIN_RELOADED,
            level: 3,
            value: u64::from(generation),
            text: format!("{} {version}", slot.name).into(),
            ..Signal::default()
        };
        self.sockets.bus.emit(vec![signal]);
        tracing::info!(plugin = %slot.name, version, generation, "plugin exchanged");
    }

    /// Lets an instance finish what it holds, and ends it.
    pub(super) fn retire(&self, slot: &Slot, old: Arc<Instance>) {
        let mut place = slot.place();
        place.older.retain(|older| older.strong_count() > 0);
        place.older.push(Arc::downgrade(&old));
        drop(place);
        self.retiring().spawn(async move {
            if works(&old)
                && let Err(failure) = old.drain().await
            {
                tracing::warn!(plugin = old.name(), code = %failure.code, reason = %failure.message, "drain");
            }
            let _logged_by_its_fence = old.stop().await;
        });
    }
}

/// Takes the right to exchange a plugin.
pub(super) fn take(slot: &Slot) -> Result<OwnedMutexGuard<()>, Failure> {
    let busy = |_| {
        let text = format!("plugin `{}` is being reloaded or restarted: try again when it runs", slot.name);
        Failure::new(Code::PLUGIN_BUSY, text)
    };
    Arc::clone(&slot.busy).try_lock_owned().map_err(busy)
}

/// The current instance and those that still drain, the latest first.
fn older(slot: &Slot, old: Option<&Arc<Instance>>) -> Vec<Arc<Instance>> {
    let place = slot.place();
    let draining = place.older.iter().rev().filter_map(std::sync::Weak::upgrade);
    old.into_iter().cloned().chain(draining).collect()
}

/// A file that is named in a request is loaded only when nobody but the server's user or root can have written it.
fn trusted(path: &Path) -> Result<(), Failure> {
    let refused = |why: String| {
        let text = format!("`library` {} {why}", path.display());
        Failure::new(Code::CONTROL_REQUEST_INVALID, text)
    };
    let file = fs::symlink_metadata(path).map_err(|error| refused(format!("cannot be read: {error}")))?;
    let user = rustix::process::geteuid().as_raw();
    match () {
        () if !file.is_file() => Err(refused("is no regular file: name the file itself".to_owned())),
        () if file.uid() != user && file.uid() != 0 => Err(refused(format!(
            "belongs to user {}, expected the server's user {user} or root: change its owner",
            file.uid()
        ))),
        () if open_to_others(&file) => {
            Err(refused("can be written by others: take that right away with `chmod go-w`".to_owned()))
        }
        () => match path.ancestors().skip(1).find(|folder| others_write(folder)) {
            Some(folder) => Err(refused(format!(
                "lies below {}, where others can exchange files: move it, or take that right away",
                folder.display()
            ))),
            None => Ok(()),
        },
    }
}

/// True when everybody may write, or a group that is neither the server's nor root's.
fn open_to_others(file: &fs::Metadata) -> bool {
    let own_group = [rustix::process::getegid().as_raw(), 0].contains(&file.gid());
    file.mode() & 0o002 != 0 || file.mode() & 0o020 != 0 && !own_group
}

/// True when somebody but the server's user or root can exchange what lies in a folder; the sticky bit forbids that.
fn others_write(folder: &Path) -> bool {
    let Ok(folder) = fs::metadata(folder) else { return false };
    let foreign = folder.uid() != rustix::process::geteuid().as_raw() && folder.uid() != 0;
    foreign || open_to_others(&folder) && folder.mode() & 0o1000 == 0
}

/// Judges the file and the keys, and loads the library unless it is loaded already.
fn prepare(slot: &Slot, wanted: &Wanted) -> Result<Library, Failure> {
    let named = |error: LoadError| Failure::new(error.code(), format!("plugin `{}`: {error}", slot.name));
    // A reload of the same file is the usual case, and a library is large: it is read only when it is another one.
    let digest = plugin::handshake::digest(&wanted.path).map_err(named)?;
    let libraries = slot.place().libraries.clone();
    if let Some(library) = libraries.into_iter().find(|library| library.inspection().sha256 == digest) {
        judge(slot, wanted, library.inspection())?;
        return Ok(library);
    }
    judge(slot, wanted, &plugin::inspect(&wanted.path).map_err(named)?)?;
    if slot.place().libraries.len() >= GENERATIONS_MAX {
        let text = format!(
            "{GENERATIONS_MAX} versions of plugin `{}` are loaded, and libraries are never unloaded: restart the server",
            slot.name
        );
        return Err(Failure::new(Code::PLUGIN_GENERATIONS, text));
    }
    let library = plugin::load(&wanted.path, Some(&digest)).map_err(named)?;
    slot.place().libraries.push(library.clone());
    Ok(library)
}

/// Judges what a file says against the plugin's keys and the ports of the instance that runs.
fn judge(slot: &Slot, wanted: &Wanted, inspection: &Inspection) -> Result<(), Failure> {
    let faults = plugins::keys(&wanted.loaded, &wanted.table, inspection);
    if let Some(first) = faults.first() {
        let texts: Vec<String> = faults.iter().map(ToString::to_string).collect();
        return Err(Failure::new(first.code, texts.join("; ")));
    }
    same_ports(slot, inspection)?;
    match &wanted.table.own.digest {
        Some(expected) => plugin::library::check_digest(inspection, expected)
            .map_err(|error| Failure::new(error.code(), format!("plugin `{}`: {error}", slot.name))),
        None => Ok(()),
    }
}

/// Ports are connected at the start; a version with others needs a restart.
fn same_ports(slot: &Slot, new: &Inspection) -> Result<(), Failure> {
    let running =
        slot.place().instance.as_ref().map(|instance| instance.inspection().manifest.provides.clone());
    let provides = &new.manifest.provides;
    let sorted = |ports: &[String]| ports.iter().cloned().collect::<std::collections::BTreeSet<_>>();
    match running {
        Some(running) if sorted(&running) != sorted(provides) => {
            let list = |ports: &[String]| ports.join(", ");
            let text = format!(
                "the running version of plugin `{}` provides {}, this one {}: restart the server with it",
                slot.name,
                list(&running),
                list(provides)
            );
            Err(Failure::new(Code::CONFIG_NOT_RELOADABLE, text))
        }
        _ => Ok(()),
    }
}

/// What the old instance wants the new one to be configured with, so that it goes on where this one is.
async fn handover(old: &Instance) -> Map<String, Value> {
    let asked = tokio::time::timeout(HANDOVER, old.invoke("handover", Payload::EMPTY)).await;
    let why = match asked {
        Ok(Ok(document)) => match serde_json::from_slice(document.as_slice()) {
            Ok(Value::Object(keys)) => return keys,
            _ => "it answered no JSON object".to_owned(),
        },
        Ok(Err(failure)) if failure.code == Code::CONTROL_UNKNOWN_VERB => return Map::new(),
        Ok(Err(failure)) => failure.to_string(),
        Err(_) => format!("it did not answer within {} ms", HANDOVER.as_millis()),
    };
    tracing::warn!(plugin = old.name(), why, "the running version hands nothing over");
    Map::new()
}

/// The configured keys with those handed over that the new version knows, unless the operator has changed them.
fn overlaid(
    wanted: &Wanted,
    new: &Inspection,
    handed_over: Map<String, Value>,
    before: &Map<String, Value>,
) -> Map<String, Value> {
    let mut config = wanted.table.config.clone();
    let same = |key: &String| wanted.table.config.get(key) == before.get(key);
    let known = handed_over
        .into_iter()
        .filter(|(key, _)| new.manifest.config.properties.contains_key(key) && same(key));
    config.extend(known);
    config
}
