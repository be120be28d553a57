//! The string form of a message (SC00070), as JADE and other FIPA platforms speak it.
//!
//! ```text
//! (request :sender (agent-identifier :name a@p) :receiver (set (agent-identifier :name b@p)) :content "text")
//! ```
//! Decisions where the specification is silent or JADE differs:
//! - Acts, parameter names and keywords are read in any case and written in lower case.
//! - A parenthesised expression as a value is kept as its text, unread: content languages are the agents' business.
//! - Inside a string only `\"` is an escape; any other `\` stands for itself. A text that ends in `\` cannot be said so
//!   and is written with its byte length (`#3"ab\`).
//! - Byte content is base64, marked by `:X-JADE-Encoding Base64` as JADE does; a byte-length string of content that is
//!   not UTF-8 is read as bytes too.
//! - A DateTime without `Z` is UTC. Nothing may follow the closing parenthesis but white space.

mod cursor;
mod read;
mod write;

pub use read::from_string;
pub use write::to_string;
