//! What the engine does, seen from outside: one binary, a module per topic.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod auction;
mod content;
mod contract_net_call;
mod contract_net_rows;
mod crossings;
mod exhaustive;
mod grace;
mod kit;
mod limits;
mod model;
mod plugin;
mod properties;
mod request_rows;
mod rulings;
mod snapshots;
mod threads;
mod told_once;
