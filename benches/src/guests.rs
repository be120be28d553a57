//! The agents whose life is measured: one in Rust that makes and answers load, and the bidders in JavaScript and Python
//! that come with the SDKs.

use caxton_kit::{Failure, artifacts, foreign};
use serde_json::{Value, json};

/// The language of a guest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Guest {
    /// `benches/guests/load` in the role of the echo.
    Rust,
    /// `wit/examples/bidder-js`.
    JavaScript,
    /// `wit/examples/bidder-py`.
    Python,
}

impl Guest {
    /// Its component, built when it is not there.
    ///
    /// # Errors
    /// It could not be built.
    pub fn component(self) -> Result<Vec<u8>, Failure> {
        let path = match self {
            Self::Rust => artifacts::load_guests()?.join("load.wasm"),
            Self::JavaScript => foreign::javascript()?,
            Self::Python => foreign::python()?,
        };
        std::fs::read(&path).map_err(|error| format!("{}: {error}", path.display()))
    }

    /// What its `init` gets.
    pub fn config(self) -> Value {
        match self {
            Self::Rust => json!("echo"),
            Self::JavaScript | Self::Python => json!({}),
        }
    }

    /// What its `init` gets when it is to answer as little as it can: an answer to nobody would be a dead letter, which the
    /// server keeps.
    pub fn quiet_config(self) -> Value {
        match self {
            Self::Rust => json!("sink 8"),
            Self::JavaScript | Self::Python => json!({}),
        }
    }

    /// Its own limits: what a Python agent sends stays in its memory (a list that componentize-py lowers is never
    /// freed), so it gets a fresh instance early.
    pub fn limits(self) -> Value {
        match self {
            Self::Rust | Self::JavaScript => json!({}),
            Self::Python => json!({"recycle-memory-bytes": 1 << 20}),
        }
    }
}
