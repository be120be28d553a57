//! The door: checks, stamps and expands what comes in, finds its place, and says yes or no.

use caxton_abi::{Code, Envelope, EventName, Uid, class, flags, port::Outcome};

use super::{Flow, Notice, Place, Placed, Step, find::Finder};
use crate::sync::Ordering;
use crate::{
    act, retry,
    sightings::{Digest, Key},
    signal,
    sync::{lock, read},
    tally::Tally,
    turn,
};

/// Who sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Door {
    /// An endpoint or edge that gets its answer at once; it sees refusals itself.
    Submit,
    /// The same, and its answer may wait for the store.
    Wait,
    /// An agent whose turn committed; it is told of refusals by a failure.
    Turn,
    /// An operator who sends a dead letter again.
    Requeue,
    /// The kernel or a protocol: flags are kept, protocols do not see it, a full mailbox makes a dead letter.
    Kernel,
}

/// What became of messages at the door.
#[derive(Default)]
pub(crate) struct Entry {
    /// One for each message; those of durable ones hold when they were written.
    pub(crate) outcomes: Vec<Outcome>,
    pub(crate) accepted: Vec<Placed>,
    refused: Vec<Notice>,
    pub(crate) durable: Vec<Durable>,
}

/// A durable message that is accepted when it is on disk.
pub(crate) struct Durable {
    /// Where its outcome stands.
    pub(crate) index: usize,
    /// As it came, to be refused.
    message: Envelope,
    /// Its copies, each with its place.
    pub(crate) placed: Vec<Placed>,
    /// The sender's own id for it, with the number under which it is stored.
    pub(crate) seen: Option<(Key, u64)>,
}

