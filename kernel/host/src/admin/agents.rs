//! Components and agents: upload, deploy, look at, delete.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use caxton_abi::{Code, port::AgentEntry, std_types::RString};
use caxton_core::{AgentSpec, AgentView, Bus, Intensity, RestartPolicy, RevisionView, agent::BodyFactory};
use caxton_runtime::{CompiledComponent, ComponentInfo, InstanceLimits};
use serde_json::Value;

use super::{
    Admin, Refused,
    documents::{Agent, Component, List, Manifest, ManifestLimits, Restart, Revision},
    package::Package,
};
use crate::clock::rfc3339;

/// Components that are kept ready; each holds its machine code, up to 36 MB for an interpreter.
const COMPONENTS_MAX: usize = 256;
/// Capabilities, and groups, of one agent.
const WORDS_MAX: usize = 64;
/// Bytes of a capability's or group's name.
const WORD_BYTES_MAX: usize = 128;
/// Bytes of an agent's configuration as JSON.
pub(super) const CONFIG_BYTES_MAX: usize = 1024 * 1024;

/// Uploaded components by digest. One that a version of an agent is made of, or the version to which it may go back,
/// stays.
#[derive(Default)]
pub struct Components {
    ready: Mutex<BTreeMap<String, Arc<CompiledComponent>>>,
}

impl Components {
    fn ready(&self) -> MutexGuard<'_, BTreeMap<String, Arc<CompiledComponent>>> {
        // The map is whole between any two statements, so a panic of another holder does not matter.
        self.ready.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn find(&self, digest: &str) -> Result<Arc<CompiledComponent>, Refused> {
        self.ready().get(digest).cloned().ok_or_else(|| {
            Refused::new(
                Code::COMPONENT_UNKNOWN,
                format!("no component `{digest}` is stored: upload it first"),
            )
        })
    }
}

impl Admin {
    pub(crate) fn put_component(&self, bytes: &[u8]) -> Result<Component, Refused> {
        let compiled = self.runtime.compile(bytes)?;
        let package = Package::of(&self.bus, &compiled)?;
        let document = component(compiled.info(), package, false);
        let mut ready = self.components.ready();
        let known = ready.contains_key(&document.digest);
        if !known && ready.len() >= COMPONENTS_MAX {
            ready.retain(|_, component| Arc::strong_count(component) > 1);
        }
        if !known && ready.len() >= COMPONENTS_MAX {
            let message =
                format!("{COMPONENTS_MAX} components are in use: delete agents that are not needed");
            return Err(Refused::new(Code::AGENT_LIMIT, message));
        }
        ready.insert(document.digest.clone(), compiled);
        drop(ready);
        self.storage.deployments().keep(&document.digest, bytes);
        Ok(Component { known, ..document })
    }

    pub(super) fn list_components(&self) -> List<Component> {
        let ready: Vec<_> = self.components.ready().values().cloned().collect();
        // Every package was read when its component came.
        let package = |compiled: &CompiledComponent| Package::of(&self.bus, compiled).ok().flatten();
        let items = ready.iter().map(|found| component(found.info(), package(found), true)).collect();
        List { kind: "caxton.component.list/v1", items }
    }

    pub(crate) fn deploy(&self, manifest: Manifest) -> Result<Agent, Refused> {
        let (full, spec, factory) = self.check(&manifest)?;
        self.bus.deploy(spec, factory, self.clock.now())?;
        self.get_agent(&full)
    }

    /// Checks a manifest and finds what it names: the agent's full name and what to make it of.
    pub(super) fn check(
        &self,
        manifest: &Manifest,
    ) -> Result<(String, AgentSpec, Arc<dyn BodyFactory>), Refused> {
        if manifest.name.is_empty() {
            return Err(Refused::new(Code::AGENT_MANIFEST_INVALID, "the manifest has no `name`"));
        }
        let full = local_name(&self.bus, &manifest.name)?;
        manifest.limits.check()?;
        words(&manifest.capabilities, "capabilities")?;
        words(&manifest.groups, "groups")?;
        if manifest.component.is_empty() {
            return Err(Refused::new(Code::AGENT_MANIFEST_INVALID, "the manifest has no `component`"));
        }
        let compiled = self.components.find(&manifest.component)?;
        let limits = InstanceLimits {
            memory_bytes_max: manifest.limits.memory_bytes_max.unwrap_or(self.memory_bytes_max),
            turn_ms_max: manifest.limits.turn_ms_max.unwrap_or(self.turn_ms_max),
        };
        let factory = self.runtime.factory(&compiled, limits, &manifest.grants)?;
        Ok((full, self.spec(manifest)?, factory))
    }

    fn spec(&self, manifest: &Manifest) -> Result<AgentSpec, Refused> {
        let config = match &manifest.config {
            Value::Null => b"{}".to_vec(),
            config => config.to_string().into_bytes(),
        };
        if config.len() > CONFIG_BYTES_MAX {
            let message = format!("`config` has {} bytes, the limit is {CONFIG_BYTES_MAX}", config.len());
            return Err(Refused::new(Code::AGENT_MANIFEST_INVALID, message));
        }
        let limits = self.bus.limits();
        let restarts = manifest.limits.restarts_max.map(|restarts_max| Intensity {
            restarts_max: restarts_max.min(limits.restarts_max),
            window_ms: limits.restart_window_ms,
        });
        Ok(AgentSpec {
            name: manifest.name.clone(),
            capabilities: manifest.capabilities.clone(),
            groups: manifest.groups.clone(),
            config,
            mailbox_messages_max: manifest
                .limits
                .mailbox_messages_max
                .map(|max| max.min(limits.mailbox_messages_max)),
            restart_intensity: restarts,
            restart: match manifest.restart {
                Restart::Never => RestartPolicy::Never,
                Restart::OnFailure => RestartPolicy::OnFailure,
            },
            recycle_memory_bytes: manifest.limits.recycle_memory_bytes,
        })
    }

