//! Sends a message and waits for its answer: `POST /v1/ask` in JSON, `POST /v1/agents/{name}/ask` with raw content.
//!
//! What counts as the answer, and for how long the question lives, is the business of [`caxton_plugin::asking`].

use std::{sync::Arc, time::Duration};

use axum::{
    Json,
    body::{Body, Bytes},
    extract::{Path, Query, Request, State, rejection::PathRejection, rejection::QueryRejection},
    http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use base64::{Engine, engine::general_purpose::STANDARD};
use caxton_acl::{Aid, Content, Message, Performative, from_json_with, limits, params};
use caxton_plugin::{
    Code, Error,
    asking::{Answer, Delivery, TIMEOUT_MS, delivery},
};
use serde::Deserialize;
use serde_json::Value;
use utoipa::IntoParams;

use crate::{
    accept::{self, Form},
    input::{self, Media},
    openapi::refusals::{BodyRefusals, OtherForms, Refusals, Undelivered},
    parts,
    problem::Problem,
    shared::Shared,
    trace,
};

/// Headers of an answer, with those that the HTTP library adds.
const ANSWER_HEADERS: usize = 8;
/// The protocol of a raw request, so that the loss of the agent is told at once and not by the end of the waiting.
const PROTOCOL: &str = "fipa-request";
/// What a header's name starts with that becomes a user parameter, in lower case as HTTP gives it.
const PARAM_HEADER: &str = "x-acl-";

/// The query of `/v1/ask`.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct Asked {
    /// How long to wait for the answer, in milliseconds; 30000 when left out.
    #[serde(rename = "timeout-ms")]
    #[param(minimum = 1, maximum = 600000, example = 30000)]
    timeout_ms: Option<u64>,
}

/// The query of a raw question.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct RawAsked {
    /// How long to wait for the answer, in milliseconds; 30000 when left out.
    #[serde(rename = "timeout-ms")]
    #[param(minimum = 1, maximum = 600000, example = 30000)]
    timeout_ms: Option<u64>,
    /// The communicative act; `request` when left out.
    #[param(example = "request")]
    performative: Option<String>,
    /// A file's name, which becomes the user parameter `X-file`.
    #[param(example = "notes.txt")]
    file: Option<String>,
    /// How it is to be delivered: `volatile`, `acked` or `durable`; volatile when left out.
    #[param(example = "volatile")]
    class: Option<String>,
}

/// Asks, and waits for the answer.
///
/// The answer is an ACL message, of whatever act. As a stream it gives every answer as it comes: an event `message` each, then `end` or `problem`. An answer with the user parameter `X-Partial: true` is a part and others follow. A client that leaves has a FIPA `cancel` sent to the agent. A question whose `id` was used before is refused with 409.
#[utoipa::path(
    post,
    path = "/v1/ask",
    tag = "messages",
    operation_id = "messages.ask",
    params(
        Asked
    ),
    request_body(content = ref("#/components/schemas/Message"), content_type = "application/json"),
    responses(
        (status = 200, description = "The answer.", body = ref("#/components/schemas/Message"), content_type = "application/json"),
        Refusals, BodyRefusals, Undelivered, OtherForms
    )
)]
pub(crate) async fn json(
    State(shared): State<Arc<Shared>>,
    query: Result<Query<Asked>, QueryRejection>,
    request: Request,
) -> Result<Response, Problem> {
    let timeout = timeout(&shared, input::query(query)?.timeout_ms)?;
    if accept::form(request.headers())? == Form::Stream {
        return in_parts(&shared, request, timeout).await;
    }
    let trace = trace::of(request.headers());
    let (question, delivery) = read(&shared, request).await?;
    let answer = shared.asking.ask(question, delivery, timeout, trace).await.map_err(unanswered)?;
    Ok(Json(answer.message(&shared.host)?).into_response())
}

