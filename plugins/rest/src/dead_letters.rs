//! Messages that reached nobody: listed, looked at, sent again, thrown away.

use axum::{
    extract::{Query, Request, State, rejection::QueryRejection},
    response::Response,
};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::{
    control::{Named, Shares, change, limit, read},
    input,
    problem::Problem,
};

/// The query of a listing.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Listing {
    limit: Option<u32>,
    reason: Option<String>,
    agent: Option<String>,
}

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

pub(crate) async fn get(State(shared): Shares, id: Named) -> Result<Response, Problem> {
    read(&shared, "dead-letters.get", json!({"id": input::path(id)?})).await
}

pub(crate) async fn requeue(State(shared): Shares, request: Request) -> Result<Response, Problem> {
    let chosen = input::members(&shared, request).await?;
    change(&shared, "dead-letters.requeue", Value::Object(chosen).to_string().into()).await
}

pub(crate) async fn purge(State(shared): Shares, request: Request) -> Result<Response, Problem> {
    let chosen = input::members(&shared, request).await?;
    change(&shared, "dead-letters.purge", Value::Object(chosen).to_string().into()).await
}
