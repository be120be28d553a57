//! How the store is doing, for operators.

use caxton_abi::Code;
use caxton_core::Time;

/// Whether the store takes messages.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Stage {
    /// It takes what comes.
    #[default]
    Running,
    /// Its disk is full: new messages are refused, what ends is still written.
    Full,
    /// It could not write: everything waits until it was opened again and verified.
    Failed,
    /// The server ends.
    Closed,
}

impl Stage {
    /// Its word, for operators.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Full => "full",
            Self::Failed => "failed",
            Self::Closed => "closed",
        }
    }
}

/// A stage and why.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct State {
    /// The stage.
    pub stage: Stage,
    /// Since when.
    pub since: Time,
    /// Why, zero while it is running.
    pub code: Code,
    /// Why, in words.
    pub reason: String,
}

/// What the writer holds and has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Figures {
    /// Messages that are kept.
    pub messages: u64,
    /// Changes that wait to be written.
    pub writing: u64,
}
