//! The control operations: each resource and method is one verb of the server, document for document.

use std::{future::Future, sync::Arc, time::Duration};

use axum::{
    extract::{Path, Query, Request, State, rejection::PathRejection, rejection::QueryRejection},
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use caxton_plugin::{Code, Error, Payload};
use serde::{Deserialize, Serialize, de::IgnoredAny};
use serde_json::{Value, json};
use utoipa::IntoParams;

use crate::{
    input::{self, Media},
    openapi::refusals::{BodyRefusals, Conflicts, NotThere, Refusals, Undelivered, Unfit},
    problem::Problem,
    shared::Shared,
    trace,
};

/// Most items that a listing gives.
pub(crate) const LIST_LIMIT_MAX: u32 = 1000;
/// Items that a listing gives when the client names no limit.
const LIST_LIMIT: u32 = 50;

/// What every operation gets.
pub(crate) type Shares = State<Arc<Shared>>;
/// The name or id in the path.
pub(crate) type Named = Result<Path<String>, PathRejection>;
/// The query of a listing.
pub(crate) type Listed = Result<Query<Listing>, QueryRejection>;

/// The query of a listing.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct Listing {
    /// Most items of the answer, the newest first; 50 when left out.
    #[param(minimum = 1, maximum = 1000, example = 50)]
    pub(crate) limit: Option<u32>,
}

/// The query of a document that changes.
#[derive(Deserialize, Serialize, IntoParams)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
#[into_params(parameter_in = Query)]
pub(crate) struct Version {
    /// The `version` of the document that the caller has; with `wait-ms` a newer one is waited for.
    #[param(minimum = 0)]
    version: Option<u64>,
    /// How long to hold the caller while the document is still that version, in milliseconds; 0 when left out.
    #[param(minimum = 0, maximum = 30000, example = 0)]
    wait_ms: Option<u32>,
}

/// Shows the server.
///
/// Its parts by state, and the books: `accepted = delivered + expired + dead-lettered + dropped + in flight`.
#[utoipa::path(
    get,
    path = "/v1/status",
    tag = "server",
    operation_id = "server.status",
    responses(
        (status = 200, description = "The state of the server.", body = ref("#/components/schemas/Status"), content_type = "application/json"),
        Refusals
    )
)]
pub(crate) async fn status(State(shared): Shares) -> Result<Response, Problem> {
    read(&shared, "server.status", json!({})).await
}

/// Tells whether the server lives.
///
/// 200 while the process answers, even when it is not ready.
#[utoipa::path(
    get,
    path = "/healthz",
    tag = "server",
    operation_id = "server.live",
    responses(
        (status = 200, description = "It lives.", body = ref("#/components/schemas/Health"), content_type = "application/json"),
        Refusals
    )
)]
pub(crate) async fn live(State(shared): Shares) -> Result<Response, Problem> {
    health(&shared, "live").await
}

/// Tells whether the server takes work.
///
/// 503 with the same document while a required plugin does not run or the server drains; `waiting` says what it waits for.
#[utoipa::path(
    get,
    path = "/readyz",
    tag = "server",
    operation_id = "server.ready",
    responses(
        (status = 200, description = "It takes work.", body = ref("#/components/schemas/Health"), content_type = "application/json"),
        Refusals
    )
)]
pub(crate) async fn ready(State(shared): Shares) -> Result<Response, Problem> {
    health(&shared, "ready").await
}

async fn health(shared: &Shared, key: &str) -> Result<Response, Problem> {
    let answer = shared.host.invoke("server.health", &json!({}));
    let document = in_time(shared.config.request_timeout(), "server.health", answer).await?;
    let well = document.get(key).and_then(Value::as_bool).unwrap_or(false);
    let status = if well { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    Ok((status, axum::Json(document)).into_response())
}

/// Uploads a component.
///
/// It is checked and compiled. The same bytes again are known already. The digest of the answer is what a manifest names.
#[utoipa::path(
    put,
    path = "/v1/components",
    tag = "components",
    operation_id = "components.put",
    request_body(content = Vec<u8>, content_type = "application/wasm", description = "The bytes of the component."),
    responses(
        (status = 200, description = "The component.", body = ref("#/components/schemas/Component"), content_type = "application/json"),
        Refusals, BodyRefusals, Unfit
    )
)]
pub(crate) async fn put_component(State(shared): Shares, request: Request) -> Result<Response, Problem> {
    let body = input::body(&shared, request, Media::Wasm, shared.config.component_bytes_max).await?;
    change(&shared, "components.put", Vec::from(body).into()).await
}

