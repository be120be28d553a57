//! Gives turns to workers and settles them: commit, retry, replace the instance, or give the agent up.

use std::sync::Arc;

use caxton_abi::{Code, Envelope, EventName, TraceContext, Uid, flags};

use crate::sync::Ordering;
use crate::{
    activation::{Activation, Finished, Work},
    agent::{Fault, State, Turn},
    bus::Bus,
    cell::{Cell, Desk, Run},
    flow::{Door, Entry, Flow, Place, Placed},
    lifecycle::Life,
    limits::Limits,
    store::WRITE_AGAIN_MS,
    supervisor::RestartPolicy,
    sync::lock,
    tally::Tally,
    telling::{code_of, in_words},
    tickets::Held,
    time::Time,
    timer::Key,
    turn::next_state,
};

impl Bus {
    /// The worker's next turn: from its own queue, else stolen from another's. `None` when nothing is to be done.
    pub fn next(&self, worker: usize, now: Time) -> Option<Activation> {
        loop {
            let cell = self.run_queue.pop(worker)?;
            if let Some(activation) = self.begin(cell, worker, now) {
                self.running.get(worker).fetch_add(1, Ordering::AcqRel);
                return Some(activation);
            }
        }
    }

    pub(crate) fn begin(&self, cell: Arc<Cell>, worker: usize, now: Time) -> Option<Activation> {
        let mut flow = Flow::new(self, worker, now);
        let moves = self.ledger.open_in(worker);
        let mut desk = lock(&cell.desk);
        if !cell.goes_on.swap(false, Ordering::Relaxed) {
            desk.slice_began = now;
        }
        if let Some((work, batch)) = desk.prepared.take() {
            return self.activate(&cell, &mut desk, work, batch, worker, now);
        }
        let (work, mut batch) = choose(&mut desk, &cell);
        let (ended, counts) = flow.count_out(&mut batch);
        moves.pick_up(Tally::of(ended.iter().map(|placed| &placed.envelope)));
        desk.in_turn = Tally::of(&batch);
        let judge = self.judge(now);
        batch.iter().for_each(|message| desk.held.touch(&message.head, &judge));
        let work = work.filter(|work| !work.takes_messages() || !batch.is_empty());
        desk.run = if work.is_some() { Run::Running } else { Run::Idle };
        let again = work.is_none() && desk.enqueue();
        let (mut activation, mut held) = (None, None);
        match work {
            Some(work) if counts.is_empty() => {
                activation = self.activate(&cell, &mut desk, work, batch, worker, now);
            }
            Some(work) => held = Some(Held::Turn { cell: Arc::clone(&cell), work, batch }),
            None => {}
        }
        drop(desk);
        drop(moves);
        // The turn begins when the store has counted its hand-outs.
        if let Some(held) = held {
            self.tickets.must_write(held, counts);
        }
        if again {
            flow.queue(cell);
        }
        flow.later(ended);
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
        let mut turn = desk.turn.take().unwrap_or_else(|| self.first_turn(cell.address, &cell.limits));
        turn.now = now;
        turn.state = cell.state.newest();
        let cause = batch.first().map(|first| first.head.trace).unwrap_or_default();
        let trace = TraceContext { span: turn.ids.span(), ..cause };
        let restarts = desk.instances_before();
        let (cell, body) = (Arc::clone(cell), desk.body.take());
        let parent_span = cause.span;
        Some(Activation { cell, worker, began: now, work, batch, body, turn, restarts, trace, parent_span })
    }

    /// What an agent's turns begin with.
    pub(crate) fn first_turn(&self, address: u32, limits: &Arc<Limits>) -> Turn {
        Turn {
            now: Time::ZERO,
            address,
            directory: self.directory(),
            limits: Arc::clone(limits),
            state: Arc::default(),
            ids: self.fork_ids(),
            outbox: Vec::new(),
            puts: Default::default(),
            timers: Vec::new(),
            logs: Vec::new(),
        }
    }

    /// Settles a turn at the time at which it ended.
    pub fn finish(&self, finished: Finished, now: Time) {
        let lane = finished.activation.worker;
        let again = self.settle_turn(finished, now);
        self.queue_again(again, lane);
    }

