//! One of something for each worker, and one for everybody else, so that workers do not write to the same memory.

use crate::sync::Ordering;

/// As far apart as processors fetch lines of the cache: two lines of 64 bytes.
#[derive(Default)]
#[repr(align(128))]
struct Apart<T>(T);

/// The lanes. A number beyond the workers is the lane of everybody else.
pub(crate) struct Lanes<T> {
    workers: Box<[Apart<T>]>,
    others: Apart<T>,
}

impl<T> Lanes<T> {
    pub(crate) fn new(workers: usize, mut make: impl FnMut() -> T) -> Self {
        Self { workers: (0..workers).map(|_| Apart(make())).collect(), others: Apart(make()) }
    }

    pub(crate) fn get(&self, lane: usize) -> &T {
        &self.workers.get(lane).unwrap_or(&self.others).0
    }

    /// What belongs to everybody who is no worker.
    pub(crate) fn others(&self) -> &T {
        &self.others.0
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &T> {
        self.workers.iter().chain([&self.others]).map(|lane| &lane.0)
    }
}

/// A number that is counted up in one lane and down in another; only the sum means something.
pub(crate) type Count = Lanes<crate::sync::AtomicU64>;

impl Count {
    pub(crate) fn sum(&self) -> u64 {
        self.iter().fold(0, |sum, lane| sum.wrapping_add(lane.load(Ordering::Acquire)))
    }
}
