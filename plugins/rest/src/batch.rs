//! A list of messages in one request: one outcome each, in order; a bad one does not refuse the others.
//!
//! All go to the bus as one batch, so messages to one receiver keep their order, and those that are durable share one
//! transaction. Bounded by [`MESSAGES_MAX`] messages and [`COPIES_MAX`] copies.

use axum::{
    Json,
    http::StatusCode,
    response::{IntoResponse, Response},
};
use caxton_plugin::{Code, TraceContext};
use serde::de::IgnoredAny;
use serde_json::{Value, json};

use crate::{envelope::Outgoing, messages, problem::Problem, shared::Shared};

/// Messages of one request: enough that the way there and back costs little for each.
pub(crate) const MESSAGES_MAX: usize = 1000;
/// Copies of all messages of one request together, where messages name several receivers.
const COPIES_MAX: usize = 16_384;

/// True when the body is a list and not one message.
pub(crate) fn is_list(body: &[u8]) -> bool {
    body.iter().find(|byte| !byte.is_ascii_whitespace()) == Some(&b'[')
}

/// Submits the messages of a body and answers with `caxton.accepted.list/v1`.
///
/// # Errors
/// When the body is no list, or has too many entries. What is wrong with one message stands in its own entry.
pub(crate) async fn answer(
    shared: &Shared,
    body: &[u8],
    trace: Option<TraceContext>,
) -> Result<Response, Problem> {
    let mut read: Vec<Result<Outgoing, Problem>> =
        split(body)?.into_iter().map(|text| messages::read(shared, text, trace)).collect();
    bound(&mut read);
    let copies = read.iter().flatten().flat_map(|outgoing| outgoing.copies.iter().cloned()).collect();
    let outcomes = shared.submit(copies).await?;
    let mut outcomes = outcomes.as_slice();
    let items: Vec<Value> = read
        .into_iter()
        .map(|outgoing| {
            let outgoing = outgoing?;
            let (own, rest) = outcomes.split_at_checked(outgoing.copies.len()).unwrap_or((outcomes, &[]));
            outcomes = rest;
            let accepted = messages::judge(&outgoing, own)?;
            let mut item = accepted.document(&outgoing);
            if let Value::Object(members) = &mut item {
                members.insert("status".to_owned(), accepted.status().as_u16().into());
            }
            Ok(item)
        })
        .map(|item| item.unwrap_or_else(|problem: Problem| problem.document("/v1/messages", None)))
        .collect();
    let count = |status: std::ops::Range<u64>| {
        items
            .iter()
            .filter(|item| item["status"].as_u64().is_some_and(|found| status.contains(&found)))
            .count()
    };
    let document = json!({
        "kind": "caxton.accepted.list/v1",
        "accepted": count(202..203),
        "duplicates": count(200..201),
        "refused": count(400..600),
        "items": items,
    });
    Ok((StatusCode::MULTI_STATUS, Json(document)).into_response())
}

/// Refuses the messages with which the copies are more than [`COPIES_MAX`].
fn bound(read: &mut [Result<Outgoing, Problem>]) {
    let mut left = COPIES_MAX;
    for entry in read {
        let Ok(outgoing) = entry else { continue };
        match left.checked_sub(outgoing.copies.len()) {
            Some(less) => left = less,
            None => {
                let detail = format!(
                    "the messages of one request may have {COPIES_MAX} receivers together; send this one in the next"
                );
                *entry = Err(Problem::new(Code::TOO_MANY_RECEIVERS, detail));
            }
        }
    }
}

/// The texts of a JSON list's entries. They are not read here, so that a fault of one is its own.
///
/// # Errors
/// When it is no list in JSON, or has more than [`MESSAGES_MAX`] entries.
fn split(body: &[u8]) -> Result<Vec<&[u8]>, Problem> {
    let mut rest = body.trim_ascii_start().strip_prefix(b"[").unwrap_or_default().trim_ascii_start();
    let mut entries = Vec::new();
    if let Some(after) = rest.strip_prefix(b"]") {
        return ended(body, after).map(|()| entries);
    }
    loop {
        let mut values = serde_json::Deserializer::from_slice(rest).into_iter::<IgnoredAny>();
        let found = values.next().transpose().ok().flatten();
        let (entry, after) = rest.split_at_checked(values.byte_offset()).unwrap_or((rest, &[]));
        if found.is_none() {
            return Err(malformed(body, rest, &format!("entry {} is no value in JSON", entries.len())));
        }
        if entries.len() == MESSAGES_MAX {
            let detail =
                format!("expected a list of at most {MESSAGES_MAX} messages, found more; send them in parts");
            return Err(Problem::new(Code::BODY_TOO_LARGE, detail));
        }
        entries.push(entry);
        match after.trim_ascii_start().split_first() {
            Some((b',', after)) => rest = after.trim_ascii_start(),
            Some((b']', after)) => return ended(body, after).map(|()| entries),
            _ => return Err(malformed(body, after.trim_ascii_start(), "expected `,` or `]`")),
        }
    }
}

fn ended(body: &[u8], after: &[u8]) -> Result<(), Problem> {
    match after.trim_ascii_start() {
        [] => Ok(()),
        found => Err(malformed(body, found, "expected nothing after the list")),
    }
}

fn malformed(body: &[u8], rest: &[u8], what: &str) -> Problem {
    let byte = body.len() - rest.len();
    Problem::new(Code::MESSAGE_MALFORMED, format!("at byte {byte}: {what}; send a JSON list of messages"))
        .with("offset", byte)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(body: &str) -> Vec<&str> {
        split(body.as_bytes()).unwrap().into_iter().map(|text| std::str::from_utf8(text).unwrap()).collect()
    }

    #[test]
    fn a_list_is_split_at_its_commas_only() {
        assert_eq!(texts(" [ ] "), Vec::<&str>::new());
        assert_eq!(texts(r#"[{"a":"],"} ,1, "x]",[2,3]]"#), [r#"{"a":"],"}"#, "1", "\"x]\"", "[2,3]"]);
    }

    #[test]
    fn what_is_no_list_is_refused_at_its_place() {
        for (body, byte) in [
            ("[", 1),
            ("[1", 2),
            ("[1,]", 3),
            ("[1 2]", 3),
            ("[1]]", 3),
            ("[,]", 1),
            ("[nul]", 1),
            ("[{\"a\":}]", 1),
        ] {
            let problem = split(body.as_bytes()).unwrap_err();
            let document = problem.document("/", None);
            assert_eq!((&document["code"], &document["offset"]), (&json!("CX0300"), &json!(byte)), "{body}");
        }
    }

    #[test]
    fn nesting_without_end_is_refused_and_does_not_overflow() {
        assert!(split("[".repeat(100_000).as_bytes()).is_err());
    }
}
