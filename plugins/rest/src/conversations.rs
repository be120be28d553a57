//! Conversations: listed, and looked at once, when there is news, or as a stream.

use axum::{
    extract::{Query, State, rejection::QueryRejection},
    http::{HeaderMap, Uri},
    response::Response,
};
use serde_json::json;

use crate::{
    control::{Listed, Listing, Named, Shares, Version, limit, read},
    input,
    openapi::refusals::{NotThere, OtherForms, Refusals},
    polling::request,
    problem::Problem,
    stream::{self, Kind},
};

/// Lists conversations, the newest first, without their events.
#[utoipa::path(
    get,
    path = "/v1/conversations",
    tag = "conversations",
    operation_id = "conversations.list",
    params(
        Listing
    ),
    responses(
        (status = 200, description = "Conversations.", body = ref("#/components/schemas/ListConversationsResponse"), content_type = "application/json"),
        Refusals
    )
)]
pub(crate) async fn list(State(shared): Shares, query: Listed) -> Result<Response, Problem> {
    let limit = limit(input::query(query)?.limit)?;
    read(&shared, "conversations.list", json!({"limit": limit})).await
}

/// Shows a conversation with its events.
///
/// With `version` and `wait-ms` a newer version is waited for. As a stream it gives the document now and after each change, until the conversation is over.
#[utoipa::path(
    get,
    path = "/v1/conversations/{id}",
    tag = "conversations",
    operation_id = "conversations.get",
    params(
        ("id" = String, Path, description = "The conversation-id, as the client wrote it or as the server gave it.", min_length = 1, example = "auction-1"),
        Version
    ),
    responses(
        (status = 200, description = "The conversation.", body = ref("#/components/schemas/Conversation"), content_type = "application/json"),
        Refusals, NotThere, OtherForms
    )
)]
pub(crate) async fn get(
    State(shared): Shares,
    id: Named,
    query: Result<Query<Version>, QueryRejection>,
    headers: HeaderMap,
    uri: Uri,
) -> Result<Response, Problem> {
    let request = request(input::query(query)?, Some(("id", input::path(id)?)))?;
    stream::answer(&shared, &headers, &uri, "conversations.get", Kind::Document, request).await
}
