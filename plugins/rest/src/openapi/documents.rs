//! The schemas and examples of documents, for whatever the paths refer to.

use std::collections::BTreeSet;

use caxton_proto::schema;
use serde_json::{Map, Value, json};

/// Where references point.
const SCHEMAS: &str = "#/components/schemas/";
/// One example for each document, by the name of its schema.
const EXAMPLES: &str = include_str!("examples.json");

/// Adds the schema of everything that the paths refer to, and an example to each body.
pub(super) fn complete(api: &mut Value) {
    let mut schemas = Map::new();
    let mut open = referred(&api.to_string());
    while let Some(name) = open.pop_first() {
        if schemas.contains_key(&name) {
            continue;
        }
        let found = of(&name);
        open.extend(referred(&found.to_string()));
        schemas.insert(name, found);
    }
    let examples: Value = serde_json::from_str(EXAMPLES).unwrap_or_default();
    put(api, &["components", "schemas"], Value::Object(schemas));
    let problem = examples.get("Problem").cloned().unwrap_or_default();
    put(api, &["components", "schemas", "Problem", "examples"], json!([problem]));
    if let Some(paths) = api.get_mut("paths") {
        illustrate(paths, &examples);
    }
}

/// Puts a value where keys lead to; objects on the way are made.
pub(super) fn put(root: &mut Value, keys: &[&str], value: Value) {
    let mut place = root;
    for key in keys {
        if !place.is_object() {
            *place = json!({});
        }
        let Some(members) = place.as_object_mut() else { return };
        place = members.entry(*key).or_insert(Value::Null);
    }
    *place = value;
}

/// The names that a text refers to.
fn referred(text: &str) -> BTreeSet<String> {
    let rest = text.split(SCHEMAS).skip(1);
    rest.filter_map(|rest| rest.split('"').next()).map(str::to_owned).collect()
}

/// The schema of a name: of the contract, but where HTTP has more to say.
fn of(name: &str) -> Value {
    let mut found = schema::schema(&format!("caxton.v1.{name}"), SCHEMAS);
    match name {
        "Messages" => return messages(),
        // Others may be added, as RFC 9457 allows.
        "Problem" => {
            let always = ["type", "title", "status", "detail", "code", "fix", "instance"];
            put(&mut found, &["additionalProperties"], json!(true));
            put(&mut found, &["required"], json!(always));
        }
        "Message" => {
            let text = "When the answer has to be there: RFC 3339, or a time from now, for example `+2s`.";
            let reply_by = json!({"type": ["string", "null"], "description": text});
            put(&mut found, &["properties", "reply-by"], reply_by);
        }
        // What stands in the path need not stand in the body.
        "ApplyAgentRequest" => leave_out(&mut found, "name"),
        "ReloadPluginRequest" => leave_out(&mut found, "name"),
        "SendAttachedMessagesRequest" => leave_out(&mut found, "id"),
        _ => {}
    }
    found
}

fn messages() -> Value {
    let message = json!({"$ref": format!("{SCHEMAS}Message")});
    let list = json!({"type": "array", "items": message, "maxItems": caxton_plugin::asking::MESSAGES_MAX});
    json!({"description": "A message, or a list of messages.", "oneOf": [message, list]})
}

/// Makes a member one that may be left out.
fn leave_out(schema: &mut Value, key: &str) {
    if let Some(required) = schema.get_mut("required").and_then(Value::as_array_mut) {
        required.retain(|own| own != key);
    }
}

/// Gives each body that refers to a schema the example of that schema.
fn illustrate(part: &mut Value, examples: &Value) {
    let Some(members) = part.as_object_mut() else { return };
    let name = members.get("schema").and_then(|schema| schema.get("$ref")).and_then(Value::as_str);
    let name = name.and_then(|name| name.strip_prefix(SCHEMAS)).map(str::to_owned);
    if let Some(example) = name.and_then(|name| examples.get(name)) {
        members.insert("example".to_owned(), example.clone());
    }
    members.values_mut().for_each(|member| illustrate(member, examples));
}
