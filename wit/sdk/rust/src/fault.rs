//! Faults and the reasons that travel in refusals and failures.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::bindings::caxton::agent::types as wire;
pub use crate::bindings::caxton::agent::types::FaultKind;

/// Why something went wrong: what kind, a stable code, and a sentence for people.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{detail} [{code}]")]
pub struct Fault {
    /// What kind of fault it is, which decides whether trying again can help.
    pub kind: FaultKind,
    /// An open, dotted or `CX0000` name.
    pub code: String,
    /// What failed, for people.
    pub detail: String,
}

impl Fault {
    /// Makes a fault.
    pub fn new(kind: FaultKind, code: impl Into<String>, detail: impl fmt::Display) -> Self {
        Self { kind, code: code.into(), detail: detail.to_string() }
    }

    /// Makes a fault that trying again does not change.
    pub fn permanent(code: impl Into<String>, detail: impl fmt::Display) -> Self {
        Self::new(FaultKind::Permanent, code, detail)
    }

    /// Makes the fault of a full table of the agent's own.
    pub fn overloaded(detail: impl fmt::Display) -> Self {
        Self::new(FaultKind::Overloaded, "overloaded", detail)
    }

    pub(crate) fn into_wire(self) -> wire::Fault {
        wire::Fault { kind: self.kind, code: self.code, detail: self.detail }
    }
}

impl From<wire::Fault> for Fault {
    fn from(fault: wire::Fault) -> Self {
        Self { kind: fault.kind, code: fault.code, detail: fault.detail }
    }
}

impl From<serde_json::Error> for Fault {
    fn from(error: serde_json::Error) -> Self {
        Self::permanent("content-unreadable", format_args!("the content is not the JSON expected: {error}"))
    }
}

/// The content of a refusal, a failure, a rejection or a not-understood: JSON `{"code", "detail"}`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reason {
    /// A short stable name in kebab case, for machines.
    pub code: String,
    /// A sentence for people.
    #[serde(default)]
    pub detail: String,
}

impl Reason {
    /// Makes a reason.
    pub fn new(code: impl Into<String>, detail: impl fmt::Display) -> Self {
        Self { code: code.into(), detail: detail.to_string() }
    }

    /// Reads a reason out of content that anybody may have written; text that is not such JSON becomes the detail.
    pub fn read(content: &[u8]) -> Self {
        serde_json::from_slice(content)
            .unwrap_or_else(|_| Self::new("unspecified", String::from_utf8_lossy(content)))
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.detail.as_str() {
            "" => f.write_str(&self.code),
            detail => write!(f, "{detail} [{}]", self.code),
        }
    }
}

impl From<Fault> for Reason {
    fn from(fault: Fault) -> Self {
        Self { code: fault.code, detail: fault.detail }
    }
}

/// What a participant answers instead of a proposal.
pub type Refusal = Reason;

/// What a participant answers instead of a result.
pub type Failure = Reason;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_survives_its_json_and_plain_text_becomes_the_detail() {
        let reason = Reason::new("too-large", "more than 1 MB");
        let json = serde_json::to_vec(&reason).unwrap();
        assert_eq!(Reason::read(&json), reason);
        assert_eq!(Reason::read(b"no").to_string(), "no [unspecified]");
    }
}
