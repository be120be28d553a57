//! Gives turns to workers and settles them: commit, retry, replace the instance, or give the agent up.

use std::{sync::Arc, sync::atomic::Ordering};

use caxton_abi::{Code, Envelope, EventName, TraceContext, Uid, flags};

use crate::{
    activation::{Activation, Finished, Work},
    agent::{Fault, Start, State, Turn},
    bus::Bus,
    cell::{Cell, Desk, Run},
    flow::{Door, Flow, Place, Placed},
    lifecycle::Life,
    sync::lock,
    telling::{code_of, in_words},
    time::Time,
    turn::next_state,
};

impl Bus {
    /// The worker's next turn: from its own queue, else stolen from another's. `None` when nothing is to be done.
    pub fn next(&self, worker: usize, now: Time) -> Option<Activation> {
        loop {
            let cell = self.run_queue.pop(worker)?;
            if let Some(activation) = self.begin(cell, worker, now) {
                self.running.fetch_add(1, Ordering::AcqRel);
                return Some(activation);
            }
        }
    }

    fn begin(&self, cell: Arc<Cell>, worker: usize, now: Time) -> Option<Activation> {
        let mut flow = Flow::new(self, worker, now);
        let moves = self.ledger.open();
        let mut desk = lock(&cell.desk);
        let (work, mut batch) = choose(&mut desk, &cell);
        let mut late = Vec::new();
        if work == Some(Work::Batch) {
            (late, batch) = batch.into_iter().partition(|message| flow.is_expired(message));
            moves.pick_up(late.len());
        }
        desk.in_turn = batch.len();
        let work = work.filter(|work| *work != Work::Batch || !batch.is_empty());
        desk.run = if work.is_some() { Run::Running } else { Run::Idle };
        let again = work.is_none() && desk.enqueue();
        let activation = work.and_then(|work| self.activate(&cell, &mut desk, work, batch, worker, now));
        drop(desk);
        drop(moves);
        if again {
            flow.queue(cell);
        }
        flow.later(late.into_iter().map(|message| placed(message, Place::Expired)).collect());
        flow.settle();
        activation
    }

    fn activate(
        &self,
        cell: &Arc<Cell>,
        desk: &mut Desk,
        work: Work,
        batch: Vec<Envelope>,
        worker: usize,
        now: Time,
    ) -> Option<Activation> {
        let mut ids = desk.ids.take().or_else(|| self.fork_ids())?;
        let cause = batch.first().map(|first| first.head.trace).unwrap_or_default();
        let trace = TraceContext { span: ids.span(), ..cause };
        let start = Start {
            address: cell.address,
            config: Arc::clone(&cell.config),
            restarts: desk.supervisor.restarts(),
        };
        let turn = Turn {
            now,
            address: cell.address,
            directory: self.directory(),
            limits: Arc::clone(&cell.limits),
            state: Arc::clone(&desk.state),
            ids,
            outbox: Vec::new(),
            puts: Default::default(),
            timers: Vec::new(),
            logs: Vec::new(),
        };
        let (cell, body) = (Arc::clone(cell), desk.body.take());
        let parent_span = cause.span;
        Some(Activation { cell, worker, began: now, work, batch, body, turn, start, trace, parent_span })
    }

    /// Settles a turn at the time at which it ended.
    pub fn finish(&self, finished: Finished, now: Time) {
        let Finished { mut activation, result } = finished;
        let cell = Arc::clone(&activation.cell);
        let mut flow = Flow::new(self, activation.worker, now);
        for line in std::mem::take(&mut activation.turn.logs) {
            flow.log(&activation, line);
        }
        let result = result.and_then(|()| check_state(&activation.turn));
        flow.turn_span(&activation, &result);
        match result {
            Ok(state) => self.commit(&mut flow, activation, state),
            Err(fault) => self.drop_turn(&mut flow, activation, fault),
        }
        // Protocols learn of a lost instance before the next turn begins, so consequences come first.
        flow.settle();
        self.put_back(&cell, now);
        self.running.fetch_sub(1, Ordering::AcqRel);
    }

    fn commit(&self, flow: &mut Flow<'_>, activation: Activation, state: Option<State>) {
        let Activation { cell, batch, body, turn, trace, work, .. } = activation;
        let moves = self.ledger.open();
        let mut desk = lock(&cell.desk);
        desk.in_turn = 0;
        moves.deliver(batch.len());
        desk.turns += 1;
        desk.received += batch.len() as u64;
        desk.sent += turn.outbox.len() as u64;
        desk.memory_bytes = body.as_ref().map_or(0, |body| body.memory_bytes());
        desk.body = body;
        desk.ids = Some(turn.ids);
        if let Some(state) = state {
            desk.state = Arc::new(state);
        }
        let started = work == Work::Init && desk.life.takes_messages();
        if started {
            desk.life.started();
        }
        let restarts = desk.supervisor.restarts();
        let stays = desk.life.takes_messages();
        drop(desk);
        drop(moves);
        if started {
            flow.started(&cell, restarts);
        }
        if stays {
            flow.set_timers(&cell, turn.timers);
        }
        for message in &batch {
            flow.about(EventName::MESSAGE_DELIVERED, &message.head, Code::NONE);
        }
        flow.enter(traced(turn.outbox, &batch, trace), Door::Turn);
    }

