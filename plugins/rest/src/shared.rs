//! What every request needs: the server, the configuration, and the endpoint with those who wait for answers at it.

use std::sync::Arc;

use caxton_plugin::{Host, asking::Correspondent};
use tokio::sync::{Semaphore, watch};

use crate::{config::Config, phase::Phase};

/// One instance's state.
pub(crate) struct Shared {
    pub(crate) host: Host,
    pub(crate) config: Config,
    /// The endpoint `rest@PLATFORM`.
    pub(crate) asking: Arc<Correspondent>,
    /// How far the listener's life has come.
    pub(crate) phase: watch::Sender<Phase>,
    /// Places for streams.
    pub(crate) streams: Arc<Semaphore>,
}

impl Shared {
    pub(crate) fn new(host: Host, config: Config) -> Self {
        let asking = Correspondent::new(host.clone(), config.waiting_max)
            .counting_from(config.reply_with)
            .writing_within(config.request_timeout());
        let phase = watch::Sender::new(Phase::Serving);
        let streams = Arc::new(Semaphore::new(config.streams_max.min(Semaphore::MAX_PERMITS)));
        Self { host, config, asking: Arc::new(asking), phase, streams }
    }
}
