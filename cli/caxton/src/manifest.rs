//! An agent's manifest: the TOML file that says which component an agent runs, under which name and limits.
//!
//! ```toml
//! name = "bidder-js"
//! component = "bidder.wasm"        # relative to this file
//! capabilities = ["count-words"]
//! groups = ["bidders"]
//! grants = []
//! [config]
//! price-per-byte = 3
//! [limits]
//! turn_ms_max = 1000
//! ```
//!
//! Unknown keys are refused with the nearest known one. What the values mean and which are allowed is the server's.

use std::{
    collections::BTreeMap,
    ops::Range,
    path::{Path, PathBuf},
};

use serde::Deserialize;
use serde_json::{Map, Value};
use toml::{Spanned, de::DeTable};

use crate::failure::{Exit, Failure};

/// The keys of a manifest.
const KEYS: [&str; 7] = ["name", "component", "capabilities", "groups", "grants", "config", "limits"];
/// The keys of its table of limits.
const LIMIT_KEYS: [&str; 5] =
    ["memory_bytes_max", "turn_ms_max", "mailbox_messages_max", "restarts_max", "recycle_memory_bytes"];
/// A name less like the unknown key than this is not proposed.
const LIKENESS_MIN: f64 = 0.6;

/// What is needed to deploy one agent.
#[derive(Clone, Debug, PartialEq)]
pub struct Manifest {
    /// The agent's name.
    pub name: String,
    /// The component's file.
    pub component: PathBuf,
    /// What it can do, for callers that look for a capability.
    pub capabilities: Vec<String>,
    /// The groups that it belongs to.
    pub groups: Vec<String>,
    /// What it may import beyond the agent's world.
    pub grants: Vec<String>,
    /// What its init gets.
    pub config: Value,
    /// Its limits, by the keys of the contract; empty for the server's own.
    pub limits: Map<String, Value>,
}

#[derive(Deserialize)]
struct File {
    name: String,
    component: PathBuf,
    #[serde(default)]
    capabilities: Vec<String>,
    #[serde(default)]
    groups: Vec<String>,
    #[serde(default)]
    grants: Vec<String>,
    #[serde(default)]
    config: toml::Table,
    #[serde(default)]
    limits: BTreeMap<String, u64>,
}

impl Manifest {
    /// Reads the manifest at `path`. The component's path is taken relative to the manifest's folder.
    ///
    /// # Errors
    /// With exit code 3: what is wrong, at which line and column.
    pub fn read(path: &Path) -> Result<Self, Failure> {
        let text = std::fs::read_to_string(path).map_err(|error| {
            let what = format!("cannot read the manifest {}", path.display());
            Failure::new(Exit::Invalid, what, error.to_string(), "check the path and its permissions")
                .coded("CX0103")
        })?;
        let folder = path.parent().unwrap_or(Path::new(""));
        Self::parse(&text, folder).map_err(|fault| fault.failure(path, &text))
    }

    fn parse(text: &str, folder: &Path) -> Result<Self, Fault> {
        let keys = DeTable::parse(text).map_err(|error| Fault::syntax(&error))?;
        refuse_unknown(keys.get_ref(), &KEYS)?;
        if let Some(limits) = keys.get_ref().get("limits").and_then(|limits| limits.get_ref().as_table()) {
            refuse_unknown(limits, &LIMIT_KEYS)?;
        }
        let file: File = toml::from_str(text).map_err(|error| Fault::value(&error))?;
        let limits = file.limits.into_iter().map(|(key, limit)| (key.replace('_', "-"), Value::from(limit)));
        Ok(Self {
            name: file.name,
            component: folder.join(file.component),
            capabilities: file.capabilities,
            groups: file.groups,
            grants: file.grants,
            config: json(toml::Value::Table(file.config)),
            limits: limits.collect(),
        })
    }

    /// The document for the server, with the component's digest.
    pub fn document(&self, digest: &str) -> Value {
        let mut document = serde_json::json!({
            "name": self.name,
            "component": digest,
            "capabilities": self.capabilities,
            "groups": self.groups,
            "config": self.config,
            "grants": self.grants,
        });
        if !self.limits.is_empty()
            && let Some(keys) = document.as_object_mut()
        {
            keys.insert("limits".to_owned(), Value::Object(self.limits.clone()));
        }
        document
    }
}

/// The same value in JSON; dates become their text.
fn json(value: toml::Value) -> Value {
    match value {
        toml::Value::String(text) => Value::String(text),
        toml::Value::Integer(number) => Value::from(number),
        toml::Value::Float(number) => Value::from(number),
        toml::Value::Boolean(truth) => Value::Bool(truth),
        toml::Value::Datetime(time) => Value::String(time.to_string()),
        toml::Value::Array(items) => Value::Array(items.into_iter().map(json).collect()),
        toml::Value::Table(keys) => {
            Value::Object(keys.into_iter().map(|(key, value)| (key, json(value))).collect())
        }
    }
}

/// What is wrong with a manifest, and where in its text.
#[derive(Debug)]
struct Fault {
    code: &'static str,
    why: String,
    fix: String,
    span: Option<Range<usize>>,
}

