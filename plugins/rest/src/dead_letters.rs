//! Messages that reached nobody: listed, looked at, sent again, thrown away.

use axum::{
    extract::{Query, Request, State, rejection::QueryRejection},
    response::Response,
};
use serde::Deserialize;
use serde_json::{Value, json};
use utoipa::IntoParams;

use crate::{
    control::{Named, Shares, change, limit, read},
    input,
    openapi::refusals::{BodyRefusals, NotThere, Refusals},
    problem::Problem,
};

/// The query of a listing.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct Listing {
    /// Most items of the answer, the newest first; 50 when left out.
    #[param(minimum = 1, maximum = 1000, example = 50)]
    limit: Option<u32>,
    /// Only those with this code or its name.
    #[param(example = "mailbox-full")]
    reason: Option<String>,
    /// Only those to this receiver.
    #[param(example = "echo")]
    agent: Option<String>,
}

/// Lists dead letters, the newest first, without contents.
#[utoipa::path(
    get,
    path = "/v1/dead-letters",
    tag = "dead-letters",
    operation_id = "dead-letters.list",
    params(
        Listing
    ),
    responses(
        (status = 200, description = "Messages that reached nobody.", body = ref("#/components/schemas/ListDeadLettersResponse"), content_type = "application/json"),
        Refusals
    )
)]
pub(crate) async fn list(
    State(shared): Shares,
    query: Result<Query<Listing>, QueryRejection>,
) -> Result<Response, Problem> {
    let Listing { limit: wanted, reason, agent } = input::query(query)?;
    let mut request = json!({"limit": limit(wanted)?});
    if let Value::Object(members) = &mut request {
        let filters = [("reason", reason), ("agent", agent)];
        members.extend(filters.into_iter().filter_map(|(key, value)| Some((key.to_owned(), json!(value?)))));
    }
    read(&shared, "dead-letters.list", request).await
}

/// Shows a dead letter with its content.
#[utoipa::path(
    get,
    path = "/v1/dead-letters/{id}",
    tag = "dead-letters",
    operation_id = "dead-letters.get",
    params(
        ("id" = String, Path, description = "The number of the dead letter.", min_length = 1, example = "17")
    ),
    responses(
        (status = 200, description = "The dead letter.", body = ref("#/components/schemas/DeadLetter"), content_type = "application/json"),
        Refusals, NotThere
    )
)]
pub(crate) async fn get(State(shared): Shares, id: Named) -> Result<Response, Problem> {
    read(&shared, "dead-letters.get", json!({"id": input::path(id)?})).await
}

/// Sends dead letters again.
///
/// Names at most 1,000 `ids`, or `all` with filters: the oldest first, at most 10,000. What is refused again stays a dead letter.
#[utoipa::path(
    post,
    path = "/v1/dead-letters/requeue",
    tag = "dead-letters",
    operation_id = "dead-letters.requeue",
    request_body(content = ref("#/components/schemas/RequeueDeadLettersRequest"), content_type = "application/json"),
    responses(
        (status = 200, description = "What became of each.", body = ref("#/components/schemas/DeadLetterResult"), content_type = "application/json"),
        Refusals, BodyRefusals
    )
)]
pub(crate) async fn requeue(State(shared): Shares, request: Request) -> Result<Response, Problem> {
    let chosen = input::members(&shared, request).await?;
    change(&shared, "dead-letters.requeue", Value::Object(chosen).to_string().into()).await
}

/// Throws dead letters away.
#[utoipa::path(
    post,
    path = "/v1/dead-letters/purge",
    tag = "dead-letters",
    operation_id = "dead-letters.purge",
    request_body(content = ref("#/components/schemas/PurgeDeadLettersRequest"), content_type = "application/json"),
    responses(
        (status = 200, description = "What became of each.", body = ref("#/components/schemas/DeadLetterResult"), content_type = "application/json"),
        Refusals, BodyRefusals
    )
)]
pub(crate) async fn purge(State(shared): Shares, request: Request) -> Result<Response, Problem> {
    let chosen = input::members(&shared, request).await?;
    change(&shared, "dead-letters.purge", Value::Object(chosen).to_string().into()).await
}
