//! A JSON document of a control operation as a message of the contract, and back.
//!
//! | in JSON | in a message |
//! |---|---|
//! | the key `memory-bytes` | the field `memory_bytes` |
//! | `"kind"` | the message's option `kind`; checked, and written |
//! | `"active"` | the value `AGENT_STATE_ACTIVE` of the enum `AgentState` |
//! | an RFC 3339 time | `google.protobuf.Timestamp` |
//! | `"content"`, or `"content-base64"` | the bytes `content`, that are UTF-8 or are not |
//! | any JSON | `google.protobuf.Value`, `google.protobuf.Struct`: numbers are doubles |
//! | `null` | the field is absent |
//! | members of the object itself | a field with the option `flat` |
//! | keys that start with `X-` | a map with the option `others` |
//!
//! Pure: no clock, no input or output.

use std::fmt;

pub use crate::{read::from_json, write::to_json};

/// What becomes of keys and names that the contract does not have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unknown {
    /// They are a fault.
    Refuse,
    /// They are left out: the document is of a newer server.
    Skip,
}

/// Where a document or a message is not what the contract says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    pub(crate) path: String,
    pub(crate) what: String,
}

impl Fault {
    pub(crate) fn new(what: impl Into<String>) -> Self {
        Self { path: String::new(), what: what.into() }
    }

    /// Says that the fault is inside of a member.
    pub(crate) fn inside(mut self, member: &str) -> Self {
        self.path = if self.path.is_empty() { member.to_owned() } else { format!("{member}.{}", self.path) };
        self
    }

    /// The keys and indexes that lead to the place, with points between; empty for the whole.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// What was expected and what was found.
    pub fn what(&self) -> &str {
        &self.what
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.path.is_empty() {
            f.write_str(&self.what)
        } else {
            write!(f, "in `{}`: {}", self.path, self.what)
        }
    }
}

impl std::error::Error for Fault {}