impl Flow<'_> {
    /// Takes messages in that are accepted or refused at once: one outcome each. Places those that are accepted.
    pub(crate) fn enter(&mut self, messages: Vec<Envelope>, door: Door) -> Vec<Outcome> {
        if messages.is_empty() {
            return Vec::new();
        }
        let entry = self.admit(messages, door);
        self.take_in(entry, door)
    }

    /// Decides about messages and reserves their places. Nothing of it is true before [`Flow::take_in`]; dropping it
    /// gives the places back.
    pub(crate) fn admit(&mut self, messages: Vec<Envelope>, door: Door) -> Entry {
        let mut entry = Entry { outcomes: Vec::with_capacity(messages.len()), ..Entry::default() };
        let mut finder = Finder::new(self);
        for message in messages {
            match self.admit_one(&mut finder, message, door, &mut entry) {
                Ok(id) => entry.outcomes.push(Outcome { id, code: Code::NONE }),
                Err(notice) => {
                    entry.outcomes.push(Outcome { id: notice.envelope.head.id, code: notice.code });
                    entry.refused.push(*notice);
                }
            }
        }
        entry.accepted = finder.finish();
        entry
    }

    /// Counts and places what was admitted, durable messages included.
    pub(crate) fn take_in(&mut self, mut entry: Entry, door: Door) -> Vec<Outcome> {
        for durable in std::mem::take(&mut entry.durable) {
            if let Some((key, number)) = durable.seen {
                let oldest = lock(&self.bus.sightings).accept(key, number);
                self.unsee(oldest);
            }
            entry.accepted.extend(durable.placed);
        }
        self.count(&entry.accepted, &entry.refused);
        if door == Door::Turn {
            self.send_failures(entry.refused);
        }
        self.place(entry.accepted);
        entry.outcomes
    }

    fn count(&mut self, accepted: &[Placed], refused: &[Notice]) {
        let moves = self.bus.ledger.open_in(self.lane);
        moves.accept(Tally::of(accepted.iter().map(|placed| &placed.envelope)));
        moves.refuse(Tally::of(refused.iter().map(|notice| &notice.envelope)));
        drop(moves);
        for placed in accepted {
            self.tell_accepted(&placed.envelope);
        }
        for notice in refused {
            self.about(EventName::MESSAGE_REFUSED, &notice.envelope.head, notice.code);
        }
    }

    pub(super) fn tell_accepted(&mut self, envelope: &Envelope) {
        /// A line in a diagram; more belongs into the message.
        const PREVIEW_BYTES_MAX: usize = 64;
        if !self.traces(envelope.head.conversation, Code::NONE) {
            return;
        }
        self.emit(signal::about(EventName::MESSAGE_ACCEPTED, &envelope.head, Code::NONE, self.now));
        let Some(signal) = self.signals.last_mut() else { return };
        signal.value = envelope.content.len() as u64;
        if self.bus.content_in_signals {
            let end = envelope.content.len().min(PREVIEW_BYTES_MAX);
            signal.text = envelope.content.slice(0, end).unwrap_or_default();
        }
    }

    /// Finds the places of a message's copies and returns the first copy's id, or gives the message back refused.
    fn admit_one(
        &mut self,
        finder: &mut Finder<'_>,
        mut message: Envelope,
        door: Door,
        entry: &mut Entry,
    ) -> Result<Uid, Box<Notice>> {
        let chosen = !message.head.id.is_none() && matches!(door, Door::Submit | Door::Wait);
        let classed = self.stamp(&mut message, door);
        let named;
        let receivers = match classed.and_then(|()| self.check(&message, door)) {
            Ok(()) if message.head.receiver != 0 => &[message.head.receiver][..],
            Ok(()) => {
                named = turn::receivers(&message, self.bus.limits.receivers_max);
                &named
            }
            Err(code) => return Err(Box::new(Notice { envelope: message, code })),
        };
        if let Err(code) = self.check_number(receivers) {
            return Err(Box::new(Notice { envelope: message, code }));
        }
        let seen = chosen.then_some((message.head.sender, message.head.id));
        if let Some(key) = seen {
            let digest = digest(finder, &message, receivers);
            if let Err(code) = lock(&self.bus.sightings).begin(key, digest) {
                return Err(Box::new(Notice { envelope: message, code }));
            }
        }
        let start = finder.found.len();
        let id = message.head.id;
        let durable = (message.head.class == class::DURABLE).then(|| message.clone());
        if let Err(notice) = self.find_all(finder, message, receivers, door) {
            finder.found.truncate(start);
            if let Some(key) = seen {
                lock(&self.bus.sightings).forget(key);
            }
            return Err(notice);
        }
        if let Some(message) = durable {
            let placed = finder.found.split_off(start);
            let index = entry.outcomes.len();
            entry.durable.push(Durable { index, message, placed, seen: seen.map(|key| (key, 0)) });
        } else if let Some(key) = seen {
            let oldest = lock(&self.bus.sightings).accept(key, 0);
            self.unsee(oldest);
        }
        Ok(id)
    }

    /// Finds the places of a message for all its receivers; `Err` when it has one that cannot take it.
    fn find_all(
        &self,
        finder: &mut Finder<'_>,
        mut message: Envelope,
        receivers: &[u32],
        door: Door,
    ) -> Result<(), Box<Notice>> {
        let start = finder.found.len();
        let head = message.head;
        let watched = door != Door::Kernel && head.flags & (flags::PLATFORM | flags::ON_BEHALF) == 0;
        let (first, further) = receivers.split_first().map_or((0, &[][..]), |(first, rest)| (*first, rest));
        let copies: Vec<_> = further
            .iter()
            .map(|receiver| {
                let mut copy = message.clone();
                copy.head.receiver = *receiver;
                copy.head.id = self.bus.mint_in(self.lane, self.now);
                copy
            })
            .collect();
        message.head.receiver = first;
        for copy in std::iter::once(message).chain(copies) {
            finder.find(copy, !watched, 0);
        }
        if head.class == class::ACKED {
            let placed = finder.found.get_mut(start..).unwrap_or_default();
            if let (Err(code), Some(refused)) = (self.let_wait(placed), finder.found.last_mut()) {
                refused.place = Place::Dead(code);
            }
        }
        if door != Door::Kernel
            && let Some((refused, code)) = finder.take_single_dead(start)
        {
            // As it was sent: a route may have given it another receiver.
            return Err(Box::new(Notice { envelope: Envelope { head, ..refused }, code }));
        }
        self.expire_at_the_door(finder.found.get_mut(start..).unwrap_or_default());
        Ok(())
    }

    /// Acked messages that cannot be delivered now, or that others wait before, are to wait. `Err` when a message with
    /// one receiver has no room for that.
    fn let_wait(&self, placed: &mut [Placed]) -> Result<(), Code> {
        let retries = lock(&self.bus.retries);
        let alone = placed.len() == 1;
        for placed in placed {
            let why = match placed.place {
                Place::Dead(code) if retry::passes(code) => code,
                Place::Slot(_) | Place::Unknown if retries.awaits(placed.envelope.head.receiver) => {
                    Code::NONE
                }
                _ => continue,
            };
            placed.place = Place::Retry(why);
            if alone && !retries.has_room(&self.bus.limits) {
                return Err(Code::RETRIES_FULL);
            }
        }
        Ok(())
    }

    /// Completes a header. `Err` when the class is none, or cannot be promised.
    fn stamp(&self, message: &mut Envelope, door: Door) -> Result<(), Code> {
        let class = self.class_of(message, door);
        let head = &mut message.head;
        head.class = class.unwrap_or(class::VOLATILE);
        (head.stored, head.deliveries) = (0, 0);
        if head.id.is_none() {
            head.id = self.bus.mint_in(self.lane, self.now);
        }
        if head.conversation.is_none() {
            head.conversation = self.bus.mint_in(self.lane, self.now);
        }
        if head.trace.trace.is_none() {
            head.trace.trace = head.conversation;
        }
        if head.class == class::ACKED && head.reply_by_ms == 0 {
            head.reply_by_ms = self.now.plus_millis(self.bus.limits.acked_ms_max).millis();
        }
        if !matches!(door, Door::Kernel | Door::Requeue) {
            head.flags = 0;
        }
        if head.sender == 0 && door == Door::Kernel {
            head.sender = self.bus.ams;
        }
        class.map(|_| ())
    }

    /// What the message is promised. What the kernel and protocols send themselves is volatile.
    fn class_of(&self, message: &Envelope, door: Door) -> Result<u8, Code> {
        match door {
            Door::Kernel => Ok(class::VOLATILE),
            _ => turn::class(message),
        }
    }

    fn check(&self, message: &Envelope, door: Door) -> Result<(), Code> {
        let (head, limits) = (&message.head, &self.bus.limits);
        match () {
            () if self.bus.closed.load(Ordering::Acquire) => Err(Code::SHUTTING_DOWN),
            () if head.sender == 0 => Err(Code::SENDER_FORGED),
            () if !act::is_known(head.performative) => Err(Code::UNKNOWN_PERFORMATIVE),
            () if message.content.len() > limits.content_bytes_max => Err(Code::CONTENT_TOO_LARGE),
            () if head.hop > limits.hop_max => Err(Code::HOP_LIMIT),
            () if head.class == class::DURABLE => self.check_store(door),
            () => Ok(()),
        }
    }

    fn check_number(&self, receivers: &[u32]) -> Result<(), Code> {
        match receivers.len() {
            0 => Err(Code::NO_RECEIVER),
            count if count > self.bus.limits.receivers_max => Err(Code::TOO_MANY_RECEIVERS),
            _ => Ok(()),
        }
    }

    fn check_store(&self, door: Door) -> Result<(), Code> {
        match self.bus.tickets.refusal() {
            _ if door == Door::Submit => Err(Code::CLASS_NEEDS_WAIT),
            Code::NONE => Ok(()),
            code => Err(code),
        }
    }

    /// A request whose reply-by has passed already is not placed, unless a protocol rules on it.
    fn expire_at_the_door(&self, placed: &mut [Placed]) {
        for placed in placed {
            let head = &placed.envelope.head;
            let watched = !placed.monitored && read(&self.bus.watch).port_of(head.protocol).is_some();
            if !watched && self.is_expired(&placed.envelope) && !matches!(placed.place, Place::Dead(_)) {
                placed.place = Place::Expired;
            }
        }
    }

    /// True for a request whose reply-by has passed, and for an acked message of any act.
    pub(crate) fn is_expired(&self, message: &Envelope) -> bool {
        let head = &message.head;
        head.reply_by_ms != 0
            && head.reply_by_ms < self.now.millis()
            && (head.class == class::ACKED || act::expects_reply(head.performative))
    }

    /// Sends failures for undeliverable or refused messages to those that may get one.
    pub(super) fn send_failures(&mut self, notices: Vec<Notice>) {
        let failures: Vec<_> =
            notices.iter().filter_map(|notice| self.failure(&notice.envelope, notice.code)).collect();
        if !failures.is_empty() {
            self.steps.push_back(Step::Send(failures));
        }
    }
}

