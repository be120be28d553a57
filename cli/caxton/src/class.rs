//! The delivery classes, as the options of commands that send take them.

use clap::ValueEnum;

/// What a message is promised.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Class {
    /// Kept in memory; lost only when the server ends
    Volatile,
    /// Tried again until the receiver has handled it or its deadline passes
    Acked,
    /// On disk before it is accepted, and until the receiver has handled it
    Durable,
}

impl Class {
    /// Its name in documents.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Volatile => "volatile",
            Self::Acked => "acked",
            Self::Durable => "durable",
        }
    }
}
