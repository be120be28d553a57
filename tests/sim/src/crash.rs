//! The server is killed and begins again from its disk; and it ends in good order.

use std::sync::Arc;

use caxton_abi::{
    Code, Envelope,
    port::{RouteUpdate, route},
};
use caxton_core::{Bus, DeadLetter, store::Recovered};

use crate::{
    Failure,
    disk::{Disk, Kept},
    shared::open,
    world::{AGENTS, LABELS, OWNER, STRANGERS, World},
};

impl World {
    /// Writes or fails what was begun.
    pub(crate) fn write(&mut self) -> String {
        // A disk that fell far behind catches up: what ended long ago must not come back by the thousand.
        let behind = self.disk.open().begun() / 8;
        let count = 1 + self.below(6) + behind;
        let fails = open(&self.shared).chance.percent(12);
        for _ in 0..count {
            self.write_one();
        }
        if fails && let Some(ticket) = self.disk.fail_one() {
            let code = open(&self.shared).chance.pick(&[Code::STORE_FULL, Code::STORE_FAILED]);
            self.bus.stored(ticket, Err(code), self.now());
            return format!("write {count}, then {code}");
        }
        format!("write {count}")
    }

    pub(crate) fn write_one(&mut self) -> bool {
        let Some(ticket) = self.disk.write_one() else { return false };
        self.bus.stored(ticket, Ok(()), self.now());
        true
    }

    /// Takes the store away for a while.
    pub(crate) fn toggle_store(&mut self) -> String {
        let away = self.below(3) == 0;
        self.bus.set_store((!away).then(|| self.disk.clone() as _));
        format!("the store is {}", if away { "away" } else { "there" })
    }

    pub(crate) fn requeue(&mut self) -> String {
        let letters = self.bus.dead_letters(3);
        let numbers: Vec<_> = letters.iter().map(|letter| letter.number).collect();
        if self.below(8) == 0 {
            return format!("purge {:?}", self.bus.purge(&numbers));
        }
        self.bus.requeue(&numbers, self.now(), Box::new(drop));
        format!("requeue {numbers:?}")
    }

    /// Some of what was begun is on the disk, and nobody was told.
    pub(crate) fn crash(&mut self) -> String {
        let mut disk = self.disk.open();
        let written = open(&self.shared).chance.below(disk.begun() + 1);
        for _ in 0..written {
            disk.write_one();
        }
        let kept = disk.kept.clone();
        drop(disk);
        self.turns.clear();
        // Servers mint different ids when their seeds differ in more than the bits that count.
        let seed = (self.seed + u64::from(self.step)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let before = std::mem::replace(&mut self.bus, Arc::new(Self::server(seed)));
        self.disk = Arc::new(Disk::with(kept.clone()));
        let journal = std::mem::take(&mut self.journal);
        self.past.add(&journal.report);
        self.past.crashes += 1;
        open(&self.shared).forget_volatile();
        let first = self.below(2) == 0;
        self.name_everybody();
        if first {
            self.recover(&before, &kept);
        }
        self.set_up();
        if !first {
            self.recover(&before, &kept);
        }
        format!("crash after {written} more writes, {} messages recovered", kept.messages.len())
    }

    fn recover(&mut self, before: &Bus, kept: &Kept) {
        let address = |old: u32| {
            let name = before.directory().name_of(old).unwrap_or_default();
            self.bus.address(&name).unwrap_or_default()
        };
        let message = |mut message: Envelope| {
            message.head.sender = address(message.head.sender);
            message.head.receiver = address(message.head.receiver);
            message
        };
        let letters = kept.letters.values().cloned();
        let letters =
            letters.map(|letter| DeadLetter { envelope: message(letter.envelope.clone()), ..letter });
        let sightings = kept.sightings.values().copied();
        let recovered = Recovered {
            messages: kept.messages.values().cloned().map(message).collect(),
            letters: letters.collect(),
            sightings: sightings
                .map(|mut seen| {
                    seen.sender = address(seen.sender);
                    seen
                })
                .collect(),
        };
        self.past.recovered += recovered.messages.len() as u64;
        self.bus.set_store(Some(self.disk.clone()));
        self.bus.recover(recovered, self.now());
    }

    /// Somebody answers to every name, so that recovered messages, which wait as long as it takes, come to an end.
    pub(crate) fn people_every_name(&mut self) {
        for client in 0..self.clients.len() {
            if self.clients.get(client).is_some_and(Option::is_none) {
                self.claim(client);
            }
        }
        for agent in 0..AGENTS {
            self.deploy(agent);
        }
        for name in STRANGERS {
            // Refused when the name has been claimed already.
            let _there = self.bus.claim(name, OWNER, self.client(), self.now()).is_ok();
        }
        let targets: Vec<_> = self.clients.iter().flatten().take(1).copied().collect();
        let labels = LABELS.iter().filter_map(|name| self.bus.address(name).ok());
        let update = |address| RouteUpdate { address, mode: route::ONE, targets: targets.clone().into() };
        self.bus.program(labels.map(update).collect(), self.now());
    }

    /// The server ends in good order while messages are under way.
    pub(crate) fn close(&mut self) -> Result<(), Failure> {
        open(&self.shared).resting = false;
        for _ in 0..3 {
            // A turn that waits for the store at the end would be in flight.
            self.submit(false);
        }
        self.check("submit at the end")?;
        self.journal.ended = true;
        let books = self.bus.close(self.now());
        self.check("close")?;
        while self.write_one() {}
        self.check("write at the end")?;
        let durable = books.by_class.last().map_or(0, |durable| durable.in_flight);
        if books.in_flight != durable {
            return Err(self.failure(format!("left behind at the end: {books:?}")));
        }
        Ok(())
    }
}
