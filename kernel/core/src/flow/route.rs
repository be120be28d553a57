//! Changes of the forwarding table, by the router or because somebody came or went.

use std::{collections::VecDeque, sync::Arc};

use caxton_abi::{
    Code,
    port::{AgentEntry, RouteUpdate, Unresolved, route},
};

use super::{Flow, Place, Placed, Step, find::Finder};
use crate::{
    agent::Directory,
    forwarding::{Mode, Route, Target},
    pending::{Parked, Switching},
    sync::{lock, read, write},
    tally::Tally,
    timer::Key,
};

/// What the router was not told or asked yet.
#[derive(Default)]
pub(crate) struct Changes {
    queue: VecDeque<AgentEntry>,
    unresolved: Vec<u32>,
    /// A flow is at it. The others leave their wishes here, so that answers are carried out in their order.
    telling: bool,
}

/// A switch that began: the address when this operation has to finish it, nothing when another one will.
pub(crate) struct Begun(Option<u32>);

impl Changes {
    /// Begins anew with the agents that are present.
    pub(crate) fn restart(&mut self, present: impl Iterator<Item = AgentEntry>) {
        self.queue = present.collect();
    }
}

impl Flow<'_> {
    /// Notes that an agent came or left. The caller holds the registry's lock, so that the order is that of the registry.
    pub(crate) fn agent_changed(&self, entry: AgentEntry) {
        if read(&self.bus.router).is_some() {
            lock(&self.bus.changes).queue.push_back(entry);
        }
    }

    /// Tells the router what it does not know yet and asks what is not resolved; false when there was nothing.
    pub(super) fn tell_router(&mut self) -> bool {
        let Some(router) = read(&self.bus.router).clone() else {
            // Nobody to ask: the messages wait for a router or for their deadline.
            self.unresolved.clear();
            return false;
        };
        let mut changes = lock(&self.bus.changes);
        changes.unresolved.append(&mut self.unresolved);
        let nothing = changes.queue.is_empty() && changes.unresolved.is_empty();
        if changes.telling || nothing {
            return false;
        }
        changes.telling = true;
        let entries: Vec<_> = changes.queue.drain(..).collect();
        let unresolved = std::mem::take(&mut changes.unresolved);
        drop(changes);
        self.record();
        if !entries.is_empty() {
            let updates = router.agents_changed(&entries);
            self.program(updates);
        }
        let waiting = self.still_waiting(unresolved);
        if !waiting.is_empty() {
            let updates = router.resolve(&waiting);
            self.program(updates);
        }
        lock(&self.bus.changes).telling = false;
        true
    }

    fn still_waiting(&self, addresses: Vec<u32>) -> Vec<Unresolved> {
        let lookup = &self.bus.lookup;
        let waits = |address: &u32| lock(&lookup.pending).awaits(*address);
        let name = |address: u32| lookup.name_of(address).unwrap_or_default();
        let entry = |address: u32| Unresolved { address, name: name(address).into() };
        addresses.into_iter().filter(waits).map(entry).collect()
    }

    /// Asks again for every address that waits.
    pub(crate) fn ask_again(&mut self) {
        self.unresolved = lock(&self.bus.lookup.pending).unresolved();
    }

    /// Carries out the router's changes. Addresses of agents and endpoints are not the router's.
    pub(crate) fn program(&mut self, updates: Vec<RouteUpdate>) {
        for update in updates {
            let target = match update.mode {
                route::ONE => {
                    let first: Vec<_> = update.targets.iter().take(1).copied().collect();
                    Some(Route::new(Mode::Any, first))
                }
                route::ALL => Some(Route::new(Mode::All, update.targets.into())),
                route::ANY => Some(Route::new(Mode::Any, update.targets.into())),
                _ => None,
            };
            self.reroute(update.address, target.map(|route| Target::Route(Arc::new(route))));
        }
    }

    /// Switches an address that no agent or endpoint has or is about to get. Decided under the lock that a switch ends
    /// under, so that an answer which is out of date by now takes nobody's address.
    fn reroute(&mut self, address: u32, target: Option<Target>) {
        let lookup = &self.bus.lookup;
        let mut pending = lock(&lookup.pending);
        let is_owned = pending.switches_to_owner(address)
            || read(&lookup.table).get(&address).is_some_and(Target::is_owner);
        let first = !is_owned && pending.begin(address, target);
        drop(pending);
        self.finish_switch(Begun(first.then_some(address)));
    }

    /// Begins to enter a target into the table, or to remove it. The caller holds the registry's lock, so that switches
    /// begin in the order in which names are taken and given back; it frees the lock and calls
    /// [`Flow::finish_switch`].
    #[must_use]
    pub(crate) fn begin_switch(&self, address: u32, target: Option<Target>) -> Begun {
        let first = lock(&self.bus.lookup.pending).begin(address, target);
        Begun(first.then_some(address))
    }

    /// Lets the messages that wait go ahead, then switches the table. Does nothing when another operation is at it.
    pub(crate) fn finish_switch(&mut self, begun: Begun) {
        let Begun(Some(address)) = begun else { return };
        let bus = self.bus;
        loop {
            let moves = bus.ledger.open();
            let mut pending = lock(&bus.lookup.pending);
            match pending.step(address) {
                Switching::Forward(parked, target) => {
                    moves.pick_up(Tally::of(parked.iter().map(|parked| &parked.envelope)));
                    drop(pending);
                    drop(moves);
                    self.forward(parked, target);
                }
                Switching::Enter(target) => {
                    lock(&bus.timers).cancel(Key::Pending(address));
                    let comes = target.is_some();
                    let mut table = write(&bus.lookup.table);
                    match target {
                        Some(target) => table.insert(address, target),
                        None => table.remove(&address),
                    };
                    drop(table);
                    drop(pending);
                    drop(moves);
                    if comes && lock(&bus.retries).awaits(address) {
                        self.steps.push_back(Step::Again(address));
                    }
                    return;
                }
            }
        }
    }

    fn forward(&mut self, parked: Vec<Parked>, target: Option<Target>) {
        let known = parked.iter().map(|parked| parked.envelope.head.id).collect();
        let mut finder = Finder::new(self);
        for Parked { envelope, monitored } in parked {
            match &target {
                Some(target) => finder.find_at(Some(target.clone()), envelope, monitored, 0),
                None => {
                    let place = Place::Dead(Code::UNKNOWN_RECEIVER);
                    finder.found.push(Placed { envelope, monitored, place });
                }
            }
        }
        let found = finder.finish();
        let found = self.accept_copies(&known, found);
        self.place(found);
    }

    /// The deadline of a waiting address came.
    pub(super) fn give_up_waiting(&mut self, address: u32) {
        let first = lock(&self.bus.lookup.pending).begin_to_give_up(address);
        self.finish_switch(Begun(first.then_some(address)));
    }
}
