//! The description of the HTTP surface: `GET /openapi.json`, OpenAPI 3.1.
//!
//! Paths, parameters and statuses stand beside the handlers. The documents are those of the contract: their schemas are
//! made from the descriptors of `caxton.v1`, whose comments are the descriptions. Examples are in `examples.json`. A copy
//! is kept in `proto/openapi.json`, and a test holds it against this.

mod documents;
pub(crate) mod refusals;

use std::sync::OnceLock;

use axum::{
    body::Bytes,
    http::{HeaderValue, header},
    response::{IntoResponse, Response},
};
use documents::put;
use serde_json::{Value, json};
use utoipa::OpenApi;

use crate::{
    accept::EVENT_STREAM, ask, attachments, control, conversations, dead_letters, jobs, messages, news,
    problem::Problem, reloading, revisions,
};

/// Operations whose body may be left out.
const BODY_LEFT_OUT: [&str; 3] = ["agents.ask", "plugins.reload", "server.reload"];
/// Where bodies are bytes and no text.
const BYTES: [(&str, &str); 2] =
    [("requestBody", "application~1wasm"), ("responses/200", "application~1octet-stream")];

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Caxton",
        description = "A server for agents that speak FIPA ACL. Every resource and method is one control operation, the \
            same as over gRPC. Errors are problem documents (RFC 9457) with a code. Durations are in milliseconds and \
            sizes in bytes, with the unit in the name."
    ),
    paths(
        control::status,
        control::live,
        control::ready,
        control::config,
        reloading::server,
        news::events,
        news::logs,
        control::put_component,
        control::components,
        control::deploy,
        control::agents,
        control::agent,
        revisions::apply,
        control::delete_agent,
        revisions::promote,
        revisions::roll_back,
        messages::post,
        ask::json,
        ask::raw,
        control::contract_net,
        conversations::list,
        conversations::get,
        jobs::create,
        jobs::list,
        jobs::get,
        jobs::results,
        jobs::cancel,
        jobs::resume,
        jobs::delete,
        attachments::open,
        attachments::list,
        attachments::receive,
        attachments::send,
        attachments::close,
        dead_letters::list,
        dead_letters::get,
        dead_letters::requeue,
        dead_letters::purge,
        control::plugins,
        control::plugin,
        reloading::plugin,
        describe,
    ),
    tags(
        (name = "server", description = "The server itself: health, books, configuration, events and logs."),
        (name = "components", description = "WebAssembly components, which agents are made of."),
        (name = "agents", description = "Agents and their versions."),
        (name = "messages", description = "Messages from outside: sent, or asked with an answer."),
        (name = "conversations", description = "What was said, as a sequence of events."),
        (name = "jobs", description = "Many questions to one agent, answered later. Offered by plugin gateway."),
        (name = "attachments", description = "Agents outside of the server. Offered by plugin gateway."),
        (name = "dead-letters", description = "Messages that reached nobody."),
        (name = "plugins", description = "Plugins, exchanged while the server runs."),
    )
)]
struct Api;

/// Describes the HTTP surface.
///
/// This document, in OpenAPI 3.1. `/docs` shows it.
#[utoipa::path(
    get,
    path = "/openapi.json",
    tag = "server",
    operation_id = "server.describe",
    responses(
        (status = 200, description = "The description.", body = Object, content_type = "application/json"),
        refusals::Refusals
    )
)]
pub(crate) async fn describe() -> Result<Response, Problem> {
    static TEXT: OnceLock<Bytes> = OnceLock::new();
    let text = TEXT.get_or_init(|| Bytes::from(document().to_string())).clone();
    Ok(([(header::CONTENT_TYPE, HeaderValue::from_static("application/json"))], text).into_response())
}

/// The whole description.
pub(crate) fn document() -> Value {
    let mut api = serde_json::to_value(Api::openapi()).unwrap_or_default();
    put(&mut api, &["info", "version"], json!(env!("CARGO_PKG_VERSION")));
    put(&mut api, &["info", "license"], json!({"name": "Apache-2.0", "identifier": "Apache-2.0"}));
    put(&mut api, &["components"], json!({"responses": responses()}));
    for operation in operations(&mut api) {
        streams(operation);
        bodies(operation);
    }
    documents::complete(&mut api);
    api
}

/// Every operation of a description.
fn operations(api: &mut Value) -> impl Iterator<Item = &mut Value> {
    let paths = api.get_mut("paths").and_then(Value::as_object_mut);
    let items = paths.into_iter().flat_map(|paths| paths.values_mut());
    items.filter_map(Value::as_object_mut).flat_map(|item| item.values_mut())
}

/// The answers that are problem documents.
fn responses() -> Value {
    let response = |(status, description): (u16, &str)| {
        let mut response = json!({
            "description": description,
            "content": {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}},
        });
        if matches!(status, 429 | 503 | 507) {
            let retry_after = json!({
                "description": "Seconds after which the same may be tried again.",
                "schema": {"type": "integer", "minimum": 0},
            });
            put(&mut response, &["headers", "Retry-After"], retry_after);
        }
        (status.to_string(), response)
    };
    refusals::STATUSES.into_iter().map(response).collect::<serde_json::Map<_, _>>().into()
}

/// Says which bodies may be left out, and what is bytes.
fn bodies(operation: &mut Value) {
    let id = operation["operationId"].as_str().unwrap_or_default();
    if BODY_LEFT_OUT.contains(&id) {
        put(operation, &["requestBody", "required"], json!(false));
    }
    for (place, media) in BYTES {
        if let Some(schema) = operation.pointer_mut(&format!("/{place}/content/{media}/schema")) {
            *schema = json!({"type": "string", "format": "binary"});
        }
    }
}

/// An operation that refuses other forms has two: it gets the second one, and the header of who comes back.
fn streams(operation: &mut Value) {
    if operation["responses"].get("406").is_none() {
        return;
    }
    let events = json!({"schema": {
        "type": "string",
        "description": "Server-sent events: `message` with one item or document each, at the end `end` or `problem`.",
    }});
    put(operation, &["responses", "200", "content", EVENT_STREAM], events);
    if operation["operationId"] == "messages.ask" {
        return;
    }
    let header = json!({
        "name": "Last-Event-ID",
        "in": "header",
        "description": "For a stream: the `id` of the last event that the client has; the stream goes on after it.",
        "required": false,
        "schema": {"type": "integer", "minimum": 0},
    });
    if let Some(parameters) = operation.get_mut("parameters").and_then(Value::as_array_mut) {
        parameters.push(header);
    }
}
