//! The server's side of the fence around a plugin: its state, its counts, and the end of calling it after a panic.
//!
//! Panics are caught on the plugin's side, by the SDK. Here an answer that says "panicked" or "fatal" closes the fence:
//! the state becomes failed, it is reported, and no call goes through any more.

use std::{
    cell::Cell,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering},
    },
    thread::{self, ThreadId},
    time::{Duration, Instant},
};

use caxton_abi::{
    Code,
    plugin::{PResult, PluginError, error_flags},
};

use tokio::sync::watch;

use super::{Failure, Services, State};

/// What becomes of control operations that the instance answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Course {
    /// They go on.
    Works,
    /// They may finish soon.
    Drains,
    /// They end now.
    Ends,
}

/// The fence of one instance.
pub struct Fence {
    name: Arc<str>,
    services: Arc<dyn Services>,
    state: Mutex<State>,
    /// Mirrors `state` for the hot path.
    open: AtomicBool,
    calls: AtomicU64,
    errors: AtomicU64,
    course: watch::Sender<Course>,
    /// Calls of ports that are under way, each in its thread's lane.
    under_way: [Mutex<Lane>; LANES],
}

/// Lanes of calls that are under way: threads share one only when they are more.
const LANES: usize = 16;

/// The calls of some threads. Those of one thread end in the order opposite to that in which they began.
#[derive(Default)]
struct Lane(Vec<(Instant, ThreadId)>);

/// A thread's lane and id; asking the system for the id counts references.
fn this_thread() -> (usize, ThreadId) {
    static THREADS: AtomicUsize = AtomicUsize::new(0);
    thread_local! {
        static THIS: Cell<Option<(usize, ThreadId)>> = const { Cell::new(None) };
    }
    THIS.get().unwrap_or_else(|| {
        let lane = THREADS.fetch_add(1, Ordering::Relaxed) % LANES;
        let this = (lane, thread::current().id());
        THIS.set(Some(this));
        this
    })
}

thread_local! {
    /// Calls of ports that this thread is in.
    static DEPTH: Cell<usize> = const { Cell::new(0) };
}

/// True when this thread is in a call of a plugin's port, so the server called the code that asks.
pub fn is_in_call() -> bool {
    DEPTH.get() > 0
}

/// A call that is under way while this lives.
struct Call<'a> {
    lane: &'a Mutex<Lane>,
    thread: ThreadId,
}

impl<'a> Call<'a> {
    fn begin(lane: &'a Mutex<Lane>, thread: ThreadId) -> Self {
        DEPTH.set(DEPTH.get() + 1);
        open(lane).0.push((Instant::now(), thread));
        Self { lane, thread }
    }
}

impl Drop for Call<'_> {
    fn drop(&mut self) {
        DEPTH.set(DEPTH.get().saturating_sub(1));
        let calls = &mut open(self.lane).0;
        if let Some(at) = calls.iter().rposition(|(_, thread)| *thread == self.thread) {
            calls.remove(at);
        }
    }
}

fn open(lane: &Mutex<Lane>) -> MutexGuard<'_, Lane> {
    lane.lock().unwrap_or_else(PoisonError::into_inner)
}

/// How often a plugin was called.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Calls of any of its ports and operations.
    pub calls: u64,
    /// Calls that it answered with an error.
    pub errors: u64,
}

impl Fence {
    /// Makes the fence of an instance in the state [`State::Loaded`].
    pub fn new(name: &str, services: Arc<dyn Services>) -> Self {
        Self {
            name: name.into(),
            services,
            state: Mutex::new(State::Loaded),
            open: AtomicBool::new(false),
            calls: AtomicU64::new(0),
            errors: AtomicU64::new(0),
            course: watch::Sender::new(Course::Works),
            under_way: Default::default(),
        }
    }

    /// The instance's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The state.
    pub fn state(&self) -> State {
        self.lock().clone()
    }

    /// Tells who waits for an answer of the instance when it leaves.
    pub fn course(&self) -> watch::Receiver<Course> {
        self.course.subscribe()
    }

    /// How often it was called.
    pub fn counts(&self) -> Counts {
        let [calls, errors] = [&self.calls, &self.errors].map(|count| count.load(Ordering::Relaxed));
        Counts { calls, errors }
    }

    /// Takes a step of the life cycle and reports it. A step that is not part of it is not taken, for example out of
    /// failed; answers whether it was.
    pub fn step(&self, next: State) -> bool {
        {
            let mut state = self.lock();
            if *state == next || !state.may_become(&next) {
                return false;
            }
            self.open.store(next.is_callable(), Ordering::Release);
            *state = next.clone();
        }
        match next {
            State::Draining => drop(self.course.send_replace(Course::Drains)),
            State::Stopped | State::Failed { .. } => drop(self.course.send_replace(Course::Ends)),
            _ => {}
        }
        self.services.plugin_state(&self.name, &next);
        true
    }

    /// Marks the instance as failed; the first reason stays.
    pub fn fail(&self, failure: &Failure) {
        let Failure { code, message, .. } = failure.clone();
        self.step(State::Failed { code, reason: message });
    }

