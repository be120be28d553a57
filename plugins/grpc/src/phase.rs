//! How far the server's life has come, and what a call learns of it.

use caxton_plugin::{Code, Error};
use tokio::sync::watch;
use tracing::debug;

/// The steps of a listener's life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Phase {
    Serving,
    /// No new connection and no new call is taken; streams that do not end by themselves are ended.
    Draining,
    /// The drain's time is nearly over: who still waits is told.
    GivingUp,
    Stopped,
}

/// Why a stream or a call ends before its time.
pub(crate) fn given_up() -> Error {
    Error::new(Code::SHUTTING_DOWN, "the server stops or is exchanged, so the call was ended; call again")
}

/// Waits until the server's life has come to a phase, or nobody holds the server any more.
pub(crate) async fn reached(phase: &mut watch::Receiver<Phase>, wanted: Phase) {
    if phase.wait_for(|phase| *phase >= wanted).await.is_err() {
        debug!("the server was dropped");
    }
}
