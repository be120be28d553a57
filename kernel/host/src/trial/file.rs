//! The file: what the server sees before any code of the plugin runs, and whether it loads.

use std::path::Path;

use caxton_abi::Code;
use serde_json::Value;

use super::Report;
use crate::plugin::{self, Library, LoadError, Manifest};

/// What must hold, in the order in which it is seen, with the line and the codes that tell of it.
const STAGES: [(&str, u32, &[Code]); 5] = [
    ("it is a shared library for this machine", 1, &[Code::PLUGIN_NOT_A_LIBRARY, Code::CONFIG_UNREADABLE]),
    ("it carries a handshake", 2, &[Code::PLUGIN_NO_HANDSHAKE]),
    ("it speaks this server's boundary", 3, &[Code::PLUGIN_ABI_MISMATCH]),
    ("a panic in it unwinds", 4, &[Code::PLUGIN_PANIC_ABORT]),
    (
        "it exports its module, and its types have the layouts of the server's",
        5,
        &[Code::PLUGIN_LAYOUT_MISMATCH, Code::PLUGIN_LOAD_FAILED],
    ),
];

/// The types that a key may have.
const TYPES: [&str; 6] = ["string", "integer", "number", "boolean", "array", "object"];

/// Inspects and loads; none when the library does not fit this server.
pub(super) fn check(path: &Path, report: &mut Report) -> Option<Library> {
    let inspection = plugin::inspect(path);
    if let Ok(inspection) = &inspection {
        report.name.clone_from(&inspection.manifest.name);
        report.version.clone_from(&inspection.manifest.version);
    }
    let loaded = inspection.and_then(|_| plugin::load(path, None));
    let code = loaded.as_ref().err().map(LoadError::code);
    for (name, must, codes) in STAGES {
        if let (Some(code), Err(error)) = (code, &loaded)
            && codes.contains(&code)
        {
            report.failed("file", name, must, format!("{error} [{code}]"));
            break;
        }
        report.add("file", name, must, Ok(()));
    }
    let library = loaded.ok()?;
    let manifest = &library.inspection().manifest;
    report.add("file", "its manifest has a name and a version", 7, named(manifest));
    report.add(
        "file",
        "each key of its manifest has a type, a description, and a default that fits",
        7,
        keys(manifest),
    );
    Some(library)
}

fn named(manifest: &Manifest) -> Result<(), String> {
    match (manifest.name.is_empty(), manifest.version.is_empty()) {
        (true, _) => Err("its manifest has no `name`".to_owned()),
        (_, true) => Err("its manifest has no `version`".to_owned()),
        _ => Ok(()),
    }
}

fn keys(manifest: &Manifest) -> Result<(), String> {
    for (key, schema) in &manifest.config.properties {
        let text = |field: &str| schema.get(field).and_then(Value::as_str);
        let Some(kind) = text("type").filter(|kind| TYPES.contains(kind)) else {
            return Err(format!("key `{key}` has no `type` of {}", TYPES.join(", ")));
        };
        if text("description").is_none_or(str::is_empty) {
            return Err(format!("key `{key}` has no `description`"));
        }
        if let Some(default) = schema.get("default").filter(|default| !fits(default, kind)) {
            return Err(format!("key `{key}` has the default {default}, expected one of type {kind}"));
        }
    }
    let listed = |key: &&String| !manifest.config.properties.contains_key(*key);
    match manifest.config.required.iter().find(listed) {
        Some(key) => Err(format!("`required` names `{key}`, which is not among the `properties`")),
        None => Ok(()),
    }
}

fn fits(value: &Value, kind: &str) -> bool {
    match kind {
        "string" => value.is_string(),
        "integer" => value.is_i64() || value.is_u64(),
        "number" => value.is_number(),
        "boolean" => value.is_boolean(),
        "array" => value.is_array(),
        _ => value.is_object(),
    }
}
