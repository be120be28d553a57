//! Which agents were deployed, kept so that they are there again when the server starts.
//!
//! A record has the manifest as it was given; the component's bytes lie in `Files`. Without a store nothing is kept.

use std::{
    collections::{BTreeMap, BTreeSet, HashSet, hash_map::DefaultHasher},
    hash::{Hash, Hasher},
    path::Path,
    sync::{Arc, Mutex, OnceLock},
};

use caxton_abi::{Code, Payload};

use super::{
    files::Files,
    key, record,
    transaction::{put, remove},
    writer::{Writer, lock},
};
use crate::admin::{Admin, Manifest, Refused};

/// Deployments that come back.
pub struct Deployments {
    files: Files,
    writer: OnceLock<Arc<Writer>>,
    known: Mutex<BTreeMap<String, Known>>,
}

/// What is kept of an agent. Only the version that serves comes back; the others are here to become that one.
#[derive(Default)]
struct Known {
    serving: Option<Manifest>,
    /// Has a share of the new conversations.
    canary: Option<Manifest>,
    /// Served before.
    previous: Option<Manifest>,
    /// Tells whether the record of the one that serves is another one.
    hash: u64,
}

impl Deployments {
    pub(super) fn new(data_dir: &Path) -> Self {
        let files = Files::new(data_dir.join("deployed"));
        Self { files, writer: OnceLock::new(), known: Mutex::default() }
    }

    pub(super) fn open(&self, writer: Arc<Writer>) {
        let _only_once = self.writer.set(writer);
    }

    /// Keeps a component that was uploaded, for agents that may be deployed from it.
    pub fn keep(&self, digest: &str, bytes: &[u8]) {
        if self.writer.get().is_none() {
            return;
        }
        if let Err(error) = self.files.keep(digest, bytes, &self.needed()) {
            tracing::error!(digest, %error, "a component is not kept: agents made of it do not come back");
        }
    }

    /// Keeps the manifest of the version that serves now. Returns when it is on disk; may block.
    pub fn put(&self, name: &str, manifest: &Manifest) {
        let Some(writer) = self.writer.get() else { return };
        let Ok(document) = serde_json::to_vec(manifest) else { return };
        let hash = hash(&document);
        let mut all = lock(&self.known);
        let known = all.entry(name.to_owned()).or_default();
        if known.hash == hash {
            return;
        }
        known.hash = hash;
        known.canary = None;
        known.previous = known.serving.replace(manifest.clone());
        drop(all);
        if !self.files.has(&manifest.component) {
            tracing::error!(
                agent = name,
                digest = manifest.component,
                "no file of the component: the agent does not come back"
            );
        }
        if let Err(code) =
            writer.put(vec![put(agent(name), [&[record::VERSION], document.as_slice()].concat())])
        {
            tracing::error!(agent = name, %code, "the deployment is not kept yet: the store does not write");
        }
    }

    /// Notes the manifest of a canary, which does not come back unless it is promoted.
    pub fn put_canary(&self, name: &str, manifest: &Manifest) {
        if self.writer.get().is_none() {
            return;
        }
        lock(&self.known).entry(name.to_owned()).or_default().canary = Some(manifest.clone());
    }

    /// The canary serves now. May block.
    pub fn promoted(&self, name: &str) {
        let canary = lock(&self.known).get_mut(name).and_then(|known| known.canary.take());
        canary.into_iter().for_each(|manifest| self.put(name, &manifest));
    }

    /// A version that came in was withdrawn, or the one that served before serves again. May block.
    pub fn rolled_back(&self, name: &str, withdrew: bool) {
        let before = |known: &mut Known| {
            known.canary = None;
            known.previous.clone().filter(|_| !withdrew)
        };
        let previous = lock(&self.known).get_mut(name).and_then(before);
        previous.into_iter().for_each(|manifest| self.put(name, &manifest));
    }

    /// Forgets an agent. Returns when that is on disk; may block.
    pub fn remove(&self, name: &str) {
        let Some(writer) = self.writer.get() else { return };
        lock(&self.known).remove(name);
        if let Err(code) = writer.put(vec![remove(agent(name))]) {
            tracing::error!(agent = name, %code, "the agent is not forgotten yet: the store does not write");
        }
    }

    /// Deploys the agents of a store again; answers how many came back. One that does not is logged and stays recorded,
    /// so that a later start tries it again. Files that no agent needs are removed.
    pub(super) fn bring_back(&self, records: Vec<(String, Payload)>, admin: &Admin) -> usize {
        let mut agents = Vec::new();
        for (name, document) in records {
            match serde_json::from_slice::<Manifest>(document.as_slice()) {
                Ok(manifest) => agents.push((name, manifest)),
                Err(error) => not_back(&name, Code::STORE_DAMAGED, &error.to_string()),
            }
        }
        // By component, so that each is made ready once.
        agents.sort_by(|(a, one), (b, other)| (&one.component, a).cmp(&(&other.component, b)));
        for (name, manifest) in &agents {
            let hash = serde_json::to_vec(manifest).map(|document| hash(&document)).unwrap_or_default();
            let known = Known { serving: Some(manifest.clone()), hash, ..Known::default() };
            lock(&self.known).insert(name.clone(), known);
        }
        let mut ready = HashSet::new();
        let mut count = 0;
        for (name, manifest) in agents {
            match self.bring_one(manifest, admin, &mut ready) {
                Ok(()) => count += 1,
                Err(refused) => not_back(&name, refused.code, &refused.message),
            }
        }
        // Without the folder there is nothing to remove.
        let _absent = self.files.sweep(&self.needed(), 0);
        count
    }

    fn bring_one(
        &self,
        manifest: Manifest,
        admin: &Admin,
        ready: &mut HashSet<String>,
    ) -> Result<(), Refused> {
        if !ready.contains(&manifest.component) {
            let missing = |error| Refused::new(Code::COMPONENT_UNKNOWN, format!("its component: {error}"));
            let bytes = self.files.read(&manifest.component, u64::MAX - 1).map_err(missing)?;
            admin.put_component(&bytes)?;
            ready.insert(manifest.component.clone());
        }
        admin.deploy(manifest).map(drop)
    }

    fn needed(&self) -> BTreeSet<String> {
        let known = lock(&self.known);
        let manifests = known.values().flat_map(|known| [&known.serving, &known.canary, &known.previous]);
        manifests.flatten().map(|manifest| manifest.component.clone()).collect()
    }
}

fn not_back(agent: &str, code: Code, reason: &str) {
    tracing::error!(agent, %code, reason, "a deployed agent did not come back: deploy it again");
}

fn agent(name: &str) -> Vec<u8> {
    key::named(key::AGENTS, name.as_bytes())
}

fn hash(document: &[u8]) -> u64 {
    let mut hasher = DefaultHasher::new();
    document.hash(&mut hasher);
    hasher.finish()
}
