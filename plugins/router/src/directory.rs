//! Who belongs where: agents by address, and groups and capabilities with their members.
//!
//! Pure: no clock, no host. Bounded by [`Limits`]; a membership over a limit is left out and counted, the agent itself
//! stays reachable by its name.

use std::collections::{BTreeSet, HashMap};

use caxton_plugin::AgentEntry;

/// Starts the name of a capability.
pub(crate) const CAPABILITY: &str = "capability:";
/// Starts the name of a group.
const GROUP: &str = "group:";
/// The group of every agent; membership that an agent declares itself changes nothing.
const EVERYONE: &str = "group:all";

/// True for the name of a group or capability.
pub(crate) fn is_group(name: &str) -> bool {
    name.starts_with(CAPABILITY) || name.starts_with(GROUP)
}

/// How much is kept.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    /// Different groups and capabilities.
    pub(crate) groups: usize,
    /// Groups and capabilities of one agent.
    pub(crate) groups_per_agent: usize,
}

/// The agents and their groups.
#[derive(Debug)]
pub(crate) struct Directory {
    limits: Limits,
    /// The groups that each agent is kept in; bounded by the server's number of agents.
    agents: HashMap<u32, BTreeSet<String>>,
    /// Members in the order of their addresses; never an empty set.
    groups: HashMap<String, BTreeSet<u32>>,
    /// Groups, known or not, that somebody named with the platform behind it; they have a second address.
    aliased: BTreeSet<String>,
    left_out: u64,
}

impl Directory {
    pub(crate) fn new(limits: Limits) -> Self {
        let aliased = BTreeSet::new();
        Self { limits, agents: HashMap::new(), groups: HashMap::new(), aliased, left_out: 0 }
    }

    /// Memberships that were left out since the start because a limit was reached.
    pub(crate) fn left_out(&self) -> u64 {
        self.left_out
    }

    /// The members of a group or the providers of a capability, ascending; empty when nobody is.
    pub(crate) fn members(&self, group: &str) -> Vec<u32> {
        self.groups.get(group).map(|members| members.iter().copied().collect()).unwrap_or_default()
    }

    /// Remembers that a group is named with the platform behind it; false when too many are.
    pub(crate) fn alias(&mut self, group: &str) -> bool {
        if self.aliased.len() >= self.limits.groups && !self.aliased.contains(group) {
            return false;
        }
        self.aliased.insert(group.to_owned());
        true
    }

    /// True when the group is named with the platform behind it.
    pub(crate) fn is_aliased(&self, group: &str) -> bool {
        self.aliased.contains(group)
    }

    /// Takes changes in, in order, and returns the groups whose members are others than before.
    pub(crate) fn apply(&mut self, changes: &[AgentEntry]) -> BTreeSet<String> {
        // Whether an agent was a member before the first change: a group may have every agent, so it is not copied.
        let mut before = HashMap::new();
        for change in changes {
            let wanted = if change.present { self.wanted(change) } else { BTreeSet::new() };
            let held = self.agents.remove(&change.address).unwrap_or_default();
            for group in held.symmetric_difference(&wanted) {
                let was = self.has(group, change.address);
                before.entry((group.clone(), change.address)).or_insert(was);
            }
            for group in held.difference(&wanted) {
                self.leave(group, change.address);
            }
            let kept =
                wanted.into_iter().filter(|group| held.contains(group) || self.join(group, change.address));
            let kept: BTreeSet<String> = kept.collect();
            if change.present {
                self.agents.insert(change.address, kept);
            }
        }
        let changed =
            |((group, agent), was): ((String, u32), bool)| (self.has(&group, agent) != was).then_some(group);
        before.into_iter().filter_map(changed).collect()
    }

    fn has(&self, group: &str, agent: u32) -> bool {
        self.groups.get(group).is_some_and(|members| members.contains(&agent))
    }

    /// The groups of an agent: everyone's first, then the declared ones up to the limit.
    fn wanted(&mut self, agent: &AgentEntry) -> BTreeSet<String> {
        let capabilities = agent.capabilities.iter().map(|name| format!("{CAPABILITY}{name}"));
        let groups = agent.groups.iter().map(|name| format!("{GROUP}{name}"));
        let declared: BTreeSet<String> = capabilities.chain(groups).filter(|name| name != EVERYONE).collect();
        self.left_out += declared.len().saturating_sub(self.limits.groups_per_agent) as u64;
        let mut wanted: BTreeSet<String> = declared.into_iter().take(self.limits.groups_per_agent).collect();
        wanted.insert(EVERYONE.to_owned());
        wanted
    }

    /// False when the group is new and the limit is reached. Everyone's group does not count.
    fn join(&mut self, group: &str, agent: u32) -> bool {
        let held = self.groups.len() - usize::from(self.groups.contains_key(EVERYONE));
        if held >= self.limits.groups && group != EVERYONE && !self.groups.contains_key(group) {
            self.left_out += 1;
            return false;
        }
        self.groups.entry(group.to_owned()).or_default().insert(agent);
        true
    }

    fn leave(&mut self, group: &str, agent: u32) {
        if let Some(members) = self.groups.get_mut(group) {
            members.remove(&agent);
            if members.is_empty() {
                self.groups.remove(group);
            }
        }
    }
}
