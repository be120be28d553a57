//! The corpus of bad inputs in `tests/corpus`: each file is one thing that somebody sends, with the answer that it must
//! get. After each the server must answer a good request, and at the end its books must hold.

mod components;
mod config;
mod files;
mod http;
mod plugins;
mod starved;
mod wire;

use std::collections::BTreeSet;

use caxton_kit::{artifacts, server::Server};
use serde_json::Value;

/// Cases that this part of the work makes true are run when this is on.
const WITH_PENDING: bool = true;

/// One server for many cases: short times, so that slow clients cost little, and small rooms that can be filled.
const CONFIG: &str = r#"
[server]
log = "info"
drain_ms = 1000

[limits]
turn_ms_max = 1500
init_ms_max = 1500
memory_bytes_max = 33554432
mailbox_messages_max = 8
restarts_max = 1000

[plugins.router]
[plugins.protocols]
[plugins.gateway]
[plugins.rest]
listen = "127.0.0.1:0"
request_timeout_ms = 2000
header_timeout_ms = 2000
connections_max = 128
"#;

/// A server with an agent that answers, `echo`, and one that misbehaves on request, `bad`.
fn server() -> Server {
    let server = Server::start(CONFIG).unwrap();
    let echo = artifacts::agents().unwrap().join("echo.wasm").display().to_string();
    server.deploy(&[&echo, "--name", "echo"]).unwrap();
    let bad = artifacts::guests().unwrap().join("hostile.wasm").display().to_string();
    server.deploy(&[&bad, "--name", "bad"]).unwrap();
    server
}

/// Asks the agent that answers; a server that is told to come back later is asked again.
fn still_answers(server: &Server, after: &str) {
    let headers = [("content-type".to_owned(), "text/plain".to_owned())];
    let question = wire::request("POST", "/v1/agents/echo/ask?timeout-ms=20000", &headers, b"still here");
    let mut answer = wire::send(server.url(), &question, false);
    while answer.status == 429 {
        answer = wire::send(server.url(), &question, false);
    }
    assert_eq!((answer.status, answer.body.as_str()), (200, "still here"), "after {after}: {answer:?}");
}

/// The sum of all messages comes out, and no code of the server panicked.
fn books_hold(server: &Server) {
    let status = server.json(&["status"]).unwrap();
    assert_eq!(status["accounting"]["holds"], Value::Bool(true), "{status}");
    // Guests may panic, and their lines are in the log too.
    let log = server.log();
    let ours = ["panicked at kernel/", "panicked at plugins/", "panicked at /"];
    assert!(!ours.iter().any(|place| log.contains(place)), "{log}");
}

/// Holds every word of a hint against a text; gives what is missing.
fn missing<'a>(hint: &'a [String], text: &str) -> Vec<&'a str> {
    hint.iter().map(String::as_str).filter(|word| !text.contains(word)).collect()
}

#[test]
fn every_code_of_the_corpus_has_a_page() {
    let pages = artifacts::root().join("docs/reference/errors");
    let codes: BTreeSet<String> = files::codes();
    assert!(codes.len() > 40, "{codes:?}");
    let without: Vec<&String> =
        codes.iter().filter(|code| !pages.join(format!("{code}.md")).is_file()).collect();
    assert!(without.is_empty(), "{without:?}");
}
