//! Everything end to end, in one binary.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod agents;
mod boundaries;
mod command_line;
mod corpus;
mod delivery_spec;
mod demo;
mod doors;
mod drain;
mod durable;
mod first_agent;
mod guide;
mod plugins;
mod readme;
mod reference;
mod sandbox;
mod swap;
mod tidy;
mod tracing;
mod trial;
