//! Configurations that `caxtond check` must refuse, at the line and with the code.

use std::{fs, process::Command};

use caxton_kit::{artifacts, server::printed};
use serde::Deserialize;

use super::{files, missing};

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    config: String,
    #[serde(default)]
    sets: Vec<String>,
    expect: Expect,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Expect {
    code: String,
    /// Absent when the fault is not in the file.
    line: Option<usize>,
    #[serde(default)]
    hint: Vec<String>,
}

/// What the command prints, with its frames and line breaks taken out.
fn checked(case: &Case) -> (Option<i32>, String) {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("caxton.toml");
    fs::write(&file, &case.config).unwrap();
    let mut command = Command::new(artifacts::native().unwrap().join("caxtond"));
    command.arg("check").arg("-f").arg("caxton.toml").current_dir(dir.path());
    for set in &case.sets {
        command.args(["--set", set]);
    }
    let output = command.output().unwrap();
    let words = printed(&output).replace(['│', '×', '╰', '╭', '─', '·', '┬', '▲', '├', '▶'], " ");
    (output.status.code(), words.split_whitespace().collect::<Vec<_>>().join(" "))
}

#[test]
fn bad_configurations_are_refused_at_their_line() {
    let cases: Vec<files::Named<Case>> = files::cases("config");
    assert!(cases.len() > 10, "{}", cases.len());
    let mut failed = Vec::new();
    for files::Named { name, case } in &cases {
        let (exit, text) = checked(case);
        let place = case.expect.line.map_or(String::new(), |line| format!("caxton.toml:{line}:"));
        let missing = missing(&case.expect.hint, &text);
        let fits = exit == Some(3) && text.contains(&case.expect.code) && text.contains(&place);
        if !fits || !missing.is_empty() {
            let expected = &case.expect;
            failed
                .push(format!("{name}: expected {expected:?}, exit {exit:?}, without {missing:?}\n{text}\n"));
        }
    }
    assert!(failed.is_empty(), "{} of {}\n{}", failed.len(), cases.len(), failed.join("\n"));
}
