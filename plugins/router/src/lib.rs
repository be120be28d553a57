//! Plugin router: turns `capability:NAME`, `group:NAME` and `group:all` into agents.
//!
//! ```text
//!   agents come and go ──▶ directory (who has what) ──▶ changed groups ──▶ the kernel's forwarding table
//!   messages wait      ──▶ directory                ──▶ their routes   ──▶
//! ```
//!
//! A capability reaches one of its providers in turn, a group all of its members, `group:all` every agent. The sender
//! of a message to a group it belongs to gets a copy too: the table knows addresses, not senders. Names of agents need
//! no router, and names of other platforms are not resolved here.

mod directory;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use caxton_plugin::{
    AgentEntry, Code, Error, Health, Host, Plugin, Ports, RouteUpdate, Router, Unresolved, route,
};
use directory::{Directory, Limits};
use serde::Deserialize;
use tracing::warn;

/// The plugin's table of the server's configuration.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Most different capabilities and groups that are kept.
    pub groups_max: usize,
    /// Most capabilities and groups of one agent.
    pub groups_per_agent_max: usize,
}

/// 4096 groups cost about 1 MB; 64 of one agent are more than any role needs.
impl Default for Config {
    fn default() -> Self {
        Self { groups_max: 4096, groups_per_agent_max: 64 }
    }
}

/// The router.
pub struct AgentRouter {
    host: Host,
    suffix: String,
    directory: Mutex<Directory>,
}

impl Plugin for AgentRouter {
    type Config = Config;

    fn create(host: Host, config: Config) -> Result<Self, Error> {
        let bounds =
            [("groups_max", config.groups_max), ("groups_per_agent_max", config.groups_per_agent_max)];
        if let Some((key, _)) = bounds.iter().find(|(_, bound)| *bound == 0) {
            let message = format!("`{key}` is 0, expected 1 or more; remove it to get the default");
            return Err(Error::new(Code::PLUGIN_CONFIG_INVALID, message));
        }
        let limits = Limits { groups: config.groups_max, groups_per_agent: config.groups_per_agent_max };
        let suffix = format!("@{}", host.platform());
        Ok(Self { host, suffix, directory: Mutex::new(Directory::new(limits)) })
    }

    fn ports(self: &Arc<Self>) -> Ports {
        Ports::router(self.clone())
    }

    fn health(&self) -> Health {
        match self.directory().left_out() {
            0 => Health::Running,
            count => Health::Degraded(format!(
                "{count} memberships were left out because a limit was reached; raise groups_max or groups_per_agent_max"
            )),
        }
    }
}

impl AgentRouter {
    fn directory(&self) -> MutexGuard<'_, Directory> {
        // Every change of the directory is complete before the next, so a poisoned lock holds a usable state.
        self.directory.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How a group or capability is forwarded.
    fn update(&self, directory: &Directory, address: u32, group: &str) -> RouteUpdate {
        let members = directory.members(group);
        let mode = match members.is_empty() {
            true => route::NONE,
            false if group.starts_with(directory::CAPABILITY) => route::ANY,
            false => route::ALL,
        };
        RouteUpdate { address, mode, targets: members.into() }
    }

    /// The addresses of a group, under its plain name and, where somebody used it, with this platform behind it.
    fn addresses(&self, directory: &Directory, group: &str) -> Vec<u32> {
        let alias = directory.is_aliased(group).then(|| format!("{group}{}", self.suffix));
        let names: Vec<&str> = std::iter::once(group).chain(alias.as_deref()).collect();
        let mut addresses = self.host.addresses(&names);
        if addresses.contains(&0) {
            warn!(group, "no address for this group: its name is not valid, or the table of names is full");
        }
        addresses.retain(|address| *address != 0);
        addresses
    }
}

impl Router for AgentRouter {
    fn agents_changed(&self, changes: &[AgentEntry]) -> Vec<RouteUpdate> {
        let mut directory = self.directory();
        let left_out = directory.left_out();
        let touched = directory.apply(changes);
        if directory.left_out() > left_out {
            let count = directory.left_out() - left_out;
            warn!(count, "memberships left out: raise groups_max or groups_per_agent_max");
        }
        let mut updates = Vec::new();
        for group in touched {
            let addresses = self.addresses(&directory, &group).into_iter();
            updates.extend(addresses.map(|address| self.update(&directory, address, &group)));
        }
        updates
    }

    fn resolve(&self, waiting: &[Unresolved]) -> Vec<RouteUpdate> {
        let mut directory = self.directory();
        let mut updates = Vec::with_capacity(waiting.len());
        for one in waiting {
            let group = match one.name.strip_suffix(&self.suffix) {
                Some(group) if directory::is_group(group) && directory.alias(group) => group,
                _ => &one.name,
            };
            updates.push(self.update(&directory, one.address, group));
        }
        updates
    }
}

caxton_plugin::plugin!(AgentRouter, "../plugin.json");

#[cfg(test)]
mod tests;
