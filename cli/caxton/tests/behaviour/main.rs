//! The program's side of the contract: streams, forms, exit codes and requests, against prepared answers.
//!
//! No real server takes part; that the two sides fit is shown by the suite that runs both.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod applying;
mod asking;
mod attaching;
mod authoring;
mod contexts;
mod dead_letters;
mod deploying;
mod doctoring;
mod documents;
mod failing;
mod following;
mod jobs;
mod lines;
mod looking;
mod passing_on;
mod reloading;
mod server;
