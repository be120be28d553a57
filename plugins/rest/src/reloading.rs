//! What changes while the server runs: a plugin's library, and the configuration.

use axum::{
    extract::{Request, State},
    response::Response,
};
use serde_json::{Value, json};

use crate::{
    control::{Named, Shares, change},
    input,
    openapi::refusals::{BodyRefusals, Conflicts, NotThere, Refusals, Unfit},
    problem::Problem,
};

/// Exchanges a plugin while the server runs.
///
/// A new instance takes over, of the same file or of `library`. When it can not, the old one goes on. The body may be left out.
#[utoipa::path(
    post,
    path = "/v1/plugins/{name}/reload",
    tag = "plugins",
    operation_id = "plugins.reload",
    params(
        ("name" = String, Path, description = "The name of the plugin, as in the configuration.", min_length = 1, example = "router")
    ),
    request_body(content = ref("#/components/schemas/ReloadPluginRequest"), content_type = "application/json", description = "It may be left out."),
    responses(
        (status = 200, description = "The plugin.", body = ref("#/components/schemas/Plugin"), content_type = "application/json"),
        Refusals, BodyRefusals, NotThere, Conflicts, Unfit
    )
)]
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

/// Reads the configuration again.
///
/// As SIGHUP does. Everything is checked before anything changes. The body may be left out.
#[utoipa::path(
    post,
    path = "/v1/reload",
    tag = "server",
    operation_id = "server.reload",
    request_body(content = ref("#/components/schemas/ReloadServerRequest"), content_type = "application/json", description = "It may be left out."),
    responses(
        (status = 200, description = "What changed, what needs a restart and what failed.", body = ref("#/components/schemas/Reload"), content_type = "application/json"),
        Refusals, BodyRefusals, NotThere, Conflicts, Unfit
    )
)]
pub(crate) async fn server(State(shared): Shares, request: Request) -> Result<Response, Problem> {
    let wanted = input::members(&shared, request).await?;
    change(&shared, "server.reload", Value::Object(wanted).to_string().into()).await
}
