//! Agents come and go: deploy and remove, and their views. Names of endpoints are in [`attaching`](crate::attaching).

use std::sync::Arc;

use caxton_abi::{Code, Envelope, EventName};

use crate::{
    agent::BodyFactory,
    bus::Bus,
    cell::{Cell, Run},
    error::Refusal,
    flow::{Flow, Place},
    lineage::Lineage,
    names,
    registry::{AgentSpec, AgentView, Registry},
    revision::Blueprint,
    schedule::placed,
    sync::{lock, read, write},
    tally::Tally,
    time::Time,
    versions::not_found,
};

impl Bus {
    /// Deploys an agent. Its first turn makes the instance; messages are buffered until then. A failed agent of the
    /// same name is replaced.
    ///
    /// # Errors
    /// [`Code::NAME_INVALID`], [`Code::NAMES_EXHAUSTED`], [`Code::AGENT_EXISTS`], [`Code::AGENT_LIMIT`].
    pub fn deploy(&self, spec: AgentSpec, factory: Arc<dyn BodyFactory>, now: Time) -> Result<u32, Refusal> {
        let (name, address) = self.take_name(&spec.name)?;
        let mut flow = Flow::new(self, self.run_queue.workers(), now);
        let registry = write(&self.lookup.registry);
        self.found(&mut flow, registry, Blueprint { spec, factory }, name, address)?;
        flow.settle();
        Ok(address)
    }

    pub(crate) fn take_name(&self, name: &str) -> Result<(String, u32), Refusal> {
        let full = self.full_name(name).map_err(|code| Refusal::new(code, invalid_name(name)))?;
        if names::has_scheme(&full) {
            return Err(Refusal::new(Code::NAME_INVALID, routed_name(name)));
        }
        let address = self.address(&full).map_err(|code| {
            Refusal::new(code, format!("no room for the name `{full}`: raise `limits.names_max`"))
        })?;
        if address == self.ams {
            let detail = format!("the name `{full}` is the platform's own: choose another");
            return Err(Refusal::new(Code::AGENT_EXISTS, detail));
        }
        Ok((full, address))
    }

    /// True when a failed agent has the name, which a new one may replace.
    pub(crate) fn check_vacancy(
        &self,
        registry: &Registry,
        name: &str,
        address: u32,
    ) -> Result<bool, Refusal> {
        let failed = registry.agents.get(&address).map(|lineage| lineage.has_failed());
        if failed == Some(false) || registry.outlets.contains_key(&address) {
            let detail = format!("the name `{name}` is taken: choose another, or delete its agent first");
            return Err(Refusal::new(Code::AGENT_EXISTS, detail));
        }
        if failed.is_none() && registry.agents.len() >= self.limits.agents_max {
            let max = self.limits.agents_max;
            let detail =
                format!("the server holds {max} agents already: delete some, or raise `limits.agents_max`");
            return Err(Refusal::new(Code::AGENT_LIMIT, detail));
        }
        Ok(failed.is_some())
    }

    /// Removes an agent. What waits for it becomes dead letters and senders are told; a turn that runs may commit.
    ///
    /// # Errors
    /// [`Code::AGENT_NOT_FOUND`] when there is none of that name, or it is being removed already.
    pub fn remove(&self, name: &str, now: Time) -> Result<(), Refusal> {
        let lineage = self.lineage(name)?;
        let mut flow = Flow::new(self, self.run_queue.workers(), now);
        let moves = self.ledger.open();
        let registry = read(&self.lookup.registry);
        let mut roster = lock(&lineage.roster);
        if std::mem::replace(&mut roster.leaving, true) || !registry.has(&lineage) {
            return Err(not_found(name));
        }
        let face = roster.serving().map(|serving| lineage.entry(serving, false));
        let leaving: Vec<_> = roster.versions.iter().map(|version| leave(&version.cell)).collect();
        drop(roster);
        moves.pick_up(Tally::of(leaving.iter().flat_map(|leaving| &leaving.messages)));
        face.into_iter().for_each(|entry| flow.agent_changed(entry));
        drop(registry);
        drop(moves);
        if !leaving.iter().all(|leaving| leaving.failed) {
            let text = "draining".to_owned();
            flow.agent_event(EventName::AGENT_STATE, lineage.address, Code::NONE, text);
        }
        self.bury_and_stop(&mut flow, &lineage, leaving);
        flow.settle();
        Ok(())
    }

