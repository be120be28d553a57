//! `POST /v1/messages`: sends a message, or a list of them, and does not wait for answers.
//!
//! A durable message is answered when it is on disk. A list is for producers of many messages: one outcome each, in
//! order, and a bad one does not refuse the others.

use std::sync::Arc;

use axum::{
    Json,
    extract::{Request, State},
    http::StatusCode,
    response::{IntoResponse, Response},
};
use caxton_acl::from_json_with;
use caxton_plugin::{
    Error, TraceContext,
    asking::{Accepted, Delivery, Outgoing, delivery, judge},
};

use crate::{
    batch,
    input::{self, Media},
    openapi::refusals::{BodyRefusals, Refusals, Undelivered},
    problem::Problem,
    shared::Shared,
    trace,
};

/// Sends a message, or a list of messages.
///
/// Does not wait for answers. A durable message is answered when it is on disk. A message with an `id` of its own (a UUID) can be sent again: with the same contents it is not delivered twice, and the answer is 200 with `duplicate`; with other contents it is refused with 409. A list of at most 1,000 gets one outcome each, in order.
#[utoipa::path(
    post,
    path = "/v1/messages",
    tag = "messages",
    operation_id = "messages.send",
    request_body(content = ref("#/components/schemas/Messages"), content_type = "application/json"),
    responses(
        (status = 202, description = "It was accepted.", body = ref("#/components/schemas/Accepted"), content_type = "application/json"),
        (status = 200, description = "It was accepted before, with the same contents.", body = ref("#/components/schemas/Accepted"), content_type = "application/json"),
        (status = 207, description = "What became of each message of a list.", body = ref("#/components/schemas/SendMessagesResponse"), content_type = "application/json"),
        Refusals, BodyRefusals, Undelivered
    )
)]
pub(crate) async fn post(State(shared): State<Arc<Shared>>, request: Request) -> Result<Response, Problem> {
    let trace = trace::of(request.headers());
    let body = input::body(&shared, request, Media::Json, shared.config.body_bytes_max).await?;
    if batch::is_list(&body) {
        return batch::answer(&shared, &body, trace).await;
    }
    let outgoing = read(&shared, &body, trace)?;
    let outcomes = shared.asking.submit(outgoing.copies.clone()).await?;
    let accepted = judge(outgoing, &outcomes)?;
    Ok((status(&accepted), Json(accepted.document())).into_response())
}

/// Reads a message from JSON, with what its sender asks of the delivery.
///
/// # Errors
/// What is wrong with it, and where.
pub(crate) fn read(shared: &Shared, text: &[u8], trace: Option<TraceContext>) -> Result<Outgoing, Error> {
    let (message, beside) = from_json_with(text, shared.host.now_ms(), delivery::KEYS)?;
    let delivery = Delivery::of(&message, beside)?;
    shared.asking.sender(trace).outgoing(message, delivery)
}

/// 202, or 200 when there was nothing to do.
pub(crate) fn status(accepted: &Accepted) -> StatusCode {
    if accepted.duplicate { StatusCode::OK } else { StatusCode::ACCEPTED }
}
