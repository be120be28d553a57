//! Numbers of messages by delivery class.
//!
//! The books are kept for each class, so whatever holds messages counts them this way. Only the door lets a class in,
//! and it knows no others.

use std::{
    iter::Sum,
    ops::{Add, AddAssign},
};

use caxton_abi::{Envelope, class};

/// So many of each class.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tally([u64; class::COUNT]);

impl Tally {
    /// The messages given.
    pub(crate) fn of<'m>(messages: impl IntoIterator<Item = &'m Envelope>) -> Self {
        let mut tally = Self::default();
        for message in messages {
            tally.put(message);
        }
        tally
    }

    /// So many of one class.
    pub(crate) fn new(class: u8, messages: u64) -> Self {
        let mut tally = Self::default();
        if let Some(count) = tally.0.get_mut(usize::from(class)) {
            *count = messages;
        }
        tally
    }

    pub(crate) fn put(&mut self, message: &Envelope) {
        if let Some(count) = self.0.get_mut(usize::from(message.head.class)) {
            *count += 1;
        }
    }

    pub(crate) fn take(&mut self, message: &Envelope) {
        if let Some(count) = self.0.get_mut(usize::from(message.head.class)) {
            *count = count.saturating_sub(1);
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.iter().all(|count| *count == 0)
    }

    pub(crate) fn counts(&self) -> [u64; class::COUNT] {
        self.0
    }
}

impl From<&Envelope> for Tally {
    fn from(message: &Envelope) -> Self {
        Self::new(message.head.class, 1)
    }
}

impl From<&Vec<Envelope>> for Tally {
    fn from(messages: &Vec<Envelope>) -> Self {
        Self::of(messages)
    }
}

impl AddAssign for Tally {
    fn add_assign(&mut self, other: Self) {
        for (mine, theirs) in self.0.iter_mut().zip(other.0) {
            *mine += theirs;
        }
    }
}

impl Add for Tally {
    type Output = Self;
    fn add(mut self, other: Self) -> Self {
        self += other;
        self
    }
}

impl Sum for Tally {
    fn sum<I: Iterator<Item = Self>>(tallies: I) -> Self {
        tallies.fold(Self::default(), Self::add)
    }
}
