//! Conversations: what happened, as documents with names instead of numbers.

use caxton_abi::{Code, Uid, flags};
use caxton_acl::{Performative, conversation_uid};
use caxton_core::{self as core, Entry, EntryKind, Fate, Time};
use serde_json::Value;

use super::{
    Admin, Refused,
    documents::{Conversation, Event, List, Session},
};
use crate::clock::rfc3339;

/// The codes with which a protocol withholds a message, `CX0500` to `CX0599`.
const PROTOCOL_CODES: std::ops::Range<u16> = 500..600;

impl Admin {
    pub(super) fn list_conversations(&self, limit: usize) -> List<Conversation> {
        let found = self.pump.conversations(|log| log.list(limit));
        let items = found.iter().map(|conversation| self.conversation(conversation, false)).collect();
        List { kind: "caxton.conversation.list/v1", items }
    }

    pub(super) fn get_conversation(&self, id: &str) -> Result<Conversation, Refused> {
        let uid = Uid::from_u128(conversation_uid(id));
        let found = self.pump.conversations(|log| log.get(uid)).ok_or_else(|| {
            let message =
                format!("no conversation `{id}` is known: list them with `caxton get conversations`");
            Refused::new(Code::CONVERSATION_UNKNOWN, message)
        })?;
        Ok(self.conversation(&found, true))
    }

    fn conversation(&self, found: &core::Conversation, whole: bool) -> Conversation {
        let protocol = self.bus.symbol_names(&[found.protocol]).remove(&found.protocol);
        Conversation {
            kind: "caxton.conversation/v1",
            id: found.id.to_string(),
            version: found.version(),
            protocol: protocol.filter(|text| !text.is_empty()),
            state: if found.end.is_some() { "closed" } else { "open" },
            end: found.end.clone(),
            initiator: found.participants.first().map(|address| self.name(*address)),
            participants: found.participants.iter().skip(1).map(|address| self.name(*address)).collect(),
            started: rfc3339(found.started),
            ended: found.ended.map(rfc3339),
            messages: found.messages,
            dropped_events: found.entries_dropped,
            sessions: if whole { self.sessions(found.id) } else { Vec::new() },
            events: whole.then(|| self.events(&found.entries)),
        }
    }

    fn events(&self, entries: &[Entry]) -> Vec<Event> {
        let mut events: Vec<(Time, Event)> = entries.iter().flat_map(|entry| self.entry(entry)).collect();
        events.sort_by_key(|(time, _)| *time);
        events.into_iter().map(|(_, event)| event).collect()
    }

    /// What an entry says, in one event or two: that a message was sent, and what became of it.
    fn entry(&self, entry: &Entry) -> Vec<(Time, Event)> {
        let named = |name| (entry.time, self.event(entry, name, entry.time));
        match entry.kind {
            EntryKind::Transition => vec![named("conversation.transition")],
            EntryKind::Trap => vec![named("agent.trap")],
            EntryKind::Log => vec![named("agent.log")],
            EntryKind::Closed => vec![named("conversation.closed")],
            EntryKind::Message => self.message(entry),
        }
    }

    fn message(&self, entry: &Entry) -> Vec<(Time, Event)> {
        let settled = entry.settled.unwrap_or(entry.time);
        let withheld = entry.fate == Fate::DeadLettered && PROTOCOL_CODES.contains(&entry.code.0);
        let fate = match entry.fate {
            _ if withheld => return vec![(entry.time, self.event(entry, "protocol.verdict", entry.time))],
            Fate::Refused => return vec![(settled, self.event(entry, "message.refused", settled))],
            Fate::InFlight => None,
            Fate::Delivered => Some("message.delivered"),
            Fate::Expired => Some("message.expired"),
            Fate::DeadLettered => Some("message.dead_lettered"),
        };
        let mut events = vec![(entry.time, self.event(entry, "message.accepted", entry.time))];
        events.extend(fate.map(|name| (settled, self.event(entry, name, settled))));
        events
    }

    fn event(&self, entry: &Entry, name: &'static str, time: Time) -> Event {
        let known = |number: u32| (number != 0).then(|| number.to_string());
        let party = |address: u32| (address != 0).then(|| self.name(address));
        Event {
            time: rfc3339(time),
            event: name,
            id: (!entry.message.is_none()).then(|| entry.message.to_string()),
            performative: Performative::from_code(entry.performative).map(Performative::as_str),
            from: party(entry.from),
            to: party(entry.to),
            reply_with: known(entry.reply_with),
            in_reply_to: known(entry.in_reply_to),
            marks: flags::names(entry.flags),
            code: (!entry.code.is_none()).then(|| entry.code.to_string()),
            reason: (!entry.code.is_none()).then(|| entry.code.slug()),
            text: (!entry.text.is_empty()).then(|| entry.text.clone()),
        }
    }

    /// What the protocol's engine knows of each participant's part.
    fn sessions(&self, conversation: Uid) -> Vec<Session> {
        let known = self.bus.describe(conversation).unwrap_or_default();
        let document: Value = serde_json::from_str(&known).unwrap_or_default();
        let sessions =
            document.get("sessions").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
        sessions.iter().filter_map(|session| self.session(session)).collect()
    }

    fn session(&self, session: &Value) -> Option<Session> {
        let participant =
            session.get("participant")?.as_u64().and_then(|address| u32::try_from(address).ok())?;
        Some(Session {
            participant: self.name(participant),
            session: session.get("session")?.to_string(),
            state: session.get("state")?.as_str()?.to_owned(),
        })
    }

    pub(super) fn name(&self, address: u32) -> String {
        self.bus.directory().name_of(address).unwrap_or_else(|| format!("#{address}"))
    }
}
