//! How far the server's life has come, and what a request learns of it.

use axum::http::Uri;
use caxton_plugin::Code;
use tokio::sync::watch;
use tracing::debug;

use crate::problem::Problem;

/// What is answered while the server drains.
const HEALTH: [&str; 2] = ["/healthz", "/readyz"];

/// The steps of a listener's life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Phase {
    Serving,
    /// Another instance listens: open connections are served until their next answer, which closes them.
    Handing,
    /// No new work is taken. While the whole server drains, health is still answered on new connections.
    Draining,
    /// The drain's time is nearly over: who still waits is told.
    GivingUp,
    Stopped,
}

impl Phase {
    /// Why a new request is not taken: only questions of health are while the server drains.
    pub(crate) fn refusal(self, uri: &Uri) -> Option<Problem> {
        let refused = self >= Self::Draining && !HEALTH.contains(&uri.path());
        refused.then(|| Problem::new(Code::SHUTTING_DOWN, "the server stops and takes no new work"))
    }

    /// True when a connection closes with its next answer.
    pub(crate) fn closes(self) -> bool {
        self >= Self::Handing
    }
}

/// The answer to who still waits at the end.
pub(crate) fn given_up() -> Problem {
    Problem::new(Code::SHUTTING_DOWN, "the server stops and has no answer yet")
}

/// Waits until the server's life has come to a phase, or nobody holds the server any more.
pub(crate) async fn reached(phase: &mut watch::Receiver<Phase>, wanted: Phase) {
    if phase.wait_for(|phase| *phase >= wanted).await.is_err() {
        debug!("the server was dropped");
    }
}
