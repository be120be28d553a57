//! The one thread that writes: it takes what waits, writes it as one transaction, and tells how each part ended.
//!
//! ```text
//!   Store::write ─▶ queue ─▶ all that waits, within bounds ─▶ port.write ─▶ told, in order
//!                    │             full:   what only adds is refused, what ends is tried again
//!                    └─ refused ◀─ failed: as for full, after reopening and removing what may have been written
//! ```
//!
//! Bounds: [`GROUP_CHANGES_MAX`], [`GROUP_BYTES_MAX`], [`QUEUE_BYTES_MAX`]. While the store cannot write, only what ends
//! messages is queued; there is at most as much of it as there are messages.

use std::{
    sync::{
        Arc, Condvar, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicI64, AtomicU64, Ordering},
        mpsc,
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use caxton_abi::{Code, port::StoreOp};
use caxton_core::{
    agent::Directory,
    store::{Change, Store, Written},
};

use super::{
    port::Port,
    queue::{End, Entry, Queue},
    state::{Figures, Stage, State},
    transaction::{Purpose, Transaction},
};
use crate::clock::Clock;

/// Changes of one transaction: so many cost a store about as long as a sync of a common disk lasts, and the first must not
/// wait for many more.
pub const GROUP_CHANGES_MAX: usize = 4096;
/// Bytes of one transaction; a larger one still goes alone.
pub const GROUP_BYTES_MAX: usize = 4 << 20;
/// Bytes that wait to be written before what only adds is refused: some seconds of a slow disk.
pub const QUEUE_BYTES_MAX: usize = 64 << 20;
/// How long a caller of the host's own waits for its transaction.
const CALLER_MAX: Duration = Duration::from_secs(10);

/// How long the writer waits before it tries again.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    /// The first pause; each further one is twice as long.
    pub first: Duration,
    /// The longest pause while the disk is full, and how long new messages are refused without a try.
    pub full_max: Duration,
    /// The longest pause while the store has failed.
    pub failed_max: Duration,
}

impl Default for Pace {
    fn default() -> Self {
        Self {
            first: Duration::from_millis(100),
            full_max: Duration::from_secs(1),
            failed_max: Duration::from_secs(5),
        }
    }
}

/// Who is told how transactions end. Called from the writer's thread, without any of its locks.
pub trait Told: Send + Sync {
    /// The transaction of a ticket ended.
    fn stored(&self, ticket: u64, written: Written);
    /// The store is in another state.
    fn state(&self, state: &State);
}

/// Writes transactions to a store. Made by [`Writer::start`], ended by [`Writer::close`].
pub struct Writer {
    pub(super) names: Arc<dyn Directory>,
    pub(super) told: Arc<dyn Told>,
    pub(super) clock: Clock,
    pub(super) pace: Pace,
    pub(super) port: Mutex<Arc<dyn Port>>,
    pub(super) shared: Mutex<Shared>,
    /// Something for the thread to look at.
    pub(super) news: Condvar,
    /// The thread has nothing to do, or is between two calls of the port.
    pub(super) calm: Condvar,
    pub(super) messages: AtomicI64,
    /// Changes that were taken and have not ended.
    pub(super) waiting: AtomicU64,
    thread: Mutex<Option<JoinHandle<()>>>,
}

#[derive(Default)]
pub(super) struct Shared {
    pub(super) queue: Queue,
    /// Refused ones, to be told by the thread.
    pub(super) refused: Vec<(End, Code)>,
    pub(super) state: State,
    /// While the disk is full: when the next addition is tried.
    pub(super) probe_at: Option<Instant>,
    /// The thread works on what it took.
    pub(super) busy: bool,
    /// The port is being called.
    pub(super) calling: bool,
    /// The port is not to be called.
    pub(super) held: bool,
    /// A pause is to end at once.
    pub(super) hurry: bool,
    pub(super) closing: bool,
}

impl Store for Writer {
    fn write(&self, ticket: u64, changes: Vec<Change>) {
        self.submit(End::Ticket(ticket), Transaction::new(changes));
    }
}

