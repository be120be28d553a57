//! The example agents' own tests, in their own workspaces and languages, so that `cargo test` runs them too.

use std::process::Command;

use caxton_kit::{artifacts, server::printed};

fn passes(command: &mut Command) {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{command:?}\n{}", printed(&output));
}

/// Where a language is missing there is nothing to test, as in the demo.
fn is_there(program: &str) -> bool {
    let found = Command::new(program).arg("--version").output().is_ok_and(|output| output.status.success());
    if !found {
        eprintln!("{program} is not on the PATH: its agents are not tested");
    }
    found
}

#[test]
fn the_rust_agents_pass_their_own_tests() {
    let mut cargo = Command::new("cargo");
    cargo
        .args(["test", "--quiet", "--locked", "--target-dir"])
        .arg(artifacts::target().join("guests/native"));
    cargo.env_remove("CARGO_ENCODED_RUSTFLAGS").env_remove("CARGO_TARGET_DIR");
    passes(cargo.current_dir(artifacts::root().join("wit/examples")));
}

#[test]
fn the_javascript_bidder_passes_its_own_tests() {
    if is_there("node") {
        let folder = artifacts::root().join("wit/examples/bidder-js");
        passes(Command::new("node").arg("--test").current_dir(folder));
    }
}

#[test]
fn the_python_bidder_passes_its_own_tests() {
    if is_there("python3") {
        let folder = artifacts::root().join("wit/examples/bidder-py");
        passes(Command::new("python3").args(["-B", "-m", "unittest", "--quiet"]).current_dir(folder));
    }
}
