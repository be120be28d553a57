//! What changes while the server runs: a plugin's library, and the configuration.

use axum::{
    extract::{Request, State},
    response::Response,
};
use serde_json::{Value, json};

use crate::{
    control::{Named, Shares, change},
    input,
    problem::Problem,
};

/// The body may be left out; it names another library.
pub(crate) async fn plugin(
    State(shared): Shares,
    name: Named,
    request: Request,
) -> Result<Response, Problem> {
    let name = input::path(name)?;
    let mut wanted = input::members(&shared, request).await?;
    input::set(&mut wanted, "name", json!(name), "the path")?;
    change(&shared, "plugins.reload", Value::Object(wanted).to_string().into()).await
}

/// The body may be left out.
pub(crate) async fn server(State(shared): Shares, request: Request) -> Result<Response, Problem> {
    let wanted = input::members(&shared, request).await?;
    change(&shared, "server.reload", Value::Object(wanted).to_string().into()).await
}
