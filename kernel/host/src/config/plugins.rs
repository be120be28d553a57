//! Checks the plugins' own keys: each library is inspected, not run, and its manifest's schema is applied.

use std::path::{Path, PathBuf};

use caxton_abi::Code;
use toml::de::{DeTable, DeValue};

use super::{
    Loaded, Plugin, Server,
    fault::{Fault, Source},
    plugin_schema,
    schema::{Checker, Schema},
};
use crate::{
    admin::verbs,
    plugin::{self, Inspection},
};

/// The `[plugins.NAME]` tables of a document.
pub fn tables<'d, 'i>(document: &'d DeTable<'i>) -> Vec<(&'d str, &'d DeTable<'i>)> {
    let plugins = document.iter().find(|(key, _)| key.get_ref() == "plugins");
    let Some(DeValue::Table(plugins)) = plugins.map(|(_, value)| value.get_ref()) else { return Vec::new() };
    let each = plugins.iter().filter_map(|(name, value)| match value.get_ref() {
        DeValue::Table(table) => Some((name.get_ref().as_ref(), table)),
        _ => None,
    });
    each.collect()
}

/// Where a plugin's library lies: `library` as given when absolute, else in the plugin directory.
pub fn library(server: &Server, plugin: &Plugin) -> PathBuf {
    let file = match &plugin.own.library {
        Some(path) => path.clone(),
        None => PathBuf::from(format!("libcaxton_{}.so", plugin.name.replace('-', "_"))),
    };
    if file.is_absolute() {
        return file;
    }
    plugin_dir(server).join(file)
}

/// Where plugin libraries lie: as given, else beside the binary.
pub fn plugin_dir(server: &Server) -> PathBuf {
    if let Some(dir) = &server.plugin_dir {
        return dir.clone();
    }
    let binary = std::env::current_exe().ok();
    binary.as_deref().and_then(Path::parent).map_or_else(|| PathBuf::from("."), Path::to_path_buf)
}

/// Inspects every enabled plugin, checks its keys, and that the ports it requires are offered.
pub fn check(loaded: &Loaded) -> Vec<Fault> {
    let mut faults = Vec::new();
    let mut inspected = Vec::new();
    for plugin in loaded.config.plugins.iter().filter(|plugin| plugin.own.enabled) {
        match plugin::inspect(&library(&loaded.config.server, plugin)) {
            Ok(inspection) => {
                faults.extend(keys(loaded, plugin, &inspection));
                faults.extend(
                    inspection.judge().err().map(|error| named(loaded, plugin, error.code(), &error)),
                );
                inspected.push((plugin, inspection));
            }
            Err(error) => faults.push(named(loaded, plugin, error.code(), &error)),
        }
    }
    let offered: Vec<&Inspection> = inspected.iter().map(|(_, inspection)| inspection).collect();
    let missing =
        inspected.iter().flat_map(|(plugin, inspection)| missing_ports(loaded, plugin, inspection, &offered));
    faults.extend(missing.collect::<Vec<_>>());
    let inspected: Vec<_> = inspected.iter().map(|(plugin, inspection)| (*plugin, inspection)).collect();
    faults.extend(several_stores(loaded, inspected.iter().copied()));
    faults.extend(families(loaded, &inspected));
    faults
}

/// Families of control operations that a plugin cannot have: of the server, of another plugin, or not named like one.
pub fn families(loaded: &Loaded, all: &[(&Plugin, &Inspection)]) -> Vec<Fault> {
    let mut faults = Vec::new();
    for (index, (plugin, inspection)) in all.iter().enumerate() {
        let before = all.iter().take(index).map(|(other, inspection)| (other.name.as_str(), *inspection));
        if let Err(what) = family_fault(inspection, before) {
            faults.push(named(loaded, plugin, Code::CONFIG_CONFLICT, &what));
        }
    }
    faults
}

/// Judges the families of one plugin beside those of others.
///
/// # Errors
/// What is wrong with the first bad one.
pub fn family_fault<'a>(
    inspection: &Inspection,
    others: impl Iterator<Item = (&'a str, &'a Inspection)>,
) -> Result<(), String> {
    let own = &inspection.manifest.verbs;
    for family in own {
        if !verbs::is_family(family) {
            return Err(format!(
                "its manifest lists the operations {family:?}: use small letters, digits and dashes"
            ));
        }
        if verbs::OWN.contains(&family.as_str()) {
            return Err(format!("its manifest lists the operations `{family}`, which are the server's own"));
        }
    }
    for (other, inspection) in others {
        if let Some(family) = own.iter().find(|family| inspection.manifest.verbs.contains(family)) {
            return Err(format!(
                "it answers the operations `{family}`, as `{other}` does: set `enabled = false` for one of them"
            ));
        }
    }
    Ok(())
}

