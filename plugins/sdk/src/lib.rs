//! What plugin authors write against: plain Rust traits over the stable boundary.
//!
//! ```text
//!   your types ── Plugin, Endpoint, Router, Protocol, Exporter, Store (this crate, plain Rust)
//!                    │ guard: a panic becomes an error and poisons the instance
//!                    │ runtime: your async code runs in a runtime of the plugin's own, entered on poll and on drop
//!                    │ logging: tracing events go to the server
//!                 caxton-abi ── the server
//! ```
//!
//! A plugin is a crate of type `["cdylib", "rlib"]` with a `plugin.json` manifest, a type that implements [`Plugin`]
//! and one line: `caxton_plugin::plugin!(Echo, "../plugin.json");`.

mod adapter;
pub mod asking;
pub mod config;
pub mod error;
#[doc(hidden)]
pub mod export;
pub mod guard;
pub mod handover;
pub mod host;
pub mod logging;
pub mod manifest;
pub mod ports;
mod reply;
pub mod retry;
pub mod runtime;
pub mod storage;
pub mod testing;

use std::{future::Future, sync::Arc, time::Duration};

#[doc(hidden)]
pub use caxton_abi as abi;
pub use caxton_abi::{
    Code, Envelope, EventName, Extra, Header, Payload, Signal, TraceContext, Uid, class, code, flags,
    port::{
        Action, AgentEntry, Observation, Outcome, RouteUpdate, STORE_KEY_BYTES_MAX, StoreEntry, StoreOp,
        Unresolved, action, observed, route, store_op,
    },
};
pub use caxton_acl as acl;
pub use config::NoConfig;
pub use error::Error;
pub use host::Host;
pub use ports::{Endpoint, Exporter, Ports, Protocol, Router, Store};
pub use reply::reply;

/// A plugin: created with its typed configuration, started, drained, stopped.
///
/// Every method may be called from any of the server's threads. Futures are polled inside the plugin's own runtime when
/// the manifest says `"runtime": true`.
pub trait Plugin: Sized + Send + Sync + 'static {
    /// The plugin's table of the server's configuration; give it `#[serde(deny_unknown_fields, default)]`.
    type Config: serde::de::DeserializeOwned;

    /// Makes the plugin; does no work yet.
    ///
    /// # Errors
    /// The server shows the error and does not start the plugin.
    fn create(host: Host, config: Self::Config) -> Result<Self, Error>;

    /// The ports it offers; asked once, after creation.
    fn ports(self: &Arc<Self>) -> Ports;

    /// Begins to work: binds, connects, claims addresses.
    fn start(&self) -> impl Future<Output = Result<(), Error>> + Send {
        std::future::ready(Ok(()))
    }

    /// Takes no new work and finishes what it holds within the deadline.
    fn drain(&self, _deadline: Duration) -> impl Future<Output = Result<(), Error>> + Send {
        std::future::ready(Ok(()))
    }

    /// Ends.
    fn stop(&self) -> impl Future<Output = Result<(), Error>> + Send {
        std::future::ready(Ok(()))
    }

    /// How it is; never blocks.
    fn health(&self) -> Health {
        Health::Running
    }

    /// An operation of its own, with JSON in and out.
    fn invoke(&self, verb: &str, _request: Payload) -> impl Future<Output = Result<Payload, Error>> + Send {
        std::future::ready(Err(Error::unknown_verb(verb)))
    }
}

/// How a plugin is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Health {
    /// It does its work.
    Running,
    /// It works in part; the text says what is missing.
    Degraded(String),
}
