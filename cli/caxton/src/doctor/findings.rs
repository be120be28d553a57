//! What is wrong, judged from the evidence alone: each finding with what it is, how bad, and what to do.

use serde_json::{Value, json};

use super::Evidence;
use crate::{
    command::{items, text},
    status::Status,
    time,
};

/// How bad a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// Good to know.
    Info,
    /// Something does not work as it should.
    Warning,
    /// The server cannot do its work, or something is lost.
    Critical,
}

/// One finding.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// What was looked at.
    pub check: &'static str,
    /// How bad it is.
    pub severity: Severity,
    /// What was found.
    pub what: String,
    /// What to do.
    pub fix: String,
}

/// A disk with less is nearly full.
const DISK_FREE_BYTES_MIN: u64 = 1 << 30;
/// A server with many connections and plugins needs more than the usual 1024.
const FILES_MIN: u64 = 4096;
/// Clocks that differ by more make deadlines wrong.
const CLOCK_SKEW_MICROS_MAX: i64 = 5_000_000;

impl Severity {
    /// The word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Info => "info",
            Self::Warning => "warning",
            Self::Critical => "critical",
        }
    }
}

impl Finding {
    /// Its document.
    pub fn document(&self) -> Value {
        json!({"check": self.check, "severity": self.severity.as_str(), "what": self.what, "fix": self.fix})
    }
}

/// Every finding, the worst first.
pub fn all(evidence: &Evidence) -> Vec<Finding> {
    let mut found = Vec::new();
    let unreachable = evidence.get("unreachable");
    if unreachable.is_null() {
        server(evidence, &mut found);
        plugins(evidence, &mut found);
        agents(evidence, &mut found);
        dead_letters(evidence, &mut found);
        clock(evidence, &mut found);
    } else {
        let fix = "start it with `caxton serve -f caxton.toml`, or name another with --server or `caxton context use`";
        add(&mut found, "server", Severity::Critical, text(unreachable, "why"), fix);
    }
    configuration(evidence, &mut found);
    machine(evidence, &mut found);
    found.sort_by_key(|finding| std::cmp::Reverse(finding.severity));
    found
}

fn add(
    found: &mut Vec<Finding>,
    check: &'static str,
    severity: Severity,
    what: impl Into<String>,
    fix: impl Into<String>,
) {
    found.push(Finding { check, severity, what: what.into(), fix: fix.into() });
}

fn server(evidence: &Evidence, found: &mut Vec<Finding>) {
    let document = evidence.get("status");
    let Ok(status) = serde_json::from_value::<Status>(document.clone()) else {
        let what = "the status is not a document of this version";
        return add(found, "server", Severity::Critical, what, "compare `caxton version`");
    };
    if status.version.is_empty() {
        let what = format!("the server gave no status: {}", text(document, "detail"));
        return add(found, "server", Severity::Critical, what, "check that the address is a Caxton server's");
    }
    if !status.ready {
        let waiting = text(evidence.get("health"), "waiting");
        add(
            found,
            "ready",
            Severity::Critical,
            format!("the server is not ready: {waiting}"),
            "see the plugins below and `caxton logs`",
        );
    }
    let own = text(evidence.get("versions"), "client");
    if status.version != own {
        let what = format!("this program is {own}, the server is {}", status.version);
        add(found, "version", Severity::Warning, what, "use the program of the server's version");
    }
    if !status.accounting.holds() {
        let fix = "report it with this bundle: messages are not accounted for";
        add(found, "accounting", Severity::Critical, status.accounting.line(), fix);
    }
    match &status.store {
        Some(store) if store.state != "running" => {
            let why = store.reason.clone().unwrap_or_default();
            let what = format!("the store {} is {}: {why}", store.plugin, store.state);
            add(
                found,
                "store",
                Severity::Critical,
                what,
                "free space or mend the disk; durable messages are refused until then",
            );
        }
        _ => {}
    }
    let dropped = status.signals.get("dropped").copied().unwrap_or_default();
    if dropped > 0 {
        let what = format!("{dropped} signals were dropped: traces and conversations have gaps");
        add(found, "signals", Severity::Info, what, "sample fewer conversations, or make the rings larger");
    }
}

fn plugins(evidence: &Evidence, found: &mut Vec<Finding>) {
    for plugin in items(evidence.get("plugins")) {
        let [name, state, code, reason] = ["name", "state", "code", "reason"].map(|key| text(plugin, key));
        let required = plugin.get("required") == Some(&Value::Bool(true));
        let severity = match state.as_str() {
            "failed" if required => Severity::Critical,
            "failed" | "degraded" => Severity::Warning,
            _ => continue,
        };
        let what = format!("plugin {name} is {state} [{code}]: {reason}");
        add(
            found,
            "plugin",
            severity,
            what,
            format!("mend what it says, then `caxton plugin reload {name}`"),
        );
    }
}

fn agents(evidence: &Evidence, found: &mut Vec<Finding>) {
    for agent in items(evidence.get("agents")) {
        let [name, state, code, reason] = ["name", "state", "code", "reason"].map(|key| text(agent, key));
        if state != "failed" {
            continue;
        }
        let first = reason.lines().next().unwrap_or_default();
        let what = format!("agent {name} has failed [{code}]: {first}");
        add(
            found,
            "agent",
            Severity::Warning,
            what,
            format!("see `caxton logs {name}`, then deploy it again"),
        );
    }
}