/// Lists components.
#[utoipa::path(
    get,
    path = "/v1/components",
    tag = "components",
    operation_id = "components.list",
    responses(
        (status = 200, description = "Every component that is stored.", body = ref("#/components/schemas/ListComponentsResponse"), content_type = "application/json"),
        Refusals
    )
)]
pub(crate) async fn components(State(shared): Shares) -> Result<Response, Problem> {
    read(&shared, "components.list", json!({})).await
}

/// Deploys an agent.
///
/// Answers when its `init` is done. A name that exists is refused: PUT brings in a new version.
#[utoipa::path(
    post,
    path = "/v1/agents",
    tag = "agents",
    operation_id = "agents.deploy",
    request_body(content = ref("#/components/schemas/DeployAgentRequest"), content_type = "application/json"),
    responses(
        (status = 200, description = "The agent.", body = ref("#/components/schemas/Agent"), content_type = "application/json"),
        Refusals, BodyRefusals, NotThere, Conflicts, Unfit
    )
)]
pub(crate) async fn deploy(State(shared): Shares, request: Request) -> Result<Response, Problem> {
    let body = input::body(&shared, request, Media::Json, shared.config.body_bytes_max).await?;
    input::json::<IgnoredAny>(&body)?;
    change(&shared, "agents.deploy", Vec::from(body).into()).await
}

/// Lists agents.
#[utoipa::path(
    get,
    path = "/v1/agents",
    tag = "agents",
    operation_id = "agents.list",
    responses(
        (status = 200, description = "Every agent.", body = ref("#/components/schemas/ListAgentsResponse"), content_type = "application/json"),
        Refusals
    )
)]
pub(crate) async fn agents(State(shared): Shares) -> Result<Response, Problem> {
    read(&shared, "agents.list", json!({})).await
}

/// Shows an agent with its versions.
#[utoipa::path(
    get,
    path = "/v1/agents/{name}",
    tag = "agents",
    operation_id = "agents.get",
    params(
        ("name" = String, Path, description = "The name of the agent, without `@` for this platform.", min_length = 1, example = "echo")
    ),
    responses(
        (status = 200, description = "The agent.", body = ref("#/components/schemas/Agent"), content_type = "application/json"),
        Refusals, NotThere
    )
)]
pub(crate) async fn agent(State(shared): Shares, name: Named) -> Result<Response, Problem> {
    read(&shared, "agents.get", json!({"name": input::path(name)?})).await
}

/// Deletes an agent.
#[utoipa::path(
    delete,
    path = "/v1/agents/{name}",
    tag = "agents",
    operation_id = "agents.delete",
    params(
        ("name" = String, Path, description = "The name of the agent, without `@` for this platform.", min_length = 1, example = "echo")
    ),
    responses(
        (status = 200, description = "Its last state.", body = ref("#/components/schemas/Agent"), content_type = "application/json"),
        Refusals, NotThere, Conflicts
    )
)]
pub(crate) async fn delete_agent(State(shared): Shares, name: Named) -> Result<Response, Problem> {
    let request = json!({"name": input::path(name)?});
    change(&shared, "agents.delete", request.to_string().into()).await
}

/// Lists plugins.
#[utoipa::path(
    get,
    path = "/v1/plugins",
    tag = "plugins",
    operation_id = "plugins.list",
    responses(
        (status = 200, description = "Every plugin of the configuration.", body = ref("#/components/schemas/ListPluginsResponse"), content_type = "application/json"),
        Refusals
    )
)]
pub(crate) async fn plugins(State(shared): Shares) -> Result<Response, Problem> {
    read(&shared, "plugins.list", json!({})).await
}

