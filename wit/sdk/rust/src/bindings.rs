//! The records and calls of `caxton:agent@0.1.0`, generated from the WIT package; the rest of the crate wraps them.
//!
//! Public because the `export!` macro names it from an agent's crate. Agents use the wrappers.

#![allow(
    missing_docs,
    clippy::all,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

wit_bindgen::generate!({
    world: "timed-agent",
    path: "../../caxton",
    pub_export_macro: true,
    export_macro_name: "export_component",
    default_bindings_module: "caxton_agent::bindings",
    additional_derives: [PartialEq, Eq, PartialOrd, Ord, Hash],
});
