//! A list of messages in one request: one outcome each, in order; a bad one does not refuse the others.
//!
//! All go to the bus as one batch, so messages to one receiver keep their order, and those that are durable share one
//! transaction. Bounded by [`MESSAGES_MAX`] messages and as many copies as one call may send.

use axum::{
    Json,
    http::StatusCode,
    response::{IntoResponse, Response},
};
use caxton_plugin::{
    Code, Error, TraceContext,
    asking::{Accepted, MESSAGES_MAX},
};
use serde::de::IgnoredAny;
use serde_json::{Value, json};

use crate::{messages, problem::Problem, shared::Shared};

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
    let read = split(body)?.into_iter().map(|text| messages::read(shared, text, trace)).collect();
    let results = shared.asking.send_read(read).await?;
    let items: Vec<Value> = results.into_iter().map(|result| item(result, trace)).collect();
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

/// The entry of one message: the document that it would have got alone, with its status.
fn item(result: Result<Accepted, Error>, trace: Option<TraceContext>) -> Value {
    let accepted = match result {
        Ok(accepted) => accepted,
        Err(error) => {
            return Problem::from(error).document("/v1/messages", trace.map(|context| context.trace));
        }
    };
    let mut item = accepted.document();
    if let Value::Object(members) = &mut item {
        members.insert("status".to_owned(), messages::status(&accepted).as_u16().into());
    }
    item
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
