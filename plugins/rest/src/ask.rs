//! Sends a message and waits for its answer: `POST /v1/ask` in JSON, `POST /v1/agents/{name}/ask` with raw content.
//!
//! The answer is the first message of the conversation whose in-reply-to is the question's reply-with, `agree` apart,
//! which only announces one. A question without reply-by gets the end of the waiting as its reply-by, so nobody works
//! for a caller that left. With several receivers the first answer counts; later ones become dead letters.

use std::{sync::Arc, time::Duration};

use axum::{
    Json,
    body::{Body, Bytes},
    extract::{Path, Query, Request, State, rejection::PathRejection, rejection::QueryRejection},
    http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use base64::{Engine, engine::general_purpose::STANDARD};
use caxton_acl::{Aid, Content, DateTime, Message, Performative, from_json_with, limits, params};
use caxton_plugin::{Code, Envelope, TraceContext};
use serde::Deserialize;
use serde_json::Value;

use crate::{
    delivery::{self, Delivery},
    envelope::{self, Outgoing},
    input::{self, Media},
    messages,
    problem::Problem,
    shared::Shared,
    trace,
};

/// How long a caller waits who does not say.
const TIMEOUT_MS: u64 = 30_000;
/// Answers that may come before the caller looks: an agree, the answer, and some room.
const ANSWERS_MAX: usize = 8;
/// Headers of an answer, with those that the HTTP library adds.
const ANSWER_HEADERS: usize = 8;
/// The protocol of a raw request, so that the loss of the agent is told at once and not by the end of the waiting.
const PROTOCOL: &str = "fipa-request";
/// What a header's name starts with that becomes a user parameter, in lower case as HTTP gives it.
const PARAM_HEADER: &str = "x-acl-";

/// The query of `/v1/ask`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Asked {
    #[serde(rename = "timeout-ms")]
    timeout_ms: Option<u64>,
}

/// The query of a raw question.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawAsked {
    #[serde(rename = "timeout-ms")]
    timeout_ms: Option<u64>,
    performative: Option<String>,
    file: Option<String>,
    class: Option<String>,
}

/// An answer with the question's own words.
struct Answered {
    answer: Envelope,
    outgoing: Outgoing,
}

pub(crate) async fn json(
    State(shared): State<Arc<Shared>>,
    query: Result<Query<Asked>, QueryRejection>,
    request: Request,
) -> Result<Response, Problem> {
    let timeout = timeout(&shared, input::query(query)?.timeout_ms)?;
    let trace = trace::of(request.headers());
    let body = input::body(&shared, request, Media::Json, shared.config.body_bytes_max).await?;
    let (question, beside) = from_json_with(&body, shared.host.now_ms(), delivery::KEYS)?;
    let delivery = Delivery::of(&question, beside)?;
    let answered = ask(&shared, question, delivery, timeout, trace).await?;
    let message = envelope::message(&shared.host, &answered.answer, &answered.outgoing.texts)?;
    Ok(Json(message).into_response())
}

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
    let answered = ask(&shared, question, delivery, timeout, trace).await?;
    raw_answer(&shared, answered)
}

/// Sends a question and waits until its answer comes or the time is over.
async fn ask(
    shared: &Shared,
    mut question: Message,
    delivery: Delivery,
    timeout: Duration,
    trace: Option<TraceContext>,
) -> Result<Answered, Problem> {
    if question.reply_by.is_none() {
        question.reply_by =
            DateTime::from_ms(shared.host.now_ms().saturating_add(timeout.as_millis() as u64));
    }
    let outgoing = shared.sender(trace).outgoing(question, delivery)?;
    let mut ticket = shared.waiting.open(ANSWERS_MAX);
    ticket.expect(outgoing.conversation, outgoing.reply_with)?;
    if messages::send_and_lend(shared, &outgoing).await?.duplicate {
        return Err(asked_before(&outgoing));
    }
    let waited = input::within(timeout, async {
        loop {
            let answer = ticket.answer().await;
            if answer.head.performative != Performative::Agree.code() {
                break answer;
            }
        }
    });
    // The protocol's own clock ends at the same moment and may be first.
    let answer = waited.await.filter(|answer| envelope::platform_code(answer) != Some(Code::NO_REPLY));
    match answer {
        Some(answer) => Ok(Answered { answer, outgoing }),
        None => {
            let receivers = outgoing.receivers.join("`, `");
            let detail = format!("no answer from `{receivers}` within {} ms", timeout.as_millis());
            Err(Problem::new(Code::REPLY_TIMEOUT, detail)
                .about(outgoing.conversation, &outgoing.texts.conversation))
        }
    }
}

/// The answer to a question goes to the one who asked it first, so there is none for who asks it again.
fn asked_before(outgoing: &Outgoing) -> Problem {
    let detail = format!(
        "a question with the id {} was accepted before; its answer went to who asked it then, so ask with a new id",
        outgoing.delivery.id
    );
    Problem::new(Code::DUPLICATE, detail)
        .status(StatusCode::CONFLICT)
        .about(outgoing.conversation, &outgoing.texts.conversation)
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
fn raw_answer(shared: &Shared, answered: Answered) -> Result<Response, Problem> {
    let act = envelope::act(&answered.answer)?;
    let sender = shared.host.name(answered.answer.head.sender);
    if matches!(act, Performative::Failure | Performative::Refuse | Performative::NotUnderstood) {
        return Err(declined(&answered, act, &sender));
    }
    let Answered { answer, outgoing } = answered;
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
fn declined(answered: &Answered, act: Performative, sender: &str) -> Problem {
    let Answered { answer, outgoing } = answered;
    let content = answer.content.as_slice();
    let problem = match envelope::platform_code(answer) {
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