fn dead_letters(evidence: &Evidence, found: &mut Vec<Finding>) {
    let reasons =
        evidence.get("status").get("accounting").and_then(|books| books.get("dead-lettered-by-reason"));
    let told: Vec<String> = reasons
        .and_then(Value::as_object)
        .into_iter()
        .flatten()
        .filter(|(_, count)| count.as_u64() > Some(0))
        .map(|(reason, count)| format!("{count} {reason}"))
        .collect();
    if !told.is_empty() {
        let fix = "look with `caxton get dead-letters`, then `caxton requeue` or `caxton purge`";
        add(found, "dead-letters", Severity::Warning, format!("dead letters: {}", told.join(", ")), fix);
    }
}

/// The server's clock by its start and uptime, against this machine's.
fn clock(evidence: &Evidence, found: &mut Vec<Finding>) {
    let status = evidence.get("status");
    let started = time::micros(&text(status, "started"));
    let uptime = status.get("uptime-ms").and_then(Value::as_i64);
    let here = evidence.get("host").get("clock-micros").and_then(Value::as_i64);
    let (Some(started), Some(uptime), Some(here)) = (started, uptime, here) else { return };
    let skew = started.saturating_add(uptime.saturating_mul(1000)).saturating_sub(here);
    if skew.abs() > CLOCK_SKEW_MICROS_MAX {
        let what = format!("the server's clock and this one differ by {} s", skew / 1_000_000);
        add(found, "clock", Severity::Warning, what, "let both follow a time server: deadlines are times");
    }
}

fn configuration(evidence: &Evidence, found: &mut Vec<Finding>) {
    let check = evidence.get("check");
    if check.get("valid") == Some(&Value::Bool(false)) {
        let what = format!("the configuration is not valid: {}", text(check, "output"));
        add(
            found,
            "configuration",
            Severity::Critical,
            what,
            "see every fault with `caxton check -f caxton.toml`",
        );
    }
}

fn machine(evidence: &Evidence, found: &mut Vec<Finding>) {
    let host = evidence.get("host");
    let number = |key: &str| host.get(key).and_then(Value::as_u64);
    if let Some(free) = number("disk-free-bytes").filter(|free| *free < DISK_FREE_BYTES_MIN) {
        let what = format!("{} has {} MiB left", text(host, "folder"), free >> 20);
        add(
            found,
            "disk",
            Severity::Warning,
            what,
            "free space: a store that cannot write refuses durable messages",
        );
    }
    if let Some(files) = number("files-max").filter(|files| *files < FILES_MIN) {
        let what = format!("this shell may open {files} files");
        add(found, "files", Severity::Info, what, "start the server with `ulimit -n 65536`");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn evidence(documents: Value) -> Evidence {
        Evidence { documents: documents.as_object().unwrap().clone().into_iter().collect() }
    }

    fn checks(documents: Value) -> Vec<(&'static str, Severity)> {
        all(&evidence(documents)).iter().map(|finding| (finding.check, finding.severity)).collect()
    }

    fn status(changed: &[(&str, Value)]) -> Value {
        let books = json!({"submitted": 1, "refused": 0, "accepted": 1, "delivered": 1, "holds": true});
        let mut status = json!({"version": "1", "ready": true, "accounting": books});
        for (key, value) in changed {
            status[*key] = value.clone();
        }
        status
    }

    #[test]
    fn healthy_server_has_no_findings() {
        assert_eq!(checks(json!({"status": status(&[]), "versions": {"client": "1"}})), []);
    }

    #[test]
    fn each_fault_is_found_and_the_worst_comes_first() {
        let books = json!({"submitted": 2, "accepted": 2, "delivered": 1, "holds": true,
            "dead-lettered-by-reason": {"unknown-receiver": 1, "mailbox-full": 0}});
        let store = json!({"plugin": "store-redb", "state": "full", "reason": "no space"});
        let documents = json!({
            "status": status(&[("ready", json!(false)), ("accounting", books), ("store", store),
                ("signals", json!({"dropped": 4})), ("started", json!("1970-01-01T00:00:00Z")), ("uptime-ms", json!(0))]),
            "versions": {"client": "2"},
            "plugins": {"items": [{"name": "rest", "state": "failed", "required": true}, {"name": "x", "state": "degraded"}]},
            "agents": {"items": [{"name": "a@caxton", "state": "failed"}, {"name": "b@caxton", "state": "active"}]},
            "host": {"disk-free-bytes": 5, "files-max": 1024, "clock-micros": 60_000_000},
            "check": {"valid": false, "output": "line 3"},
        });
        use Severity::{Critical, Info, Warning};
        assert_eq!(
            checks(documents),
            [
                ("ready", Critical),
                ("accounting", Critical),
                ("store", Critical),
                ("plugin", Critical),
                ("configuration", Critical),
                ("version", Warning),
                ("plugin", Warning),
                ("agent", Warning),
                ("dead-letters", Warning),
                ("clock", Warning),
                ("disk", Warning),
                ("signals", Info),
                ("files", Info),
            ]
        );
    }

    #[test]
    fn server_that_does_not_answer_is_one_critical_finding() {
        assert_eq!(checks(json!({"unreachable": {"why": "no server"}})), [("server", Severity::Critical)]);
    }
}
