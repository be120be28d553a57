//! Every JSON document on stdout has a kind, and every kind has a committed schema.

use std::{collections::BTreeMap, path::PathBuf};

use caxton_proto::schema::{DEFS, of_kind, referred, schema};
use serde_json::{Value, json};

/// The kinds of the server that commands pass on; those of `caxtond`, which some commands become, are its own.
const SERVER_KINDS: [&str; 26] = [
    "caxton.accepted/v1",
    "caxton.accepted.list/v1",
    "caxton.agent/v1",
    "caxton.agent.list/v1",
    "caxton.attachment/v1",
    "caxton.attachment.list/v1",
    "caxton.component/v1",
    "caxton.component.list/v1",
    "caxton.config/v1",
    "caxton.contract-net/v1",
    "caxton.conversation/v1",
    "caxton.conversation.list/v1",
    "caxton.dead-letter/v1",
    "caxton.dead-letter.list/v1",
    "caxton.dead-letter.result/v1",
    "caxton.event.list/v1",
    "caxton.health/v1",
    "caxton.job/v1",
    "caxton.job.list/v1",
    "caxton.job.result.list/v1",
    "caxton.log.list/v1",
    "caxton.message.list/v1",
    "caxton.plugin/v1",
    "caxton.plugin.list/v1",
    "caxton.reload/v1",
    "caxton.status/v1",
];

/// The schema of everything: a document is one of the kinds.
fn whole() -> Value {
    let mut definitions: BTreeMap<String, Value> = BTreeMap::new();
    let mut kinds = Vec::new();
    for (kind, own) in caxton_cli::schema::documents() {
        kinds.push(json!({"$ref": format!("{DEFS}{}", kind)}));
        definitions.insert(kind.to_owned(), own);
    }
    for kind in SERVER_KINDS {
        let message = of_kind(kind).unwrap_or_else(|| panic!("{kind} is not in the contract"));
        let short = message.trim_start_matches("caxton.v1.").to_owned();
        kinds.push(json!({"$ref": format!("{DEFS}{short}")}));
        for name in referred(&message).into_iter().chain([short]) {
            definitions.entry(name.clone()).or_insert_with(|| schema(&format!("caxton.v1.{name}"), DEFS));
        }
    }
    // A reference cannot hold a slash that is not escaped (RFC 6901).
    let text = json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "The JSON documents that `caxton -o json` writes to stdout",
        "oneOf": kinds,
        "$defs": definitions,
    });
    escaped(text)
}

fn escaped(value: Value) -> Value {
    match value {
        Value::Object(members) => Value::Object(
            members
                .into_iter()
                .map(|(key, value)| match (key.as_str(), value) {
                    ("$ref", Value::String(to)) => {
                        let name = to.trim_start_matches(DEFS).replace('/', "~1");
                        (key, Value::String(format!("{DEFS}{name}")))
                    }
                    (_, value) => (key, escaped(value)),
                })
                .collect(),
        ),
        Value::Array(items) => Value::Array(items.into_iter().map(escaped).collect()),
        other => other,
    }
}

fn committed() -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/reference/cli.schema.json"))
}

#[test]
fn committed_schema_is_what_the_code_says() {
    let expected = format!("{:#}\n", whole());
    if std::env::var_os("CAXTON_UPDATE").is_some() {
        std::fs::write(committed(), &expected).unwrap();
    }
    let found = std::fs::read_to_string(committed()).unwrap_or_default();
    assert!(found == expected, "run with CAXTON_UPDATE=1 and look at the difference");
}

/// Checks each document of an output: its kind is known, and one that the command line makes has what its schema says.
pub fn check(stdout: &str) {
    for document in serde_json::Deserializer::from_str(stdout).into_iter::<Value>() {
        let document = document.unwrap();
        // What is an item of a list, or a message, has no kind of its own.
        let Some(kind) = document["kind"].as_str() else { continue };
        let own = caxton_cli::schema::documents();
        match own.iter().find(|(name, _)| *name == kind) {
            Some((_, schema)) => fits(&document, schema, kind),
            None => assert!(SERVER_KINDS.contains(&kind), "{kind} has no schema"),
        }
    }
}

/// As far as the schemas of the command line go: types, keys, lists, words and references.
fn fits(value: &Value, schema: &Value, at: &str) {
    if let Some(name) = schema["$ref"].as_str() {
        let own = caxton_cli::schema::documents();
        let (_, schema) = own.iter().find(|(kind, _)| name.ends_with(kind)).unwrap();
        return fits(value, schema, at);
    }
    if let Some(words) = schema["enum"].as_array() {
        assert!(words.contains(value), "{at}: {value}");
    }
    let types = match &schema["type"] {
        Value::String(one) => vec![one.as_str()],
        Value::Array(several) => several.iter().filter_map(Value::as_str).collect(),
        _ => return,
    };
    let found = match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(number) if number.is_u64() && types.contains(&"integer") => "integer",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(items) => {
            items.iter().for_each(|item| fits(item, &schema["items"], at));
            "array"
        }
        Value::Object(members) => {
            if let Some(properties) = schema["properties"].as_object() {
                let keys: Vec<_> = properties.keys().collect();
                assert_eq!(members.keys().collect::<Vec<_>>(), keys, "{at}");
                for (key, value) in members {
                    fits(value, &properties[key], &format!("{at}.{key}"));
                }
            }
            "object"
        }
    };
    assert!(types.contains(&found), "{at}: {value} is no {types:?}");
}
