//! What scripts share: the run's chance, the addresses that messages go to, and how a message is made up.
//!
//! A message's content says what its receiver does: `SEQ PATH COMMAND CLASS`. SEQ counts up for each sender, zero for
//! messages that may be sent twice; PATH is the address of the group or label that the message went to, or `-` when it
//! went to its receiver directly; CLASS is the number of its delivery class.

use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use caxton_abi::{
    Envelope, Extra, Header, Payload, Uid, class, flags,
    std_types::{RArc, ROption},
};
use caxton_core::{Time, names::symbols};

use crate::chance::Chance;

/// The marker of messages that a failing turn stages; they must never be sent.
pub(crate) const GHOST: &str = "ghost";

/// Codes of acts (SC00069).
pub(crate) const INFORM: u8 = 8;
/// `failure`.
pub(crate) const FAILURE: u8 = 7;
/// `not-understood`.
pub(crate) const NOT_UNDERSTOOD: u8 = 11;
const ACTS: [(usize, u8); 7] =
    [(40, INFORM), (20, 19), (15, 4), (10, 13), (10, 15), (3, FAILURE), (2, NOT_UNDERSTOOD)];

/// The common ground of all scripts of a run.
pub(crate) struct Shared {
    pub(crate) chance: Chance,
    /// Names that lead to one agent or endpoint, now, later or never.
    pub(crate) direct: Vec<u32>,
    /// Groups, capabilities and routes.
    pub(crate) routed: Vec<u32>,
    /// Ends the making of new messages.
    pub(crate) resting: bool,
    /// Messages that trapped or faulted their receiver once.
    pub(crate) failed_once: HashSet<Uid>,
    /// Percent of instances that do not start.
    pub(crate) bad_starts: usize,
    /// Messages that somebody got, with their class.
    handed: HashMap<Uid, u8>,
    /// A message that was handed out twice without saying so.
    pub(crate) unflagged: Option<Uid>,
    /// Messages with ids of their senders, to be sent again.
    sent: Vec<Envelope>,
    sequence: u32,
}

/// Messages that are remembered to be sent again.
const SENT_MAX: usize = 24;

/// True for an id that a sender chose.
pub(crate) fn is_chosen(id: Uid) -> bool {
    // Those that the kernel mints begin with the time.
    id.to_u128() >> 64 == 0
}

/// Shared between scripts, which the kernel owns.
pub(crate) type SharedRef = Arc<Mutex<Shared>>;

pub(crate) fn open(shared: &SharedRef) -> MutexGuard<'_, Shared> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Shared {
    pub(crate) fn new(seed: u64) -> Self {
        Self {
            chance: Chance::new(seed),
            direct: Vec::new(),
            routed: Vec::new(),
            resting: false,
            failed_once: HashSet::new(),
            bad_starts: 0,
            handed: HashMap::new(),
            unflagged: None,
            sent: Vec::new(),
            sequence: 0,
        }
    }

    /// Makes up a message.
    pub(crate) fn draft(&mut self, sender: u32, now: Time) -> Envelope {
        let mut receiver = 0;
        let mut extra = ROption::RNone;
        let mut path = "-".to_owned();
        match self.chance.below(10) {
            0 => extra = self.several_receivers(),
            1..=3 => {
                receiver = self.chance.pick(&self.routed);
                path = receiver.to_string();
            }
            _ => receiver = self.chance.pick(&self.direct),
        }
        let command = self.command();
        let mut message = self.message(sender, receiver, &path, command);
        message.extra = extra;
        message.head.performative = self.chance.weighted(&ACTS);
        message.head.protocol = self.chance.weighted(&[
            (5, 0),
            (2, symbols::CONTRACT_NET),
            (2, symbols::REQUEST),
            (1, symbols::SUBSCRIBE),
        ]);
        message.head.reply_by_ms = match self.chance.below(10) {
            0 => now.millis().saturating_sub(1),
            1 | 2 => now.plus_millis(self.chance.next() % 40).millis(),
            _ => 0,
        };
        let class = self.chance.weighted(&[(70, class::VOLATILE), (15, class::ACKED), (15, class::DURABLE)]);
        message.head.class = class;
        message.content = Payload::from(format!("{} {path} {command} {class}", self.sequence));
        message
    }

    /// Makes up what a client sends: now and then under an id of its own, or again, or something else under that id.
    pub(crate) fn client_draft(&mut self, sender: u32, now: Time) -> Envelope {
        let mine: Vec<_> = self.sent.iter().filter(|message| message.head.sender == sender).collect();
        let which = self.chance.below(mine.len());
        let again = mine.get(which).map(|message| (*message).clone());
        if let (Some(mut again), true) = (again, self.chance.percent(12)) {
            if self.chance.percent(25) {
                again.content = Payload::from(format!("0 - other {}", again.head.class));
            }
            return again;
        }
        let mut message = self.draft(sender, now);
        if self.chance.percent(15) {
            message.head.id = Uid::from_u128(u128::from(self.sequence));
            let text = String::from_utf8_lossy(message.content.as_slice()).into_owned();
            let rest = text.split_once(' ').map_or("", |(_, rest)| rest);
            message.content = Payload::from(format!("0 {rest}"));
            if self.sent.len() >= SENT_MAX {
                self.sent.remove(0);
            }
            self.sent.push(message.clone());
        }
        message
    }

    /// Notes that somebody got a message.
    pub(crate) fn hand(&mut self, message: &Envelope) {
        let head = &message.head;
        let again = self.handed.insert(head.id, head.class).is_some();
        if again && head.flags & flags::REDELIVERED == 0 {
            self.unflagged = Some(head.id);
        }
    }

    /// After a crash only durable messages are remembered, and addresses are given anew.
    pub(crate) fn forget_volatile(&mut self) {
        self.handed.retain(|_, class| *class == class::DURABLE);
        self.sent.clear();
    }

    /// Somebody who is addressed directly.
    pub(crate) fn somebody(&mut self) -> u32 {
        self.chance.pick(&self.direct)
    }

    /// A plain message with a `reply-with` of its own.
    pub(crate) fn message(&mut self, sender: u32, receiver: u32, path: &str, command: &str) -> Envelope {
        self.sequence += 1;
        let head =
            Header { sender, receiver, performative: INFORM, reply_with: self.sequence, ..Header::default() };
        let content = format!("{} {path} {command} 0", self.sequence);
        Envelope::new(head, Payload::from(content))
    }

    /// What a failing turn stages first.
    pub(crate) fn ghost(&mut self, sender: u32) -> Envelope {
        let receiver = self.somebody();
        let head = Header { sender, receiver, performative: INFORM, ..Header::default() };
        Envelope::new(head, Payload::from(GHOST.to_owned()))
    }

    fn several_receivers(&mut self) -> ROption<RArc<Extra>> {
        let count = 1 + self.chance.below(3);
        let receivers: Vec<_> = (0..count).map(|_| self.chance.pick(&self.direct)).collect();
        ROption::RSome(RArc::new(Extra { receivers: receivers.into(), ..Extra::default() }))
    }

    fn command(&mut self) -> &'static str {
        self.chance.weighted(&[
            (50, "work"),
            (15, "reply"),
            (8, "fan"),
            (4, "trap-once"),
            (3, "trap"),
            (3, "fault-once"),
            (3, "fault"),
            (6, "timer"),
            (3, "log"),
            (4, "put"),
        ])
    }
}
