//! Tells the crate which compiler and target it is built with, for the handshake.

use std::{env, process::Command};

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    let compiler = env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let version = Command::new(compiler)
        .arg("--version")
        .output()
        .ok()
        .and_then(|output| String::from_utf8(output.stdout).ok())
        .unwrap_or_default();
    println!("cargo::rustc-env=CAXTON_ABI_RUSTC={}", version.trim());
    println!("cargo::rustc-env=CAXTON_ABI_TARGET={}", env::var("TARGET").unwrap_or_default());
}
