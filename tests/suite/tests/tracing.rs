//! Who may read a conversation: an observer sees that it happened, its contents only where the operator says so.

use std::thread;

use caxton_kit::{
    artifacts,
    server::{CONFIG, Server},
};

const SECRET: &str = "the vault opens with 4711";

/// What every exporter and every reader of the conversation can see of an exchange with a secret in it.
fn seen(keys: &str) -> String {
    let server = Server::start(&CONFIG.replace("[server]\n", &format!("[server]\n{keys}\n"))).unwrap();
    let echo = artifacts::agents().unwrap().join("echo.wasm").display().to_string();
    server.deploy(&[&echo, "--name", "echo"]).unwrap();
    let asked = server.cli(&["ask", "echo", SECRET, "--timeout", "20s"]).unwrap();
    assert_eq!(String::from_utf8_lossy(&asked.stdout).trim(), SECRET);
    let list = server.json(&["get", "conversations"]).unwrap();
    let id = list["items"][0]["id"].as_str().unwrap().to_owned();
    let mut shown = server.json(&["describe", "conversation", &id]).unwrap().to_string();
    // Signals reach the log through a ring that is emptied in its own time.
    while !(shown.contains("\"request\"") && shown.contains("\"inform\"")) {
        thread::yield_now();
        shown = server.json(&["describe", "conversation", &id]).unwrap().to_string();
    }
    format!("{shown}\n{list}\n{}", server.log())
}

#[test]
fn ruling_f13_an_observer_sees_metadata_and_no_content() {
    let seen = seen("");
    for metadata in ["echo@caxton", "request", "inform"] {
        assert!(seen.contains(metadata), "{metadata} is not in {seen}");
    }
    assert!(!seen.contains("vault") && !seen.contains("4711"), "{seen}");
}

#[test]
fn ruling_f13_content_is_shown_where_the_operator_grants_it() {
    let seen = seen("content_in_signals = true");
    assert!(seen.contains("the vault opens"), "{seen}");
}
