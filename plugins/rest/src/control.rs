//! The control operations: each resource and method is one verb of the server, document for document.

use std::{future::Future, sync::Arc, time::Duration};

use axum::{
    extract::{Path, Query, Request, State, rejection::PathRejection, rejection::QueryRejection},
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use caxton_plugin::{Code, Error, Payload};
use serde::{Deserialize, de::IgnoredAny};
use serde_json::{Value, json};

use crate::{
    input::{self, Media},
    problem::Problem,
    shared::Shared,
};

/// Most items that a listing gives.
const LIST_LIMIT_MAX: u32 = 1000;
/// Items that a listing gives when the client names no limit.
const LIST_LIMIT: u32 = 50;

/// What every operation gets.
pub(crate) type Shares = State<Arc<Shared>>;
/// The name or id in the path.
pub(crate) type Named = Result<Path<String>, PathRejection>;
type Listed = Result<Query<Listing>, QueryRejection>;

/// The query of a listing.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Listing {
    limit: Option<u32>,
}

pub(crate) async fn status(State(shared): Shares) -> Result<Response, Problem> {
    read(&shared, "server.status", json!({})).await
}

/// 200 while the server lives, even when it is not ready.
pub(crate) async fn live(State(shared): Shares) -> Result<Response, Problem> {
    health(&shared, "live").await
}

/// 200 when the server takes work, else 503; the document says what it waits for.
pub(crate) async fn ready(State(shared): Shares) -> Result<Response, Problem> {
    health(&shared, "ready").await
}

async fn health(shared: &Shared, key: &str) -> Result<Response, Problem> {
    let answer = shared.host.invoke("server.health", &json!({}));
    let document = in_time(shared.config.request_timeout(), "server.health", answer).await?;
    let well = document.get(key).and_then(Value::as_bool).unwrap_or(false);
    let status = if well { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    Ok((status, axum::Json(document)).into_response())
}

pub(crate) async fn put_component(State(shared): Shares, request: Request) -> Result<Response, Problem> {
    let body = input::body(&shared, request, Media::Wasm, shared.config.component_bytes_max).await?;
    change(&shared, "components.put", Vec::from(body).into()).await
}

pub(crate) async fn components(State(shared): Shares) -> Result<Response, Problem> {
    read(&shared, "components.list", json!({})).await
}

pub(crate) async fn deploy(State(shared): Shares, request: Request) -> Result<Response, Problem> {
    let body = input::body(&shared, request, Media::Json, shared.config.body_bytes_max).await?;
    input::json::<IgnoredAny>(&body)?;
    change(&shared, "agents.deploy", Vec::from(body).into()).await
}

pub(crate) async fn agents(State(shared): Shares) -> Result<Response, Problem> {
    read(&shared, "agents.list", json!({})).await
}

pub(crate) async fn agent(State(shared): Shares, name: Named) -> Result<Response, Problem> {
    read(&shared, "agents.get", json!({"name": input::path(name)?})).await
}

pub(crate) async fn delete_agent(State(shared): Shares, name: Named) -> Result<Response, Problem> {
    let request = json!({"name": input::path(name)?});
    change(&shared, "agents.delete", request.to_string().into()).await
}

pub(crate) async fn plugins(State(shared): Shares) -> Result<Response, Problem> {
    read(&shared, "plugins.list", json!({})).await
}

pub(crate) async fn plugin(State(shared): Shares, name: Named) -> Result<Response, Problem> {
    read(&shared, "plugins.get", json!({"name": input::path(name)?})).await
}

pub(crate) async fn conversations(State(shared): Shares, query: Listed) -> Result<Response, Problem> {
    let limit = limit(input::query(query)?.limit)?;
    read(&shared, "conversations.list", json!({"limit": limit})).await
}

pub(crate) async fn conversation(State(shared): Shares, id: Named) -> Result<Response, Problem> {
    read(&shared, "conversations.get", json!({"id": input::path(id)?})).await
}

/// How many items a listing gives.
pub(crate) fn limit(wanted: Option<u32>) -> Result<u32, Problem> {
    let limit = wanted.unwrap_or(LIST_LIMIT);
    if limit == 0 || limit > LIST_LIMIT_MAX {
        let detail = format!("`limit` is {limit}, expected 1 to {LIST_LIMIT_MAX}");
        return Err(Problem::new(Code::CONTROL_REQUEST_INVALID, detail));
    }
    Ok(limit)
}

/// Runs an operation that changes nothing.
pub(crate) async fn read(shared: &Shared, verb: &str, request: Value) -> Result<Response, Problem> {
    let answer = shared.host.invoke_raw(verb, request.to_string().into());
    in_time(shared.config.request_timeout(), verb, answer).await.map(document)
}

/// Runs an operation that changes something. It may compile a component, so it has the longest time that any caller may
/// wait.
pub(crate) async fn change(shared: &Shared, verb: &str, request: Payload) -> Result<Response, Problem> {
    let answer = shared.host.invoke_raw(verb, request);
    in_time(shared.config.ask_timeout_max(), verb, answer).await.map(document)
}

/// Runs an operation of the server for at most `time`.
pub(crate) async fn in_time<T>(
    time: Duration,
    verb: &str,
    operation: impl Future<Output = Result<T, Error>>,
) -> Result<T, Problem> {
    match tokio::time::timeout(time, operation).await {
        Ok(answer) => answer.map_err(Problem::from),
        Err(_) => {
            let detail = format!("`{verb}` gave no answer within {} ms", time.as_millis());
            Err(Problem::new(Code::REPLY_TIMEOUT, detail))
        }
    }
}

fn document(answer: Payload) -> Response {
    let json = HeaderValue::from_static("application/json");
    ([(header::CONTENT_TYPE, json)], answer.as_slice().to_vec()).into_response()
}
