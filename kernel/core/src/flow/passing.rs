//! The short way of a turn's messages: what is plain goes from the outbox into the mailbox under one lock.
//!
//! Plain is a volatile message for an agent that is there, with room in its mailbox, and with no protocol that would
//! rule on it. The messages of an outbox are in order, so the first one that is not plain ends the short way for all
//! that follow; the door decides about those. Every check of the door holds here too: what would fail it is not plain.

use std::{sync::Arc, vec::IntoIter};

use caxton_abi::{Envelope, Uid, class};

use super::Flow;
use crate::{
    act,
    cell::{Cell, Desk},
    forwarding::{Table, Target},
    sync::{MutexGuard, Ordering, lock, read},
    tally::Tally,
};

/// An agent that gets messages, as long as the next one is for it too.
struct Open<'t> {
    receiver: u32,
    cell: &'t Arc<Cell>,
    desk: MutexGuard<'t, Desk>,
}

impl Flow<'_> {
    /// Puts the plain messages from the front of an outbox into their mailboxes; returns the others.
    pub(crate) fn pass(&mut self, outbox: Vec<Envelope>) -> Vec<Envelope> {
        let mut messages = outbox.into_iter();
        if self.bus.closed.load(Ordering::Acquire) || !self.is_plain_front(messages.as_slice()) {
            return messages.collect();
        }
        let bus = self.bus;
        let moves = bus.ledger.open_in(self.lane);
        let table = read(&bus.lookup.table);
        let mut queue = Vec::new();
        let passed = self.fill_all(&table, &mut messages, &mut queue);
        moves.accept_laid_down(Tally::new(class::VOLATILE, passed));
        drop(table);
        drop(moves);
        bus.run_queue.push_all(&mut queue, self.lane);
        messages.collect()
    }

    /// Spares the locks when the first message is not plain.
    fn is_plain_front(&self, messages: &[Envelope]) -> bool {
        messages.first().is_some_and(|first| self.is_plain(first))
    }

    /// Returns how many went in, and collects agents that are to be queued.
    fn fill_all(
        &mut self,
        table: &Table,
        messages: &mut IntoIter<Envelope>,
        queue: &mut Vec<Arc<Cell>>,
    ) -> u64 {
        let watch = read(&self.bus.watch);
        if !watch.holds.none() {
            return 0;
        }
        let mut passed = 0;
        let mut open: Option<Open<'_>> = None;
        while let Some(message) = messages.as_slice().first() {
            let head = &message.head;
            if !self.is_plain(message) || watch.port_of(head.protocol).is_some() {
                break;
            }
            if open.as_ref().is_none_or(|open| open.receiver != head.receiver) {
                open.take().into_iter().for_each(|open| open.close(queue));
                open = Open::find(table, head.receiver);
            }
            let Some(open) = &mut open else { break };
            if !open.desk.mailbox.has_room(message, &open.cell.limits) {
                break;
            }
            let Some(mut message) = messages.next() else { break };
            self.stamp_plain(&mut message);
            self.tell_accepted(&message);
            open.desk.mailbox.push(message);
            passed += 1;
        }
        open.into_iter().for_each(|open| open.close(queue));
        passed
    }

    /// True when nothing but its receiver decides about a message.
    fn is_plain(&self, message: &Envelope) -> bool {
        let head = &message.head;
        head.class == class::VOLATILE
            && message.extra.is_none()
            && head.reply_by_ms == 0
            && head.hop == 0
            && head.sender != 0
            && act::is_known(head.performative)
            && message.content.len() <= self.bus.limits.content_bytes_max
    }

    /// As the door does.
    fn stamp_plain(&self, message: &mut Envelope) {
        let head = &mut message.head;
        (head.stored, head.deliveries, head.flags) = (0, 0, 0);
        if head.id.is_none() {
            head.id = self.bus.mint_in(self.lane, self.now);
        }
        if head.conversation.is_none() {
            head.conversation = self.bus.mint_in(self.lane, self.now);
        }
        if head.trace.trace == Uid::NONE {
            head.trace.trace = head.conversation;
        }
    }
}

impl<'t> Open<'t> {
    /// The agent behind an address, unless it has several versions.
    fn find(table: &'t Table, receiver: u32) -> Option<Self> {
        let Some(Target::Agent(cell)) = table.get(&receiver) else { return None };
        let desk = lock(&cell.desk);
        (!desk.divided).then_some(Self { receiver, cell, desk })
    }

    fn close(mut self, queue: &mut Vec<Arc<Cell>>) {
        if self.desk.enqueue() {
            queue.push(Arc::clone(self.cell));
        }
    }
}
