//! The content of a message as the command line gives it: text, `@FILE`, or `-` for stdin.

use std::io::Read as _;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::{Map, Value};

use crate::failure::{Exit, Failure};

/// More is not read from a file or from stdin; a server's own limit is lower.
const CONTENT_BYTES_MAX: u64 = 64 * 1024 * 1024;

/// Reads the content that `given` names.
///
/// # Errors
/// A file that cannot be read or is over [`CONTENT_BYTES_MAX`].
pub(crate) fn read(given: &str) -> Result<Vec<u8>, Failure> {
    if given == "-" {
        return bounded(std::io::stdin().lock(), "stdin");
    }
    match given.strip_prefix('@') {
        Some(path) => file(path.as_ref()),
        None => Ok(given.as_bytes().to_vec()),
    }
}

/// Reads a file.
///
/// # Errors
/// As [`read`].
pub(crate) fn file(path: &std::path::Path) -> Result<Vec<u8>, Failure> {
    let shown = path.display().to_string();
    let file = std::fs::File::open(path).map_err(|error| unreadable(&shown, &error.to_string()))?;
    bounded(file, &shown)
}

fn bounded(reader: impl std::io::Read, name: &str) -> Result<Vec<u8>, Failure> {
    let mut bytes = Vec::new();
    let read = reader.take(CONTENT_BYTES_MAX + 1).read_to_end(&mut bytes);
    read.map_err(|error| unreadable(name, &error.to_string()))?;
    if bytes.len() as u64 > CONTENT_BYTES_MAX {
        return Err(unreadable(name, &format!("it is larger than {CONTENT_BYTES_MAX} bytes")));
    }
    Ok(bytes)
}

fn unreadable(name: &str, why: &str) -> Failure {
    Failure::new(Exit::Failure, format!("cannot read {name}"), why, "check the path and its permissions")
}

/// Sets the content of an ACL message in JSON: `content` for UTF-8, else `content-base64`.
pub(crate) fn set(message: &mut Map<String, Value>, content: Vec<u8>) {
    let (key, text) = match String::from_utf8(content) {
        Ok(text) => ("content", text),
        Err(error) => ("content-base64", STANDARD.encode(error.as_bytes())),
    };
    message.insert(key.to_owned(), Value::String(text));
}

/// The content of an ACL message in JSON.
pub(crate) fn of(message: &Value) -> Vec<u8> {
    let text = |key: &str| message.get(key).and_then(Value::as_str);
    let decoded = text("content-base64").and_then(|text| STANDARD.decode(text).ok());
    decoded.or_else(|| text("content").map(|text| text.as_bytes().to_vec())).unwrap_or_default()
}

/// One parameter of the user, `X-NAME=VALUE`, for clap.
///
/// # Errors
/// Says what was expected.
pub(crate) fn parameter(text: &str) -> Result<(String, String), String> {
    let (name, value) =
        text.split_once('=').ok_or_else(|| format!("expected X-NAME=VALUE, found `{text}`"))?;
    let rest = name.strip_prefix("X-").or_else(|| name.strip_prefix("x-")).unwrap_or_default();
    if rest.is_empty()
        || !rest.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_')
    {
        return Err(format!(
            "expected a name such as X-file of letters, digits, `-` and `_`, found `{name}`"
        ));
    }
    Ok((rest.to_owned(), value.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn content_that_is_not_text_goes_as_base64() {
        let mut message = Map::new();
        set(&mut message, vec![0xff, 0]);
        set(&mut message, b"hi".to_vec());
        assert_eq!(Value::Object(message), serde_json::json!({"content-base64": "/wA=", "content": "hi"}));
    }

    #[test]
    fn parameter_needs_its_x() {
        assert_eq!(parameter("X-file=a=b"), Ok(("file".into(), "a=b".into())));
        for text in ["file=a", "X-file", "X-=a", "X-a b=c"] {
            assert!(parameter(text).is_err(), "{text}");
        }
    }
}
