//! Builds the real parts once, starts real servers and talks to them, for tests, the demo and benchmarks.
//!
//! ```text
//!   artifacts   server, command line and plugins by one nested cargo call; components of each language
//!   server      a real caxtond on loopback from a configuration, stopped when it is dropped
//! ```
//!
//! Errors are one line of text: what failed, on what, and where the output lies. Nothing here is a mock.

pub mod artifacts;
pub mod foreign;
pub mod packages;
pub mod server;

/// What failed, in one line.
pub type Failure = String;
