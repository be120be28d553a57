//! Log lines of agents, plugins and the server, as they are followed.

use caxton_abi::{EventName, Signal, Uid};
use caxton_core::{Bus, Time};
use serde_json::{Map, Value};

/// Bytes of a line, and of its fields, that are kept.
const LINE_BYTES_MAX: usize = 8 * 1_024;
/// The level of a trap: a warning.
const TRAP_LEVEL: u8 = 4;
/// The level of a line that names none: info.
const LEVEL_DEFAULT: u8 = 3;

/// The names of levels 1 to 5.
const LEVELS: [&str; 5] = ["trace", "debug", "info", "warn", "error"];

/// The name of a level.
pub fn level_name(level: u8) -> &'static str {
    let index = usize::from(level).clamp(1, LEVELS.len()) - 1;
    LEVELS.get(index).copied().unwrap_or_default()
}

/// The level of a name, 1 to 5.
pub fn level_of(name: &str) -> Option<u8> {
    (1..).zip(LEVELS).find(|(_, known)| *known == name).map(|(level, _)| level)
}

/// Who logged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// An agent, by its full name, and the conversation that it was in.
    Agent(String, Uid),
    /// A plugin, by the name of its table.
    Plugin(String),
    /// The server.
    Server,
}

/// A log line.
#[derive(Clone, Debug, PartialEq)]
pub struct Line {
    /// When.
    pub time: Time,
    /// 1 trace to 5 error.
    pub level: u8,
    /// Who.
    pub source: Source,
    /// What.
    pub text: String,
    /// What belongs to it.
    pub fields: Map<String, Value>,
    bytes: usize,
}

impl Line {
    pub(super) fn new(time: Time, level: u8, source: Source, text: &str, fields: &str) -> Self {
        let text = text.get(..text.floor_char_boundary(LINE_BYTES_MAX)).unwrap_or_default().to_owned();
        let fields = if fields.len() > LINE_BYTES_MAX { "" } else { fields };
        // Fields that are no object are not shown.
        let parsed = serde_json::from_str(fields).unwrap_or_default();
        let level = if level == 0 { LEVEL_DEFAULT } else { level };
        Self { time, level, source, bytes: text.len() + fields.len(), text, fields: parsed }
    }

    /// The line that a signal of an agent stands for, if any.
    pub(super) fn of_signal(bus: &Bus, signal: &Signal) -> Option<Self> {
        let level = match signal.name {
            EventName::AGENT_LOG => signal.level,
            EventName::AGENT_TRAP => TRAP_LEVEL,
            _ => return None,
        };
        let agent = bus.directory().name_of(signal.sender).unwrap_or_default();
        let text = String::from_utf8_lossy(signal.text.as_slice());
        let source = Source::Agent(agent, signal.conversation);
        Some(Self::new(Time::from_nanos(signal.time_ns), level, source, &text, ""))
    }

    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_have_names_both_ways() {
        assert_eq!((1..=5).map(level_name).collect::<Vec<_>>(), LEVELS);
        assert_eq!(["trace", "error", "loud"].map(level_of), [Some(1), Some(5), None]);
    }

    #[test]
    fn a_long_line_is_cut_between_two_characters_and_fields_must_be_an_object() {
        let long = "é".repeat(LINE_BYTES_MAX);
        let line = Line::new(Time::ZERO, 0, Source::Server, &long, "[1]");
        assert_eq!((line.text.len(), line.level, line.fields.len()), (LINE_BYTES_MAX, 3, 0));
        let line = Line::new(Time::ZERO, 3, Source::Server, "x", r#"{"a":1}"#);
        assert_eq!((line.fields.get("a"), line.bytes()), (Some(&Value::from(1)), 8));
    }
}
