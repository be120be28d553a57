//! The bus with scripted agents and ports, in virtual time.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod addressing;
mod attaching;
mod classes;
mod commitments;
mod duplicates;
mod durable;
mod faults;
mod lending;
mod letters;
mod monitoring;
mod order;
mod races;
mod recycling;
mod restarts;
mod retries;
mod rig;
mod shelf;
mod storing;
mod swapping;
mod timers;
mod turns;
mod versions;
