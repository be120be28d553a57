//! Brings new versions of an agent in beside the old one: candidate, canary, switch, drain, and the way back.
//!
//! ```text
//! apply ─▶ Candidate ──init ok──▶ Serving            the version before: Serving ─▶ Draining ─▶ stopped
//!              │  └────init ok──▶ Canary ──promote──▶ Serving
//!              └─init failed─▶ out      └──rollback──▶ Draining
//! ```
//!
//! How the one before drains and leaves is in `draining`, which messages go where in `lineage`.

use std::sync::Arc;

use caxton_abi::{Code, EventName};

use crate::sync::{AtomicBool, AtomicUsize, RwLockWriteGuard};
use crate::{
    agent::BodyFactory,
    bus::Bus,
    cell::{Cell, Desk},
    error::Refusal,
    flow::{Flow, Place, Placed},
    forwarding::Target,
    held::Judge,
    limits::Limits,
    lineage::{HandedOver, Lineage, Role, Roster, Version, hand_over, hold_waiting},
    mailbox::Bounced,
    registry::{AgentSpec, Registry},
    revision::{Applied, Blueprint, Told},
    schedule::placed,
    supervisor::Intensity,
    sync::{Mutex, lock, read, write},
    time::Time,
};

impl Bus {
    /// Creates an agent, or brings in a new version of it beside the one that serves. The new version's first turn runs
    /// while the old one serves; when it commits, new conversations go to the new version, or `canary` percent of them
    /// (1 to 99). When it fails, the old version goes on. Where the version that serves has failed, the new one takes
    /// its place at once. [`Bus::await_revision`] tells the outcome.
    ///
    /// # Errors
    /// [`Code::UPGRADE_RUNNING`] while another version comes in or too many still drain, [`Code::AGENT_EXISTS`] while the
    /// agent is being removed; for a new agent those of [`Bus::deploy`].
    pub fn apply(
        &self,
        spec: AgentSpec,
        factory: Arc<dyn BodyFactory>,
        canary: Option<u8>,
        now: Time,
    ) -> Result<Applied, Refusal> {
        let (name, address) = self.take_name(&spec.name)?;
        let mut flow = Flow::new(self, self.run_queue.workers(), now);
        let registry = write(&self.lookup.registry);
        let blueprint = Blueprint { spec, factory };
        let applied = match registry.agents.get(&address).cloned() {
            Some(lineage) => {
                drop(registry);
                self.bring_in(&mut flow, &lineage, blueprint, canary)
            }
            None => self.found(&mut flow, registry, blueprint, name, address),
        }?;
        flow.settle();
        Ok(applied)
    }

    /// Gives a canary all new conversations; the version before drains.
    ///
    /// # Errors
    /// [`Code::AGENT_NOT_FOUND`], or [`Code::NO_CANARY`] when no version has a share.
    pub fn promote(&self, name: &str, now: Time) -> Result<Applied, Refusal> {
        let lineage = self.lineage(name)?;
        let Some(revision) = lock(&lineage.roster).canary() else {
            let detail = format!(
                "no version of `{}` has a share of its conversations: apply one as a canary first",
                lineage.name
            );
            return Err(Refusal::new(Code::NO_CANARY, detail));
        };
        let mut flow = Flow::new(self, self.run_queue.workers(), now);
        self.switch(&mut flow, &lineage, revision);
        flow.settle();
        Ok(Applied { address: lineage.address, revision })
    }

    /// Takes back a version that comes in, which then drains. Without one, brings in anew what served before the version
    /// that serves, also when that one has failed.
    ///
    /// # Errors
    /// [`Code::AGENT_NOT_FOUND`], or [`Code::NO_PREVIOUS_VERSION`].
    pub fn rollback(&self, name: &str, now: Time) -> Result<Applied, Refusal> {
        let lineage = self.lineage(name)?;
        let mut flow = Flow::new(self, self.run_queue.workers(), now);
        let applied = match self.withdraw(&mut flow, &lineage) {
            Some(applied) => applied,
            None => {
                let previous = lock(&lineage.roster).previous.clone();
                let previous = previous.ok_or_else(|| no_previous(&lineage.name))?;
                self.bring_in(&mut flow, &lineage, previous, None)?
            }
        };
        flow.settle();
        Ok(applied)
    }

