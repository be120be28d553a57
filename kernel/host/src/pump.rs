//! Carries signals from the kernel's rings to the conversation log and to every exporter.
//!
//! One thread drains at intervals; whoever needs the newest state folds the rings into the log first. A slow exporter
//! delays the others but not the log: what waits for exporters is bounded, and what does not fit is dropped and counted.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread::{self, JoinHandle},
    time::Duration,
};

use caxton_abi::{EventName, Signal, Uid};
use caxton_core::{Bus, ConversationLog};
use tokio::sync::watch;

use crate::{clock::Clock, news::News, plugin::ports::ExporterPort};

/// How often the rings are drained: quick enough for a person who watches, rare enough to make batches.
const INTERVAL: Duration = Duration::from_millis(20);

/// The pump.
pub struct Pump {
    bus: Arc<Bus>,
    clock: Clock,
    state: Mutex<State>,
    exporters: Mutex<Vec<Arc<ExporterPort>>>,
    /// Held while exporters are called, so that each sees the signals in order.
    turn: Mutex<()>,
    dropped: AtomicU64,
    sampled_out: AtomicU64,
    news: Arc<News>,
    /// Conversations that somebody waits for.
    watched: Mutex<HashMap<Uid, watch::Sender<()>>>,
    stop: AtomicBool,
}

struct State {
    log: ConversationLog,
    /// Folded into the log, and not exported yet.
    waiting: Vec<Signal>,
    batch: Vec<Signal>,
}

impl Pump {
    /// Makes a pump over a bus.
    pub fn new(bus: Arc<Bus>, clock: Clock) -> Arc<Self> {
        let log = ConversationLog::new(Arc::clone(bus.limits()));
        let state = Mutex::new(State { log, waiting: Vec::new(), batch: Vec::new() });
        Arc::new(Self {
            bus,
            clock,
            state,
            exporters: Mutex::default(),
            turn: Mutex::default(),
            dropped: AtomicU64::new(0),
            sampled_out: AtomicU64::new(0),
            news: Arc::default(),
            watched: Mutex::default(),
            stop: AtomicBool::new(false),
        })
    }

    /// Adds an exporter; it gets what comes from now on.
    pub fn add(&self, exporter: Arc<ExporterPort>) {
        self.exporters().push(exporter);
    }

    /// Puts an exporter in the place of another: what came until now goes to the old one and is written out, everything
    /// else to the new one. May wait for exporters.
    pub fn replace(&self, old: &Arc<ExporterPort>, new: Arc<ExporterPort>) {
        let turn = self.turn();
        self.fold();
        self.export();
        // What it could not write it counted and logged.
        let _counted = old.flush();
        self.exchange(old, new);
        drop(turn);
    }

    /// Puts an exporter in the place of one that failed; waits for nobody.
    pub fn exchange(&self, old: &Arc<ExporterPort>, new: Arc<ExporterPort>) {
        let mut exporters = self.exporters();
        match exporters.iter_mut().find(|exporter| Arc::ptr_eq(exporter, old)) {
            Some(place) => *place = new,
            None => exporters.push(new),
        }
    }

    /// Takes an exporter out after it got and wrote out what came until now.
    pub fn remove(&self, old: &Arc<ExporterPort>) {
        let turn = self.turn();
        self.fold();
        self.export();
        let _counted = old.flush();
        self.exporters().retain(|exporter| !Arc::ptr_eq(exporter, old));
        drop(turn);
    }

    /// Carries what there is now.
    pub fn carry(&self) {
        let turn = self.turn();
        self.fold();
        self.export();
        drop(turn);
    }

    /// Moves the rings' signals into the log, and lets them wait for the exporters.
    fn fold(&self) {
        let exports = !self.exporters().is_empty();
        let mut state = self.state();
        let State { log, waiting, batch } = &mut *state;
        self.bus.drain_signals(self.clock.now(), batch);
        log.fold(batch);
        batch.iter().for_each(|signal| self.note(signal));
        self.wake(batch);
        if !exports {
            batch.clear();
            return;
        }
        let room = self.bus.limits().signals_ring_max.saturating_sub(waiting.len());
        let lost = batch.len().saturating_sub(room);
        batch.truncate(room);
        self.dropped.fetch_add(lost as u64, Ordering::Relaxed);
        waiting.append(batch);
    }

