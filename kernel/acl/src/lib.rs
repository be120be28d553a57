//! What a message may say: the FIPA communicative acts, parameters, agent identifiers and their codecs.
//!
//! ```text
//!   JSON (REST, CLI, SDK) ── from_json ──▶            ──▶ to_json
//!                                          Message
//!   SC00070 text (JADE)   ── from_string ─▶ validate  ──▶ to_string
//! ```
//!
//! This is the text-level model of the edges: names are strings, times are milliseconds since the epoch, ids are
//! texts. The server's interned header lives in the plugin boundary and is not known here. Everything is pure: no
//! clock (`now_ms` is an argument), no I/O, no global state, and no recursion whose depth an input chooses.
//!
//! Law of both codecs: for every message that [`Message::validate`] accepts, decoding what was encoded gives a message
//! that is [`Message::same`] as the first.

pub mod aid;
pub mod conversation;
pub mod error;
pub mod json;
pub mod limits;
pub mod message;
mod nearest;
pub mod params;
pub mod performative;
mod reply;
pub mod string;
pub mod time;

pub use aid::Aid;
pub use conversation::conversation_uid;
pub use error::{Error, Place};
pub use json::{from_json, from_json_with, to_json};
pub use message::{Content, Message};
pub use performative::Performative;
pub use string::{from_string, to_string};
pub use time::{DateTime, ReplyBy};
