//! The door: checks, stamps and expands what comes in, finds its place, and says yes or no.

use caxton_abi::{Code, Envelope, EventName, Uid, port::Outcome};

use super::{Flow, Notice, Place, Placed, Step, find::Finder};
use crate::{act, sync::read, turn};

/// Who sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Door {
    /// An endpoint or edge; it sees refusals itself.
    Submit,
    /// An agent whose turn committed; it is told of refusals by a failure.
    Turn,
    /// The kernel or a protocol: flags are kept, protocols do not see it, a full mailbox makes a dead letter.
    Kernel,
}

impl Flow<'_> {
    /// Takes messages in: one outcome each. Places those that are accepted.
    pub(crate) fn enter(&mut self, messages: Vec<Envelope>, door: Door) -> Vec<Outcome> {
        let mut outcomes = Vec::with_capacity(messages.len());
        let mut refused = Vec::new();
        let mut finder = Finder::new(self);
        for message in messages {
            match self.admit(&mut finder, message, door) {
                Ok(id) => outcomes.push(Outcome { id, code: Code::NONE }),
                Err(notice) => {
                    outcomes.push(Outcome { id: notice.envelope.head.id, code: notice.code });
                    refused.push(*notice);
                }
            }
        }
        let accepted = finder.finish();
        self.count(&accepted, &refused);
        if door == Door::Turn {
            self.send_failures(refused);
        }
        self.place(accepted);
        outcomes
    }

    fn count(&mut self, accepted: &[Placed], refused: &[Notice]) {
        let moves = self.bus.ledger.open();
        moves.accept(accepted.len() as u64);
        moves.refuse(refused.len() as u64);
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
        self.about(EventName::MESSAGE_ACCEPTED, &envelope.head, Code::NONE);
        let Some(signal) = self.signals.last_mut() else { return };
        signal.value = envelope.content.len() as u64;
        if self.bus.content_in_signals {
            let end = envelope.content.len().min(PREVIEW_BYTES_MAX);
            signal.text = envelope.content.slice(0, end).unwrap_or_default();
        }
    }

    /// Finds the places of a message's copies and returns the first copy's id, or gives the message back refused.
    fn admit(&self, finder: &mut Finder<'_>, mut message: Envelope, door: Door) -> Result<Uid, Box<Notice>> {
        self.stamp(&mut message, door);
        let receivers = match self.check(&message) {
            Ok(receivers) => receivers,
            Err(code) => return Err(Box::new(Notice { envelope: message, code })),
        };
        let id = message.head.id;
        let start = finder.found.len();
        for (index, receiver) in receivers.iter().enumerate() {
            let mut copy = message.clone();
            copy.head.receiver = *receiver;
            if index > 0 {
                copy.head.id = self.bus.mint_in(self.lane, self.now);
            }
            finder.find(copy, door == Door::Kernel, 0);
        }
        if door != Door::Kernel
            && let Some(code) = finder.take_single_dead(start)
        {
            return Err(Box::new(Notice { envelope: message, code }));
        }
        self.expire_at_the_door(finder.found.get_mut(start..).unwrap_or_default());
        Ok(id)
    }

    fn stamp(&self, message: &mut Envelope, door: Door) {
        let head = &mut message.head;
        if head.id.is_none() {
            head.id = self.bus.mint_in(self.lane, self.now);
        }
        if head.conversation.is_none() {
            head.conversation = self.bus.mint_in(self.lane, self.now);
        }
        if head.trace.trace.is_none() {
            head.trace.trace = head.conversation;
        }
        if door != Door::Kernel {
            head.flags = 0;
        }
        if head.sender == 0 && door == Door::Kernel {
            head.sender = self.bus.ams;
        }
    }

    fn check(&self, message: &Envelope) -> Result<Vec<u32>, Code> {
        let (head, limits) = (&message.head, &self.bus.limits);
        let receivers = match head.receiver {
            0 => turn::receivers(message, limits.receivers_max),
            one => vec![one],
        };
        match () {
            () if head.sender == 0 => Err(Code::SENDER_FORGED),
            () if !act::is_known(head.performative) => Err(Code::UNKNOWN_PERFORMATIVE),
            () if message.content.len() > limits.content_bytes_max => Err(Code::CONTENT_TOO_LARGE),
            () if head.hop > limits.hop_max => Err(Code::HOP_LIMIT),
            () if receivers.is_empty() => Err(Code::NO_RECEIVER),
            () if receivers.len() > limits.receivers_max => Err(Code::TOO_MANY_RECEIVERS),
            () => Ok(receivers),
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

    /// True for a request whose reply-by has passed.
    pub(crate) fn is_expired(&self, message: &Envelope) -> bool {
        let head = &message.head;
        head.reply_by_ms != 0 && head.reply_by_ms < self.now.millis() && act::expects_reply(head.performative)
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