/// Shows a plugin.
#[utoipa::path(
    get,
    path = "/v1/plugins/{name}",
    tag = "plugins",
    operation_id = "plugins.get",
    params(
        ("name" = String, Path, description = "The name of the plugin, as in the configuration.", min_length = 1, example = "router")
    ),
    responses(
        (status = 200, description = "The plugin.", body = ref("#/components/schemas/Plugin"), content_type = "application/json"),
        Refusals, NotThere
    )
)]
pub(crate) async fn plugin(State(shared): Shares, name: Named) -> Result<Response, Problem> {
    read(&shared, "plugins.get", json!({"name": input::path(name)?})).await
}

/// Shows the effective configuration.
///
/// Each key with its value and where it came from. Secrets are masked.
#[utoipa::path(
    get,
    path = "/v1/config",
    tag = "server",
    operation_id = "server.config",
    responses(
        (status = 200, description = "Every key.", body = ref("#/components/schemas/Config"), content_type = "application/json"),
        Refusals
    )
)]
pub(crate) async fn config(State(shared): Shares) -> Result<Response, Problem> {
    read(&shared, "server.config", json!({})).await
}

/// How many items a listing gives.
pub(crate) fn limit(wanted: Option<u32>) -> Result<u32, Problem> {
    let limit = wanted.unwrap_or(LIST_LIMIT);
    if limit == 0 || limit > LIST_LIMIT_MAX {
        let detail = format!("`limit` is {limit}, expected 1 to {LIST_LIMIT_MAX}");
        return Err(Problem::new(Code::CONTROL_REQUEST_INVALID, detail));
    }
    Ok(limit)
}

/// Runs an operation that changes nothing.
pub(crate) async fn read(shared: &Shared, verb: &str, request: Value) -> Result<Response, Problem> {
    let answer = shared.host.invoke_raw(verb, request.to_string().into());
    in_time(shared.config.request_timeout(), verb, answer).await.map(document)
}

/// Runs a contract net.
///
/// Calls for proposals, accepts the best and waits for its result. Offered by plugin gateway.
#[utoipa::path(
    post,
    path = "/v1/contract-nets",
    tag = "messages",
    operation_id = "contract-nets.run",
    request_body(content = ref("#/components/schemas/RunContractNetRequest"), content_type = "application/json"),
    responses(
        (status = 200, description = "The bids, and what became of the work.", body = ref("#/components/schemas/ContractNet"), content_type = "application/json"),
        Refusals, BodyRefusals, Undelivered
    )
)]
pub(crate) async fn contract_net(State(shared): Shares, request: Request) -> Result<Response, Problem> {
    let trace = request.headers().get(trace::HEADER).and_then(|value| value.to_str().ok()).map(str::to_owned);
    let mut call = input::members(&shared, request).await?;
    if let Some(trace) = trace {
        call.entry("traceparent").or_insert(Value::from(trace));
    }
    let call = Payload::from(Value::Object(call).to_string());
    Ok(document(shared.host.invoke_raw("contract-nets.run", call).await?))
}

/// Runs an operation that changes something. It may compile a component, so it has the longest time that any caller may
/// wait.
pub(crate) async fn change(shared: &Shared, verb: &str, request: Payload) -> Result<Response, Problem> {
    let answer = shared.host.invoke_raw(verb, request);
    in_time(shared.config.ask_timeout_max(), verb, answer).await.map(document)
}

/// Runs an operation of the server for at most `time`.
pub(crate) async fn in_time<T>(
    time: Duration,
    verb: &str,
    operation: impl Future<Output = Result<T, Error>>,
) -> Result<T, Problem> {
    match tokio::time::timeout(time, operation).await {
        Ok(answer) => answer.map_err(Problem::from),
        Err(_) => {
            let detail = format!("`{verb}` gave no answer within {} ms", time.as_millis());
            Err(Problem::new(Code::REPLY_TIMEOUT, detail))
        }
    }
}

/// The document of an operation's answer.
pub(crate) fn document(answer: Payload) -> Response {
    let json = HeaderValue::from_static("application/json");
    ([(header::CONTENT_TYPE, json)], answer.as_slice().to_vec()).into_response()
}
