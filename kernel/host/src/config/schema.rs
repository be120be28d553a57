//! Checks a TOML table against a schema and finds all faults: unknown keys with the nearest one, wrong types, numbers
//! outside their range, values outside a list, missing keys.
//!
//! The schema is the part of JSON Schema that a configuration needs: `type`, `properties`, `required`, `enum`, `format`,
//! `minimum`, `maximum`, and `additionalProperties` as a schema. The server's own schema and the one inside each
//! plugin's manifest are checked by the same code. Depth is bounded by the schema, not by the input.

use caxton_abi::Code;
use serde::Deserialize;
use std::collections::BTreeMap;
use toml::de::{DeTable, DeValue};
use tracing_subscriber::EnvFilter;

use super::fault::{Fault, Source};

/// A longer platform name leaves too little of an agent's name, which has 255 bytes.
const PLATFORM_BYTES_MAX: usize = 64;

/// How different a key may be from a known one to be called its misspelling: edit distance over length.
const NEAREST_SIMILARITY_MIN: f64 = 0.6;

/// A schema node.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Schema {
    /// `string`, `integer`, `number`, `boolean`, `array`, `object`; absent for anything.
    #[serde(rename = "type")]
    pub kind: Option<String>,
    /// The keys of an object.
    pub properties: BTreeMap<String, Schema>,
    /// Keys that must be there.
    pub required: Vec<String>,
    /// The values allowed for a string.
    #[serde(rename = "enum")]
    pub values: Vec<String>,
    /// What a string must be: `platform` or `log-filter`.
    pub format: Option<String>,
    /// The smallest number.
    pub minimum: Option<i64>,
    /// The largest number.
    pub maximum: Option<i64>,
    /// The schema of keys that are not listed; absent: they are faults.
    pub additional_properties: Additional,
    /// What the key is for.
    pub description: String,
}

/// What is said about keys that are not listed.
#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
pub enum Additional {
    /// Allowed with any value, or refused.
    Allowed(bool),
    /// Allowed with values of a schema.
    Like(Box<Schema>),
}

impl Default for Additional {
    fn default() -> Self {
        Self::Allowed(false)
    }
}

/// Collects the faults of one source.
pub struct Checker<'a> {
    source: &'a Source,
    code: Code,
    /// What was found so far.
    pub faults: Vec<Fault>,
}

impl<'a> Checker<'a> {
    /// Begins a check; every fault gets the code.
    pub fn new(source: &'a Source, code: Code) -> Self {
        Self { source, code, faults: Vec::new() }
    }

    /// Checks a table; `path` is its dotted name, empty at the top, and `owner` the span to point at for missing keys.
    pub fn table(&mut self, table: &DeTable<'_>, schema: &Schema, path: &str, owner: std::ops::Range<usize>) {
        for (key, value) in table {
            let name = key.get_ref().as_ref();
            let full = join(path, name);
            match (schema.properties.get(name), &schema.additional_properties) {
                (Some(known), _) => self.value(value.get_ref(), known, &full, value.span()),
                (None, Additional::Like(like)) => self.value(value.get_ref(), like, &full, value.span()),
                (None, Additional::Allowed(true)) => {}
                (None, Additional::Allowed(false)) => self.unknown(name, schema, path, key.span()),
            }
        }
        for missing in &schema.required {
            if !table.iter().any(|(key, _)| key.get_ref() == missing) {
                let fault = Fault::new(self.code, format!("key `{}` is missing", join(path, missing)));
                self.faults.push(fault.at(self.source, owner.clone()));
            }
        }
    }

    fn unknown(&mut self, name: &str, schema: &Schema, path: &str, span: std::ops::Range<usize>) {
        let place = if path.is_empty() { "at the top level".to_owned() } else { format!("in `{path}`") };
        let fault = Fault::new(self.code, format!("unknown key `{name}` {place}")).at(self.source, span);
        let known: Vec<&str> = schema.properties.keys().map(String::as_str).collect();
        let help = match nearest(name, &known) {
            Some(near) => format!("did you mean `{near}`?"),
            None => format!("known keys: {}", known.join(", ")),
        };
        self.faults.push(fault.help(help));
    }

