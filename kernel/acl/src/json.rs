//! The JSON form of a message, as REST, the CLI and the SDKs speak it.
//!
//! ```json
//! {"performative": "request", "receiver": ["b@caxton"], "content": "text", "reply-by": "+2s", "X-trace": "1"}
//! ```
//! An agent is its name, or an object with `name`, `addresses`, `resolvers` and `X-` parameters. Byte content is
//! `content-base64` instead of `content`. Unknown and repeated keys are refused; `null` is the same as leaving out.

mod read;
mod tree;

use base64::{DecodeError, Engine, engine::general_purpose};

use crate::{error::Error, message::Message};

pub use read::{from_json, from_json_with};

/// Writes a message as JSON: one object, on one line, `reply-by` in RFC 3339, byte content as `content-base64`.
///
/// # Errors
/// What [`Message::validate`] refuses.
pub fn to_json(message: &Message) -> Result<String, Error> {
    message.validate()?;
    serde_json::to_string(message)
        .map_err(|error| Error::malformed("a message that JSON can say", error.to_string(), "report it"))
}

/// Standard base64 with padding (RFC 4648, section 4).
pub(crate) fn base64(bytes: &[u8]) -> String {
    general_purpose::STANDARD.encode(bytes)
}

/// Reads standard base64, padded or not; white space between the characters is skipped, since mail-style writers break
/// lines.
pub(crate) fn from_base64(text: &str) -> Result<Vec<u8>, Error> {
    let compact: Vec<u8> = text.bytes().filter(|byte| !byte.is_ascii_whitespace()).collect();
    general_purpose::STANDARD_PAD_INDIFFERENT.decode(compact).map_err(|error| {
        let found = match error {
            DecodeError::InvalidByte(_, byte) => format!("byte 0x{byte:02x}"),
            _ => "a text that was cut off or changed".to_owned(),
        };
        Error::malformed("base64", found, "encode the bytes by RFC 4648 section 4")
    })
}
