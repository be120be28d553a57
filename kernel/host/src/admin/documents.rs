//! The documents that operations answer with, field by field as docs/reference/control.md describes them.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// A list of documents.
#[derive(Debug, Serialize)]
pub struct List<T> {
    pub kind: &'static str,
    pub items: Vec<T>,
}

/// `caxton.status/v1`
#[derive(Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Status {
    pub kind: &'static str,
    pub version: &'static str,
    pub abi: String,
    pub wit: &'static str,
    pub platform: String,
    pub started: String,
    pub uptime_ms: u64,
    pub workers: usize,
    pub ready: bool,
    pub agents: BTreeMap<&'static str, usize>,
    pub plugins: BTreeMap<&'static str, usize>,
    pub conversations: BTreeMap<&'static str, usize>,
    pub accounting: Books,
    pub signals: BTreeMap<&'static str, u64>,
    pub store: Option<Store>,
}

/// How the store is doing.
#[derive(Debug, Serialize)]
pub struct Store {
    pub plugin: String,
    pub state: &'static str,
    pub since: String,
    pub code: Option<String>,
    pub reason: Option<String>,
    pub messages: u64,
    pub writing: u64,
}

/// The books of the server.
#[derive(Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Books {
    pub submitted: u64,
    pub refused: u64,
    pub accepted: u64,
    pub delivered: u64,
    pub expired: u64,
    pub dead_lettered: u64,
    pub dropped: u64,
    pub in_flight: u64,
    pub dead_lettered_by_reason: BTreeMap<&'static str, u64>,
    pub dropped_by_reason: BTreeMap<&'static str, u64>,
    pub dead_letters_forgotten: u64,
    pub by_class: BTreeMap<&'static str, ClassBooks>,
    pub holds: bool,
}

/// The books of one delivery class.
#[derive(Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct ClassBooks {
    pub submitted: u64,
    pub refused: u64,
    pub accepted: u64,
    pub delivered: u64,
    pub expired: u64,
    pub dead_lettered: u64,
    pub dropped: u64,
    pub in_flight: u64,
}

/// A page of a list that grows.
#[derive(Debug, Serialize)]
pub struct Page<T> {
    pub kind: &'static str,
    pub items: Vec<T>,
    /// What to ask after next.
    pub next: u64,
    /// Items that left the ring before they were asked for.
    pub lost: u64,
}

/// An item of `caxton.event.list/v1`.
#[derive(Debug, Serialize)]
pub struct EventItem {
    pub sequence: u64,
    pub time: String,
    pub event: &'static str,
    pub subject: String,
    pub state: Option<String>,
    pub from: Option<String>,
    pub revision: Option<u64>,
    pub code: Option<String>,
    pub reason: Option<String>,
}

/// An item of `caxton.log.list/v1`.
#[derive(Debug, Serialize)]
pub struct LogItem {
    pub sequence: u64,
    pub time: String,
    pub level: &'static str,
    pub agent: Option<String>,
    pub plugin: Option<String>,
    pub conversation: Option<String>,
    pub line: String,
    pub fields: serde_json::Map<String, Value>,
}

/// `caxton.health/v1`
#[derive(Debug, Serialize)]
pub struct Health {
    pub kind: &'static str,
    pub live: bool,
    pub ready: bool,
    /// True from the moment when the server was told to stop.
    pub draining: bool,
    pub waiting: Vec<String>,
    pub plugins: Vec<PluginHealth>,
}

/// How one plugin is.
#[derive(Debug, Serialize)]
pub struct PluginHealth {
    pub name: String,
    pub required: bool,
    pub state: &'static str,
}

/// `caxton.component/v1`
#[derive(Clone, Debug, Serialize)]
pub struct Component {
    pub kind: &'static str,
    pub digest: String,
    pub bytes: u64,
    pub world: String,
    pub imports: Vec<String>,
    /// True when the component was stored before.
    pub known: bool,
    /// What its package says.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub manifest: Option<super::package::Package>,
}

/// What an agent is deployed with.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct Manifest {
    pub name: String,
    pub component: String,
    pub capabilities: Vec<String>,
    pub groups: Vec<String>,
    pub config: Value,
    pub grants: Vec<String>,
    pub limits: ManifestLimits,
    pub restart: Restart,
}

/// What a trap of an agent leads to.
#[derive(Clone, Copy, Debug, Default, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Restart {
    Never,
    #[default]
    OnFailure,
}

/// An agent's own limits; each at most the server's.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct ManifestLimits {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub memory_bytes_max: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub turn_ms_max: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mailbox_messages_max: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub restarts_max: Option<u32>,
    /// May be more than the server's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub recycle_memory_bytes: Option<u64>,
}

