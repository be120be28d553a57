//! The hot paths as cases, and the gate that counts their instructions.
//!
//! ```text
//!   case ── ingest · turn · contract_net (on a stage: a bus with native agents) · boundary · codec · payload
//!     │ a program under callgrind, twice, with few and with many messages
//!   count ── instructions for each message
//!     │
//!   verdict ── against benches/gate/baseline.toml: within 5 %, or the gate fails
//! ```
//!
//! Everything runs in one thread, with a time that is handed in and a fixed seed, so a count is the same on a busy machine
//! and on an idle one. The same cases are timed by `cargo bench`. See `docs/decisions/0019-instruction-counts.md`.

mod baseline;
mod boundary;
mod case;
mod codec;
mod contract_net;
mod count;
mod ingest;
mod payload;
mod stage;
mod turn;
mod verdict;

pub use baseline::Baseline;
pub use case::{CASES, Case, MESSAGES_MAX, Step, find};
pub use count::{Profiler, count};
pub use verdict::Verdict;

/// Why something could not be done, in words for the one who started it.
pub type Failure = String;