    /// As [`Bus::finish`]; returns the agent, marked as queued, when it has more to do.
    pub(crate) fn settle_turn(&self, finished: Finished, now: Time) -> Option<Arc<Cell>> {
        let Finished { mut activation, result } = finished;
        let cell = Arc::clone(&activation.cell);
        let mut flow = Flow::new(self, activation.worker, now);
        for line in std::mem::take(&mut activation.turn.logs) {
            flow.log(&activation, line);
        }
        let result = result.and_then(|()| check_state(&activation.turn));
        flow.turn_span(&activation, &result);
        match result {
            Ok(state) if Self::is_for_store(&activation) => {
                return self.commit_to_store(flow, activation, state);
            }
            Ok(state) => self.commit(&mut flow, activation, state, None),
            Err(fault) => self.drop_turn(&mut flow, activation, fault),
        }
        self.end_turn(flow, &cell)
    }

    /// Makes a turn true. `entry` is what became of its outbox, when the store had a part in that.
    pub(crate) fn commit(
        &self,
        flow: &mut Flow<'_>,
        activation: Activation,
        state: Option<State>,
        entry: Option<Entry>,
    ) {
        let Activation { cell, began, batch, body, mut turn, trace, work, .. } = activation;
        self.hold_conversations(&cell, &turn.outbox, flow.now);
        let outbox = std::mem::take(&mut turn.outbox);
        let timers = std::mem::take(&mut turn.timers);
        let moves = self.ledger.open_in(flow.lane);
        let mut desk = lock(&cell.desk);
        desk.in_turn = Tally::default();
        moves.deliver(&batch);
        desk.turns += 1;
        if work != Work::Init {
            desk.pace.note(began, flow.now, &self.limits);
        }
        desk.received += batch.len() as u64;
        desk.sent += entry.as_ref().map_or(outbox.len(), |entry| entry.outcomes.len()) as u64;
        desk.body = body;
        let recycled = desk.note_memory(&cell, work.makes_instance());
        if let Some(state) = state {
            cell.state.keep(&turn.state, state, &turn.puts);
            turn.state = cell.state.newest();
        }
        desk.turn = Some(turn.ended());
        let started = work == Work::Init && desk.life.takes_messages();
        if started {
            desk.life.started();
        }
        let restarts = desk.supervisor.restarts();
        let stays = desk.life.takes_messages();
        drop(desk);
        drop(moves);
        if started {
            self.came_up(flow, &cell, restarts);
        }
        if let Some((pressure, before)) = recycled {
            self.recycled(flow, &cell, pressure, before);
        }
        if stays {
            flow.set_timers(&cell, timers);
        }
        for message in &batch {
            flow.about(EventName::MESSAGE_DELIVERED, &message.head, Code::NONE);
        }
        match entry {
            Some(entry) => flow.take_in(entry, Door::Turn),
            None => {
                let rest = flow.pass(traced(outbox, &batch, trace));
                flow.enter(rest, Door::Turn)
            }
        };
    }

    /// Notes that a version takes part in the conversations of what it sends.
    pub(crate) fn hold_conversations(&self, cell: &Cell, outbox: &[Envelope], now: Time) {
        if !outbox.is_empty() {
            // One that has left takes no conversation back, or its messages would go to a closed mailbox.
            let (mut desk, judge) = (lock(&cell.desk), self.judge(now));
            if desk.life.takes_messages() {
                outbox.iter().for_each(|message| desk.held.touch(&message.head, &judge));
            }
        }
    }

