//! The rules, checked from signals alone: each accepted id ends once or is in flight, the kernel's own sums agree, order
//! holds for each sender, receiver and class, nothing of a failed turn is sent, whoever lost a message is told once, and
//! what is durable lies on the disk.

use std::collections::{BTreeMap, HashMap, HashSet};

use caxton_abi::{Code, EventName, Signal, Uid, class, flags};
use caxton_core::{Accounting, ClassBooks};

use crate::{
    Report,
    disk::Inner,
    ports::WITHHELD,
    shared::{FAILURE, GHOST, NOT_UNDERSTOOD, is_chosen},
};

/// Everything that was told so far.
#[derive(Default)]
pub(crate) struct Journal {
    pub(crate) report: Report,
    messages: HashMap<Uid, Message>,
    /// By class; refusals are not told by class.
    books: [ClassBooks; class::COUNT],
    refused: u64,
    refused_ids: HashSet<Uid>,
    /// Durable messages that did not end, with their contents.
    durable: HashMap<Uid, String>,
    /// The last sequence number by sender, path, receiver and class.
    order: HashMap<(u32, String, u32, u8), u64>,
    /// Messages that waited to be tried again, by sender and sequence number: copies that a route makes of them later come
    /// late too.
    retried: HashSet<(u32, u64)>,
    /// Failures that are owed, by reply-with: one for each lost message, less those that were sent.
    owed: BTreeMap<u32, i64>,
    /// Addresses of endpoints, which see refusals themselves.
    pub(crate) endpoints: HashSet<u32>,
    /// The server ends, so nobody can be told any more.
    pub(crate) ended: bool,
}

struct Message {
    sequence: u64,
    path: String,
    class: u8,
    /// It waited to be tried again, or comes from the dead letters or the disk.
    retried: bool,
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
                    self.report.redelivered += u64::from(signal.flags & flags::REDELIVERED != 0);
                }
                EventName::MESSAGE_DROPPED => {
                    self.settle(signal)?;
                    self.report.dropped += 1;
                }
                EventName::MESSAGE_RETRYING => {
                    self.report.retried += 1;
                    if let Some(message) = self.messages.get_mut(&signal.message) {
                        message.retried = true;
                        self.retried.insert((signal.sender, message.sequence));
                    }
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
                EventName::AGENT_RECYCLED => self.report.recycled += 1,
                EventName::SIGNALS_DROPPED | EventName::SIGNALS_SAMPLED_OUT => {
                    return Err("signals are missing".to_owned());
                }
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
            ("dropped", self.report.dropped, books.lost()),
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
        for (class, (mine, theirs)) in self.books.iter().zip(&books.by_class).enumerate() {
            let theirs = ClassBooks { submitted: 0, refused: 0, ..*theirs };
            if *mine != theirs {
                return Err(format!("class {class}: {mine:?} by id, {theirs:?} by counter"));
            }
        }
        self.owed.retain(|_, count| *count != 0);
        match self.owed.first_key_value() {
            None => Ok(()),
            Some((reply_with, owed)) => Err(format!("{owed} failures are owed for reply-with {reply_with}")),
        }
    }

    /// Every durable message that was accepted and did not end is on the disk. A copy along a route may be on its way,
    /// while the message that it is a copy of is there.
    pub(crate) fn check_disk(&self, disk: &Inner) -> Result<(), String> {
        if self.durable.is_empty() {
            return Ok(());
        }
        let (ids, contents) = disk.messages();
        let is_there = |(id, text): &(&Uid, &String)| ids.contains(*id) || contents.contains(text.as_bytes());
        match self.durable.iter().find(|entry| !is_there(entry)) {
            Some((id, _)) => Err(format!("{id} is durable, accepted, and not on the disk")),
            None => Ok(()),
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
        let own = signal.flags & (flags::PLATFORM | flags::ON_BEHALF) != 0;
        let class =
            words.nth(1).and_then(|word| word.parse().ok()).filter(|_| !own).unwrap_or(class::VOLATILE);
        let again = signal.flags & flags::REDELIVERED != 0;
        let retried = again || self.retried.contains(&(signal.sender, sequence));
        let message = Message { sequence, path, class, retried, settled: None };
        let before = self.messages.insert(signal.message, message).map(|message| message.settled);
        let letter_again = again && before == Some(Some(EventName::MESSAGE_DEAD_LETTERED));
        if self.refused_ids.contains(&signal.message) || before.is_some() && !letter_again {
            return Err(format!("{} was accepted or refused before", signal.message));
        }
        self.report.accepted += 1;
        if let Some(books) = self.books.get_mut(usize::from(class)) {
            books.accepted += 1;
            books.in_flight += 1;
        }
        if class == class::DURABLE {
            self.durable.insert(signal.message, text.to_string());
        }
        if again {
            // It was counted as a failure when it was sent first.
            return Ok(());
        }
        if signal.performative == FAILURE && signal.flags & flags::PLATFORM != 0 {
            self.report.failures += 1;
            *self.owed.entry(signal.in_reply_to).or_insert(0) -= 1;
        }
        Ok(())
    }

    fn refuse(&mut self, signal: &Signal) -> Result<(), String> {
        self.refused += 1;
        *self.report.refused.entry(signal.code).or_insert(0) += 1;
        // An operator sees what becomes of a letter; a sender's own id may be refused and come again.
        let again = signal.flags & flags::REDELIVERED != 0;
        if !self.endpoints.contains(&signal.sender) && !again {
            self.owe(signal);
        }
        if again || is_chosen(signal.message) {
            return Ok(());
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
        let Some(books) = self.books.get_mut(usize::from(message.class)) else { return Ok(()) };
        books.in_flight -= 1;
        *match signal.name {
            EventName::MESSAGE_DELIVERED => &mut books.delivered,
            EventName::MESSAGE_EXPIRED => &mut books.expired,
            EventName::MESSAGE_DROPPED => &mut books.dropped,
            _ => &mut books.dead_lettered,
        } += 1;
        self.durable.remove(&id);
        Ok(())
    }

    fn check_order(&mut self, signal: &Signal) -> Result<(), String> {
        let Some(message) = self.messages.get(&signal.message) else { return Ok(()) };
        let again = message.class != class::VOLATILE && signal.flags & flags::REDELIVERED != 0;
        if message.sequence == 0 || message.retried || again {
            return Ok(());
        }
        let key = (signal.sender, message.path.clone(), signal.receiver, message.class);
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
            || self.ended
            || signal.code == Code::NONE;
        if !silent {
            *self.owed.entry(signal.reply_with).or_insert(0) += 1;
        }
    }
}
