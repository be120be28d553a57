//! How versions of an agent leave: they drain, are given up, or stop with the agent.
//!
//! A version that drains keeps the conversations that it takes part in, its timers and its instance. It is looked at
//! every [`LOOK_MS`] and stops when it holds nothing any more, or when its time is over; what waits for it then goes to
//! the version to which it belongs.

use std::{collections::HashSet, sync::Arc};

use caxton_abi::{Code, Envelope, EventName, Uid};

use crate::{
    bus::Bus,
    cell::{Cell, Desk, Run},
    flow::Flow,
    held::Judge,
    lifecycle::Life,
    lineage::{HandedOver, Role, distribute},
    sync::{lock, read, write},
    timer::Key,
    versions::{take_up, tell_outcomes},
};

/// Milliseconds between two looks at versions that drain: soon for a person, seldom for a machine.
const LOOK_MS: u64 = 100;

impl Bus {
    /// Stops the versions that have finished or whose time is over, and looks again later when others are left.
    pub(crate) fn look_at_draining(&self, flow: &mut Flow<'_>, address: u32) {
        let Some(lineage) = read(&self.lookup.registry).agents.get(&address).cloned() else { return };
        let judge = self.judge(flow.now);
        let moves = self.ledger.open();
        let roster = lock(&lineage.roster);
        let (mut retired, mut left) = (Vec::new(), false);
        for version in &roster.versions {
            let Role::Draining(until) = version.role else { continue };
            let mut desk = lock(&version.cell.desk);
            if matches!(desk.life, Life::Draining(_) | Life::Stopped(_)) {
                continue;
            }
            if flow.now < until && !has_finished(&mut desk, &judge) {
                left = true;
                continue;
            }
            let mut parting = part(&mut desk, &judge);
            drop(desk);
            parting.handed = distribute(&roster, std::mem::take(&mut parting.messages));
            moves.pick_up(parting.handed.bounced());
            retired.push((Arc::clone(&version.cell), parting));
        }
        drop(roster);
        drop(moves);
        if left {
            lock(flow.timers()).set(Key::Draining(address), flow.now.plus_millis(LOOK_MS));
        }
        for (cell, parting) in retired {
            flow.conversations_lost(address, Code::AGENT_STOPPED, parting.lost);
            take_up(flow, parting.handed);
            if parting.idle {
                self.stop(flow, &cell);
            }
        }
    }

    /// A version was given up. The one that serves stays to be seen; another one goes, and its share goes back.
    pub(crate) fn fell(&self, flow: &mut Flow<'_>, cell: &Arc<Cell>, code: Code, reason: &str) {
        let Some(lineage) = cell.lineage.upgrade() else { return };
        let text = format!("failed {reason}");
        flow.revision(cell, code, text.clone());
        let registry = read(&self.lookup.registry);
        let mut roster = lock(&lineage.roster);
        let Some(version) = roster.version(cell.version) else { return };
        if version.role == Role::Serving {
            drop(roster);
            if registry.has(&lineage) {
                flow.agent_changed(lineage.entry(cell, false));
                flow.forget_timers(cell);
            }
            drop(registry);
            flow.agent_event(EventName::AGENT_STATE, cell.address, code, text);
        } else {
            roster.fallen = Some(version.view(0, &self.judge(flow.now)));
            drop(roster);
            drop(registry);
            self.stop(flow, cell);
        }
        tell_outcomes(&lineage);
    }

    /// Takes a version out that no turn runs any more, and the agent with its last one; false when it is out already.
    pub(crate) fn stop(&self, flow: &mut Flow<'_>, cell: &Arc<Cell>) -> bool {
        let mut desk = lock(&cell.desk);
        desk.life.stop();
        let failed = desk.life.has_failed();
        let body = desk.body.take();
        drop(desk);
        drop(body);
        let Some(lineage) = cell.lineage.upgrade() else { return false };
        let mut registry = write(&self.lookup.registry);
        let mut roster = lock(&lineage.roster);
        if !roster.leave(cell) {
            return false;
        }
        let last = roster.versions.is_empty() && registry.has(&lineage);
        drop(roster);
        flow.forget_timers(cell);
        if !failed {
            flow.revision(cell, Code::NONE, "stopped".to_owned());
        }
        if last {
            registry.agents.remove(&cell.address);
            let begun = flow.begin_switch(cell.address, None);
            drop(registry);
            write(&self.lookup.names).let_go(cell.address);
            flow.finish_switch(begun);
            flow.agent_event(EventName::AGENT_STATE, cell.address, Code::NONE, "stopped".to_owned());
        } else {
            drop(registry);
        }
        tell_outcomes(&lineage);
        true
    }
}

impl Flow<'_> {
    pub(crate) fn forget_timers(&self, cell: &Cell) {
        let mut timers = lock(self.timers());
        timers.cancel_owner(Key::Agent(cell.address, cell.version, 0));
        timers.cancel(Key::Restart(cell.address, cell.version));
        timers.cancel(Key::Recycle(cell.address, cell.version));
    }
}

/// What a version leaves behind.
struct Parting {
    messages: Vec<Envelope>,
    handed: HandedOver,
    /// Watched conversations that it had not finished.
    lost: Vec<Uid>,
    idle: bool,
}

/// Lets a version take nothing any more. A turn that runs may commit.
fn part(desk: &mut Desk, judge: &Judge<'_>) -> Parting {
    let failed = desk.life.has_failed();
    desk.life.drain();
    desk.due.clear();
    let mut messages: Vec<_> = desk.retry.drain(..).collect();
    messages.extend(desk.mailbox.close(Code::AGENT_STOPPED));
    // What a failed version promised was told when it failed.
    let lost = if failed { Vec::new() } else { desk.held.watched(judge) };
    desk.held = Default::default();
    Parting { messages, handed: HandedOver::default(), lost, idle: failed || desk.run != Run::Running }
}

/// True when a version that drains has nothing left to do.
fn has_finished(desk: &mut Desk, judge: &Judge<'_>) -> bool {
    if desk.life.has_failed() {
        return true;
    }
    let Desk { held, mailbox, retry, .. } = desk;
    let waiting: HashSet<_> =
        mailbox.iter().chain(retry.iter()).map(|message| message.head.conversation).collect();
    held.sweep(judge, |conversation| waiting.contains(&conversation));
    desk.run != Run::Running && desk.lying().is_empty() && desk.due.is_empty() && desk.held.is_empty()
}
