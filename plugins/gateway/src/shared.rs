//! What every operation needs: the server, the configuration, the endpoint, the jobs and the attached agents.

use std::sync::{
    Arc, Mutex, MutexGuard, PoisonError,
    atomic::{AtomicBool, AtomicUsize, Ordering},
};

use caxton_plugin::{Code, Error, Host, asking::Correspondent};
use tokio::time::Instant;

use crate::{attachments::Attachments, config::Config, jobs::Jobs};

/// One instance's state.
pub(crate) struct Shared {
    pub(crate) host: Host,
    pub(crate) config: Config,
    /// The endpoint `gateway@PLATFORM`, the one who asks in jobs and contract nets.
    pub(crate) asking: Arc<Correspondent>,
    pub(crate) jobs: Jobs,
    pub(crate) attachments: Attachments,
    /// Contract nets that run.
    nets: AtomicUsize,
    clock: Clock,
    draining: AtomicBool,
}

/// The server's time, which never steps back while the plugin runs.
struct Clock {
    began: Instant,
    began_ms: u64,
}

impl Shared {
    pub(crate) fn new(host: Host, config: Config) -> Self {
        let asking =
            Correspondent::new(host.clone(), config.waiting_max).writing_within(config.request_timeout());
        let clock = Clock { began: Instant::now(), began_ms: host.now_ms() };
        Self {
            host,
            config,
            asking: Arc::new(asking),
            jobs: Jobs::default(),
            attachments: Attachments::default(),
            nets: AtomicUsize::new(0),
            clock,
            draining: AtomicBool::new(false),
        }
    }

    /// Milliseconds since the Unix epoch.
    pub(crate) fn now_ms(&self) -> u64 {
        self.clock.began_ms.saturating_add(self.clock.began.elapsed().as_millis() as u64)
    }

    /// Takes nothing new from now on, and holds nobody who waits for news.
    pub(crate) fn drain(&self) {
        self.draining.store(true, Ordering::Release);
        self.jobs.wake();
        self.attachments.wake();
    }

    /// Counts a contract net until it is dropped.
    pub(crate) fn net(self: &Arc<Self>) -> NetRuns {
        self.nets.fetch_add(1, Ordering::AcqRel);
        NetRuns(self.clone())
    }

    /// True while agents work for it.
    pub(crate) fn works(&self) -> bool {
        self.nets.load(Ordering::Acquire) > 0 || self.jobs.running() > 0
    }

    pub(crate) fn drains(&self) -> bool {
        self.draining.load(Ordering::Acquire)
    }

    /// # Errors
    /// [`Code::SHUTTING_DOWN`] when it drains.
    pub(crate) fn open(&self) -> Result<(), Error> {
        if self.drains() { Err(Error::from(Code::SHUTTING_DOWN)) } else { Ok(()) }
    }
}

/// A contract net that runs.
pub(crate) struct NetRuns(Arc<Shared>);

impl Drop for NetRuns {
    fn drop(&mut self) {
        self.0.nets.fetch_sub(1, Ordering::AcqRel);
    }
}

/// Every change under these locks is complete before anything can fail, so a poisoned one holds something usable.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
