//! Who waits for which answer: conversations and `reply-with` numbers, each with the queue of the one who asked.
//!
//! Bounded by `waiting_max` entries; each queue by its asker, in answers and in bytes. An answer that nobody waits for here is refused as of an
//! unknown conversation: the server offers it to the instances before this one, and else it becomes a dead letter.

use std::{
    collections::{HashMap, VecDeque},
    future::poll_fn,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, Waker},
};

use caxton_abi::{Code, Envelope, Uid};

use crate::Error;

/// Conversation and `reply-with`.
type Key = (Uid, u32);

/// Bytes of content that may wait for one who asked; an answer that finds its queue empty is always taken.
pub const ANSWERS_BYTES_MAX: usize = 16 << 20;

/// Cancels whose answers are still taken, though nobody waits for them; the oldest are forgotten.
const CANCELS_MAX: usize = 1024;

/// The table of those who wait.
pub struct Waiting {
    max: usize,
    entries: Mutex<HashMap<Key, Arc<Mutex<Answers>>>>,
    cancels: Mutex<VecDeque<Key>>,
}

/// The answers that came for one who waits, and how it is woken.
struct Answers {
    max: usize,
    bytes: usize,
    queue: VecDeque<Envelope>,
    waker: Option<Waker>,
}

impl Waiting {
    /// Makes a table for at most so many.
    pub fn new(max: usize) -> Self {
        Self { max, entries: Mutex::default(), cancels: Mutex::default() }
    }

    /// Begins to wait; the ticket holds up to `answers_max` answers that were not looked at.
    pub fn open(self: &Arc<Self>, answers_max: usize) -> Ticket {
        let answers = Answers { max: answers_max.max(1), bytes: 0, queue: VecDeque::new(), waker: None };
        Ticket { waiting: self.clone(), keys: Vec::new(), answers: Arc::new(Mutex::new(answers)) }
    }

    /// Hands an answer to the one who waits for it.
    pub fn deliver(&self, answer: Envelope) -> Code {
        let key = (answer.head.conversation, answer.head.in_reply_to);
        // Under the lock of the table, so that who stops waiting gets it or it is refused.
        let entries = self.entries();
        let Some(answers) = entries.get(&key) else { return self.answers_cancel(key) };
        let mut answers = lock(answers);
        let bytes = answers.bytes.saturating_add(answer.content.len());
        if answers.queue.len() >= answers.max || (bytes > ANSWERS_BYTES_MAX && !answers.queue.is_empty()) {
            return Code::MAILBOX_FULL;
        }
        answers.bytes = bytes;
        answers.queue.push_back(answer);
        let waker = answers.waker.take();
        drop(answers);
        drop(entries);
        if let Some(waker) = waker {
            waker.wake();
        }
        Code::NONE
    }

    /// Takes the answer to this cancel and forgets it: it says what is known.
    pub(super) fn cancelled(&self, conversation: Uid, reply_with: u32) {
        let mut cancels = lock(&self.cancels);
        if cancels.len() >= CANCELS_MAX {
            cancels.pop_front();
        }
        cancels.push_back((conversation, reply_with));
    }

    fn answers_cancel(&self, key: Key) -> Code {
        let mut cancels = lock(&self.cancels);
        match cancels.iter().position(|known| *known == key) {
            Some(at) => {
                cancels.remove(at);
                Code::NONE
            }
            None => Code::CONVERSATION_UNKNOWN,
        }
    }

    fn entries(&self) -> MutexGuard<'_, HashMap<Key, Arc<Mutex<Answers>>>> {
        lock(&self.entries)
    }
}

/// Every change is one insertion or removal, so a poisoned lock holds something usable.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A place in the table; dropping it ends the waiting.
pub struct Ticket {
    waiting: Arc<Waiting>,
    keys: Vec<Key>,
    answers: Arc<Mutex<Answers>>,
}

impl Ticket {
    /// Waits for answers to this `reply-with` too.
    ///
    /// # Errors
    /// When the table is full, or another waits for the same.
    pub fn expect(&mut self, conversation: Uid, reply_with: u32) -> Result<(), Error> {
        let key = (conversation, reply_with);
        let mut entries = self.waiting.entries();
        if entries.contains_key(&key) {
            let detail = format!(
                "another request waits for an answer to reply-with {reply_with} in this conversation"
            );
            return Err(Error::new(Code::CONVERSATION_EXISTS, detail));
        }
        if entries.len() >= self.waiting.max {
            let detail =
                format!("{} answers are waited for, which is the limit (waiting_max)", entries.len());
            return Err(Error::new(Code::TOO_MANY_WAITING, detail));
        }
        entries.insert(key, self.answers.clone());
        drop(entries);
        self.keys.push(key);
        Ok(())
    }

    /// The next answer. Never ends by itself: the caller sets the time.
    pub async fn answer(&mut self) -> Envelope {
        poll_fn(|context| self.poll_answer(context)).await
    }

    fn poll_answer(&self, context: &Context<'_>) -> Poll<Envelope> {
        let mut answers = lock(&self.answers);
        match answers.queue.pop_front() {
            Some(answer) => {
                answers.bytes = answers.bytes.saturating_sub(answer.content.len());
                Poll::Ready(answer)
            }
            None => {
                answers.waker = Some(context.waker().clone());
                Poll::Pending
            }
        }
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        let mut entries = self.waiting.entries();
        for key in &self.keys {
            entries.remove(key);
        }
    }
}

#[cfg(test)]
mod tests {
    use caxton_abi::{Header, Payload};

    use super::*;
    use crate::testing::block_on;

    const CONVERSATION: Uid = Uid::from_u128(7);

    fn answer(in_reply_to: u32) -> Envelope {
        Envelope::new(Header { conversation: CONVERSATION, in_reply_to, ..Header::default() }, Payload::EMPTY)
    }

    #[test]
    fn an_answer_finds_the_one_who_asked() {
        let waiting = Arc::new(Waiting::new(2));
        let (mut one, mut other) = (waiting.open(1), waiting.open(1));
        one.expect(CONVERSATION, 1).unwrap();
        other.expect(CONVERSATION, 2).unwrap();
        assert_eq!(waiting.deliver(answer(2)), Code::NONE);
        assert_eq!(block_on(other.answer()).head.in_reply_to, 2);
        assert!(lock(&one.answers).queue.is_empty());
    }

    #[test]
    fn answers_that_nobody_waits_for_are_refused() {
        let waiting = Arc::new(Waiting::new(2));
        let mut ticket = waiting.open(1);
        ticket.expect(CONVERSATION, 1).unwrap();
        assert_eq!(waiting.deliver(answer(3)), Code::CONVERSATION_UNKNOWN);
        let elsewhere = Header { conversation: Uid::from_u128(8), in_reply_to: 1, ..Header::default() };
        assert_eq!(waiting.deliver(Envelope::new(elsewhere, Payload::EMPTY)), Code::CONVERSATION_UNKNOWN);
        drop(ticket);
        assert_eq!(waiting.deliver(answer(1)), Code::CONVERSATION_UNKNOWN);
        assert!(waiting.entries().is_empty());
    }

    #[test]
    fn more_answers_than_the_ticket_holds_are_refused() {
        let waiting = Arc::new(Waiting::new(1));
        let mut ticket = waiting.open(1);
        ticket.expect(CONVERSATION, 1).unwrap();
        assert_eq!(
            [waiting.deliver(answer(1)), waiting.deliver(answer(1))],
            [Code::NONE, Code::MAILBOX_FULL]
        );
    }
}
