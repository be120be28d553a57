//! Decides: bus, mailboxes, scheduling, life cycle, timers and accounting, without a clock or any input and output.
//!
//! ```text
//!             submit ─▶ door ─▶ place ─▶ mailbox ─▶ run queue ─▶ Activation ─▶ body (sandbox or script)
//!                        ▲        │ park                             │ finish: commit or drop
//!                        └────────┼──────── outbox ◀─────────────────┘
//!                                 ▼
//!            outlets ─▶ Endpoint · pending ─▶ Router · conversations ─▶ Protocol · signals ─▶ host
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
mod bus;
mod cell;
mod conversation;
mod dead_letter;
mod directory;
mod error;
mod flow;
mod forwarding;
pub mod ids;
pub mod lifecycle;
pub mod limits;
mod mailbox;
pub mod names;
mod outlet;
mod pending;
pub mod port;
mod registry;
mod run_queue;
mod schedule;
mod signal;
mod supervisor;
mod sync;
mod telling;
pub mod time;
mod timer;
mod turn;

pub use accounting::Accounting;
pub use activation::{Activation, Finished};
pub use bus::{Bus, Options};
pub use conversation::{Conversation, ConversationLog, Entry, EntryKind, Fate};
pub use dead_letter::DeadLetter;
pub use error::Refusal;
pub use limits::Limits;
pub use port::{Endpoint, Protocol, Router, Wake};
pub use registry::{AgentSpec, AgentView};
pub use supervisor::Intensity;
pub use time::Time;
