//! One job: its items, which run, which ended and how, and in which order.
//!
//! ```text
//!   queued ──▶ running ──▶ done
//!     │           ├──────▶ failed ────┐
//!     └───────────┴──────▶ cancelled ─┴── resume ──▶ queued
//! ```
//!
//! Pure: no clock, no server; times are arguments. A job is over when no item is queued or running. An item's results are
//! replaced by those of a later attempt and then have a later place in the order of ending.

use std::collections::{BTreeMap, VecDeque};

use caxton_plugin::{Code, Payload, Uid};

/// What a job asks, and how.
#[derive(Clone, Debug)]
pub(crate) struct Order {
    /// Full name of the agent.
    pub(crate) agent: String,
    pub(crate) performative: caxton_acl::Performative,
    pub(crate) protocol: Option<String>,
    /// The delivery class of each question.
    pub(crate) class: u8,
    pub(crate) timeout_ms: u64,
    pub(crate) concurrency: usize,
    pub(crate) ttl_ms: u64,
    /// Tells this order from another one under the same id.
    pub(crate) digest: u64,
}

/// Where an item is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    Queued,
    Running,
    Done,
    Failed,
    Cancelled,
}

impl State {
    pub(crate) const ALL: [Self; 5] =
        [Self::Queued, Self::Running, Self::Done, Self::Failed, Self::Cancelled];

    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Running => "running",
            Self::Done => "done",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
        }
    }
}

/// What is to be asked once.
#[derive(Clone, Debug)]
pub(crate) struct Task {
    pub(crate) key: String,
    pub(crate) content: Payload,
    pub(crate) parameters: Vec<(String, String)>,
}

impl Task {
    pub(crate) fn bytes(&self) -> usize {
        let parameters = self.parameters.iter().map(|(name, value)| name.len() + value.len());
        self.content.len() + self.key.len() + parameters.sum::<usize>()
    }
}

/// How an attempt ended.
#[derive(Clone, Debug)]
pub(crate) struct Ended {
    pub(crate) state: State,
    /// The answer's act; `None` without an answer.
    pub(crate) act: Option<caxton_acl::Performative>,
    pub(crate) content: Payload,
    /// Why it failed.
    pub(crate) code: Option<Code>,
    pub(crate) conversation_id: Option<String>,
}

impl Ended {
    /// An end without an answer.
    pub(crate) fn without_answer(state: State, code: Code, conversation_id: Option<String>) -> Self {
        Self { state, act: None, content: Payload::EMPTY, code: Some(code), conversation_id }
    }
}

/// One item.
#[derive(Debug)]
pub(crate) struct Item {
    pub(crate) task: Task,
    pub(crate) state: State,
    /// How often it was run.
    pub(crate) attempt: u32,
    /// The end of its latest attempt, and its place in the order of ending.
    pub(crate) end: Option<(u64, Ended)>,
}

/// How the whole job is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    Running,
    Cancelling,
    Completed,
    Partial,
    Failed,
    Cancelled,
}

impl Phase {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Cancelling => "cancelling",
            Self::Completed => "completed",
            Self::Partial => "partial",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
        }
    }
}

/// One attempt that is to be made.
#[derive(Clone, Debug)]
pub(crate) struct Attempt {
    pub(crate) index: usize,
    pub(crate) number: u32,
    pub(crate) task: Task,
}

/// The job.
#[derive(Debug)]
pub(crate) struct Job {
    pub(crate) id: Uid,
    pub(crate) order: Order,
    pub(crate) created_ms: u64,
    pub(crate) ended_ms: Option<u64>,
    /// Grows with every change that the documents show.
    pub(crate) version: u64,
    items: Vec<Item>,
    queue: VecDeque<usize>,
    counts: [usize; 5],
    cancelling: bool,
    /// Items that ended, by their place in the order of ending.
    ends: BTreeMap<u64, usize>,
    sequence: u64,
    bytes: usize,
}

impl Job {
    /// Makes a job whose items all wait.
    pub(crate) fn new(id: Uid, order: Order, tasks: Vec<Task>, now_ms: u64) -> Self {
        let bytes = tasks.iter().map(Task::bytes).sum();
        let queue = (0..tasks.len()).collect();
        let counts = [tasks.len(), 0, 0, 0, 0];
        let items = tasks.into_iter().map(|task| Item { task, state: State::Queued, attempt: 0, end: None });
        Self {
            id,
            order,
            created_ms: now_ms,
            ended_ms: None,
            version: 1,
            items: items.collect(),
            queue,
            counts,
            cancelling: false,
            ends: BTreeMap::new(),
            sequence: 0,
            bytes,
        }
    }

