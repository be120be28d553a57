//! Durable messages: submissions and turns that become true when the store has written them, and what it held when the
//! server began.

use std::sync::Arc;

use caxton_abi::{Code, Envelope, class, flags, port::Outcome};

use crate::sync::Ordering;
use crate::{
    activation::{Activation, Work},
    agent::State,
    bus::Bus,
    cell::Cell,
    flow::{Door, Entry, Flow},
    schedule::traced,
    store::{Answer, Change, Recovered, Sighting, Store, WRITE_AGAIN_MS, Written},
    sync::lock,
    tally::Tally,
    tickets::{Commit, Held, Reply, Submission},
    time::Time,
    timer::Key,
};

impl Bus {
    /// As [`Bus::submit`], for messages of any class. Answers at once when none of them is durable, else when the store
    /// has written them; from any thread.
    pub fn submit_and_wait(&self, messages: Vec<Envelope>, now: Time, answer: Answer) {
        let mut flow = Flow::new(self, self.run_queue.workers(), now);
        let entry = flow.admit(messages, Door::Wait);
        self.take_or_write(flow, entry, Reply::Sender(answer));
    }

    /// Takes in what need not wait, and begins to write the rest; the answer comes when both are through.
    pub(crate) fn take_or_write(&self, mut flow: Flow<'_>, mut entry: Entry, reply: Reply) {
        let mut durable = entry.split_durable();
        flow.take_in(entry, Door::Wait);
        let now = flow.now;
        if durable.durable.is_empty() {
            flow.settle();
            return self.reply(reply, durable.outcomes);
        }
        let mut changes = Vec::new();
        self.keep(&mut durable, &mut changes);
        changes.extend(reply.letters(&durable).into_iter().map(Change::Exhume));
        let submission = Box::new(Submission { entry: durable, reply });
        let back = self.tickets.try_write(submission, changes);
        flow.settle();
        if let Err(submission) = back {
            self.end_submission(*submission, Err(Code::DURABLE_UNAVAILABLE), now);
        }
    }

    /// Numbers the durable messages of an entry and says how to keep them. Their numbers follow each other, so that those
    /// that end together can be removed together.
    fn keep(&self, entry: &mut Entry, changes: &mut Vec<Change>) {
        let copies = entry.durable.iter().map(|durable| durable.placed.len()).sum::<usize>() as u64;
        let mut number = self.tickets.numbers(copies);
        changes.reserve(copies as usize);
        for durable in &mut entry.durable {
            for message in durable.placed.iter_mut().map(|placed| &mut placed.envelope) {
                message.head.stored = number;
                number += 1;
                // A letter that is sent again was handed out before, so its hand-outs are counted each.
                let again = message.head.flags & flags::REDELIVERED != 0;
                message.head.deliveries = u8::from(!again);
                changes.push(Change::Keep(Box::new(message.clone())));
            }
            if let Some((key, number)) = &mut durable.seen {
                *number = self.tickets.number();
                let (sender, id) = *key;
                let digest = lock(&self.sightings).digest(*key);
                changes.push(Change::Saw(Sighting { number: *number, sender, id, digest }));
            }
        }
    }

    fn end_submission(&self, submission: Submission, written: Written, now: Time) {
        let Submission { mut entry, reply } = submission;
        let mut flow = Flow::new(self, self.run_queue.workers(), now);
        if let Err(code) = written {
            let mut sightings = lock(&self.sightings);
            entry.refuse_durable(code).into_iter().for_each(|key| sightings.forget(key));
        }
        let outcomes = flow.take_in(entry, Door::Wait);
        flow.settle();
        self.reply(reply, outcomes);
    }

    fn reply(&self, reply: Reply, outcomes: Vec<Outcome>) {
        match reply {
            Reply::Sender(answer) => answer(outcomes),
            Reply::Operator(requeue) => self.end_requeue(requeue, &outcomes),
        }
    }

    /// Sets the store, or takes it away: then durable messages are refused with [`Code::DURABLE_UNAVAILABLE`], and what
    /// ended and turns that are to commit wait for the next one. A store that is replaced still ends its tickets.
    pub fn set_store(&self, store: Option<Arc<dyn Store>>) {
        self.tickets.set_store(store);
    }

    /// Tells how the transaction of a ticket ended, and takes up what hangs on it.
    pub fn stored(&self, ticket: u64, written: Written, now: Time) {
        let Some(ticket) = self.tickets.end(ticket) else { return };
        match (ticket.held, written) {
            (Held::Submission(submission), written) => self.end_submission(*submission, written, now),
            (Held::Commit(commit), Ok(())) => self.end_commit(*commit, now),
            (Held::Commit(commit), Err(code)) => self.undo(commit.activation, code, now),
            (held, Err(code)) => {
                self.tickets.keep_back(held, ticket.again, code);
                lock(&self.timers).set(Key::Store, now.plus_millis(WRITE_AGAIN_MS));
            }
            (Held::Nothing, Ok(())) => {}
            (Held::Letter(number), Ok(())) => lock(&self.dead_letters).stay(number),
            (Held::Copies(placed), Ok(())) => {
                let mut flow = Flow::new(self, self.run_queue.workers(), now);
                flow.place(placed);
                flow.settle();
            }
            (Held::Turn { cell, work, batch }, Ok(())) => self.hand_out(cell, work, batch),
            (Held::HandOver { outlet, batch }, Ok(())) => {
                let mut flow = Flow::new(self, self.run_queue.workers(), now);
                flow.hand_over_counted(outlet, batch);
                flow.settle();
            }
        }
    }