/// The same for a client that takes a stream.
async fn in_parts(shared: &Arc<Shared>, request: Request, timeout: Duration) -> Result<Response, Problem> {
    let (headers, uri) = (request.headers().clone(), request.uri().clone());
    let (question, delivery) = read(shared, request).await?;
    parts::answer(shared, &headers, &uri, question, delivery, timeout).await
}

/// The question in a request's body.
async fn read(shared: &Shared, request: Request) -> Result<(Message, Delivery), Problem> {
    let body = input::body(shared, request, Media::Json, shared.config.body_bytes_max).await?;
    let (question, beside) = from_json_with(&body, shared.host.now_ms(), delivery::KEYS)?;
    is_question(question.performative)?;
    let delivery = Delivery::of(&question, beside)?;
    Ok((question, delivery))
}

/// Refuses the acts that nobody answers, not even the platform when they reach nobody: the caller would wait in vain.
fn is_question(act: Performative) -> Result<(), Problem> {
    match act {
        Performative::Failure | Performative::NotUnderstood => {
            let detail =
                format!("nobody answers {act}, so it can not be asked; send it with POST /v1/messages");
            Err(Problem::new(Code::MESSAGE_MALFORMED, detail))
        }
        _ => Ok(()),
    }
}

/// Asks an agent with raw content.
///
/// The body is the content, of any media type. Each header `X-Acl-NAME: value` becomes the user parameter `X-NAME`. The answer is the content of the answer; the headers `caxton-performative`, `caxton-conversation-id` and `caxton-sender` say the rest. A failure, refuse or not-understood is a problem with its `content`.
#[utoipa::path(
    post,
    path = "/v1/agents/{name}/ask",
    tag = "messages",
    operation_id = "agents.ask",
    params(
        ("name" = String, Path, description = "The name of the agent, without `@` for this platform.", min_length = 1, example = "echo"),
        RawAsked
    ),
    request_body(content = String, content_type = "text/plain", description = "The content of the question, of any media type; it may be left out."),
    responses(
        (status = 200, description = "The content of the answer.", content((String = "text/plain"), (Vec<u8> = "application/octet-stream"))),
        Refusals, BodyRefusals, Undelivered
    )
)]
pub(crate) async fn raw(
    State(shared): State<Arc<Shared>>,
    name: Result<Path<String>, PathRejection>,
    query: Result<Query<RawAsked>, QueryRejection>,
    request: Request,
) -> Result<Response, Problem> {
    let (name, query) = (input::path(name)?, input::query(query)?);
    let timeout = timeout(&shared, query.timeout_ms)?;
    let mut question = question(&name, &query, request.headers())?;
    let delivery = Delivery::of(&question, [query.class, None])?;
    let trace = trace::of(request.headers());
    let body = input::body(&shared, request, Media::Any, shared.config.body_bytes_max).await?;
    question.content = Some(Content::Bytes(Vec::from(body)));
    let answer = shared.asking.ask(question, delivery, timeout, trace).await.map_err(unanswered)?;
    raw_answer(&shared, answer)
}

/// The problem of a question without an answer. One that was asked before has none to give, so it is a conflict.
pub(crate) fn unanswered(error: Error) -> Problem {
    match error.code() {
        Code::DUPLICATE => Problem::from(error).status(StatusCode::CONFLICT),
        _ => Problem::from(error),
    }
}

fn timeout(shared: &Shared, asked: Option<u64>) -> Result<Duration, Problem> {
    let max = shared.config.ask_timeout_ms_max;
    let millis = asked.unwrap_or(TIMEOUT_MS.min(max));
    if millis == 0 || millis > max {
        let detail = format!("`timeout-ms` is {millis}, expected 1 to {max} (ask_timeout_ms_max)");
        return Err(Problem::new(Code::CONTROL_REQUEST_INVALID, detail));
    }
    Ok(Duration::from_millis(millis))
}

