//! An agent's manifest: the TOML file that says which component an agent runs, under which name and limits.
//!
//! ```toml
//! name = "bidder-js"
//! version = "0.1.0"
//! component = "bidder.wasm"        # relative to this file
//! capabilities = ["count-words"]
//! groups = ["bidders"]
//! grants = []
//! restart = "on-failure"           # or "never"
//! delivery = "volatile"            # or "acked", "durable"
//! [config]
//! price-per-byte = 3
//! [limits]
//! turn_ms_max = 1000
//! [build]
//! lang = "js"                      # or "rust", "python"
//! ```
//!
//! Keys that are left out come from the component's package where it has one. Unknown keys are refused with the nearest known one. What the values mean and which are allowed is the server's.

use std::{
    collections::BTreeMap,
    ops::Range,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use toml::{Spanned, de::DeTable};

use crate::{
    author::Language,
    failure::{Exit, Failure},
};

/// The keys of a manifest.
const KEYS: [&str; 11] = [
    "name",
    "version",
    "component",
    "capabilities",
    "groups",
    "grants",
    "restart",
    "delivery",
    "config",
    "limits",
    "build",
];
/// The keys of its table of limits.
const LIMIT_KEYS: [&str; 5] =
    ["memory_bytes_max", "turn_ms_max", "mailbox_messages_max", "restarts_max", "recycle_memory_bytes"];
/// The keys of its table for `caxton build`.
const BUILD_KEYS: [&str; 2] = ["lang", "command"];
/// A name less like the unknown key than this is not proposed.
const LIKENESS_MIN: f64 = 0.6;

/// What is needed to build, pack and deploy one agent. What is `None` was not said.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Manifest {
    /// The agent's name.
    pub name: String,
    /// The agent's own version, for people.
    pub version: Option<String>,
    /// The component's file.
    pub component: PathBuf,
    /// What it can do, for callers that look for a capability.
    pub capabilities: Option<Vec<String>>,
    /// The groups that it belongs to.
    pub groups: Option<Vec<String>>,
    /// What it may import beyond the agent's world.
    pub grants: Option<Vec<String>>,
    /// What a trap of it leads to.
    pub restart: Option<Restart>,
    /// The delivery class that it is meant to be spoken to with: for people and tools, packed as `class`.
    pub delivery: Option<Delivery>,
    /// What its init gets.
    pub config: Option<Value>,
    /// Its limits, by the keys of the contract; empty for the server's own.
    pub limits: Map<String, Value>,
    /// How its component is built.
    pub build: Option<Build>,
}

/// What a trap of an agent leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Restart {
    /// It has failed.
    Never,
    /// A new instance.
    OnFailure,
}

/// A delivery class.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Delivery {
    /// In memory.
    Volatile,
    /// In memory, tried again while the receiver is full.
    Acked,
    /// On disk before it is accepted.
    Durable,
}

/// How a component is built from the folder of its manifest.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Build {
    /// The language, whose toolchain is used.
    pub lang: Language,
    /// A shell command instead of the toolchain; it writes the component to the path in `CAXTON_OUT`.
    pub command: Option<String>,
}

#[derive(Deserialize)]
struct File {
    name: String,
    version: Option<String>,
    component: PathBuf,
    capabilities: Option<Vec<String>>,
    groups: Option<Vec<String>>,
    grants: Option<Vec<String>>,
    restart: Option<Restart>,
    delivery: Option<Delivery>,
    config: Option<toml::Table>,
    #[serde(default)]
    limits: BTreeMap<String, u64>,
    build: Option<Build>,
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
        for (table, known) in [("limits", &LIMIT_KEYS[..]), ("build", &BUILD_KEYS)] {
            if let Some(table) = keys.get_ref().get(table).and_then(|value| value.get_ref().as_table()) {
                refuse_unknown(table, known)?;
            }
        }
        let file: File = toml::from_str(text).map_err(|error| Fault::value(&error))?;
        let limits = file.limits.into_iter().map(|(key, limit)| (key.replace('_', "-"), Value::from(limit)));
        Ok(Self {
            name: file.name,
            version: file.version,
            component: folder.join(file.component),
            capabilities: file.capabilities,
            groups: file.groups,
            grants: file.grants,
            restart: file.restart,
            delivery: file.delivery,
            config: file.config.map(|config| as_json(toml::Value::Table(config))),
            limits: limits.collect(),
            build: file.build,
        })
    }

    /// The document for the server, with the component's digest. What the manifest left out is left out here too.
    pub fn document(&self, digest: &str) -> Value {
        let mut document = self.shared();
        document.insert("component".to_owned(), Value::from(digest));
        Value::Object(document)
    }

    /// The document that is packed into the component.
    pub fn package(&self) -> Value {
        let mut package = self.shared();
        package.extend(self.version.as_ref().map(|version| ("version".to_owned(), json!(version))));
        package.extend(self.delivery.map(|delivery| ("class".to_owned(), json!(delivery))));
        Value::Object(package)
    }

    fn shared(&self) -> Map<String, Value> {
        let said = [
            ("name", Some(json!(self.name))),
            ("capabilities", self.capabilities.as_ref().map(|words| json!(words))),
            ("groups", self.groups.as_ref().map(|words| json!(words))),
            ("grants", self.grants.as_ref().map(|words| json!(words))),
            ("restart", self.restart.map(|restart| json!(restart))),
            ("config", self.config.clone()),
            ("limits", Some(&self.limits).filter(|limits| !limits.is_empty()).map(|limits| json!(limits))),
        ];
        said.into_iter().filter_map(|(key, value)| Some((key.to_owned(), value?))).collect()
    }
}

/// The same value in JSON; dates become their text.
fn as_json(value: toml::Value) -> Value {
    match value {
        toml::Value::String(text) => Value::String(text),
        toml::Value::Integer(number) => Value::from(number),
        toml::Value::Float(number) => Value::from(number),
        toml::Value::Boolean(truth) => Value::Bool(truth),
        toml::Value::Datetime(time) => Value::String(time.to_string()),
        toml::Value::Array(items) => Value::Array(items.into_iter().map(as_json).collect()),
        toml::Value::Table(keys) => {
            Value::Object(keys.into_iter().map(|(key, value)| (key, as_json(value))).collect())
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
            serde_json::json!({"name": "a", "component": "sha256:00", "groups": ["g"],
                "config": {"since": "2026-11-20", "price": 1.5}, "limits": {"turn-ms-max": 5}})
        );
    }

    #[test]
    fn what_is_said_is_packed_and_what_is_not_is_left_out() {
        let manifest = parse(
            "name = \"a\"\nversion = \"0.2.0\"\ncomponent = \"a.wasm\"\ncapabilities = []\nrestart = \"never\"\n\
             delivery = \"acked\"\n[build]\nlang = \"python\"\n",
        )
        .unwrap();
        assert_eq!(
            manifest.package(),
            json!({"name": "a", "version": "0.2.0", "capabilities": [], "restart": "never", "class": "acked"})
        );
        assert_eq!(manifest.build, Some(Build { lang: Language::Python, command: None }));
        assert!(
            parse("name = \"a\"\ncomponent = \"a\"\nrestart = \"always\"").unwrap_err().contains(":3:11")
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
          fix: use one of name, version, component, capabilities, groups, grants, restart, delivery, config, limits, build, or remove the key
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
