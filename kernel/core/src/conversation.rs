//! What happened in each conversation, folded from signals, for diagrams and questions of people.
//!
//! A pure fold: the host feeds it what it drained. Signals of different workers may come in any order, so an entry is
//! found by its message's id and a conversation is shown in order of time. Bounded by conversations, by entries of each
//! and by entries in all; the oldest conversation goes first. It decides nothing: protocols do.

use std::{
    collections::{HashMap, VecDeque},
    sync::Arc,
};

use caxton_abi::{Code, EventName, Signal, Uid};

use crate::{limits::Limits, time::Time};

/// What an entry tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EntryKind {
    /// A message and what became of it.
    Message,
    /// A session of a protocol changed its state; `text` is `FROM > TO`.
    Transition,
    /// An agent trapped over a message of the conversation; `text` has the trap and its frames.
    Trap,
    /// An agent returned a fault or wrote a log line.
    Log,
    /// The conversation ended; `text` is the end state.
    Closed,
}

/// What became of a message.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Fate {
    /// Nothing yet.
    #[default]
    InFlight,
    /// Its receiver handled it.
    Delivered,
    /// Its reply-by passed.
    Expired,
    /// It could not be delivered, or was withheld.
    DeadLettered,
    /// It was turned away at the door.
    Refused,
}

/// One thing that happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// What it tells.
    pub kind: EntryKind,
    /// When it happened; for a message, when it was sent.
    pub time: Time,
    /// For a message, when it met its fate.
    pub settled: Option<Time>,
    /// What became of the message.
    pub fate: Fate,
    /// The message.
    pub message: Uid,
    /// Its sender, or the agent that it is about.
    pub from: u32,
    /// Its receiver; zero when there is none.
    pub to: u32,
    /// Its act, 1 to 22; zero when there is none.
    pub performative: u8,
    /// Its flags as delivered.
    pub flags: u16,
    /// Why, for what was not delivered as it came.
    pub code: Code,
    /// Its `reply-with`; for a transition the session.
    pub reply_with: u32,
    /// Its `in-reply-to`.
    pub in_reply_to: u32,
    /// Bytes of content.
    pub content_bytes: u64,
    /// The first bytes of the content where that is granted; else what the kind says.
    pub text: String,
    /// Orders entries of the same instant: when the log was told of it.
    order: u64,
}

/// A conversation.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Conversation {
    /// Its id.
    pub id: Uid,
    /// The symbol of its protocol; zero when none is named.
    pub protocol: u32,
    /// Its end state; `None` while it is open.
    pub end: Option<String>,
    /// Its first entry's time.
    pub started: Time,
    /// When it was closed.
    pub ended: Option<Time>,
    /// Senders and receivers, in order of appearance.
    pub participants: Vec<u32>,
    /// Messages among the entries; known also without them.
    pub messages: u64,
    /// What happened.
    pub entries: Vec<Entry>,
    /// Entries that had no room.
    pub entries_dropped: u64,
    index: HashMap<Uid, usize>,
    folded: u64,
}

/// Participants that are listed; a broadcast may reach more.
const PARTICIPANTS_MAX: usize = 256;

/// Bytes of an entry's text: a trap's frames may be long and a log holds many.
const TEXT_BYTES_MAX: usize = 512;

/// The fold.
pub struct ConversationLog {
    limits: Arc<Limits>,
    conversations: HashMap<Uid, Conversation>,
    order: VecDeque<Uid>,
    entries: usize,
}

impl ConversationLog {
    /// An empty log.
    pub fn new(limits: Arc<Limits>) -> Self {
        Self { limits, conversations: HashMap::new(), order: VecDeque::new(), entries: 0 }
    }

    /// Takes signals in.
    pub fn fold(&mut self, signals: &[Signal]) {
        for signal in signals {
            if !signal.conversation.is_none() {
                self.fold_one(signal);
            }
        }
        self.forget();
    }

    /// The newest conversations, newest first, without their entries.
    pub fn list(&self, limit: usize) -> Vec<Conversation> {
        let newest = self.order.iter().rev().take(limit);
        let known = newest.filter_map(|id| self.conversations.get(id));
        known.map(Conversation::without_entries).collect()
    }

    /// One conversation with its entries in order of time.
    pub fn get(&self, id: Uid) -> Option<Conversation> {
        let mut found = self.conversations.get(&id)?.clone();
        found.entries.sort_by_key(|entry| (entry.time, entry.order));
        found.index.clear();
        found.participants = found.ranked_participants();
        Some(found)
    }

    /// How many conversations are kept.
    pub fn len(&self) -> usize {
        self.conversations.len()
    }

    /// True when none is kept.
    pub fn is_empty(&self) -> bool {
        self.conversations.is_empty()
    }