    fn bury_and_stop(&self, flow: &mut Flow<'_>, lineage: &Lineage, leaving: Vec<Leaving>) {
        let failed = leaving.iter().all(|leaving| leaving.failed);
        let mut idle = Vec::new();
        for Leaving { cell, messages, runs, .. } in leaving {
            let dead = |message| placed(message, Place::Dead(Code::AGENT_STOPPED));
            flow.later(messages.into_iter().map(dead).collect());
            idle.extend((!runs).then_some(cell));
        }
        if !failed {
            flow.agent_lost(lineage.address, Code::AGENT_STOPPED, Vec::new());
        }
        for cell in idle {
            self.stop(flow, &cell);
        }
    }

    /// Every agent, in the order in which they came.
    pub fn agents(&self) -> Vec<AgentView> {
        let lineages = read(&self.lookup.registry).in_order();
        lineages.iter().filter_map(|lineage| lineage.view(&self.judge(Time::ZERO))).collect()
    }

    /// One agent.
    pub fn agent(&self, name: &str) -> Option<AgentView> {
        self.lineage(name).ok()?.view(&self.judge(Time::ZERO))
    }
}

/// A version of an agent that is being removed.
struct Leaving {
    cell: Arc<Cell>,
    messages: Vec<Envelope>,
    failed: bool,
    /// A turn of it runs and may commit; the turn in which it failed is its last, though it may not be settled yet.
    runs: bool,
}

fn leave(cell: &Arc<Cell>) -> Leaving {
    let mut desk = lock(&cell.desk);
    desk.life.drain();
    let failed = desk.life.has_failed();
    let mut messages: Vec<_> = desk.retry.drain(..).collect();
    messages.extend(desk.mailbox.close(Code::AGENT_STOPPED));
    desk.due.clear();
    Leaving { cell: Arc::clone(cell), messages, failed, runs: !failed && desk.run == Run::Running }
}

fn invalid_name(name: &str) -> String {
    format!("`{name}` cannot be a name: use 1 to 255 characters without spaces, controls and parentheses")
}

fn routed_name(name: &str) -> String {
    format!(
        "`{name}` is a name that the router resolves: use one without a colon, and join groups and offer capabilities in the manifest"
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        agent::{AgentBody, Fault},
        bus::Options,
    };

    /// Agents of it never start.
    struct Broken;

    impl BodyFactory for Broken {
        fn instantiate(&self) -> Result<Box<dyn AgentBody>, Fault> {
            Err(Fault::Returned { code: "test".to_owned(), detail: "told to".to_owned() })
        }
        fn digest(&self) -> &str {
            "sha256:test"
        }
    }

    #[test]
    fn a_removal_that_comes_late_leaves_the_agent_that_replaced_the_failed_one() {
        let limits = Arc::default();
        let (platform, now) = ("here".to_owned(), Time::from_millis(1));
        let bus = Bus::new(Options { platform, limits, workers: 1, seed: 1, content_in_signals: false });
        let bus = bus.unwrap();
        let spec = AgentSpec { name: "bob".to_owned(), ..AgentSpec::default() };
        bus.deploy(spec.clone(), Arc::new(Broken), now).unwrap();
        bus.finish(bus.next(0, now).unwrap().run(), now);
        let failed = bus.lineage("bob").unwrap().serving().unwrap();
        let address = bus.deploy(spec, Arc::new(Broken), now).unwrap();
        bus.stop(&mut Flow::new(&bus, 0, now), &failed);
        assert_eq!(bus.agent("bob").unwrap().state, "starting");
        assert_eq!(bus.directory().resolve("bob"), Some(address));
    }
}
