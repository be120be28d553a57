//! The plugin boundary: everything that crosses between the server and a plugin, and nothing else.
//!
//! ```text
//!   server                         this crate                          plugin
//!   kernel/host  ── CreateArgs ──▶ PluginV1 ◀── caxton-plugin (SDK) ── author's types
//!                ◀── HostV1 ────── batches of plain records ─────────▶ EndpointV1 · RouterV1 · ProtocolV1 · ExporterV1
//! ```
//!
//! Only C-layout records, `abi_stable` containers and trait objects live here; this is the one crate that names
//! `abi_stable`. Plain records can never change their layout inside one major version, so they carry reserved fields;
//! traits grow by methods appended after the last prefix field, with a default body. A plugin author depends on
//! `caxton-plugin` and never sees this crate.

// The derive and trait macros of the frozen abi_stable release expand to items that newer lints dislike.
#![allow(non_local_definitions, non_camel_case_types)]

pub mod code;
pub mod handshake;
pub mod host;
pub mod message;
pub mod module;
pub mod object;
pub mod payload;
pub mod plugin;
pub mod port;
pub mod signal;

pub use async_ffi::BorrowingFfiFuture;
pub use code::Code;
pub use message::{Envelope, Extra, Header, TraceContext, Uid, class, flags};
pub use payload::Payload;
pub use signal::{EventName, Signal};

/// The containers that cross the boundary, so that no other crate has to name `abi_stable`.
pub mod std_types {
    pub use abi_stable::std_types::{RArc, ROption, RResult, RSlice, RSliceMut, RStr, RString, RVec, Tuple2};
}

/// Major version of the boundary. A plugin of another major is refused before any of its code runs.
pub const ABI_MAJOR: u16 = 0;
/// Minor version of the boundary. Inside one major, older and newer minors work with each other.
pub const ABI_MINOR: u16 = 4;
