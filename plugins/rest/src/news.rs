//! What happened on the server and what was logged, as lists that grow: once, when there is news, or as a stream.

use axum::{
    extract::{Query, State, rejection::QueryRejection},
    http::{HeaderMap, Uri},
    response::Response,
};
use serde::{Deserialize, Serialize};
use utoipa::IntoParams;

use crate::{
    control::Shares,
    input,
    openapi::refusals::{OtherForms, Refusals},
    polling::request,
    problem::Problem,
    stream::{self, Kind},
};

/// The query of `GET /v1/events`.
#[derive(Deserialize, Serialize, IntoParams)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
#[into_params(parameter_in = Query)]
pub(crate) struct Events {
    /// The `next` of the last answer, or the `sequence` of the last item that the caller has; items after it are given.
    #[param(minimum = 0, example = 0)]
    after: Option<u64>,
    /// Begins with the newest so many items instead of the oldest.
    #[param(minimum = 1, maximum = 1000)]
    tail: Option<u32>,
    /// Most items of the answer; 100 when left out.
    #[param(minimum = 1, maximum = 1000, example = 100)]
    limit: Option<u32>,
    /// How long to hold the caller while there is nothing new, in milliseconds; 0 when left out.
    #[param(minimum = 0, maximum = 30000, example = 0)]
    wait_ms: Option<u32>,
}

/// The query of `GET /v1/logs`.
#[derive(Deserialize, Serialize, IntoParams)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
#[into_params(parameter_in = Query)]
pub(crate) struct Logs {
    /// Only lines of this agent.
    #[param(example = "echo")]
    agent: Option<String>,
    /// Only lines of this plugin.
    #[param(example = "router")]
    plugin: Option<String>,
    /// Only lines that belong to this conversation.
    conversation: Option<String>,
    /// Only lines of this level and those above: `trace`, `debug`, `info`, `warn` or `error`.
    #[param(example = "info")]
    level: Option<String>,
    /// The `next` of the last answer, or the `sequence` of the last line that the caller has; lines after it are given.
    #[param(minimum = 0, example = 0)]
    after: Option<u64>,
    /// Begins with the newest so many lines instead of the oldest.
    #[param(minimum = 1, maximum = 1000)]
    tail: Option<u32>,
    /// Most lines of the answer; 100 when left out.
    #[param(minimum = 1, maximum = 1000, example = 100)]
    limit: Option<u32>,
    /// How long to hold the caller while there is nothing new, in milliseconds; 0 when left out.
    #[param(minimum = 0, maximum = 30000, example = 0)]
    wait_ms: Option<u32>,
}

/// Lists what happened to agents and plugins.
///
/// With `wait-ms` news is waited for. As a stream it gives an event for each item, and an event `lost` for items that left the bounded ring before they were asked for.
#[utoipa::path(
    get,
    path = "/v1/events",
    tag = "server",
    operation_id = "events.list",
    params(
        Events
    ),
    responses(
        (status = 200, description = "Events, the oldest first.", body = ref("#/components/schemas/ListEventsResponse"), content_type = "application/json"),
        Refusals, OtherForms
    )
)]
pub(crate) async fn events(
    State(shared): Shares,
    query: Result<Query<Events>, QueryRejection>,
    headers: HeaderMap,
    uri: Uri,
) -> Result<Response, Problem> {
    let request = request(input::query(query)?, None)?;
    stream::answer(&shared, &headers, &uri, "events.list", Kind::Items, request).await
}

/// Lists log lines.
///
/// Of agents, plugins and the server. With `wait-ms` news is waited for. As a stream it gives an event for each line.
#[utoipa::path(
    get,
    path = "/v1/logs",
    tag = "server",
    operation_id = "logs.list",
    params(
        Logs
    ),
    responses(
        (status = 200, description = "Lines, the oldest first.", body = ref("#/components/schemas/ListLogsResponse"), content_type = "application/json"),
        Refusals, OtherForms
    )
)]
pub(crate) async fn logs(
    State(shared): Shares,
    query: Result<Query<Logs>, QueryRejection>,
    headers: HeaderMap,
    uri: Uri,
) -> Result<Response, Problem> {
    let request = request(input::query(query)?, None)?;
    stream::answer(&shared, &headers, &uri, "logs.list", Kind::Items, request).await
}
