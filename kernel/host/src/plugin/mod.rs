//! Plugins: looked at without running them, loaded from the very bytes that were checked, fenced, and never unloaded.
//!
//! ```text
//!   path ── handshake::inspect ──▶ Inspection        no code of the plugin runs: ELF, section, manifest
//!     └──── library::load ───────▶ Library           digest, handshake, dlopen from a sealed copy, layouts both ways
//!              └─ Instance::create ──▶ Instance ── start · drain · stop, each with a deadline
//!                     host_table ◀── what the plugin may ask ── ports ──▶ what the core asks of it
//! ```
//!
//! Bounds: [`handshake::LIBRARY_BYTES_MAX`], [`desk::CLAIMS_MAX`], [`calls::CALLS_MAX`], [`state::Deadlines`]. A native plugin is
//! trusted: it shares the server's memory, and a loop in it cannot be stopped, only reported. Unsafe code is in
//! [`library`] alone.

pub mod calls;
pub mod desk;
pub mod error;
pub mod fence;
pub mod handshake;
pub mod host_table;
pub mod instance;
mod lent;
pub mod library;
mod line;
pub mod ports;
#[cfg(test)]
mod recorder;
pub mod state;

pub use error::{Failure, LoadError};
pub use handshake::{Inspection, Manifest, inspect};
pub use host_table::Services;
pub use instance::{Instance, Options};
pub use library::{Library, load};
pub use state::{Deadlines, State};
