//! The files that `caxton new` and `caxton build` bring along, taken from the repository when this program was built.

include!(concat!(env!("OUT_DIR"), "/embedded.rs"));

/// The workspace that the SDK in Rust takes its versions from.
pub const WORKSPACE: &str = include_str!("../../../../Cargo.toml");
/// The compiler and its target.
pub const TOOLCHAIN: &str = include_str!("../../../../rust-toolchain.toml");
/// The versions with which the agents of the repository are built.
pub const LOCK: &str = include_str!("../../../../wit/examples/Cargo.lock");
/// What builds components of JavaScript, and its exact versions.
pub const NODE_PACKAGE: &str = include_str!("../../../../wit/examples/bidder-js/package.json");
/// The exact versions of the same.
pub const NODE_LOCK: &str = include_str!("../../../../wit/examples/bidder-js/package-lock.json");
/// What builds components of Python.
pub const PYTHON_REQUIREMENTS: &str = include_str!("../../../../wit/examples/bidder-py/requirements.txt");
