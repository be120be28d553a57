//! Lets accepted messages become what their place says: put, parked, expired or dead. And empties outlets.

use std::{collections::HashSet, sync::Arc};

use caxton_abi::{Code, Envelope, EventName, Uid, flags};

use super::{Flow, Notice, Place, Placed, find::Finder};
use crate::{
    accounting::Moves,
    dead_letter::DeadLetter,
    forwarding::{Filled, Slot},
    outlet::Outlet,
    pending::Parked,
    sync::{lock, read},
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
        let moves = bus.ledger.open();
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
                Place::Slot(slot) => self.fill(&moves, slot, envelope),
                Place::Unknown => {
                    let parked = Parked { envelope, monitored };
                    if let Err(parked) = self.park(&moves, parked) {
                        let Parked { envelope, monitored } = *parked;
                        became_known.push(Placed { envelope, monitored, place: Place::Unknown });
                    }
                }
                Place::Dead(code) => self.bury(&moves, envelope, code, Tell::Yes),
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
        self.accept_copies(&known, &found);
        found
    }

    /// Counts the copies that a route made of messages which were accepted before.
    pub(super) fn accept_copies(&mut self, known: &HashSet<Uid>, found: &[Placed]) {
        let copies = found.iter().filter(|placed| !known.contains(&placed.envelope.head.id));
        let copies: Vec<_> = copies.map(|placed| &placed.envelope).collect();
        if !copies.is_empty() {
            self.bus.ledger.open().accept(copies.len() as u64);
            copies.into_iter().for_each(|copy| self.tell_accepted(copy));
        }
    }

    fn fill(&mut self, moves: &Moves<'_>, slot: Slot, envelope: Envelope) {
        match slot.fill(envelope) {
            Ok(filled) => {
                moves.lay_down(1);
                match filled {
                    Filled::Quiet => {}
                    Filled::Queue(cell) => self.queue(cell),
                    Filled::Empty(outlet) => self.outlets.push(outlet),
                }
            }
            Err(bounced) => self.bury(moves, bounced.envelope, bounced.code, Tell::Yes),
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
        if !pending.has_room(&bus.limits) {
            drop(pending);
            self.bury(moves, parked.envelope, Code::PENDING_FULL, Tell::Yes);
            return Ok(());
        }
        if pending.park(parked) {
            let deadline = self.now.plus_millis(bus.limits.pending_ms_max);
            lock(&bus.timers).set(Key::Pending(head.receiver), deadline);
            self.unresolved.push(head.receiver);
        }
        moves.lay_down(1);
        drop(pending);
        self.about(EventName::MESSAGE_PARKED, &head, Code::NONE);
        Ok(())
    }

    fn expire(&mut self, moves: &Moves<'_>, envelope: Envelope) {
        moves.expire();
        self.about(EventName::MESSAGE_EXPIRED, &envelope.head, Code::EXPIRED);
        self.notice(envelope, Code::EXPIRED);
    }

    /// Makes a message in hand a dead letter.
    fn bury(&mut self, moves: &Moves<'_>, envelope: Envelope, code: Code, tell: Tell) {
        moves.bury(code);
        self.about(EventName::MESSAGE_DEAD_LETTERED, &envelope.head, code);
        let letter = DeadLetter { at: self.now, code, envelope: envelope.clone() };
        lock(&self.bus.dead_letters).push(letter);
        if tell == Tell::Yes {
            self.notice(envelope, code);
        }
    }

    fn notice(&mut self, envelope: Envelope, code: Code) {
        if envelope.head.flags & (flags::PLATFORM | flags::ON_BEHALF) == 0 {
            self.notices.push(Notice { envelope, code });
        }
    }

    /// Hands an outlet's messages to its endpoint until it is empty. Only one flow does so at a time.
    pub(super) fn empty(&mut self, outlet: &Arc<Outlet>) {
        loop {
            let limits = &self.bus.limits;
            let moves = self.bus.ledger.open();
            let mut desk = lock(&outlet.desk);
            let batch = desk.mailbox.take(limits.turn_messages_max, limits.turn_bytes_max);
            desk.draining = !batch.is_empty();
            drop(desk);
            if batch.is_empty() {
                return;
            }
            moves.pick_up(batch.len());
            drop(moves);
            self.hand_over(outlet, batch);
        }
    }

    fn hand_over(&mut self, outlet: &Outlet, batch: Vec<Envelope>) {
        let bus = self.bus;
        let (late, batch): (Vec<_>, Vec<_>) = batch.into_iter().partition(|message| self.is_expired(message));
        self.record();
        let codes = if batch.is_empty() { Vec::new() } else { outlet.endpoint.deliver(batch.clone()) };
        let missing = std::iter::repeat(Code::PLUGIN_UNAVAILABLE);
        let moves = bus.ledger.open();
        for envelope in late {
            self.expire(&moves, envelope);
        }
        for (envelope, code) in batch.into_iter().zip(codes.into_iter().chain(missing)) {
            match code {
                Code::NONE => {
                    moves.lay_down(1);
                    moves.deliver(1);
                    self.about(EventName::MESSAGE_DELIVERED, &envelope.head, Code::NONE);
                }
                code if code.entry().is_some() => self.bury(&moves, envelope, code, Tell::Yes),
                _ => self.bury(&moves, envelope, Code::REFUSED_BY_ENDPOINT, Tell::Yes),
            }
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Tell {
    Yes,
    No,
}
