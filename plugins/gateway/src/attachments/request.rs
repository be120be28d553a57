//! The requests on attached agents.

use serde::Deserialize;
use serde_json::Value;

/// `attachments.open`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct Open {
    pub(super) name: String,
    #[serde(default)]
    pub(super) capabilities: Vec<String>,
    #[serde(default)]
    pub(super) groups: Vec<String>,
    #[serde(default)]
    pub(super) lease_ms: Option<u64>,
    #[serde(default)]
    pub(super) queue_messages_max: Option<usize>,
}

/// A request without members.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Nothing {}

/// An attachment by its id.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Named {
    pub(super) id: String,
}

/// `attachments.receive`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct Receive {
    pub(super) id: String,
    #[serde(default)]
    pub(super) after: u64,
    #[serde(default)]
    pub(super) limit: Option<usize>,
    #[serde(default)]
    pub(super) wait_ms: Option<u64>,
}

/// `attachments.send`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Send {
    pub(super) id: String,
    pub(super) messages: Vec<Value>,
}
