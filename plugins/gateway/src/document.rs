//! What requests and documents of all operations have in common: ids, limits, waiting, contents and times.

use base64::{Engine, engine::general_purpose::STANDARD};
use caxton_acl::DateTime;
use caxton_plugin::{Code, Error, Payload, Uid};
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::config::Config;

/// Most items that one answer lists.
pub(crate) const LIMIT_MAX: usize = 1000;
/// Items that an answer lists when the caller names no limit.
pub(crate) const LIMIT: usize = 100;
/// An answer lists no further item once their contents have so many bytes.
pub(crate) const PAGE_BYTES_MAX: usize = 1 << 20;

/// An error of a request, as a sentence on what was expected and found.
pub(crate) fn invalid(message: impl Into<String>) -> Error {
    Error::new(Code::CONTROL_REQUEST_INVALID, message)
}

/// Reads a request; an empty one is `{}`.
pub(crate) fn read<T: DeserializeOwned>(request: &Payload) -> Result<T, Error> {
    let bytes = if request.is_empty() { b"{}".as_slice() } else { request.as_slice() };
    serde_json::from_slice(bytes)
        .map_err(|error| invalid(format!("the request's document is not valid: {error}")))
}

/// The id of a job or an attachment.
pub(crate) fn id(text: &str) -> Result<Uid, Error> {
    Uid::parse(text).filter(|id| !id.is_none()).ok_or_else(|| {
        let shown: String = text.chars().take(caxton_acl::limits::SHOWN_CHARS_MAX).collect();
        invalid(format!("in `id`: expected a UUID other than nil, found {shown:?}"))
    })
}

/// How many items to list.
pub(crate) fn limit(asked: Option<usize>) -> Result<usize, Error> {
    let limit = asked.unwrap_or(LIMIT);
    within("limit", limit as u64, 1, LIMIT_MAX as u64).map(|_| limit)
}

/// How long to wait for news.
pub(crate) fn wait_ms(config: &Config, asked: Option<u64>) -> Result<u64, Error> {
    within("wait-ms", asked.unwrap_or(0), 0, config.wait_ms_max)
}

/// A number within its bounds.
pub(crate) fn within(key: &str, found: u64, min: u64, max: u64) -> Result<u64, Error> {
    if (min..=max).contains(&found) {
        return Ok(found);
    }
    Err(invalid(format!("`{key}` is {found}, expected {min} to {max}")))
}

/// Text under its name, nothing as null, other bytes in base64 under the name with `-base64`.
pub(crate) fn member(name: &str, content: &Payload) -> (String, Value) {
    match std::str::from_utf8(content.as_slice()) {
        Ok("") => (name.to_owned(), Value::Null),
        Ok(text) => (name.to_owned(), Value::from(text)),
        Err(_) => (format!("{name}-base64"), Value::from(STANDARD.encode(content.as_slice()))),
    }
}

/// The bytes of a base64 text.
pub(crate) fn base64(key: &str, text: &str) -> Result<Vec<u8>, Error> {
    STANDARD.decode(text).map_err(|error| invalid(format!("in `{key}`: expected base64, found {error}")))
}

/// A moment as documents write it.
pub(crate) fn time(ms: u64) -> String {
    DateTime::from_ms(ms).map(|time| time.to_string()).unwrap_or_default()
}
