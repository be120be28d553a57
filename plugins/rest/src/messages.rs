//! `POST /v1/messages`: sends a message and does not wait for an answer.

use std::sync::Arc;

use axum::{
    Json,
    extract::{Request, State},
    http::StatusCode,
    response::{IntoResponse, Response},
};
use caxton_acl::from_json;
use caxton_plugin::{Code, Outcome};
use serde_json::{Value, json};

use crate::{
    envelope::Outgoing,
    input::{self, Media},
    problem::Problem,
    shared::Shared,
    trace,
};

pub(crate) async fn post(State(shared): State<Arc<Shared>>, request: Request) -> Result<Response, Problem> {
    let trace = trace::of(request.headers());
    let body = input::body(&shared, request, Media::Json, shared.config.body_bytes_max).await?;
    let outgoing = shared.sender(trace).outgoing(from_json(&body, shared.host.now_ms())?)?;
    let (accepted, refused) = send(&shared, &outgoing)?;
    let mut document = json!({
        "kind": "caxton.accepted/v1",
        "id": accepted.id.to_string(),
        "conversation-id": outgoing.texts.conversation,
        "receiver": outgoing.receivers,
    });
    if let (Value::Object(members), false) = (&mut document, refused.is_empty()) {
        members.insert("refused".to_owned(), refused.into());
    }
    Ok((StatusCode::ACCEPTED, Json(document)).into_response())
}

/// Submits every copy. Answers with the first that was accepted, and those that were refused.
///
/// # Errors
/// The first refusal, when no copy was accepted.
pub(crate) fn send(shared: &Shared, outgoing: &Outgoing) -> Result<(Outcome, Vec<Value>), Problem> {
    let outcomes = shared.host.submit(outgoing.copies.clone());
    let accepted = outcomes.iter().find(|outcome| outcome.code.is_none()).copied();
    let of = outgoing.receivers.iter().zip(&outcomes).filter(|(_, outcome)| !outcome.code.is_none());
    let refused: Vec<Value> = of.clone().map(|(receiver, outcome)| refusal(receiver, outcome.code)).collect();
    let first = of.map(|(receiver, outcome)| refused_by(receiver, outcome.code)).next();
    match (accepted, first) {
        (Some(accepted), _) => Ok((accepted, refused)),
        (None, Some(problem)) => {
            let problem = problem.about(outgoing.conversation, &outgoing.texts.conversation);
            Err(if refused.len() > 1 { problem.with("refused", refused) } else { problem })
        }
        (None, None) => Err(Problem::new(Code::INTERNAL, "the server gave no outcome for the message")),
    }
}

fn refusal(receiver: &str, code: Code) -> Value {
    json!({"receiver": receiver, "code": code.to_string(), "reason": code.slug()})
}

/// The problem of one refusal, as a sentence on its receiver.
fn refused_by(receiver: &str, code: Code) -> Problem {
    let detail = match code {
        Code::UNKNOWN_RECEIVER => format!("nobody answers to `{receiver}`"),
        _ => {
            format!("`{receiver}`: {}", code.entry().map_or("the message was refused", |entry| entry.meaning))
        }
    };
    Problem::new(code, detail)
}
