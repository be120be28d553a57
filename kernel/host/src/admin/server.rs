//! The server as a whole: its status, its readiness, its plugins.

use std::{
    collections::BTreeMap,
    path::PathBuf,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use caxton_abi::{ABI_MAJOR, ABI_MINOR, Code, class};
use caxton_core as core;
use tokio::sync::watch;

use super::{
    Admin, Refused, answer,
    documents::{Books, ClassBooks, Health, List, Plugin, PluginHealth, Status, Store},
};
use crate::{
    clock::rfc3339,
    fleet::Fleet,
    plugin::{Failure, Instance},
    store::{Figures, View},
};

/// The WIT package that agents are built against.
const WIT: &str = "caxton:agent@0.1.0";

/// Which plugin is reloaded, and from which file when not from the same.
#[derive(Debug, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Reloading {
    name: String,
    library: Option<PathBuf>,
}

impl From<Failure> for Refused {
    fn from(failure: Failure) -> Self {
        let Failure { code, message, detail, retryable } = failure;
        Self { code, message, detail, retryable }
    }
}

impl From<Refused> for Failure {
    fn from(refused: Refused) -> Self {
        let Refused { code, message, detail, retryable } = refused;
        Self { code, message, detail, retryable }
    }
}

/// A plugin that can be looked at.
pub trait PluginView: Send + Sync {
    /// Its document.
    fn view(&self) -> Plugin;
    /// What runs of it, when its manifest lists the family of control operations; why nothing does.
    fn serves(&self, family: &str) -> Option<Result<Arc<Instance>, Failure>>;
}

/// Which plugins there are, and whether the server takes work.
#[derive(Default)]
pub struct Readiness {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    plugins: Vec<Arc<dyn PluginView>>,
    composed: bool,
    draining: watch::Sender<bool>,
}

impl Readiness {
    /// Adds a plugin.
    pub fn add(&self, plugin: Arc<dyn PluginView>) {
        self.state().plugins.push(plugin);
    }

    /// Takes a plugin out.
    pub fn remove(&self, plugin: &Arc<dyn PluginView>) {
        self.state().plugins.retain(|known| !std::ptr::addr_eq(Arc::as_ptr(known), Arc::as_ptr(plugin)));
    }

    /// Everything that was configured has been started, or has failed and was optional.
    pub fn composed(&self) {
        self.state().composed = true;
    }

    /// The server stops; it is not ready any more.
    pub fn draining(&self) {
        self.state().draining.send_replace(true);
    }

    /// Turns true when the server stops.
    pub fn stops(&self) -> watch::Receiver<bool> {
        self.state().draining.subscribe()
    }

    /// The plugin that offers a family of control operations; none when no configured one does.
    pub(super) fn serving(&self, family: &str) -> Option<Result<Arc<Instance>, Failure>> {
        let plugins = self.state().plugins.clone();
        plugins.iter().find_map(|plugin| plugin.serves(family))
    }

    fn plugins(&self) -> Vec<Plugin> {
        let plugins = self.state().plugins.clone();
        plugins.iter().map(|plugin| plugin.view()).collect()
    }

