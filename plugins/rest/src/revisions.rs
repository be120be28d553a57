//! Versions of an agent: a new one is brought in beside the old, promoted, or taken back.

use axum::{
    extract::{Query, Request, State, rejection::QueryRejection},
    response::Response,
};
use caxton_plugin::asking::full_name;
use serde::Deserialize;
use serde_json::{Value, json};
use utoipa::IntoParams;

use crate::{
    control::{Named, Shares, change},
    input,
    openapi::refusals::{BodyRefusals, Conflicts, NotThere, Refusals, Unfit},
    problem::Problem,
};

/// The query of `PUT /v1/agents/{name}`.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct Share {
    /// The share of the new conversations that the version gets, in percent; all when left out.
    #[param(minimum = 1, maximum = 99, example = 10)]
    canary: Option<u32>,
}

/// Creates an agent, or brings in a new version of it.
///
/// The version before serves until the new one is active, and finishes its conversations. When the new one does not become active, the answer is a refusal and the old one stays.
#[utoipa::path(
    put,
    path = "/v1/agents/{name}",
    tag = "agents",
    operation_id = "agents.apply",
    params(
        ("name" = String, Path, description = "The name of the agent, without `@` for this platform.", min_length = 1, example = "echo"),
        Share
    ),
    request_body(content = ref("#/components/schemas/ApplyAgentRequest"), content_type = "application/json"),
    responses(
        (status = 200, description = "The agent, when the version serves or has its share.", body = ref("#/components/schemas/Agent"), content_type = "application/json"),
        Refusals, BodyRefusals, NotThere, Conflicts, Unfit
    )
)]
pub(crate) async fn apply(
    State(shared): Shares,
    name: Named,
    query: Result<Query<Share>, QueryRejection>,
    request: Request,
) -> Result<Response, Problem> {
    let (name, canary) = (input::path(name)?, input::query(query)?.canary);
    let mut manifest = input::members(&shared, request).await?;
    let full = full_name(&shared.host, &name);
    let same = |own: &Value| own.as_str().is_some_and(|own| full_name(&shared.host, own) == full);
    if !manifest.get("name").is_some_and(same) {
        input::set(&mut manifest, "name", json!(name), "the path")?;
    }
    if let Some(canary) = canary {
        input::set(&mut manifest, "canary", json!(canary), "the query")?;
    }
    change(&shared, "agents.apply", Value::Object(manifest).to_string().into()).await
}

/// Gives all new conversations to the canary.
#[utoipa::path(
    post,
    path = "/v1/agents/{name}/promote",
    tag = "agents",
    operation_id = "agents.promote",
    params(
        ("name" = String, Path, description = "The name of the agent, without `@` for this platform.", min_length = 1, example = "echo")
    ),
    responses(
        (status = 200, description = "The agent.", body = ref("#/components/schemas/Agent"), content_type = "application/json"),
        Refusals, NotThere, Conflicts, Unfit
    )
)]
pub(crate) async fn promote(State(shared): Shares, name: Named) -> Result<Response, Problem> {
    let request = json!({"name": input::path(name)?});
    change(&shared, "agents.promote", request.to_string().into()).await
}

/// Takes the canary back, or brings in again what served before.
#[utoipa::path(
    post,
    path = "/v1/agents/{name}/rollback",
    tag = "agents",
    operation_id = "agents.rollback",
    params(
        ("name" = String, Path, description = "The name of the agent, without `@` for this platform.", min_length = 1, example = "echo")
    ),
    responses(
        (status = 200, description = "The agent.", body = ref("#/components/schemas/Agent"), content_type = "application/json"),
        Refusals, NotThere, Conflicts, Unfit
    )
)]
pub(crate) async fn roll_back(State(shared): Shares, name: Named) -> Result<Response, Problem> {
    let request = json!({"name": input::path(name)?});
    change(&shared, "agents.rollback", request.to_string().into()).await
}
