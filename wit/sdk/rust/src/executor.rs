//! The executor inside the guest: it keeps what waits for an answer or a time and resumes it in a later turn.
//!
//! The world is synchronous, so waiting ends the turn: a task that awaits stays in memory, the turn returns, and the
//! message or the timer that it waits for comes in a turn of its own. One host timer serves every deadline. All of it
//! lives as long as the instance: after a trap nothing waits any more. Not for futures of other executors that wake
//! from outside, because nothing runs between turns.

use std::{
    cell::RefCell,
    collections::{BTreeMap, VecDeque},
    future::Future,
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll, Wake, Waker},
    time::Duration,
};

use crate::{
    AgentRef, Fault, Instant, Message, Uid,
    host::{Level, host},
    log,
};

/// Tasks that may wait at once; more are refused, so a flood of requests cannot fill the memory.
pub const TASKS_MAX: usize = 1024;
/// Sessions (expected answers) that may be open at once: a contract net to ten agents has ten.
pub const SESSIONS_MAX: usize = 8192;
/// Messages that one session keeps until its task takes them; more are dropped with a log line.
pub const SESSION_MESSAGES_MAX: usize = 16;
/// The only timer that the executor sets; agents that set timers of their own use other tokens.
pub const TIMER_TOKEN: u32 = u32::MAX;

pub(crate) type Task = Pin<Box<dyn Future<Output = ()>>>;
type Ready = Arc<Mutex<VecDeque<u32>>>;

/// What an answer repeats: the conversation and the number given in reply-with.
pub(crate) type SessionKey = (Uid, u32);

#[derive(Default)]
struct Executor {
    tasks: BTreeMap<u32, Task>,
    tasks_made: u32,
    ready: Ready,
    sessions: BTreeMap<SessionKey, Inbox>,
    numbers_made: u32,
    alarms: BTreeMap<(Instant, u32), Waker>,
    alarms_made: u32,
    /// True when the host may have a timer of ours.
    armed: bool,
}

impl Executor {
    fn number(&mut self) -> u32 {
        self.tasks_made = self.tasks_made.wrapping_add(1);
        self.tasks_made
    }
}

#[derive(Default)]
struct Inbox {
    from: Option<AgentRef>,
    messages: VecDeque<Message>,
    waker: Option<Waker>,
}

thread_local! {
    // Leaked, because it lives as long as the instance: a native thread that ends would otherwise drop tasks whose
    // destructors need it.
    static EXECUTOR: &'static RefCell<Executor> = Box::leak(Box::default());
}

fn with<R>(act: impl FnOnce(&mut Executor) -> R) -> R {
    EXECUTOR.with(|executor| act(&mut executor.borrow_mut()))
}

/// The time at which the turn began; it does not move during a turn.
pub fn now() -> Instant {
    host().now()
}

/// Runs a future beside the others; it begins in this turn.
///
/// # Errors
/// An `overloaded` fault when [`TASKS_MAX`] tasks wait already; the future is dropped.
pub fn spawn(task: impl Future<Output = ()> + 'static) -> Result<(), Fault> {
    room()?;
    with(|executor| {
        let id = executor.number();
        executor.tasks.insert(id, Box::pin(task));
        push(&executor.ready, id);
        Ok(())
    })
}

/// Whether one more task may wait.
pub(crate) fn room() -> Result<(), Fault> {
    if with(|executor| executor.tasks.len() >= TASKS_MAX) {
        return Err(Fault::overloaded(format_args!("{TASKS_MAX} tasks wait already")));
    }
    Ok(())
}

/// Begins a task for which there is room. Most handle a message without waiting and never come into the table.
pub(crate) fn begin(task: Task) {
    let id = with(Executor::number);
    poll(id, task);
}

/// Waits for a span; resumes in a later turn, never early.
pub async fn sleep(span: Duration) {
    let until = now() + span;
    Alarm { until, set: None }.await;
}

/// A number for reply-with that this instance has not used in its last four billion messages.
pub fn fresh_number() -> u32 {
    with(|executor| {
        executor.numbers_made = executor.numbers_made.checked_add(1).unwrap_or(1);
        executor.numbers_made
    })
}

/// Mints the id of a new conversation.
pub fn new_conversation() -> Uid {
    host().new_conversation()
}

/// Hands a message to the session that waits for it; gives it back when none does.
pub(crate) fn route(message: Message) -> Option<Message> {
    let key = (message.conversation(), message.in_reply_to());
    let (waker, overflow) = with(|executor| {
        let Some(inbox) = executor.sessions.get_mut(&key) else { return (None, Some(message)) };
        let marks = message.marks();
        let trusted = marks.platform() || marks.on_behalf();
        if inbox.from.is_some_and(|from| from != message.sender()) && !trusted {
            return (None, Some(message));
        }
        if inbox.messages.len() < SESSION_MESSAGES_MAX {
            inbox.messages.push_back(message);
        } else {
            log::write(Level::Warn, "an answer was dropped: its session is full");
        }
        (inbox.waker.take(), None)
    });
    if let Some(waker) = waker {
        waker.wake();
    }
    overflow
}

