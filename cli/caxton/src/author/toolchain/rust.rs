//! Rust: cargo for wasm32-wasip2.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Stdio,
};

use serde_json::Value;

use super::super::{
    program::{self, Messages},
    project::{Project, unusable},
};
use crate::failure::{Exit, Failure};

const TARGET: &str = "wasm32-wasip2";

/// Builds the crate in the project's folder and copies its component to `out`.
///
/// # Errors
/// Cargo is missing or fails, or the crate makes no component.
pub fn compile(project: &Project, out: &Path, messages: Messages) -> Result<(), Failure> {
    program::needed("cargo", &project.folder)?;
    target(project, messages)?;
    let mut cargo = program::command("cargo", &project.folder);
    cargo.args(["build", "--release", "--target", TARGET, "--target-dir", "target"]);
    cargo.args(["--message-format", "json-render-diagnostics"]);
    let errors = if messages == Messages::Shown { Stdio::inherit() } else { Stdio::piped() };
    let ran =
        cargo.stderr(errors).stdout(Stdio::piped()).spawn().and_then(std::process::Child::wait_with_output);
    let ran = ran.map_err(|error| program::not_run(&cargo, &error))?;
    if !ran.status.success() {
        let said = String::from_utf8_lossy(&ran.stderr);
        return Err(program::not_built("the component", &cargo, ran.status, &said, messages));
    }
    let component = component(&String::from_utf8_lossy(&ran.stdout)).ok_or_else(|| {
        let fix = "make it a library with `crate-type = [\"cdylib\"]` in Cargo.toml";
        Failure::new(Exit::Failure, "cannot build the component", "the crate makes none", fix).coded("CX0414")
    })?;
    fs::copy(&component, out).map_err(|error| unusable(&component, &error))?;
    Ok(())
}

/// The component among what cargo says it made: the last one is the crate's own.
fn component(messages: &str) -> Option<PathBuf> {
    let artifacts = messages.lines().rev().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let files = artifacts.filter_map(|artifact| artifact.get("filenames")?.as_array().cloned()).flatten();
    files
        .filter_map(|file| file.as_str().map(PathBuf::from))
        .find(|file| file.extension().is_some_and(|extension| extension == "wasm"))
}

/// Adds the target where the project's toolchain lacks it: some machines switch rustup's automatic installation off.
fn target(project: &Project, messages: Messages) -> Result<(), Failure> {
    let mut rustc = program::command("rustc", &project.folder);
    rustc.args(["--print", "target-libdir", "--target", TARGET]);
    let probe = rustc.output().map_err(|error| program::not_run(&rustc, &error))?;
    if Path::new(String::from_utf8_lossy(&probe.stdout).trim()).is_dir() {
        return Ok(());
    }
    let mut rustup = program::command("rustup", &project.folder);
    rustup.args(["target", "add", TARGET]);
    program::build(&mut rustup, &format!("for {TARGET}"), messages)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_crates_own_component_is_the_last_that_cargo_names() {
        let messages = "{\"reason\":\"compiler-artifact\",\"filenames\":[\"/t/a.rlib\"]}\n\
            {\"reason\":\"compiler-artifact\",\"filenames\":[\"/t/dep.wasm\"]}\nnot json\n\
            {\"reason\":\"compiler-artifact\",\"filenames\":[\"/t/own.wasm\"]}\n{\"reason\":\"build-finished\"}\n";
        assert_eq!(component(messages), Some(PathBuf::from("/t/own.wasm")));
        assert_eq!(component("{\"reason\":\"build-finished\"}"), None);
    }
}
