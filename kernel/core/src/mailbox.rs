//! A bounded queue of messages, in order of arrival, where a place is reserved before a message is accepted.
//!
//! Reserving first means that a full mailbox refuses at the door, before a protocol has seen the message. A mailbox
//! that is closed takes nothing any more and says why. It does not lock; its owner does.

use {std::collections::VecDeque, std::sync::Arc};

use caxton_abi::{Code, Envelope, flags};

use crate::sync::{AtomicUsize, Ordering};
use crate::{limits::Limits, store::is_recovered, tally::Tally};

/// A message that did not go in, and why.
#[derive(Debug)]
pub(crate) struct Bounced {
    pub(crate) envelope: Envelope,
    pub(crate) code: Code,
}

/// The queue of one agent or of one address of an endpoint.
#[derive(Default)]
pub(crate) struct Mailbox {
    queue: VecDeque<Envelope>,
    bytes: usize,
    reserved: usize,
    reserved_bytes: usize,
    closed: Option<Code>,
    tally: Tally,
    full: Option<FullMark>,
}

/// Counts a mailbox among those that refused a message and gave none out since.
struct FullMark(Arc<AtomicUsize>);

impl Drop for FullMark {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Mailbox {
    pub(crate) fn len(&self) -> usize {
        self.queue.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }

    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    /// The messages by class.
    pub(crate) fn lying(&self) -> Tally {
        self.tally
    }

    /// True when the next ordinary message would be refused for want of a place.
    pub(crate) fn is_full(&self, limits: &Limits) -> bool {
        self.queue.len() + self.reserved >= limits.mailbox_messages_max
            || self.bytes + self.reserved_bytes >= limits.mailbox_bytes_max
    }

    /// Notes in `count` that it is full, until it gives messages out.
    pub(crate) fn mark_full(&mut self, count: &Arc<AtomicUsize>) {
        self.full.get_or_insert_with(|| {
            count.fetch_add(1, Ordering::Relaxed);
            FullMark(Arc::clone(count))
        });
    }

    /// Takes a place for a message. The platform's own messages may use the extra places and are taken
    /// beyond the bound of bytes; their bytes count for those that come after. What was recovered from the store was
    /// accepted before and is taken beyond every bound.
    pub(crate) fn reserve(&mut self, message: &Envelope, limits: &Limits) -> Result<(), Code> {
        if let Some(code) = self.closed {
            return Err(code);
        }
        let platform = message.head.flags & flags::PLATFORM != 0;
        let extra = if platform { limits.mailbox_platform_extra } else { 0 };
        let messages_max = limits.mailbox_messages_max.saturating_add(extra);
        let bytes = self.bytes + self.reserved_bytes + message.content.len();
        let too_heavy = !platform && bytes > limits.mailbox_bytes_max;
        let is_full = self.queue.len() + self.reserved >= messages_max || too_heavy;
        if is_full && !is_recovered(&message.head) {
            return Err(Code::MAILBOX_FULL);
        }
        self.reserved += 1;
        self.reserved_bytes += message.content.len();
        Ok(())
    }

    /// True when an ordinary message can be put in right now.
    pub(crate) fn has_room(&self, message: &Envelope, limits: &Limits) -> bool {
        self.closed.is_none()
            && self.queue.len() + self.reserved < limits.mailbox_messages_max
            && self.bytes + self.reserved_bytes + message.content.len() <= limits.mailbox_bytes_max
    }

    /// Puts a message in, for which there is room.
    pub(crate) fn push(&mut self, message: Envelope) {
        self.bytes += message.content.len();
        self.tally.put(&message);
        self.queue.push_back(message);
    }

    /// Gives a reserved place of a message of `bytes` back.
    pub(crate) fn cancel(&mut self, bytes: usize) {
        self.reserved = self.reserved.saturating_sub(1);
        self.reserved_bytes = self.reserved_bytes.saturating_sub(bytes);
    }

    /// Puts a message into the place that was reserved for it; gives it back with the reason when it was closed since.
    pub(crate) fn fill(&mut self, message: Envelope) -> Result<(), Box<Bounced>> {
        self.cancel(message.content.len());
        if let Some(code) = self.closed {
            return Err(Box::new(Bounced { envelope: message, code }));
        }
        self.push(message);
        Ok(())
    }

    /// Takes the oldest messages, at most so many and so many bytes, always at least one.
    pub(crate) fn take(&mut self, messages_max: usize, bytes_max: usize) -> Vec<Envelope> {
        self.full = None;
        let mut batch = Vec::with_capacity(self.queue.len().min(messages_max));
        let mut bytes = 0;
        while let Some(next) = self.queue.front() {
            bytes += next.content.len();
            if !batch.is_empty() && (batch.len() >= messages_max || bytes > bytes_max) {
                break;
            }
            if let Some(message) = self.queue.pop_front() {
                self.bytes = self.bytes.saturating_sub(message.content.len());
                self.tally.take(&message);
                batch.push(message);
            }
        }
        batch
    }