    fn fold_one(&mut self, signal: &Signal) {
        use EventName as N;
        let (kind, fate) = match signal.name {
            N::MESSAGE_ACCEPTED | N::MESSAGE_PARKED | N::PROTOCOL_VERDICT => {
                (EntryKind::Message, Fate::InFlight)
            }
            N::MESSAGE_REFUSED => (EntryKind::Message, Fate::Refused),
            N::MESSAGE_DELIVERED => (EntryKind::Message, Fate::Delivered),
            N::MESSAGE_EXPIRED => (EntryKind::Message, Fate::Expired),
            N::MESSAGE_DEAD_LETTERED => (EntryKind::Message, Fate::DeadLettered),
            N::AGENT_TRAP => (EntryKind::Trap, Fate::InFlight),
            N::AGENT_LOG => (EntryKind::Log, Fate::InFlight),
            N::CONVERSATION_TRANSITION => (EntryKind::Transition, Fate::InFlight),
            N::CONVERSATION_CLOSED => (EntryKind::Closed, Fate::InFlight),
            _ => return,
        };
        // A flood of refusals must not push out the conversations that are worth looking at.
        if fate == Fate::Refused && !self.conversations.contains_key(&signal.conversation) {
            return;
        }
        let events_max = self.limits.conversation_events_max;
        let order = &mut self.order;
        let conversation = self.conversations.entry(signal.conversation).or_insert_with(|| {
            order.push_back(signal.conversation);
            let (id, started) = (signal.conversation, Time::from_nanos(signal.time_ns));
            Conversation { id, started, ..Conversation::default() }
        });
        if conversation.note(signal, kind, fate, events_max) {
            self.entries += 1;
        }
    }

    fn forget(&mut self) {
        while self.conversations.len() > self.limits.conversations_max
            || self.entries > self.limits.conversation_log_entries_max
        {
            let Some(oldest) = self.order.pop_front() else { break };
            let gone = self.conversations.remove(&oldest);
            let entries = gone.map_or(0, |conversation| conversation.entries.len());
            self.entries = self.entries.saturating_sub(entries);
        }
    }
}

impl Conversation {
    /// Grows with everything that happens in it.
    pub fn version(&self) -> u64 {
        self.folded
    }

    fn without_entries(&self) -> Self {
        Self {
            id: self.id,
            protocol: self.protocol,
            end: self.end.clone(),
            started: self.started,
            ended: self.ended,
            participants: self.ranked_participants(),
            messages: self.messages,
            entries: Vec::new(),
            entries_dropped: self.entries_dropped,
            index: HashMap::new(),
            folded: self.folded,
        }
    }

    /// Participants in the order in which the entries by time name them; rings may have told of an answer first.
    fn ranked_participants(&self) -> Vec<u32> {
        let mut messages: Vec<_> =
            self.entries.iter().filter(|entry| entry.kind == EntryKind::Message).collect();
        messages.sort_by_key(|entry| (entry.time, entry.order));
        let named: Vec<u32> = messages.iter().flat_map(|entry| [entry.from, entry.to]).collect();
        let rank = |address: &u32| named.iter().position(|name| name == address).unwrap_or(named.len());
        let mut participants = self.participants.clone();
        participants.sort_by_cached_key(rank);
        participants
    }

    /// True when an entry was added.
    fn note(&mut self, signal: &Signal, kind: EntryKind, fate: Fate, events_max: usize) -> bool {
        let time = Time::from_nanos(signal.time_ns);
        self.started = self.started.min(time);
        self.folded += 1;
        if self.protocol == 0 {
            self.protocol = signal.protocol;
        }
        if kind == EntryKind::Closed {
            self.end = Some(cut(signal));
            self.ended = Some(time);
        }
        let known = (kind == EntryKind::Message).then(|| self.index.get(&signal.message)).flatten();
        if let Some(entry) = known.and_then(|index| self.entries.get_mut(*index)) {
            entry.amend(signal, fate, self.folded);
            return false;
        }
        if kind == EntryKind::Message {
            self.take_part(signal.sender);
            self.take_part(signal.receiver);
        }
        if self.entries.len() >= events_max {
            self.entries_dropped += 1;
            return false;
        }
        if kind == EntryKind::Message {
            self.messages += 1;
            self.index.insert(signal.message, self.entries.len());
        }
        self.entries.push(Entry::new(signal, kind, fate, self.folded));
        true
    }

    fn take_part(&mut self, address: u32) {
        let known = address == 0 || self.participants.contains(&address);
        if !known && self.participants.len() < PARTICIPANTS_MAX {
            self.participants.push(address);
        }
    }
}

impl Entry {
    fn new(signal: &Signal, kind: EntryKind, fate: Fate, order: u64) -> Self {
        let time = Time::from_nanos(signal.time_ns);
        Self {
            kind,
            time,
            settled: (fate != Fate::InFlight).then_some(time),
            fate,
            message: signal.message,
            from: signal.sender,
            to: signal.receiver,
            performative: signal.performative,
            flags: signal.flags,
            code: signal.code,
            reply_with: signal.reply_with,
            in_reply_to: signal.in_reply_to,
            content_bytes: signal.value,
            text: cut(signal),
            order,
        }
    }

    /// A further signal of the same message.
    fn amend(&mut self, signal: &Signal, fate: Fate, order: u64) {
        let time = Time::from_nanos(signal.time_ns);
        self.flags |= signal.flags;
        // Only the acceptance tells of the content; the fate may have come first.
        if signal.name == EventName::MESSAGE_ACCEPTED {
            self.order = order;
            self.text = cut(signal);
            self.content_bytes = signal.value;
        }
        if !signal.code.is_none() {
            self.code = signal.code;
        }
        if fate == Fate::InFlight {
            self.time = self.time.min(time);
        } else {
            self.fate = fate;
            self.settled = Some(time);
        }
    }
}

fn cut(signal: &Signal) -> String {
    let bytes = signal.text.as_slice();
    let head = bytes.get(..TEXT_BYTES_MAX).unwrap_or(bytes);
    // A cut may fall into a character; what is left of it is dropped rather than shown as a question mark.
    let whole = match std::str::from_utf8(head) {
        Err(error) if error.error_len().is_none() => head.get(..error.valid_up_to()).unwrap_or(head),
        _ => head,
    };
    String::from_utf8_lossy(whole).into_owned()
}

#[cfg(test)]
mod tests;
