//! Everything end to end, in one binary.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod agents;
mod boundaries;
mod demo;
mod drain;
mod guide;
mod plugins;
mod readme;
mod reference;
mod sandbox;
mod tidy;
