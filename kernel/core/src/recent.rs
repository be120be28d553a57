//! A bounded memory of what was noted last, in two generations: when the younger one is full, the older one goes.
//!
//! Noting costs one look-up, forgetting nothing, and at least half of the bound is always kept.

use std::{collections::HashMap, hash::Hash};

use foldhash::fast::RandomState;

/// The memory. An older note of a key may lie beside its newest one.
pub(crate) struct Recent<K, V> {
    young: HashMap<K, V, RandomState>,
    old: HashMap<K, V, RandomState>,
}

impl<K, V> Default for Recent<K, V> {
    fn default() -> Self {
        Self { young: HashMap::default(), old: HashMap::default() }
    }
}

impl<K: Copy + Eq + Hash, V: Copy> Recent<K, V> {
    /// Notes a key; at most `max` are kept, and one at least.
    pub(crate) fn note(&mut self, key: K, value: V, max: usize) {
        if let Some(known) = self.young.get_mut(&key) {
            *known = value;
            return;
        }
        if self.young.len() >= (max / 2).max(1) {
            self.age();
        }
        self.young.insert(key, value);
    }

    /// Lets the younger generation be the older one.
    pub(crate) fn age(&mut self) {
        std::mem::swap(&mut self.young, &mut self.old);
        self.young.clear();
    }

    pub(crate) fn get(&self, key: K) -> Option<V> {
        self.young.get(&key).or_else(|| self.old.get(&key)).copied()
    }

    pub(crate) fn remove(&mut self, key: K) {
        if !self.is_empty() {
            self.young.remove(&key);
            self.old.remove(&key);
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.young.len() + self.old.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    pub(crate) fn retain(&mut self, keeps: impl Fn(K, V) -> bool) {
        let young = &self.young;
        self.old.retain(|key, value| !young.contains_key(key) && keeps(*key, *value));
        self.young.retain(|key, value| keeps(*key, *value));
    }

    pub(crate) fn values_mut(&mut self) -> impl Iterator<Item = &mut V> {
        self.young.values_mut().chain(self.old.values_mut())
    }

    /// Every key once, with its newest value, in no order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (K, V)> {
        let older = self.old.iter().filter(|(key, _)| !self.young.contains_key(key));
        self.young.iter().chain(older).map(|(key, value)| (*key, *value))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_half_goes_when_it_is_full() {
        let mut recent = Recent::default();
        (0..7).for_each(|n| recent.note(n, n * 10, 4));
        assert_eq!(recent.get(3), None);
        assert_eq!([4, 5, 6].map(|n| recent.get(n)), [Some(40), Some(50), Some(60)]);
        assert!(recent.len() <= 4);
    }

    #[test]
    fn a_key_that_is_noted_again_counts_once_and_stays() {
        let mut recent = Recent::default();
        [1, 2, 3, 1].into_iter().for_each(|n| recent.note(n, n, 4));
        let mut all: Vec<_> = recent.iter().collect();
        all.sort_unstable();
        assert_eq!(all, [(1, 1), (2, 2), (3, 3)]);
        recent.note(4, 4, 4);
        assert_eq!((recent.get(1), recent.get(2)), (Some(1), None));
    }

    #[test]
    fn what_is_removed_is_gone_from_both_generations() {
        let mut recent = Recent::default();
        [1, 2, 3, 1].into_iter().for_each(|n| recent.note(n, n, 4));
        recent.remove(1);
        recent.retain(|n, _| n != 2);
        assert_eq!(recent.iter().collect::<Vec<_>>(), [(3, 3)]);
    }
}
