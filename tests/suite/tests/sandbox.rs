//! Guests that misbehave, deployed to a real server: each ends with a code while the others keep answering.

use std::thread;

use caxton_kit::{
    artifacts,
    server::{CONFIG, Server, printed},
};

/// A turn that is short for an endless one and long for a busy machine, and a small memory.
const LIMITS: &str =
    "[limits]\nturn_ms_max = 1500\ninit_ms_max = 1500\nmemory_bytes_max = 33554432\nrestarts_max = 100\n";

fn server() -> Server {
    let server = Server::start(&format!("{LIMITS}{CONFIG}")).unwrap();
    let echo = artifacts::agents().unwrap().join("echo.wasm");
    server.deploy(&[&echo.display().to_string(), "--name", "echo"]).unwrap();
    server
}

fn hostile() -> String {
    artifacts::guests().unwrap().join("hostile.wasm").display().to_string()
}

fn echo_answers(server: &Server) {
    let output = server.cli(&["ask", "echo", "still here", "--timeout", "10s"]).unwrap();
    assert!(output.status.success(), "{}", printed(&output));
    assert_eq!(String::from_utf8_lossy(&output.stdout).trim(), "still here");
}

/// Orders a running guest to misbehave: the asker gets a code, the trap is told by its own code, the guest goes on, and
/// a neighbour answers all the while.
fn misbehaves(order: &str, code: &str) {
    let server = server();
    server.deploy(&[&hostile(), "--name", "bad"]).unwrap();
    let failed = thread::scope(|scope| {
        let asked = scope.spawn(|| server.cli(&["ask", "bad", order, "--timeout", "20s"]).unwrap());
        for _ in 0..5 {
            echo_answers(&server);
        }
        asked.join().unwrap()
    });
    assert!(!failed.status.success());
    assert!(String::from_utf8_lossy(&failed.stderr).contains("CX0"), "{}", printed(&failed));
    let conversations = server.json(&["get", "conversations"]).unwrap();
    let shown: Vec<String> = conversations["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|item| {
            server.json(&["describe", "conversation", item["id"].as_str().unwrap()]).unwrap().to_string()
        })
        .filter(|document| document.contains("agent.trap"))
        .collect();
    assert!(shown.iter().any(|document| document.contains(code)), "{code} is not in {shown:?}");
    let alive = server.cli(&["ask", "bad", "echo again"]).unwrap();
    assert_eq!(String::from_utf8_lossy(&alive.stdout).trim(), "again", "{}", printed(&alive));
    let status = server.json(&["status"]).unwrap();
    assert_eq!(status["accounting"]["holds"], true, "{status}");
}

#[test]
fn a_guest_that_spins_for_ever_is_stopped() {
    misbehaves("spin", "CX0430");
}

#[test]
fn a_guest_that_eats_memory_is_stopped() {
    misbehaves("memory", "CX0431");
}

#[test]
fn a_guest_that_recurses_without_end_is_stopped() {
    misbehaves("recurse", "CX0432");
}

#[test]
fn a_guest_that_panics_is_replaced() {
    misbehaves("panic out of cheese", "CX0433");
}

#[test]
fn a_guest_that_sleeps_is_stopped() {
    misbehaves("sleep", "CX0435");
}

/// A deployment that must fail with a code, while a neighbour answers.
fn is_refused(component: &str, config: &str, code: &str, words: &[&str]) {
    let server = server();
    let output = server.cli(&["deploy", component, "--name", "bad", "--config", config]).unwrap();
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success(), "{}", printed(&output));
    assert!(text.contains(code), "{code} is not in {text}");
    for word in words {
        assert!(text.contains(word), "{word} is not in {text}");
    }
    echo_answers(&server);
}

#[test]
fn a_guest_that_traps_in_init_fails_with_the_reason() {
    is_refused(&hostile(), r#"{"init":"panic no coffee"}"#, "CX0422", &["no coffee"]);
}

#[test]
fn a_guest_that_spins_in_init_fails_with_the_reason() {
    is_refused(&hostile(), r#"{"init":"spin"}"#, "CX0422", &[]);
}

#[test]
fn a_guest_that_imports_the_network_is_refused_by_the_name_of_the_import() {
    let sockets = artifacts::guests().unwrap().join("sockets.wasm").display().to_string();
    is_refused(&sockets, "{}", "CX0406", &["wasi:sockets"]);
}

#[test]
fn a_text_file_is_refused_as_a_component() {
    let dir = tempfile::tempdir().unwrap();
    let text = dir.path().join("text.wasm");
    std::fs::copy(artifacts::root().join("README.md"), &text).unwrap();
    is_refused(&text.display().to_string(), "{}", "CX0401", &[]);
}
