//! The writer's thread: groups, tries again, repairs, and tells.

use std::{
    sync::{Arc, MutexGuard, PoisonError, atomic::Ordering},
    time::{Duration, Instant},
};

use caxton_abi::{Code, port::StoreOp};
use caxton_core::store::Written;

use super::{
    port::Port,
    queue::{End, Entry},
    state::{Stage, State},
    transaction::{Group, Purpose, remove},
    writer::{GROUP_BYTES_MAX, GROUP_CHANGES_MAX, Shared, Writer, lock},
};
use crate::plugin::Failure;

impl Writer {
    pub(super) fn run(&self) {
        while let Some(group) = self.next() {
            self.commit(group);
            lock(&self.shared).busy = false;
            self.calm.notify_all();
        }
        self.enter(Stage::Closed, &Failure::new(Code::SHUTTING_DOWN, "the server ends"));
    }

    /// What to write next; `None` when all is done and the writer closes.
    fn next(&self) -> Option<Vec<Entry>> {
        loop {
            self.tell_refused();
            let mut shared = lock(&self.shared);
            if !shared.refused.is_empty() {
                continue;
            }
            if !shared.queue.is_empty() {
                shared.busy = true;
                return Some(shared.queue.group(GROUP_CHANGES_MAX, GROUP_BYTES_MAX));
            }
            if shared.closing {
                return None;
            }
            self.calm.notify_all();
            drop(self.news.wait(shared));
        }
    }

    /// Writes a group; what must be written of it is tried until it is.
    fn commit(&self, mut group: Vec<Entry>) {
        let mut pause = self.pace.first;
        while !group.is_empty() {
            let Err(failure) = self.write_all(&group) else { return self.written(group) };
            let is_alone = group.len() == 1;
            if self.is_closing() {
                group.into_iter().for_each(|entry| self.finish(entry, Err(failure.code)));
                return;
            }
            if failure.code != Code::STORE_FULL {
                let doubtful = self.undone(&group);
                group = self.refuse(group, Stage::Failed, &failure);
                self.repair(doubtful);
                continue;
            }
            group = self.refuse(group, Stage::Full, &failure);
            if !is_alone {
                return self.commit_in_parts(group);
            }
            self.pause(pause);
            pause = (pause * 2).min(self.pace.full_max);
            let stuck = group.first().map(|entry| entry.transaction.purpose);
            if stuck == Some(Purpose::Ends) {
                let frees = lock(&self.shared).queue.take(Purpose::Frees);
                self.commit(frees);
            }
        }
    }

    /// Writes what finds no space together: what makes space first, the rest one by one.
    fn commit_in_parts(&self, group: Vec<Entry>) {
        let (frees, others): (Vec<_>, Vec<_>) =
            group.into_iter().partition(|entry| entry.transaction.purpose == Purpose::Frees);
        if others.is_empty() {
            return frees.into_iter().for_each(|entry| self.commit(vec![entry]));
        }
        self.commit(frees);
        others.into_iter().for_each(|entry| self.commit(vec![entry]));
    }

    fn write_all(&self, group: &[Entry]) -> Result<(), Failure> {
        let changes = self.encoded(group.iter());
        self.call(|port| port.write(&changes))
    }

