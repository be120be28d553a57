//! The rules, checked from signals alone: each accepted id ends once or is in flight, the kernel's own sum agrees, order
//! holds for each sender and receiver, nothing of a failed turn is sent, and whoever lost a message is told once.

use std::collections::{BTreeMap, HashMap, HashSet};

use caxton_abi::{Code, EventName, Signal, Uid, flags};
use caxton_core::Accounting;

use crate::{
    Report,
    ports::WITHHELD,
    shared::{FAILURE, GHOST, NOT_UNDERSTOOD},
};

/// Everything that was told so far.
#[derive(Default)]
pub(crate) struct Journal {
    pub(crate) report: Report,
    messages: HashMap<Uid, Message>,
    in_flight: u64,
    refused: u64,
    refused_ids: HashSet<Uid>,
    /// The last sequence number by sender, path and receiver.
    order: HashMap<(u32, String, u32), u64>,
    /// Failures that are owed, by reply-with: one for each lost message, less those that were sent.
    owed: BTreeMap<u32, i64>,
    /// Addresses of endpoints, which see refusals themselves.
    pub(crate) endpoints: HashSet<u32>,
}

struct Message {
    sequence: u64,
    path: String,
    settled: Option<EventName>,
}

impl Journal {
    /// Takes the signals of one step in. Acceptances first: the rings of several workers come one after another.
    pub(crate) fn read(&mut self, signals: &[Signal]) -> Result<(), String> {
        let accepted = |signal: &&Signal| signal.name == EventName::MESSAGE_ACCEPTED;
        signals.iter().filter(accepted).try_for_each(|signal| self.accept(signal))?;
        for signal in signals {
            match signal.name {
                EventName::MESSAGE_REFUSED => self.refuse(signal)?,
                EventName::MESSAGE_DELIVERED => {
                    self.settle(signal)?;
                    self.check_order(signal)?;
                    self.report.delivered += 1;
                }
                EventName::MESSAGE_EXPIRED => {
                    self.settle(signal)?;
                    self.owe(signal);
                    self.report.expired += 1;
                }
                EventName::MESSAGE_DEAD_LETTERED => {
                    self.settle(signal)?;
                    if signal.code != WITHHELD {
                        self.owe(signal);
                    }
                    *self.report.dead.entry(signal.code).or_insert(0) += 1;
                }
                EventName::MESSAGE_PARKED => self.report.parked += 1,
                EventName::AGENT_TRAP => self.report.traps += 1,
                EventName::AGENT_RESTARTED => self.report.restarts += 1,
                EventName::SIGNALS_DROPPED => return Err("signals were dropped".to_owned()),
                _ => {}
            }
        }
        Ok(())
    }

    /// Compares with the kernel's books, and sees that everybody was told.
    pub(crate) fn check(&mut self, books: &Accounting) -> Result<(), String> {
        if !books.holds() {
            return Err(format!("the sum does not hold: {books:?}"));
        }
        let mine = [
            ("accepted", self.report.accepted, books.accepted),
            ("refused", self.refused, books.refused),
            ("delivered", self.report.delivered, books.delivered),
            ("expired", self.report.expired, books.expired),
            ("in flight", self.in_flight, books.in_flight),
        ];
        for (what, by_id, by_counter) in mine {
            if by_id != by_counter {
                return Err(format!("{what}: {by_id} by id, {by_counter} by counter"));
            }
        }
        if self.report.dead != books.dead_lettered {
            let (ids, counters) = (&self.report.dead, &books.dead_lettered);
            return Err(format!("dead letters: {ids:?} by id, {counters:?} by counter"));
        }
        self.owed.retain(|_, count| *count != 0);
        match self.owed.first_key_value() {
            None => Ok(()),
            Some((reply_with, owed)) => Err(format!("{owed} failures are owed for reply-with {reply_with}")),
        }
    }

    fn accept(&mut self, signal: &Signal) -> Result<(), String> {
        let text = String::from_utf8_lossy(signal.text.as_slice());
        if text == GHOST {
            return Err(format!("{} of a turn that failed was sent", signal.message));
        }
        let mut words = text.split(' ');
        let sequence = words.next().and_then(|word| word.parse().ok()).unwrap_or(0);
        let path = words.next().unwrap_or_default().to_owned();
        let message = Message { sequence, path, settled: None };
        if self.refused_ids.contains(&signal.message)
            || self.messages.insert(signal.message, message).is_some()
        {
            return Err(format!("{} was accepted or refused before", signal.message));
        }
        self.report.accepted += 1;
        self.in_flight += 1;
        if signal.performative == FAILURE && signal.flags & flags::PLATFORM != 0 {
            self.report.failures += 1;
            *self.owed.entry(signal.in_reply_to).or_insert(0) -= 1;
        }
        Ok(())
    }

    fn refuse(&mut self, signal: &Signal) -> Result<(), String> {
        self.refused += 1;
        *self.report.refused.entry(signal.code).or_insert(0) += 1;
        if !self.endpoints.contains(&signal.sender) {
            self.owe(signal);
        }
        if self.messages.contains_key(&signal.message) || !self.refused_ids.insert(signal.message) {
            return Err(format!("{} was refused after it was accepted or refused", signal.message));
        }
        Ok(())
    }

    fn settle(&mut self, signal: &Signal) -> Result<(), String> {
        let id = signal.message;
        let Some(message) = self.messages.get_mut(&id) else {
            return Err(format!("{id}: {} without acceptance", signal.name.as_str()));
        };
        if let Some(before) = message.settled.replace(signal.name) {
            return Err(format!("{id}: {} after {}", signal.name.as_str(), before.as_str()));
        }
        self.in_flight -= 1;
        Ok(())
    }

    fn check_order(&mut self, signal: &Signal) -> Result<(), String> {
        let Some(message) = self.messages.get(&signal.message) else { return Ok(()) };
        if message.sequence == 0 {
            return Ok(());
        }
        let key = (signal.sender, message.path.clone(), signal.receiver);
        let last = self.order.entry(key).or_insert(0);
        if message.sequence < *last {
            let (from, to, sequence) = (signal.sender, signal.receiver, message.sequence);
            return Err(format!("{from} to {to}: {sequence} was delivered after {last}"));
        }
        *last = message.sequence;
        Ok(())
    }

    fn owe(&mut self, signal: &Signal) {
        let silent = signal.flags & (flags::PLATFORM | flags::ON_BEHALF) != 0
            || matches!(signal.performative, FAILURE | NOT_UNDERSTOOD)
            || signal.code == Code::NONE;
        if !silent {
            *self.owed.entry(signal.reply_with).or_insert(0) += 1;
        }
    }
}
