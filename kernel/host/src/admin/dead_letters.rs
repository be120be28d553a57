//! Dead letters: looked at, sent again, purged.
//!
//! Bounds: [`IDS_MAX`] ids in a request, and [`LIST_MAX`] letters for one that asks for all.

use std::collections::BTreeSet;

use base64::{Engine, engine::general_purpose::STANDARD};
use caxton_abi::{Code, class, code};
use caxton_acl::Performative;
use caxton_core::{self as core, store::Requeued};
use serde::Deserialize;
use tokio::sync::oneshot;

use super::{
    Admin, LIST_DEFAULT, LIST_MAX, Refused,
    documents::{DeadLetter, DeadLetterEnd, DeadLetterResult, List},
};
use crate::clock::rfc3339;

/// Ids in one request.
const IDS_MAX: usize = 1_000;
/// Bytes of a letter's content that are shown.
const CONTENT_BYTES_MAX: usize = 64 * 1024;

const RESULT: &str = "caxton.dead-letter.result/v1";

/// Which letters are listed.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Asked {
    limit: usize,
    reason: Option<String>,
    agent: Option<String>,
}

impl Default for Asked {
    fn default() -> Self {
        Self { limit: LIST_DEFAULT, reason: None, agent: None }
    }
}

/// Which letters are sent again or purged: those named, or all of a reason and an agent.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Chosen {
    ids: Option<Vec<String>>,
    all: bool,
    reason: Option<String>,
    agent: Option<String>,
}

/// What a letter must be like.
struct Filter {
    reason: Option<Code>,
    receiver: Option<String>,
}

impl Admin {
    pub(super) fn list_dead_letters(&self, asked: &Asked) -> Result<List<DeadLetter>, Refused> {
        let filter = self.filter(asked.reason.as_deref(), asked.agent.as_deref())?;
        let letters =
            self.bus.dead_letters(usize::MAX).into_iter().filter(|letter| self.fits(&filter, letter));
        let items = letters.take(asked.limit.min(LIST_MAX)).map(|letter| self.dead_letter(&letter)).collect();
        Ok(List { kind: "caxton.dead-letter.list/v1", items })
    }

    pub(super) fn get_dead_letter(&self, id: &str) -> Result<DeadLetter, Refused> {
        let found = id.parse().ok().and_then(|number| self.bus.dead_letter(number));
        let letter = found.ok_or_else(|| {
            let id = id.escape_default();
            Refused::new(
                Code::NOT_FOUND,
                format!("there is no dead letter `{id}`: list them with `caxton get dead-letters`"),
            )
        })?;
        let mut document = self.dead_letter(&letter);
        let content = letter.envelope.content.as_slice();
        let shown = content.get(..CONTENT_BYTES_MAX).unwrap_or(content);
        match text(shown) {
            Some(text) => document.content = Some(text.to_owned()),
            None => document.content_base64 = Some(STANDARD.encode(shown)),
        }
        Ok(document)
    }

    /// Sends letters again; answers when the durable ones are on disk.
    pub(super) async fn requeue_dead_letters(&self, chosen: &Chosen) -> Result<DeadLetterResult, Refused> {
        let (ids, numbers) = self.chosen(chosen)?;
        let (sender, ended) = oneshot::channel();
        // Nobody waits any more when the caller is gone.
        let answer = Box::new(move |results| drop(sender.send(results)));
        self.bus.requeue(&numbers, self.clock.now(), answer);
        let gone = |_| Refused::new(Code::SHUTTING_DOWN, "the server stops before the letters were written");
        let results = ended.await.map_err(gone)?;
        let end = |Requeued { code, .. }: &Requeued| match *code {
            Code::NONE => ("requeued", Code::NONE),
            Code::NOT_FOUND => ("unknown", Code::NONE),
            code => ("refused", code),
        };
        Ok(result(&ids, results.iter().map(end)))
    }

    pub(super) fn purge_dead_letters(&self, chosen: &Chosen) -> Result<DeadLetterResult, Refused> {
        let (ids, numbers) = self.chosen(chosen)?;
        let gone: BTreeSet<u64> = self.bus.purge(&numbers).into_iter().collect();
        let end = |number: &u64| match () {
            () if gone.contains(number) => ("purged", Code::NONE),
            // It is just being sent again.
            () if self.bus.dead_letter(*number).is_some() => ("refused", Code::STORING),
            () => ("unknown", Code::NONE),
        };
        Ok(result(&ids, numbers.iter().map(end)))
    }