    fn encoded<'a>(&self, entries: impl Iterator<Item = &'a Entry>) -> Vec<StoreOp> {
        let mut together = Group::new(self.names.as_ref());
        entries.for_each(|entry| together.add(&entry.transaction));
        together.finish()
    }

    /// Changes that undo what only adds.
    fn undone(&self, group: &[Entry]) -> Vec<StoreOp> {
        let added = self.encoded(group.iter().filter(|entry| entry.transaction.purpose == Purpose::Adds));
        added.into_iter().map(|change| remove(change.key.into_vec())).collect()
    }

    /// A group is on disk.
    fn written(&self, group: Vec<Entry>) {
        if group.iter().any(|entry| entry.transaction.purpose == Purpose::Adds) {
            self.enter(Stage::Running, &Failure::new(Code::NONE, "it takes messages"));
        }
        for entry in group {
            self.messages.fetch_add(entry.transaction.messages, Ordering::Relaxed);
            self.finish(entry, Ok(()));
        }
    }

    /// Ends everything that only adds, in the group and in the queue; answers what is left of the group.
    fn refuse(&self, group: Vec<Entry>, stage: Stage, failure: &Failure) -> Vec<Entry> {
        let code = if stage == Stage::Full { Code::STORE_FULL } else { Code::STORE_FAILED };
        self.enter(stage, failure);
        let (additions, rest): (Vec<_>, Vec<_>) =
            group.into_iter().partition(|entry| entry.transaction.purpose == Purpose::Adds);
        let queued = {
            let mut shared = lock(&self.shared);
            shared.probe_at = (stage == Stage::Full).then(|| Instant::now() + self.pace.full_max);
            shared.queue.take(Purpose::Adds)
        };
        additions.into_iter().chain(queued).for_each(|entry| self.finish(entry, Err(code)));
        rest
    }

    /// Opens the store again and removes what was refused and may have been written, until both succeed.
    fn repair(&self, doubtful: Vec<StoreOp>) {
        let mut pause = self.pace.first;
        while !self.is_closing() {
            self.pause(pause);
            pause = (pause * 2).min(self.pace.failed_max);
            let repaired = self.call(|port| {
                port.reopen()?;
                if doubtful.is_empty() { Ok(()) } else { port.write(&doubtful) }
            });
            match repaired {
                Ok(()) => {
                    return self.enter(
                        Stage::Running,
                        &Failure::new(Code::NONE, "it was opened again and verified"),
                    );
                }
                Err(failure) => self.enter(Stage::Failed, &failure),
            }
        }
    }

    /// Calls the port, unless it is held.
    fn call(&self, code: impl FnOnce(&dyn Port) -> Result<(), Failure>) -> Result<(), Failure> {
        self.tell_refused();
        let mut shared = lock(&self.shared);
        while shared.held && !shared.closing {
            shared = self.news.wait(shared).unwrap_or_else(PoisonError::into_inner);
        }
        shared.calling = true;
        drop(shared);
        let port = Arc::clone(&lock(&self.port));
        let result = code(port.as_ref());
        lock(&self.shared).calling = false;
        self.calm.notify_all();
        result
    }

    pub(super) fn between_calls<'a>(&'a self, shared: MutexGuard<'a, Shared>) -> MutexGuard<'a, Shared> {
        let waited = self.calm.wait_while(shared, |shared| shared.calling);
        waited.unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits, and tells refused ones meanwhile; ends early when the port was replaced or the writer closes.
    fn pause(&self, longest: Duration) {
        let until = Instant::now() + longest;
        loop {
            self.tell_refused();
            let mut shared = lock(&self.shared);
            let left = until.saturating_duration_since(Instant::now());
            if std::mem::take(&mut shared.hurry) || shared.closing || left.is_zero() {
                return;
            }
            if shared.refused.is_empty() {
                drop(self.news.wait_timeout(shared, left));
            }
        }
    }

    fn tell_refused(&self) {
        let refused = std::mem::take(&mut lock(&self.shared).refused);
        refused.into_iter().for_each(|(end, code)| self.end(end, Err(code)));
    }

    /// Ends a transaction that was taken.
    fn finish(&self, Entry { end, transaction }: Entry, written: Written) {
        self.waiting.fetch_sub(transaction.count() as u64, Ordering::Relaxed);
        self.end(end, written);
    }

    fn end(&self, end: End, written: Written) {
        match end {
            End::Ticket(ticket) => self.told.stored(ticket, written),
            // A caller that waited too long is gone.
            End::Caller(caller) => drop(caller.try_send(written)),
        }
    }

    /// Takes on a stage and tells of it, when it is another; the first reason of a stage stays.
    fn enter(&self, stage: Stage, why: &Failure) {
        let state = State { stage, since: self.clock.now(), code: why.code, reason: why.message.clone() };
        {
            let mut shared = lock(&self.shared);
            if shared.state.stage == stage {
                return;
            }
            shared.state = state.clone();
        }
        self.told.state(&state);
    }

    fn is_closing(&self) -> bool {
        lock(&self.shared).closing
    }
}
