//! How many of a plugin's threads may be lent to run agents at once.
//!
//! A guest may compute until its deadline. So a plugin keeps a thread for its own work, and who finds no place leaves the
//! agent to the workers.

use std::sync::atomic::{AtomicUsize, Ordering};

/// Places for lenders.
pub(super) struct Places(AtomicUsize);

/// A place that is held while this lives.
pub(super) struct Held<'a>(&'a Places);

impl Places {
    pub(super) fn new(max: usize) -> Self {
        Self(AtomicUsize::new(max))
    }

    /// Takes a place; `None` when none is free.
    pub(super) fn take(&self) -> Option<Held<'_>> {
        let less = |free: usize| free.checked_sub(1);
        let taken = self.0.fetch_update(Ordering::Acquire, Ordering::Relaxed, less);
        taken.is_ok().then_some(Held(self))
    }
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        self.0.0.fetch_add(1, Ordering::Release);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_free_again_when_its_lender_is_back() {
        let places = Places::new(1);
        let held = places.take();
        assert!(held.is_some() && places.take().is_none());
        drop(held);
        assert!(places.take().is_some());
    }
}