    /// The ids asked for, and their numbers; an id that is no number has the number zero, which no letter has.
    fn chosen(&self, chosen: &Chosen) -> Result<(Vec<String>, Vec<u64>), Refused> {
        let invalid = |message: String| Err(Refused::new(Code::CONTROL_REQUEST_INVALID, message));
        let filtered = chosen.reason.is_some() || chosen.agent.is_some();
        match &chosen.ids {
            Some(_) if chosen.all || filtered => {
                invalid("`ids` stands alone: leave out `all`, `reason` and `agent`, or `ids`".into())
            }
            Some(ids) if ids.len() > IDS_MAX => invalid(format!(
                "`ids` has {} entries, at most {IDS_MAX} are taken: send them in parts",
                ids.len()
            )),
            Some(ids) => {
                let numbers = ids.iter().map(|id| id.parse().unwrap_or_default()).collect();
                Ok((ids.clone(), numbers))
            }
            None if !chosen.all => invalid("no letters are named: give `ids`, or `all` with true".into()),
            None => {
                let filter = self.filter(chosen.reason.as_deref(), chosen.agent.as_deref())?;
                let mut letters = self.bus.dead_letters(usize::MAX);
                // The oldest first, in the order in which they were to be delivered.
                letters.reverse();
                let fitting = letters.iter().filter(|letter| self.fits(&filter, letter));
                let numbers: Vec<u64> = fitting.map(|letter| letter.number).take(LIST_MAX).collect();
                Ok((numbers.iter().map(u64::to_string).collect(), numbers))
            }
        }
    }

    fn filter(&self, reason: Option<&str>, agent: Option<&str>) -> Result<Filter, Refused> {
        let known = |text: &str| {
            let named = |entry: &&code::Entry| entry.slug == text || entry.code.to_string() == text;
            code::ALL.iter().find(named).map(|entry| entry.code).ok_or_else(|| {
                let message = format!(
                    "`{}` is no reason: use a code such as CX0301 or its name such as mailbox-full",
                    text.escape_default()
                );
                Refused::new(Code::CONTROL_REQUEST_INVALID, message)
            })
        };
        let full = |name: &str| {
            self.bus.full_name(name).map_err(|code| {
                Refused::new(code, format!("`{}` cannot be an agent's name", name.escape_default()))
            })
        };
        Ok(Filter { reason: reason.map(known).transpose()?, receiver: agent.map(full).transpose()? })
    }

    fn fits(&self, filter: &Filter, letter: &core::DeadLetter) -> bool {
        let Filter { reason, receiver } = filter;
        reason.is_none_or(|code| code == letter.code)
            && receiver.as_ref().is_none_or(|name| self.name(letter.envelope.head.receiver) == *name)
    }

    fn dead_letter(&self, letter: &core::DeadLetter) -> DeadLetter {
        let head = &letter.envelope.head;
        let protocol = self.bus.symbol_names(&[head.protocol]).remove(&head.protocol);
        DeadLetter {
            kind: "caxton.dead-letter/v1",
            id: letter.number.to_string(),
            at: rfc3339(letter.at),
            code: letter.code.to_string(),
            reason: letter.code.slug(),
            meaning: letter.code.entry().map_or("", |entry| entry.meaning),
            class: class::name(head.class).unwrap_or("unknown"),
            message: head.id.to_string(),
            conversation: head.conversation.to_string(),
            trace: format!("{:032x}", head.trace.trace.to_u128()),
            sender: self.name(head.sender),
            receiver: self.name(head.receiver),
            performative: Performative::from_code(head.performative).map(Performative::as_str),
            protocol: protocol.filter(|text| !text.is_empty()),
            deliveries: head.deliveries,
            size: letter.envelope.content.len(),
            content: None,
            content_base64: None,
        }
    }
}

/// The text of bytes; a character that was cut at the end is left out.
fn text(bytes: &[u8]) -> Option<&str> {
    match std::str::from_utf8(bytes) {
        Ok(text) => Some(text),
        Err(error) if error.error_len().is_none() && bytes.len() == CONTENT_BYTES_MAX => {
            std::str::from_utf8(bytes.get(..error.valid_up_to())?).ok()
        }
        Err(_) => None,
    }
}

fn result(ids: &[String], ends: impl Iterator<Item = (&'static str, Code)>) -> DeadLetterResult {
    let mut result = DeadLetterResult { kind: RESULT, ..DeadLetterResult::default() };
    for (id, (outcome, code)) in ids.iter().zip(ends) {
        match outcome {
            "requeued" => result.requeued += 1,
            "purged" => result.purged += 1,
            "unknown" => result.unknown += 1,
            _ => result.refused += 1,
        }
        let code = (!code.is_none()).then(|| code.to_string());
        result.items.push(DeadLetterEnd { id: id.clone(), outcome, code });
    }
    result
}

#[cfg(test)]
mod tests;
