//! Decides: bus, mailboxes, scheduling, life cycle, timers and accounting, without a clock or any input and output.
//!
//! ```text
//!             submit ─▶ door ─▶ place ─▶ mailbox ─▶ run queue ─▶ Activation ─▶ body (sandbox or script)
//!                        ▲        │ park                             │ finish: commit or drop
//!                        └────────┼──────── outbox ◀─────────────────┘
//!                                 ▼
//!            outlets ─▶ Endpoint · pending ─▶ Router · conversations ─▶ Protocol · signals ─▶ host
//!            tickets ─▶ Store: durable messages are accepted, and their turns commit, when it has written them
//! ```
//!
//! Time is an argument and ports are traits, so the simulator runs the same code as the server. A message that was
//! accepted ends in exactly one outcome; [`Accounting`] proves it at any instant.

#![forbid(unsafe_code)]

mod accounting;
mod act;
mod activation;
pub mod agent;
mod agents;
mod attaching;
mod bus;
mod cell;
mod closing;
mod conversation;
mod dead_letter;
mod directory;
mod draining;
mod durable;
mod error;
mod flow;
mod forwarding;
mod held;
pub mod ids;
mod lanes;
mod lending;
pub mod lifecycle;
pub mod limits;
mod lineage;
mod mailbox;
pub mod names;
mod outlet;
mod pending;
pub mod port;
mod recent;
mod recycling;
mod registry;
mod requeue;
mod retry;
mod revision;
mod run_queue;
mod schedule;
mod sightings;
mod signal;
pub mod store;
mod supervisor;
mod sync;
mod tally;
mod telling;
mod tickets;
pub mod time;
mod timer;
mod turn;
mod versions;
mod wording;

pub use accounting::{Accounting, ClassBooks};
pub use activation::{Activation, Finished};
pub use attaching::UnderWay;
pub use bus::{Bus, Options};
pub use conversation::{Conversation, ConversationLog, Entry, EntryKind, Fate};
pub use dead_letter::DeadLetter;
pub use error::Refusal;
pub use lending::Taken;
pub use limits::Limits;
pub use port::{Endpoint, Protocol, Router, Wake};
pub use registry::{AgentSpec, AgentView};
pub use revision::{Applied, Outcome, RevisionView, Told};
pub use supervisor::{Intensity, RestartPolicy};
pub use time::Time;
