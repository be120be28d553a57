//! Carries signals from the kernel's rings to the conversation log and to every exporter.
//!
//! One thread drains at intervals; whoever needs the newest state drains first. A slow exporter delays the pump, so the
//! rings fill, and a full ring drops and counts.

use std::{
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread::{self, JoinHandle},
    time::Duration,
};

use caxton_abi::{EventName, Signal};
use caxton_core::{Bus, ConversationLog};

use crate::{clock::Clock, plugin::ports::ExporterPort};

/// How often the rings are drained: quick enough for a person who watches, rare enough to make batches.
const INTERVAL: Duration = Duration::from_millis(20);

/// The pump.
pub struct Pump {
    bus: Arc<Bus>,
    clock: Clock,
    state: Mutex<State>,
    dropped: AtomicU64,
    stop: AtomicBool,
}

struct State {
    log: ConversationLog,
    exporters: Vec<Arc<ExporterPort>>,
    batch: Vec<Signal>,
}

impl Pump {
    /// Makes a pump over a bus.
    pub fn new(bus: Arc<Bus>, clock: Clock) -> Arc<Self> {
        let log = ConversationLog::new(Arc::clone(bus.limits()));
        let state = Mutex::new(State { log, exporters: Vec::new(), batch: Vec::new() });
        Arc::new(Self { bus, clock, state, dropped: AtomicU64::new(0), stop: AtomicBool::new(false) })
    }

    /// Adds an exporter; it gets what comes from now on.
    pub fn add(&self, exporter: Arc<ExporterPort>) {
        self.state().exporters.push(exporter);
    }

    /// Carries what there is now.
    pub fn carry(&self) {
        let mut state = self.state();
        let State { log, exporters, batch } = &mut *state;
        self.bus.drain_signals(self.clock.now(), batch);
        if batch.is_empty() {
            return;
        }
        log.fold(batch);
        batch.iter().for_each(|signal| self.note(signal));
        for exporter in exporters.iter() {
            // What it could not take is lost to it; its fence counted and logged that.
            let _counted = exporter.export(batch);
        }
        batch.clear();
    }

    /// Reads the conversation log after the newest signals are in it.
    pub fn conversations<R>(&self, read: impl FnOnce(&ConversationLog) -> R) -> R {
        self.carry();
        read(&self.state().log)
    }

    /// Signals that full rings dropped since the start.
    pub fn dropped(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
    }

    /// Carries the rest and has every exporter write out what it holds.
    pub fn flush(&self) {
        self.carry();
        for exporter in self.state().exporters.iter() {
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
        match signal.name {
            EventName::SIGNALS_DROPPED => {
                self.dropped.fetch_add(signal.value, Ordering::Relaxed);
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

    fn state(&self) -> MutexGuard<'_, State> {
        // The log is a fold over whole signals, so a panic of another holder leaves it usable.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
