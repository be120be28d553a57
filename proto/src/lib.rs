//! The gRPC contract `caxton.v1`: its descriptors, and what they say of the JSON documents of the control operations.
//!
//! ```text
//!   caxton/v1/*.proto ──▶ generated/caxton.v1.bin ── pool()     every message, method and comment, at run time
//!          │                        │
//!          │                        ├── transcode             a JSON document <-> a message
//!          │                        ├── schema                the JSON Schema of a document
//!          │                        └── operations()          which method is which control operation
//!          └────────────▶ generated/caxton.v1.rs ── v1       typed messages, services, clients (feature `grpc`)
//! ```
//!
//! Both generated files are committed; a test makes them anew and fails when they differ. `CAXTON_UPDATE=1` writes them.

mod contract;
mod json_value;
mod operations;
mod read;
pub mod schema;
pub mod transcode;
#[cfg(feature = "grpc")]
pub mod v1;
mod write;

pub use contract::{DESCRIPTORS, comment, pool};
pub use operations::{Operation, operations};