    /// The store could not write a turn that went well: nothing of it becomes true, and it is run again.
    pub(crate) fn undo(&self, activation: Activation, code: Code, now: Time) {
        // The store's thread is no worker.
        let lane = self.run_queue.workers();
        let mut flow = Flow::new(self, lane, now);
        let meaning = code.entry().map_or("", |entry| entry.meaning).to_owned();
        flow.tell_fault(&activation, &Fault::Returned { code: code.slug().to_owned(), detail: meaning });
        let Activation { cell, batch, body, turn, work, .. } = activation;
        let moves = self.ledger.open();
        let mut desk = lock(&cell.desk);
        desk.in_turn = Tally::default();
        desk.body = body;
        desk.turn = Some(turn.ended());
        let mut dead = Vec::new();
        if desk.life.takes_messages() {
            for message in batch.into_iter().rev() {
                desk.retry.push_front(redelivered(message));
            }
            if let Work::Timer(token) = work {
                desk.due.push_front(token);
            }
            rest(&flow, &cell, &mut desk, WRITE_AGAIN_MS);
        } else {
            moves.pick_up(&batch);
            let ended = |message| placed(redelivered(message), Place::Dead(Code::AGENT_STOPPED));
            dead.extend(batch.into_iter().map(ended));
        }
        drop(desk);
        drop(moves);
        flow.later(dead);
        let again = self.end_turn(flow, &cell);
        self.queue_again(again, lane);
    }

    /// Nothing of the turn becomes true. Decides what becomes of the batch and of the agent.
    fn drop_turn(&self, flow: &mut Flow<'_>, activation: Activation, fault: Fault) {
        flow.tell_fault(&activation, &fault);
        let Activation { cell, began, mut batch, body, work, turn, .. } = activation;
        let trapped = matches!(fault, Fault::Trapped { .. });
        let moves = self.ledger.open();
        let mut desk = lock(&cell.desk);
        desk.in_turn = Tally::default();
        desk.turn = Some(turn.ended());
        desk.pace.note(began, flow.now, &self.limits);
        // The old instance serves on.
        let trapped = trapped && work != Work::Recycle;
        let mut dead = Vec::new();
        if work == Work::Retry || !desk.life.takes_messages() {
            let code = match () {
                () if !desk.life.takes_messages() => Code::AGENT_STOPPED,
                () if trapped => Code::POISON,
                () => Code::HANDLER_FAULT,
            };
            dead.extend(batch.drain(..).map(|message| placed(redelivered(message), Place::Dead(code))));
        }
        for message in batch.drain(..).rev() {
            desk.retry.push_front(redelivered(message));
        }
        let mut keep = None;
        let (mut lost, mut why) = (trapped, code_of(&fault));
        if trapped || work == Work::Init {
            keep = body; // dropped below, after the lock
            desk.memory_bytes = 0;
            match verdict(&mut desk, &cell, work, &fault, flow.now) {
                Verdict::Leaving => {}
                Verdict::Restart(delay_ms) => rest(flow, &cell, &mut desk, delay_ms),
                Verdict::GiveUp(code, reason) => {
                    dead.extend(close(&mut desk, code, reason));
                    (lost, why) = (true, code);
                }
            }
        } else {
            desk.body = body;
            desk.recycling_failed(work);
        }
        moves.pick_up(Tally::of(dead.iter().map(|placed| &placed.envelope)));
        let state = desk.life.clone();
        let spared = conversations(desk.retry.iter());
        // Beside other versions only what this one held is lost.
        let held = desk.divided.then(|| desk.held.watched(&self.judge(flow.now)));
        drop(desk);
        drop(moves);
        drop(keep);
        match held {
            Some(mut held) if lost => {
                held.retain(|conversation| !spared.contains(conversation));
                flow.conversations_lost(cell.address, why, held);
            }
            None if lost => flow.agent_lost(cell.address, why, spared),
            _ => {}
        }
        flow.later(dead);
        match &state {
            Life::Failed(agent) => self.fell(flow, &cell, agent.code(), agent.reason()),
            Life::Replacing(_) if trapped => {
                let text = "replacing".to_owned();
                flow.agent_event(EventName::AGENT_STATE, cell.address, Code::NONE, text);
            }
            _ => {}
        }
    }

