//! The manifest: `plugin.json` beside the plugin's `Cargo.toml`, compiled into the library's handshake.
//!
//! The server reads it from the file before it runs any of the plugin's code, so an operator sees name, version, ports
//! and configuration keys of a plugin that does not even load. It is at most 8192 bytes; a longer one does not compile.
//!
//! ```json
//! {
//!   "name": "echo",
//!   "version": "0.1.0",
//!   "description": "Answers what it is sent.",
//!   "provides": ["endpoint/1"],
//!   "requires": [],
//!   "runtime": false,
//!   "config": {
//!     "properties": {
//!       "name": { "type": "string", "default": "echo", "description": "The local name that it answers to." }
//!     },
//!     "required": [],
//!     "additionalProperties": false
//!   }
//! }
//! ```
//!
//! | key | meaning |
//! |---|---|
//! | `name` | what it is called; also names the threads of its runtime |
//! | `version` | its own version, semver |
//! | `description` | one sentence for `caxton get plugins` |
//! | `provides` | ports it offers, `KIND/VERSION`: `endpoint/1`, `router/1`, `protocol/1`, `exporter/1`, `store/1`; the server checks that they are there |
//! | `requires` | ports that another configured plugin must offer, in the same form |
//! | `verbs` | families of control operations that it answers, for example `jobs` for `jobs.create` and `jobs.get`; the server hands them to [`Plugin::invoke`](crate::Plugin::invoke) |
//! | `runtime` | true when its code needs tokio; the SDK then makes a runtime with one thread |
//! | `config` | its configuration keys, a subset of JSON Schema: `properties` with `type`, `default`, `description`, `enum`; `required`; `additionalProperties`, which is always false |

use std::collections::BTreeMap;

use caxton_abi::Code;
use serde::Deserialize;
use serde_json::Value;

use crate::Error;

/// What the SDK reads of a manifest.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// What the plugin is called.
    pub name: String,
    /// Its own version.
    pub version: String,
    /// One sentence.
    #[serde(default)]
    pub description: String,
    /// Ports it offers.
    #[serde(default)]
    pub provides: Vec<String>,
    /// Ports that another plugin must offer.
    #[serde(default)]
    pub requires: Vec<String>,
    /// Families of control operations that it answers.
    #[serde(default)]
    pub verbs: Vec<String>,
    /// True when it needs tokio.
    #[serde(default)]
    pub runtime: bool,
    /// Its configuration keys.
    #[serde(default)]
    pub config: Option<ConfigSchema>,
}

/// The configuration keys of a manifest.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct ConfigSchema {
    /// The keys, each with its schema.
    pub properties: BTreeMap<String, Value>,
    /// Keys that must be there.
    pub required: Vec<String>,
}

impl Manifest {
    /// Reads a manifest. A plugin's own tests call it on `include_str!("../plugin.json")`.
    ///
    /// # Errors
    /// When it is not JSON of the documented form.
    pub fn parse(text: &str) -> Result<Self, Error> {
        serde_json::from_str(text).map_err(|error| {
            Error::new(Code::PLUGIN_CREATE_FAILED, format!("the manifest is not valid: {error}"))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shortest_manifest_has_a_name_and_a_version() {
        let manifest = Manifest::parse(r#"{"name":"x","version":"1.0.0"}"#).unwrap();
        assert!(!manifest.runtime && manifest.config.is_none());
    }

    #[test]
    fn an_unknown_key_is_refused() {
        let error = Manifest::parse(r#"{"name":"x","version":"1","runtmie":true}"#).unwrap_err();
        assert!(error.message().contains("unknown field `runtmie`"), "{error}");
    }
}
