//! Exchanges the instance of the store: its file has one owner, so the old instance ends before the new one begins.
//!
//! What is to be written waits in the writer meanwhile, so senders of durable messages wait a moment longer and nothing
//! else changes. When the new version cannot start, the old one is started again. Another configuration is refused: a
//! store at another path does not hold the messages that the server has accepted.

use std::sync::Arc;

use caxton_abi::Code;

use super::{Fleet, Wanted, blocking, works};
use crate::{
    compose::{self, Slot},
    config::Plugin,
    plugin::{Failure, Inspection, Instance, Library},
    store::Port,
};

/// The port that a store provides.
const STORE: &str = "store/1";

/// True for a plugin that keeps the server's durable messages.
pub(super) fn is_store(inspection: &Inspection) -> bool {
    inspection.manifest.provides.iter().any(|port| port == STORE)
}

impl Fleet {
    /// Ends the old instance, starts the new one, and lets the writer go on with it.
    pub(super) async fn exchange_store(
        &self,
        slot: &Arc<Slot>,
        wanted: Wanted,
        library: &Library,
    ) -> Result<(), Failure> {
        let (table, before) = {
            let place = slot.place();
            let runs = place.instance.as_ref().map(|old| old.inspection().sha256.clone());
            let same = |library: &&Library| Some(&library.inspection().sha256) == runs.as_ref();
            (place.table.clone(), place.libraries.iter().find(same).cloned())
        };
        let refused = |why: &str| {
            let text = format!("plugin `{}` is the store: {why}: restart the server", slot.name);
            Failure::new(Code::CONFIG_NOT_RELOADABLE, text)
        };
        if table.config != wanted.table.config {
            return Err(refused("its keys cannot be changed while the server runs"));
        }
        let writer = self.sockets.storage.writer().cloned();
        let writer = writer.ok_or_else(|| refused("it did not run when the server started"))?;
        let held = Arc::clone(&writer);
        blocking(move || held.hold()).await?;
        if let Some(old) = slot.instance() {
            match works(&old) {
                true => drop(old.stop().await),
                false => old.discard().await,
            }
        }
        let started = self.start_store(&wanted.table, library).await;
        let (instance, result) = match (started, before) {
            (Ok(new), _) => {
                self.install(slot, wanted, &new);
                (Some(new), Ok(()))
            }
            (Err(failure), Some(before)) => (self.start_store(&table, &before).await.ok(), Err(failure)),
            (Err(failure), None) => (None, Err(failure)),
        };
        match instance.as_ref().and_then(|instance| instance.ports().store.clone()) {
            Some(port) => {
                slot.place().instance = instance;
                blocking(move || writer.replace(port as Arc<dyn Port>)).await?;
            }
            None => writer.release(),
        }
        result
    }

    async fn start_store(&self, table: &Plugin, library: &Library) -> Result<Arc<Instance>, Failure> {
        let options = compose::options(table, &table.config);
        let instance = Instance::create(library, options, Arc::clone(&self.sockets.services)).await?;
        match instance.start().await {
            Ok(()) => Ok(instance),
            Err(failure) => {
                let _already_failing = instance.stop().await;
                Err(failure)
            }
        }
    }
}