    /// The next attempt to be made now; `None` while as many run as may, and when nothing waits.
    pub(crate) fn next(&mut self) -> Option<Attempt> {
        if self.cancelling || self.count(State::Running) >= self.order.concurrency {
            return None;
        }
        let index = self.queue.pop_front()?;
        self.set(index, State::Running);
        let item = self.items.get_mut(index)?;
        item.attempt += 1;
        Some(Attempt { index, number: item.attempt, task: item.task.clone() })
    }

    /// Records the end of an attempt; one that is not under way changes nothing.
    pub(crate) fn ended(&mut self, index: usize, attempt: u32, end: Ended, now_ms: u64) {
        let under_way = |item: &&Item| item.state == State::Running && item.attempt == attempt;
        if self.items.get(index).as_ref().is_some_and(under_way) {
            self.end(index, end);
            self.close(now_ms);
        }
    }

    /// Cancels what waits; what runs is for the caller to cancel. False when the job is over.
    pub(crate) fn cancel(&mut self, now_ms: u64) -> bool {
        if self.is_over() {
            return false;
        }
        if !self.cancelling {
            self.cancelling = true;
            self.version += 1;
        }
        for index in std::mem::take(&mut self.queue) {
            self.end(index, Ended::without_answer(State::Cancelled, Code::CANCELLED, None));
        }
        self.close(now_ms);
        true
    }

    /// Lets what failed or was cancelled run again. False while it is being cancelled.
    pub(crate) fn resume(&mut self) -> bool {
        if !self.is_over() {
            return !self.cancelling;
        }
        let again = |(index, item): (usize, &Item)| {
            matches!(item.state, State::Failed | State::Cancelled).then_some(index)
        };
        let again: Vec<usize> = self.items.iter().enumerate().filter_map(again).collect();
        self.cancelling = false;
        for index in again {
            self.set(index, State::Queued);
            self.queue.push_back(index);
            self.ended_ms = None;
        }
        true
    }

    fn end(&mut self, index: usize, end: Ended) {
        self.set(index, end.state);
        self.sequence += 1;
        let Some(item) = self.items.get_mut(index) else { return };
        self.bytes += end.content.len();
        if let Some((before, old)) = item.end.replace((self.sequence, end)) {
            self.bytes -= old.content.len();
            self.ends.remove(&before);
        }
        self.ends.insert(self.sequence, index);
    }

    fn set(&mut self, index: usize, state: State) {
        let Some(item) = self.items.get_mut(index) else { return };
        let before = std::mem::replace(&mut item.state, state);
        for (which, more) in [(before, false), (state, true)] {
            if let Some(count) = self.counts.get_mut(which as usize) {
                *count = if more { *count + 1 } else { count.saturating_sub(1) };
            }
        }
        self.version += 1;
    }

    fn close(&mut self, now_ms: u64) {
        if self.ended_ms.is_none() && self.count(State::Queued) + self.count(State::Running) == 0 {
            self.ended_ms = Some(now_ms);
            self.version += 1;
        }
    }

    pub(crate) fn is_over(&self) -> bool {
        self.ended_ms.is_some()
    }

    /// When it is forgotten.
    pub(crate) fn expires_ms(&self) -> Option<u64> {
        self.ended_ms.map(|ended| ended.saturating_add(self.order.ttl_ms))
    }

    pub(crate) fn count(&self, state: State) -> usize {
        self.counts.get(state as usize).copied().unwrap_or_default()
    }

    pub(crate) fn total(&self) -> usize {
        self.items.len()
    }

    /// Bytes of contents and results.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    pub(crate) fn phase(&self) -> Phase {
        let total = self.total();
        match (self.is_over(), self.cancelling) {
            (false, false) => Phase::Running,
            (false, true) => Phase::Cancelling,
            (true, _) if self.count(State::Done) == total => Phase::Completed,
            (true, _) if self.count(State::Cancelled) > 0 => Phase::Cancelled,
            (true, _) if self.count(State::Failed) == total => Phase::Failed,
            (true, _) => Phase::Partial,
        }
    }

    /// Items that ended after a place in the order of ending: place, index, item, end.
    pub(crate) fn ends(&self, after: u64) -> impl Iterator<Item = (u64, usize, &Item, &Ended)> {
        self.ends.range(after.saturating_add(1)..).filter_map(|(sequence, index)| {
            let item = self.items.get(*index)?;
            Some((*sequence, *index, item, &item.end.as_ref()?.1))
        })
    }

    /// The latest place in the order of ending.
    pub(crate) fn sequence(&self) -> u64 {
        self.sequence
    }
}

#[cfg(test)]
#[path = "job_tests.rs"]
mod tests;
