//! The state of a server as one document, and the text that people read of it.

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::{output::fields, table::Table, time};

/// A `caxton.status/v1` document. Keys that a newer server adds are ignored.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case", default)]
pub struct Status {
    /// The server's version.
    pub version: String,
    /// The version of the plugin boundary.
    pub abi: String,
    /// The WIT package that agents are built against.
    pub wit: String,
    /// The platform's name, behind the `@` of agents.
    pub platform: String,
    /// When it started, RFC 3339.
    pub started: String,
    /// How long it has run, in milliseconds.
    pub uptime_ms: u64,
    /// Threads that run agents.
    pub workers: u64,
    /// True when it takes work.
    pub ready: bool,
    /// Agents by state.
    pub agents: BTreeMap<String, u64>,
    /// Plugins by state.
    pub plugins: BTreeMap<String, u64>,
    /// Conversations by state.
    pub conversations: BTreeMap<String, u64>,
    /// What became of every message.
    pub accounting: Accounting,
    /// Signals that no ring had room for, under `dropped`.
    pub signals: BTreeMap<String, u64>,
    /// Where durable messages are kept; `None` without a store.
    pub store: Option<Store>,
}

/// The store of durable messages.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case", default)]
pub struct Store {
    /// The plugin that keeps them.
    pub plugin: String,
    /// How it does.
    pub state: String,
    /// Why it refuses.
    pub code: Option<String>,
    /// Why it refuses, in words.
    pub reason: Option<String>,
    /// Messages that it keeps now.
    pub messages: u64,
    /// Transactions that are being written.
    pub writing: u64,
}

impl Store {
    /// `store-sqlite running, 12 messages, 3 being written`, and why it refuses.
    fn line(&self) -> String {
        let Self { plugin, state, messages, writing, .. } = self;
        let why = match (&self.code, &self.reason) {
            (Some(code), Some(reason)) => format!(" [{code}]: {reason}"),
            (Some(code), None) => format!(" [{code}]"),
            (None, Some(reason)) => format!(": {reason}"),
            (None, None) => String::new(),
        };
        format!("{plugin} {state}, {messages} messages, {writing} being written{why}")
    }
}

/// What became of every message: accepted = delivered + expired + dead-lettered + dropped + in flight.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case", default)]
pub struct Accounting {
    /// All messages.
    #[serde(flatten)]
    pub all: Books,
    /// The dead letters by reason.
    pub dead_lettered_by_reason: BTreeMap<String, u64>,
    /// The dropped ones by reason.
    pub dropped_by_reason: BTreeMap<String, u64>,
    /// The same figures for each class.
    pub by_class: BTreeMap<String, Books>,
    /// What the server itself says of the sum.
    pub holds: bool,
}

/// The figures of one sum.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case", default)]
pub struct Books {
    /// Messages that came.
    pub submitted: u64,
    /// Of these, refused where they entered.
    pub refused: u64,
    /// Of these, accepted.
    pub accepted: u64,
    /// Accepted and delivered.
    pub delivered: u64,
    /// Accepted, and their reply-by passed before they were delivered.
    pub expired: u64,
    /// Accepted and not deliverable.
    pub dead_lettered: u64,
    /// Accepted, volatile, and given up because the server ended.
    pub dropped: u64,
    /// Accepted and on their way.
    pub in_flight: u64,
}

impl Books {
    /// True when both sums hold.
    fn hold(&self) -> bool {
        let outcomes = [self.expired, self.dead_lettered, self.dropped, self.in_flight];
        let sum = outcomes.into_iter().try_fold(self.delivered, u64::checked_add);
        sum == Some(self.accepted) && self.accepted.checked_add(self.refused) == Some(self.submitted)
    }
}

impl Accounting {
    /// True when the server says that the sums hold and the figures agree, together and for each class.
    pub fn holds(&self) -> bool {
        self.holds && self.all.hold() && self.by_class.values().all(Books::hold)
    }

    /// `accepted 99 = delivered 95 + expired 1 + dead-lettered 2 + dropped 0 + in flight 1`.
    pub fn line(&self) -> String {
        let Books { accepted, delivered, expired, dead_lettered, dropped, in_flight, .. } = self.all;
        format!(
            "accepted {accepted} = delivered {delivered} + expired {expired} + dead-lettered {dead_lettered} + dropped \
             {dropped} + in flight {in_flight}"
        )
    }

    /// The classes that messages came in, as a table; `None` when there was only the default one.
    fn classes(&self) -> Option<Table> {
        let mut table = Table::new([
            "CLASS",
            "SUBMITTED",
            "REFUSED",
            "ACCEPTED",
            "DELIVERED",
            "EXPIRED",
            "DEAD",
            "DROPPED",
            "IN FLIGHT",
        ]);
        let used = self.by_class.iter().filter(|(_, books)| books.submitted > 0);
        for (class, books) in used.clone() {
            let Books { submitted, refused, accepted, delivered, expired, dead_lettered, dropped, in_flight } =
                *books;
            let figures =
                [submitted, refused, accepted, delivered, expired, dead_lettered, dropped, in_flight];
            table.row(std::iter::once(class.clone()).chain(figures.map(|figure| figure.to_string())));
        }
        used.into_iter().any(|(class, _)| class != "volatile").then_some(table)
    }
}

