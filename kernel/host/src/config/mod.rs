//! The server's configuration: one TOML file, checked whole, with its defaults in one place.
//!
//! A load reports every fault with its line and column. The keys of a `[plugins.NAME]` table that are not the server's
//! belong to the plugin and are checked against the schema in its manifest, without running it ([`plugins`]).

pub mod effective;
pub mod explain;
pub mod fault;
pub mod plugins;
pub mod schema;

use std::{
    collections::BTreeMap,
    fs,
    io::Read,
    path::{Path, PathBuf},
    sync::Arc,
};

use caxton_abi::Code;
use serde::{Deserialize, Serialize};
use toml::{Table, Value, de::DeTable};

pub use fault::{Fault, Source};
use schema::{Checker, Schema};

/// A configuration file larger than this is refused before it is parsed.
pub const CONFIG_BYTES_MAX: u64 = 1024 * 1024;

const SERVER_SCHEMA: &str = include_str!("server.schema.json");
const PLUGIN_SCHEMA: &str = include_str!("plugin.schema.json");

/// A checked configuration.
#[derive(Clone, Debug, Default)]
pub struct Config {
    /// The `[server]` table.
    pub server: Server,
    /// The `[limits]` table.
    pub limits: Limits,
    /// The `[plugins.NAME]` tables by name, in the order of the file.
    pub plugins: Vec<Plugin>,
}

/// The `[server]` table.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Server {
    /// The part of an agent's name after `@`.
    pub platform: String,
    /// Worker threads; 0 means one for each core.
    pub workers: usize,
    /// Where compiled and deployed components are kept.
    pub data_dir: PathBuf,
    /// Where plugin libraries lie; beside the binary when absent.
    pub plugin_dir: Option<PathBuf>,
    /// Whether traces show the beginning of each content.
    pub content_in_signals: bool,
    /// Log filter.
    pub log: String,
    /// How log lines look.
    pub log_format: LogFormat,
    /// How long a stop waits for work to finish.
    pub drain_ms: u64,
    /// What a record of the store that cannot be read does to the start.
    pub recover: crate::store::Recover,
}

/// How log lines look on standard error.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// For people.
    #[default]
    Pretty,
    /// One JSON object a line.
    Json,
}

impl Default for Server {
    fn default() -> Self {
        Self {
            platform: "caxton".into(),
            workers: 0,
            data_dir: PathBuf::from("caxton-data"),
            plugin_dir: None,
            content_in_signals: false,
            log: "info".into(),
            log_format: LogFormat::Pretty,
            drain_ms: 10_000,
            recover: crate::store::Recover::Strict,
        }
    }
}

/// The `[limits]` table. What is absent keeps the kernel's or the runtime's default.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
#[expect(
    missing_docs,
    reason = "each key is described in server.schema.json, which a test holds equal to this list"
)]
pub struct Limits {
    pub agents_max: Option<usize>,
    pub mailbox_messages_max: Option<usize>,
    pub mailbox_bytes_max: Option<usize>,
    pub content_bytes_max: Option<usize>,
    pub turn_messages_max: Option<usize>,
    pub outbox_messages_max: Option<usize>,
    pub receivers_max: Option<usize>,
    pub hop_max: Option<u8>,
    pub names_max: Option<usize>,
    pub symbols_max: Option<usize>,
    pub pending_messages_max: Option<usize>,
    pub pending_ms_max: Option<u64>,
    pub dead_letters_max: Option<usize>,
    pub memory_bytes_max: Option<u64>,
    pub turn_ms_max: Option<u64>,
    pub init_ms_max: Option<u64>,
    pub component_bytes_max: Option<u64>,
    pub compile_seconds_max: Option<u64>,
    pub compile_memory_bytes_max: Option<u64>,
    pub state_bytes_max: Option<usize>,
    pub restarts_max: Option<u32>,
    pub restart_window_ms: Option<u64>,
    pub restart_backoff_ms: Option<u64>,
    pub restart_backoff_ms_max: Option<u64>,
    pub recycle_memory_bytes: Option<u64>,
    pub acked_ms_max: Option<u64>,
    pub retries_messages_max: Option<usize>,
    pub deliveries_max: Option<u8>,
    pub duplicates_max: Option<usize>,
    pub settle_ms: Option<u64>,
    pub signals_per_second_max: Option<u64>,
    pub upgrade_drain_ms: Option<u64>,
}

/// A `[plugins.NAME]` table.
#[derive(Clone, Debug, PartialEq)]
pub struct Plugin {
    /// The table's name, which is the plugin's instance name.
    pub name: String,
    /// The server's own keys of the table.
    pub own: PluginKeys,
    /// The other keys, for the plugin, as JSON.
    pub config: serde_json::Map<String, serde_json::Value>,
}

