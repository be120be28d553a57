//! The versions of an agent, as its document lists them, in words and as a table.

use serde_json::Value;

use crate::{
    command::{get::short_digest, text},
    table::Table,
    time::ago,
};

/// The versions in the document, oldest first; empty where the server tells none.
pub(crate) fn all(agent: &Value) -> &[Value] {
    agent.get("revisions").and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

/// What a deployment came to: `created`, `version 3 active`, `version 4 canary 10 %`.
pub(crate) fn outcome(agent: &Value) -> String {
    match all(agent).iter().max_by_key(|version| number(version)) {
        None => "created".to_owned(),
        Some(version) if number(version) <= 1 && all(agent).len() == 1 => "created".to_owned(),
        Some(version) => in_words(version),
    }
}

/// What serves after a promotion or a rollback, as [`outcome`] says it.
pub(crate) fn serving(agent: &Value) -> String {
    let active = all(agent).iter().rev().find(|version| text(version, "state") == "active");
    active.map_or_else(|| text(agent, "state"), in_words)
}

fn number(version: &Value) -> u64 {
    version.get("number").and_then(Value::as_u64).unwrap_or_default()
}

fn in_words(version: &Value) -> String {
    let (number, state) = (number(version), text(version, "state"));
    match state.as_str() {
        "canary" => format!("version {number} canary {} %", text(version, "share")),
        _ => format!("version {number} {state}"),
    }
}

/// The versions as a table; `None` when the server tells none.
pub(crate) fn table(agent: &Value, now_micros: i64) -> Option<Table> {
    let mut table = Table::new(["VERSION", "STATE", "SHARE", "CONVERSATIONS", "MAILBOX", "AGE", "COMPONENT"]);
    for version in all(agent) {
        let share = text(version, "share");
        table.row([
            text(version, "number"),
            text(version, "state"),
            if share.is_empty() { share } else { format!("{share} %") },
            text(version, "conversations"),
            text(version, "mailbox"),
            ago(&text(version, "since"), now_micros),
            short_digest(&text(version, "component")),
        ]);
    }
    (!table.is_empty()).then_some(table)
}