impl Fault {
    fn syntax(error: &toml::de::Error) -> Self {
        let fix = "correct the file at the place shown".to_owned();
        Self { code: "CX0101", why: error.message().to_owned(), fix, span: error.span() }
    }

    fn value(error: &toml::de::Error) -> Self {
        let fix = "correct the key at the place shown".to_owned();
        Self { code: "CX0424", why: error.message().to_owned(), fix, span: error.span() }
    }

    fn failure(self, path: &Path, text: &str) -> Failure {
        let place = self.span.map(|span| place(text, span.start)).unwrap_or_default();
        let what = format!("the manifest {}{place} is not valid", path.display());
        Failure::new(Exit::Invalid, what, self.why, self.fix).coded(self.code)
    }
}

/// `:LINE:COLUMN` of a byte, both from one.
fn place(text: &str, at: usize) -> String {
    let before = text.get(..at).unwrap_or(text);
    let line = before.matches('\n').count() + 1;
    let column = before.chars().rev().take_while(|found| *found != '\n').count() + 1;
    format!(":{line}:{column}")
}

fn refuse_unknown(table: &DeTable<'_>, known: &[&str]) -> Result<(), Fault> {
    let unknown = |key: &&Spanned<_>| {
        let name: &std::borrow::Cow<'_, str> = key.get_ref();
        !known.contains(&name.as_ref())
    };
    let Some(key) = table.keys().find(unknown) else { return Ok(()) };
    let likeness = |name: &&str| strsim::jaro_winkler(name, key.get_ref());
    let nearest = known.iter().copied().max_by(|a, b| likeness(a).total_cmp(&likeness(b)));
    let fix = match nearest.filter(|name| likeness(name) >= LIKENESS_MIN) {
        Some(nearest) => format!("write `{nearest}`, or remove the key"),
        None => format!("use one of {}, or remove the key", known.join(", ")),
    };
    let why = format!("unknown key `{}`", key.get_ref());
    Err(Fault { code: "CX0424", why, fix, span: Some(key.span()) })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Manifest, String> {
        Manifest::parse(text, Path::new("agents")).map_err(|fault| {
            match fault.failure(Path::new("a.toml"), text) {
                Failure::Report(report) => report.to_string(),
                Failure::StdoutClosed => String::new(),
            }
        })
    }

    #[test]
    fn reads_every_key_and_names_limits_as_the_contract_does() {
        let manifest = parse(
            "name = \"a\"\ncomponent = \"a.wasm\"\ngroups = [\"g\"]\n[config]\nsince = 2026-11-20\nprice = 1.5\n\
             [limits]\nturn_ms_max = 5\n",
        )
        .unwrap();
        assert_eq!(manifest.component, Path::new("agents/a.wasm"));
        assert_eq!(
            manifest.document("sha256:00"),
            serde_json::json!({"name": "a", "component": "sha256:00", "capabilities": [], "groups": ["g"],
                "config": {"since": "2026-11-20", "price": 1.5}, "grants": [], "limits": {"turn-ms-max": 5}})
        );
    }

    #[test]
    fn unknown_key_is_refused_at_its_place_with_the_nearest() {
        insta::assert_snapshot!(parse("name = \"a\"\ncapabilites = []\n").unwrap_err(), @"
        error: the manifest a.toml:2:1 is not valid [CX0424]
          why: unknown key `capabilites`
          fix: write `capabilities`, or remove the key
        ");
        insta::assert_snapshot!(parse("[limits]\nturn-ms-max = 5\n").unwrap_err(), @"
        error: the manifest a.toml:2:1 is not valid [CX0424]
          why: unknown key `turn-ms-max`
          fix: write `turn_ms_max`, or remove the key
        ");
        insta::assert_snapshot!(parse("zzz = 1\n").unwrap_err(), @"
        error: the manifest a.toml:1:1 is not valid [CX0424]
          why: unknown key `zzz`
          fix: use one of name, component, capabilities, groups, grants, config, limits, or remove the key
        ");
    }

    #[test]
    fn wrong_type_missing_key_and_bad_syntax_name_the_place() {
        insta::assert_snapshot!(parse("name = 1\ncomponent = \"a\"\n").unwrap_err(), @"
        error: the manifest a.toml:1:8 is not valid [CX0424]
          why: invalid type: integer `1`, expected a string
          fix: correct the key at the place shown
        ");
        insta::assert_snapshot!(parse("name = \"a\"\n").unwrap_err(), @"
        error: the manifest a.toml:1:1 is not valid [CX0424]
          why: missing field `component`
          fix: correct the key at the place shown
        ");
        insta::assert_snapshot!(parse("name = \n").unwrap_err(), @"
        error: the manifest a.toml:1:8 is not valid [CX0101]
          why: string values must be quoted, expected literal string
          fix: correct the file at the place shown
        ");
        insta::assert_snapshot!(parse("name = \"a\"\ncomponent = \"a\"\nlimits.turn_ms_max = -1").unwrap_err(), @"
        error: the manifest a.toml:3:22 is not valid [CX0424]
          why: invalid value: integer `-1`, expected u64
          fix: correct the key at the place shown
        ");
    }
}
