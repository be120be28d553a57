//! A conversation as the server recorded it, and its pictures: pure functions from the document to text.
//!
//! ```text
//!   caxton.conversation/v1 ─▶ Conversation ─▶ steps ─▶ sequence │ listing │ mermaid
//! ```
//!
//! Every arrow is one message that a server accepted, refused or withheld: sender, receiver and order are read from
//! the record and never guessed. The server bounds the number of events; nothing here grows beyond them.

mod canvas;
mod frame;
mod glyphs;
mod layout;
mod listing;
mod mermaid;
mod names;
mod sequence;
mod steps;

use serde::Deserialize;

pub use glyphs::Glyphs;
pub use listing::listing;
pub use mermaid::mermaid;

/// A `caxton.conversation/v1` document. Keys that a newer server adds are ignored.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case", default)]
pub struct Conversation {
    /// The conversation's id.
    pub id: String,
    /// The interaction protocol; empty when none was named.
    #[serde(deserialize_with = "empty_for_null")]
    pub protocol: String,
    /// `open` or `closed`.
    pub state: String,
    /// How it ended, as `completed`; empty while it is open.
    #[serde(deserialize_with = "empty_for_null")]
    pub end: String,
    /// Who sent the first message.
    #[serde(deserialize_with = "empty_for_null")]
    pub initiator: String,
    /// Everybody else, in the order in which they were addressed.
    pub participants: Vec<String>,
    /// When it began, RFC 3339.
    #[serde(deserialize_with = "empty_for_null")]
    pub started: String,
    /// When it closed, RFC 3339; empty while it is open.
    #[serde(deserialize_with = "empty_for_null")]
    pub ended: String,
    /// Messages in all.
    pub messages: u64,
    /// Events that the server had no room to keep.
    pub dropped_events: u64,
    /// The state of each participant's session.
    pub sessions: Vec<Session>,
    /// What happened, in order of time.
    pub events: Vec<Event>,
}

/// One participant's side of a protocol.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Session {
    /// The participant.
    pub participant: String,
    /// The session's id, the `reply-with` that opened it.
    #[serde(deserialize_with = "empty_for_null")]
    pub session: String,
    /// Its state, as `DONE`.
    pub state: String,
}

/// One thing that happened. Fields that an event does not use are empty.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case", default)]
pub struct Event {
    /// When, RFC 3339 with microseconds.
    pub time: String,
    /// The name from the list of signals, as `message.accepted`.
    pub event: String,
    /// The message's id.
    #[serde(deserialize_with = "empty_for_null")]
    pub id: String,
    /// The communicative act.
    #[serde(deserialize_with = "empty_for_null")]
    pub performative: String,
    /// The sender, or the agent that it is about.
    #[serde(deserialize_with = "empty_for_null")]
    pub from: String,
    /// The receiver.
    #[serde(deserialize_with = "empty_for_null")]
    pub to: String,
    /// The label that the answer has to carry.
    #[serde(deserialize_with = "empty_for_null")]
    pub reply_with: String,
    /// The label that this answers.
    #[serde(deserialize_with = "empty_for_null")]
    pub in_reply_to: String,
    /// What the server noted of the message, as `late`.
    #[serde(deserialize_with = "empty_for_null")]
    pub marks: Vec<String>,
    /// The stable code, as `CX0501`.
    #[serde(deserialize_with = "empty_for_null")]
    pub code: String,
    /// The code's short name, as `late`.
    #[serde(deserialize_with = "empty_for_null")]
    pub reason: String,
    /// The content's beginning, or the event's own text.
    #[serde(deserialize_with = "empty_for_null")]
    pub text: String,
}

/// The contract writes null where there is nothing; here that is the empty value.
fn empty_for_null<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: serde::Deserializer<'de>,
    T: Default + Deserialize<'de>,
{
    Ok(Option::<T>::deserialize(deserializer)?.unwrap_or_default())
}

/// How a picture is drawn.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// Columns that no line may exceed.
    pub columns: usize,
    /// The characters to draw with.
    pub glyphs: Glyphs,
    /// True to colour with ANSI escapes.
    pub coloured: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self { columns: 100, glyphs: Glyphs::UNICODE, coloured: false }
    }
}

/// Draws the conversation as a sequence diagram, one lane for each agent, the initiator's first.
///
/// Where the lanes do not fit into [`Options::columns`], the messages are listed in a table instead. The text has no
/// line break at its end.
pub fn render(conversation: &Conversation, options: Options) -> String {
    let drawn = sequence::sequence(conversation, options).map(|drawn| options.glyphs.show(drawn));
    drawn.unwrap_or_else(|| listing(conversation, options))
}
