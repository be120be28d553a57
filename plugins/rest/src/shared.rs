//! What every request needs: the server, the configuration, the endpoint's address and who waits for what.

use std::sync::{
    Arc,
    atomic::{AtomicU32, Ordering},
};

use caxton_plugin::{Code, Envelope, Host, Outcome, TraceContext, abi::class};

use crate::{config::Config, envelope::Sender, problem::Problem, waiting::Waiting};

/// One instance's state.
pub(crate) struct Shared {
    pub(crate) host: Host,
    pub(crate) config: Config,
    pub(crate) waiting: Arc<Waiting>,
    /// The claimed address of `rest@PLATFORM`; zero before the start.
    address: AtomicU32,
    /// The last reply-with that was given out.
    numbers: AtomicU32,
}

impl Shared {
    pub(crate) fn new(host: Host, config: Config) -> Self {
        let waiting = Arc::new(Waiting::new(config.waiting_max));
        let numbers = AtomicU32::new(config.reply_with);
        Self { host, config, waiting, address: AtomicU32::new(0), numbers }
    }

    pub(crate) fn address(&self) -> u32 {
        self.address.load(Ordering::Acquire)
    }

    pub(crate) fn set_address(&self, address: u32) -> u32 {
        self.address.swap(address, Ordering::AcqRel)
    }

    /// A fresh number for a reply-with, never zero; unique among four thousand million.
    pub(crate) fn number(&self) -> u32 {
        match self.numbers.fetch_add(1, Ordering::Relaxed).wrapping_add(1) {
            0 => self.number(),
            number => number,
        }
    }

    /// A number that this instance will not come to while it drains; the next instance counts from there.
    pub(crate) fn numbers_for_the_next(&self) -> u32 {
        /// More than any instance asks in the time of a drain.
        const AHEAD: u32 = 1 << 24;
        self.numbers.load(Ordering::Relaxed).wrapping_add(AHEAD)
    }

    pub(crate) fn sender(&self, trace: Option<TraceContext>) -> Sender<'_> {
        Sender { host: &self.host, address: self.address(), number: self.number(), trace }
    }

    /// Submits messages and answers with one outcome each, when those that are durable are on disk.
    ///
    /// # Errors
    /// When the store does not end its write within the request timeout; what then became of the messages is not known.
    pub(crate) async fn submit(&self, batch: Vec<Envelope>) -> Result<Vec<Outcome>, Problem> {
        if batch.iter().all(|envelope| envelope.head.class != class::DURABLE) {
            return Ok(self.host.submit(batch));
        }
        let written = self.host.submit_and_wait(batch);
        tokio::time::timeout(self.config.request_timeout(), written).await.map_err(|_| {
            let detail = format!(
                "the store did not write within {} ms; send it again with the same `id` to learn what became of it",
                self.config.request_timeout_ms
            );
            Problem::new(Code::REPLY_TIMEOUT, detail)
        })
    }
}
