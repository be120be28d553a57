//! What a picture shows, in order: one step for each message, each trap and each change of state.
//!
//! The server reports a message's life in several events (accepted, delivered, withheld, expired, …). Here they become
//! one step at the time of the first, so no message is drawn twice.

use std::collections::{HashMap, HashSet};

use super::{Conversation, Event};
use crate::{
    text::{safe, shorten},
    time,
};

/// How much of a content's preview a label repeats, in columns.
const PREVIEW_COLUMNS_MAX: usize = 24;

/// One line of a picture.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Step {
    /// Microseconds since the conversation began.
    pub micros: i64,
    /// What happened.
    pub what: What,
}

/// What happened in a step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum What {
    /// A message.
    Message(Message),
    /// An agent trapped, with the kind of the trap.
    Trap { agent: String, kind: String },
    /// A session changed its state; shown in tables only.
    Transition { agent: String, text: String },
}

/// A message, from sender to receiver.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Message {
    pub from: String,
    pub to: String,
    /// The act, and its price or the beginning of its content.
    pub label: String,
    /// What is to be said of it beyond the label, as `late, withheld by the server`; empty for most.
    pub note: String,
    pub reply_with: String,
    pub in_reply_to: String,
    /// True when the server sent it in the sender's name.
    pub by_server: bool,
    /// True when it did not reach its receiver.
    pub lost: bool,
}

/// What all events together say of one message.
#[derive(Default)]
struct Life<'a> {
    marks: Vec<&'a str>,
    delivered: bool,
    /// The event that ended it other than by delivery.
    end: Option<&'a Event>,
}

/// The steps of a conversation, in order of time.
pub(super) fn steps(conversation: &Conversation) -> Vec<Step> {
    let lives = lives(&conversation.events);
    let start =
        std::iter::once(&conversation.started).chain(conversation.events.iter().map(|event| &event.time));
    let start = start.filter_map(|text| time::micros(text)).min().unwrap_or_default();
    let mut late = Vec::new();
    let mut drawn = HashSet::new();
    let mut steps = Vec::new();
    for event in &conversation.events {
        let micros = time::micros(&event.time).map_or(0, |time| time - start);
        let what = match event.event.as_str() {
            "agent.trap" => What::Trap { agent: event.from.clone(), kind: trap_kind(event) },
            "conversation.transition" => {
                What::Transition { agent: event.from.clone(), text: event.text.clone() }
            }
            name if is_message(name) && drawn.insert(key(event)) => {
                What::Message(message(event, lives.get(&key(event)), &mut late))
            }
            _ => continue,
        };
        steps.push(Step { micros, what });
    }
    steps.sort_by_key(|step| step.micros);
    steps
}

/// A message to several receivers is one arrow for each.
fn key(event: &Event) -> (&str, &str) {
    (&event.id, &event.to)
}

fn is_message(name: &str) -> bool {
    matches!(
        name,
        "message.accepted"
            | "message.delivered"
            | "message.refused"
            | "message.expired"
            | "message.dead_lettered"
            | "protocol.verdict"
    )
}

fn lives(events: &[Event]) -> HashMap<(&str, &str), Life<'_>> {
    let mut lives: HashMap<_, Life<'_>> = HashMap::new();
    for event in events.iter().filter(|event| is_message(&event.event)) {
        let life = lives.entry(key(event)).or_default();
        life.marks.extend(event.marks.iter().map(String::as_str));
        match event.event.as_str() {
            "message.delivered" => life.delivered = true,
            "message.accepted" => {}
            // The verdict says why; that the message then was dead-lettered only repeats it.
            _ if life.end.is_none_or(|end| end.event != "protocol.verdict") => life.end = Some(event),
            _ => {}
        }
    }
    lives
}

