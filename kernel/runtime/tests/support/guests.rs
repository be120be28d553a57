//! Builds the guests with a nested cargo into a target directory of their own, so that it waits for no lock.

use std::{
    path::{Path, PathBuf},
    process::Command,
    sync::OnceLock,
};

const TARGET: &str = "wasm32-wasip2";
const PROFILE: &str = "guest";
/// Set by the cargo that runs the tests, and wrong for the guests.
const FOREIGN: &[&str] = &[
    "CARGO_BUILD_TARGET",
    "CARGO_ENCODED_RUSTFLAGS",
    "CARGO_TARGET_DIR",
    "RUSTC_WORKSPACE_WRAPPER",
    "RUSTC_WRAPPER",
    "RUSTFLAGS",
];

/// The component of a crate in `tests/guests`.
pub fn guest(name: &str) -> Vec<u8> {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    let dir = BUILT.get_or_init(|| {
        let target_dir = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().unwrap().join("guests");
        let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/guests");
        build(&workspace, &target_dir)
    });
    let path = dir.join(format!("{name}.wasm"));
    std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Builds every member of a guest workspace; returns where the components are.
pub fn build(workspace: &Path, target_dir: &Path) -> PathBuf {
    add_target();
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo
        .current_dir(workspace)
        .args(["build", "--quiet", "--locked", "--target", TARGET, "--profile", PROFILE, "--target-dir"])
        .arg(target_dir);
    FOREIGN.iter().for_each(|variable| {
        cargo.env_remove(variable);
    });
    let status = cargo.status().expect("cargo cannot be started");
    assert!(status.success(), "the guests do not build: {status}");
    target_dir.join(TARGET).join(PROFILE)
}

/// Installs the target's standard library when it is missing; rustup does so by itself only where that is allowed.
fn add_target() {
    let found = Command::new("rustc").args(["--print", "target-libdir", "--target", TARGET]).output();
    let libdir =
        found.map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned()).unwrap_or_default();
    if Path::new(&libdir).is_dir() {
        return;
    }
    let status =
        Command::new("rustup").args(["target", "add", TARGET]).status().expect("rustup cannot be started");
    assert!(status.success(), "run `rustup target add {TARGET}`");
}
