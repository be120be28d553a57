//! Empties outlets: hands messages to endpoints, batch by batch, and ends each as the endpoint answers.

use std::sync::Arc;

use caxton_abi::{Code, Envelope, EventName, flags};

use super::{Flow, end::Tell};
use crate::{outlet::Outlet, pending::Parked, sync::lock, tickets::Held};

impl Flow<'_> {
    /// Hands an outlet's messages to its endpoint until it is empty, or until the store has to count a hand-out first.
    /// Only one flow does so at a time.
    pub(crate) fn empty(&mut self, outlet: &Arc<Outlet>) {
        let abandoned = lock(&outlet.desk).abandoned;
        loop {
            let limits = &self.bus.limits;
            let moves = self.bus.ledger.open_in(self.lane);
            let mut desk = lock(&outlet.desk);
            if desk.abandoned != abandoned {
                return;
            }
            let mut batch = desk.mailbox.take(limits.turn_messages_max, limits.turn_bytes_max);
            desk.draining = !batch.is_empty();
            drop(desk);
            if batch.is_empty() {
                return;
            }
            moves.pick_up(&batch);
            let (ended, counts) = self.count_out(&mut batch);
            drop(moves);
            self.later(ended);
            if !counts.is_empty() {
                let outlet = Arc::clone(outlet);
                return self.bus.tickets.must_write(Held::HandOver { outlet, batch }, counts);
            }
            self.hand_over(outlet, batch);
        }
    }

    /// Goes on with an outlet whose hand-outs are counted now.
    pub(crate) fn hand_over_counted(&mut self, outlet: Arc<Outlet>, batch: Vec<Envelope>) {
        self.hand_over(&outlet, batch);
        self.outlets.push(outlet);
    }

    fn hand_over(&mut self, outlet: &Outlet, batch: Vec<Envelope>) {
        let bus = self.bus;
        self.record();
        let codes = if batch.is_empty() { Vec::new() } else { outlet.endpoint().deliver(batch.clone()) };
        let missing = std::iter::repeat(Code::PLUGIN_UNAVAILABLE);
        let moves = bus.ledger.open_in(self.lane);
        for (mut envelope, code) in batch.into_iter().zip(codes.into_iter().chain(missing)) {
            match code {
                Code::NONE => {
                    moves.lay_down(&envelope);
                    moves.deliver(&envelope);
                    self.about(EventName::MESSAGE_DELIVERED, &envelope.head, Code::NONE);
                    self.forget_stored(&envelope);
                }
                code if code.entry().is_some() => {
                    // The endpoint saw it, and may see it again.
                    envelope.head.flags |= flags::REDELIVERED;
                    self.give_up(&moves, Parked { envelope, monitored: true }, code);
                }
                _ => self.bury(&moves, envelope, Code::REFUSED_BY_ENDPOINT, Tell::Yes),
            }
        }
    }
}
