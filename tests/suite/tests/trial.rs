//! `caxtond plugin test` on every plugin of ours and on bad ones, and `caxtond agent test` on a real component.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Output},
};

use caxton_kit::artifacts;
use serde_json::Value;
use tempfile::TempDir;

fn caxtond(words: &[&str]) -> Output {
    let program = artifacts::native().unwrap().join("caxtond");
    Command::new(program).args(words).output().unwrap()
}

/// The exit code and the report of a test.
fn tested(library: &Path, set: Option<&str>) -> (Option<i32>, Value) {
    let library = library.display().to_string();
    let mut words = vec!["plugin", "test", &library, "-o", "json"];
    words.extend(set.iter().flat_map(|set| ["--set", set]));
    let output = caxtond(&words);
    let report = serde_json::from_slice(&output.stdout);
    (output.status.code(), report.unwrap_or_else(|_| panic!("{}", String::from_utf8_lossy(&output.stderr))))
}

fn ours(name: &str) -> PathBuf {
    artifacts::native().unwrap().join(format!("libcaxton_{name}.so"))
}

fn unruly(mode: &str) -> (Option<i32>, Vec<(u64, String)>) {
    let library = artifacts::bad_plugins().unwrap().join("libcaxton_unruly.so");
    let (code, report) = tested(&library, Some(&format!("mode = '{mode}'")));
    (code, failures(&report))
}

/// Line and reason of each check that failed.
fn failures(report: &Value) -> Vec<(u64, String)> {
    let checks = report["checks"].as_array().unwrap().iter();
    let failed = checks.filter(|check| check["outcome"] == "failed");
    failed
        .map(|check| (check["must"].as_u64().unwrap(), check["reason"].as_str().unwrap().to_owned()))
        .collect()
}

#[test]
fn every_plugin_of_ours_holds_the_specification() {
    for (name, set) in [
        ("echo", None),
        ("jsonl", None),
        ("router", None),
        ("protocols", None),
        ("rest", Some("listen = '127.0.0.1:0'")),
    ] {
        let (code, report) = tested(&ours(name), set);
        assert_eq!((code, failures(&report)), (Some(0), Vec::new()), "{name}");
        assert_eq!(report["skipped"], 0, "{name}");
    }
}

#[test]
fn every_store_of_ours_holds_its_contract_through_the_boundary() {
    for name in ["store_sqlite", "store_redb"] {
        let (code, report) = tested(&ours(name), None);
        assert_eq!((code, failures(&report)), (Some(0), Vec::new()), "{name}");
    }
}

#[test]
fn a_plugin_that_panics_at_a_message_is_told_with_its_line() {
    let (code, failed) = unruly("panic-in-deliver");
    assert_eq!(code, Some(9));
    assert!(failed.iter().any(|(must, why)| *must == 46 && why.contains("as configured")), "{failed:?}");
}

#[test]
fn a_plugin_that_cannot_start_is_told_with_its_line() {
    let (code, failed) = unruly("fail-in-start");
    assert_eq!(code, Some(9));
    assert!(failed.iter().any(|(must, why)| *must == 8 && why.contains("port 1 is not free")), "{failed:?}");
}

#[test]
fn a_panic_in_a_destructor_is_told() {
    let (code, failed) = unruly("panic-when-dropped");
    assert_eq!(code, Some(9));
    assert!(matches!(failed.as_slice(), [(54, why)] if why.contains("drop panicked")), "{failed:?}");
}

#[test]
fn what_is_no_plugin_is_not_compatible() {
    let dir = TempDir::new().unwrap();
    let file = dir.path().join("libnone.so");
    fs::write(&file, "no library").unwrap();
    let (code, report) = tested(&file, None);
    assert_eq!(code, Some(10));
    assert!(matches!(failures(&report).as_slice(), [(1, _)]), "{report}");
}

const SCRIPT: &str = "description = \"answers with the same content\"\n\
    [[step]]\nsend = { performative = \"request\", content = \"Ada\" }\n\
    [[step]]\nexpect = { to = \"client\", performative = \"inform\", content = \"Ada\", answers = true }\n";

/// The exit code, standard output and standard error of scripts played with the echo agent.
fn played(scripts: &[&str]) -> (Option<i32>, String, String) {
    let dir = TempDir::new().unwrap();
    let cache = dir.path().join("cache").display().to_string();
    let component = artifacts::agents().unwrap().join("echo.wasm").display().to_string();
    let files = scripts.iter().enumerate().map(|(number, text)| {
        let file = dir.path().join(format!("{number}.toml"));
        fs::write(&file, text).unwrap();
        file.display().to_string()
    });
    let files: Vec<String> = files.collect();
    let mut words = vec!["agent", "test", &component, "--cache", &cache, "-o", "json"];
    words.extend(files.iter().map(String::as_str));
    let output = caxtond(&words);
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (output.status.code(), text(&output.stdout), text(&output.stderr))
}

#[test]
fn scripts_are_played_against_a_component() {
    let wrong = SCRIPT.replace("content = \"Ada\", answers", "content = \"Bob\", answers");
    let (code, report, error) = played(&[SCRIPT, &wrong]);
    assert_eq!(code, Some(9), "{error}");
    let report: Value = serde_json::from_str(&report).unwrap();
    assert_eq!((&report["passed"], &report["failed"]), (&Value::from(1), &Value::from(1)));
    assert_eq!(report["scripts"][1]["step"], 2);
    assert_eq!(played(&[SCRIPT]).0, Some(0));
}

#[test]
fn a_script_that_is_not_valid_is_refused_at_its_place() {
    let (code, report, error) = played(&[&SCRIPT.replace("to = ", "too = ")]);
    assert_eq!((code, report.as_str()), (Some(3), ""));
    let error: Value = serde_json::from_str(&error).unwrap();
    assert_eq!(error["error"]["faults"][0]["line"], 5, "{error}");
}
