//! The newest dead letters, to be looked at, sent again or purged. Older ones are forgotten here and stay counted in the
//! books.

use std::collections::BTreeMap;

use caxton_abi::{Code, Envelope, class};

use crate::time::Time;

/// A message that could not be delivered.
#[derive(Clone, Debug)]
pub struct DeadLetter {
    /// Its number, by which operators name it.
    pub number: u64,
    /// When it was given up.
    pub at: Time,
    /// Why.
    pub code: Code,
    /// The message.
    pub envelope: Envelope,
}

impl DeadLetter {
    /// True when the letter lies in the store too.
    pub(crate) fn is_stored(&self) -> bool {
        self.envelope.head.class == class::DURABLE
    }
}

/// A bounded collection, oldest out.
pub(crate) struct DeadLetters {
    letters: BTreeMap<u64, Kept>,
    bytes: usize,
    forgotten: u64,
    letters_max: usize,
    bytes_max: usize,
}

struct Kept {
    letter: DeadLetter,
    /// It is being written, or sent again: operators wait until that is through.
    busy: bool,
}

impl DeadLetters {
    pub(crate) fn new(letters_max: usize, bytes_max: usize) -> Self {
        Self { letters: BTreeMap::new(), bytes: 0, forgotten: 0, letters_max, bytes_max }
    }

    /// Takes a letter in; returns those that it pushes out.
    pub(crate) fn push(&mut self, letter: DeadLetter) -> Vec<DeadLetter> {
        self.bytes += letter.envelope.content.len();
        self.letters.insert(letter.number, Kept { letter, busy: false });
        let mut out = Vec::new();
        while self.letters.len() > self.letters_max || self.bytes > self.bytes_max {
            let Some(oldest) = self.letters.keys().next().copied() else { break };
            out.extend(self.remove(oldest));
            self.forgotten += 1;
        }
        out
    }

    /// How many were pushed out so far.
    pub(crate) fn forgotten(&self) -> u64 {
        self.forgotten
    }

    /// The newest ones, newest first.
    pub(crate) fn newest(&self, limit: usize) -> Vec<DeadLetter> {
        self.letters.values().rev().take(limit).map(|kept| kept.letter.clone()).collect()
    }

    pub(crate) fn get(&self, number: u64) -> Option<DeadLetter> {
        self.letters.get(&number).map(|kept| kept.letter.clone())
    }

    /// Begins to send a letter again. [`Code::NOT_FOUND`] when it is not there, [`Code::STORING`] when that began
    /// already.
    pub(crate) fn begin_to_leave(&mut self, number: u64) -> Result<DeadLetter, Code> {
        let kept = self.letters.get_mut(&number).ok_or(Code::NOT_FOUND)?;
        if std::mem::replace(&mut kept.busy, true) {
            return Err(Code::STORING);
        }
        Ok(kept.letter.clone())
    }

    /// It is being written.
    pub(crate) fn hold(&mut self, number: u64) {
        if let Some(kept) = self.letters.get_mut(&number) {
            kept.busy = true;
        }
    }

    /// It was written, or stays after all.
    pub(crate) fn stay(&mut self, number: u64) {
        if let Some(kept) = self.letters.get_mut(&number) {
            kept.busy = false;
        }
    }

    /// Takes a letter out.
    pub(crate) fn remove(&mut self, number: u64) -> Option<DeadLetter> {
        let letter = self.letters.remove(&number)?.letter;
        self.bytes = self.bytes.saturating_sub(letter.envelope.content.len());
        Some(letter)
    }

    /// Takes a letter out, unless it is just being written or sent again.
    pub(crate) fn purge(&mut self, number: u64) -> Option<DeadLetter> {
        let busy = self.letters.get(&number).is_some_and(|kept| kept.busy);
        if busy { None } else { self.remove(number) }
    }
}

#[cfg(test)]
mod tests {
    use caxton_abi::{Header, Payload};

    use super::*;

    fn letter(number: u64, bytes: usize) -> DeadLetter {
        let head = Header { sender: 1, ..Header::default() };
        let envelope = Envelope::new(head, Payload::from(vec![0; bytes]));
        DeadLetter { number, at: Time::ZERO, code: Code::POISON, envelope }
    }

    fn numbers(letters: &DeadLetters) -> Vec<u64> {
        letters.newest(9).iter().map(|letter| letter.number).collect()
    }

    #[test]
    fn the_oldest_is_forgotten_and_counted() {
        let mut letters = DeadLetters::new(2, 1024);
        for number in 1..=3 {
            let out: Vec<_> = letters.push(letter(number, 0)).iter().map(|letter| letter.number).collect();
            assert_eq!(out, if number == 3 { vec![1] } else { vec![] });
        }
        assert_eq!((numbers(&letters), letters.forgotten()), (vec![3, 2], 1));
    }

    #[test]
    fn the_bytes_are_bounded_too() {
        let mut letters = DeadLetters::new(9, 10);
        letters.push(letter(1, 6));
        letters.push(letter(2, 6));
        assert_eq!(numbers(&letters), [2]);
    }

    #[test]
    fn a_letter_leaves_once() {
        let mut letters = DeadLetters::new(9, 10);
        letters.push(letter(1, 0));
        assert!(letters.begin_to_leave(1).is_ok());
        assert_eq!(letters.begin_to_leave(1).unwrap_err(), Code::STORING);
        assert!(letters.purge(1).is_none());
        letters.stay(1);
        assert!(letters.begin_to_leave(1).is_ok());
        letters.remove(1);
        assert_eq!(letters.begin_to_leave(1).unwrap_err(), Code::NOT_FOUND);
    }
}
