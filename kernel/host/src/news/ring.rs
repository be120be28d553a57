//! A bounded ring of numbered items: whoever reads with a cursor sees each once and in order, or learns how many it missed.

use std::{
    collections::VecDeque,
    sync::{Mutex, MutexGuard, PoisonError},
};

use tokio::sync::watch;

/// The ring.
pub struct Ring<T> {
    kept: Mutex<Kept<T>>,
    /// The newest number, for those who wait.
    newest: watch::Sender<u64>,
    items_max: usize,
    bytes_max: usize,
}

/// Items with their sizes, the oldest first.
struct Kept<T> {
    items: VecDeque<(usize, T)>,
    bytes: usize,
    /// The newest item's number; numbers begin with 1 and have no gaps.
    newest: u64,
}

/// What a reader gets.
#[derive(Debug, PartialEq, Eq)]
pub struct Page<T> {
    /// Items with their numbers, the oldest first.
    pub items: Vec<(u64, T)>,
    /// What to read after next.
    pub next: u64,
    /// Items that left the ring before they were asked for.
    pub lost: u64,
}

impl<T: Clone> Ring<T> {
    /// An empty ring with its bounds.
    pub fn new(items_max: usize, bytes_max: usize) -> Self {
        let kept = Kept { items: VecDeque::new(), bytes: 0, newest: 0 };
        Self { kept: Mutex::new(kept), newest: watch::Sender::new(0), items_max, bytes_max }
    }

    /// Adds an item of a size; the oldest leave when there is no room.
    pub fn push(&self, bytes: usize, item: T) {
        let mut kept = self.kept();
        kept.newest += 1;
        kept.bytes += bytes;
        kept.items.push_back((bytes, item));
        while kept.items.len() > self.items_max || kept.bytes > self.bytes_max {
            let Some((bytes, _)) = kept.items.pop_front() else { break };
            kept.bytes -= bytes;
        }
        let newest = kept.newest;
        drop(kept);
        self.newest.send_replace(newest);
    }

    /// Tells of every item that is added from now on.
    pub fn watch(&self) -> watch::Receiver<u64> {
        self.newest.subscribe()
    }

    /// The first items after a number that are wanted. A number beyond the newest is of an earlier server, and the ring
    /// is read from its beginning.
    pub fn after(&self, after: u64, limit: usize, wanted: impl Fn(&T) -> bool) -> Page<T> {
        let kept = self.kept();
        let after = if after > kept.newest { 0 } else { after };
        let before_first = kept.newest - kept.items.len() as u64;
        let from = after.max(before_first);
        let skipped = usize::try_from(from - before_first).unwrap_or(usize::MAX);
        let mut page = Page { items: Vec::new(), next: kept.newest, lost: from - after };
        for (number, (_, item)) in (from + 1..).zip(kept.items.iter().skip(skipped)) {
            if wanted(item) {
                page.items.push((number, item.clone()));
                if page.items.len() >= limit {
                    page.next = number;
                    break;
                }
            }
        }
        page
    }

    /// After which number the newest wanted items begin.
    pub fn tail(&self, count: usize, wanted: impl Fn(&T) -> bool) -> u64 {
        let kept = self.kept();
        let numbered = (0..kept.newest).rev().zip(kept.items.iter().rev());
        let mut found = numbered.filter(|(_, (_, item))| wanted(item)).map(|(before, _)| before);
        match count.checked_sub(1) {
            Some(last) => found.nth(last).unwrap_or(kept.newest - kept.items.len() as u64),
            None => kept.newest,
        }
    }

    fn kept(&self) -> MutexGuard<'_, Kept<T>> {
        // Counters and items change together within one statement each; at worst an item's size is counted twice.
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ring(count: u64) -> Ring<u64> {
        let ring = Ring::new(4, 1_000);
        (1..=count).for_each(|number| ring.push(1, number));
        ring
    }

    fn numbers(page: &Page<u64>) -> Vec<u64> {
        assert!(page.items.iter().all(|(number, item)| number == item));
        page.items.iter().map(|(number, _)| *number).collect()
    }

    #[test]
    fn a_reader_sees_each_item_once_and_in_order() {
        let ring = ring(3);
        let first = ring.after(0, 2, |_| true);
        assert_eq!((numbers(&first), first.next, first.lost), (vec![1, 2], 2, 0));
        let second = ring.after(first.next, 2, |_| true);
        assert_eq!((numbers(&second), second.next, second.lost), (vec![3], 3, 0));
        let nothing = ring.after(3, 2, |_| true);
        assert_eq!((numbers(&nothing), nothing.next, nothing.lost), (vec![], 3, 0));
    }

    #[test]
    fn who_reads_too_late_learns_how_many_were_lost() {
        let ring = ring(10);
        let page = ring.after(2, 10, |_| true);
        assert_eq!((numbers(&page), page.lost), (vec![7, 8, 9, 10], 4));
        assert_eq!(ring.after(8, 10, |_| true).lost, 0);
    }

    #[test]
    fn large_items_push_out_more_than_one() {
        let ring = ring(4);
        ring.push(998, 5);
        assert_eq!(numbers(&ring.after(0, 10, |_| true)), [3, 4, 5]);
        ring.push(2_000, 6);
        assert_eq!((numbers(&ring.after(5, 10, |_| true)), ring.after(5, 10, |_| true).lost), (vec![], 1));
    }

    #[test]
    fn what_is_not_wanted_is_read_over() {
        let ring = ring(4);
        let page = ring.after(0, 10, |number| number % 2 == 0);
        assert_eq!((numbers(&page), page.next), (vec![2, 4], 4));
        assert_eq!(ring.after(0, 10, |_| false).next, 4);
    }

    #[test]
    fn a_tail_begins_with_the_newest_that_are_wanted() {
        let ring = ring(4);
        assert_eq!([0, 1, 3, 9].map(|count| ring.tail(count, |_| true)), [4, 3, 1, 0]);
        assert_eq!(ring.tail(1, |number| *number == 2), 1);
        assert_eq!(ring.tail(1, |_| false), 0);
    }

    #[test]
    fn a_cursor_of_an_earlier_server_begins_anew() {
        let page = ring(3).after(900, 10, |_| true);
        assert_eq!((numbers(&page), page.next, page.lost), (vec![1, 2, 3], 3, 0));
    }
}