/// The keys of a plugin's table that belong to the server.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct PluginKeys {
    /// The plugin's file.
    pub library: Option<PathBuf>,
    /// The digest that the file must have.
    pub digest: Option<String>,
    /// Whether the server stops when the plugin cannot run.
    pub required: bool,
    /// Whether the plugin is loaded at all.
    pub enabled: bool,
    /// How long its start may take.
    pub start_ms: u64,
    /// How long its drain may take.
    pub drain_ms: u64,
    /// Threads of its own runtime.
    pub worker_threads: u32,
    /// Whether a new instance takes the place of one that failed.
    pub restart: Restart,
    /// How many times within the window.
    pub restarts_max: u32,
    /// The window.
    pub restart_window_ms: u64,
    /// How long a call of a port may last before the instance counts as hung.
    pub call_ms_max: u64,
}

/// Whether a new instance takes the place of one that failed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Restart {
    /// After a panic, a fatal error or a hung call.
    #[default]
    OnFailure,
    /// It stays failed.
    Never,
}

impl Default for PluginKeys {
    fn default() -> Self {
        Self {
            library: None,
            digest: None,
            required: true,
            enabled: true,
            start_ms: 10_000,
            drain_ms: 5_000,
            worker_threads: 2,
            restart: Restart::OnFailure,
            restarts_max: 3,
            restart_window_ms: 60_000,
            call_ms_max: 10_000,
        }
    }
}

/// A configuration with the text it came from, so that later faults can point into it.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// The checked configuration.
    pub config: Config,
    /// The file.
    pub source: Source,
    /// Each `--set`, in order.
    pub sets: Vec<Source>,
}

/// Reads a file and applies `--set KEY=VALUE` overrides, in order.
///
/// # Errors
/// Every fault found: unreadable file, TOML syntax, unknown keys, wrong types.
pub fn load(path: &Path, sets: &[String]) -> Result<Loaded, Vec<Fault>> {
    judge(read(path).map_err(|fault| vec![fault])?, sets)
}

/// Checks a file's text with overrides, as [`load`] does.
///
/// # Errors
/// Every fault found.
pub fn judge(source: Source, sets: &[String]) -> Result<Loaded, Vec<Fault>> {
    let mut faults = Vec::new();
    let mut table = parse(&source, &mut faults);
    let of_set = |set: &String| Source { name: format!("--set {set}"), text: Arc::from(set.as_str()) };
    let sets: Vec<Source> = sets.iter().map(of_set).collect();
    for set in &sets {
        merge(&mut table, parse(set, &mut faults));
    }
    if !faults.is_empty() {
        return Err(with_plugins(faults, table, source, sets));
    }
    match typed(table) {
        Ok(config) => Ok(Loaded { config, source, sets }),
        Err(message) => Err(vec![Fault::new(Code::CONFIG_INVALID, message)]),
    }
}

/// Adds the faults of the plugins' own keys to those of the server's, so that one look shows all. A table that has
/// faults itself is not looked at further.
fn with_plugins(mut faults: Vec<Fault>, table: Table, source: Source, sets: Vec<Source>) -> Vec<Fault> {
    let part =
        |name: &str| table.get(name).cloned().map(|value| Table::from_iter([(name.to_owned(), value)]));
    let readable = |name: &str| part(name).and_then(|part| typed(part).ok());
    let Some(plugins) = readable("plugins") else { return faults };
    let server = readable("server").unwrap_or_default().server;
    let config = Config { server, plugins: plugins.plugins, ..Config::default() };
    faults.extend(plugins::check(&Loaded { config, source, sets }));
    faults
}

fn read(path: &Path) -> Result<Source, Fault> {
    let name = path.display().to_string();
    let unreadable = |why: String| {
        Fault::new(Code::CONFIG_UNREADABLE, format!("cannot read the configuration `{name}`: {why}"))
            .help("give a readable TOML file with `-f FILE`")
    };
    let mut text = String::new();
    let file = fs::File::open(path).map_err(|error| unreadable(error.to_string()))?;
    file.take(CONFIG_BYTES_MAX + 1)
        .read_to_string(&mut text)
        .map_err(|error| unreadable(error.to_string()))?;
    if text.len() as u64 > CONFIG_BYTES_MAX {
        return Err(unreadable(format!("it is longer than {CONFIG_BYTES_MAX} bytes")));
    }
    Ok(Source { name, text: Arc::from(text) })
}

