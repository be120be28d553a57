//! The configuration's schema as one document for editors, and what a single key means.
//!
//! Both say what the server says at a check: the kernel's keys from its own schemas, each plugin's from the manifest in
//! its library, which is read without running it.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use caxton_abi::Code;
use serde::Serialize;
use serde_json::{Map, Value, json};

use super::{
    Config, Fault, Loaded, PLUGIN_SCHEMA, SERVER_SCHEMA, Server, Source, effective, schema::nearest,
};
use crate::plugin::{self, Inspection};

/// The dialect of the document.
const DIALECT: &str = "https://json-schema.org/draft/2020-12/schema";
/// Libraries of a folder that are looked at.
const LIBRARIES_MAX: usize = 256;
/// What a plugin library's name begins with, and ends with.
const LIBRARY_NAME: (&str, &str) = ("libcaxton_", ".so");
/// Keys of `[server]` that a running server takes; see [`super::differences`].
const RELOADED: [&str; 2] = ["server.log", "server.drain_ms"];

/// The plugins of a folder by the name that their table has when it names no library; the folder is the one of this
/// program when none is given. Files that are no plugins are left out.
pub fn installed(folder: Option<&Path>) -> BTreeMap<String, Inspection> {
    let beside = || std::env::current_exe().ok().and_then(|program| program.parent().map(PathBuf::from));
    let Some(folder) = folder.map(PathBuf::from).or_else(beside) else { return BTreeMap::new() };
    let entries = fs::read_dir(folder).into_iter().flatten().flatten().take(LIBRARIES_MAX * 64);
    let named = entries.filter_map(|entry| {
        let name = entry.file_name().into_string().ok()?;
        let name = name.strip_prefix(LIBRARY_NAME.0)?.strip_suffix(LIBRARY_NAME.1)?.replace('_', "-");
        Some((name, plugin::inspect(&entry.path()).ok()?))
    });
    named.take(LIBRARIES_MAX).collect()
}

/// The JSON Schema (draft 2020-12) of a configuration file.
pub fn schema(plugins: &BTreeMap<String, Inspection>) -> Value {
    let mut document = text(SERVER_SCHEMA);
    let own = text(PLUGIN_SCHEMA);
    let mut definitions = Map::new();
    let mut tables = Map::new();
    for (name, inspection) in plugins {
        let manifest = &inspection.manifest;
        let mut properties = own.get("properties").and_then(Value::as_object).cloned().unwrap_or_default();
        properties.extend(manifest.config.properties.clone());
        let definition = json!({
            "type": "object",
            "title": manifest.name,
            "description": manifest.description,
            "properties": properties,
            "required": manifest.config.required,
            "additionalProperties": false,
        });
        definitions.insert(format!("plugin.{name}"), definition);
        tables.insert(name.clone(), json!({"$ref": format!("#/$defs/plugin.{name}")}));
    }
    let mut any = own;
    insert(&mut any, "additionalProperties", json!(true));
    definitions.insert("plugin".to_owned(), any);
    let other = json!({"$ref": "#/$defs/plugin"});
    let plugins = json!({"type": "object", "properties": tables, "additionalProperties": other});
    let defaults = defaults();
    if let Some(sections) = document.get_mut("properties").and_then(Value::as_object_mut) {
        sections.insert("plugins".to_owned(), plugins);
        for (section, schema) in sections.iter_mut() {
            if section != "plugins" {
                insert(schema, "additionalProperties", json!(false));
            }
            let Some(keys) = schema.get_mut("properties").and_then(Value::as_object_mut) else { continue };
            for (key, schema) in keys.iter_mut() {
                if let Some(default) = defaults.get(&format!("{section}.{key}")) {
                    insert(schema, "default", default.clone());
                }
            }
        }
    }
    insert(&mut document, "$schema", json!(DIALECT));
    insert(&mut document, "title", json!("Caxton server configuration"));
    insert(&mut document, "additionalProperties", json!(false));
    insert(&mut document, "$defs", Value::Object(definitions));
    document
}

/// What a key is for. `caxton.config.key/v1`
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Explained {
    /// `caxton.config.key/v1`.
    pub kind: &'static str,
    /// The key.
    pub key: String,
    /// Its type.
    #[serde(rename = "type")]
    pub value_type: String,
    /// What it is for.
    pub description: String,
    /// Its value when nobody says anything; null when it has none.
    pub default: Value,
    /// The smallest number.
    pub minimum: Option<i64>,
    /// The largest number.
    pub maximum: Option<i64>,
    /// The values that it may have; empty for any.
    #[serde(rename = "enum")]
    pub values: Vec<String>,
    /// `reload`: a running server takes it at a reload; `plugin`: its plugin is exchanged then; `restart`: only a new
    /// start takes it.
    pub taken: &'static str,
}

impl Explained {
    /// One line for each of what is known.
    pub fn text(&self) -> String {
        let taken = match self.taken {
            "reload" => "at a reload, by the running server",
            "plugin" => "at a reload: the plugin is exchanged for an instance with the new value",
            _ => "at a start of the server",
        };
        let range = match (self.minimum, self.maximum) {
            (Some(least), Some(most)) => format!("{least} to {most}"),
            (Some(least), None) => format!("{least} or more"),
            (None, Some(most)) => format!("at most {most}"),
            (None, None) if !self.values.is_empty() => self.values.join(", "),
            (None, None) => "any".to_owned(),
        };
        let default = if self.default.is_null() { "none".to_owned() } else { self.default.to_string() };
        format!(
            "{}\n{}\n\ntype      {}\nvalues    {range}\ndefault   {default}\ntaken     {taken}\n",
            self.key, self.description, self.value_type
        )
    }
}

