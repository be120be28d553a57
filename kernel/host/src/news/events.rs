//! What happened to agents, plugins and the server, read from their signals.

use std::collections::HashMap;

use caxton_abi::{Code, EventName, Signal};
use caxton_core::{Bus, Time};

use super::EVENTS_MAX;

/// Bytes of a reason that are kept: a trap's frames may be long.
const REASON_BYTES_MAX: usize = 1_024;

/// Something that happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// When.
    pub time: Time,
    /// What.
    pub name: EventName,
    /// The agent, the plugin, or the platform.
    pub subject: String,
    /// The state after it.
    pub state: Option<String>,
    /// The state before it, where it is known.
    pub from: Option<String>,
    /// The agent's version, or the plugin's instance, that it is about.
    pub revision: Option<u64>,
    /// Why, as a code.
    pub code: Code,
    /// Why, in words.
    pub reason: Option<String>,
}

/// True for what may be an event or a log line.
pub(super) fn is_news(name: EventName) -> bool {
    matches!(
        name,
        EventName::AGENT_STATE
            | EventName::AGENT_ATTACHED
            | EventName::AGENT_DETACHED
            | EventName::AGENT_RESTARTED
            | EventName::AGENT_REVISION
            | EventName::AGENT_TRAP
            | EventName::AGENT_LOG
            | EventName::AGENT_RECYCLED
            | EventName::PLUGIN_STATE
            | EventName::PLUGIN_RELOADED
            | EventName::PLUGIN_PANIC
            | EventName::SERVER_STATE
            | EventName::STORE_STATE
            | EventName::SIGNALS_DROPPED
    )
}

impl Event {
    pub(super) fn bytes(&self) -> usize {
        let texts = [self.state.as_ref(), self.from.as_ref(), self.reason.as_ref()];
        self.subject.len() + texts.iter().flatten().map(|text| text.len()).sum::<usize>()
    }
}

/// Remembers the states before.
#[derive(Default)]
pub(super) struct Fold {
    /// By whether it is a plugin, and its name.
    states: HashMap<(bool, String), String>,
    /// The agent and time of the last trap: it is told once for each conversation.
    trapped: (u32, u64),
}

impl Fold {
    /// The event that a signal stands for, if any.
    pub(super) fn event(&mut self, bus: &Bus, signal: &Signal) -> Option<Event> {
        let text = String::from_utf8_lossy(signal.text.as_slice()).into_owned();
        let mut event = Event {
            time: Time::from_nanos(signal.time_ns),
            name: signal.name,
            subject: String::new(),
            state: None,
            from: None,
            revision: None,
            code: signal.code,
            reason: None,
        };
        match signal.name {
            EventName::AGENT_STATE | EventName::AGENT_ATTACHED | EventName::AGENT_DETACHED => {
                self.agent(&mut event, bus, signal, &text);
            }
            EventName::AGENT_RESTARTED => {
                self.agent(&mut event, bus, signal, "active");
                event.reason = Some(format!("instance {}", signal.value + 1));
            }
            EventName::AGENT_REVISION => {
                event.subject = name_of(bus, signal.sender);
                event.revision = Some(signal.value);
                (event.state, event.reason) = first_word(&text);
            }
            EventName::AGENT_TRAP => {
                let this = (signal.sender, signal.time_ns);
                if std::mem::replace(&mut self.trapped, this) == this {
                    return None;
                }
                event.subject = name_of(bus, signal.sender);
                event.reason = cut(&text);
            }
            EventName::AGENT_RECYCLED => {
                event.subject = name_of(bus, signal.sender);
                event.reason = cut(&text);
            }
            EventName::PLUGIN_STATE => {
                let (name, rest) = split(&text);
                event.subject = name.to_owned();
                (event.state, event.reason) = first_word(rest);
                event.from = self.change(true, name, event.state.clone());
            }
            EventName::PLUGIN_RELOADED => {
                let (name, version) = split(&text);
                event.subject = name.to_owned();
                event.revision = Some(signal.value);
                event.reason = cut(&format!("version {version}"));
            }
            EventName::PLUGIN_PANIC => {
                let (name, message) = split(&text);
                event.subject = name.to_owned();
                event.reason = cut(message);
            }
            EventName::SERVER_STATE => {
                event.subject = bus.platform().to_owned();
                (event.state, event.reason) = first_word(&text);
            }
            EventName::STORE_STATE => {
                event.subject = bus.platform().to_owned();
                event.reason = cut(&text);
            }
            EventName::SIGNALS_DROPPED => {
                event.subject = bus.platform().to_owned();
                event.reason = Some(format!("{} signals were dropped, events may be missing", signal.value));
            }
            _ => return None,
        }
        Some(event)
    }