    /// Has the outcome of a version told as soon as it is known: at once, or when its first turn is over.
    ///
    /// # Errors
    /// [`Code::AGENT_NOT_FOUND`].
    pub fn await_revision(&self, name: &str, revision: u32, told: Told) -> Result<(), Refusal> {
        let lineage = self.lineage(name)?;
        lock(&lineage.roster).told.push((revision, told));
        tell_outcomes(&lineage);
        Ok(())
    }

    pub(crate) fn lineage(&self, name: &str) -> Result<Arc<Lineage>, Refusal> {
        let address = self.full_name(name).ok().and_then(|full| read(&self.lookup.names).address(&full));
        let known = address.and_then(|address| read(&self.lookup.registry).agents.get(&address).cloned());
        known.ok_or_else(|| not_found(name))
    }

    /// A version of an agent by its numbers.
    pub(crate) fn version(&self, address: u32, number: u32) -> Option<Arc<Cell>> {
        let lineage = read(&self.lookup.registry).agents.get(&address).cloned()?;
        let roster = lock(&lineage.roster);
        roster.version(number).map(|version| Arc::clone(&version.cell))
    }

    pub(crate) fn judge(&self, now: Time) -> Judge<'_> {
        let limits = &self.limits;
        Judge {
            watch: &self.watch,
            closed: &self.closed_conversations,
            settle_ms: limits.settle_ms,
            conversations_max: limits.conversations_per_agent_max,
            now,
        }
    }

    /// Gives the name to a new agent with its first version.
    pub(crate) fn found(
        &self,
        flow: &mut Flow<'_>,
        mut registry: RwLockWriteGuard<'_, Registry>,
        blueprint: Blueprint,
        name: String,
        address: u32,
    ) -> Result<Applied, Refusal> {
        let replaces = self.check_vacancy(&registry, &name, address)?;
        let (number, state) = (registry.next_number(), Arc::default());
        let lineage = Arc::new(Lineage { address, number, name, state, roster: Mutex::default() });
        let cell = self.join(&lineage, &mut lock(&lineage.roster), blueprint, Role::Serving, flow.now);
        let gone = registry.agents.insert(address, Arc::clone(&lineage));
        if let Some(gone) = &gone {
            self.discard(flow, gone);
        }
        flow.agent_changed(lineage.entry(&cell, true));
        let begun = flow.begin_switch(address, Some(Target::Agent(Arc::clone(&cell))));
        drop(registry);
        if !replaces {
            write(&self.lookup.names).hold(address);
        }
        gone.iter().for_each(tell_outcomes);
        flow.agent_event(EventName::AGENT_STATE, address, Code::NONE, "starting".to_owned());
        flow.finish_switch(begun);
        flow.queue(cell);
        Ok(Applied { address, revision: 1 })
    }

    /// Forgets the versions of a failed agent in whose place another one comes.
    fn discard(&self, flow: &Flow<'_>, gone: &Lineage) {
        let mut roster = lock(&gone.roster);
        roster.leaving = true;
        for version in roster.versions.drain(..) {
            flow.forget_timers(&version.cell);
        }
    }

    /// Adds a version to an agent; the caller queues it.
    fn join(
        &self,
        lineage: &Arc<Lineage>,
        roster: &mut Roster,
        blueprint: Blueprint,
        role: Role,
        now: Time,
    ) -> Arc<Cell> {
        let Blueprint { spec, factory } = blueprint;
        let limits = match spec.mailbox_messages_max {
            Some(mailbox_messages_max) => {
                Arc::new(Limits { mailbox_messages_max, ..Limits::clone(&self.limits) })
            }
            None => Arc::clone(&self.limits),
        };
        roster.numbers += 1;
        let turn = self.first_turn(lineage.address, &limits);
        let mut desk = Desk::new(spec.restart_intensity.unwrap_or(Intensity::of(&limits)), turn);
        desk.divided = role != Role::Serving;
        let cell = Arc::new(Cell {
            address: lineage.address,
            version: roster.numbers,
            lineage: Arc::downgrade(lineage),
            state: Arc::clone(&lineage.state),
            config: spec.config.as_slice().into(),
            spec,
            factory,
            limits,
            home: AtomicUsize::new(lineage.address as usize),
            goes_on: AtomicBool::new(false),
            desk: Mutex::new(desk),
        });
        let version = Version { cell: Arc::clone(&cell), role, since: now, started: false };
        roster.versions.push(version);
        cell
    }

    fn bring_in(
        &self,
        flow: &mut Flow<'_>,
        lineage: &Arc<Lineage>,
        blueprint: Blueprint,
        canary: Option<u8>,
    ) -> Result<Applied, Refusal> {
        let mut roster = lock(&lineage.roster);
        self.check_rollout(&roster, &lineage.name)?;
        let down = is_down(&roster);
        let role = Role::Candidate(canary.map(|share| share.clamp(1, 99)));
        let cell = self.join(lineage, &mut roster, blueprint, role, flow.now);
        drop(roster);
        flow.revision(&cell, Code::NONE, "candidate".to_owned());
        if down {
            flow.agent_event(EventName::AGENT_STATE, cell.address, Code::NONE, "starting".to_owned());
            self.switch(flow, lineage, cell.version);
        }
        let applied = Applied { address: cell.address, revision: cell.version };
        flow.queue(cell);
        Ok(applied)
    }

    fn check_rollout(&self, roster: &Roster, name: &str) -> Result<(), Refusal> {
        if roster.leaving {
            let detail = format!("`{name}` is being removed: deploy it when it is gone");
            return Err(Refusal::new(Code::AGENT_EXISTS, detail));
        }
        if let Some(incoming) = roster.incoming() {
            let number = incoming.cell.version;
            let detail = format!("version {number} of `{name}` comes in: promote it or roll it back first");
            return Err(Refusal::new(Code::UPGRADE_RUNNING, detail));
        }
        let max = self.limits.versions_per_agent_max;
        if roster.versions.len() >= max {
            let detail = format!(
                "{max} versions of `{name}` still finish their conversations: try again when one is done"
            );
            return Err(Refusal::new(Code::UPGRADE_RUNNING, detail));
        }
        Ok(())
    }

    /// The `init` of an instance returned ok.
    pub(crate) fn came_up(&self, flow: &mut Flow<'_>, cell: &Arc<Cell>, restarts: u32) {
        flow.restarted(cell, restarts);
        let Some(lineage) = cell.lineage.upgrade() else { return };
        let mut roster = lock(&lineage.roster);
        let down = is_down(&roster);
        let Some(version) = roster.version_mut(cell.version) else { return };
        let first = !std::mem::replace(&mut version.started, true);
        let role = version.role;
        if let (Role::Candidate(Some(share)), false) = (role, down) {
            version.role = Role::Canary(share);
            if let Some(serving) = roster.serving() {
                hold_waiting(serving, &self.judge(flow.now));
            }
            drop(roster);
            flow.revision(cell, Code::NONE, format!("canary {share}"));
        } else {
            drop(roster);
            match role {
                Role::Candidate(_) => self.switch(flow, &lineage, cell.version),
                Role::Serving => {
                    flow.agent_event(EventName::AGENT_STATE, cell.address, Code::NONE, "active".to_owned());
                    if first {
                        flow.revision(cell, Code::NONE, "active".to_owned());
                    }
                }
                Role::Canary(_) | Role::Draining(_) => {}
            }
        }
        tell_outcomes(&lineage);
    }

    /// Lets a version that comes in serve; the one that did drains.
    fn switch(&self, flow: &mut Flow<'_>, lineage: &Arc<Lineage>, number: u32) {
        let moves = self.ledger.open();
        let registry = write(&self.lookup.registry);
        let mut roster = lock(&lineage.roster);
        let until = flow.now.plus_millis(self.limits.upgrade_drain_ms);
        let Some((old, new)) = roster.switch(number, until) else { return };
        let handed = old.as_ref().map(|old| hand_over(&roster, old, flow.now)).unwrap_or_default();
        drop(roster);
        moves.pick_up(handed.bounced());
        flow.agent_changed(lineage.entry(&new, true));
        let begun = flow.begin_switch(lineage.address, Some(Target::Agent(Arc::clone(&new))));
        drop(registry);
        drop(moves);
        flow.finish_switch(begun);
        if let Some(old) = &old {
            flow.revision(old, Code::NONE, "draining".to_owned());
        }
        if !is_starting(&new) {
            flow.revision(&new, Code::NONE, "active".to_owned());
        }
        take_up(flow, handed);
        self.look_at_draining(flow, lineage.address);
    }

    /// Takes back the version that comes in, if one does.
    fn withdraw(&self, flow: &mut Flow<'_>, lineage: &Arc<Lineage>) -> Option<Applied> {
        let moves = self.ledger.open();
        let mut roster = lock(&lineage.roster);
        let serving = Arc::clone(roster.serving()?);
        let at = roster.incoming()?.cell.version;
        let version = roster.version_mut(at)?;
        let drain_ms = if version.started { self.limits.upgrade_drain_ms } else { 0 };
        version.role = Role::Draining(flow.now.plus_millis(drain_ms));
        let cell = Arc::clone(&version.cell);
        let handed = hand_over(&roster, &cell, flow.now);
        drop(roster);
        moves.pick_up(handed.bounced());
        drop(moves);
        flow.revision(&cell, Code::NONE, "draining".to_owned());
        let applied = Applied { address: serving.address, revision: serving.version };
        take_up(flow, handed);
        self.look_at_draining(flow, lineage.address);
        tell_outcomes(lineage);
        Some(applied)
    }
}