/// Parses and checks one source; what it returns is only used when there are no faults.
fn parse(source: &Source, faults: &mut Vec<Fault>) -> Table {
    let (document, errors) = DeTable::parse_recoverable(&source.text);
    for error in &errors {
        let fault = Fault::new(Code::CONFIG_SYNTAX, error.message());
        faults.push(match error.span() {
            Some(span) => fault.at(source, span),
            None => fault,
        });
    }
    if !errors.is_empty() {
        return Table::new();
    }
    let mut checker = Checker::new(source, Code::CONFIG_INVALID);
    checker.table(document.get_ref(), &server_schema(), "", 0..0);
    plugin_keys(document.get_ref(), &mut checker);
    faults.append(&mut checker.faults);
    source.text.parse().unwrap_or_default()
}

/// Checks the server's own keys inside each plugin's table.
fn plugin_keys(document: &DeTable<'_>, checker: &mut Checker<'_>) {
    let schema = plugin_schema();
    for (name, table) in plugins::tables(document) {
        let own: DeTable<'_> = table
            .clone()
            .into_iter()
            .filter(|(key, _)| schema.properties.contains_key(key.get_ref().as_ref()))
            .collect();
        checker.table(&own, &schema, &format!("plugins.{name}"), 0..0);
    }
}

fn merge(into: &mut Table, from: Table) {
    for (key, value) in from {
        match (into.get_mut(&key), value) {
            (Some(Value::Table(old)), Value::Table(new)) => merge(old, new),
            (_, value) => {
                into.insert(key, value);
            }
        }
    }
}

/// The file as serde sees it once the schema found no fault in it.
#[derive(Deserialize)]
#[serde(default, deny_unknown_fields)]
#[derive(Default)]
struct File {
    server: Server,
    limits: Limits,
    plugins: Table,
}

fn typed(table: Table) -> Result<Config, String> {
    let file: File = table.try_into().map_err(|error: toml::de::Error| error.message().to_owned())?;
    let schema = plugin_schema();
    let mut plugins = Vec::new();
    for (name, value) in file.plugins {
        let Value::Table(table) = value else { continue };
        let (own, rest): (Table, Table) =
            table.into_iter().partition(|(key, _)| schema.properties.contains_key(key));
        let own = own.try_into().map_err(|error: toml::de::Error| error.message().to_owned())?;
        let config = rest.into_iter().map(|(key, value)| (key, json(value))).collect();
        plugins.push(Plugin { name, own, config });
    }
    Ok(Config { server: file.server, limits: file.limits, plugins })
}

/// The keys of `[server]` and `[limits]` that differ and that a running server cannot change, by name.
pub fn differences(old: &Config, new: &Config) -> Vec<String> {
    let mut keys = Vec::new();
    for (table, old, new) in [
        ("server", pairs(&old.server), pairs(&new.server)),
        ("limits", pairs(&old.limits), pairs(&new.limits)),
    ] {
        let changed = new.into_iter().filter(|(key, value)| old.get(key) != Some(value));
        keys.extend(changed.map(|(key, _)| format!("{table}.{key}")));
    }
    keys.retain(|key| !matches!(key.as_str(), "server.log" | "server.drain_ms"));
    keys
}

fn pairs(table: &impl Serialize) -> serde_json::Map<String, serde_json::Value> {
    match serde_json::to_value(table) {
        Ok(serde_json::Value::Object(pairs)) => pairs,
        _ => serde_json::Map::new(),
    }
}

/// TOML as JSON; dates become their text.
pub fn json(value: Value) -> serde_json::Value {
    match value {
        Value::String(text) => text.into(),
        Value::Integer(number) => number.into(),
        Value::Float(number) => number.into(),
        Value::Boolean(flag) => flag.into(),
        Value::Datetime(date) => date.to_string().into(),
        Value::Array(items) => items.into_iter().map(json).collect(),
        Value::Table(table) => {
            serde_json::Value::Object(table.into_iter().map(|(key, value)| (key, json(value))).collect())
        }
    }
}

/// The schema of the file without the plugins' own keys.
pub fn server_schema() -> Schema {
    embedded(SERVER_SCHEMA)
}

/// The schema of the server's keys in a plugin's table.
pub fn plugin_schema() -> Schema {
    embedded(PLUGIN_SCHEMA)
}

/// Reads a schema that is compiled in; a test holds that they parse.
fn embedded(text: &str) -> Schema {
    serde_json::from_str(text).unwrap_or_default()
}

/// Every key with its description, for the reference page: dotted name to text.
pub fn described() -> BTreeMap<String, String> {
    let mut out = BTreeMap::new();
    describe("", &server_schema(), &mut out);
    describe("plugins.NAME", &plugin_schema(), &mut out);
    out
}

fn describe(path: &str, schema: &Schema, out: &mut BTreeMap<String, String>) {
    for (key, child) in &schema.properties {
        let full = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
        if child.properties.is_empty() && child.kind.as_deref() != Some("object") {
            out.insert(full, child.description.clone());
        } else {
            describe(&full, child, out);
        }
    }
}

#[cfg(test)]
mod tests;
