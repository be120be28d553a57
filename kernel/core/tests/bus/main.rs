//! The bus with scripted agents and ports, in virtual time.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod addressing;
mod faults;
mod monitoring;
mod order;
mod races;
mod rig;
mod timers;
mod turns;