    /// Hands what waits to the exporters; the caller has the turn.
    fn export(&self) {
        let waiting = std::mem::take(&mut self.state().waiting);
        if waiting.is_empty() {
            return;
        }
        let exporters = self.exporters().clone();
        for exporter in &exporters {
            // What it could not take is lost to it; its fence counted and logged that.
            let _counted = exporter.export(&waiting);
        }
    }

    /// Reads the conversation log after the newest signals are in it.
    pub fn conversations<R>(&self, read: impl FnOnce(&ConversationLog) -> R) -> R {
        self.fold();
        read(&self.state().log)
    }

    /// Events and log lines.
    pub fn news(&self) -> &Arc<News> {
        &self.news
    }

    /// Tells when something happens in a conversation from now on.
    pub fn watch(&self, conversation: Uid) -> watch::Receiver<()> {
        let mut watched = self.watched();
        watched.retain(|_, told| told.receiver_count() > 0);
        watched.entry(conversation).or_default().subscribe()
    }

    fn wake(&self, batch: &[Signal]) {
        let watched = self.watched();
        if watched.is_empty() {
            return;
        }
        for signal in batch {
            if let Some(told) = watched.get(&signal.conversation) {
                told.send_replace(());
            }
        }
    }

    /// Signals that were dropped since the start, by full rings or because exporters were too slow.
    pub fn dropped(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
    }

    /// Signals of conversations that were not traced, because there was too much traffic.
    pub fn sampled_out(&self) -> u64 {
        self.sampled_out.load(Ordering::Relaxed)
    }

    /// Carries the rest and has every exporter write out what it holds.
    pub fn flush(&self) {
        self.carry();
        let exporters = self.exporters().clone();
        for exporter in &exporters {
            let _counted = exporter.flush();
        }
    }

    /// Starts the thread.
    ///
    /// # Errors
    /// The operating system gives no thread.
    pub fn start(self: &Arc<Self>) -> std::io::Result<JoinHandle<()>> {
        let pump = Arc::clone(self);
        thread::Builder::new().name("signals".into()).spawn(move || {
            while !pump.stop.load(Ordering::SeqCst) {
                pump.carry();
                thread::park_timeout(INTERVAL);
            }
            pump.flush();
        })
    }

    /// Ends the thread after a last flush.
    pub fn stop(&self) {
        self.stop.store(true, Ordering::SeqCst);
    }

    /// What belongs into the server's own log or counters.
    fn note(&self, signal: &Signal) {
        self.news.note(&self.bus, signal);
        match signal.name {
            EventName::SIGNALS_DROPPED => {
                self.dropped.fetch_add(signal.value, Ordering::Relaxed);
            }
            EventName::SIGNALS_SAMPLED_OUT => {
                self.sampled_out.fetch_add(signal.value, Ordering::Relaxed);
            }
            EventName::AGENT_LOG | EventName::AGENT_TRAP => {
                let agent = self.bus.directory().name_of(signal.sender).unwrap_or_default();
                let text = String::from_utf8_lossy(signal.text.as_slice());
                let level = if signal.name == EventName::AGENT_TRAP { 4 } else { signal.level };
                crate::logging::line(level, &agent, &text, "");
            }
            _ => {}
        }
    }

    fn exporters(&self) -> MutexGuard<'_, Vec<Arc<ExporterPort>>> {
        self.exporters.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn watched(&self) -> MutexGuard<'_, HashMap<Uid, watch::Sender<()>>> {
        self.watched.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn turn(&self) -> MutexGuard<'_, ()> {
        self.turn.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // The log is a fold over whole signals, so a panic of another holder leaves it usable.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