/// The ports that a plugin requires and nobody offers.
pub fn missing_ports(
    loaded: &Loaded,
    plugin: &Plugin,
    inspection: &Inspection,
    all: &[&Inspection],
) -> Vec<Fault> {
    let offers = |port: &String| all.iter().any(|other| other.manifest.provides.contains(port));
    let missing = inspection.manifest.requires.iter().filter(|port| !offers(port));
    let fault = |port| {
        named(
            loaded,
            plugin,
            Code::CONFIG_CONFLICT,
            &format!("it requires a plugin that provides {port}, and none does: configure one"),
        )
    };
    missing.map(fault).collect()
}

/// A server has one store: two would each hold a part.
pub fn several_stores<'a>(
    loaded: &Loaded,
    all: impl Iterator<Item = (&'a Plugin, &'a Inspection)>,
) -> Option<Fault> {
    let mut stores =
        all.filter(|(_, inspection)| inspection.manifest.provides.iter().any(|port| port == "store/1"));
    let (first, second) = (stores.next()?.0, stores.next()?.0);
    let what = format!(
        "it provides store/1, as `{}` does, and a server has one store: set `enabled = false` for one of them",
        first.name
    );
    Some(named(loaded, second, Code::CONFIG_CONFLICT, &what))
}

/// A fault of a plugin that points at its table.
fn named(loaded: &Loaded, plugin: &Plugin, code: Code, what: &dyn std::fmt::Display) -> Fault {
    let fault = Fault::new(code, format!("plugin `{}`: {what}", plugin.name));
    match name_span(loaded, &plugin.name) {
        Some(span) => fault.at(&loaded.source, span),
        None => fault,
    }
}

/// Checks a plugin's own keys against its manifest.
pub fn keys(loaded: &Loaded, plugin: &Plugin, inspection: &Inspection) -> Vec<Fault> {
    let declared = &inspection.manifest.config;
    let declared = serde_json::json!({"properties": declared.properties, "required": declared.required});
    let Ok(schema) = serde_json::from_value::<Schema>(declared) else { return Vec::new() };
    // A required key may stand in the file or in a `--set`, so it is judged on what came of all.
    let mut shape = schema;
    let required = std::mem::take(&mut shape.required);
    let sources = std::iter::once(&loaded.source).chain(&loaded.sets);
    let mut faults: Vec<Fault> = sources.flat_map(|source| keys_in(source, &plugin.name, &shape)).collect();
    for missing in required.iter().filter(|key| !plugin.config.contains_key(*key)) {
        let what = format!("key `{missing}` is missing");
        faults.push(named(loaded, plugin, Code::PLUGIN_CONFIG_INVALID, &what));
    }
    faults
}

/// Checks the plugin's own keys in one source.
fn keys_in(source: &Source, plugin: &str, schema: &Schema) -> Vec<Fault> {
    let own = plugin_schema();
    let (document, _) = DeTable::parse_recoverable(&source.text);
    let found = tables(document.get_ref()).into_iter().find(|(name, _)| *name == plugin);
    let Some((_, table)) = found else { return Vec::new() };
    let theirs: DeTable<'_> = table
        .clone()
        .into_iter()
        .filter(|(key, _)| !own.properties.contains_key(key.get_ref().as_ref()))
        .collect();
    let mut checker = Checker::new(source, Code::PLUGIN_CONFIG_INVALID);
    checker.table(&theirs, schema, &format!("plugins.{plugin}"), 0..0);
    checker.faults
}

fn name_span(loaded: &Loaded, plugin: &str) -> Option<std::ops::Range<usize>> {
    let (document, _) = DeTable::parse_recoverable(&loaded.source.text);
    let plugins = document.get_ref().iter().find(|(key, _)| key.get_ref() == "plugins")?;
    let DeValue::Table(plugins) = plugins.1.get_ref() else { return None };
    plugins.iter().find(|(name, _)| name.get_ref() == plugin).map(|(name, _)| name.span())
}