    fn value(&mut self, value: &DeValue<'_>, schema: &Schema, path: &str, span: std::ops::Range<usize>) {
        let Some(kind) = schema.kind.as_deref() else { return };
        let found = kind_of(value);
        let fits = kind == found || (kind == "number" && found == "integer");
        if !fits {
            let message =
                format!("key `{path}` is {} {found}, expected {} {kind}", article(found), article(kind));
            self.faults.push(Fault::new(self.code, message).at(self.source, span));
            return;
        }
        match value {
            DeValue::Table(table) => self.table(table, schema, path, span),
            DeValue::String(text) => self.text(text, schema, path, span),
            DeValue::Integer(number) => {
                let parsed = i64::from_str_radix(number.as_str(), number.radix()).ok();
                self.number(parsed, &number.to_string(), schema, path, span);
            }
            _ => {}
        }
    }

    fn text(&mut self, text: &str, schema: &Schema, path: &str, span: std::ops::Range<usize>) {
        let listed = schema.values.is_empty() || schema.values.iter().any(|value| value == text);
        let expected = match schema.format.as_deref() {
            _ if !listed => format!("one of {}", schema.values.join(", ")),
            Some("platform") if !is_platform(text) => {
                format!("1 to {PLATFORM_BYTES_MAX} letters, digits, dots and dashes")
            }
            Some("log-filter") if EnvFilter::try_new(text).is_err() => {
                "a level such as `info`, or `TARGET=LEVEL` with commas".to_owned()
            }
            _ => return,
        };
        let message = format!("key `{path}` is \"{text}\", expected {expected}");
        self.faults.push(Fault::new(self.code, message).at(self.source, span));
    }

    fn number(
        &mut self,
        number: Option<i64>,
        text: &str,
        schema: &Schema,
        path: &str,
        span: std::ops::Range<usize>,
    ) {
        let (least, most) = (schema.minimum.unwrap_or(0), schema.maximum.unwrap_or(i64::MAX));
        if number.is_some_and(|number| (least..=most).contains(&number)) {
            return;
        }
        let range = match schema.maximum {
            Some(most) => format!("{least} to {most}"),
            None => format!("{least} or more"),
        };
        let message = format!("key `{path}` is {text}, expected {range}");
        self.faults.push(Fault::new(self.code, message).at(self.source, span));
    }
}

/// The known name that a misspelt one is nearest to, if any is near.
pub fn nearest<'a>(name: &str, known: &[&'a str]) -> Option<&'a str> {
    let scored = known.iter().map(|known| (strsim::normalized_damerau_levenshtein(name, known), *known));
    let best = scored.max_by(|a, b| a.0.total_cmp(&b.0))?;
    (best.0 >= NEAREST_SIMILARITY_MIN).then_some(best.1)
}

/// True for what may follow the `@` of an agent's name.
fn is_platform(text: &str) -> bool {
    let good = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
    (1..=PLATFORM_BYTES_MAX).contains(&text.len()) && text.chars().all(good)
}

fn kind_of(value: &DeValue<'_>) -> &'static str {
    match value {
        DeValue::String(_) => "string",
        DeValue::Integer(_) => "integer",
        DeValue::Float(_) => "number",
        DeValue::Boolean(_) => "boolean",
        DeValue::Datetime(_) => "datetime",
        DeValue::Array(_) => "array",
        DeValue::Table(_) => "object",
    }
}

fn article(kind: &str) -> &'static str {
    if matches!(kind, "integer" | "array" | "object") { "an" } else { "a" }
}

fn join(path: &str, name: &str) -> String {
    if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") }
}
