//! Operations that may hold their caller until there is news: long polls, and what streams are made of.
//!
//! A caller that leaves drops the future, which ends the operation in the server. When this instance drains, those who
//! are held get what there is at once, so that a reload costs nobody an error.

use std::time::Duration;

use caxton_plugin::Payload;
use serde::Serialize;
use serde_json::{Map, Value, json};

use crate::{
    control::{LIST_LIMIT_MAX, in_time},
    input,
    phase::{Phase, reached},
    problem::Problem,
    shared::Shared,
};

/// Longest time that a caller is held, by the contract of the control operations.
pub(crate) const WAIT_MS_MAX: u64 = 30_000;

/// The request of an operation: its query without what was left out, and the name or id of the path.
///
/// # Errors
/// When `limit`, `tail` or `wait-ms` is beyond its bound.
pub(crate) fn request(
    query: impl Serialize,
    path: Option<(&str, String)>,
) -> Result<Map<String, Value>, Problem> {
    let mut request = match serde_json::to_value(query) {
        Ok(Value::Object(members)) => members,
        Ok(_) | Err(_) => Map::new(),
    };
    request.retain(|_, value| !value.is_null());
    bounded(&request, "limit", 1, u64::from(LIST_LIMIT_MAX))?;
    bounded(&request, "tail", 1, u64::from(LIST_LIMIT_MAX))?;
    bounded(&request, "wait-ms", 0, WAIT_MS_MAX)?;
    if let Some((key, value)) = path {
        request.insert(key.to_owned(), json!(value));
    }
    Ok(request)
}

fn bounded(request: &Map<String, Value>, key: &str, min: u64, max: u64) -> Result<(), Problem> {
    match request.get(key).and_then(Value::as_u64) {
        Some(found) if found < min || found > max => {
            Err(input::invalid(&format!("`{key}` is {found}, expected {min} to {max}")))
        }
        _ => Ok(()),
    }
}

/// Runs an operation that answers at once when there is news, else after the `wait-ms` of its request.
///
/// # Errors
/// As the operation; when it gives no answer within the request timeout after that.
pub(crate) async fn poll(
    shared: &Shared,
    verb: &str,
    request: &Map<String, Value>,
) -> Result<Payload, Problem> {
    let wait = request.get("wait-ms").and_then(Value::as_u64).unwrap_or(0);
    let ask = |request: Map<String, Value>, time: Duration| {
        in_time(time, verb, shared.host.invoke_raw(verb, Value::Object(request).to_string().into()))
    };
    let timeout = shared.config.request_timeout();
    if wait == 0 {
        return ask(request.clone(), timeout).await;
    }
    let mut phase = shared.phase.subscribe();
    tokio::select! {
        answer = ask(request.clone(), timeout + Duration::from_millis(wait)) => answer,
        () = reached(&mut phase, Phase::Handing) => {
            let mut at_once = request.clone();
            at_once.insert("wait-ms".to_owned(), json!(0));
            ask(at_once, timeout).await
        }
    }
}
