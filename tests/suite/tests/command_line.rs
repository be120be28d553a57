//! The command line and the HTTP surface against a real server, where a prepared one cannot show that both sides fit.

use std::{
    fs,
    io::Write as _,
    process::{Command, Stdio},
};

use caxton_kit::{
    artifacts,
    server::{CONFIG, Server, printed},
};
use serde_json::Value;
use tempfile::TempDir;

/// Runs `caxton` without a server and reads the one JSON object that it writes to standard error.
fn error(arguments: &[&str]) -> (Option<i32>, Value) {
    let program = artifacts::native().unwrap().join("caxton");
    let output = Command::new(program).args(arguments).args(["-o", "json"]).output().unwrap();
    let document: Value = serde_json::from_slice(&output.stderr)
        .unwrap_or_else(|error| panic!("{error}: {}", printed(&output)));
    (output.status.code(), document["error"].clone())
}

#[test]
fn faults_of_a_configuration_are_one_object_with_their_places() {
    let dir = TempDir::new().unwrap();
    let file = dir.path().join("caxton.toml");
    fs::write(&file, "[server]\nplatfrom = \"a\"\n[plugins.rest]\nlistne = \"x\"\n").unwrap();
    for verb in ["check", "serve"] {
        let (code, error) = error(&[verb, "-f", file.to_str().unwrap()]);
        let faults = error["faults"].as_array().unwrap();
        assert_eq!((code, faults.is_empty()), (Some(3), false), "{error}");
        assert_eq!((&faults[0]["line"], &faults[0]["column"]), (&Value::from(2), &Value::from(1)), "{error}");
        assert_eq!(error["code"], faults[0]["code"]);
        assert!(error["message"].is_string() && error["fix"].is_string(), "{error}");
    }
}

#[test]
fn file_that_is_no_plugin_is_one_object_too() {
    let (code, error) = error(&["plugin", "inspect", artifacts::root().join("README.md").to_str().unwrap()]);
    assert_eq!((code, &error["code"]), (Some(10), &Value::from("CX0201")), "{error}");
    assert!(error["fix"].as_str().unwrap().contains("plugin"), "{error}");
}

#[test]
fn each_line_of_stdin_reaches_the_bus_and_has_its_outcome() {
    let server = Server::start(CONFIG).unwrap();
    let mut child = Command::new(artifacts::native().unwrap().join("caxton"))
        .env("CAXTON_SERVER", server.url())
        .args(["send", "nobody", "--lines", "--no-retry"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all("line\n".repeat(1200).as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    let lines = String::from_utf8(output.stdout.clone()).unwrap();
    assert_eq!(lines.lines().count(), 1200, "{}", printed(&output));
    assert!(
        lines.lines().all(|line| line.split(' ').nth(1) == Some("404") || line.ends_with("202 accepted"))
    );
    let status = server.json(&["status"]).unwrap();
    assert_eq!(status["accounting"]["holds"], true, "{status}");
    assert!(status["accounting"]["submitted"].as_u64().unwrap() >= 1200, "{status}");
}
