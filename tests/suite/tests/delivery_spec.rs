//! Every line of `docs/spec/delivery.md` names tests, and the tests exist.

use std::{
    fs,
    path::{Path, PathBuf},
};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().unwrap()
}

/// The numbered lines, each with the tests that it names.
fn promises() -> Vec<(String, Vec<String>)> {
    let text = fs::read_to_string(root().join("docs/spec/delivery.md")).unwrap();
    let mut promises: Vec<(String, Vec<String>)> = Vec::new();
    for line in text.lines() {
        if let Some((number, _)) = line.strip_prefix("- D").and_then(|line| line.split_once('.')) {
            promises.push((format!("D{number}"), Vec::new()));
        }
        let named = line.trim().strip_prefix('`').and_then(|line| line.strip_suffix('`'));
        if let (Some(test), Some((_, tests))) =
            (named.filter(|test| test.contains("::")), promises.last_mut())
        {
            tests.push(test.to_owned());
        }
    }
    promises
}

#[test]
fn every_promise_is_numbered_in_order_and_names_a_test() {
    let promises = promises();
    assert!(promises.len() > 20, "only {} promises were found", promises.len());
    for (index, (number, tests)) in promises.iter().enumerate() {
        assert_eq!(*number, format!("D{}", index + 1));
        assert!(!tests.is_empty(), "{number} names no test");
    }
}

#[test]
fn every_test_that_a_promise_names_exists() {
    let missing: Vec<String> = promises()
        .into_iter()
        .flat_map(|(number, tests)| tests.into_iter().map(move |test| (number.clone(), test)))
        .filter(|(_, test)| {
            let (file, name) = test.split_once("::").unwrap();
            let text = fs::read_to_string(root().join(file)).unwrap_or_default();
            !text.contains(&format!("#[test]\nfn {name}()"))
        })
        .map(|(number, test)| format!("{number}: {test}"))
        .collect();
    assert!(missing.is_empty(), "{missing:#?}");
}

#[test]
fn nothing_promises_what_nobody_can_keep() {
    let text = fs::read_to_string(root().join("docs/spec/delivery.md")).unwrap().to_lowercase();
    // Written in halves, so that this file does not say it either.
    let phrase = ["exactly", "once"];
    assert!(!text.contains(&phrase.join("-")) && !text.contains(&phrase.join(" ")));
}
