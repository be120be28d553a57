//! What is gathered: the server's documents, and some facts of this machine.

use std::{collections::BTreeMap, path::Path};

use serde_json::{Value, json};

use crate::{
    client::{Client, Error},
    time::now_micros,
};

/// What is asked of the server, and under which name it is kept.
const DOCUMENTS: [(&str, &str); 9] = [
    ("status", "/v1/status"),
    ("health", "/readyz"),
    ("config", "/v1/config"),
    ("agents", "/v1/agents"),
    ("plugins", "/v1/plugins"),
    ("conversations", "/v1/conversations?limit=200"),
    ("dead-letters", "/v1/dead-letters?limit=200"),
    ("events", "/v1/events?limit=1000"),
    ("logs", "/v1/logs?limit=1000"),
];

/// Everything that is known, as JSON documents by name.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Evidence {
    /// The documents: the server's, or the problem it gave instead; `host` and `versions` are this machine's.
    pub documents: BTreeMap<String, Value>,
}

impl Evidence {
    /// Asks the server and looks at this machine. What cannot be had is left out; a server that does not answer is asked
    /// nothing more.
    pub fn gather(client: &Client, folder: &Path) -> Self {
        let mut documents = BTreeMap::new();
        let before = now_micros();
        for (name, path) in DOCUMENTS {
            let document = match client.get(path) {
                Ok(document) => document,
                // A server that is not ready, or has no such resource, says why.
                Err(Error::Problem(problem)) => problem.document,
                Err(error) => {
                    documents.insert(
                        "unreachable".to_owned(),
                        json!({"server": client.server(), "why": error.to_string()}),
                    );
                    break;
                }
            };
            documents.insert(name.to_owned(), masked(document));
        }
        documents.insert("host".to_owned(), host(folder, before));
        documents.insert(
            "versions".to_owned(),
            json!({"client": env!("CARGO_PKG_VERSION"), "server": client.server()}),
        );
        Self { documents }
    }

    /// The document of a name; null when it is not there.
    pub fn get(&self, name: &str) -> &Value {
        self.documents.get(name).unwrap_or(&Value::Null)
    }

    /// Adds what `caxtond check` says of a configuration.
    pub fn add_check(&mut self, outcome: Value) {
        self.documents.insert("check".to_owned(), outcome);
    }
}

/// Keys whose values may be what somebody wrote to somebody, or a secret.
const CONTENTS: [&str; 3] = ["content", "content-base64", "text"];
/// Parts of a key's name that say that its value is a secret; the server masks its own configuration already.
const SECRETS: [&str; 5] = ["secret", "password", "token", "private-key", "api-key"];

/// The document without contents of messages, and with secrets masked.
fn masked(document: Value) -> Value {
    match document {
        Value::Object(keys) => {
            let keys = keys.into_iter().filter(|(key, _)| !CONTENTS.contains(&key.as_str()));
            Value::Object(
                keys.map(|(key, value)| {
                    let name = key.to_lowercase().replace('_', "-");
                    let secret = SECRETS.iter().any(|part| name.contains(part)) && !value.is_null();
                    let value = if secret { json!("(masked)") } else { masked(value) };
                    (key, value)
                })
                .collect(),
            )
        }
        Value::Array(items) => Value::Array(items.into_iter().map(masked).collect()),
        other => other,
    }
}

/// Free disk, file limit and clock of this machine; what the system does not tell is null.
fn host(folder: &Path, before: i64) -> Value {
    let disk = rustix::fs::statvfs(folder).ok();
    let files = rustix::process::getrlimit(rustix::process::Resource::Nofile);
    json!({
        "folder": folder.display().to_string(),
        "disk-free-bytes": disk.as_ref().map(|disk| disk.f_bavail.saturating_mul(disk.f_frsize)),
        "disk-bytes": disk.as_ref().map(|disk| disk.f_blocks.saturating_mul(disk.f_frsize)),
        "files-max": files.current,
        "clock-micros": before,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn contents_are_left_out_and_secrets_masked() {
        let document = json!({"items": [{"id": "1", "content": "private", "api_key": "k", "fields": {"Token": "t", "n": 1}}]});
        assert_eq!(
            masked(document),
            json!({"items": [{"id": "1", "api_key": "(masked)", "fields": {"Token": "(masked)", "n": 1}}]})
        );
    }
}