    /// What lies in it, oldest first.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Envelope> {
        self.queue.iter()
    }

    /// Takes out what `goes` says, in order.
    pub(crate) fn extract(&mut self, goes: impl Fn(&Envelope) -> bool) -> Vec<Envelope> {
        let (gone, stays): (Vec<_>, Vec<_>) = self.queue.drain(..).partition(goes);
        self.bytes = stays.iter().map(|message| message.content.len()).sum();
        self.tally = Tally::of(&stays);
        self.queue = stays.into();
        self.full = None;
        gone
    }

    /// Puts a message in that another version's mailbox had a place for, also beyond the bounds: it was accepted.
    pub(crate) fn adopt(&mut self, message: Envelope) -> Result<(), Box<Bounced>> {
        if let Some(code) = self.closed {
            return Err(Box::new(Bounced { envelope: message, code }));
        }
        self.push(message);
        Ok(())
    }

    /// Takes nothing any more; returns what was in it.
    pub(crate) fn close(&mut self, code: Code) -> Vec<Envelope> {
        self.closed = Some(code);
        self.bytes = 0;
        self.tally = Tally::default();
        self.full = None;
        self.queue.drain(..).collect()
    }
}

#[cfg(test)]
mod tests {
    use caxton_abi::{Header, Payload};

    use super::*;

    fn message(bytes: usize, bits: u16) -> Envelope {
        let head = Header { flags: bits, ..Header::default() };
        Envelope::new(head, Payload::from(vec![0; bytes]))
    }

    fn put(mailbox: &mut Mailbox, message: Envelope, limits: &Limits) -> Result<(), Code> {
        mailbox.reserve(&message, limits)?;
        mailbox.fill(message).map_err(|bounced| bounced.code)
    }

    fn small() -> Limits {
        Limits {
            mailbox_messages_max: 2,
            mailbox_bytes_max: 10,
            mailbox_platform_extra: 1,
            ..Limits::default()
        }
    }

    #[test]
    fn refuses_when_it_is_full_and_keeps_a_place_for_the_platform() {
        let (mut mailbox, limits) = (Mailbox::default(), small());
        assert_eq!(put(&mut mailbox, message(1, 0), &limits), Ok(()));
        assert_eq!(put(&mut mailbox, message(1, 0), &limits), Ok(()));
        assert_eq!(put(&mut mailbox, message(1, 0), &limits), Err(Code::MAILBOX_FULL));
        assert_eq!(put(&mut mailbox, message(1, flags::PLATFORM), &limits), Ok(()));
        let again = put(&mut mailbox, message(1, flags::PLATFORM), &limits);
        assert_eq!(again, Err(Code::MAILBOX_FULL));
    }

    #[test]
    fn refuses_when_the_bytes_are_too_many() {
        let (mut mailbox, limits) = (Mailbox::default(), small());
        assert_eq!(put(&mut mailbox, message(6, 0), &limits), Ok(()));
        assert_eq!(put(&mut mailbox, message(6, 0), &limits), Err(Code::MAILBOX_FULL));
    }

    #[test]
    fn a_reserved_place_counts_until_it_is_given_back() {
        let (mut mailbox, limits) = (Mailbox::default(), small());
        mailbox.reserve(&message(1, 0), &limits).unwrap();
        mailbox.reserve(&message(1, 0), &limits).unwrap();
        assert_eq!(mailbox.reserve(&message(1, 0), &limits), Err(Code::MAILBOX_FULL));
        mailbox.cancel(1);
        assert_eq!(mailbox.reserve(&message(1, 0), &limits), Ok(()));
    }

    #[test]
    fn a_message_larger_than_a_turn_goes_alone() {
        let (mut mailbox, limits) = (Mailbox::default(), small());
        put(&mut mailbox, message(5, 0), &limits).unwrap();
        put(&mut mailbox, message(1, 0), &limits).unwrap();
        assert_eq!(mailbox.take(64, 3).len(), 1);
        assert_eq!(mailbox.take(64, 3).len(), 1);
        assert!(mailbox.is_empty());
    }

    #[test]
    fn a_closed_mailbox_gives_reserved_messages_back() {
        let (mut mailbox, limits) = (Mailbox::default(), small());
        mailbox.reserve(&message(1, 0), &limits).unwrap();
        mailbox.close(Code::AGENT_STOPPED);
        let bounced = mailbox.fill(message(1, 0)).unwrap_err();
        assert_eq!(bounced.code, Code::AGENT_STOPPED);
        assert_eq!(mailbox.reserve(&message(1, 0), &limits), Err(Code::AGENT_STOPPED));
    }
}
