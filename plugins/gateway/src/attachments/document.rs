//! The documents on attached agents.

use caxton_plugin::{
    Envelope, Error, Host,
    asking::{Accepted, envelope},
};
use serde_json::{Value, json};

use super::{attached::Attached, words::Words};
use crate::document::time;

/// `caxton.attachment/v1` without its id.
pub(super) fn listed(agent: &Attached) -> Value {
    let profile = &agent.profile;
    json!({
        "kind": "caxton.attachment/v1",
        "name": profile.name,
        "capabilities": profile.capabilities,
        "groups": profile.groups,
        "lease-ms": profile.lease_ms,
        "since": time(profile.since_ms),
        "queued": agent.queued(),
        "received": agent.received,
        "sent": agent.sent,
    })
}

/// `caxton.attachment/v1` for the one who has its id.
pub(super) fn own(agent: &Attached) -> Value {
    let mut document = listed(agent);
    if let Value::Object(members) = &mut document {
        members.insert("id".to_owned(), agent.id.to_string().into());
    }
    document
}

/// An item of `caxton.message.list/v1`, in the agent's own words.
pub(super) fn message(host: &Host, words: &Words, sequence: u64, message: &Envelope) -> Result<Value, Error> {
    let message = envelope::message(host, message, &words.of(&message.head))?;
    Ok(json!({"sequence": sequence, "message": serde_json::to_value(message)?}))
}

/// `caxton.accepted.list/v1`: the document of each message, or its problem, with its status.
pub(super) fn accepted(results: &[Result<Accepted, Error>]) -> Value {
    let count =
        |wanted: fn(&Result<Accepted, Error>) -> bool| results.iter().filter(|one| wanted(one)).count();
    json!({
        "kind": "caxton.accepted.list/v1",
        "accepted": count(|one| one.as_ref().is_ok_and(|sent| !sent.duplicate)),
        "duplicates": count(|one| one.as_ref().is_ok_and(|sent| sent.duplicate)),
        "refused": count(Result::is_err),
        "items": results.iter().map(item).collect::<Vec<Value>>(),
    })
}

fn item(result: &Result<Accepted, Error>) -> Value {
    let (mut document, status) = match result {
        Ok(accepted) => (accepted.document(), if accepted.duplicate { 200 } else { 202 }),
        Err(error) => (problem(error), error.code().entry().map_or(500, |entry| entry.http_status)),
    };
    if let Value::Object(members) = &mut document {
        members.insert("status".to_owned(), status.into());
    }
    document
}

/// What the problem document of the error says, whichever way it goes out.
fn problem(error: &Error) -> Value {
    let code = error.code();
    let mut problem = json!({
        "type": format!("urn:caxton:error:{code}"),
        "title": code.slug(),
        "detail": error.message(),
        "code": code.to_string(),
        "fix": code.entry().map_or("see the detail", |entry| entry.fix),
    });
    if let (Value::Object(members), Some(Value::Object(more))) = (&mut problem, error.detail()) {
        for (name, value) in more {
            members.entry(name.clone()).or_insert_with(|| value.clone());
        }
    }
    problem
}