    /// The agent has been waiting for its messages to be counted, and takes its turn now.
    fn hand_out(&self, cell: Arc<Cell>, work: Work, batch: Vec<Envelope>) {
        lock(&cell.desk).prepared = Some((work, batch));
        self.run_queue.push(cell, usize::MAX);
    }

    /// Commits a turn that took or sends durable messages: at once when nothing of it is to be kept, else when it is on
    /// disk. The agent stays occupied until then, the worker does not.
    pub(crate) fn commit_to_store(
        &self,
        mut flow: Flow<'_>,
        mut activation: Activation,
        state: Option<State>,
    ) -> Option<Arc<Cell>> {
        let outbox = std::mem::take(&mut activation.turn.outbox);
        self.hold_conversations(&activation.cell, &outbox, flow.now);
        let mut entry = flow.admit(traced(outbox, &activation.batch, activation.trace), Door::Turn);
        let handled = activation.batch.iter().filter(|message| message.head.class == class::DURABLE);
        let mut changes: Vec<_> = handled.map(|message| Change::forget(&message.head)).collect();
        self.keep(&mut entry, &mut changes);
        if changes.is_empty() {
            let cell = Arc::clone(&activation.cell);
            self.commit(&mut flow, activation, state, Some(entry));
            return self.end_turn(flow, &cell);
        }
        let commit = Box::new(Commit { activation, state, entry });
        self.tickets.must_write(Held::Commit(commit), changes);
        flow.settle();
        None
    }

    fn end_commit(&self, commit: Commit, now: Time) {
        let Commit { activation, state, entry } = commit;
        let cell = Arc::clone(&activation.cell);
        // The store's thread is no worker.
        let lane = self.run_queue.workers();
        let mut flow = Flow::new(self, lane, now);
        self.commit(&mut flow, activation, state, Some(entry));
        let again = self.end_turn(flow, &cell);
        self.queue_again(again, lane);
    }

    /// Takes over what a store held, before any other message is submitted. Messages are accepted anew in these books,
    /// flagged as redelivered, and wait for their receivers as long as it takes.
    pub fn recover(&self, recovered: Recovered, now: Time) {
        let Recovered { mut messages, letters, sightings } = recovered;
        let stored = messages.iter().map(|message| message.head.stored);
        let numbers = stored.chain(letters.iter().map(|letter| letter.number));
        let last = numbers.chain(sightings.iter().map(|sighting| sighting.number)).max();
        last.into_iter().for_each(|number| self.tickets.go_on_after(number));
        let mut flow = Flow::new(self, self.run_queue.workers(), now);
        for sighting in &sightings {
            flow.unsee(lock(&self.sightings).restore(sighting));
        }
        for letter in letters {
            let out = lock(&self.dead_letters).push(letter);
            flow.exhume(&out);
        }
        for message in &mut messages {
            message.head.class = class::DURABLE;
            message.head.flags |= flags::REDELIVERED;
            message.head.deliveries = message.head.deliveries.max(1);
        }
        self.ledger.open().accept(Tally::of(&messages));
        flow.find_recovered(messages);
        flow.settle();
    }

    /// True when the store has a part in a turn that went well.
    pub(crate) fn is_for_store(activation: &Activation) -> bool {
        let durable =
            |messages: &[Envelope]| messages.iter().any(|message| message.head.class == class::DURABLE);
        durable(&activation.batch) || durable(&activation.turn.outbox)
    }

    /// What ends a turn, after its consequences are known. Returns the agent when it has more to do: then it counts as
    /// running until [`Bus::queue_again`] or its next turn's end.
    pub(crate) fn end_turn(&self, flow: Flow<'_>, cell: &Arc<Cell>) -> Option<Arc<Cell>> {
        let (now, lane) = (flow.now, flow.lane);
        // Protocols learn of a lost instance before the next turn begins, so consequences come first.
        flow.settle();
        let again = self.put_back(cell, now);
        if again.is_none() {
            self.running.get(lane).fetch_sub(1, Ordering::AcqRel);
        }
        again
    }

    /// Leaves an agent that has more to do to the workers.
    pub(crate) fn queue_again(&self, cell: Option<Arc<Cell>>, lane: usize) {
        if let Some(cell) = cell {
            self.run_queue.push(cell, lane);
            self.running.get(lane).fetch_sub(1, Ordering::AcqRel);
        }
    }
}
