//! Names that endpoints hold: claimed for themselves, or for an agent outside of the server.
//!
//! An attached agent is an address of an endpoint with the labels of an agent: the router learns of it as of any other,
//! and protocols are told when it is lost. What differs is who runs it.

use std::sync::Arc;

use caxton_abi::{Code, EventName, port::AgentEntry};

use crate::{
    bus::Bus,
    error::Refusal,
    flow::{Flow, Place},
    forwarding::Target,
    outlet::Outlet,
    port::EndpointRef,
    schedule::placed,
    sync::{Ordering, lock, read, write},
    time::Time,
};

impl Bus {
    /// Claims a name for an endpoint; `owner` is the host's number for the plugin. Messages that wait for the name go
    /// to it.
    ///
    /// # Errors
    /// [`Code::NAME_INVALID`], [`Code::NAMES_EXHAUSTED`], or [`Code::AGENT_EXISTS`] when the name is taken.
    pub fn claim(&self, name: &str, owner: u32, endpoint: EndpointRef, now: Time) -> Result<u32, Refusal> {
        let (full, address) = self.take_name(name)?;
        self.hold(&full, address, Outlet::new(owner, endpoint, Arc::clone(&self.limits)), now)
    }

    /// As [`Bus::claim`], for an agent outside of the server: the router learns its capabilities and groups.
    ///
    /// # Errors
    /// As for [`Bus::claim`].
    pub fn attach(
        &self,
        entry: AgentEntry,
        owner: u32,
        endpoint: EndpointRef,
        now: Time,
    ) -> Result<u32, Refusal> {
        let (full, address) = self.take_name(&entry.name)?;
        let outlet = Outlet::new(owner, endpoint, Arc::clone(&self.limits));
        lock(&outlet.desk).entry =
            Some(AgentEntry { address, name: full.as_str().into(), present: true, ..entry });
        self.hold(&full, address, outlet, now)
    }

    fn hold(&self, full: &str, address: u32, outlet: Outlet, now: Time) -> Result<u32, Refusal> {
        let outlet = Arc::new(outlet);
        let mut registry = write(&self.lookup.registry);
        if registry.agents.contains_key(&address) || registry.outlets.contains_key(&address) {
            let detail = format!("the name `{full}` is taken: use another");
            return Err(Refusal::new(Code::AGENT_EXISTS, detail));
        }
        let mut flow = Flow::new(self, self.run_queue.workers(), now);
        registry.outlets.insert(address, Arc::clone(&outlet));
        let entry = lock(&outlet.desk).entry.clone();
        let attached = entry.is_some();
        entry.into_iter().for_each(|entry| flow.agent_changed(entry));
        let begun = flow.begin_switch(address, Some(Target::Outlet(outlet)));
        drop(registry);
        write(&self.lookup.names).hold(address);
        flow.finish_switch(begun);
        if attached {
            flow.agent_event(EventName::AGENT_ATTACHED, address, Code::NONE, String::new());
        }
        flow.settle();
        Ok(address)
    }

    /// Changes what the router knows of an attached agent, or makes one of a claimed address. False when the address is
    /// not claimed.
    pub fn relabel(&self, address: u32, entry: AgentEntry, now: Time) -> bool {
        let flow = Flow::new(self, self.run_queue.workers(), now);
        let registry = read(&self.lookup.registry);
        let Some(outlet) = registry.outlets.get(&address) else { return false };
        let name = crate::agent::Directory::name_of(&*self.lookup, address).unwrap_or_default();
        let entry = AgentEntry { address, name: name.into(), present: true, ..entry };
        let before = lock(&outlet.desk).entry.replace(entry.clone());
        if before.as_ref() != Some(&entry) {
            flow.agent_changed(entry);
        }
        drop(registry);
        flow.settle();
        true
    }

    /// Gives a claimed address back; messages that wait for its endpoint become dead letters. Does nothing for an
    /// address that is not claimed.
    pub fn release(&self, address: u32, now: Time) {
        self.detach(address, Code::NONE, now);
    }

    /// As [`Bus::release`]. With a code an attached agent was lost: its messages are dead letters with that code, and
    /// what it promised is void.
    pub fn detach(&self, address: u32, code: Code, now: Time) {
        let reason = if code.is_none() { Code::AGENT_STOPPED } else { code };
        let mut flow = Flow::new(self, self.run_queue.workers(), now);
        let moves = self.ledger.open();
        let mut registry = write(&self.lookup.registry);
        let Some(outlet) = registry.outlets.remove(&address) else { return };
        let mut desk = lock(&outlet.desk);
        let messages = desk.mailbox.close(reason);
        let entry = desk.entry.take();
        drop(desk);
        let attached = entry.is_some();
        entry.into_iter().for_each(|entry| flow.agent_changed(AgentEntry { present: false, ..entry }));
        moves.pick_up(&messages);
        let begun = flow.begin_switch(address, None);
        drop(registry);
        drop(moves);
        write(&self.lookup.names).let_go(address);
        flow.finish_switch(begun);
        let dead = |message| placed(message, Place::Dead(reason));
        flow.later(messages.into_iter().map(dead).collect());
        if attached {
            flow.agent_event(EventName::AGENT_DETACHED, address, code, String::new());
            // Agents of a server that ends are not lost.
            if !code.is_none() && !self.closed.load(Ordering::Acquire) {
                flow.agent_lost(address, Code::ATTACHMENT_LOST, Vec::new());
            }
        }
        flow.settle();
    }

    /// Hands a claimed address to another endpoint of the same owner. What waits goes to it in order, after the call that
    /// is under way, unless that hangs. False when the address is not claimed.
    pub fn transfer(&self, address: u32, endpoint: EndpointRef, under_way: UnderWay, now: Time) -> bool {
        let outlet = read(&self.lookup.registry).outlets.get(&address).cloned();
        let Some(outlet) = outlet else { return false };
        outlet.transfer(endpoint);
        if under_way == UnderWay::Abandoned {
            let mut flow = Flow::new(self, self.run_queue.workers(), now);
            let mut desk = lock(&outlet.desk);
            desk.abandoned += 1;
            desk.draining = true;
            drop(desk);
            flow.empty(&outlet);
            flow.settle();
        }
        true
    }

    /// Who claimed an address; `None` for agents and unclaimed names.
    pub fn owner_of(&self, address: u32) -> Option<u32> {
        read(&self.lookup.registry).outlets.get(&address).map(|outlet| outlet.owner)
    }
}

/// What becomes of a call of the endpoint that an address is taken from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UnderWay {
    /// It ends, then the next endpoint is called.
    Ends,
    /// It hangs; the next endpoint is called at once.
    Abandoned,
}
