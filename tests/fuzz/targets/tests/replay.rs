//! The committed seeds of every target, and changes of them by a fixed generator.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::{fs, path::Path};

use caxton_fuzz_targets::{
    TARGETS, acl_json, acl_string, component_precheck, config, handshake_section, http_body,
    mutate::{Chance, mutate},
};

/// Changed inputs of each target.
const MUTATIONS: u64 = 3_000;

fn corpus() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../corpus"))
}

fn seeds(name: &str) -> Vec<Vec<u8>> {
    let mut paths: Vec<_> =
        fs::read_dir(corpus().join(name)).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths.into_iter().map(|path| fs::read(path).unwrap()).collect()
}

/// Shows the input of a failure; a panic alone would not.
struct Shown<'a>(&'a [u8]);

impl Drop for Shown<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("input: {}", self.0.escape_ascii());
        }
    }
}

fn replay(name: &str, target: fn(&[u8])) {
    let seeds = seeds(name);
    assert!(seeds.len() >= 3, "{name} has {} seeds", seeds.len());
    let run = |bytes: &[u8]| {
        let _shown = Shown(bytes);
        target(bytes);
    };
    seeds.iter().for_each(|seed| run(seed));
    for number in 0..MUTATIONS {
        let mut chance = Chance::new(number);
        let (one, other) = (chance.below(seeds.len()), chance.below(seeds.len()));
        run(&mutate(&seeds[one], &seeds[other], &mut chance));
    }
}

#[test]
fn the_string_form_holds() {
    replay("acl_string", acl_string);
}

#[test]
fn the_json_form_holds() {
    replay("acl_json", acl_json);
}

#[test]
fn the_configuration_holds() {
    replay("config", config);
}

#[test]
fn the_handshake_holds() {
    replay("handshake_section", handshake_section);
}

#[test]
fn the_checks_of_a_component_hold() {
    replay("component_precheck", component_precheck);
}

#[test]
fn the_bodies_of_requests_hold() {
    replay("http_body", http_body);
}

#[test]
fn every_target_has_seeds_and_a_fuzzer() {
    for (name, _) in TARGETS {
        assert!(corpus().join(name).is_dir(), "{name} has no seeds");
        let fuzzer = corpus().join(format!("../fuzz_targets/{name}.rs"));
        assert!(fs::read_to_string(fuzzer).unwrap().contains(name), "{name}");
    }
}

#[test]
fn a_seed_gives_the_same_changes_again() {
    let change = |seed| mutate(b"(inform :content x)", b"other", &mut Chance::new(seed));
    assert_eq!(change(7), change(7));
    assert!((0..20).any(|seed| change(seed) != change(seed + 1)));
}
