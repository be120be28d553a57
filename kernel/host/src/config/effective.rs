//! The configuration that counts: every key with its value, and where the value comes from. Secrets are masked.
//!
//! ```text
//!   kernel's and manifests' defaults ◀── the file ◀── each --set, in order
//! ```

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::{Map, Value, json};
use toml::de::{DeTable, DeValue};

use super::{Limits, Loaded, Plugin, fault::Source, pairs, plugins};
use crate::{
    plugin::{self, Inspection},
    server,
};

/// What is shown instead of a secret.
const MASK: &str = "***";

/// Last words of keys whose texts are secrets.
const SECRETS: [&str; 10] = [
    "password",
    "passwords",
    "token",
    "tokens",
    "secret",
    "secrets",
    "key",
    "keys",
    "credential",
    "credentials",
];

/// `caxton.config/v1`
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Effective {
    /// `caxton.config/v1`.
    pub kind: &'static str,
    /// The file, as it was named.
    pub file: String,
    /// Every key, in the order of the tables `server`, `limits`, `plugins`.
    pub entries: Vec<Entry>,
}

/// A key of the configuration.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Entry {
    /// Its dotted name, `limits.turn_ms_max`.
    pub key: String,
    /// Its value; `***` for a secret, null when it has none.
    pub value: Value,
    /// Where the value comes from.
    pub origin: Origin,
    /// The line of the file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub line: Option<usize>,
}

/// Where a value comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Origin {
    /// Nobody said anything.
    Default,
    /// The configuration file.
    File,
    /// A `--set`.
    Set,
}

/// The configuration that counts. Plugins that were not inspected show only the keys that were given.
pub fn effective(loaded: &Loaded, inspected: &BTreeMap<String, Inspection>) -> Effective {
    let config = &loaded.config;
    let mut pairs_of_server = pairs(&config.server);
    pairs_of_server.insert("plugin_dir".to_owned(), json!(plugins::plugin_dir(&config.server)));
    let finder = Finder::new(loaded);
    let mut entries = Vec::new();
    finder.list("server", pairs_of_server, &mut entries);
    finder.list("limits", limits(&config.limits), &mut entries);
    for plugin in &config.plugins {
        let keys = keys_of(loaded, plugin, inspected.get(&plugin.name));
        finder.list(&format!("plugins.{}", plugin.name), keys, &mut entries);
    }
    Effective { kind: "caxton.config/v1", file: loaded.source.name.clone(), entries }
}

/// Inspects every configured plugin that can be read, enabled or not; none of their code runs.
pub fn inspect(loaded: &Loaded) -> BTreeMap<String, Inspection> {
    let found = loaded.config.plugins.iter().filter_map(|plugin| {
        let path = plugins::library(&loaded.config.server, plugin);
        Some((plugin.name.clone(), plugin::inspect(&path).ok()?))
    });
    found.collect()
}

fn keys_of(loaded: &Loaded, plugin: &Plugin, inspection: Option<&Inspection>) -> Map<String, Value> {
    let mut keys = pairs(&plugin.own);
    keys.insert("library".to_owned(), json!(plugins::library(&loaded.config.server, plugin)));
    let properties = inspection.map(|inspection| &inspection.manifest.config.properties);
    for (key, schema) in properties.into_iter().flatten() {
        keys.insert(key.clone(), schema.get("default").cloned().unwrap_or_default());
    }
    keys.extend(plugin.config.clone());
    keys
}

