//! Finds the places of messages: follows routes, makes copies, and reserves room in mailboxes.

use caxton_abi::{Code, Envelope, Header};

use super::{Flow, Place, Placed};
use crate::sync::RwLockReadGuard;
use crate::{
    bus::Bus,
    forwarding::{Mode, Route, Slot, Table, Target},
    names::Names,
    store::is_recovered,
    sync::{lock, read},
    time::Time,
};

/// Routes that lead to routes: deep enough for a group of groups, shallow enough to end.
const ROUTE_DEPTH_MAX: u8 = 4;

/// One look at the tables, for a batch.
pub(super) struct Finder<'a> {
    bus: &'a Bus,
    lane: usize,
    now: Time,
    pending_has_room: bool,
    names: RwLockReadGuard<'a, Names>,
    table: RwLockReadGuard<'a, Table>,
    /// Where the copies of the message at hand begin in `found`.
    message_start: usize,
    pub(super) found: Vec<Placed>,
}

impl<'a> Finder<'a> {
    pub(super) fn new(flow: &Flow<'a>) -> Self {
        let lookup = &flow.bus.lookup;
        let names = read(&lookup.names);
        let pending_has_room = lock(&lookup.pending).has_room(&flow.bus.limits);
        let table = read(&lookup.table);
        Self {
            bus: flow.bus,
            lane: flow.lane,
            now: flow.now,
            pending_has_room,
            names,
            table,
            message_start: 0,
            found: Vec::new(),
        }
    }

    /// Everything that was found; frees the tables.
    pub(super) fn finish(self) -> Vec<Placed> {
        self.found
    }

    /// The full name of an address.
    pub(super) fn name(&self, address: u32) -> Option<&str> {
        self.names.name(address)
    }

    /// When the only thing found since `start` cannot be placed: takes it out and says why.
    pub(super) fn take_single_dead(&mut self, start: usize) -> Option<(Envelope, Code)> {
        let Some([Placed { place: Place::Dead(code), .. }]) = self.found.get(start..) else { return None };
        let code = *code;
        self.found.pop().map(|placed| (placed.envelope, code))
    }

    /// Finds the place of a message, or of its copies along a route.
    pub(super) fn find(&mut self, envelope: Envelope, monitored: bool, depth: u8) {
        let target = self.table.get(&envelope.head.receiver).cloned();
        self.find_at(target, envelope, monitored, depth);
    }

    /// As [`Finder::find`], for a target that is not in the table yet.
    pub(super) fn find_at(&mut self, target: Option<Target>, envelope: Envelope, monitored: bool, depth: u8) {
        if depth == 0 {
            self.message_start = self.found.len();
        }
        let place = match target {
            Some(Target::Route(route)) => return self.follow(&route, envelope, monitored, depth),
            Some(Target::Agent(cell)) => {
                let slot = Slot::of_agent(&cell, &envelope);
                if matches!(slot, Err(Code::MAILBOX_FULL)) {
                    lock(&cell.desk).mailbox.mark_full(&self.bus.lookup.full);
                }
                placed(slot)
            }
            Some(Target::Outlet(outlet)) => {
                let slot = Slot::of_outlet(&outlet, &envelope);
                if matches!(slot, Err(Code::MAILBOX_FULL)) {
                    lock(&outlet.desk).mailbox.mark_full(&self.bus.lookup.full);
                }
                placed(slot)
            }
            None => self.unknown(&envelope.head),
        };
        self.found.push(Placed { envelope, monitored, place });
    }

    fn unknown(&self, head: &Header) -> Place {
        match () {
            () if self.names.name(head.receiver).is_none() => Place::Dead(Code::UNKNOWN_RECEIVER),
            () if !self.pending_has_room && !is_recovered(head) => Place::Dead(Code::PENDING_FULL),
            () => Place::Unknown,
        }
    }

    fn follow(&mut self, route: &Route, mut envelope: Envelope, monitored: bool, depth: u8) {
        envelope.head.hop = envelope.head.hop.saturating_add(1);
        let dead = match () {
            () if depth >= ROUTE_DEPTH_MAX || envelope.head.hop > self.bus.limits.hop_max => Code::HOP_LIMIT,
            () if route.targets.is_empty() => Code::UNKNOWN_RECEIVER,
            () if route.mode == Mode::All => {
                return self.copy_to_all(route, &envelope, monitored, depth);
            }
            () => return self.choose_one(route, &envelope, monitored, depth),
        };
        self.found.push(Placed { envelope, monitored, place: Place::Dead(dead) });
    }

    fn copy_to_all(&mut self, route: &Route, envelope: &Envelope, monitored: bool, depth: u8) {
        for (index, target) in route.targets.iter().enumerate() {
            let mut copy = envelope.clone();
            copy.head.receiver = *target;
            if index > 0 {
                copy.head.id = self.bus.mint_in(self.lane, self.now);
            }
            if self.copies() >= self.bus.limits.route_copies_max {
                // One dead letter stands for the rest, so that the sender learns of the limit.
                let place = Place::Dead(Code::TOO_MANY_RECEIVERS);
                self.found.push(Placed { envelope: copy, monitored, place });
                break;
            }
            self.find(copy, monitored, depth + 1);
        }
    }

    /// What the message at hand has become so far.
    fn copies(&self) -> usize {
        self.found.len().saturating_sub(self.message_start)
    }

    /// Takes the first target in turn that has room; when none has, what the first one gave.
    fn choose_one(&mut self, route: &Route, envelope: &Envelope, monitored: bool, depth: u8) {
        let start = self.found.len();
        let mut first = None;
        for target in route.in_turn() {
            let mut copy = envelope.clone();
            copy.head.receiver = target;
            self.find(copy, monitored, depth + 1);
            let found = self.found.get(start..).unwrap_or_default();
            if found.iter().any(|placed| matches!(placed.place, Place::Slot(_))) {
                return;
            }
            let misses = self.found.split_off(start);
            first = first.or(Some(misses));
        }
        self.found.extend(first.unwrap_or_default());
    }
}

fn placed(slot: Result<Slot, Code>) -> Place {
    slot.map_or_else(Place::Dead, Place::Slot)
}