    fn agent(&mut self, event: &mut Event, bus: &Bus, signal: &Signal, text: &str) {
        event.subject = name_of(bus, signal.sender);
        let state = match signal.name {
            EventName::AGENT_ATTACHED => "attached",
            EventName::AGENT_DETACHED if signal.code.is_none() => "detached",
            EventName::AGENT_DETACHED => "lost",
            _ => text,
        };
        (event.state, event.reason) = first_word(state);
        event.from = self.change(false, &event.subject, event.state.clone());
        event.revision = bus.agent(&event.subject).map(|view| u64::from(view.revision));
    }

    /// Notes a state and answers the one before.
    fn change(&mut self, plugin: bool, subject: &str, state: Option<String>) -> Option<String> {
        let key = (plugin, subject.to_owned());
        match state.filter(|state| !matches!(state.as_str(), "stopped" | "detached" | "lost")) {
            Some(state) => {
                // Who they were before is a convenience, so a full table begins anew.
                if self.states.len() >= EVENTS_MAX && !self.states.contains_key(&key) {
                    self.states.clear();
                }
                self.states.insert(key, state)
            }
            None => self.states.remove(&key),
        }
    }
}

fn name_of(bus: &Bus, address: u32) -> String {
    bus.directory().name_of(address).unwrap_or_else(|| format!("#{address}"))
}

fn split(text: &str) -> (&str, &str) {
    text.split_once(' ').unwrap_or((text, ""))
}

/// `STATE REASON`
fn first_word(text: &str) -> (Option<String>, Option<String>) {
    let (state, reason) = split(text);
    ((!state.is_empty()).then(|| state.to_owned()), cut(reason))
}

/// A text without its end when it is long; none when there is nothing.
fn cut(text: &str) -> Option<String> {
    let text = text.trim();
    (!text.is_empty())
        .then(|| text.get(..text.floor_char_boundary(REASON_BYTES_MAX)).unwrap_or(text).to_owned())
}

#[cfg(test)]
mod tests {
    use caxton_core::Options;

    use super::*;

    fn bus() -> Bus {
        let (platform, limits) = ("here".to_owned(), Default::default());
        Bus::new(Options { platform, limits, workers: 1, seed: 1, content_in_signals: false }).unwrap()
    }

    /// Subject, state before, state, reason.
    type Shown = (String, Option<String>, Option<String>, Option<String>);

    fn told(signals: &[(EventName, &str, u64)]) -> Vec<Shown> {
        let (bus, mut fold) = (bus(), Fold::default());
        let sender = bus.address("bob").unwrap();
        let event = |(name, text, value): &(EventName, &str, u64)| {
            let text = (*text).to_owned().into();
            fold.event(&bus, &Signal { name: *name, text, value: *value, sender, ..Signal::default() })
        };
        let events = signals.iter().filter_map(event).collect::<Vec<_>>();
        events.into_iter().map(|event| (event.subject, event.from, event.state, event.reason)).collect()
    }

    fn some(text: &str) -> Option<String> {
        Some(text.to_owned())
    }

    #[test]
    fn states_of_an_agent_tell_what_was_before() {
        let bob = || "bob@here".to_owned();
        assert_eq!(
            told(&[
                (EventName::AGENT_STATE, "active", 0),
                (EventName::AGENT_STATE, "failed it trapped", 0),
                (EventName::AGENT_STATE, "stopped", 0),
                (EventName::AGENT_STATE, "starting", 0),
                (EventName::MESSAGE_ACCEPTED, "x", 0),
            ]),
            [
                (bob(), None, some("active"), None),
                (bob(), some("active"), some("failed"), some("it trapped")),
                (bob(), some("failed"), some("stopped"), None),
                (bob(), None, some("starting"), None),
            ]
        );
    }

    #[test]
    fn a_trap_is_one_event_however_many_conversations_it_hit() {
        let trap = (EventName::AGENT_TRAP, "unreachable\nframe", 0);
        assert_eq!(told(&[trap, trap]), [("bob@here".to_owned(), None, None, some("unreachable\nframe"))]);
    }

    #[test]
    fn plugins_and_the_server_tell_their_states() {
        assert_eq!(
            told(&[
                (EventName::PLUGIN_STATE, "rest running", 0),
                (EventName::PLUGIN_STATE, "rest failed no port", 0),
                (EventName::PLUGIN_RELOADED, "rest 0.2.0", 2),
                (EventName::SERVER_STATE, "draining", 0),
            ]),
            [
                ("rest".to_owned(), None, some("running"), None),
                ("rest".to_owned(), some("running"), some("failed"), some("no port")),
                ("rest".to_owned(), None, None, some("version 0.2.0")),
                ("here".to_owned(), None, some("draining"), None),
            ]
        );
    }
}
