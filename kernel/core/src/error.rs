//! Why the kernel refuses an operation: a code, and one line that says what was found and what to do.

use caxton_abi::Code;

/// A refused operation. Nothing was changed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{detail}")]
pub struct Refusal {
    /// The code that operators and senders see.
    pub code: Code,
    /// What failed, on what, expected against found, what to do next.
    pub detail: String,
}

impl Refusal {
    /// Makes a refusal.
    pub(crate) fn new(code: Code, detail: impl Into<String>) -> Self {
        Self { code, detail: detail.into() }
    }
}