    /// What the server still waits for; empty when it is ready.
    fn waiting(&self, plugins: &[Plugin]) -> Vec<String> {
        let (composed, draining) = {
            let state = self.state();
            (state.composed, *state.draining.borrow())
        };
        let mut waiting: Vec<String> = plugins
            .iter()
            .filter(|plugin| plugin.required && !matches!(plugin.state, "running" | "degraded"))
            .map(|plugin| format!("plugin {}: {}", plugin.name, plugin.state))
            .collect();
        if draining {
            waiting.push("the server is draining".into());
        } else if !composed {
            waiting.push("the server is starting".into());
        }
        waiting
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Admin {
    pub(super) fn status(&self) -> Status {
        let (started, now) = (self.clock.started(), self.clock.now());
        let conversations = self.pump.conversations(|log| {
            let closed =
                log.list(usize::MAX).iter().filter(|conversation| conversation.end.is_some()).count();
            BTreeMap::from([("open", log.len() - closed), ("closed", closed)])
        });
        Status {
            kind: "caxton.status/v1",
            version: env!("CARGO_PKG_VERSION"),
            abi: format!("{ABI_MAJOR}.{ABI_MINOR}"),
            wit: WIT,
            platform: self.bus.platform().to_owned(),
            started: rfc3339(started),
            uptime_ms: now.millis().saturating_sub(started.millis()),
            workers: self.workers,
            ready: self.waiting_for().is_empty(),
            agents: count(
                self.bus.agents().iter().map(|view| view.state),
                &["active", "starting", "replacing", "draining", "failed"],
            ),
            plugins: count(
                self.readiness.plugins().iter().map(|plugin| plugin.state),
                &["running", "degraded", "failed"],
            ),
            conversations,
            accounting: self.books(),
            signals: BTreeMap::from([
                ("dropped", self.pump.dropped()),
                ("sampled-out", self.pump.sampled_out()),
            ]),
            store: self.storage.view().map(store),
        }
    }

    fn books(&self) -> Books {
        let books = self.bus.accounting();
        let by_reason =
            |counts: &BTreeMap<Code, u64>| counts.iter().map(|(code, count)| (code.slug(), *count)).collect();
        let class =
            |(number, books): (u8, &core::ClassBooks)| Some((class::name(number)?, class_books(books)));
        Books {
            submitted: books.submitted,
            refused: books.refused,
            accepted: books.accepted,
            delivered: books.delivered,
            expired: books.expired,
            dead_lettered: books.dead(),
            dropped: books.lost(),
            in_flight: books.in_flight,
            dead_lettered_by_reason: by_reason(&books.dead_lettered),
            dropped_by_reason: by_reason(&books.dropped),
            dead_letters_forgotten: books.dead_letters_forgotten,
            by_class: (0..).zip(&books.by_class).filter_map(class).collect(),
            holds: books.holds(),
        }
    }

    pub(super) fn health(&self) -> Health {
        let found = self.readiness.plugins();
        let mut waiting = self.readiness.waiting(&found);
        waiting.extend(self.storage.waiting());
        let draining = *self.readiness.state().draining.borrow();
        let plugin = |Plugin { name, required, state, .. }| PluginHealth { name, required, state };
        let plugins = found.into_iter().map(plugin).collect();
        Health { kind: "caxton.health/v1", live: true, ready: waiting.is_empty(), draining, waiting, plugins }
    }

    fn fleet(&self) -> Result<Arc<Fleet>, Refused> {
        let starting =
            || Refused::new(Code::PLUGIN_BUSY, "the server is starting: try again when it is ready");
        self.fleet.get().cloned().ok_or_else(starting)
    }

    pub(super) async fn reload_plugin(&self, wanted: Reloading) -> Result<Vec<u8>, Refused> {
        let fleet = self.fleet()?;
        let slot = fleet.reload(&wanted.name, wanted.library).await?;
        let looked = tokio::task::spawn_blocking(move || answer(&slot.view())).await;
        looked.unwrap_or_else(|error| Err(Refused::new(Code::INTERNAL, error.to_string())))
    }

    pub(super) async fn reload_server(&self) -> Result<Vec<u8>, Refused> {
        answer(&self.fleet()?.reconfigure().await?)
    }

    /// The configuration that counts, as the plugins that run see it.
    pub(super) async fn config(&self) -> Result<Vec<u8>, Refused> {
        let fleet = self.fleet()?;
        let shown = tokio::task::spawn_blocking(move || answer(&fleet.effective())).await;
        shown.unwrap_or_else(|error| Err(Refused::new(Code::INTERNAL, error.to_string())))
    }

    /// What the server still waits for; empty when it is ready.
    fn waiting_for(&self) -> Vec<String> {
        let mut waiting = self.readiness.waiting(&self.readiness.plugins());
        waiting.extend(self.storage.waiting());
        waiting
    }

    pub(super) fn list_plugins(&self) -> List<Plugin> {
        List { kind: "caxton.plugin.list/v1", items: self.readiness.plugins() }
    }

    pub(super) fn get_plugin(&self, name: &str) -> Result<Plugin, Refused> {
        self.readiness.plugins().into_iter().find(|plugin| plugin.name == name).ok_or_else(|| {
            Refused::new(
                Code::PLUGIN_NOT_FOUND,
                format!("no plugin `{name}` is configured: list them with `caxton get plugins`"),
            )
        })
    }
}

fn class_books(books: &core::ClassBooks) -> ClassBooks {
    let core::ClassBooks {
        submitted,
        refused,
        accepted,
        delivered,
        expired,
        dead_lettered,
        dropped,
        in_flight,
    } = *books;
    ClassBooks { submitted, refused, accepted, delivered, expired, dead_lettered, dropped, in_flight }
}

fn store(View { plugin, state, figures: Figures { messages, writing }, .. }: View) -> Store {
    let troubled = !state.code.is_none();
    Store {
        plugin,
        state: state.stage.as_str(),
        since: rfc3339(state.since),
        code: troubled.then(|| state.code.to_string()),
        reason: troubled.then_some(state.reason),
        messages,
        writing,
    }
}

/// How many there are of each kind; the kinds named are there even when there is none.
fn count<'a>(found: impl Iterator<Item = &'a str>, named: &[&'static str]) -> BTreeMap<&'static str, usize> {
    let mut counts: BTreeMap<&'static str, usize> = named.iter().map(|kind| (*kind, 0)).collect();
    for kind in found {
        let slot = named.iter().find(|name| **name == kind).copied();
        *counts.entry(slot.unwrap_or("other")).or_insert(0) += 1;
    }
    counts
}
