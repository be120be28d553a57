//! Who runs next: one queue for each worker, and workers without work steal from the others.
//!
//! An agent goes to the queue of its home worker, so that its memory stays warm in one core. The agent's own cell makes
//! sure that it is queued at most once, so the queues hold at most as many entries as there are agents.

use {std::collections::VecDeque, std::sync::Arc, std::sync::OnceLock};

use crate::sync::Mutex;
use crate::{cell::Cell, port::Wake, sync::lock};

/// The queues.
pub(crate) struct RunQueue {
    queues: Vec<Mutex<VecDeque<Arc<Cell>>>>,
    wake: OnceLock<Arc<dyn Wake>>,
}

impl RunQueue {
    pub(crate) fn new(workers: usize) -> Self {
        let queues = (0..workers.max(1)).map(|_| Mutex::default()).collect();
        Self { queues, wake: OnceLock::new() }
    }

    /// Sets who wakes the threads; only the first call counts.
    pub(crate) fn set_wake(&self, wake: Arc<dyn Wake>) {
        // A second caller would take the first one's wakes away; the host sets it once, before it starts workers.
        let _first_wins = self.wake.set(wake);
    }

    pub(crate) fn workers(&self) -> usize {
        self.queues.len()
    }

    /// Appends an agent to its home queue. The caller has just marked it as queued.
    pub(crate) fn push(&self, cell: Arc<Cell>) {
        let home = cell.address as usize % self.queues.len();
        if let Some(queue) = self.queues.get(home) {
            lock(queue).push_back(cell);
        }
        if let Some(wake) = self.wake.get() {
            wake.wake(home);
        }
    }

    /// Takes the worker's next agent, else another worker's.
    pub(crate) fn pop(&self, worker: usize) -> Option<Arc<Cell>> {
        let count = self.queues.len();
        (0..count)
            .filter_map(|step| self.queues.get((worker % count + step) % count))
            .find_map(|queue| lock(queue).pop_front())
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.queues.iter().all(|queue| lock(queue).is_empty())
    }
}