impl Entry {
    /// Turns its durable messages into refused ones, because they could not be written; returns the ids that are free
    /// again.
    pub(crate) fn refuse_durable(&mut self, code: Code) -> Vec<Key> {
        let mut free = Vec::new();
        for durable in std::mem::take(&mut self.durable) {
            if let Some(outcome) = self.outcomes.get_mut(durable.index) {
                outcome.code = code;
            }
            free.extend(durable.seen.map(|(key, _)| key));
            self.refused.push(Notice { envelope: durable.message, code });
        }
        free
    }

    /// Takes out what need not wait for the store.
    pub(crate) fn split_durable(&mut self) -> Self {
        Self {
            outcomes: self.outcomes.clone(),
            durable: std::mem::take(&mut self.durable),
            ..Self::default()
        }
    }
}

/// What tells a repetition from another message. By names, because it outlives the server's numbers.
fn digest(finder: &Finder<'_>, message: &Envelope, receivers: &[u32]) -> u64 {
    let mut digest = Digest::new();
    for receiver in receivers {
        match finder.name(*receiver) {
            Some(name) => digest.add(name.as_bytes()),
            None => digest.add(&receiver.to_le_bytes()),
        }
    }
    digest.add(&[message.head.performative, message.head.class]);
    digest.add(message.content.as_slice());
    digest.finish()
}
