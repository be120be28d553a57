//! The server as a whole: its status, its readiness, its plugins.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use caxton_abi::{ABI_MAJOR, ABI_MINOR, Code};

use super::{
    Admin, Refused,
    documents::{Books, Health, List, Plugin, Status},
};
use crate::clock::rfc3339;

/// The WIT package that agents are built against.
const WIT: &str = "caxton:agent@0.1.0";

/// A plugin that can be looked at.
pub trait PluginView: Send + Sync {
    /// Its document.
    fn view(&self) -> Plugin;
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
    draining: bool,
}

impl Readiness {
    /// Adds a plugin.
    pub fn add(&self, plugin: Arc<dyn PluginView>) {
        self.state().plugins.push(plugin);
    }

    /// Everything that was configured has been started, or has failed and was optional.
    pub fn composed(&self) {
        self.state().composed = true;
    }

    /// The server stops; it is not ready any more.
    pub fn draining(&self) {
        self.state().draining = true;
    }

    fn plugins(&self) -> Vec<Plugin> {
        let plugins = self.state().plugins.clone();
        plugins.iter().map(|plugin| plugin.view()).collect()
    }

    /// What the server still waits for; empty when it is ready.
    fn waiting(&self) -> Vec<String> {
        let (composed, draining) = {
            let state = self.state();
            (state.composed, state.draining)
        };
        let mut waiting: Vec<String> = self
            .plugins()
            .into_iter()
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
            ready: self.readiness.waiting().is_empty(),
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
            signals: BTreeMap::from([("dropped", self.pump.dropped())]),
        }
    }

    fn books(&self) -> Books {
        let books = self.bus.accounting();
        let by_reason = books.dead_lettered.iter().map(|(code, count)| (code.slug(), *count)).collect();
        Books {
            submitted: books.submitted,
            refused: books.refused,
            accepted: books.accepted,
            delivered: books.delivered,
            expired: books.expired,
            dead_lettered: books.dead(),
            in_flight: books.in_flight,
            dead_lettered_by_reason: by_reason,
            holds: books.holds(),
        }
    }

    pub(super) fn health(&self) -> Health {
        let waiting = self.readiness.waiting();
        Health { kind: "caxton.health/v1", live: true, ready: waiting.is_empty(), waiting }
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

/// How many there are of each kind; the kinds named are there even when there is none.
fn count<'a>(found: impl Iterator<Item = &'a str>, named: &[&'static str]) -> BTreeMap<&'static str, usize> {
    let mut counts: BTreeMap<&'static str, usize> = named.iter().map(|kind| (*kind, 0)).collect();
    for kind in found {
        let slot = named.iter().find(|name| **name == kind).copied();
        *counts.entry(slot.unwrap_or("other")).or_insert(0) += 1;
    }
    counts
}
