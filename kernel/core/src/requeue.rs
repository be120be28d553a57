//! What operators do with dead letters: look at them, send them again, purge them.

use caxton_abi::{Envelope, class, flags, port::Outcome};

use crate::{
    bus::Bus,
    dead_letter::DeadLetter,
    flow::{Door, Flow},
    store::{Change, Requeued, Requeuing},
    sync::lock,
    tickets::{Held, Reply, Requeue},
    time::Time,
};

impl Bus {
    /// The newest dead letters, newest first.
    pub fn dead_letters(&self, limit: usize) -> Vec<DeadLetter> {
        lock(&self.dead_letters).newest(limit)
    }

    /// One dead letter.
    pub fn dead_letter(&self, number: u64) -> Option<DeadLetter> {
        lock(&self.dead_letters).get(number)
    }

    /// Sends dead letters again, as the same messages of the same class, flagged as redelivered. A letter that is
    /// refused stays. Answers one result for each number: at once, or when the durable ones are written.
    pub fn requeue(&self, numbers: &[u64], now: Time, answer: Requeuing) {
        let mut results = Vec::with_capacity(numbers.len());
        let (mut messages, mut places) = (Vec::new(), Vec::new());
        let mut letters = lock(&self.dead_letters);
        for number in numbers {
            let begun = letters.begin_to_leave(*number);
            let code = begun.as_ref().err().copied().unwrap_or_default();
            if let Ok(letter) = begun {
                places.push(results.len());
                messages.push(anew(letter.envelope, now));
            }
            results.push(Requeued { number: *number, code, at: now });
        }
        drop(letters);
        let mut flow = Flow::new(self, self.run_queue.workers(), now);
        let entry = flow.admit(messages, Door::Requeue);
        self.take_or_write(flow, entry, Reply::Operator(Requeue { results, places, answer }));
    }

    pub(crate) fn end_requeue(&self, requeue: Requeue, outcomes: &[Outcome]) {
        let Requeue { mut results, places, answer } = requeue;
        let mut letters = lock(&self.dead_letters);
        for (place, outcome) in places.into_iter().zip(outcomes) {
            let Some(result) = results.get_mut(place) else { continue };
            result.code = outcome.code;
            if outcome.code.is_none() {
                letters.remove(result.number);
            } else {
                letters.stay(result.number);
            }
        }
        drop(letters);
        answer(results);
    }

    /// Removes dead letters for good; returns the numbers of those that were there and not just being sent again.
    pub fn purge(&self, numbers: &[u64]) -> Vec<u64> {
        let mut letters = lock(&self.dead_letters);
        let gone: Vec<_> = numbers.iter().filter_map(|number| letters.purge(*number)).collect();
        let stored = gone.iter().filter(|letter| letter.is_stored());
        let changes: Vec<_> = stored.map(|letter| Change::Exhume(letter.number)).collect();
        if !changes.is_empty() {
            self.tickets.must_write(Held::Nothing, changes);
        }
        drop(letters);
        gone.into_iter().map(|letter| letter.number).collect()
    }
}

/// The message of a letter as it is sent again. An acked one whose time passed gets a new one.
fn anew(mut message: Envelope, now: Time) -> Envelope {
    let head = &mut message.head;
    head.hop = 0;
    head.flags = head.flags & (flags::PLATFORM | flags::ON_BEHALF) | flags::REDELIVERED;
    if head.class == class::ACKED && head.reply_by_ms <= now.millis() {
        head.reply_by_ms = 0;
    }
    message
}

impl Reply {
    /// The numbers of the letters of an entry's durable messages.
    pub(crate) fn letters(&self, entry: &crate::flow::Entry) -> Vec<u64> {
        let Self::Operator(requeue) = self else { return Vec::new() };
        let place = |index: usize| requeue.places.get(index).and_then(|place| requeue.results.get(*place));
        entry.durable.iter().filter_map(|durable| Some(place(durable.index)?.number)).collect()
    }
}