/// The text for people: the server, its parts, and last the accounting line and whether it holds.
pub fn summary(status: &Status) -> String {
    let Books { submitted, refused, .. } = status.accounting.all;
    let ready = if status.ready { "ready" } else { "not ready, see GET /readyz" };
    let workers = if status.workers == 1 { "worker" } else { "workers" };
    let mut lines = vec![
        ("server", format!("{} on platform {}, {ready}", status.version, status.platform)),
        ("speaks", format!("plugin boundary {}, agents {}", status.abi, status.wit)),
        ("up", format!("{} on {} {workers}", time::spoken(status.uptime_ms), status.workers)),
        ("agents", counts(&status.agents)),
        ("plugins", counts(&status.plugins)),
        ("conversations", counts(&status.conversations)),
        ("store", status.store.as_ref().map_or_else(|| "none".to_owned(), Store::line)),
        ("messages", format!("{submitted} submitted, {refused} refused")),
    ];
    if !status.accounting.dead_lettered_by_reason.is_empty() {
        lines.push(("dead letters", counts(&status.accounting.dead_lettered_by_reason)));
    }
    if !status.accounting.dropped_by_reason.is_empty() {
        lines.push(("dropped", counts(&status.accounting.dropped_by_reason)));
    }
    if let Some(dropped) = status.signals.get("dropped").filter(|dropped| **dropped > 0) {
        lines.push(("signals", format!("{dropped} dropped")));
    }
    let verdict = if status.accounting.holds() { "holds" } else { "DOES NOT HOLD" };
    let classes = status.accounting.classes().map(|table| format!("\n\n{}\n", table.text(usize::MAX, '…')));
    let line = status.accounting.line();
    format!("{}{}\n{line}\nthe sum {verdict}", fields(&lines), classes.unwrap_or_default())
}

/// `5 active, 1 failed`, without the zeros; `none` when all are zero.
fn counts(states: &BTreeMap<String, u64>) -> String {
    let counted =
        states.iter().filter(|(_, count)| **count > 0).map(|(state, count)| format!("{count} {state}"));
    let counted: Vec<_> = counted.collect();
    if counted.is_empty() { "none".to_owned() } else { counted.join(", ") }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status() -> Status {
        serde_json::from_value(serde_json::json!({"kind": "caxton.status/v1", "version": "0.1.0", "abi": "0.1",
            "wit": "caxton:agent@0.1.0", "platform": "caxton", "started": "2026-11-20T12:00:00Z", "uptime-ms": 12345,
            "workers": 2, "ready": true, "agents": {"active": 5, "starting": 0}, "plugins": {"running": 4},
            "conversations": {"open": 1, "closed": 12},
            "accounting": {"submitted": 100, "refused": 1, "accepted": 99, "delivered": 95, "expired": 1,
                "dead-lettered": 2, "in-flight": 1, "dead-lettered-by-reason": {"unknown-receiver": 2}, "holds": true},
            "signals": {"dropped": 0}}))
        .unwrap()
    }

    #[test]
    fn summary_ends_with_the_accounting_line_and_its_verdict() {
        insta::assert_snapshot!(summary(&status()), @"
        server:         0.1.0 on platform caxton, ready
        speaks:         plugin boundary 0.1, agents caxton:agent@0.1.0
        up:             12 s on 2 workers
        agents:         5 active
        plugins:        4 running
        conversations:  12 closed, 1 open
        store:          none
        messages:       100 submitted, 1 refused
        dead letters:   2 unknown-receiver
        accepted 99 = delivered 95 + expired 1 + dead-lettered 2 + dropped 0 + in flight 1
        the sum holds
        ");
    }

    #[test]
    fn sum_is_added_up_here_too() {
        let mut accounting = status().accounting;
        assert!(accounting.holds());
        accounting.all.delivered = 94;
        assert!(!accounting.holds());
        accounting.all.delivered = u64::MAX;
        assert!(!accounting.holds());
    }

    #[test]
    fn summary_has_the_classes_and_the_store_where_they_are_used() {
        let books = |submitted: u64, refused: u64, dropped: u64| {
            let accepted = submitted - refused;
            serde_json::json!({"submitted": submitted, "refused": refused, "accepted": accepted,
                "delivered": accepted - dropped, "expired": 0, "dead-lettered": 0, "dropped": dropped, "in-flight": 0})
        };
        let mut accounting = books(100, 1, 2);
        accounting["holds"] = true.into();
        accounting["dropped-by-reason"] = serde_json::json!({"shutting-down": 2});
        accounting["by-class"] = serde_json::json!({"volatile": books(80, 1, 2), "durable": books(20, 0, 0), "acked": books(0, 0, 0)});
        let store = serde_json::json!({"plugin": "store-sqlite", "state": "full", "code": "CX0324",
            "reason": "no space left", "messages": 12, "writing": 3});
        let status: Status =
            serde_json::from_value(serde_json::json!({"accounting": accounting, "store": store})).unwrap();
        let summary = summary(&status);
        let (_, end) = summary.split_once("conversations:  none\n").unwrap();
        insta::assert_snapshot!(end, @"
        store:          store-sqlite full, 12 messages, 3 being written [CX0324]: no space left
        messages:       100 submitted, 1 refused
        dropped:        2 shutting-down

        CLASS     SUBMITTED  REFUSED  ACCEPTED  DELIVERED  EXPIRED  DEAD  DROPPED  IN FLIGHT
        durable   20         0        20        20         0        0     0        0
        volatile  80         1        79        77         0        0     2        0

        accepted 99 = delivered 97 + expired 0 + dead-lettered 0 + dropped 2 + in flight 0
        the sum holds
        ");
        let mut wrong = status.accounting;
        wrong.by_class.get_mut("durable").unwrap().delivered = 19;
        assert!(!wrong.holds());
    }
}
