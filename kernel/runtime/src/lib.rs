//! Runs agents: validates, compiles and instantiates WebAssembly components, and stops what misbehaves.
//!
//! ```text
//!   bytes ─▶ component::outline ─▶ compile (child process, limits) ─▶ cache (digest, tag) ─▶ CompiledComponent
//!                                                                                             │ Runtime::factory
//!   kernel ── Turn ──▶ instance (AgentBody) ── handle ──▶ guest ── imports ──▶ the same Turn ◀┘
//! ```
//!
//! This is the only crate that names wasmtime. It knows nothing of mailboxes, routing or plugins; it never blocks a
//! worker for longer than a turn's deadline, and everything that a guest can fill is bounded.

mod budget;
pub mod compile;
mod component;
mod convert;
mod engine;
mod error;
mod imports;
mod incremental;
mod instance;
mod options;
mod output;
mod preflight;
mod runtime;
mod trap;
mod wasi;
mod wire;

pub use component::{
    CompiledComponent, ComponentInfo, ComponentInspection, PACKAGE_BYTES_MAX, PACKAGE_SECTION, Producer,
    check as check_component, inspect as inspect_component,
};
pub use error::{ComponentError, RuntimeError};
pub use instance::InstanceLimits;
pub use options::{CompilerMode, RuntimeOptions};
pub use runtime::Runtime;
