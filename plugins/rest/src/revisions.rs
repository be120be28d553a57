//! Versions of an agent: a new one is brought in beside the old, promoted, or taken back.

use axum::{
    extract::{Query, Request, State, rejection::QueryRejection},
    response::Response,
};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::{
    control::{Named, Shares, change},
    envelope::full_name,
    input,
    problem::Problem,
};

/// The query of `PUT /v1/agents/{name}`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Share {
    canary: Option<u32>,
}

/// Creates the agent, or brings in a new version of it; the manifest's name may be left out.
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

pub(crate) async fn promote(State(shared): Shares, name: Named) -> Result<Response, Problem> {
    let request = json!({"name": input::path(name)?});
    change(&shared, "agents.promote", request.to_string().into()).await
}

pub(crate) async fn roll_back(State(shared): Shares, name: Named) -> Result<Response, Problem> {
    let request = json!({"name": input::path(name)?});
    change(&shared, "agents.rollback", request.to_string().into()).await
}