/// Wakes what waits for a time that has come.
pub(crate) fn ring() {
    let now = now();
    let due = with(|executor| {
        executor.armed = false;
        let later = executor.alarms.split_off(&(now, u32::MAX));
        std::mem::replace(&mut executor.alarms, later)
    });
    due.into_values().for_each(Waker::wake);
}

/// Runs every task that can go on, until all of them wait.
pub(crate) fn run() {
    while let Some(id) = pop() {
        // The task is out of the table while it runs, so that it may spawn, wait and drop freely.
        if let Some(task) = with(|executor| executor.tasks.remove(&id)) {
            poll(id, task);
        }
    }
}

fn poll(id: u32, mut task: Task) {
    let waker = Waker::from(Arc::new(TaskWaker { id, ready: with(|e| e.ready.clone()) }));
    if task.as_mut().poll(&mut Context::from_waker(&waker)).is_pending() {
        with(|executor| executor.tasks.insert(id, task));
    }
}

/// Ends a turn: asks the host for the earliest time that anything waits for, in every turn in which something waits. A
/// turn that asked and then was not committed left no timer, and the instance cannot know that it was not.
pub(crate) fn arm() {
    with(|executor| {
        let earliest = executor.alarms.keys().next().map(|(at, _)| *at);
        match earliest {
            Some(at) => host().set_timer(at, TIMER_TOKEN),
            None if executor.armed => host().cancel_timer(TIMER_TOKEN),
            None => {}
        }
        executor.armed = earliest.is_some();
    });
}

/// Begins with nothing. What waited is forgotten as it is after a trap: without running its destructors.
pub(crate) fn reset() {
    std::mem::forget(with(std::mem::take));
}

fn pop() -> Option<u32> {
    let ready = with(|executor| executor.ready.clone());
    ready.lock().unwrap_or_else(PoisonError::into_inner).pop_front()
}

fn push(ready: &Ready, id: u32) {
    let mut ready = ready.lock().unwrap_or_else(PoisonError::into_inner);
    if !ready.contains(&id) {
        ready.push_back(id);
    }
}

struct TaskWaker {
    id: u32,
    ready: Ready,
}

impl Wake for TaskWaker {
    fn wake(self: Arc<Self>) {
        push(&self.ready, self.id);
    }
}

/// The place where answers to one reply-with arrive; closing it is dropping it.
#[derive(Debug)]
pub(crate) struct Session {
    key: SessionKey,
}

impl Session {
    /// Opens a session with a fresh number. With `from`, only that agent and the platform may answer.
    pub(crate) fn open(conversation: Uid, from: Option<AgentRef>) -> Result<Self, Fault> {
        let key = (conversation, fresh_number());
        with(|executor| {
            if executor.sessions.len() >= SESSIONS_MAX {
                return Err(Fault::overloaded(format_args!("{SESSIONS_MAX} sessions are open already")));
            }
            executor.sessions.insert(key, Inbox { from, ..Inbox::default() });
            Ok(Self { key })
        })
    }

    pub(crate) fn number(&self) -> u32 {
        self.key.1
    }

    /// Waits for the next answer; `None` when the time came first.
    pub(crate) async fn next(&self, until: Instant) -> Option<Message> {
        Next { key: self.key, alarm: Alarm { until, set: None } }.await
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        let inbox = with(|executor| executor.sessions.remove(&self.key));
        drop(inbox);
    }
}

struct Next {
    key: SessionKey,
    alarm: Alarm,
}

impl Future for Next {
    type Output = Option<Message>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Message>> {
        let answer = with(|executor| {
            let inbox = executor.sessions.get_mut(&self.key)?;
            inbox.waker = Some(cx.waker().clone());
            inbox.messages.pop_front()
        });
        match answer {
            Some(message) => Poll::Ready(Some(message)),
            None => Pin::new(&mut self.alarm).poll(cx).map(|()| None),
        }
    }
}

struct Alarm {
    until: Instant,
    set: Option<(Instant, u32)>,
}

impl Future for Alarm {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        if now() >= self.until {
            return Poll::Ready(());
        }
        let until = self.until;
        let key = with(|executor| {
            let key = self.set.unwrap_or_else(|| {
                executor.alarms_made = executor.alarms_made.wrapping_add(1);
                (until, executor.alarms_made)
            });
            executor.alarms.insert(key, cx.waker().clone());
            key
        });
        self.set = Some(key);
        Poll::Pending
    }
}

impl Drop for Alarm {
    fn drop(&mut self) {
        if let Some(key) = self.set {
            let waker = with(|executor| executor.alarms.remove(&key));
            drop(waker);
        }
    }
}
