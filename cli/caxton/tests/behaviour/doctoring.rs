//! `caxton doctor` and `caxton top`: what is told of a server, and what a bundle holds.

use serde_json::{Value, json};

use crate::server::{Ran, Server, program};

fn list(kind: &str, items: Value) -> Value {
    json!({"kind": format!("caxton.{kind}.list/v1"), "items": items})
}

/// A server whose plugin `rest` is in this state.
fn server(state: &str) -> Server {
    let books = json!({"submitted": 1, "refused": 0, "accepted": 1, "delivered": 1, "holds": true});
    let status = json!({"kind": "caxton.status/v1", "version": env!("CARGO_PKG_VERSION"), "ready": true, "accounting": books});
    let plugin =
        json!({"name": "rest", "state": state, "required": true, "code": "CX0210", "reason": "port in use"});
    let log = json!({"line": "hello", "fields": {"password": "hunter2"}});
    Server::new()
        .answers("GET /v1/status", 200, status)
        .answers("GET /readyz", 200, json!({"kind": "caxton.health/v1", "ready": true}))
        .answers("GET /v1/config", 200, json!({"kind": "caxton.config/v1"}))
        .answers(
            "GET /v1/agents",
            200,
            list(
                "agent",
                json!([{"name": "echo@caxton", "state": "active", "received": 3, "memory-bytes": 2048}]),
            ),
        )
        .answers("GET /v1/plugins", 200, list("plugin", json!([plugin])))
        .answers(
            "GET /v1/conversations?limit=200",
            200,
            list("conversation", json!([{"id": "c", "content": "private"}])),
        )
        .answers("GET /v1/dead-letters?limit=200", 200, list("dead-letter", json!([])))
        .answers("GET /v1/events?limit=1000", 200, list("event", json!([])))
        .answers("GET /v1/logs?limit=1000", 200, list("log", json!([log])))
}

/// The findings but those of the machine that runs this.
fn findings(ran: &Ran) -> Vec<Value> {
    let report: Value = serde_json::from_str(&ran.stdout).unwrap();
    assert_eq!(report["kind"], "caxton.doctor/v1");
    let found = report["items"].as_array().unwrap().iter();
    found.filter(|finding| finding["check"] != "disk" && finding["check"] != "files").cloned().collect()
}

#[test]
fn healthy_server_is_0_and_a_failed_plugin_is_9() {
    let ran = server("running").run(&["doctor", "-o", "json"]).0;
    assert_eq!((ran.code, findings(&ran)), (Some(0), vec![]), "{}", ran.stderr);
    let ran = server("failed").run(&["doctor", "-o", "json"]).0;
    assert_eq!(ran.code, Some(9));
    let found = findings(&ran);
    assert_eq!((&found[0]["check"], &found[0]["severity"]), (&json!("plugin"), &json!("critical")));
    assert_eq!(found[0]["what"], "plugin rest is failed [CX0210]: port in use");
}

#[test]
fn server_that_does_not_answer_is_a_critical_finding() {
    let mut command = program("http://127.0.0.1:1");
    let ran = Ran::of(command.args(["doctor"]).output().unwrap());
    assert_eq!(ran.code, Some(9));
    assert!(
        ran.stdout.starts_with("critical  server: no server answers at http://127.0.0.1:1"),
        "{}",
        ran.stdout
    );
}

#[test]
fn bundle_can_be_judged_later_and_holds_no_contents_and_no_secrets() {
    let folder = tempfile::tempdir().unwrap();
    let bundle = folder.path().join("b.tar.gz");
    let bundle = bundle.to_str().unwrap();
    let ran = server("failed").run(&["doctor", "--bundle", bundle]).0;
    assert_eq!(ran.code, Some(9), "{}", ran.stderr);
    let judged = Ran::of(program("").args(["doctor", bundle, "-o", "json"]).output().unwrap());
    assert_eq!(
        (judged.code, &findings(&judged)[0]["check"]),
        (Some(9), &json!("plugin")),
        "{}",
        judged.stderr
    );
    let text = std::process::Command::new("tar").args(["-xzOf", bundle]).output().unwrap();
    let text = String::from_utf8(text.stdout).unwrap();
    assert!(text.contains("\"hello\"") && text.contains("caxton.doctor/v1"), "{text}");
    assert!(!text.contains("private") && !text.contains("hunter2"), "{text}");
    std::fs::write(bundle, "no bundle").unwrap();
    assert_eq!(Ran::of(program("").args(["doctor", bundle]).output().unwrap()).code, Some(3));
}

#[test]
fn top_without_a_terminal_is_one_table() {
    insta::assert_snapshot!(server("running").run(&["top"]).0.stdout, @"
    NAME         STATE   RECEIVED  SENT  MAILBOX  MEMORY   RESTARTS
    echo@caxton  active  3         0     0        2.0 KiB  0
    ");
    let plugins = server("running").run(&["top", "plugins", "-o", "json"]).0.stdout;
    let plugins: Value = serde_json::from_str(&plugins).unwrap();
    assert_eq!((&plugins["kind"], &plugins["items"][0]["name"]), (&json!("caxton.top/v1"), &json!("rest")));
}
