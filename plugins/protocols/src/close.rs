//! What concerns all sessions of a conversation together: due deadlines, row 8 (it decides), row 10 (every bid gets an
//! answer), and its end.
//!
//! Deadlines are settled before anything else happens in a conversation, so what counts is the engine's clock and never
//! how promptly a timer goes off (ruling F3). A deadline belongs to its state: at the deadline's own millisecond an
//! answer is in time.

use caxton_plugin::{Code, Uid};

use crate::{
    conversation::{Conversation, Kind, NEVER},
    pass::Pass,
    step::{Cause, apply},
    table::{Event, State},
};

/// Carries out everything whose deadline has passed, in the order of the deadlines.
pub fn settle(conversation: &mut Conversation, pass: &mut Pass<'_>) {
    if conversation.next_due_ms >= pass.now_ms {
        return;
    }
    let sessions = conversation.sessions.iter().enumerate();
    let mut due: Vec<(u64, Option<usize>)> = sessions
        .filter(|(_, session)| session.deadline_ms < pass.now_ms)
        .map(|(index, session)| (session.deadline_ms, Some(index)))
        .collect();
    let bids_end_ms = conversation.bids_end_ms();
    if bids_end_ms < pass.now_ms {
        due.push((bids_end_ms, None));
    }
    // Of equal times the decision comes first: a bid that was valid until then is rejected, not forgotten.
    due.sort_unstable();
    for (_, what) in due {
        match what {
            Some(index) => {
                apply(conversation, index, Event::Deadline, Cause::Time, pass);
            }
            None if conversation.bids_end_ms() < pass.now_ms => dismiss(conversation, pass),
            None => {}
        }
    }
    conversation.next_due_ms = earliest(conversation);
}

fn earliest(conversation: &Conversation) -> u64 {
    let sessions = conversation.sessions.iter().map(|session| session.deadline_ms).min();
    sessions.unwrap_or(NEVER).min(conversation.bids_end_ms())
}

/// Ruling F5 and the engine's part of row 10: rejects every bid that still stands.
fn dismiss(conversation: &mut Conversation, pass: &mut Pass<'_>) {
    conversation.decide_by_ms = NEVER;
    conversation.dismiss_at_ms = NEVER;
    conversation.past.undecided = !conversation.past.accepted;
    let code = if conversation.past.accepted { Code::REJECTED_UNDECIDED } else { Code::NO_DECISION };
    for index in 0..conversation.sessions.len() {
        apply(conversation, index, Event::Dismissed, Cause::Decided(code), pass);
    }
}

/// What [`finish`] changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// Nothing that the shard has to know.
    None,
    /// It closed.
    Closed,
    /// A further call opened it again.
    Reopened,
}

/// Draws the conclusions after one or more events: decides, rejects, closes.
pub fn finish(conversation: &mut Conversation, pass: &mut Pass<'_>) -> Change {
    if conversation.kind == Kind::ContractNet {
        decide(conversation, pass);
    }
    let open = conversation.sessions.open() > 0;
    match (open, conversation.is_closed()) {
        (false, false) => {
            close(conversation, pass);
            Change::Closed
        }
        (true, true) => {
            conversation.closed_ms = NEVER;
            pass.opened(conversation);
            Change::Reopened
        }
        _ => Change::None,
    }
}

/// Row 8, and the time that row 10 leaves the initiator for its own rejects.
fn decide(conversation: &mut Conversation, pass: &mut Pass<'_>) {
    if conversation.any(State::AwaitBid) || !conversation.any(State::Bid) {
        conversation.decide_by_ms = NEVER;
        conversation.dismiss_at_ms = NEVER;
        return;
    }
    let working = conversation.any(State::Accepted) || conversation.any(State::Cancelling);
    if working || !conversation.any(State::Done) {
        conversation.dismiss_at_ms = NEVER;
    } else if conversation.dismiss_at_ms == NEVER {
        conversation.dismiss_at_ms = pass.now_ms.saturating_add(pass.config.reject_grace_ms);
    }
    if conversation.decide_by_ms == NEVER {
        conversation.decide_by_ms = pass.now_ms.saturating_add(pass.config.decision_timeout_ms);
        let accepted = conversation.past.accepted;
        let text = if accepted { "PERFORMING > DECIDING" } else { "COLLECTING > DECIDING" };
        pass.phase(conversation, text);
    }
    conversation.next_due_ms = conversation.next_due_ms.min(conversation.bids_end_ms());
}

fn close(conversation: &mut Conversation, pass: &mut Pass<'_>) {
    conversation.closed_ms = pass.now_ms;
    conversation.next_due_ms = NEVER;
    pass.closed(conversation, end(conversation));
}

/// The name of a conversation's end.
pub fn end(conversation: &Conversation) -> &'static str {
    let past = conversation.past;
    let any = |state| conversation.any(state);
    if any(State::Done) {
        "completed"
    } else if past.abandoned {
        "initiator-lost"
    } else if any(State::Cancelled) {
        "cancelled"
    } else if conversation.kind == Kind::Request {
        match () {
            () if any(State::Failed) || any(State::NotUnderstood) || any(State::Overdue) => "failed",
            () if any(State::Refused) => "refused",
            () => "no-reply",
        }
    } else if past.accepted {
        "failed"
    } else if !past.bid {
        "no-bids"
    } else if past.undecided {
        "no-decision"
    } else if any(State::Rejected) {
        "rejected"
    } else if any(State::Expired) {
        "no-decision"
    } else {
        "failed"
    }
}

/// What is known of a conversation, as JSON. Addresses and symbols are the server's numbers.
pub fn describe(conversation: &Conversation) -> serde_json::Value {
    let some = |time: u64| (time != NEVER && time != 0).then_some(time);
    let id = |uid: Uid| (!uid.is_none()).then(|| uid.to_string());
    let sessions = conversation.sessions.iter().map(|session| {
        serde_json::json!({
            "participant": session.participant,
            "session": session.call,
            "state": session.state.name(),
            "reply_by_ms": some(session.reply_by_ms),
            "valid_until_ms": some(session.valid_until_ms),
            "deadline_ms": some(session.deadline_ms),
        })
    });
    serde_json::json!({
        "conversation": id(conversation.id),
        "protocol": conversation.kind.table().token,
        "initiator": conversation.initiator,
        "parent": id(conversation.parent),
        "state": conversation.phase(),
        "end": conversation.is_closed().then(|| end(conversation)),
        "decide_by_ms": some(conversation.bids_end_ms()),
        "sessions": sessions.collect::<Vec<_>>(),
    })
}
