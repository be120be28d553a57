//! What every request needs: the server, the configuration, the endpoint's address and who waits for what.

use std::sync::{
    Arc,
    atomic::{AtomicU32, Ordering},
};

use caxton_plugin::{Envelope, Host, Outcome, TraceContext};

use crate::{config::Config, envelope::Sender, waiting::Waiting};

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
        Self { host, config, waiting, address: AtomicU32::new(0), numbers: AtomicU32::new(0) }
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

    pub(crate) fn sender(&self, trace: Option<TraceContext>) -> Sender<'_> {
        Sender { host: &self.host, address: self.address(), number: self.number(), trace }
    }

    /// Submits one message.
    pub(crate) fn submit_one(&self, envelope: Envelope) -> Outcome {
        self.host.submit(vec![envelope]).into_iter().next().unwrap_or_default()
    }
}