    /// Nothing of the turn becomes true. Decides what becomes of the batch and of the agent.
    fn drop_turn(&self, flow: &mut Flow<'_>, activation: Activation, fault: Fault) {
        flow.tell_fault(&activation, &fault);
        let Activation { cell, mut batch, body, work, .. } = activation;
        let trapped = matches!(fault, Fault::Trapped { .. });
        let moves = self.ledger.open();
        let mut desk = lock(&cell.desk);
        desk.in_turn = 0;
        let mut dead = Vec::new();
        if work == Work::Retry || !desk.life.takes_messages() {
            let code = match () {
                () if !desk.life.takes_messages() => Code::AGENT_STOPPED,
                () if trapped => Code::POISON,
                () => Code::HANDLER_FAULT,
            };
            dead.extend(batch.drain(..).map(|message| placed(message, Place::Dead(code))));
        }
        for message in batch.drain(..).rev() {
            desk.retry.push_front(redelivered(message));
        }
        let mut keep = None;
        let mut lost = trapped;
        if trapped || work == Work::Init {
            keep = body; // dropped below, after the lock
            desk.memory_bytes = 0;
            if let Some((code, reason)) = verdict(&mut desk, work, &fault, flow.now) {
                dead.extend(close(&mut desk, code, reason));
                lost = true;
            }
        } else {
            desk.body = body;
        }
        moves.pick_up(dead.len());
        let state = desk.life.clone();
        let spared = conversations(desk.retry.iter());
        drop(desk);
        drop(moves);
        drop(keep);
        if lost {
            flow.agent_lost(cell.address, code_of(&fault), spared);
        }
        flow.later(dead);
        flow.tell_state(&cell, &state, trapped);
    }

    /// After a turn: back into the run queue when there is more to do, or out of the books when it was removed.
    fn put_back(&self, cell: &Arc<Cell>, now: Time) {
        let mut desk = lock(&cell.desk);
        desk.run = Run::Idle;
        let queue = desk.enqueue();
        let draining = matches!(desk.life, Life::Draining(_));
        drop(desk);
        if queue {
            self.run_queue.push(Arc::clone(cell));
        } else if draining {
            let mut flow = Flow::new(self, self.run_queue.workers(), now);
            self.stop(&mut flow, cell);
            flow.settle();
        }
    }
}

/// Decides what the next turn does, and takes the messages for it.
fn choose(desk: &mut Desk, cell: &Cell) -> (Option<Work>, Vec<Envelope>) {
    if desk.life.needs_instance() {
        return (Some(Work::Init), Vec::new());
    }
    if !desk.life.takes_messages() {
        return (None, Vec::new());
    }
    let messages_wait = !(desk.mailbox.is_empty() && desk.retry.is_empty());
    let timer_first = !desk.timer_was_last || !messages_wait;
    if let (true, Some(token)) = (timer_first, desk.due.front().copied()) {
        desk.due.pop_front();
        desk.timer_was_last = true;
        return (Some(Work::Timer(token)), Vec::new());
    }
    desk.timer_was_last = false;
    if let Some(message) = desk.retry.pop_front() {
        return (Some(Work::Retry), vec![message]);
    }
    let limits = &cell.limits;
    let batch = desk.mailbox.take(limits.turn_messages_max, limits.turn_bytes_max);
    (Some(Work::Batch), batch)
}

/// After a trap or a failed init: `None` when the agent gets another instance, else why it is given up.
fn verdict(desk: &mut Desk, work: Work, fault: &Fault, now: Time) -> Option<(Code, String)> {
    if !desk.life.takes_messages() {
        return None;
    }
    let first = matches!(desk.life, Life::Starting(_));
    let returned = matches!(fault, Fault::Returned { .. });
    if work == Work::Init && (first || returned) {
        return Some((Code::AGENT_INIT_FAILED, in_words(fault)));
    }
    if desk.supervisor.allow_restart(now) {
        desk.life.lose();
        return None;
    }
    let intensity = desk.supervisor.intensity();
    let reason = format!(
        "more than {} restarts within {} ms; the last: {}",
        intensity.restarts_max,
        intensity.window_ms,
        in_words(fault)
    );
    Some((Code::AGENT_FAILED, reason))
}

/// Gives the agent up; returns its messages as dead letters.
fn close(desk: &mut Desk, code: Code, reason: String) -> Vec<Placed> {
    desk.life.fail(code, reason);
    desk.due.clear();
    let mut messages: Vec<_> = desk.retry.drain(..).collect();
    messages.extend(desk.mailbox.close(code));
    messages.into_iter().map(|message| placed(message, Place::Dead(code))).collect()
}

pub(crate) fn placed(envelope: Envelope, place: Place) -> Placed {
    Placed { envelope, monitored: true, place }
}

fn redelivered(mut message: Envelope) -> Envelope {
    message.head.flags |= flags::REDELIVERED;
    message
}

fn conversations<'m>(messages: impl Iterator<Item = &'m Envelope>) -> Vec<Uid> {
    let mut all: Vec<_> = messages.map(|message| message.head.conversation).collect();
    all.sort_unstable();
    all.dedup();
    all
}

/// The outbox with the turn's span. A message of a conversation that is in the batch stays in that trace.
fn traced(mut outbox: Vec<Envelope>, batch: &[Envelope], turn: TraceContext) -> Vec<Envelope> {
    for message in &mut outbox {
        let same = |cause: &&Envelope| cause.head.conversation == message.head.conversation;
        let cause = batch.iter().find(same);
        message.head.trace = TraceContext {
            trace: cause.map_or(Uid::NONE, |cause| cause.head.trace.trace),
            span: turn.span,
            flags: cause.map_or(turn.flags, |cause| cause.head.trace.flags),
        };
    }
    outbox
}

fn check_state(turn: &Turn) -> Result<Option<State>, Fault> {
    next_state(turn).map_err(|bytes| Fault::Returned {
        code: "state.full".to_owned(),
        detail: format!(
            "the state would have {bytes} bytes, allowed are {}: keep less, or raise `limits.state_bytes_max`",
            turn.limits.state_bytes_max
        ),
    })
}
