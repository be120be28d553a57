//! What a manifest asks for, held against the agent that a server has: pure, so that a plan is what is done.

use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use crate::{command::text, manifest::Manifest};

/// The keys of a manifest that the server tells of an agent.
const COMPARED: [&str; 7] = ["capabilities", "component", "config", "grants", "groups", "limits", "restart"];

/// What is done with an agent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// It is not there.
    Create,
    /// It differs.
    Update,
    /// It is the same.
    Unchanged,
    /// No manifest names it.
    Delete,
}

/// A key that differs, with both values as text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Key {
    /// The key.
    pub name: String,
    /// What the server has.
    pub from: String,
    /// What the manifest says.
    pub to: String,
}

/// What a manifest asks for.
#[derive(Clone, Debug)]
pub struct Wanted {
    /// The document that the server would get.
    pub document: Value,
    /// The component's bytes.
    pub component: Vec<u8>,
    /// True when the server has the component.
    pub known: bool,
    /// The manifest that is packed into the component, as the server tells it.
    packaged: Value,
}

/// What is to be done with one agent.
#[derive(Clone, Debug)]
pub struct Change {
    /// The agent's name.
    pub name: String,
    /// What is done.
    pub action: Action,
    /// The keys that differ.
    pub keys: Vec<Key>,
    /// What is wanted; `None` when the agent is to go.
    pub wanted: Option<Wanted>,
    /// The agent as the server has it, where it has.
    pub agent: Option<Value>,
}

impl Action {
    /// The word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Create => "create",
            Self::Update => "update",
            Self::Unchanged => "unchanged",
            Self::Delete => "delete",
        }
    }
}

impl Wanted {
    /// What a manifest with this component asks for, of a server that has these components.
    pub fn new(manifest: &Manifest, component: Vec<u8>, components: &[Value]) -> Self {
        let digest = digest(&component);
        let stored = components.iter().find(|stored| text(stored, "digest") == digest);
        let packaged = stored.and_then(|stored| stored.get("manifest")).cloned().unwrap_or_default();
        Self { document: manifest.document(&digest), component, known: stored.is_some(), packaged }
    }

    /// The value of a key; what the manifest leaves out is the package's, and null when that leaves it out too.
    fn value(&self, key: &str) -> &Value {
        self.document.get(key).or_else(|| self.packaged.get(key)).unwrap_or(&Value::Null)
    }
}

/// The digest by which a server knows these bytes.
pub fn digest(bytes: &[u8]) -> String {
    let hex: String = Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect();
    format!("sha256:{hex}")
}

fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Array(items) => items.is_empty(),
        Value::Object(keys) => keys.is_empty(),
        _ => false,
    }
}

/// What has to be done so that the agent is as wanted.
pub fn compare(wanted: Wanted, agent: Option<&Value>) -> Change {
    let name = text(&wanted.document, "name");
    let (action, keys) = match agent {
        None => (Action::Create, Vec::new()),
        // One that does not run is begun anew, whatever its keys say.
        Some(agent) if text(agent, "state") == "failed" => (Action::Update, differing(&wanted, agent)),
        Some(agent) => match differing(&wanted, agent) {
            keys if keys.is_empty() => (Action::Unchanged, keys),
            keys => (Action::Update, keys),
        },
    };
    Change { name, action, keys, wanted: Some(wanted), agent: agent.cloned() }
}

/// The keys that the server tells and that are not as wanted.
fn differing(wanted: &Wanted, agent: &Value) -> Vec<Key> {
    let differs = |key: &str| {
        let (from, to) = (agent.get(key)?, wanted.value(key));
        let same = match key {
            "limits" => within(to, from),
            // The server's own, where nobody says it.
            "restart" if to.is_null() => true,
            _ => from == to || is_empty(from) && is_empty(to),
        };
        (!same).then(|| Key { name: key.to_owned(), from: from.to_string(), to: to.to_string() })
    };
    COMPARED.iter().filter_map(|key| differs(key)).collect()
}

/// True when every limit that is wanted is so; the others are the server's own.
fn within(wanted: &Value, there: &Value) -> bool {
    wanted.as_object().into_iter().flatten().all(|(key, limit)| there.get(key) == Some(limit))
}

impl Change {
    /// The document of one change.
    pub fn document(&self) -> Value {
        let key = |key: &Key| json!({"key": key.name, "from": key.from, "to": key.to});
        let agent = self.agent.as_ref().map(|agent| {
            json!({"state": agent.get("state"), "revision": agent.get("revision"), "component": agent.get("component")})
        });
        json!({"kind": "caxton.change/v1", "name": self.name, "action": self.action.as_str(),
            "changes": self.keys.iter().map(key).collect::<Vec<_>>(), "agent": agent})
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wanted(document: Value) -> Wanted {
        Wanted { document, component: Vec::new(), known: true, packaged: Value::Null }
    }

    #[test]
    fn only_keys_that_the_server_tells_and_that_differ_are_changes() {
        let wanted = wanted(json!({"name": "a", "component": "sha256:1", "groups": ["g"], "grants": ["x"],
            "limits": {"turn-ms-max": 5}, "config": {}}));
        let agent = json!({"name": "a@caxton", "state": "active", "component": "sha256:1", "groups": [],
            "limits": {"turn-ms-max": 5, "memory-bytes-max": 7}, "config": null});
        let change = compare(wanted, Some(&agent));
        assert_eq!(change.action, Action::Update);
        assert_eq!(change.keys, [Key { name: "groups".into(), from: "[]".into(), to: "[\"g\"]".into() }]);
    }

    #[test]
    fn what_the_manifest_leaves_out_is_the_packages_and_an_empty_list_is_said() {
        let agent = json!({"name": "a@caxton", "state": "active", "capabilities": ["count"], "restart": "on-failure"});
        let mut left_out = wanted(json!({"name": "a"}));
        left_out.packaged = json!({"capabilities": ["count"]});
        assert_eq!(compare(left_out.clone(), Some(&agent)).action, Action::Unchanged);
        left_out.document = json!({"name": "a", "capabilities": []});
        assert_eq!(compare(left_out, Some(&agent)).action, Action::Update);
    }

    #[test]
    fn what_nobody_says_any_more_is_a_change() {
        let agent = json!({"name": "a@caxton", "state": "active", "capabilities": ["count"]});
        assert_eq!(compare(wanted(json!({"name": "a"})), Some(&agent)).action, Action::Update);
    }

    #[test]
    fn an_agent_that_failed_is_begun_anew() {
        let agent = json!({"name": "a@caxton", "state": "failed"});
        assert_eq!(compare(wanted(json!({"name": "a"})), Some(&agent)).action, Action::Update);
    }
}
