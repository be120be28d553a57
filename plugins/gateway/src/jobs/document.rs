//! The documents on jobs.

use serde_json::{Map, Value, json};

use super::job::{Ended, Item, Job, State};
use crate::document::{PAGE_BYTES_MAX, member, time};

/// `caxton.job/v1`.
pub(super) fn job(job: &Job) -> Value {
    let mut items = Map::from_iter([("total".to_owned(), json!(job.total()))]);
    items.extend(State::ALL.map(|state| (state.as_str().to_owned(), json!(job.count(state)))));
    json!({
        "kind": "caxton.job/v1",
        "id": job.id.to_string(),
        "agent": job.order.agent,
        "state": job.phase().as_str(),
        "version": job.version,
        "created": time(job.created_ms),
        "ended": job.ended_ms.map(time),
        "expires": job.expires_ms().map(time),
        "items": items,
        "concurrency": job.order.concurrency,
        "timeout-ms": job.order.timeout_ms,
    })
}

/// `caxton.job.result.list/v1`, and whether it has anything that the caller did not know.
pub(super) fn results(job: &Job, after: u64, limit: usize, state: Option<State>) -> (Value, bool) {
    let mut items = Vec::new();
    let (mut bytes, mut next, mut more) = (0, after.max(job.sequence()), false);
    let fits = |end: &Ended| state.is_none_or(|state| state == end.state);
    for (sequence, index, item, end) in job.ends(after).filter(|(.., end)| fits(end)) {
        if items.len() >= limit || bytes >= PAGE_BYTES_MAX {
            more = true;
            break;
        }
        bytes += end.content.len();
        next = sequence;
        items.push(result(sequence, index, item, end));
    }
    let over = job.is_over() && !more;
    let news = !items.is_empty() || over;
    if !more {
        // What does not have the state that is asked for is not looked at again.
        next = after.max(job.sequence());
    }
    (json!({"kind": "caxton.job.result.list/v1", "items": items, "next": next, "over": over}), news)
}

fn result(sequence: u64, index: usize, item: &Item, end: &Ended) -> Value {
    let (key, content) = member("content", &end.content);
    json!({
        "sequence": sequence,
        "index": index,
        "key": item.task.key,
        "state": end.state.as_str(),
        "performative": end.act.map(|act| act.as_str()),
        key: content,
        "code": end.code.map(|code| code.to_string()),
        "reason": end.code.map(|code| code.slug()),
        "attempt": item.attempt,
        "conversation-id": end.conversation_id,
    })
}
