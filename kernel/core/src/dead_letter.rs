//! The newest dead letters, to be looked at. Older ones are forgotten here and stay counted in the books.

use std::collections::VecDeque;

use caxton_abi::{Code, Envelope};

use crate::time::Time;

/// A message that could not be delivered.
#[derive(Clone, Debug)]
pub struct DeadLetter {
    /// When it was given up.
    pub at: Time,
    /// Why.
    pub code: Code,
    /// The message.
    pub envelope: Envelope,
}

/// A bounded store, oldest out.
pub(crate) struct DeadLetters {
    letters: VecDeque<DeadLetter>,
    bytes: usize,
    letters_max: usize,
    bytes_max: usize,
}

impl DeadLetters {
    pub(crate) fn new(letters_max: usize, bytes_max: usize) -> Self {
        Self { letters: VecDeque::new(), bytes: 0, letters_max, bytes_max }
    }

    pub(crate) fn push(&mut self, letter: DeadLetter) {
        self.bytes += letter.envelope.content.len();
        self.letters.push_back(letter);
        while self.letters.len() > self.letters_max || self.bytes > self.bytes_max {
            let Some(oldest) = self.letters.pop_front() else { break };
            self.bytes = self.bytes.saturating_sub(oldest.envelope.content.len());
        }
    }

    /// The newest ones, newest first.
    pub(crate) fn newest(&self, limit: usize) -> Vec<DeadLetter> {
        self.letters.iter().rev().take(limit).cloned().collect()
    }
}

#[cfg(test)]
mod tests {
    use caxton_abi::{Header, Payload};

    use super::*;

    #[test]
    fn the_oldest_is_forgotten() {
        let mut store = DeadLetters::new(2, 1024);
        for sender in 1..=3 {
            let head = Header { sender, ..Header::default() };
            let envelope = Envelope::new(head, Payload::EMPTY);
            store.push(DeadLetter { at: Time::ZERO, code: Code::POISON, envelope });
        }
        let senders: Vec<_> = store.newest(9).iter().map(|l| l.envelope.head.sender).collect();
        assert_eq!(senders, [3, 2]);
    }
}