fn message<'a>(event: &'a Event, life: Option<&Life<'a>>, late: &mut Vec<&'a str>) -> Message {
    let none = Life::default();
    let life = life.unwrap_or(&none);
    let marked = |mark: &str| life.marks.contains(&mark);
    let end = life.end.filter(|_| !life.delivered);
    let by_server = marked("on-behalf") || marked("platform");
    let mut notes = Vec::new();
    if marked("on-behalf") {
        notes.push(format!("server: {}", server_reason(event, late)));
    } else if by_server {
        notes.push("by the server".to_owned());
    }
    for (mark, note) in [("out-of-sequence", "out of sequence"), ("redelivered", "redelivered")] {
        if marked(mark) {
            notes.push(note.to_owned());
        }
    }
    if let Some(end) = end {
        notes.push(lost_note(end));
        if is_late(end) {
            late.push(&event.from);
        }
    } else if marked("late") {
        notes.push("late".to_owned());
    }
    Message {
        from: event.from.clone(),
        to: event.to.clone(),
        label: label(event),
        note: notes.join(", "),
        reply_with: event.reply_with.clone(),
        in_reply_to: event.in_reply_to.clone(),
        by_server,
        lost: end.is_some(),
    }
}

fn is_late(end: &Event) -> bool {
    end.event == "protocol.verdict" && (end.code == "CX0501" || end.reason == "late")
}

/// Why a message did not arrive.
fn lost_note(end: &Event) -> String {
    let reason = reason(end).unwrap_or("no reason given");
    match end.event.as_str() {
        "protocol.verdict" => format!("{reason}, withheld by the server"),
        "message.refused" => format!("refused by the server: {reason}"),
        "message.expired" => "expired before it was delivered".to_owned(),
        _ => format!("dead letter: {reason}"),
    }
}

/// Why the server sent a message in an agent's name: its own reason, or that the agent's bid was late.
fn server_reason<'a>(event: &'a Event, late: &[&str]) -> &'a str {
    let answers_late_bid = event.performative == "reject-proposal" && late.contains(&event.to.as_str());
    reason(event).unwrap_or(if answers_late_bid { "late" } else { "on its behalf" })
}

fn reason(event: &Event) -> Option<&str> {
    [&event.reason, &event.code].into_iter().map(String::as_str).find(|text| !text.is_empty())
}

/// `unreachable`, `deadline`, …: by the event's reason or code, else what the trap said.
fn trap_kind(event: &Event) -> String {
    let known = match event.code.as_str() {
        "CX0430" => "deadline",
        "CX0431" => "memory",
        "CX0432" => "stack",
        "CX0433" => "unreachable",
        "CX0435" => "denied",
        _ => "",
    };
    let reason = event.reason.strip_prefix("trap-").unwrap_or(&event.reason);
    let said = [reason, known, &event.text, &event.code].into_iter().find(|text| !text.is_empty());
    safe(said.unwrap_or_default()).into_owned()
}

fn label(event: &Event) -> String {
    let act = if event.performative.is_empty() { "message" } else { &event.performative };
    let text = safe(&event.text);
    let about = price(&text).or_else(|| told(&text)).unwrap_or_else(|| text.trim().to_owned());
    let about = shorten(&about, PREVIEW_COLUMNS_MAX, '…');
    format!("{} {about}", safe(act)).trim_end().to_owned()
}

/// The number behind the key `price` of a content in JSON, with two decimals at most; also when its preview was cut.
fn price(text: &str) -> Option<String> {
    let value = value_of(text, "price")?;
    let end = value
        .find(|found: char| !found.is_ascii_digit() && found != '.' && found != '-')
        .unwrap_or(value.len());
    let number: f64 = value.get(..end)?.parse().ok()?;
    let shown = format!("{number:.2}");
    Some(shown.trim_end_matches('0').trim_end_matches('.').to_owned())
}

/// The word behind `reason`, else behind `code`: what refusals, rejections and failures say first.
fn told(text: &str) -> Option<String> {
    let value = value_of(text, "reason").or_else(|| value_of(text, "code"))?;
    let word = value.strip_prefix('"')?.split('"').next()?;
    (!word.is_empty()).then(|| word.to_owned())
}

