//! The lines around a picture: which conversation it is, how each session ended, and how the whole did.

use super::{Conversation, Glyphs, names::Names, steps::Step};
use crate::{
    text::{safe, shorten, width},
    time,
};

/// Below this length times have two decimals of a millisecond, above it one.
const FINE_MICROS_MAX: i64 = 10_000;

/// A time as shown, for a conversation that took `whole_micros`.
pub(super) fn millis(micros: i64, whole_micros: i64) -> String {
    let decimals = if whole_micros < FINE_MICROS_MAX { 2 } else { 1 };
    // A conversation's microseconds are far below 2^52, so nothing is lost.
    format!("{:.decimals$} ms", micros as f64 / 1_000.0)
}

/// How long the conversation took, or has taken so far by its last step.
pub(super) fn duration_micros(conversation: &Conversation, steps: &[Step]) -> i64 {
    let ended = time::micros(&conversation.ended).zip(time::micros(&conversation.started));
    let last = steps.last().map_or(0, |step| step.micros);
    ended.map_or(last, |(ended, started)| ended - started)
}

/// The first line.
pub(super) fn title(conversation: &Conversation, glyphs: Glyphs, columns: usize) -> String {
    let parts = [
        format!("conversation {}", conversation.id),
        conversation.protocol.clone(),
        conversation.started.clone(),
    ];
    let parts: Vec<_> = parts.iter().filter(|part| !part.is_empty()).map(|part| safe(part)).collect();
    shorten(&parts.join(&separator(glyphs)), columns, glyphs.ellipsis).into_owned()
}

/// The last lines: session states, then the end, its duration and the number of messages.
pub(super) fn closing(
    conversation: &Conversation,
    steps: &[Step],
    names: &Names,
    options: super::Options,
) -> Vec<String> {
    let mut lines = sessions(conversation, names, options);
    let micros = duration_micros(conversation, steps);
    let duration = millis(micros, micros);
    let end = match (conversation.state.as_str(), conversation.end.as_str()) {
        ("closed", "") => format!("closed after {duration}"),
        ("closed", end) => format!("{} after {duration}", safe(end)),
        (state, _) => format!("{}, {duration} so far", safe(state)),
    };
    let plural = if conversation.messages == 1 { "" } else { "s" };
    let mut parts = vec![end, format!("{} message{plural}", conversation.messages)];
    if conversation.dropped_events > 0 {
        parts.push(format!("{} events were not kept, so the picture has gaps", conversation.dropped_events));
    }
    lines.extend(wrapped("", &parts, options));
    lines
}

fn sessions(conversation: &Conversation, names: &Names, options: super::Options) -> Vec<String> {
    let several = |participant: &str| {
        conversation.sessions.iter().filter(|session| session.participant == participant).count() > 1
    };
    let shown = |session: &super::Session| {
        let name = names.shown(&session.participant);
        let of = if several(&session.participant) { format!("#{}", session.session) } else { String::new() };
        safe(&format!("{name}{of} {}", session.state)).into_owned()
    };
    let parts: Vec<_> = conversation.sessions.iter().map(shown).collect();
    if parts.is_empty() { Vec::new() } else { wrapped("sessions: ", &parts, options) }
}

/// The parts with a separator between, in lines of at most the columns allowed.
fn wrapped(heading: &str, parts: &[String], options: super::Options) -> Vec<String> {
    let separator = separator(options.glyphs);
    let mut lines: Vec<String> = Vec::new();
    for part in parts {
        match lines.last_mut() {
            Some(line) if width(line) + width(&separator) + width(part) <= options.columns => {
                line.push_str(&separator);
                line.push_str(part);
            }
            Some(_) => lines.push(format!("{}{part}", " ".repeat(heading.len()))),
            None => lines.push(format!("{heading}{part}")),
        }
    }
    lines
        .into_iter()
        .map(|line| shorten(&line, options.columns, options.glyphs.ellipsis).into_owned())
        .collect()
}

fn separator(glyphs: Glyphs) -> String {
    format!(" {} ", glyphs.between)
}
