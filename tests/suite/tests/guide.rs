//! Builds the agent that the guide prints, as it is printed, and has it win a contract net.

use std::{fs, process::Command};

use caxton_kit::{
    artifacts,
    server::{CONFIG, Server, printed},
};
use tempfile::TempDir;

/// The first block of a language in the guide.
fn block(language: &str) -> String {
    let guide = fs::read_to_string(artifacts::root().join("docs/guide/write-an-agent.md")).unwrap();
    let start = format!("```{language}\n");
    let rest = guide.split(&start).nth(1).unwrap();
    rest.split("```").next().unwrap().to_owned()
}

#[test]
fn the_guides_bidder_builds_and_wins() {
    artifacts::agents().unwrap(); // brings the wasm32-wasip2 target where it is missing
    let dir = TempDir::new().unwrap();
    let sdk = artifacts::root().join("wit/sdk/rust").display().to_string();
    fs::create_dir(dir.path().join("src")).unwrap();
    fs::write(dir.path().join("Cargo.toml"), block("toml").replace("../caxton/wit/sdk/rust", &sdk)).unwrap();
    fs::write(dir.path().join("src/lib.rs"), block("rust")).unwrap();
    fs::copy(artifacts::root().join("wit/examples/Cargo.lock"), dir.path().join("Cargo.lock")).unwrap();
    let target = artifacts::target().join("guests/guide");
    let built = Command::new("cargo")
        .args(["build", "--quiet", "--release", "--target", "wasm32-wasip2", "--target-dir"])
        .arg(&target)
        .current_dir(&dir)
        .env_remove("CARGO_ENCODED_RUSTFLAGS")
        .output()
        .unwrap();
    assert!(built.status.success(), "{}", printed(&built));

    let server = Server::start(CONFIG).unwrap();
    let component = target.join("wasm32-wasip2/release/lines.wasm").display().to_string();
    server.deploy(&[&component, "--name", "lines", "--config", r#"{"per_kb": 1.0}"#]).unwrap();
    let won = server
        .cli(&["cnp", "lines", "--task", r#"{"bytes":4}"#, "--work", "a\nb\n", "--deadline", "2s"])
        .unwrap();
    assert!(won.status.success(), "{}", printed(&won));
    assert!(String::from_utf8_lossy(&won.stdout).contains("lines"), "{}", printed(&won));
}
