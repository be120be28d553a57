//! Holds the habits that no compiler checks: names, file lengths, unfinished words, unsafe code, links, machine paths.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

const FILE_LINES_MAX: usize = 600;

/// The only files that may hold `unsafe`.
const UNSAFE: &[&str] = &[
    "plugins/abi/src/",
    "kernel/host/src/plugin/",
    "kernel/runtime/src/compile.rs",
    "kernel/runtime/src/component/cache.rs",
    "kernel/runtime/src/wire.rs",
    "wit/sdk/rust/src/heap.rs",
    "tests/plugins/",
    "plugins/sdk/src/handover.rs",
];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().unwrap()
}

/// Every file that git knows or would take, as path relative to the root and text.
fn files() -> Vec<(String, String)> {
    let output = Command::new("git")
        .args(["ls-files", "--cached", "--others", "--exclude-standard"])
        .current_dir(root())
        .output()
        .unwrap();
    let names = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success() && !names.is_empty(), "git lists no files: run the tests in a clone");
    let read = |name: &str| Some((name.to_owned(), fs::read_to_string(root().join(name)).ok()?));
    names.lines().filter_map(read).collect()
}

fn rust() -> Vec<(String, String)> {
    files().into_iter().filter(|(name, _)| name.ends_with(".rs")).collect()
}

/// Code that ships: not tests, not their fixtures.
fn is_source(name: &str) -> bool {
    !["tests/", "/benches/", "/generated/"].iter().any(|part| name.contains(part))
        && !name.ends_with("/tests.rs")
}

#[test]
fn no_file_is_named_after_its_role() {
    let bad = ["util", "utils", "helper", "helpers", "common", "manager", "misc"];
    let found: Vec<String> = rust()
        .into_iter()
        .map(|(name, _)| name)
        .filter(|name| name.split(['/', '.']).any(|part| bad.contains(&part)))
        .filter(|name| !name.starts_with("wit/examples/manager"))
        .collect();
    assert!(found.is_empty(), "{found:?}");
}

#[test]
fn files_stay_short() {
    let long = |(name, text): (String, String)| {
        let lines = text.lines().count();
        (lines > FILE_LINES_MAX && is_source(&name)).then(|| format!("{name}: {lines}"))
    };
    let found: Vec<String> = rust().into_iter().filter_map(long).collect();
    assert!(found.is_empty(), "more than {FILE_LINES_MAX} lines: {found:?}");
}

#[test]
fn every_source_file_opens_with_what_it_is() {
    let silent = |(name, text): &(String, String)| {
        is_source(name) && !text.lines().any(|line| line.starts_with("//!"))
    };
    let found: Vec<String> = rust().into_iter().filter(silent).map(|(name, _)| name).collect();
    assert!(found.is_empty(), "without a line of `//!`: {found:?}");
}

#[test]
fn nothing_reads_as_unfinished_or_as_speaking_of_a_machine() {
    // Written in halves, so that this file does not find itself.
    let words = [
        ["TO", "DO"],
        ["FIX", "ME"],
        ["XX", "X"],
        ["/wo", "rk/"],
        ["/home", "/"],
        ["/ro", "ot/"],
        ["crates", ".io"],
        ["pypi", ".org"],
        ["npmjs", ".com"],
        ["npmjs", ".org"],
    ];
    let mut found = Vec::new();
    for (name, text) in files().into_iter().filter(|(name, _)| !name.ends_with("Cargo.lock")) {
        for word in words.iter().map(|halves| halves.concat()) {
            if let Some((line, _)) = text.lines().enumerate().find(|(_, line)| line.contains(&word)) {
                found.push(format!("{name}:{}: {word}", line + 1));
            }
        }
    }
    assert!(found.is_empty(), "{found:#?}");
}

#[test]
fn unsafe_code_stays_in_its_files_and_says_why() {
    let mut found = Vec::new();
    for (name, text) in rust() {
        let lines: Vec<&str> = text.lines().collect();
        for (index, line) in lines.iter().enumerate() {
            let code = line.split("//").next().unwrap_or_default();
            if !code.contains(["unsafe", " {"].concat().as_str())
                && !code.contains(["unsafe", " impl"].concat().as_str())
            {
                continue;
            }
            let explained =
                lines[index.saturating_sub(8)..=index].iter().any(|line| line.contains("SAFETY:"));
            if !UNSAFE.iter().any(|place| name.starts_with(place)) || !explained {
                found.push(format!("{name}:{}", index + 1));
            }
        }
    }
    assert!(found.is_empty(), "{found:#?}");
}

#[test]
fn links_between_pages_lead_somewhere() {
    let mut found = Vec::new();
    for (name, text) in files().into_iter().filter(|(name, _)| name.ends_with(".md")) {
        let page = root().join(&name);
        for link in text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            let target = link.split('#').next().unwrap_or_default();
            if target.is_empty() || target.contains("://") || target.contains(' ') {
                continue;
            }
            if !page.parent().unwrap().join(target).exists() {
                found.push(format!("{name}: {link}"));
            }
        }
    }
    assert!(found.is_empty(), "{found:#?}");
}

#[test]
fn every_decision_is_listed() {
    let index = fs::read_to_string(root().join("docs/decisions/README.md")).unwrap();
    let missing: Vec<String> = fs::read_dir(root().join("docs/decisions"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name != "README.md" && !index.contains(name.as_str()))
        .collect();
    assert!(missing.is_empty(), "{missing:?}");
}
