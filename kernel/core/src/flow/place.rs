//! Lets accepted messages become what their place says: put, parked, expired, dead, or kept to be tried again.

use std::collections::HashSet;

use caxton_abi::{Code, Envelope, EventName, Uid, class};

use super::{Flow, Place, Placed, end::Tell, find::Finder};
use crate::sync::Ordering;
use crate::{
    accounting::Moves,
    forwarding::{Filled, Slot},
    pending::Parked,
    schedule::placed,
    store::{Change, is_recovered, needs_count},
    sync::{lock, read},
    tally::Tally,
    tickets::Held,
    timer::Key,
};

impl Flow<'_> {
    /// Shows messages to their protocols and puts them where they belong, in order.
    pub(crate) fn place(&mut self, mut batch: Vec<Placed>) {
        while !batch.is_empty() {
            self.observe(&mut batch);
            let became_known = self.put(batch);
            batch = self.find_again(became_known);
        }
    }

    /// Returns messages whose address became known since their place was found.
    fn put(&mut self, batch: Vec<Placed>) -> Vec<Placed> {
        let bus = self.bus;
        let moves = bus.ledger.open_in(self.lane);
        let mut became_known: Vec<Placed> = Vec::new();
        for placed in batch {
            let receiver = placed.envelope.head.receiver;
            let mut earlier = became_known.iter().map(|placed| placed.envelope.head.receiver);
            if earlier.any(|earlier| earlier == receiver) {
                became_known.push(placed);
                continue;
            }
            let Placed { envelope, monitored, place } = placed;
            match place {
                Place::Slot(slot) => self.fill(&moves, slot, Parked { envelope, monitored }),
                Place::Unknown => {
                    let parked = Parked { envelope, monitored };
                    if let Err(parked) = self.park(&moves, parked) {
                        let Parked { envelope, monitored } = *parked;
                        became_known.push(Placed { envelope, monitored, place: Place::Unknown });
                    }
                }
                Place::Dead(code) => {
                    // A protocol that erred has not seen the message.
                    let monitored = monitored && code != Code::PLUGIN_UNAVAILABLE;
                    self.give_up(&moves, Parked { envelope, monitored }, code);
                }
                Place::Retry(code) => self.try_later(&moves, Parked { envelope, monitored }, code),
                Place::Withheld(code) => self.bury(&moves, envelope, code, Tell::No),
                Place::Expired => self.expire(&moves, envelope),
            }
        }
        became_known
    }

    fn find_again(&mut self, batch: Vec<Placed>) -> Vec<Placed> {
        if batch.is_empty() {
            return batch;
        }
        let known: HashSet<_> = batch.iter().map(|placed| placed.envelope.head.id).collect();
        let mut finder = Finder::new(self);
        for placed in batch {
            finder.find(placed.envelope, placed.monitored, 0);
        }
        let found = finder.finish();
        self.accept_copies(&known, found)
    }

    /// Counts the copies that a route made of messages which were accepted before, and returns what can be placed now.
    /// Durable copies are placed when they are on disk, and with them what they are copies of: it may not end before.
    pub(super) fn accept_copies(&mut self, known: &HashSet<Uid>, mut found: Vec<Placed>) -> Vec<Placed> {
        let is_new = |placed: &Placed| !known.contains(&placed.envelope.head.id);
        let is_durable = |placed: &Placed| placed.envelope.head.class == class::DURABLE;
        let is_dead = |placed: &Placed| matches!(placed.place, Place::Dead(_));
        let (mut new, mut to_keep) = (Tally::default(), false);
        for placed in found.iter_mut().filter(|placed| is_new(placed)) {
            if is_durable(placed) {
                let head = &mut placed.envelope.head;
                head.stored = self.bus.tickets.number();
                // A copy of a recovered message was not accepted before, so it obeys the bounds.
                head.deliveries = u8::from(!needs_count(head));
                to_keep |= !is_dead(placed);
            }
            new.put(&placed.envelope);
        }
        if new == Tally::default() {
            return found;
        }
        self.bus.ledger.open_in(self.lane).accept(new);
        found.iter().filter(|placed| is_new(placed)).for_each(|copy| self.tell_accepted(&copy.envelope));
        if !to_keep {
            return found;
        }
        // Copies that end here are never kept, so that a crash does not multiply them.
        let waits = |placed: &Placed| is_durable(placed) && !(is_new(placed) && is_dead(placed));
        let (durable, rest): (Vec<_>, Vec<_>) = found.into_iter().partition(waits);
        // The one that keeps its number is written again too, because it has another receiver now.
        let mut keep: Vec<_> =
            durable.iter().map(|placed| Change::Keep(Box::new(placed.envelope.clone()))).collect();
        // Such a message was accepted before: a store that repairs itself must not take it for a mere addition.
        keep.extend(durable.iter().filter(|placed| !is_new(placed)).map(|placed| Change::Count {
            stored: placed.envelope.head.stored,
            deliveries: placed.envelope.head.deliveries,
        }));
        self.bus.tickets.must_write(Held::Copies(durable), keep);
        rest
    }

    /// Raises the hand-outs of durable messages in hand that were handed out before, and takes out those that expired
    /// or were handed out too often. Returns these, and what the store is to be told before the rest is handed out.
    pub(crate) fn count_out(&self, batch: &mut Vec<Envelope>) -> (Vec<Placed>, Vec<Change>) {
        let deliveries_max = self.bus.limits.deliveries_max;
        let exceeds =
            |message: &Envelope| needs_count(&message.head) && message.head.deliveries >= deliveries_max;
        let ends = |message: &Envelope| self.is_expired(message) || exceeds(message);
        let mut ended = Vec::new();
        if batch.iter().any(ends) {
            let (out, rest): (Vec<_>, Vec<_>) = std::mem::take(batch).into_iter().partition(ends);
            *batch = rest;
            ended.extend(out.into_iter().map(|message| {
                let late = self.is_expired(&message);
                let place = if late { Place::Expired } else { Place::Dead(Code::DELIVERIES_EXCEEDED) };
                placed(message, place)
            }));
        }
        let mut counts = Vec::new();
        for head in batch.iter_mut().map(|message| &mut message.head).filter(|head| needs_count(head)) {
            head.deliveries = head.deliveries.saturating_add(1);
            counts.push(Change::Count { stored: head.stored, deliveries: head.deliveries });
        }
        (ended, counts)
    }

    fn fill(&mut self, moves: &Moves<'_>, slot: Slot, parked: Parked) {
        let Parked { envelope, monitored } = parked;
        let tally = Tally::from(&envelope);
        match slot.fill(envelope) {
            Ok(filled) => {
                moves.lay_down(tally);
                match filled {
                    Filled::Quiet => {}
                    Filled::Queue(cell) => self.take_or_queue(cell),
                    Filled::Empty(outlet) => self.outlets.push(outlet),
                }
            }
            Err(bounced) => {
                let parked = Parked { envelope: bounced.envelope, monitored };
                self.give_up(moves, parked, bounced.code);
            }
        }
    }

    /// Parks a message, or gives it back when its address is known by now.
    fn park(&mut self, moves: &Moves<'_>, parked: Parked) -> Result<(), Box<Parked>> {
        let bus = self.bus;
        let head = parked.envelope.head;
        let mut pending = lock(&bus.lookup.pending);
        if !pending.awaits(head.receiver) && read(&bus.lookup.table).contains_key(&head.receiver) {
            return Err(Box::new(parked));
        }
        let closed = bus.closed.load(Ordering::Acquire);
        if closed || !pending.has_room(&bus.limits) && !is_recovered(&head) {
            drop(pending);
            let code = if closed { Code::SHUTTING_DOWN } else { Code::PENDING_FULL };
            self.give_up(moves, parked, code);
            return Ok(());
        }
        moves.lay_down(&parked.envelope);
        let wait = pending.park(parked);
        if wait.set_deadline {
            let deadline = self.now.plus_millis(bus.limits.pending_ms_max);
            lock(&bus.timers).set(Key::Pending(head.receiver), deadline);
        }
        if wait.ask {
            self.unresolved.push(head.receiver);
        }
        drop(pending);
        self.about(EventName::MESSAGE_PARKED, &head, Code::NONE);
        Ok(())
    }
}
