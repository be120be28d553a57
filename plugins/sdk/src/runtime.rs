//! A plugin's own tokio runtime, and the future that enters it.
//!
//! A library has its own copy of tokio with its own thread-locals, so the server's runtime means nothing to it. The
//! server polls a plugin's future on its own threads; [`Contained`] enters the plugin's runtime for each poll and for
//! the drop, which costs about 0.1 µs, where a hop to a thread of the runtime would cost 10 µs. Cancelling is dropping.

use std::{
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use caxton_abi::{
    BorrowingFfiFuture, Code,
    plugin::PResult,
    std_types::RResult::{RErr, ROk},
};
use tokio::runtime::{Builder, Handle, Runtime};

use crate::{Error, guard::Guard};

/// How long a runtime waits for blocking work when the instance is dropped.
const SHUTDOWN_TIMEOUT: Duration = Duration::from_secs(2);

/// A runtime that ends with its owner, on whatever thread that happens.
pub struct OwnRuntime {
    runtime: Option<Runtime>,
}

impl OwnRuntime {
    /// Makes a runtime; threads carry the plugin's name. Zero threads mean one: tokio's default, a thread for each
    /// core in each plugin, is too many.
    ///
    /// # Errors
    /// When the operating system gives no thread.
    pub fn new(name: &str, worker_threads: u32) -> Result<Self, Error> {
        let runtime = Builder::new_multi_thread()
            .worker_threads(worker_threads.max(1) as usize)
            .thread_name(name)
            .enable_all()
            .build()
            .map_err(|error| {
                Error::new(Code::PLUGIN_CREATE_FAILED, format!("no runtime for `{name}`: {error}"))
            })?;
        Ok(Self { runtime: Some(runtime) })
    }

    /// The runtime's handle.
    pub fn handle(&self) -> Option<Handle> {
        self.runtime.as_ref().map(|runtime| runtime.handle().clone())
    }
}

impl Drop for OwnRuntime {
    fn drop(&mut self) {
        let Some(runtime) = self.runtime.take() else { return };
        if Handle::try_current().is_ok() {
            // Dropped by a task of a runtime of this library's tokio, which must not block.
            runtime.shutdown_background();
        } else {
            runtime.shutdown_timeout(SHUTDOWN_TIMEOUT);
        }
    }
}

/// A future of the author's code, on the heap: one for each step of the life cycle or operation, not for each message.
type Boxed<'a, T> = Pin<Box<dyn Future<Output = Result<T, Error>> + Send + 'a>>;

/// A future of the author's code: guarded and inside the plugin's runtime on every poll and on drop.
pub struct Contained<'a, T> {
    guard: Arc<Guard>,
    operation: &'static str,
    future: Option<Boxed<'a, T>>,
}

impl<'a, T: Send + 'a> Contained<'a, T> {
    /// Contains a future.
    pub fn new(
        guard: Arc<Guard>,
        operation: &'static str,
        future: impl Future<Output = Result<T, Error>> + Send + 'a,
    ) -> Self {
        Self { guard, operation, future: Some(Box::pin(future)) }
    }

    /// Makes it cross the boundary.
    pub fn into_ffi(self) -> BorrowingFfiFuture<'a, PResult<T>> {
        BorrowingFfiFuture::new(self)
    }
}

impl<T> Contained<'_, T> {
    fn discard(&mut self) {
        if let Some(future) = self.future.take() {
            self.guard.discard(self.operation, future);
        }
    }
}

impl<T> Future for Contained<'_, T> {
    type Output = PResult<T>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<PResult<T>> {
        let this = &mut *self;
        let Some(future) = this.future.as_mut() else {
            let text = format!("{} was polled after its end", this.operation);
            return Poll::Ready(RErr(Error::new(Code::INTERNAL, text).into()));
        };
        let polled = this.guard.call(this.operation, || future.as_mut().poll(context));
        let result = match polled {
            Ok(Poll::Pending) => return Poll::Pending,
            Ok(Poll::Ready(result)) => result,
            Err(panicked) => Err(panicked),
        };
        this.discard();
        Poll::Ready(match result {
            Ok(value) => ROk(value),
            Err(error) => RErr(error.into()),
        })
    }
}

impl<T> Drop for Contained<'_, T> {
    fn drop(&mut self) {
        self.discard();
    }
}

#[cfg(test)]
mod tests {
    use std::{future, task::Waker};

    use super::*;
    use crate::testing::{FakeHost, block_on};

    fn guard(runtime: &OwnRuntime) -> Arc<Guard> {
        Arc::new(Guard::new(FakeHost::new().host(), runtime.handle()))
    }

    #[test]
    fn polls_run_inside_the_plugins_runtime() {
        let runtime = OwnRuntime::new("test", 0).unwrap();
        let contained = Contained::new(guard(&runtime), "start", async {
            let task = tokio::spawn(async { 5 });
            task.await.map_err(|error| Error::new(Code::INTERNAL, error.to_string()))
        });
        assert_eq!(block_on(contained), ROk(5));
    }

    #[test]
    fn a_panic_in_a_poll_is_answered_with_its_message() {
        let runtime = OwnRuntime::new("test", 1).unwrap();
        let contained: Contained<'_, ()> =
            Contained::new(guard(&runtime), "start", async { panic!("in poll") });
        let RErr(error) = block_on(contained) else { panic!("expected an error") };
        assert!(error.message.as_str().ends_with("in poll"), "{error:?}");
    }

    #[test]
    fn cancelling_drops_inside_the_runtime() {
        struct SpawnsWhenDropped;
        impl Drop for SpawnsWhenDropped {
            fn drop(&mut self) {
                tokio::spawn(async {});
            }
        }
        let runtime = OwnRuntime::new("test", 1).unwrap();
        let guard = guard(&runtime);
        let held = SpawnsWhenDropped;
        let mut contained: Contained<'_, ()> = Contained::new(guard.clone(), "start", async move {
            let _held = held;
            future::pending().await
        });
        let mut context = Context::from_waker(Waker::noop());
        assert!(Pin::new(&mut contained).poll(&mut context).is_pending());
        drop(contained);
        assert_eq!(guard.poison(), None);
    }
}
