//! Who runs next: one queue for each worker, and workers without work steal from the others.
//!
//! An agent goes to the queue of the worker on which it got its message, because that message is in this core's cache;
//! from outside it goes to the worker on which it ran last. A worker that only follows its own messages wakes nobody; it
//! wakes another one when more agents wait than itself. An agent whose mailbox holds a full batch after its turn goes on
//! for a slice of a millisecond, so that one on which many wait is not one among many in the queue. The agent's own cell makes sure that it is queued at most once,
//! so the queues hold at most as many entries as there are agents.

use {std::collections::VecDeque, std::sync::Arc, std::sync::OnceLock};

use crate::sync::{Mutex, MutexGuard, Ordering};
use crate::{cell::Cell, lanes::Lanes, port::Wake, sync::lock};

/// The queues.
pub(crate) struct RunQueue {
    queues: Lanes<Mutex<VecDeque<Arc<Cell>>>>,
    workers: usize,
    wake: OnceLock<Arc<dyn Wake>>,
}

impl RunQueue {
    pub(crate) fn new(workers: usize) -> Self {
        let workers = workers.max(1);
        Self { queues: Lanes::new(workers, Mutex::default), workers, wake: OnceLock::new() }
    }

    /// Sets who wakes the threads; only the first call counts.
    pub(crate) fn set_wake(&self, wake: Arc<dyn Wake>) {
        // A second caller would take the first one's wakes away; the host sets it once, before it starts workers.
        let _first_wins = self.wake.set(wake);
    }

    pub(crate) fn workers(&self) -> usize {
        self.workers
    }

    /// Appends an agent that was just marked as queued. `lane` is the worker whose thread this is.
    pub(crate) fn push(&self, cell: Arc<Cell>, lane: usize) {
        if lane < self.workers {
            let mut queue = lock(self.queues.get(lane));
            if cell.goes_on.load(Ordering::Relaxed) {
                queue.push_front(cell);
            } else {
                queue.push_back(cell);
            }
            return self.wake_if_more(queue, lane);
        }
        let home = cell.home.load(Ordering::Relaxed) % self.workers;
        lock(self.queues.get(home)).push_back(cell);
        self.wake(home);
    }

    /// Appends agents to the queue of the worker whose thread this is.
    pub(crate) fn push_all(&self, cells: &mut Vec<Arc<Cell>>, lane: usize) {
        if lane >= self.workers {
            return cells.drain(..).for_each(|cell| self.push(cell, lane));
        }
        let mut queue = lock(self.queues.get(lane));
        queue.extend(cells.drain(..));
        self.wake_if_more(queue, lane);
    }

    /// Wakes another worker when more agents wait than this one takes next.
    fn wake_if_more(&self, queue: MutexGuard<'_, VecDeque<Arc<Cell>>>, lane: usize) {
        let others_have_work = queue.len() > 1;
        drop(queue);
        if others_have_work {
            self.wake(lane);
        }
    }

    fn wake(&self, worker: usize) {
        if let Some(wake) = self.wake.get() {
            wake.wake(worker);
        }
    }

    /// Takes the worker's next agent, else another worker's.
    pub(crate) fn pop(&self, worker: usize) -> Option<Arc<Cell>> {
        let next = (0..self.workers)
            .map(|step| (worker + step) % self.workers)
            .find_map(|from| lock(self.queues.get(from)).pop_front());
        next.inspect(|cell| cell.home.store(worker, Ordering::Relaxed))
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.queues.iter().all(|queue| lock(queue).is_empty())
    }
}
