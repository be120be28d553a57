//! The bounded queue between the server's threads and the thread that writes.
//!
//! A full queue drops the newest and counts; the count is written as a line of its own when there is room again.

use std::{
    io,
    sync::{Condvar, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use caxton_plugin::{Code, Error, EventName, Host, Signal};

use crate::{file::LogFile, line};

/// The queue, and how far writing has come.
pub(crate) struct Queue {
    max: usize,
    state: Mutex<State>,
    /// Told when there is something to do for the thread.
    work: Condvar,
    /// Told when the thread has written out.
    written: Condvar,
}

#[derive(Default)]
struct State {
    waiting: Vec<Signal>,
    dropped: u64,
    /// Rounds of writing that somebody waits for, and that are finished.
    wanted: u64,
    finished: u64,
    closed: bool,
    failure: Option<String>,
}

/// What the thread takes for one round.
struct Round {
    signals: Vec<Signal>,
    dropped: u64,
    wanted: u64,
    closed: bool,
}

impl Queue {
    pub(crate) fn new(max: usize) -> Self {
        Self { max, state: Mutex::default(), work: Condvar::new(), written: Condvar::new() }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Every change under the lock is complete, so a poisoned lock holds a usable state.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes what there is room for; never blocks for I/O.
    pub(crate) fn push(&self, batch: &[Signal]) {
        let mut state = self.state();
        let room = if state.closed { 0 } else { self.max.saturating_sub(state.waiting.len()) };
        state.waiting.extend(batch.iter().take(room).cloned());
        state.dropped += batch.len().saturating_sub(room) as u64;
        // The thread wakes by itself in time; only a queue that fills needs it earlier.
        if state.waiting.len() * 2 >= self.max {
            self.work.notify_one();
        }
    }

    /// Waits until everything that was pushed before is in the file.
    ///
    /// # Errors
    /// When that takes longer than `wait`, or the file cannot be written.
    pub(crate) fn flush(&self, wait: Duration) -> Result<(), Error> {
        let mut state = self.state();
        state.wanted += 1;
        let wanted = state.wanted;
        self.work.notify_one();
        let waited =
            self.written.wait_timeout_while(state, wait, |state| state.finished < wanted && !state.closed);
        let (state, timeout) = waited.unwrap_or_else(PoisonError::into_inner);
        match &state.failure {
            Some(failure) => Err(Error::new(Code::INTERNAL, failure.clone())),
            None if timeout.timed_out() => {
                let message = format!(
                    "the file was not written within {} ms; see whether its disk hangs",
                    wait.as_millis()
                );
                Err(Error::new(Code::PLUGIN_TIMED_OUT, message))
            }
            None => Ok(()),
        }
    }

    /// Lets the thread write what waits and end.
    pub(crate) fn close(&self) {
        self.state().closed = true;
        self.work.notify_one();
    }

    /// Why the last round could not be written; `None` when it could.
    pub(crate) fn failure(&self) -> Option<String> {
        self.state().failure.clone()
    }

    fn take(&self, wait: Duration) -> Round {
        let idle = |state: &mut State| {
            state.waiting.len() * 2 < self.max && state.wanted == state.finished && !state.closed
        };
        let (mut state, _) =
            self.work.wait_timeout_while(self.state(), wait, idle).unwrap_or_else(PoisonError::into_inner);
        Round {
            signals: std::mem::take(&mut state.waiting),
            dropped: std::mem::take(&mut state.dropped),
            wanted: state.wanted,
            closed: state.closed,
        }
    }

    fn finish(&self, wanted: u64, failure: Option<String>) {
        let mut state = self.state();
        state.finished = wanted;
        state.failure = failure;
        self.written.notify_all();
    }
}

/// The thread: writes until the queue is closed. A failing file is tried again with every round.
pub(crate) fn write_all(queue: &Queue, mut file: LogFile, host: &Host, wait: Duration) {
    let mut buffer = Vec::new();
    loop {
        let round = queue.take(wait);
        let written = write(&round, &mut file, host, &mut buffer);
        let failure =
            written.err().map(|error| format!("signals are lost, the file cannot be written: {error}"));
        queue.finish(round.wanted, failure);
        if round.closed {
            return;
        }
    }
}

fn write(round: &Round, file: &mut LogFile, host: &Host, buffer: &mut Vec<u8>) -> io::Result<()> {
    for signal in &round.signals {
        line::write(signal, host, buffer)?;
        file.append(buffer)?;
    }
    if round.dropped > 0 {
        let dropped = Signal {
            time_ns: host.now_ns(),
            value: round.dropped,
            name: EventName::SIGNALS_DROPPED,
            level: 4,
            text: "the queue of the jsonl plugin was full".to_owned().into(),
            ..Signal::default()
        };
        line::write(&dropped, host, buffer)?;
        file.append(buffer)?;
    }
    file.flush()
}