/// The message of a raw question, without its content.
fn question(name: &str, query: &RawAsked, headers: &HeaderMap) -> Result<Message, Problem> {
    let act = match &query.performative {
        Some(text) => text.parse()?,
        None => Performative::Request,
    };
    is_question(act)?;
    let mut message = Message::new(act).to(Aid::new(name)?);
    message.protocol = (act == Performative::Request).then(|| PROTOCOL.to_owned());
    if let Some(file) = &query.file {
        message.params.push(("X-file".to_owned(), file.clone()));
    }
    for (header, value) in headers {
        let Some(name) = header.as_str().strip_prefix(PARAM_HEADER) else { continue };
        let Ok(value) = value.to_str() else {
            let detail = format!("the header `{header}` has characters beyond ASCII; encode its value");
            return Err(Problem::new(Code::MESSAGE_MALFORMED, detail));
        };
        message.params.push((format!("X-{name}"), value.to_owned()));
    }
    check_params(&message.params)?;
    Ok(message)
}

fn check_params(found: &[(String, String)]) -> Result<(), Problem> {
    if found.len() > limits::PARAMS_MAX {
        let detail =
            format!("expected at most {} user parameters, found {}", limits::PARAMS_MAX, found.len());
        return Err(Problem::new(Code::MESSAGE_MALFORMED, detail));
    }
    for (index, (name, value)) in found.iter().enumerate() {
        params::check(name, value)?;
        if found.iter().take(index).any(|(other, _)| other.eq_ignore_ascii_case(name)) {
            let detail = format!("the user parameter `{name}` is given twice; remove one of the two");
            return Err(Problem::new(Code::MESSAGE_MALFORMED, detail));
        }
    }
    Ok(())
}

/// The answer's content as it is; an act that tells of a failure is a problem.
fn raw_answer(shared: &Shared, answer: Answer) -> Result<Response, Problem> {
    let act = answer.act()?;
    let sender = shared.host.name(answer.envelope.head.sender);
    if matches!(act, Performative::Failure | Performative::Refuse | Performative::NotUnderstood) {
        return Err(declined(&answer, act, &sender));
    }
    let Answer { envelope: answer, outgoing } = answer;
    let text = std::str::from_utf8(answer.content.as_slice()).is_ok();
    let media = if text { "text/plain; charset=utf-8" } else { "application/octet-stream" };
    let mut response = Response::new(Body::from(Bytes::from_owner(answer.content)));
    let headers = response.headers_mut();
    headers.reserve(ANSWER_HEADERS);
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(media));
    headers.insert(HeaderName::from_static("x-content-type-options"), HeaderValue::from_static("nosniff"));
    let told = [
        ("caxton-performative", act.as_str()),
        ("caxton-conversation-id", outgoing.texts.conversation.as_str()),
        ("caxton-sender", sender.as_str()),
    ];
    for (name, value) in told {
        // A name outside ASCII is written as its UTF-8 bytes, which HTTP allows as opaque.
        if let Ok(value) = HeaderValue::from_bytes(value.as_bytes()) {
            headers.insert(HeaderName::from_static(name), value);
        }
    }
    Ok(response)
}

/// The problem of a refusal or failure: 422 with the content, or what the platform says of an undeliverable question.
fn declined(answer: &Answer, act: Performative, sender: &str) -> Problem {
    let outgoing = &answer.outgoing;
    let content = answer.envelope.content.as_slice();
    let problem = match answer.platform_code() {
        Some(code) => {
            let meaning = code.entry().map_or("the question came to nothing", |entry| entry.meaning);
            Problem::new(code, format!("`{}`: {meaning}", outgoing.receivers.join("`, `")))
        }
        None => {
            let detail = format!("`{sender}` answered with {act}");
            Problem::new(Code::HANDLER_FAULT, detail).status(StatusCode::UNPROCESSABLE_ENTITY)
        }
    };
    let problem = problem
        .about(outgoing.conversation, &outgoing.texts.conversation)
        .with("performative", act.as_str())
        .with("sender", sender);
    match std::str::from_utf8(content) {
        Ok(text) => problem.with("content", Value::from(text)),
        Err(_) => problem.with("content-base64", STANDARD.encode(content)),
    }
}
