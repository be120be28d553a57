//! Agents and endpoints come and go: deploy and remove, claim and release, and their views.

use std::sync::Arc;

use caxton_abi::{Code, EventName};

use crate::{
    agent::BodyFactory,
    bus::Bus,
    cell::{Cell, Desk, Run},
    error::Refusal,
    flow::{Begun, Flow, Place},
    forwarding::Target,
    limits::Limits,
    names,
    outlet::{Outlet, OutletDesk},
    port::EndpointRef,
    registry::{AgentSpec, AgentView, Registry},
    schedule::placed,
    supervisor::Intensity,
    sync::{lock, read, write},
    time::Time,
    timer::Key,
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
        let (cell, begun) = self.register(&flow, spec, name, address, factory)?;
        flow.agent_event(EventName::AGENT_STATE, address, Code::NONE, "starting".to_owned());
        flow.finish_switch(begun);
        flow.queue(cell);
        flow.settle();
        Ok(address)
    }

    fn take_name(&self, name: &str) -> Result<(String, u32), Refusal> {
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

    /// Gives the name to a new agent; the caller finishes the switch to it.
    fn register(
        &self,
        flow: &Flow<'_>,
        spec: AgentSpec,
        name: String,
        address: u32,
        factory: Arc<dyn BodyFactory>,
    ) -> Result<(Arc<Cell>, Begun), Refusal> {
        let ids = self.fork_ids().ok_or_else(|| Refusal::new(Code::INTERNAL, "no source of ids"))?;
        let mut registry = write(&self.lookup.registry);
        let replaces = self.check_vacancy(&registry, &name, address)?;
        let limits = match spec.mailbox_messages_max {
            Some(mailbox_messages_max) => {
                Arc::new(Limits { mailbox_messages_max, ..Limits::clone(&self.limits) })
            }
            None => Arc::clone(&self.limits),
        };
        let intensity = spec.restart_intensity.unwrap_or(Intensity::of(&limits));
        let config = spec.config.as_slice().into();
        let number = registry.next_number();
        let desk = Desk::new(intensity, ids).into();
        let cell = Arc::new(Cell { address, number, name, spec, config, factory, limits, desk });
        registry.agents.insert(address, Arc::clone(&cell));
        flow.forget_timers(address);
        flow.agent_changed(cell.entry(true));
        let begun = flow.begin_switch(address, Some(Target::Agent(Arc::clone(&cell))));
        drop(registry);
        if !replaces {
            write(&self.lookup.names).hold(address);
        }
        Ok((cell, begun))
    }

    /// True when a failed agent has the name, which a new one may replace.
    fn check_vacancy(&self, registry: &Registry, name: &str, address: u32) -> Result<bool, Refusal> {
        let failed = registry.agents.get(&address).map(|cell| lock(&cell.desk).life.has_failed());
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
        let cell = self.cell(name).ok_or_else(|| not_found(name))?;
        let mut flow = Flow::new(self, self.run_queue.workers(), now);
        let moves = self.ledger.open();
        let registry = read(&self.lookup.registry);
        let mut desk = lock(&cell.desk);
        let failed = desk.life.has_failed();
        if !desk.life.drain() && !failed {
            return Err(not_found(name));
        }
        let mut messages: Vec<_> = desk.retry.drain(..).collect();
        messages.extend(desk.mailbox.close(Code::AGENT_STOPPED));
        moves.pick_up(messages.len());
        desk.due.clear();
        let runs = desk.run == Run::Running;
        drop(desk);
        if registry.has(&cell) {
            flow.agent_changed(cell.entry(false));
        }
        drop(registry);
        drop(moves);
        let dead = |message| placed(message, Place::Dead(Code::AGENT_STOPPED));
        flow.later(messages.into_iter().map(dead).collect());
        if !failed {
            let text = "draining".to_owned();
            flow.agent_event(EventName::AGENT_STATE, cell.address, Code::NONE, text);
            flow.agent_lost(cell.address, Code::AGENT_STOPPED, Vec::new());
        }
        // The turn in which an agent failed is its last, though it may not be settled yet.
        let stopped = (failed || !runs) && self.stop(&mut flow, &cell);
        flow.settle();
        // Of two removals of a failed agent, the slower one finds it gone or replaced.
        if failed && !stopped { Err(not_found(name)) } else { Ok(()) }
    }

    /// Takes an agent out that no turn runs any more; false when it is out already, or another one has its name.
    pub(crate) fn stop(&self, flow: &mut Flow<'_>, cell: &Arc<Cell>) -> bool {
        let mut desk = lock(&cell.desk);
        desk.life.stop();
        let body = desk.body.take();
        drop(desk);
        drop(body);
        let mut registry = write(&self.lookup.registry);
        if !registry.has(cell) {
            return false;
        }
        registry.agents.remove(&cell.address);
        flow.forget_timers(cell.address);
        let begun = flow.begin_switch(cell.address, None);
        drop(registry);
        write(&self.lookup.names).let_go(cell.address);
        flow.finish_switch(begun);
        flow.agent_event(EventName::AGENT_STATE, cell.address, Code::NONE, "stopped".to_owned());
        true
    }

    fn cell(&self, name: &str) -> Option<Arc<Cell>> {
        let full = self.full_name(name).ok()?;
        let address = read(&self.lookup.names).address(&full)?;
        read(&self.lookup.registry).agents.get(&address).cloned()
    }

    /// Every agent, in the order in which they came.
    pub fn agents(&self) -> Vec<AgentView> {
        let cells = read(&self.lookup.registry).in_order();
        cells.iter().map(|cell| cell.view()).collect()
    }

    /// One agent.
    pub fn agent(&self, name: &str) -> Option<AgentView> {
        self.cell(name).map(|cell| cell.view())
    }

    /// Claims a name for an endpoint; `owner` is the host's number for the plugin. Messages that wait for the name go
    /// to it.
    ///
    /// # Errors
    /// [`Code::NAME_INVALID`], [`Code::NAMES_EXHAUSTED`], or [`Code::AGENT_EXISTS`] when the name is taken.
    pub fn claim(&self, name: &str, owner: u32, endpoint: EndpointRef, now: Time) -> Result<u32, Refusal> {
        let (full, address) = self.take_name(name)?;
        let limits = Arc::clone(&self.limits);
        let desk = OutletDesk::default().into();
        let outlet = Arc::new(Outlet { owner, endpoint, limits, desk });
        let mut registry = write(&self.lookup.registry);
        if registry.agents.contains_key(&address) || registry.outlets.contains_key(&address) {
            let detail = format!("the name `{full}` is taken: claim another");
            return Err(Refusal::new(Code::AGENT_EXISTS, detail));
        }
        let mut flow = Flow::new(self, self.run_queue.workers(), now);
        registry.outlets.insert(address, Arc::clone(&outlet));
        let begun = flow.begin_switch(address, Some(Target::Outlet(outlet)));
        drop(registry);
        write(&self.lookup.names).hold(address);
        flow.finish_switch(begun);
        flow.settle();
        Ok(address)
    }

    /// Gives a claimed address back; messages that wait for its endpoint become dead letters. Does nothing for an
    /// address that is not claimed.
    pub fn release(&self, address: u32, now: Time) {
        let mut flow = Flow::new(self, self.run_queue.workers(), now);
        let moves = self.ledger.open();
        let mut registry = write(&self.lookup.registry);
        let Some(outlet) = registry.outlets.remove(&address) else { return };
        let messages = lock(&outlet.desk).mailbox.close(Code::AGENT_STOPPED);
        moves.pick_up(messages.len());
        let begun = flow.begin_switch(address, None);
        drop(registry);
        drop(moves);
        write(&self.lookup.names).let_go(address);
        flow.finish_switch(begun);
        let dead = |message| placed(message, Place::Dead(Code::AGENT_STOPPED));
        flow.later(messages.into_iter().map(dead).collect());
        flow.settle();
    }

    /// Who claimed an address; `None` for agents and unclaimed names.
    pub fn owner_of(&self, address: u32) -> Option<u32> {
        read(&self.lookup.registry).outlets.get(&address).map(|outlet| outlet.owner)
    }
}

impl Flow<'_> {
    pub(crate) fn forget_timers(&self, address: u32) {
        lock(self.timers()).cancel_owner(Key::Agent(address, 0));
    }
}

fn invalid_name(name: &str) -> String {
    format!("`{name}` cannot be a name: use 1 to 255 characters without spaces, controls and parentheses")
}

fn routed_name(name: &str) -> String {
    format!(
        "`{name}` is a name that the router resolves: use one without a colon, and join groups and offer capabilities in the manifest"
    )
}

fn not_found(name: &str) -> Refusal {
    Refusal::new(Code::AGENT_NOT_FOUND, format!("no agent `{name}`: list them with `caxton get agents`"))
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
        let failed = bus.cell("bob").unwrap();
        let address = bus.deploy(spec, Arc::new(Broken), now).unwrap();
        bus.stop(&mut Flow::new(&bus, 0, now), &failed);
        assert_eq!(bus.agent("bob").unwrap().state, "starting");
        assert_eq!(bus.directory().resolve("bob"), Some(address));
    }
}
