//! Reads the configuration again: everything is checked before anything changes.

use std::{path::Path, sync::Arc};

use caxton_abi::Code;

use super::{Fleet, Wanted, blocking, reload::take};
use crate::{
    admin::{PluginView, ReloadDocument},
    compose::{self, Slot},
    config::{self, Config, Fault, Loaded, Plugin, plugins},
    logging,
    plugin::Failure,
    services,
};

impl Fleet {
    /// Reads the file and every `--set` again and carries out what changed.
    ///
    /// # Errors
    /// With any fault nothing changes; the message has all faults with their places.
    pub async fn reconfigure(self: &Arc<Self>) -> Result<ReloadDocument, Failure> {
        self.goes_on()?;
        let busy = |_| Failure::new(Code::PLUGIN_BUSY, "the configuration is being read again already");
        let _one_at_a_time = self.configuring.try_lock().map_err(busy)?;
        let old = self.loaded().clone();
        let (source, sets) = (old.source.clone(), old.sets.clone());
        let new = blocking(move || read_again(&source, &sets)).await?.map_err(refused)?;
        let mut document = ReloadDocument { kind: "caxton.reload/v1", ..ReloadDocument::default() };
        self.apply_server(&old.config, &new.config, &mut document);
        *self.loaded() = new.clone();
        self.apply_plugins(&new, &mut document).await;
        for key in &document.restart_needed {
            let code = Code::CONFIG_NOT_RELOADABLE;
            tracing::warn!(%key, %code, "the key changed and counts at the next start");
        }
        for failure in &document.failed {
            tracing::error!("not changed: {failure}");
        }
        tracing::info!(changed = ?document.changed, "configuration read again");
        let text = format!("reloaded {}", document.changed.join(", "));
        services::tell_state(&self.sockets.bus, self.sockets.clock, text);
        Ok(document)
    }

    fn apply_server(&self, old: &Config, new: &Config, document: &mut ReloadDocument) {
        let (from, to) = (&old.server, &new.server);
        if from.log != to.log {
            match logging::exchange(&to.log) {
                Ok(()) => document.changed.push("server.log".to_owned()),
                Err(why) => document.failed.push(why),
            }
        }
        if from.drain_ms != to.drain_ms {
            document.changed.push("server.drain_ms".to_owned());
        }
        document.restart_needed = config::differences(&self.started_with, new);
    }

    async fn apply_plugins(self: &Arc<Self>, new: &Loaded, document: &mut ReloadDocument) {
        let wanted =
            |name: &str| new.config.plugins.iter().find(|table| table.name == name && table.own.enabled);
        let slots = self.slots().clone();
        for slot in slots {
            match wanted(&slot.name) {
                None => note(document, &slot.name, "removed", self.remove(&slot).await),
                Some(table) if *table != slot.place().table => {
                    if table.own.required != slot.place().table.own.required {
                        document.restart_needed.push(format!("plugins.{}.required", slot.name));
                    }
                    note(document, &slot.name, "reloaded", self.change(&slot, table, new).await);
                }
                Some(_) => {}
            }
        }
        for table in new.config.plugins.iter().filter(|table| table.own.enabled) {
            if self.slot(&table.name).is_err() {
                note(document, &table.name, "added", self.add(table, new).await);
            }
        }
    }

    async fn change(self: &Arc<Self>, slot: &Arc<Slot>, table: &Plugin, new: &Loaded) -> Result<(), Failure> {
        let busy = take(slot)?;
        let moved = table.own.library != slot.place().table.own.library;
        let path = match moved {
            true => plugins::library(&new.config.server, table),
            false => slot.place().path.clone(),
        };
        let wanted = Wanted { table: table.clone(), path, loaded: new.clone() };
        self.exchange(slot, wanted, busy).await
    }

    async fn add(&self, table: &Plugin, new: &Loaded) -> Result<(), Failure> {
        let slot = Slot::new(new, table);
        let view = Arc::clone(&slot) as Arc<dyn PluginView>;
        self.sockets.readiness.add(Arc::clone(&view));
        let (of, loaded, own) = (Arc::clone(&slot), new.clone(), table.clone());
        let started = match blocking(move || compose::load(&loaded, &own, &of)).await? {
            Ok(library) => compose::start(table, &slot, &library, self.next_number(), &self.sockets)
                .await
                .map_err(|fault| Failure::new(fault.code, fault.message)),
            Err(faults) => Err(refused(faults)),
        };
        match started {
            Ok(()) => self.slots().push(slot),
            Err(_) => {
                // It was connected before it started.
                if let Some(instance) = slot.instance() {
                    self.disconnect(&slot, &instance).await?;
                }
                self.sockets.readiness.remove(&view);
            }
        }
        started
    }

    async fn remove(&self, slot: &Arc<Slot>) -> Result<(), Failure> {
        let _busy = take(slot)?;
        let old = slot.place().instance.clone();
        if let Some(old) = old {
            self.disconnect(slot, &old).await?;
            slot.place().instance = None;
            self.retire(slot, old);
        }
        self.slots().retain(|known| !Arc::ptr_eq(known, slot));
        self.sockets.readiness.remove(&(Arc::clone(slot) as Arc<dyn PluginView>));
        Ok(())
    }

    /// A number that no port has.
    pub(super) fn next_number(&self) -> usize {
        let highest =
            self.slots().iter().map(|slot| slot.number()).filter(|number| *number != u32::MAX).max();
        highest.map_or(0, |number| number as usize + 1)
    }
}

fn note(document: &mut ReloadDocument, plugin: &str, what: &str, result: Result<(), Failure>) {
    match result {
        Ok(()) => document.changed.push(format!("plugins.{plugin} {what}")),
        Err(failure) => document.failed.push(format!("plugins.{plugin}: {failure}")),
    }
}

fn read_again(source: &config::Source, sets: &[config::Source]) -> Result<Loaded, Vec<Fault>> {
    let sets: Vec<String> = sets.iter().map(|set| set.text.to_string()).collect();
    let loaded = config::load(Path::new(&source.name), &sets)?;
    let faults = plugins::check(&loaded);
    if faults.is_empty() { Ok(loaded) } else { Err(faults) }
}

fn refused(faults: Vec<Fault>) -> Failure {
    let code = faults.first().map_or(Code::INTERNAL, |fault| fault.code);
    let texts: Vec<String> = faults.iter().map(ToString::to_string).collect();
    Failure::new(code, texts.join("; "))
}
