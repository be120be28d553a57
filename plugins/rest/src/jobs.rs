//! Jobs: many questions to one agent, answered while the caller does something else. Plugin gateway runs them.

use axum::{
    extract::{Query, Request, State, rejection::QueryRejection},
    http::{HeaderMap, StatusCode, Uri},
    response::{IntoResponse, Response},
};
use serde::{Deserialize, Serialize, de::IgnoredAny};
use serde_json::json;
use utoipa::IntoParams;

use crate::{
    control::{Listed, Listing, Named, Shares, Version, change, limit, read},
    input::{self, Media},
    openapi::refusals::{BodyRefusals, Conflicts, NotThere, OtherForms, Refusals, Unfit},
    polling::request,
    problem::Problem,
    stream::{self, Kind},
};

/// The query of a job's results.
#[derive(Deserialize, Serialize, IntoParams)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
#[into_params(parameter_in = Query)]
pub(crate) struct Results {
    /// The `next` of the last answer; results after it are given.
    #[param(minimum = 0, example = 0)]
    after: Option<u64>,
    /// Most results of the answer; 100 when left out.
    #[param(minimum = 1, maximum = 1000, example = 100)]
    limit: Option<u32>,
    /// Only results of items in this state: `done`, `failed` or `cancelled`.
    #[param(example = "failed")]
    state: Option<String>,
    /// How long to hold the caller while there is nothing new, in milliseconds; 0 when left out.
    #[param(minimum = 0, maximum = 30000, example = 0)]
    wait_ms: Option<u32>,
}

/// Begins a job.
///
/// Asks one agent once or many times while the caller does something else: 1 to 10,000 items, `concurrency` at a time. The same `id` again answers with the job that there is. Offered by plugin gateway.
#[utoipa::path(
    post,
    path = "/v1/jobs",
    tag = "jobs",
    operation_id = "jobs.create",
    request_body(content = ref("#/components/schemas/CreateJobRequest"), content_type = "application/json"),
    responses(
        (status = 202, description = "The job.", body = ref("#/components/schemas/Job"), content_type = "application/json"),
        Refusals, BodyRefusals, NotThere, Conflicts, Unfit
    )
)]
pub(crate) async fn create(State(shared): Shares, request: Request) -> Result<Response, Problem> {
    let body = input::body(&shared, request, Media::Json, shared.config.body_bytes_max).await?;
    input::json::<IgnoredAny>(&body)?;
    let job = change(&shared, "jobs.create", Vec::from(body).into()).await?;
    Ok((StatusCode::ACCEPTED, job).into_response())
}

/// Lists jobs, the newest first.
#[utoipa::path(
    get,
    path = "/v1/jobs",
    tag = "jobs",
    operation_id = "jobs.list",
    params(
        Listing
    ),
    responses(
        (status = 200, description = "Jobs.", body = ref("#/components/schemas/ListJobsResponse"), content_type = "application/json"),
        Refusals, NotThere
    )
)]
pub(crate) async fn list(State(shared): Shares, query: Listed) -> Result<Response, Problem> {
    let limit = limit(input::query(query)?.limit)?;
    read(&shared, "jobs.list", json!({"limit": limit})).await
}

/// Shows a job.
///
/// With `version` and `wait-ms` a newer version is waited for. As a stream it gives the document now and after each change, until the job is over.
#[utoipa::path(
    get,
    path = "/v1/jobs/{id}",
    tag = "jobs",
    operation_id = "jobs.get",
    params(
        ("id" = String, Path, description = "The id of the job.", min_length = 1, example = "0199aa00-0000-7000-8000-000000000001"),
        Version
    ),
    responses(
        (status = 200, description = "The job.", body = ref("#/components/schemas/Job"), content_type = "application/json"),
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
    stream::answer(&shared, &headers, &uri, "jobs.get", Kind::Document, request).await
}

/// Lists the results of a job in the order in which its items ended.
///
/// With `wait-ms` the next one is waited for. As a stream it gives an event for each result, until the job is over.
#[utoipa::path(
    get,
    path = "/v1/jobs/{id}/results",
    tag = "jobs",
    operation_id = "jobs.results",
    params(
        ("id" = String, Path, description = "The id of the job.", min_length = 1, example = "0199aa00-0000-7000-8000-000000000001"),
        Results
    ),
    responses(
        (status = 200, description = "Results.", body = ref("#/components/schemas/ListJobResultsResponse"), content_type = "application/json"),
        Refusals, NotThere, OtherForms
    )
)]
pub(crate) async fn results(
    State(shared): Shares,
    id: Named,
    query: Result<Query<Results>, QueryRejection>,
    headers: HeaderMap,
    uri: Uri,
) -> Result<Response, Problem> {
    let request = request(input::query(query)?, Some(("id", input::path(id)?)))?;
    stream::answer(&shared, &headers, &uri, "jobs.results", Kind::Items, request).await
}

/// Cancels a job.
///
/// Items that wait are cancelled; agents at work get a FIPA `cancel`.
#[utoipa::path(
    post,
    path = "/v1/jobs/{id}/cancel",
    tag = "jobs",
    operation_id = "jobs.cancel",
    params(
        ("id" = String, Path, description = "The id of the job.", min_length = 1, example = "0199aa00-0000-7000-8000-000000000001")
    ),
    responses(
        (status = 200, description = "The job.", body = ref("#/components/schemas/Job"), content_type = "application/json"),
        Refusals, NotThere, Conflicts
    )
)]
pub(crate) async fn cancel(State(shared): Shares, id: Named) -> Result<Response, Problem> {
    let request = json!({"id": input::path(id)?});
    change(&shared, "jobs.cancel", request.to_string().into()).await
}

/// Runs the items of a job again that failed or were cancelled.
#[utoipa::path(
    post,
    path = "/v1/jobs/{id}/resume",
    tag = "jobs",
    operation_id = "jobs.resume",
    params(
        ("id" = String, Path, description = "The id of the job.", min_length = 1, example = "0199aa00-0000-7000-8000-000000000001")
    ),
    responses(
        (status = 200, description = "The job.", body = ref("#/components/schemas/Job"), content_type = "application/json"),
        Refusals, NotThere, Conflicts
    )
)]
pub(crate) async fn resume(State(shared): Shares, id: Named) -> Result<Response, Problem> {
    let request = json!({"id": input::path(id)?});
    change(&shared, "jobs.resume", request.to_string().into()).await
}

/// Forgets a job that is over.
#[utoipa::path(
    delete,
    path = "/v1/jobs/{id}",
    tag = "jobs",
    operation_id = "jobs.delete",
    params(
        ("id" = String, Path, description = "The id of the job.", min_length = 1, example = "0199aa00-0000-7000-8000-000000000001")
    ),
    responses(
        (status = 200, description = "Its last state.", body = ref("#/components/schemas/Job"), content_type = "application/json"),
        Refusals, NotThere, Conflicts
    )
)]
pub(crate) async fn delete(State(shared): Shares, id: Named) -> Result<Response, Problem> {
    let request = json!({"id": input::path(id)?});
    change(&shared, "jobs.delete", request.to_string().into()).await
}