    /// Calls the plugin, unless it may not be called any more.
    ///
    /// # Errors
    /// [`Code::PLUGIN_UNAVAILABLE`] when it is not callable, else its own.
    pub fn call<T>(&self, code: impl FnOnce() -> PResult<T>) -> Result<T, Failure> {
        self.admit()?;
        let (lane, thread) = this_thread();
        let call = self.under_way.get(lane).map(|lane| Call::begin(lane, thread));
        let answer = code();
        drop(call);
        self.judge(answer)
    }

    /// Fails the instance when a call of a port lasts longer than it may; answers with the threads that are in such
    /// calls, which cannot be ended.
    pub fn expire(&self, longest: Duration) -> Vec<ThreadId> {
        let late = |(since, _): &&(Instant, ThreadId)| since.elapsed() > longest;
        let lanes = self.under_way.iter();
        let threads: Vec<_> = lanes
            .flat_map(|lane| open(lane).0.iter().filter(late).map(|(_, thread)| *thread).collect::<Vec<_>>())
            .collect();
        if !threads.is_empty() {
            let longest = longest.as_millis();
            let text =
                format!("a call of plugin `{}` lasts longer than {longest} ms (call_ms_max)", self.name);
            self.fail(&Failure::new(Code::PLUGIN_TIMED_OUT, text));
        }
        threads
    }

    /// True when the instance failed and a call of it has not come back.
    pub fn hangs(&self) -> bool {
        matches!(*self.lock(), State::Failed { .. })
            && self.under_way.iter().any(|lane| !open(lane).0.is_empty())
    }

    /// Counts a call and says whether it may be made.
    ///
    /// # Errors
    /// [`Code::PLUGIN_UNAVAILABLE`] when it may not.
    pub fn admit(&self) -> Result<(), Failure> {
        if !self.open.load(Ordering::Acquire) {
            let text = format!("plugin `{}` is {}", self.name, self.lock().as_str());
            return Err(Failure::new(Code::PLUGIN_UNAVAILABLE, text));
        }
        self.calls.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }

    /// Judges an answer; a panic or a fatal error closes the fence.
    ///
    /// # Errors
    /// The plugin's own.
    pub fn judge<T>(&self, answer: PResult<T>) -> Result<T, Failure> {
        answer.into_result().map_err(|error: PluginError| {
            self.errors.fetch_add(1, Ordering::Relaxed);
            let fatal = error.flags & (error_flags::PANICKED | error_flags::FATAL) != 0;
            let failure = Failure::from(error);
            if fatal {
                self.fail(&failure);
            }
            failure
        })
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use caxton_abi::std_types::RResult::{RErr, ROk};

    use super::*;
    use crate::plugin::recorder::Recorder;

    fn created() -> (Arc<Recorder>, Fence) {
        let recorder = Arc::new(Recorder::default());
        let fence = Fence::new("sample", recorder.clone());
        assert!(fence.step(State::Created));
        (recorder, fence)
    }

    fn error(flags: u32) -> PluginError {
        PluginError { code: Code::PLUGIN_PANICKED, flags, message: "boom".into(), ..Default::default() }
    }

    #[test]
    fn a_panic_closes_the_fence_and_is_reported_once() {
        let (recorder, fence) = created();
        for _ in 0..2 {
            let _ = fence.call(|| RErr::<(), _>(error(error_flags::PANICKED)));
        }
        assert_eq!(fence.counts(), Counts { calls: 1, errors: 1 });
        assert_eq!(recorder.states(), ["sample created", "sample failed"]);
        let refused = fence.call(|| ROk(())).unwrap_err();
        assert_eq!(refused.to_string(), "plugin `sample` is failed [CX0214]");
    }

    #[test]
    fn a_plain_error_leaves_it_open() {
        let (_, fence) = created();
        assert!(fence.call(|| RErr::<(), _>(error(0))).is_err());
        assert_eq!(fence.call(|| ROk(5)), Ok(5));
    }

    #[test]
    fn a_call_that_lasts_too_long_fails_the_instance_and_names_its_thread() {
        let (_, fence) = created();
        let threads = fence.call(|| ROk(fence.expire(Duration::ZERO))).unwrap();
        assert_eq!(threads, [thread::current().id()]);
        let State::Failed { code, reason } = fence.state() else { panic!("{:?}", fence.state()) };
        assert_eq!(code, Code::PLUGIN_TIMED_OUT);
        assert_eq!(reason, "a call of plugin `sample` lasts longer than 0 ms (call_ms_max)");
        assert!(!fence.hangs());
    }

    #[test]
    fn a_failed_instance_hangs_until_its_call_came_back() {
        let (_, fence) = created();
        let hung = fence.call(|| {
            fence.expire(Duration::ZERO);
            ROk(fence.hangs())
        });
        assert_eq!((hung, fence.hangs()), (Ok(true), false));
    }

    #[test]
    fn the_first_reason_of_a_failure_stays() {
        let (_, fence) = created();
        fence.fail(&Failure::new(Code::PLUGIN_PANICKED, "first"));
        fence.fail(&Failure::new(Code::PLUGIN_TIMED_OUT, "second"));
        let reason = "first".to_owned();
        assert_eq!(fence.state(), State::Failed { code: Code::PLUGIN_PANICKED, reason });
    }
}