    pub(super) fn list_agents(&self) -> List<Agent> {
        let items = self.bus.agents().into_iter().map(|view| self.agent(view)).collect();
        List { kind: "caxton.agent.list/v1", items }
    }

    pub(super) fn get_agent(&self, name: &str) -> Result<Agent, Refused> {
        let full = self.full_name(name)?;
        let view = self.bus.agent(&full).ok_or_else(|| not_found(&full))?;
        Ok(self.agent(view))
    }

    pub(super) fn delete_agent(&self, name: &str) -> Result<Agent, Refused> {
        let full = self.full_name(name)?;
        let last = self.get_agent(&full)?;
        self.bus.remove(&full, self.clock.now())?;
        Ok(last)
    }

    pub(super) fn full_name(&self, name: &str) -> Result<String, Refused> {
        full_name(&self.bus, name)
    }

    fn agent(&self, view: AgentView) -> Agent {
        let failed = !view.code.is_none();
        let serving = view.revisions.iter().find(|revision| revision.number == view.revision);
        Agent {
            kind: "caxton.agent/v1",
            state: view.state,
            reason: failed.then_some(view.reason),
            code: failed.then(|| view.code.to_string()),
            component: view.digest,
            capabilities: view.capabilities,
            groups: view.groups,
            since: serving.map(|revision| rfc3339(revision.since)),
            mailbox: view.mailbox_messages,
            received: view.received,
            sent: view.sent,
            restarts: view.restarts,
            recycled: view.recycled,
            memory_bytes: view.memory_bytes,
            config: serde_json::from_slice(&view.config).unwrap_or_default(),
            restart: view.restart.as_str(),
            revision: view.revision,
            revisions: view.revisions.into_iter().map(revision).collect(),
            name: view.name,
        }
    }
}

fn revision(view: RevisionView) -> Revision {
    let failed = !view.code.is_none();
    Revision {
        number: view.number,
        state: view.state,
        code: failed.then(|| view.code.to_string()),
        reason: failed.then_some(view.reason),
        component: view.digest,
        share: view.share,
        conversations: view.conversations,
        mailbox: view.mailbox_messages,
        since: rfc3339(view.since),
    }
}

pub(super) fn full_name(bus: &Bus, name: &str) -> Result<String, Refused> {
    bus.full_name(name)
        .map_err(|code| Refused::new(code, format!("`{}` cannot be an agent's name", name.escape_default())))
}

/// The full name of an agent of this platform.
pub(crate) fn local_name(bus: &Bus, name: &str) -> Result<String, Refused> {
    let (full, platform) = (full_name(bus, name)?, bus.platform());
    if full.rsplit_once('@').is_none_or(|(_, named)| named != platform) {
        let message = format!(
            "`{full}` belongs to another platform, this one is `{platform}`: leave out what follows the `@`"
        );
        return Err(Refused::new(Code::NAME_INVALID, message));
    }
    Ok(full)
}

/// Checks the labels of an agent outside of the server as those of a manifest.
pub(crate) fn labels(entry: &AgentEntry) -> Result<(), Refused> {
    let texts = |list: &[RString]| list.iter().map(ToString::to_string).collect::<Vec<_>>();
    words(&texts(&entry.capabilities), "capabilities")?;
    words(&texts(&entry.groups), "groups")
}

/// Checks the names of capabilities or groups: each becomes the end of an address such as `group:bidders`.
pub(super) fn words(words: &[String], key: &str) -> Result<(), Refused> {
    let invalid = |message: String| Err(Refused::new(Code::AGENT_MANIFEST_INVALID, message));
    if words.len() > WORDS_MAX {
        return invalid(format!("`{key}` has {} names, at most {WORDS_MAX} are taken", words.len()));
    }
    let good = |c: char| !c.is_whitespace() && !c.is_control() && !matches!(c, ':' | '@' | '(' | ')' | '"');
    match words.iter().find(|word| word.is_empty() || word.len() > WORD_BYTES_MAX || !word.chars().all(good))
    {
        Some(word) => invalid(format!(
            "`{key}` has {word:?}, expected 1 to {WORD_BYTES_MAX} bytes without blanks, `:` and `@`"
        )),
        None => Ok(()),
    }
}

impl ManifestLimits {
    /// A limit of zero is an agent that can do nothing; only restarts may be none.
    pub(super) fn check(&self) -> Result<(), Refused> {
        let zero = [
            ("memory-bytes-max", self.memory_bytes_max == Some(0)),
            ("turn-ms-max", self.turn_ms_max == Some(0)),
            ("recycle-memory-bytes", self.recycle_memory_bytes == Some(0)),
            ("mailbox-messages-max", self.mailbox_messages_max == Some(0)),
        ];
        match zero.iter().find(|(_, zero)| *zero) {
            Some((key, _)) => Err(Refused::new(
                Code::AGENT_MANIFEST_INVALID,
                format!("`limits.{key}` is 0, expected 1 or more"),
            )),
            None => Ok(()),
        }
    }
}

fn not_found(name: &str) -> Refused {
    Refused::new(
        Code::AGENT_NOT_FOUND,
        format!("no agent is named `{name}`: list them with `caxton get agents`"),
    )
}

fn component(info: &ComponentInfo, manifest: Option<Package>, known: bool) -> Component {
    Component {
        kind: "caxton.component/v1",
        digest: info.digest.clone(),
        bytes: info.bytes,
        world: info.world().into(),
        imports: info.imports.clone(),
        known,
        manifest,
    }
}
