//! The state of a server as one document, and the text that people read of it.

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::{output::fields, time};

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
}

/// What became of every message: accepted = delivered + expired + dead-lettered + in flight.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case", default)]
pub struct Accounting {
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
    /// Accepted and on their way.
    pub in_flight: u64,
    /// The dead letters by reason.
    pub dead_lettered_by_reason: BTreeMap<String, u64>,
    /// What the server itself says of the sum.
    pub holds: bool,
}

impl Accounting {
    /// True when the server says that the sums hold and the figures agree.
    pub fn holds(&self) -> bool {
        let outcomes = [self.expired, self.dead_lettered, self.in_flight];
        let sum = outcomes.into_iter().try_fold(self.delivered, u64::checked_add);
        let came = self.accepted.checked_add(self.refused);
        self.holds && sum == Some(self.accepted) && came == Some(self.submitted)
    }

    /// `accepted 99 = delivered 95 + expired 1 + dead-lettered 2 + in flight 1`.
    pub fn line(&self) -> String {
        let Self { accepted, delivered, expired, dead_lettered, in_flight, .. } = self;
        format!(
            "accepted {accepted} = delivered {delivered} + expired {expired} + dead-lettered {dead_lettered} + in flight \
             {in_flight}"
        )
    }
}

/// The text for people: the server, its parts, and last the accounting line and whether it holds.
pub fn summary(status: &Status) -> String {
    let Accounting { submitted, refused, .. } = status.accounting;
    let ready = if status.ready { "ready" } else { "not ready, see GET /readyz" };
    let workers = if status.workers == 1 { "worker" } else { "workers" };
    let mut lines = vec![
        ("server", format!("{} on platform {}, {ready}", status.version, status.platform)),
        ("speaks", format!("plugin boundary {}, agents {}", status.abi, status.wit)),
        ("up", format!("{} on {} {workers}", time::spoken(status.uptime_ms), status.workers)),
        ("agents", counts(&status.agents)),
        ("plugins", counts(&status.plugins)),
        ("conversations", counts(&status.conversations)),
        ("messages", format!("{submitted} submitted, {refused} refused")),
    ];
    if !status.accounting.dead_lettered_by_reason.is_empty() {
        lines.push(("dead letters", counts(&status.accounting.dead_lettered_by_reason)));
    }
    if let Some(dropped) = status.signals.get("dropped").filter(|dropped| **dropped > 0) {
        lines.push(("signals", format!("{dropped} dropped")));
    }
    let verdict = if status.accounting.holds() { "holds" } else { "DOES NOT HOLD" };
    format!("{}\n{}\nthe sum {verdict}", fields(&lines), status.accounting.line())
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
        messages:       100 submitted, 1 refused
        dead letters:   2 unknown-receiver
        accepted 99 = delivered 95 + expired 1 + dead-lettered 2 + in flight 1
        the sum holds
        ");
    }

    #[test]
    fn sum_is_added_up_here_too() {
        let mut accounting = status().accounting;
        assert!(accounting.holds());
        accounting.delivered = 94;
        assert!(!accounting.holds());
        accounting.delivered = u64::MAX;
        assert!(!accounting.holds());
    }
}
