//! What every call needs: the server, the configuration, the endpoint, how far its life has come, and room for streams.

use std::sync::Arc;

use caxton_plugin::{Code, Error, Host, asking::Correspondent};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};

use crate::{config::Config, phase::Phase};

/// One instance's state.
pub(crate) struct Shared {
    pub(crate) host: Host,
    pub(crate) config: Config,
    /// The endpoint `grpc@PLATFORM`.
    pub(crate) asking: Arc<Correspondent>,
    /// How far the life of the listener has come.
    pub(crate) phase: watch::Sender<Phase>,
    /// One for each stream that does not end by itself.
    streams: Arc<Semaphore>,
}

impl Shared {
    pub(crate) fn new(host: Host, config: Config) -> Self {
        let asking = Correspondent::new(host.clone(), config.waiting_max)
            .counting_from(config.reply_with)
            .writing_within(config.request_timeout());
        let streams = Arc::new(Semaphore::new(config.streams_max.min(Semaphore::MAX_PERMITS)));
        let (phase, _) = watch::channel(Phase::Serving);
        Self { host, config, asking: Arc::new(asking), phase, streams }
    }

    /// Room for a stream, until it is dropped.
    ///
    /// # Errors
    /// When there are as many as there may be.
    pub(crate) fn stream(&self) -> Result<OwnedSemaphorePermit, Error> {
        self.streams.clone().try_acquire_owned().map_err(|_| {
            let max = self.config.streams_max;
            let message = format!("{max} streams are open, which is the limit (streams_max)");
            Error::new(Code::TOO_MANY_WAITING, message)
        })
    }
}