    /// After a turn: out of the books when it was removed; returned, marked as queued, when there is more to do.
    pub(crate) fn put_back(&self, cell: &Arc<Cell>, now: Time) -> Option<Arc<Cell>> {
        let mut desk = lock(&cell.desk);
        desk.run = Run::Idle;
        self.weigh(cell, &mut desk, now);
        let queue = desk.enqueue();
        let draining = matches!(desk.life, Life::Draining(_));
        let has_batch = desk.mailbox.len() >= cell.limits.turn_messages_max;
        if queue && has_batch && now.nanos_since(desk.slice_began) < SLICE_NS {
            cell.goes_on.store(true, Ordering::Relaxed);
        }
        drop(desk);
        if !queue && draining {
            let mut flow = Flow::new(self, self.run_queue.workers(), now);
            self.stop(&mut flow, cell);
            flow.settle();
        }
        queue.then(|| Arc::clone(cell))
    }
}

/// How long an agent with full batches may go on before others have their turn, in nanoseconds.
const SLICE_NS: u64 = 1_000_000;

/// Decides what the next turn does, and takes the messages for it.
fn choose(desk: &mut Desk, cell: &Cell) -> (Option<Work>, Vec<Envelope>) {
    if desk.life.needs_instance() {
        return (Some(Work::Init), Vec::new());
    }
    if !desk.life.takes_messages() {
        return (None, Vec::new());
    }
    if desk.recycling.is_due() {
        return (Some(Work::Recycle), Vec::new());
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

/// What becomes of a version whose instance was lost.
enum Verdict {
    /// Nothing: it is on its way out.
    Leaving,
    /// It gets another instance after so many milliseconds.
    Restart(u64),
    /// It is given up.
    GiveUp(Code, String),
}

/// Decides after a trap or a failed init.
fn verdict(desk: &mut Desk, cell: &Cell, work: Work, fault: &Fault, now: Time) -> Verdict {
    if !desk.life.takes_messages() {
        return Verdict::Leaving;
    }
    let first = matches!(desk.life, Life::Starting(_));
    let returned = matches!(fault, Fault::Returned { .. });
    if work == Work::Init && (first || returned) {
        return Verdict::GiveUp(Code::AGENT_INIT_FAILED, in_words(fault));
    }
    if cell.spec.restart == RestartPolicy::Never {
        let reason = format!("its restart policy is `never`, and it trapped: {}", in_words(fault));
        return Verdict::GiveUp(Code::AGENT_FAILED, reason);
    }
    if desk.supervisor.allow_restart(now) {
        desk.life.lose();
        let chance = desk.turn.as_mut().map_or(0, |turn| turn.ids.span());
        return Verdict::Restart(desk.supervisor.backoff_ms(&cell.limits, chance));
    }
    let intensity = desk.supervisor.intensity();
    let reason = format!(
        "more than {} restarts within {} ms; the last: {}",
        intensity.restarts_max,
        intensity.window_ms,
        in_words(fault)
    );
    Verdict::GiveUp(Code::AGENT_FAILED, reason)
}

/// Lets a version wait before its next instance is made; messages are buffered meanwhile.
fn rest(flow: &Flow<'_>, cell: &Cell, desk: &mut Desk, delay_ms: u64) {
    if delay_ms > 0 {
        desk.rests = true;
        let key = Key::Restart(cell.address, cell.version);
        lock(flow.timers()).set(key, flow.now.plus_millis(delay_ms));
    }
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

pub(crate) fn redelivered(mut message: Envelope) -> Envelope {
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
pub(crate) fn traced(mut outbox: Vec<Envelope>, batch: &[Envelope], turn: TraceContext) -> Vec<Envelope> {
    // Answers come in the order of what they answer, so the search goes on where the last one ended.
    let mut last = 0;
    for message in &mut outbox {
        let head = &mut message.head;
        let cause = if head.trace.trace.is_none() { find_from(last, batch, head.conversation) } else { None };
        last = cause.map_or(last, |(index, _)| index);
        let cause = cause.map(|(_, cause)| cause.head.trace);
        head.trace = TraceContext {
            trace: cause.map_or(head.trace.trace, |cause| cause.trace),
            span: turn.span,
            flags: cause.map_or(turn.flags, |cause| cause.flags),
        };
    }
    outbox
}

fn find_from(start: usize, batch: &[Envelope], conversation: Uid) -> Option<(usize, &Envelope)> {
    let all = batch.iter().enumerate();
    all.cycle().skip(start).take(batch.len()).find(|(_, message)| message.head.conversation == conversation)
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