/// The bounds that count, under their names in the configuration.
fn limits(set: &Limits) -> Map<String, Value> {
    let kernel = server::limits(set);
    let runtime = server::runtime_options(std::path::Path::new(""), set, kernel.agents_max);
    let wide = |number: u32| Some(u64::from(number));
    pairs(&Limits {
        agents_max: Some(kernel.agents_max),
        mailbox_messages_max: Some(kernel.mailbox_messages_max),
        mailbox_bytes_max: Some(kernel.mailbox_bytes_max),
        content_bytes_max: Some(kernel.content_bytes_max),
        turn_messages_max: Some(kernel.turn_messages_max),
        outbox_messages_max: Some(kernel.outbox_messages_max),
        receivers_max: Some(kernel.receivers_max),
        hop_max: Some(kernel.hop_max),
        names_max: Some(kernel.names_max),
        symbols_max: Some(kernel.symbols_max),
        pending_messages_max: Some(kernel.pending_messages_max),
        pending_ms_max: Some(kernel.pending_ms_max),
        dead_letters_max: Some(kernel.dead_letters_max),
        memory_bytes_max: Some(runtime.memory_bytes_max),
        turn_ms_max: wide(runtime.turn_ms_max),
        init_ms_max: wide(runtime.init_ms_max),
        component_bytes_max: Some(runtime.component_bytes_max),
        compile_seconds_max: wide(runtime.compile_seconds_max),
        compile_memory_bytes_max: Some(runtime.compile_memory_bytes_max),
        state_bytes_max: Some(kernel.state_bytes_max),
        restarts_max: Some(kernel.restarts_max),
        restart_window_ms: Some(kernel.restart_window_ms),
        restart_backoff_ms: Some(kernel.restart_backoff_ms),
        restart_backoff_ms_max: Some(kernel.restart_backoff_ms_max),
        recycle_memory_bytes: Some(kernel.recycle_memory_bytes),
        acked_ms_max: Some(kernel.acked_ms_max),
        retries_messages_max: Some(kernel.retries_messages_max),
        deliveries_max: Some(kernel.deliveries_max),
        duplicates_max: Some(kernel.duplicates_max),
        settle_ms: Some(kernel.settle_ms),
        signals_per_second_max: Some(kernel.signals_per_second_max),
        upgrade_drain_ms: Some(kernel.upgrade_drain_ms),
    })
}

/// Finds where keys were given.
struct Finder<'a> {
    source: &'a Source,
    file: DeTable<'a>,
    sets: Vec<DeTable<'a>>,
}

impl<'a> Finder<'a> {
    fn new(loaded: &'a Loaded) -> Self {
        let parse = |source: &'a Source| DeTable::parse_recoverable(&source.text).0.into_inner();
        let (file, sets) = (parse(&loaded.source), loaded.sets.iter().map(parse).collect());
        Self { source: &loaded.source, file, sets }
    }

    fn list(&self, table: &str, keys: Map<String, Value>, entries: &mut Vec<Entry>) {
        for (name, value) in keys {
            let path: Vec<&str> = table.splitn(2, '.').chain([name.as_str()]).collect();
            let (origin, line) =
                match (self.sets.iter().any(|set| at(set, &path).is_some()), at(&self.file, &path)) {
                    (true, _) => (Origin::Set, None),
                    (false, Some(start)) => (Origin::File, Some(line_of(&self.source.text, start))),
                    (false, None) => (Origin::Default, None),
                };
            let key = format!("{table}.{name}");
            entries.push(Entry { value: masked(&name, value), key, origin, line });
        }
    }
}

/// Where a key stands in a document, in bytes.
fn at(table: &DeTable<'_>, path: &[&str]) -> Option<usize> {
    let (first, rest) = path.split_first()?;
    let (key, value) = table.iter().find(|(key, _)| key.get_ref() == first)?;
    match value.get_ref() {
        _ if rest.is_empty() => Some(key.span().start),
        DeValue::Table(inner) => at(inner, rest),
        _ => None,
    }
}

fn line_of(text: &str, start: usize) -> usize {
    text.bytes().take(start).filter(|byte| *byte == b'\n').count() + 1
}

/// The value without what must not be shown: texts under keys that name secrets, and what an address has before its `@`.
fn masked(key: &str, value: Value) -> Value {
    let last = key.rsplit(['_', '-', '.']).next().unwrap_or_default().to_ascii_lowercase();
    let secret = SECRETS.contains(&last.as_str());
    match value {
        Value::String(text) if secret && !text.is_empty() => MASK.into(),
        Value::String(text) => without_login(text).into(),
        Value::Array(items) => items.into_iter().map(|item| masked(key, item)).collect(),
        Value::Object(inner) => {
            let mask = |(name, value): (String, Value)| {
                let value = if secret { masked(key, value) } else { masked(&name, value) };
                (name, value)
            };
            Value::Object(inner.into_iter().map(mask).collect())
        }
        other => other,
    }
}

