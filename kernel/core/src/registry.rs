//! Who is here: agents with their manifests and views, and the addresses that endpoints claimed.

use std::{collections::BTreeMap, sync::Arc};

use caxton_abi::{Code, port::AgentEntry};

use crate::{cell::Cell, lifecycle::Life, outlet::Outlet, supervisor::Intensity, sync::lock};

/// What an agent is deployed with.
#[derive(Clone, Debug, Default)]
pub struct AgentSpec {
    /// Its name, local or full.
    pub name: String,
    /// What it can do; others reach it by `capability:NAME`.
    pub capabilities: Vec<String>,
    /// Groups that it belongs to; others reach them by `group:NAME`.
    pub groups: Vec<String>,
    /// Its configuration, opaque.
    pub config: Vec<u8>,
    /// Messages in its mailbox, when not the server's default.
    pub mailbox_messages_max: Option<usize>,
    /// When it is given up, when not the server's default.
    pub restart_intensity: Option<Intensity>,
}

/// An agent as operators see it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AgentView {
    /// Full name.
    pub name: String,
    /// Address.
    pub address: u32,
    /// `starting`, `active`, `replacing`, `draining`, `stopped` or `failed`.
    pub state: &'static str,
    /// Why it failed; zero when it did not.
    pub code: Code,
    /// Why it failed, in words.
    pub reason: String,
    /// Messages that wait for it.
    pub mailbox_messages: usize,
    /// Bytes of content of these.
    pub mailbox_bytes: usize,
    /// Turns that committed.
    pub turns: u64,
    /// Messages that it handled.
    pub received: u64,
    /// Messages that it sent.
    pub sent: u64,
    /// Instances after the first.
    pub restarts: u32,
    /// Bytes of linear memory after the last turn.
    pub memory_bytes: u64,
    /// The digest of its component.
    pub digest: String,
    /// What it can do.
    pub capabilities: Vec<String>,
    /// Groups that it belongs to.
    pub groups: Vec<String>,
}

impl Cell {
    /// What operators see.
    pub(crate) fn view(&self) -> AgentView {
        let desk = lock(&self.desk);
        let (code, reason) = match &desk.life {
            Life::Failed(agent) => (agent.code(), agent.reason().to_owned()),
            _ => (Code::NONE, String::new()),
        };
        AgentView {
            name: self.name.clone(),
            address: self.address,
            state: desk.life.as_str(),
            code,
            reason,
            mailbox_messages: desk.mailbox.len() + desk.retry.len(),
            mailbox_bytes: desk.mailbox.bytes(),
            turns: desk.turns,
            received: desk.received,
            sent: desk.sent,
            restarts: desk.supervisor.restarts(),
            memory_bytes: desk.memory_bytes,
            digest: self.factory.digest().to_owned(),
            capabilities: self.spec.capabilities.clone(),
            groups: self.spec.groups.clone(),
        }
    }

    /// What the router sees.
    pub(crate) fn entry(&self, present: bool) -> AgentEntry {
        AgentEntry {
            address: self.address,
            name: self.name.as_str().into(),
            capabilities: self.spec.capabilities.iter().map(|text| text.as_str().into()).collect(),
            groups: self.spec.groups.iter().map(|text| text.as_str().into()).collect(),
            present,
        }
    }
}

/// Agents and claimed addresses.
#[derive(Default)]
pub(crate) struct Registry {
    pub(crate) agents: BTreeMap<u32, Arc<Cell>>,
    pub(crate) outlets: BTreeMap<u32, Arc<Outlet>>,
    deployments: u64,
}

impl Registry {
    /// The number of the next deployment.
    pub(crate) fn next_number(&mut self) -> u64 {
        self.deployments += 1;
        self.deployments
    }

    /// True while this very agent holds its name: not when it was taken out, or replaced after it failed.
    pub(crate) fn has(&self, cell: &Arc<Cell>) -> bool {
        self.agents.get(&cell.address).is_some_and(|known| Arc::ptr_eq(known, cell))
    }

    /// Agents in the order in which they came.
    pub(crate) fn in_order(&self) -> Vec<Arc<Cell>> {
        let mut cells: Vec<_> = self.agents.values().cloned().collect();
        cells.sort_by_key(|cell| cell.number);
        cells
    }

    /// Messages that lie with agents and in outlets.
    pub(crate) fn lying(&self) -> usize {
        let agents: usize = self.agents.values().map(|cell| lock(&cell.desk).lying()).sum();
        let outlets = self.outlets.values().map(|outlet| lock(&outlet.desk).mailbox.len());
        agents + outlets.sum::<usize>()
    }
}