/// Tells what a key is for.
///
/// # Errors
/// There is none of that name; the nearest one is named.
pub fn explain(key: &str, plugins: &BTreeMap<String, Inspection>) -> Result<Explained, Box<Fault>> {
    let mut all = keys(plugins);
    if let Some(found) = all.remove(key) {
        return Ok(found);
    }
    // A plugin's table may have another name than its library.
    let own = key.strip_prefix("plugins.").and_then(|rest| rest.split_once('.')).map(|(_, last)| last);
    if let Some(found) = own.and_then(|last| all.remove(&format!("plugins.NAME.{last}"))) {
        return Ok(Explained { key: key.to_owned(), ..found });
    }
    let known: Vec<&str> = all.keys().map(String::as_str).collect();
    let near = nearest(key, &known).map_or_else(
        || "list them with `caxton config schema`".to_owned(),
        |near| format!("did you mean `{near}`?"),
    );
    Err(Box::new(Fault::new(Code::CONFIG_INVALID, format!("no key is named `{key}`: {near}"))))
}

fn keys(plugins: &BTreeMap<String, Inspection>) -> BTreeMap<String, Explained> {
    let mut all = BTreeMap::new();
    let document = schema(plugins);
    let sections = document.get("properties").and_then(Value::as_object).cloned().unwrap_or_default();
    for (section, schema) in sections.iter().filter(|(section, _)| *section != "plugins") {
        add(section, schema, "restart", &mut all);
    }
    let definitions = document.get("$defs").and_then(Value::as_object).cloned().unwrap_or_default();
    for (name, schema) in &definitions {
        let table = name.strip_prefix("plugin.").unwrap_or("NAME");
        add(&format!("plugins.{table}"), schema, "plugin", &mut all);
    }
    all
}

fn add(table: &str, schema: &Value, taken: &'static str, all: &mut BTreeMap<String, Explained>) {
    let properties = schema.get("properties").and_then(Value::as_object);
    for (name, schema) in properties.into_iter().flatten() {
        let key = format!("{table}.{name}");
        let text = |field: &str| schema.get(field).and_then(Value::as_str).unwrap_or_default().to_owned();
        let number = |field: &str| schema.get(field).and_then(Value::as_i64);
        let values = schema.get("enum").and_then(Value::as_array);
        let explained = Explained {
            kind: "caxton.config.key/v1",
            value_type: text("type"),
            description: text("description"),
            default: schema.get("default").cloned().unwrap_or_default(),
            minimum: number("minimum"),
            maximum: number("maximum"),
            values: values
                .into_iter()
                .flatten()
                .filter_map(|value| value.as_str().map(str::to_owned))
                .collect(),
            taken: if RELOADED.contains(&key.as_str()) { "reload" } else { taken },
            key: key.clone(),
        };
        all.insert(key, explained);
    }
}

/// The defaults of the kernel's keys, as an empty file gives them.
fn defaults() -> BTreeMap<String, Value> {
    let source = Source { name: String::new(), text: "".into() };
    // Where it looks for plugins depends on where the program lies.
    let config = Config { server: Server::default(), ..Config::default() };
    let empty = Loaded { config, source, sets: Vec::new() };
    let entries = effective::effective(&empty, &BTreeMap::new()).entries;
    let known = entries.into_iter().filter(|entry| entry.key != "server.plugin_dir");
    known.map(|entry| (entry.key, entry.value)).collect()
}

fn text(schema: &str) -> Value {
    serde_json::from_str(schema).unwrap_or_default()
}

fn insert(object: &mut Value, key: &str, value: Value) {
    if let Some(fields) = object.as_object_mut() {
        fields.insert(key.to_owned(), value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_schema_lists_every_table_and_allows_no_unknown_key() {
        let schema = schema(&BTreeMap::new());
        assert_eq!(schema["$schema"], DIALECT);
        assert_eq!(schema["additionalProperties"], false);
        assert_eq!(schema["properties"]["limits"]["additionalProperties"], false);
        assert_eq!(schema["properties"]["limits"]["properties"]["turn_ms_max"]["default"], 1_000);
        assert_eq!(schema["properties"]["plugins"]["additionalProperties"]["$ref"], "#/$defs/plugin");
        assert_eq!(schema["$defs"]["plugin"]["additionalProperties"], true);
    }

    #[test]
    fn a_key_is_explained_with_its_bounds_and_when_it_is_taken() {
        let log = explain("server.log", &BTreeMap::new()).unwrap();
        assert_eq!((log.value_type.as_str(), log.taken, log.default), ("string", "reload", json!("info")));
        let threads = explain("plugins.any.worker_threads", &BTreeMap::new()).unwrap();
        assert_eq!((threads.minimum, threads.maximum, threads.taken), (Some(1), Some(64), "plugin"));
        let turn = explain("limits.turn_ms_max", &BTreeMap::new()).unwrap();
        assert_eq!((turn.minimum, turn.taken), (Some(1), "restart"));
    }

    #[test]
    fn an_unknown_key_names_the_nearest() {
        let fault = explain("limits.turn_ms", &BTreeMap::new()).unwrap_err();
        assert!(fault.message.contains("limits.turn_ms_max"), "{fault}");
    }
}
