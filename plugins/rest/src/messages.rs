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
use caxton_plugin::{Code, Outcome, TraceContext, Uid, abi::class};
use serde_json::{Value, json};

use crate::{
    batch,
    delivery::{self, Delivery},
    envelope::Outgoing,
    input::{self, Media},
    problem::Problem,
    shared::Shared,
    trace,
};

pub(crate) async fn post(State(shared): State<Arc<Shared>>, request: Request) -> Result<Response, Problem> {
    let trace = trace::of(request.headers());
    let body = input::body(&shared, request, Media::Json, shared.config.body_bytes_max).await?;
    if batch::is_list(&body) {
        return batch::answer(&shared, &body, trace).await;
    }
    let outgoing = read(&shared, &body, trace)?;
    let accepted = send(&shared, &outgoing).await?;
    Ok((accepted.status(), Json(accepted.document(&outgoing))).into_response())
}

/// Reads a message from JSON, with what its sender asks of the delivery.
///
/// # Errors
/// What is wrong with it, and where.
pub(crate) fn read(shared: &Shared, text: &[u8], trace: Option<TraceContext>) -> Result<Outgoing, Problem> {
    let (message, beside) = from_json_with(text, shared.host.now_ms(), delivery::KEYS)?;
    let delivery = Delivery::of(&message, beside)?;
    shared.sender(trace).outgoing(message, delivery)
}

/// What became of a message of which at least one copy was accepted, now or before.
pub(crate) struct Accepted {
    /// The first copy's.
    id: Uid,
    /// True when every copy was accepted before and none now.
    pub(crate) duplicate: bool,
    /// The copies that were refused.
    refused: Vec<Value>,
}

impl Accepted {
    /// 202, or 200 when there was nothing to do.
    pub(crate) fn status(&self) -> StatusCode {
        if self.duplicate { StatusCode::OK } else { StatusCode::ACCEPTED }
    }

    /// The document `caxton.accepted/v1`.
    pub(crate) fn document(&self, outgoing: &Outgoing) -> Value {
        let mut document = json!({
            "kind": "caxton.accepted/v1",
            "id": self.id.to_string(),
            "class": delivery::name(outgoing.delivery.class),
            "conversation-id": outgoing.texts.conversation,
            "receiver": outgoing.receivers,
        });
        if let Value::Object(members) = &mut document {
            if self.duplicate {
                members.insert("duplicate".to_owned(), true.into());
            }
            if !self.refused.is_empty() {
                members.insert("refused".to_owned(), self.refused.clone().into());
            }
        }
        document
    }
}

/// Submits every copy and waits for those that are durable.
///
/// # Errors
/// The first refusal, when no copy was accepted.
pub(crate) async fn send(shared: &Shared, outgoing: &Outgoing) -> Result<Accepted, Problem> {
    judge(outgoing, &shared.submit(outgoing.copies.clone()).await?)
}

/// As [`send`], for who waits for an answer: this thread may run the agent.
///
/// # Errors
/// As [`send`].
pub(crate) async fn send_and_lend(shared: &Shared, outgoing: &Outgoing) -> Result<Accepted, Problem> {
    if outgoing.delivery.class == class::DURABLE {
        return send(shared, outgoing).await;
    }
    judge(outgoing, &shared.host.submit_and_lend(outgoing.copies.clone()))
}

/// What the outcomes of a message's copies say of the message.
///
/// # Errors
/// As [`send`].
pub(crate) fn judge(outgoing: &Outgoing, outcomes: &[Outcome]) -> Result<Accepted, Problem> {
    let copies = || outgoing.receivers.iter().zip(outgoing.copies.iter().zip(outcomes));
    let taken = |outcome: &Outcome| outcome.code.is_none() || outcome.code == Code::DUPLICATE;
    let refused: Vec<Value> = copies()
        .filter(|(_, (_, outcome))| !taken(outcome))
        .map(|(receiver, (_, outcome))| refusal(receiver, outcome.code))
        .collect();
    let first = copies().find(|(_, (_, outcome))| taken(outcome));
    let Some((_, (copy, outcome))) = first else { return Err(refused_by(outgoing, outcomes, refused)) };
    let id = if outcome.code.is_none() { outcome.id } else { copy.head.id };
    let duplicate = !outcomes.iter().any(|outcome| outcome.code.is_none());
    Ok(Accepted { id, duplicate, refused })
}

fn refusal(receiver: &str, code: Code) -> Value {
    json!({"receiver": receiver, "code": code.to_string(), "reason": code.slug()})
}

/// The problem of a message whose every copy was refused: the first refusal, as a sentence on its receiver.
fn refused_by(outgoing: &Outgoing, outcomes: &[Outcome], refused: Vec<Value>) -> Problem {
    let Some((receiver, outcome)) = outgoing.receivers.iter().zip(outcomes).next() else {
        return Problem::new(Code::INTERNAL, "the server gave no outcome for the message");
    };
    let code = outcome.code;
    let detail = match code {
        Code::UNKNOWN_RECEIVER => format!("nobody answers to `{receiver}`"),
        Code::ID_CONFLICT => format!(
            "`{receiver}`: another message with the id {} was accepted before; its contents differ",
            outgoing.delivery.id
        ),
        _ => {
            format!("`{receiver}`: {}", code.entry().map_or("the message was refused", |entry| entry.meaning))
        }
    };
    let problem = Problem::new(code, detail).about(outgoing.conversation, &outgoing.texts.conversation);
    if refused.len() > 1 { problem.with("refused", refused) } else { problem }
}
