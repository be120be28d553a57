//! Loads, composes and runs a server: configuration, plugins, workers, administration.
//!
//! ```text
//!   config ─▶ compose ─▶ plugin (inspect, load, create, start) ─▶ ports ─▶ core::Bus ◀─ workers ─▶ runtime
//!                              │ HostV1                                      │ signals
//!                              └──▶ services ─▶ admin (verbs, documents)     └──▶ pump ─▶ conversation log, exporters
//! ```
//!
//! The only kernel crate that opens libraries, reads clocks, and owns threads.

pub mod admin;
pub mod clock;
pub mod compose;
pub mod config;
pub mod fleet;
pub mod logging;
pub mod news;
pub mod plugin;
pub mod pump;
pub mod sandbox;
pub mod script;
pub mod server;
pub mod services;
pub mod store;
pub mod trial;
pub mod workers;