/// What follows a key of the content, when the content looks like a JSON object.
fn value_of<'t>(text: &'t str, key: &str) -> Option<&'t str> {
    let (_, value) = text.trim_start().strip_prefix('{')?.split_once(&format!("\"{key}\""))?;
    Some(value.trim_start().strip_prefix(':')?.trim_start())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn conversation(events: serde_json::Value) -> Conversation {
        serde_json::from_value(serde_json::json!({"started": "2026-11-20T12:00:00Z", "events": events}))
            .unwrap()
    }

    fn messages(events: serde_json::Value) -> Vec<Message> {
        let messages = steps(&conversation(events)).into_iter();
        messages
            .filter_map(|step| if let What::Message(message) = step.what { Some(message) } else { None })
            .collect()
    }

    #[test]
    fn message_of_many_events_is_one_step() {
        let drawn = messages(serde_json::json!([
            {"time": "2026-11-20T12:00:00.1Z", "event": "message.accepted", "id": "1", "performative": "cfp", "from": "m", "to": "a"},
            {"time": "2026-11-20T12:00:00.1Z", "event": "message.accepted", "id": "1", "performative": "cfp", "from": "m", "to": "b"},
            {"time": "2026-11-20T12:00:00.2Z", "event": "message.delivered", "id": "1", "from": "m", "to": "a"},
            {"time": "2026-11-20T12:00:00.3Z", "event": "message.dead_lettered", "id": "1", "to": "b", "reason": "poison"},
        ]));
        let seen: Vec<_> =
            drawn.iter().map(|message| (message.to.as_str(), message.lost, message.note.as_str())).collect();
        assert_eq!(seen, [("a", false, ""), ("b", true, "dead letter: poison")]);
    }

    #[test]
    fn verdict_on_a_message_that_was_delivered_all_the_same_only_flags_it() {
        let drawn = messages(serde_json::json!([
            {"time": "2026-11-20T12:00:00.1Z", "event": "message.accepted", "id": "1", "performative": "inform", "marks": ["late"]},
            {"time": "2026-11-20T12:00:00.1Z", "event": "protocol.verdict", "id": "1", "code": "CX0509"},
            {"time": "2026-11-20T12:00:00.2Z", "event": "message.delivered", "id": "1"},
        ]));
        assert_eq!((drawn[0].lost, drawn[0].note.as_str()), (false, "late"));
    }

    #[test]
    fn verdict_outranks_the_dead_letter_that_follows_it() {
        let drawn = messages(serde_json::json!([
            {"time": "2026-11-20T12:00:00.1Z", "event": "message.accepted", "id": "1", "performative": "propose"},
            {"time": "2026-11-20T12:00:00.1Z", "event": "protocol.verdict", "id": "1", "code": "CX0501", "reason": "late"},
            {"time": "2026-11-20T12:00:00.1Z", "event": "message.dead_lettered", "id": "1", "code": "CX0501"},
        ]));
        assert_eq!(drawn[0].note, "late, withheld by the server");
    }

    #[test]
    fn servers_own_message_is_told_from_one_in_an_agents_name() {
        let note = |marks: &[&str]| {
            let event = serde_json::json!({"time": "2026-11-20T12:00:00Z", "event": "message.accepted", "id": "1",
                "performative": "failure", "marks": marks});
            messages(serde_json::json!([event])).remove(0).note
        };
        assert_eq!(note(&["platform"]), "by the server");
        assert_eq!(note(&["platform", "on-behalf"]), "server: on its behalf");
        assert_eq!(note(&[]), "");
    }

    #[test]
    fn label_shows_the_price_of_a_bid_and_else_the_beginning() {
        let of = |text: &str| {
            label(&Event { performative: "propose".into(), text: text.into(), ..Event::default() })
        };
        assert_eq!(of(r#"{"price": 9.5, "unit"#), "propose 9.5");
        assert_eq!(of(r#"{"price": 5.025341796875}"#), "propose 5.03");
        assert_eq!(of(r#"{"price": 3}"#), "propose 3");
        assert_eq!(of(r#"{"price":"x"}"#), r#"propose {"price":"x"}"#);
        assert_eq!(of(r#"{"reason":"late","code":"CX0501","mea"#), "propose late");
        assert_eq!(of(r#"{"code":"not-today","detail":"does not fe"#), "propose not-today");
        assert_eq!(of("count the words of this long text"), "propose count the words of this…");
        assert_eq!(of(""), "propose");
    }

    #[test]
    fn times_count_from_the_beginning() {
        let events = serde_json::json!([{"time": "2026-11-20T12:00:00.000123Z", "event": "agent.trap", "from": "a",
            "code": "CX0433", "reason": "trap-unreachable"}]);
        let trap = What::Trap { agent: "a".into(), kind: "unreachable".into() };
        assert_eq!(steps(&conversation(events)), [Step { micros: 123, what: trap }]);
    }
}