impl Writer {
    /// Starts the thread over a store that holds `messages` messages.
    ///
    /// # Errors
    /// The operating system gives no thread.
    pub fn start(
        port: Arc<dyn Port>,
        names: Arc<dyn Directory>,
        told: Arc<dyn Told>,
        clock: Clock,
        pace: Pace,
        messages: usize,
    ) -> std::io::Result<Arc<Self>> {
        let state = State { since: clock.now(), ..State::default() };
        let writer = Arc::new(Self {
            names,
            told,
            clock,
            pace,
            port: Mutex::new(port),
            shared: Mutex::new(Shared { state, ..Shared::default() }),
            news: Condvar::new(),
            calm: Condvar::new(),
            messages: AtomicI64::new(i64::try_from(messages).unwrap_or(i64::MAX)),
            waiting: AtomicU64::new(0),
            thread: Mutex::default(),
        });
        let of_thread = Arc::clone(&writer);
        let thread = thread::Builder::new().name("store".into()).spawn(move || of_thread.run())?;
        *lock(&writer.thread) = Some(thread);
        Ok(writer)
    }

    /// Writes changes of the host's own, as something that must be written, and waits for the end.
    ///
    /// # Errors
    /// [`Code::STORING`] when it takes long: it is still tried.
    pub fn put(&self, changes: Vec<StoreOp>) -> Result<(), Code> {
        let (sender, end) = mpsc::sync_channel(1);
        self.submit(End::Caller(sender), Transaction::of(changes));
        end.recv_timeout(CALLER_MAX).unwrap_or(Err(Code::STORING))
    }

    /// The state and since when.
    pub fn state(&self) -> State {
        lock(&self.shared).state.clone()
    }

    /// What it holds.
    pub fn figures(&self) -> Figures {
        let messages = u64::try_from(self.messages.load(Ordering::Relaxed)).unwrap_or_default();
        Figures { messages, writing: self.waiting.load(Ordering::Relaxed) }
    }

    /// Waits until everything that was handed over has ended; false when the time passes first.
    pub fn flush(&self, longest: Duration) -> bool {
        let idle =
            |shared: &mut Shared| !(shared.queue.is_empty() && shared.refused.is_empty() && !shared.busy);
        let waited = self.calm.wait_timeout_while(lock(&self.shared), longest, idle);
        !waited.unwrap_or_else(PoisonError::into_inner).1.timed_out()
    }

    /// Ends a transaction under way and begins no other, until [`Writer::replace`] or [`Writer::release`]. What comes
    /// meanwhile waits.
    pub fn hold(&self) {
        let mut shared = lock(&self.shared);
        shared.held = true;
        drop(self.between_calls(shared));
    }

    /// Goes on with the same store after [`Writer::hold`].
    pub fn release(&self) {
        lock(&self.shared).held = false;
        self.news.notify_all();
    }

    /// Goes on with another port, between two transactions: the store must hold what the old one wrote. A store that has
    /// failed is opened again at once.
    pub fn replace(&self, port: Arc<dyn Port>) {
        let mut shared = self.between_calls(lock(&self.shared));
        *lock(&self.port) = port;
        shared.held = false;
        shared.hurry = true;
        drop(shared);
        self.news.notify_all();
    }

    /// Writes what there is, tries nothing again, and ends the thread. Later transactions are not answered: the server
    /// ends, and what they would have ended is there again when it starts.
    pub fn close(&self) {
        lock(&self.shared).closing = true;
        self.news.notify_all();
        if let Some(thread) = lock(&self.thread).take() {
            let _ended = thread.join();
        }
    }

    /// Queues a transaction, or refuses it where the store takes no more of its kind.
    fn submit(&self, end: End, transaction: Transaction) {
        let mut shared = lock(&self.shared);
        match shared.refuses(&transaction) {
            Some(code) => shared.refused.push((end, code)),
            None => {
                self.waiting.fetch_add(transaction.count() as u64, Ordering::Relaxed);
                shared.queue.push(Entry { end, transaction });
            }
        }
        drop(shared);
        self.news.notify_all();
    }
}

impl Shared {
    /// Why a transaction is not queued; `None` when it is.
    fn refuses(&self, transaction: &Transaction) -> Option<Code> {
        if transaction.purpose != Purpose::Adds {
            return None;
        }
        let probes = self.probe_at.is_none_or(|at| at <= Instant::now());
        match self.state.stage {
            Stage::Full if !probes => Some(Code::STORE_FULL),
            Stage::Failed | Stage::Closed => Some(Code::STORE_FAILED),
            _ if self.queue.bytes() + transaction.bytes > QUEUE_BYTES_MAX => Some(Code::TOO_MANY_WAITING),
            _ => None,
        }
    }
}

pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Nothing is left half done under these locks.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
