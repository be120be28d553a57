//! What the outcomes of a message's copies say of the message.

use caxton_abi::{Code, Uid, port::Outcome};
use serde_json::{Value, json};

use super::{Outgoing, about, delivery};
use crate::Error;

/// A message of which at least one copy was accepted, now or before.
#[derive(Clone, Debug)]
pub struct Accepted {
    /// The first accepted copy's.
    pub id: Uid,
    /// One of [`class`](caxton_abi::class)'s numbers.
    pub class: u8,
    /// True when every copy was accepted before and none now.
    pub duplicate: bool,
    /// The conversation as the client wrote it, or as minted.
    pub conversation_id: String,
    /// Full names of the receivers.
    pub receivers: Vec<String>,
    /// The copies that were refused: receiver and code.
    pub refused: Vec<(String, Code)>,
}

impl Accepted {
    /// The document `caxton.accepted/v1`.
    pub fn document(&self) -> Value {
        let mut document = json!({
            "kind": "caxton.accepted/v1",
            "id": self.id.to_string(),
            "class": delivery::name(self.class),
            "conversation-id": self.conversation_id,
            "receiver": self.receivers,
        });
        if let Value::Object(members) = &mut document {
            if self.duplicate {
                members.insert("duplicate".to_owned(), true.into());
            }
            if !self.refused.is_empty() {
                members.insert("refused".to_owned(), refusals(&self.refused));
            }
        }
        document
    }
}

/// Reads the outcomes of a message's copies.
///
/// # Errors
/// The first refusal, when no copy was accepted.
pub fn judge(outgoing: Outgoing, outcomes: &[Outcome]) -> Result<Accepted, Error> {
    let copies = || outgoing.receivers.iter().zip(outgoing.copies.iter().zip(outcomes));
    let refused: Vec<(String, Code)> = copies()
        .filter(|(_, (_, outcome))| !taken(outcome))
        .map(|(receiver, (_, outcome))| (receiver.clone(), outcome.code))
        .collect();
    let first = copies().find(|(_, (_, outcome))| taken(outcome));
    let Some((_, (copy, outcome))) = first else { return Err(refused_by(&outgoing, outcomes)) };
    let id = if outcome.code.is_none() { outcome.id } else { copy.head.id };
    let duplicate = !outcomes.iter().any(|outcome| outcome.code.is_none());
    let Outgoing { receivers, texts, delivery, .. } = outgoing;
    let conversation_id = texts.conversation;
    Ok(Accepted { id, class: delivery.class, duplicate, conversation_id, receivers, refused })
}

/// Reads the outcomes of a question's copies.
///
/// # Errors
/// As [`judge`], and when it was asked before: its answer goes to the one who asked it first.
pub(super) fn asked(outgoing: &Outgoing, outcomes: &[Outcome]) -> Result<(), Error> {
    if outcomes.iter().any(|outcome| outcome.code.is_none()) {
        return Ok(());
    }
    if !outcomes.iter().any(taken) {
        return Err(refused_by(outgoing, outcomes));
    }
    let message = format!(
        "a question with the id {} was accepted before; its answer went to who asked it then, so ask with a new id",
        outgoing.delivery.id
    );
    Err(about(outgoing, Error::new(Code::DUPLICATE, message)))
}

fn taken(outcome: &Outcome) -> bool {
    outcome.code.is_none() || outcome.code == Code::DUPLICATE
}

fn refusals(refused: &[(String, Code)]) -> Value {
    let refusal = |(receiver, code): &(String, Code)| json!({"receiver": receiver, "code": code.to_string(), "reason": code.slug()});
    refused.iter().map(refusal).collect()
}

/// The error of a message whose every copy was refused: the first refusal, as a sentence on its receiver.
fn refused_by(outgoing: &Outgoing, outcomes: &[Outcome]) -> Error {
    let Some((receiver, outcome)) = outgoing.receivers.iter().zip(outcomes).next() else {
        return Error::new(Code::INTERNAL, "the server gave no outcome for the message");
    };
    let code = outcome.code;
    let message = match code {
        Code::UNKNOWN_RECEIVER => format!("nobody answers to `{receiver}`"),
        Code::ID_CONFLICT => format!(
            "`{receiver}`: another message with the id {} was accepted before; its contents differ",
            outgoing.delivery.id
        ),
        _ => {
            format!("`{receiver}`: {}", code.entry().map_or("the message was refused", |entry| entry.meaning))
        }
    };
    let mut detail = json!({"conversation-id": outgoing.texts.conversation});
    if outcomes.len() > 1
        && let Value::Object(members) = &mut detail
    {
        let pairs: Vec<(String, Code)> =
            outgoing.receivers.iter().cloned().zip(outcomes.iter().map(|outcome| outcome.code)).collect();
        members.insert("refused".to_owned(), refusals(&pairs));
    }
    Error::new(code, message).with_detail(detail)
}
