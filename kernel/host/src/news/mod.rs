//! What is new: events of agents, plugins and the server, and log lines, each in a bounded ring that readers follow.
//!
//! Events are made of signals, so everybody who watches sees the same. Log lines come from agents (signals), plugins
//! (as they log) and the server (its `tracing` events).

pub mod events;
pub mod logs;
pub mod ring;

use std::sync::{Mutex, MutexGuard, PoisonError};

use caxton_abi::Signal;
use caxton_core::{Bus, Time};

use events::{Event, Fold};
use logs::{Line, Source};
use ring::Ring;

/// Events that are kept; about 300 bytes each.
pub const EVENTS_MAX: usize = 8_192;
/// Bytes of the texts of events that are kept.
pub const EVENTS_BYTES_MAX: usize = 4 * 1024 * 1024;
/// Log lines that are kept.
pub const LINES_MAX: usize = 16_384;
/// Bytes of log lines that are kept.
pub const LINES_BYTES_MAX: usize = 8 * 1024 * 1024;

/// The rings.
pub struct News {
    /// What happened.
    pub events: Ring<Event>,
    /// What was logged.
    pub lines: Ring<Line>,
    fold: Mutex<Fold>,
}

impl Default for News {
    fn default() -> Self {
        Self {
            events: Ring::new(EVENTS_MAX, EVENTS_BYTES_MAX),
            lines: Ring::new(LINES_MAX, LINES_BYTES_MAX),
            fold: Mutex::default(),
        }
    }
}

impl News {
    /// Takes a signal in; most are about messages and no news.
    pub fn note(&self, bus: &Bus, signal: &Signal) {
        if !events::is_news(signal.name) {
            return;
        }
        if let Some(event) = self.fold().event(bus, signal) {
            self.events.push(event.bytes(), event);
        }
        if let Some(line) = Line::of_signal(bus, signal) {
            self.lines.push(line.bytes(), line);
        }
    }

    /// Takes a log line in.
    pub fn log(&self, time: Time, level: u8, source: Source, text: &str, fields: &str) {
        let line = Line::new(time, level, source, text, fields);
        self.lines.push(line.bytes(), line);
    }

    fn fold(&self) -> MutexGuard<'_, Fold> {
        // The fold only remembers the states before; what it holds after a panic is as good.
        self.fold.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
