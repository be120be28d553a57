//! The messages, services and clients of `caxton.v1`, generated from its `.proto` files.
#![allow(missing_docs, clippy::all, clippy::unwrap_used, clippy::indexing_slicing)]

include!("generated/caxton.v1.rs");
