//! The fence around an author's code: a panic becomes an error, and the instance is not called again.
//!
//! A panic that left a plugin would end the server's process, and the server cannot catch it: each library has its own
//! copy of the standard library. So every call passes [`Guard::call`] on the plugin's side. The first panic poisons the
//! instance, because its state may be half changed; later calls answer the same error at once.

use std::{
    any::Any,
    cell::RefCell,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::OnceLock,
};

use caxton_abi::Code;
use tokio::runtime::Handle;

use crate::{Error, Host};

thread_local! {
    /// Where this thread's latest panic arose; the hook of [`crate::logging`] writes it.
    static PANICKED_AT: RefCell<Option<String>> = const { RefCell::new(None) };
}

/// Guards the calls of one instance.
pub struct Guard {
    host: Host,
    runtime: Option<Handle>,
    poison: OnceLock<Error>,
}

impl Guard {
    /// Makes a guard; calls run inside the runtime when there is one.
    pub fn new(host: Host, runtime: Option<Handle>) -> Self {
        Self { host, runtime, poison: OnceLock::new() }
    }

    /// Runs an author's code.
    ///
    /// # Errors
    /// [`Code::PLUGIN_PANICKED`] when it panics now, or when the instance panicked before; it is not run then.
    pub fn call<T>(&self, operation: &str, code: impl FnOnce() -> T) -> Result<T, Error> {
        if let Some(error) = self.poison.get() {
            return Err(error.clone());
        }
        self.contain(operation, code)
    }

    /// Runs an author's destructor, also of a poisoned instance; a panic in it poisons the instance.
    pub fn discard<T>(&self, operation: &str, value: T) {
        // The panic is kept as the instance's poison; there is nobody else to tell.
        let _ = self.contain(operation, move || drop(value));
    }

    /// The error of the first panic.
    pub fn poison(&self) -> Option<&Error> {
        self.poison.get()
    }

    fn contain<T>(&self, operation: &str, code: impl FnOnce() -> T) -> Result<T, Error> {
        let entered = self.runtime.as_ref().map(Handle::enter);
        let result = catch_unwind(AssertUnwindSafe(code));
        drop(entered);
        result.map_err(|panic| {
            let error = panic_error(operation, panic);
            if self.poison.set(error.clone()).is_ok() {
                self.host.report_fatal(error.clone());
            }
            error
        })
    }
}

/// Runs the code that makes an instance; there is nothing to poison yet.
///
/// # Errors
/// [`Code::PLUGIN_PANICKED`] when it panics.
pub fn create<T>(code: impl FnOnce() -> Result<T, Error>) -> Result<T, Error> {
    catch_unwind(AssertUnwindSafe(code)).unwrap_or_else(|panic| Err(panic_error("create", panic)))
}

/// Notes where a panic of this thread arose.
pub(crate) fn note_panic(place: String) {
    // A thread that is ending has no such variable any more; the place is then left out.
    let _ = PANICKED_AT.try_with(|at| at.replace(Some(place)));
}

fn panic_error(operation: &str, panic: Box<dyn Any + Send>) -> Error {
    let place = PANICKED_AT.try_with(RefCell::take).ok().flatten();
    let place = place.map(|place| format!(" at {place}")).unwrap_or_default();
    let text = format!("panicked in {operation}{place}: {}", panic_text(panic.as_ref()));
    // A payload of an author's type could panic again when it is dropped, so it is leaked.
    std::mem::forget(panic);
    Error::new(Code::PLUGIN_PANICKED, text)
}

/// The text of a panic's payload.
pub(crate) fn panic_text(panic: &(dyn Any + Send)) -> &str {
    panic
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("(a value that is not text)")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::FakeHost;

    #[test]
    fn a_panic_becomes_an_error_with_its_message() {
        let host = FakeHost::new();
        let guard = Guard::new(host.host(), None);
        let error = guard.call("deliver", || panic!("boom {}", 7)).unwrap_err();
        assert_eq!(error.code(), Code::PLUGIN_PANICKED);
        assert!(error.message().starts_with("panicked in deliver"), "{error}");
        assert!(error.message().ends_with("boom 7"), "{error}");
    }

    #[test]
    fn a_poisoned_instance_is_not_called_again() {
        let host = FakeHost::new();
        let guard = Guard::new(host.host(), None);
        let _ = guard.call("deliver", || panic!("first"));
        let mut called = false;
        let error = guard.call("health", || called = true).unwrap_err();
        assert!(!called);
        assert!(error.message().ends_with("first"), "{error}");
    }

    #[test]
    fn the_server_is_told_once() {
        let host = FakeHost::new();
        let guard = Guard::new(host.host(), None);
        let _ = guard.call("a", || panic!("first"));
        guard.discard("b", PanicsWhenDropped);
        assert_eq!(host.fatal_errors().len(), 1);
    }

    #[test]
    fn a_destructor_that_panics_is_contained() {
        let host = FakeHost::new();
        let guard = Guard::new(host.host(), None);
        guard.discard("drop", PanicsWhenDropped);
        assert!(guard.poison().is_some());
    }

    struct PanicsWhenDropped;
    impl Drop for PanicsWhenDropped {
        fn drop(&mut self) {
            panic!("dropped");
        }
    }
}
