//! The ends of messages in hand that were not delivered: expired, given up, dropped, or kept to be tried again. And what
//! the store is told of every end.

use caxton_abi::{Code, Envelope, EventName, class, flags};

use super::{Flow, Notice};
use crate::sync::Ordering;
use crate::{
    accounting::Moves, dead_letter::DeadLetter, pending::Parked, retry, store::Change, sync::lock,
    tickets::Held, timer::Key,
};

/// Whether somebody is told.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Tell {
    Yes,
    No,
}

impl Flow<'_> {
    pub(super) fn expire(&mut self, moves: &Moves<'_>, envelope: Envelope) {
        moves.expire(&envelope);
        self.about(EventName::MESSAGE_EXPIRED, &envelope.head, Code::EXPIRED);
        self.forget_stored(&envelope);
        self.notice(envelope, Code::EXPIRED);
    }

    /// Ends a message in hand that cannot be delivered, or lets it wait when its class asks for that.
    pub(super) fn give_up(&mut self, moves: &Moves<'_>, parked: Parked, code: Code) {
        let Parked { envelope, .. } = &parked;
        let ends = code == Code::SHUTTING_DOWN && self.bus.closed.load(Ordering::Acquire);
        match envelope.head.class {
            // It lies in the store and is handed out when the server runs again.
            class::DURABLE if ends => {}
            class::VOLATILE if ends => self.lose(moves, envelope, code),
            class::ACKED if retry::passes(code) => self.try_later(moves, parked, code),
            _ => self.bury(moves, parked.envelope, code, Tell::Yes),
        }
    }

    /// Lets an acked message wait behind the others for its receiver; it becomes a dead letter when there is no room.
    pub(super) fn try_later(&mut self, moves: &Moves<'_>, parked: Parked, code: Code) {
        let bus = self.bus;
        let head = parked.envelope.head;
        let mut retries = lock(&bus.retries);
        // A message that only stood behind others has no reason of its own.
        let reason = if code.is_none() { Code::RETRIES_FULL } else { code };
        if bus.closed.load(Ordering::Acquire) || !retries.has_room(&bus.limits) {
            drop(retries);
            return self.bury(moves, parked.envelope, reason, Tell::Yes);
        }
        moves.lay_down(&parked.envelope);
        let first = retries.push(parked);
        drop(retries);
        if let Some(pause_ms) = first {
            lock(&bus.timers).set(Key::Retry(head.receiver), self.now.plus_millis(pause_ms));
        }
        self.about(EventName::MESSAGE_RETRYING, &head, code);
    }

    fn lose(&mut self, moves: &Moves<'_>, envelope: &Envelope, code: Code) {
        moves.lose(envelope, code);
        self.about(EventName::MESSAGE_DROPPED, &envelope.head, code);
    }

    /// Makes a message in hand a dead letter. A durable one leaves the messages of the store and enters its letters in
    /// one transaction.
    pub(super) fn bury(&mut self, moves: &Moves<'_>, mut envelope: Envelope, code: Code, tell: Tell) {
        moves.bury(&envelope, code);
        self.about(EventName::MESSAGE_DEAD_LETTERED, &envelope.head, code);
        let forget = Change::forget(&envelope.head);
        envelope.head.stored = 0;
        // Numbers are in the order of the letters.
        let mut letters = lock(&self.bus.dead_letters);
        let number = self.bus.tickets.number();
        let letter = DeadLetter { number, at: self.now, code, envelope: envelope.clone() };
        let stores = letter.is_stored().then(|| Change::Bury(Box::new(letter.clone())));
        let out = letters.push(letter);
        self.exhume(&out);
        if let Some(bury) = stores {
            letters.hold(number);
            self.bus.tickets.must_write(Held::Letter(number), vec![bury, forget]);
        }
        drop(letters);
        if tell == Tell::Yes {
            self.notice(envelope, code);
        }
    }

    /// Notes that a durable message ended; the store is told with the others of this operation.
    pub(super) fn forget_stored(&mut self, envelope: &Envelope) {
        if envelope.head.class == class::DURABLE {
            self.ends.push(Change::forget(&envelope.head));
        }
    }

    /// Notes that a sighting of the store fell out of the window.
    pub(crate) fn unsee(&mut self, number: Option<u64>) {
        self.ends.extend(number.map(Change::Unsee));
    }

    /// Notes that newer dead letters pushed these out.
    pub(crate) fn exhume(&mut self, letters: &[DeadLetter]) {
        self.ends.extend(exhumed(letters));
    }

    /// Tells the store of the ends.
    pub(super) fn tell_store(&mut self) {
        if !self.ends.is_empty() {
            self.bus.tickets.must_write(Held::Nothing, std::mem::take(&mut self.ends));
        }
    }

    fn notice(&mut self, envelope: Envelope, code: Code) {
        if envelope.head.flags & (flags::PLATFORM | flags::ON_BEHALF) == 0 {
            self.notices.push(Notice { envelope, code });
        }
    }
}

fn exhumed(letters: &[DeadLetter]) -> impl Iterator<Item = Change> {
    letters.iter().filter(|letter| letter.is_stored()).map(|letter| Change::Exhume(letter.number))
}