/// `caxton.agent/v1`
#[derive(Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Agent {
    pub kind: &'static str,
    pub name: String,
    pub state: &'static str,
    pub reason: Option<String>,
    pub code: Option<String>,
    pub component: String,
    pub capabilities: Vec<String>,
    pub groups: Vec<String>,
    pub since: Option<String>,
    pub mailbox: usize,
    pub received: u64,
    pub sent: u64,
    pub restarts: u32,
    pub recycled: u32,
    pub memory_bytes: u64,
    pub config: Value,
    pub restart: &'static str,
    pub revision: u32,
    pub revisions: Vec<Revision>,
}

/// A version of an agent.
#[derive(Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Revision {
    pub number: u32,
    pub state: &'static str,
    pub code: Option<String>,
    pub reason: Option<String>,
    pub component: String,
    pub share: u8,
    pub conversations: usize,
    pub mailbox: usize,
    pub since: String,
}

/// `caxton.plugin/v1`
#[derive(Clone, Debug, Serialize)]
pub struct Plugin {
    /// `caxton.plugin/v1`.
    pub kind: &'static str,
    /// The name of its table in the configuration.
    pub name: String,
    /// Its own version; empty when its file could not be read.
    pub version: String,
    /// Where it stands in its life cycle.
    pub state: &'static str,
    /// Whether the server is not ready without it.
    pub required: bool,
    /// Why it failed.
    pub code: Option<String>,
    /// Why it failed or is degraded, in words.
    pub reason: Option<String>,
    /// Its file.
    pub path: String,
    /// The digest of its file, `sha256:HEX`.
    pub digest: Option<String>,
    /// The version of the boundary that it speaks.
    pub abi: Option<String>,
    /// The ports that it offers.
    pub provides: Vec<String>,
    /// Families of control operations that it answers.
    pub verbs: Vec<String>,
    /// How many instances of it were started: 1 until it is reloaded or restarted.
    pub generation: u32,
    /// Restarts after failures, within its window.
    pub restarts: usize,
    /// What it says of itself.
    pub health: Value,
}

/// `caxton.reload/v1`
#[derive(Clone, Debug, Default, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Reload {
    /// `caxton.reload/v1`.
    pub kind: &'static str,
    /// What changed: keys, and plugins with what became of them.
    pub changed: Vec<String>,
    /// Keys that changed in the file and count at the next start.
    pub restart_needed: Vec<String>,
    /// What could not be changed and runs as before.
    pub failed: Vec<String>,
}

/// `caxton.conversation/v1`
#[derive(Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Conversation {
    pub kind: &'static str,
    pub id: String,
    /// Grows with every change that the document shows.
    pub version: u64,
    pub protocol: Option<String>,
    pub state: &'static str,
    pub end: Option<String>,
    pub initiator: Option<String>,
    pub participants: Vec<String>,
    pub started: String,
    pub ended: Option<String>,
    pub messages: u64,
    pub dropped_events: u64,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub sessions: Vec<Session>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub events: Option<Vec<Event>>,
}

/// A session of a conversation: one participant's part.
#[derive(Debug, Serialize)]
pub struct Session {
    pub participant: String,
    pub session: String,
    pub state: String,
}

/// Something that happened in a conversation.
#[derive(Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Event {
    pub time: String,
    pub event: &'static str,
    pub id: Option<String>,
    pub performative: Option<&'static str>,
    pub from: Option<String>,
    pub to: Option<String>,
    pub reply_with: Option<String>,
    pub in_reply_to: Option<String>,
    pub marks: Vec<&'static str>,
    pub code: Option<String>,
    pub reason: Option<&'static str>,
    pub text: Option<String>,
}

/// `caxton.dead-letter/v1`
#[derive(Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct DeadLetter {
    pub kind: &'static str,
    pub id: String,
    pub at: String,
    pub code: String,
    pub reason: &'static str,
    pub meaning: &'static str,
    pub class: &'static str,
    pub message: String,
    pub conversation: String,
    pub trace: String,
    pub sender: String,
    pub receiver: String,
    pub performative: Option<&'static str>,
    pub protocol: Option<String>,
    pub deliveries: u8,
    pub size: usize,
    /// The beginning of the content, when it is text and was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub content: Option<String>,
    /// The same for bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub content_base64: Option<String>,
}

/// `caxton.dead-letter.result/v1`
#[derive(Debug, Default, PartialEq, Eq, Serialize)]
pub struct DeadLetterResult {
    pub kind: &'static str,
    pub items: Vec<DeadLetterEnd>,
    pub requeued: usize,
    pub refused: usize,
    pub purged: usize,
    pub unknown: usize,
}

/// What became of a dead letter.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub struct DeadLetterEnd {
    pub id: String,
    pub outcome: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
}
