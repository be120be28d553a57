//! Who is here: agents with their manifests and views, and the addresses that endpoints claimed.

use std::{collections::BTreeMap, sync::Arc};

use caxton_abi::{Code, port::AgentEntry};

use crate::{
    cell::Cell,
    held::Judge,
    lineage::Lineage,
    outlet::Outlet,
    revision::RevisionView,
    supervisor::{Intensity, RestartPolicy},
    sync::lock,
    tally::Tally,
};

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
    /// What a trap leads to.
    pub restart: RestartPolicy,
    /// Bytes by which its memory may grow before it gets a fresh instance, when not the server's default.
    pub recycle_memory_bytes: Option<u64>,
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
    /// Fresh instances that it got because its memory had grown.
    pub recycled: u32,
    /// Bytes of linear memory after the last turn.
    pub memory_bytes: u64,
    /// The digest of its component.
    pub digest: String,
    /// What it can do.
    pub capabilities: Vec<String>,
    /// Groups that it belongs to.
    pub groups: Vec<String>,
    /// Its configuration, opaque.
    pub config: Arc<[u8]>,
    /// What a trap leads to.
    pub restart: RestartPolicy,
    /// The number of the version that serves.
    pub revision: u32,
    /// Its versions, oldest first, and the last one that failed beside another.
    pub revisions: Vec<RevisionView>,
}

impl Lineage {
    /// What operators see: the version that serves with the counters of all; none when the agent is gone.
    pub(crate) fn view(&self, judge: &Judge<'_>) -> Option<AgentView> {
        let roster = lock(&self.roster);
        let face = roster.serving().or(roster.versions.first().map(|version| &version.cell))?;
        let mut view = self.face(face);
        for version in &roster.versions {
            let desk = lock(&version.cell.desk);
            view.mailbox_messages += desk.mailbox.len() + desk.retry.len();
            view.mailbox_bytes += desk.mailbox.bytes();
            view.turns += desk.turns;
            view.received += desk.received;
            view.sent += desk.sent;
            view.restarts += desk.supervisor.restarts();
            view.recycled += desk.recycling.recycled();
            view.memory_bytes += desk.memory_bytes;
        }
        view.turns += roster.past.turns;
        view.received += roster.past.received;
        view.sent += roster.past.sent;
        view.restarts += roster.past.restarts;
        view.recycled += roster.past.recycled;
        view.revisions = roster.views(judge);
        Some(view)
    }

    /// What the version that serves says of the agent.
    fn face(&self, cell: &Cell) -> AgentView {
        let desk = lock(&cell.desk);
        let (code, reason) = desk.life.failure().unwrap_or_default();
        AgentView {
            name: self.name.clone(),
            address: self.address,
            state: desk.life.as_str(),
            code,
            reason,
            mailbox_messages: 0,
            mailbox_bytes: 0,
            turns: 0,
            received: 0,
            sent: 0,
            restarts: 0,
            recycled: 0,
            memory_bytes: 0,
            digest: cell.factory.digest().to_owned(),
            capabilities: cell.spec.capabilities.clone(),
            groups: cell.spec.groups.clone(),
            config: Arc::clone(&cell.config),
            restart: cell.spec.restart,
            revision: cell.version,
            revisions: Vec::new(),
        }
    }

    /// What the router sees when this version serves.
    pub(crate) fn entry(&self, cell: &Cell, present: bool) -> AgentEntry {
        AgentEntry {
            address: self.address,
            name: self.name.as_str().into(),
            capabilities: cell.spec.capabilities.iter().map(|text| text.as_str().into()).collect(),
            groups: cell.spec.groups.iter().map(|text| text.as_str().into()).collect(),
            present,
        }
    }
}

/// Agents and claimed addresses.
#[derive(Default)]
pub(crate) struct Registry {
    pub(crate) agents: BTreeMap<u32, Arc<Lineage>>,
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
    pub(crate) fn has(&self, lineage: &Arc<Lineage>) -> bool {
        self.agents.get(&lineage.address).is_some_and(|known| Arc::ptr_eq(known, lineage))
    }

    /// Agents in the order in which they came.
    pub(crate) fn in_order(&self) -> Vec<Arc<Lineage>> {
        let mut lineages: Vec<_> = self.agents.values().cloned().collect();
        lineages.sort_by_key(|lineage| lineage.number);
        lineages
    }

    /// Agents outside of the server, in order of their addresses.
    pub(crate) fn attached(&self) -> Vec<AgentEntry> {
        self.outlets.values().filter_map(|outlet| lock(&outlet.desk).entry.clone()).collect()
    }

    /// Messages that lie with agents and in outlets.
    pub(crate) fn lying(&self) -> Tally {
        let agents: Tally = self.agents.values().map(|lineage| lineage.lying()).sum();
        let outlets = self.outlets.values().map(|outlet| lock(&outlet.desk).mailbox.lying());
        agents + outlets.sum::<Tally>()
    }
}