/// `scheme://user:password@host` without the login.
fn without_login(text: String) -> String {
    let Some((scheme, rest)) = text.split_once("://") else { return text };
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    match authority.rsplit_once('@') {
        Some((login, _)) => format!("{scheme}://{MASK}{}", rest.get(login.len()..).unwrap_or_default()),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::config::judge;

    fn shown(text: &str, sets: &[&str]) -> Effective {
        let source = Source { name: "caxton.toml".to_owned(), text: Arc::from(text) };
        let sets: Vec<String> = sets.iter().map(|set| (*set).to_owned()).collect();
        effective(&judge(source, &sets).unwrap(), &BTreeMap::new())
    }

    fn entry(effective: &Effective, key: &str) -> (Value, Origin, Option<usize>) {
        let found = effective.entries.iter().find(|entry| entry.key == key).unwrap();
        (found.value.clone(), found.origin, found.line)
    }

    #[test]
    fn every_key_has_its_value_and_where_it_comes_from() {
        let text = "[server]\nplatform = \"here\"\n\n[limits]\nturn_ms_max = 7\nhop_max = 3\n";
        let shown = shown(text, &["limits.hop_max=5"]);
        assert_eq!(entry(&shown, "server.platform"), (json!("here"), Origin::File, Some(2)));
        assert_eq!(entry(&shown, "limits.turn_ms_max"), (json!(7), Origin::File, Some(5)));
        assert_eq!(entry(&shown, "limits.hop_max"), (json!(5), Origin::Set, None));
        assert_eq!(entry(&shown, "server.drain_ms"), (json!(10_000), Origin::Default, None));
        assert!(shown.entries.iter().all(|entry| !entry.value.is_null()), "{shown:?}");
    }

    #[test]
    fn a_plugins_keys_are_listed_with_the_defaults_of_its_manifest() {
        let text = "[plugins.rest]\nlisten = \"127.0.0.1:1\"\n";
        let source = Source { name: "caxton.toml".to_owned(), text: Arc::from(text) };
        let mut config = crate::plugin::handshake::ConfigSchema::default();
        config.properties.insert("body_bytes_max".to_owned(), json!({"type": "integer", "default": 9}));
        config.properties.insert("listen".to_owned(), json!({"type": "string", "default": "x"}));
        let manifest = plugin::Manifest { config, ..plugin::Manifest::default() };
        let inspection = Inspection { manifest, ..inspection() };
        let shown =
            effective(&judge(source, &[]).unwrap(), &BTreeMap::from([("rest".to_owned(), inspection)]));
        assert_eq!(entry(&shown, "plugins.rest.listen"), (json!("127.0.0.1:1"), Origin::File, Some(2)));
        assert_eq!(entry(&shown, "plugins.rest.body_bytes_max"), (json!(9), Origin::Default, None));
        assert_eq!(entry(&shown, "plugins.rest.required"), (json!(true), Origin::Default, None));
    }

    fn inspection() -> Inspection {
        Inspection {
            path: "a".into(),
            sha256: String::new(),
            bytes: 0,
            abi_major: 0,
            abi_minor: 0,
            panic_unwind: true,
            rustc: String::new(),
            target: String::new(),
            symbol: String::new(),
            manifest: plugin::Manifest::default(),
        }
    }

    #[test]
    fn secrets_are_masked_wherever_they_stand() {
        let text = "[plugins.x]\napi-token = \"t\"\nkeys = [\"a\", \"b\"]\ntokens_max = 3\nempty_token = \"\"\n\
                    url = \"http://me:you@host/a@b\"\nlogin = { user = \"me\", password = \"p\" }\nkey = 5\n";
        let shown = shown(text, &["plugins.x.client_secret='s'"]);
        let value = |key: &str| entry(&shown, &format!("plugins.x.{key}")).0;
        assert_eq!(value("api-token"), "***");
        assert_eq!(value("client_secret"), "***");
        assert_eq!(value("keys"), json!(["***", "***"]));
        assert_eq!(value("login"), json!({"user": "me", "password": "***"}));
        assert_eq!(value("url"), "http://***@host/a@b");
        assert_eq!(
            (value("tokens_max"), value("empty_token"), value("key")),
            (json!(3), json!(""), json!(5))
        );
    }
}
