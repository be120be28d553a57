//! Builds the guests of `tests/guests` once and runs them as the kernel would.
#![allow(dead_code, reason = "each test binary uses a part")]

pub mod guests;
pub mod world;
