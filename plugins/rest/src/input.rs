//! What comes in with a request: its body within bounds, its media type, its query and its path.

use std::{error::Error as _, fmt};

use axum::{
    body::{Bytes, to_bytes},
    extract::{
        Path, Query, Request,
        rejection::{PathRejection, QueryRejection},
    },
    http::{HeaderMap, StatusCode, header},
};
use caxton_plugin::{Code, asking::within};
use http_body_util::LengthLimitError;
use serde::{
    Deserialize, Deserializer,
    de::{self, DeserializeOwned, MapAccess, Visitor},
};
use serde_json::{Map, Value};

use crate::{problem::Problem, shared::Shared};

/// A body's media type, as an operation asks for it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Media {
    /// `application/json` or `application/…+json`.
    Json,
    /// `application/wasm`.
    Wasm,
    /// Anything or nothing.
    Any,
}

impl Media {
    fn takes(self, found: &str) -> bool {
        if self == Self::Any {
            return true;
        }
        let essence = found.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
        match self {
            Self::Json => {
                essence == "application/json"
                    || (essence.starts_with("application/") && essence.ends_with("+json"))
            }
            Self::Wasm => essence == "application/wasm",
            Self::Any => true,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Json => "application/json",
            Self::Wasm => "application/wasm",
            Self::Any => "any media type",
        }
    }
}

/// Reads a body of at most `bytes_max` within the request timeout.
///
/// # Errors
/// CX0606 for another media type, CX0607 for a larger body (before it is read, when its length is announced), 408 for a
/// slow one, 400 for one that breaks off.
pub(crate) async fn body(
    shared: &Shared,
    request: Request,
    media: Media,
    bytes_max: usize,
) -> Result<Bytes, Problem> {
    announced(request.headers(), media, bytes_max)?;
    match within(shared.config.request_timeout(), to_bytes(request.into_body(), bytes_max)).await {
        Some(Ok(bytes)) => Ok(bytes),
        Some(Err(error)) if error.source().is_some_and(|source| source.is::<LengthLimitError>()) => {
            Err(too_large("more", media, bytes_max))
        }
        Some(Err(_)) => Err(Problem::new(
            Code::CONTROL_REQUEST_INVALID,
            "the body broke off or is not framed by HTTP's rules",
        )),
        None => {
            let detail = format!(
                "the body did not arrive within {} ms; send it faster, or raise request_timeout_ms",
                shared.config.request_timeout_ms
            );
            Err(Problem::new(Code::CONTROL_REQUEST_INVALID, detail).status(StatusCode::REQUEST_TIMEOUT))
        }
    }
}

/// Checks what the head says of the body.
fn announced(headers: &HeaderMap, media: Media, bytes_max: usize) -> Result<(), Problem> {
    let header = |name: header::HeaderName| headers.get(name).and_then(|value| value.to_str().ok());
    let found = header(header::CONTENT_TYPE).unwrap_or_default();
    if !media.takes(found) {
        let detail = format!("expected a body of {}, found {found:?}; set Content-Type", media.name());
        return Err(Problem::new(Code::MEDIA_TYPE, detail));
    }
    match header(header::CONTENT_LENGTH).and_then(|text| text.parse::<u64>().ok()) {
        Some(length) if length > bytes_max as u64 => {
            Err(too_large(&format!("{length} bytes"), media, bytes_max))
        }
        _ => Ok(()),
    }
}

fn too_large(found: &str, media: Media, bytes_max: usize) -> Problem {
    let key = if media == Media::Wasm { "component_bytes_max" } else { "body_bytes_max" };
    Problem::new(Code::BODY_TOO_LARGE, format!("expected at most {bytes_max} bytes ({key}), found {found}"))
}

/// Reads a document whose members the operation's request is made of; an empty body is an empty document.
///
/// # Errors
/// As [`body`], and when it is not an object or has a key twice.
pub(crate) async fn members(shared: &Shared, request: Request) -> Result<Map<String, Value>, Problem> {
    let headers = request.headers().clone();
    let body = body(shared, request, Media::Any, shared.config.body_bytes_max).await?;
    if body.is_empty() {
        return Ok(Map::new());
    }
    announced(&headers, Media::Json, shared.config.body_bytes_max)?;
    json::<Members>(&body).map(|Members(members)| members)
}

/// Sets a member that the request names outside its document.
///
/// # Errors
/// When the document has another value for it.
pub(crate) fn set(
    members: &mut Map<String, Value>,
    key: &str,
    value: Value,
    place: &str,
) -> Result<(), Problem> {
    match members.get(key) {
        Some(own) if *own != value => {
            let detail =
                format!("`{key}` is {own} in the document and {value} in {place}; remove one of the two");
            Err(invalid(&detail))
        }
        _ => {
            members.insert(key.to_owned(), value);
            Ok(())
        }
    }
}

/// An object without a key twice. What stands deeper is checked by the operation.
struct Members(Map<String, Value>);

impl<'de> Deserialize<'de> for Members {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(MembersVisitor).map(Self)
    }
}

struct MembersVisitor;

impl<'de> Visitor<'de> for MembersVisitor {
    type Value = Map<String, Value>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Self::Value, A::Error> {
        let mut members = Map::new();
        while let Some(key) = entries.next_key::<String>()? {
            if members.contains_key(&key) {
                return Err(de::Error::custom(format!("duplicate field `{key}`")));
            }
            members.insert(key, entries.next_value()?);
        }
        Ok(members)
    }
}

/// A document's fault with its line and column.
pub(crate) fn json<T: DeserializeOwned>(body: &[u8]) -> Result<T, Problem> {
    serde_json::from_slice(body).map_err(|error| {
        Problem::new(Code::CONTROL_REQUEST_INVALID, format!("the request's document is not valid: {error}"))
            .with("line", error.line())
            .with("column", error.column())
    })
}

/// The query's parameters.
pub(crate) fn query<T>(query: Result<Query<T>, QueryRejection>) -> Result<T, Problem> {
    query.map(|Query(value)| value).map_err(|error| invalid(&error.body_text()))
}

/// The path's parameter.
pub(crate) fn path(path: Result<Path<String>, PathRejection>) -> Result<String, Problem> {
    path.map(|Path(value)| value).map_err(|error| invalid(&error.body_text()))
}

/// A request that is wrong in a way of its own.
pub(crate) fn invalid(detail: &str) -> Problem {
    Problem::new(Code::CONTROL_REQUEST_INVALID, detail)
}