impl Roster {
    fn canary(&self) -> Option<u32> {
        let has_share = |version: &&Version| matches!(version.role, Role::Canary(_));
        self.incoming().filter(has_share).map(|version| version.cell.version)
    }

    /// Makes a version that comes in the one that serves. Returns the one that did, which drains, and the new one.
    fn switch(&mut self, number: u32, until: Time) -> Option<(Option<Arc<Cell>>, Arc<Cell>)> {
        let incoming = self.incoming().filter(|version| version.cell.version == number && !self.leaving)?;
        let new = Arc::clone(&incoming.cell);
        let mut old = None;
        for version in &mut self.versions {
            if version.cell.version == number {
                version.role = Role::Serving;
            } else if version.role == Role::Serving {
                version.role = Role::Draining(until);
                if version.started {
                    let (spec, factory) = (version.cell.spec.clone(), Arc::clone(&version.cell.factory));
                    self.previous = Some(Blueprint { spec, factory });
                }
                old = Some(Arc::clone(&version.cell));
            }
        }
        Some((old, new))
    }
}

/// Queues the versions that took messages over, and buries those that none took.
pub(crate) fn take_up(flow: &mut Flow<'_>, handed: HandedOver) {
    let dead = |bounced: Bounced| placed(bounced.envelope, Place::Dead(bounced.code));
    let dead: Vec<Placed> = handed.bounced.into_iter().map(dead).collect();
    flow.later(dead);
    handed.queue.into_iter().for_each(|cell| flow.queue(cell));
}

fn is_down(roster: &Roster) -> bool {
    roster.serving().is_none_or(|serving| lock(&serving.desk).life.has_failed())
}

fn is_starting(cell: &Cell) -> bool {
    lock(&cell.desk).life.needs_instance()
}

/// Calls those who wait for an outcome that is known by now.
pub(crate) fn tell_outcomes(lineage: &Arc<Lineage>) {
    let mut roster = lock(&lineage.roster);
    let mut known = Vec::new();
    for (number, told) in std::mem::take(&mut roster.told) {
        match roster.outcome(number) {
            Some(outcome) => known.push((told, outcome)),
            None => roster.told.push((number, told)),
        }
    }
    drop(roster);
    for (told, outcome) in known {
        told(outcome);
    }
}

fn no_previous(name: &str) -> Refusal {
    let detail = format!("no version of `{name}` served before this one: apply the version that you want");
    Refusal::new(Code::NO_PREVIOUS_VERSION, detail)
}

pub(crate) fn not_found(name: &str) -> Refusal {
    Refusal::new(Code::AGENT_NOT_FOUND, format!("no agent `{name}`: list them with `caxton get agents`"))
}
