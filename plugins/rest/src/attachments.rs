//! Agents outside of the server: a client attaches under a name, receives, sends, and leaves. Plugin gateway keeps them.

use axum::{
    extract::{Query, Request, State, rejection::QueryRejection},
    http::{HeaderMap, StatusCode, Uri},
    response::{IntoResponse, Response},
};
use serde::{Deserialize, Serialize, de::IgnoredAny};
use serde_json::{Value, json};
use utoipa::IntoParams;

use crate::{
    control::{Named, Shares, change, read},
    input::{self, Media},
    openapi::refusals::{BodyRefusals, Conflicts, Lost, NotThere, OtherForms, Refusals, Unfit},
    polling::request,
    problem::Problem,
    stream::{self, Kind},
};

/// The query of an attached agent's messages.
#[derive(Deserialize, Serialize, IntoParams)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
#[into_params(parameter_in = Query)]
pub(crate) struct Received {
    /// The `next` of the last answer. It acknowledges every message up to there; what was not acknowledged comes again.
    #[param(minimum = 0, example = 0)]
    after: Option<u64>,
    /// Most messages of the answer; 100 when left out.
    #[param(minimum = 1, maximum = 1000, example = 100)]
    limit: Option<u32>,
    /// How long to hold the caller while there is no message, in milliseconds; 0 when left out.
    #[param(minimum = 0, maximum = 30000, example = 0)]
    wait_ms: Option<u32>,
}

/// Attaches as an agent.
///
/// The client gets a name, receives what is sent to it and speaks in its own name. It must ask for its messages at least once in `lease-ms`; else it is lost as an agent that failed for good. Offered by plugin gateway.
#[utoipa::path(
    post,
    path = "/v1/attachments",
    tag = "attachments",
    operation_id = "attachments.open",
    request_body(content = ref("#/components/schemas/OpenAttachmentRequest"), content_type = "application/json"),
    responses(
        (status = 201, description = "The attachment; whoever has its `id` speaks for the agent.", body = ref("#/components/schemas/Attachment"), content_type = "application/json"),
        Refusals, BodyRefusals, NotThere, Conflicts, Unfit
    )
)]
pub(crate) async fn open(State(shared): Shares, request: Request) -> Result<Response, Problem> {
    let body = input::body(&shared, request, Media::Json, shared.config.body_bytes_max).await?;
    input::json::<IgnoredAny>(&body)?;
    let attachment = change(&shared, "attachments.open", Vec::from(body).into()).await?;
    Ok((StatusCode::CREATED, attachment).into_response())
}

/// Lists attached agents, without ids.
#[utoipa::path(
    get,
    path = "/v1/attachments",
    tag = "attachments",
    operation_id = "attachments.list",
    responses(
        (status = 200, description = "Agents outside of the server.", body = ref("#/components/schemas/ListAttachmentsResponse"), content_type = "application/json"),
        Refusals, NotThere
    )
)]
pub(crate) async fn list(State(shared): Shares) -> Result<Response, Problem> {
    read(&shared, "attachments.list", json!({})).await
}

/// Receives the messages of an attached agent.
///
/// `after` acknowledges; what was not acknowledged comes again. With `wait-ms` a message is waited for. As a stream it gives an event for each message, and acknowledges what was written to the connection before.
#[utoipa::path(
    get,
    path = "/v1/attachments/{id}/messages",
    tag = "attachments",
    operation_id = "attachments.receive",
    params(
        ("id" = String, Path, description = "The id that the attachment was opened with; whoever has it speaks for the agent.", min_length = 1, example = "0199aa00-0000-7000-8000-000000000002"),
        Received
    ),
    responses(
        (status = 200, description = "Messages, the oldest first.", body = ref("#/components/schemas/ReceiveMessagesResponse"), content_type = "application/json"),
        Refusals, NotThere, Lost, OtherForms
    )
)]
pub(crate) async fn receive(
    State(shared): Shares,
    id: Named,
    query: Result<Query<Received>, QueryRejection>,
    headers: HeaderMap,
    uri: Uri,
) -> Result<Response, Problem> {
    let request = request(input::query(query)?, Some(("id", input::path(id)?)))?;
    stream::answer(&shared, &headers, &uri, "attachments.receive", Kind::Items, request).await
}

/// Sends messages in the name of an attached agent.
///
/// At most 1,000; one outcome each, in order. A bad message does not refuse the others.
#[utoipa::path(
    post,
    path = "/v1/attachments/{id}/messages",
    tag = "attachments",
    operation_id = "attachments.send",
    params(
        ("id" = String, Path, description = "The id that the attachment was opened with; whoever has it speaks for the agent.", min_length = 1, example = "0199aa00-0000-7000-8000-000000000002")
    ),
    request_body(content = ref("#/components/schemas/SendAttachedMessagesRequest"), content_type = "application/json"),
    responses(
        (status = 207, description = "What became of each.", body = ref("#/components/schemas/SendAttachedMessagesResponse"), content_type = "application/json"),
        Refusals, BodyRefusals, NotThere, Lost, Conflicts, Unfit
    )
)]
pub(crate) async fn send(State(shared): Shares, id: Named, request: Request) -> Result<Response, Problem> {
    let id = input::path(id)?;
    let mut wanted = input::members(&shared, request).await?;
    input::set(&mut wanted, "id", json!(id), "the path")?;
    let outcomes = change(&shared, "attachments.send", Value::Object(wanted).to_string().into()).await?;
    Ok((StatusCode::MULTI_STATUS, outcomes).into_response())
}

/// Detaches an agent.
#[utoipa::path(
    delete,
    path = "/v1/attachments/{id}",
    tag = "attachments",
    operation_id = "attachments.close",
    params(
        ("id" = String, Path, description = "The id that the attachment was opened with; whoever has it speaks for the agent.", min_length = 1, example = "0199aa00-0000-7000-8000-000000000002")
    ),
    responses(
        (status = 200, description = "Its last state.", body = ref("#/components/schemas/Attachment"), content_type = "application/json"),
        Refusals, NotThere, Lost, Conflicts
    )
)]
pub(crate) async fn close(State(shared): Shares, id: Named) -> Result<Response, Problem> {
    let request = json!({"id": input::path(id)?});
    change(&shared, "attachments.close", request.to_string().into()).await
}
