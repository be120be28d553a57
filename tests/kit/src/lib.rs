//! Builds the real parts once, starts real servers and talks to them, for tests, the demo and benchmarks.
//!
//! ```text
//!   artifacts   server, command line and plugins by one nested cargo call; components of each language
//!   tools       clients and checkers that others wrote, installed when they are asked for
//!   server      a real caxtond on loopback from a configuration, stopped when it is dropped, or killed and started again
//!   http        a light client for load, which also breaks off in every way
//!   figures     memory, threads and files of a process; percentiles; how steep a series is
//!   chance      choices from a seed
//!   bombs       components that are dear to compile
//! ```
//!
//! Errors are one line of text: what failed, on what, and where the output lies. Nothing here is a mock.

pub mod artifacts;
pub mod bombs;
pub mod chance;
pub mod figures;
pub mod foreign;
pub mod http;
pub mod packages;
pub mod server;
pub mod tools;

/// What failed, in one line.
pub type Failure = String;
