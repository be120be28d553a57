//! Finds places for messages that were accepted before: acked ones that are tried again, in order for each receiver, and
//! those that were recovered from the store.

use caxton_abi::{Code, Envelope};

use super::{Flow, Place, Placed, find::Finder};
use crate::{pending::Parked, retry, sync::lock, tally::Tally, timer::Key};

impl Flow<'_> {
    /// Tries what waits for a receiver. The first that still cannot be delivered stops those behind it.
    pub(super) fn try_again(&mut self, receiver: u32) {
        let bus = self.bus;
        let moves = bus.ledger.open();
        let Some(attempt) = lock(&bus.retries).begin(receiver, |message| self.is_expired(message)) else {
            return;
        };
        let taken = attempt.late.iter().chain(&attempt.batch);
        moves.pick_up(Tally::of(taken.map(|parked| &parked.envelope)));
        drop(moves);
        let known = attempt.batch.iter().map(|parked| parked.envelope.head.id).collect();
        let (found, left) = self.find_in_order(attempt.batch);
        let found = self.accept_copies(&known, found);
        let late = attempt.late.into_iter().map(|Parked { envelope, monitored }| Placed {
            envelope,
            monitored,
            place: Place::Expired,
        });
        self.place(late.chain(found).collect());
        let moves = bus.ledger.open();
        moves.lay_down(Tally::of(left.iter().map(|parked| &parked.envelope)));
        let pause_ms = lock(&bus.retries).end(receiver, left);
        drop(moves);
        if let Some(pause_ms) = pause_ms {
            lock(&bus.timers).set(Key::Retry(receiver), self.now.plus_millis(pause_ms));
        }
    }

    /// Places what was recovered from the store; it was counted as accepted.
    pub(crate) fn find_recovered(&mut self, messages: Vec<Envelope>) {
        for message in &messages {
            self.tell_accepted(message);
        }
        let known = messages.iter().map(|message| message.head.id).collect();
        let mut finder = Finder::new(self);
        for message in messages {
            finder.find(message, false, 0);
        }
        let found = finder.finish();
        let found = self.accept_copies(&known, found);
        self.place(found);
    }

    fn find_in_order(&self, batch: Vec<Parked>) -> (Vec<Placed>, Vec<Parked>) {
        let mut finder = Finder::new(self);
        let mut left: Vec<Parked> = Vec::new();
        for parked in batch {
            if !left.is_empty() {
                left.push(parked);
                continue;
            }
            let start = finder.found.len();
            finder.find(parked.envelope.clone(), parked.monitored, 0);
            match finder.take_single_dead(start) {
                Some((_, code)) if retry::passes(code) => left.push(parked),
                Some((_, code)) => finder.found.push(dead(parked, code)),
                None => {}
            }
        }
        (finder.finish(), left)
    }
}

fn dead(parked: Parked, code: Code) -> Placed {
    let Parked { envelope, monitored } = parked;
    Placed { envelope, monitored, place: Place::Dead(code) }
}
