//! Control operations that an instance answers: how many at once, and when they end without an answer.
//!
//! Such a call may wait for news for half a minute, and hundreds may wait at once, so each is a future and holds no
//! thread. It is cancelled by dropping it. When the instance or the server leaves, calls get a moment to finish; who
//! still waits then is told.

use std::{sync::Arc, thread, time::Duration};

use caxton_abi::{Code, Payload, plugin::PluginBox};
use tokio::{
    sync::{Semaphore, watch},
    time::timeout,
};

use super::{
    Failure, Instance, State,
    fence::{Course, Fence},
};

/// Calls that an instance answers at once; more are refused. Each costs a few kilobytes while it waits.
pub const CALLS_MAX: usize = 4_096;
/// How long calls may go on when the instance drains or the server stops: enough for those that do something, short
/// for those that wait for news.
const CALLS_END: Duration = Duration::from_millis(500);

/// Places for calls.
pub(super) struct Calls(Semaphore);

impl Default for Calls {
    fn default() -> Self {
        Self(Semaphore::new(CALLS_MAX))
    }
}

impl Instance {
    /// Runs an operation of the plugin's own for a caller. `stops` turns true when the server begins to stop.
    ///
    /// # Errors
    /// The plugin's own. [`Code::PLUGIN_UNAVAILABLE`] when it is not running or leaves, [`Code::SHUTTING_DOWN`] when the
    /// server stops, [`Code::TOO_MANY_WAITING`].
    pub async fn serve(
        &self,
        verb: &str,
        request: Payload,
        stops: watch::Receiver<bool>,
    ) -> Result<Payload, Failure> {
        let _place = self.calls().0.try_acquire().map_err(|_| full(self.name()))?;
        let course = self.fence().course();
        if !matches!(self.state(), State::Running | State::Degraded(_)) {
            return Err(unavailable(self.fence()));
        }
        tokio::select! {
            biased;
            answer = self.invoke(verb, request) => answer,
            failure = ended(self.fence(), course, stops) => Err(failure),
        }
    }
}

/// Waits until calls have to end.
async fn ended(
    fence: &Fence,
    mut course: watch::Receiver<Course>,
    mut stops: watch::Receiver<bool>,
) -> Failure {
    // Their senders outlive the call, so waiting does not fail.
    tokio::select! {
        _ = course.wait_for(|course| *course != Course::Works) => {}
        _ = stops.wait_for(|stops| *stops) => {}
    }
    let _at_once_or_later = timeout(CALLS_END, course.wait_for(|course| *course == Course::Ends)).await;
    match *stops.borrow() {
        true => Failure::new(Code::SHUTTING_DOWN, "the server stops: ask again when it runs"),
        false => unavailable(fence),
    }
}

fn unavailable(fence: &Fence) -> Failure {
    let text = format!("plugin `{}` is {}: ask again when it runs", fence.name(), fence.state().as_str());
    Failure { retryable: true, ..Failure::new(Code::PLUGIN_UNAVAILABLE, text) }
}

fn full(plugin: &str) -> Failure {
    let text = format!("{CALLS_MAX} callers wait for plugin `{plugin}`: ask again later");
    Failure { retryable: true, ..Failure::new(Code::TOO_MANY_WAITING, text) }
}

/// The plugin's object for the length of a call. When the call outlives the instance, the object is dropped on a thread
/// of its own: its destructor may block.
pub(super) struct Lease(Option<Arc<PluginBox>>);

impl Lease {
    pub(super) fn new(plugin: Arc<PluginBox>) -> Self {
        Self(Some(plugin))
    }

    pub(super) fn plugin(&self) -> Option<&PluginBox> {
        self.0.as_deref()
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        if let Some(last) = self.0.take().and_then(Arc::into_inner) {
            // Without a thread it is dropped here.
            let _left_alone = thread::Builder::new().name("plugin-drop".into()).spawn(move || drop(last));
        }
    }
}
