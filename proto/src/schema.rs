//! JSON Schema (draft 2020-12) of messages as their JSON documents look.
//!
//! A message of the contract is named in references by its own name without the package, for example `Agent`. Descriptions
//! are the comments of the `.proto` files. Keys that a schema does not have are refused.

use std::collections::BTreeSet;

use prost_reflect::{EnumDescriptor, Kind, MessageDescriptor};
use serde_json::{Map, Value, json};

use crate::contract::{Field, comment, pool, shape, word};

/// Where references of a schema with its own definitions point.
pub const DEFS: &str = "#/$defs/";

/// The schema of a message; other messages are references that begin with `prefix`, for example
/// `#/components/schemas/`. `false`, which nothing satisfies, when the contract has no such message.
pub fn schema(message_full_name: &str, prefix: &str) -> Value {
    match message(message_full_name) {
        Some(message) => object(&message, prefix),
        None => Value::Bool(false),
    }
}

/// The schema of a message with everything that it refers to in `$defs`.
pub fn standalone(message_full_name: &str) -> Value {
    let mut whole = schema(message_full_name, DEFS);
    let Value::Object(members) = &mut whole else { return whole };
    let defs: Map<String, Value> = referred(message_full_name)
        .into_iter()
        .map(|name| (name.clone(), schema(&format!("caxton.v1.{name}"), DEFS)))
        .collect();
    members.insert("$schema".to_owned(), json!("https://json-schema.org/draft/2020-12/schema"));
    if !defs.is_empty() {
        members.insert("$defs".to_owned(), Value::Object(defs));
    }
    whole
}

/// The names, without the package, of all messages that a message's schema refers to, through others too.
pub fn referred(message_full_name: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let mut open: Vec<MessageDescriptor> = message(message_full_name).into_iter().collect();
    while let Some(message) = open.pop() {
        for next in references(&message) {
            if found.insert(next.name().to_owned()) {
                open.push(next);
            }
        }
    }
    found
}

/// The full name of the message that stands for documents of a kind; `None` when there is none.
pub fn of_kind(kind: &str) -> Option<String> {
    let mut messages = pool().all_messages();
    messages.find(|message| shape(message).kind == kind).map(|message| message.full_name().to_owned())
}

fn message(full_name: &str) -> Option<MessageDescriptor> {
    pool().get_message_by_name(full_name).filter(|message| message.package_name() == "caxton.v1")
}

/// The messages that a schema refers to by name.
fn references(message: &MessageDescriptor) -> Vec<MessageDescriptor> {
    let mut found = Vec::new();
    for field in &shape(message).fields {
        let Some(inner) = field.message() else { continue };
        if field.flat {
            if alone(message, field) {
                found.push(inner);
            } else {
                found.extend(references(&inner));
            }
            continue;
        }
        let value =
            if field.field.is_map() { inner.map_entry_value_field().kind() } else { Kind::Message(inner) };
        found.extend(value.as_message().filter(|message| message.package_name() == "caxton.v1").cloned());
    }
    found
}

/// True when a message is nothing but another one.
fn alone(message: &MessageDescriptor, field: &Field) -> bool {
    field.flat && !field.is_variant() && message.fields().len() == 1
}

fn object(message: &MessageDescriptor, prefix: &str) -> Value {
    let shape = shape(message);
    if let Some(field) = shape.fields.first().filter(|field| alone(message, field))
        && let Some(inner) = field.message()
    {
        return json!({"$ref": format!("{prefix}{}", inner.name())});
    }
    let description = comment(&message.parent_file(), message.path());
    let variants: Vec<&Field> = shape.fields.iter().filter(|field| field.is_variant()).collect();
    if variants.is_empty() {
        let mut members = Members::default();
        members.add(message, prefix);
        return members.close(&description);
    }
    let own = |variant: &&Field| {
        let mut members = Members::default();
        members.add(message, prefix);
        let inner = variant.message()?;
        members.add(&inner, prefix);
        Some(members.close(&comment(&inner.parent_file(), inner.path())))
    };
    json!({"description": description, "oneOf": variants.iter().filter_map(own).collect::<Vec<_>>()})
}

/// The members of an object, collected from a message and from those whose members stand in it.
#[derive(Default)]
struct Members {
    properties: Map<String, Value>,
    required: Vec<String>,
    user_parameters: Option<Value>,
}

impl Members {
    fn add(&mut self, message: &MessageDescriptor, prefix: &str) {
        let shape = shape(message);
        if !shape.kind.is_empty() {
            self.properties.insert("kind".to_owned(), json!({"const": shape.kind}));
            self.required.push("kind".to_owned());
        }
        for field in &shape.fields {
            if field.is_variant() {
                continue;
            }
            match field.message() {
                Some(inner) if field.flat => self.add(&inner, prefix),
                _ => self.field(field, prefix),
            }
        }
    }

    fn field(&mut self, field: &Field, prefix: &str) {
        let description = comment(&field.field.parent_message().parent_file(), field.field.path());
        if field.others {
            self.user_parameters = Some(json!({"type": "string", "description": description}));
            return;
        }
        if field.is_bytes() {
            let bytes = json!({"type": "string", "contentEncoding": "base64",
                "description": format!("`{}` when it is no text, in base64.", field.key)});
            self.properties.insert(field.key_of_bytes.clone(), bytes);
        } else if field.required {
            self.required.push(field.key.clone());
        }
        let mut schema = value(field, prefix);
        if let Value::Object(members) = &mut schema
            && !description.is_empty()
        {
            members.insert("description".to_owned(), description.into());
        }
        self.properties.insert(field.key.clone(), schema);
    }

    fn close(self, description: &str) -> Value {
        let mut schema = json!({
            "type": "object",
            "description": description,
            "properties": self.properties,
            "additionalProperties": false,
        });
        if let Value::Object(members) = &mut schema {
            if !self.required.is_empty() {
                members.insert("required".to_owned(), json!(self.required));
            }
            if let Some(schema) = self.user_parameters {
                members.insert("patternProperties".to_owned(), json!({"^[Xx]-": schema}));
            }
        }
        schema
    }
}

fn value(field: &Field, prefix: &str) -> Value {
    let kind = field.field.kind();
    if let Kind::Message(entry) = &kind
        && field.field.is_map()
    {
        return json!({"type": "object", "additionalProperties": single(&entry.map_entry_value_field().kind(), prefix)});
    }
    let schema = single(&kind, prefix);
    if field.field.is_list() {
        return json!({"type": "array", "items": schema});
    }
    // A request leaves out what it does not say; a document has null.
    if field.optional() && !field.required { nullable(schema) } else { schema }
}

fn single(kind: &Kind, prefix: &str) -> Value {
    match kind {
        Kind::Bool => json!({"type": "boolean"}),
        Kind::String => json!({"type": "string"}),
        Kind::Bytes => json!({"type": "string"}),
        Kind::Double => json!({"type": "number"}),
        Kind::Uint32 => json!({"type": "integer", "minimum": 0, "maximum": u32::MAX}),
        Kind::Enum(descriptor) => json!({"type": "string", "enum": words(descriptor)}),
        Kind::Message(message) => match message.full_name() {
            "google.protobuf.Timestamp" => json!({"type": "string", "format": "date-time"}),
            "google.protobuf.Value" => json!({}),
            "google.protobuf.Struct" => json!({"type": "object"}),
            _ => json!({"$ref": format!("{prefix}{}", message.name())}),
        },
        _ => json!({"type": "integer", "minimum": 0}),
    }
}

fn words(descriptor: &EnumDescriptor) -> Vec<String> {
    descriptor.values().filter_map(|value| word(descriptor, value.number())).collect()
}

fn nullable(schema: Value) -> Value {
    let Value::Object(mut members) = schema else { return schema };
    if members.contains_key("$ref") {
        return json!({"anyOf": [members, {"type": "null"}]});
    }
    if let Some(Value::Array(words)) = members.get_mut("enum") {
        words.push(Value::Null);
    }
    if let Some(found) = members.get("type").cloned() {
        members.insert("type".to_owned(), json!([found, "null"]));
    }
    Value::Object(members)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_document_has_its_kind_its_words_and_its_references() {
        let agent = schema("caxton.v1.Agent", "#/components/schemas/");
        assert_eq!(agent["properties"]["kind"], json!({"const": "caxton.agent/v1"}));
        assert_eq!(agent["properties"]["memory-bytes"]["description"], "Memory of its instance, in bytes.");
        assert_eq!(
            agent["properties"]["revisions"]["items"],
            json!({"$ref": "#/components/schemas/Revision"})
        );
        assert_eq!(agent["properties"]["since"]["type"], json!(["string", "null"]));
        assert_eq!(agent["properties"]["restart"]["enum"], json!(["never", "on-failure"]));
        assert_eq!(agent["additionalProperties"], false);
    }

    #[test]
    fn an_answer_that_is_a_document_is_a_reference_to_it() {
        assert_eq!(schema("caxton.v1.GetAgentResponse", DEFS), json!({"$ref": "#/$defs/Agent"}));
        assert_eq!(referred("caxton.v1.GetAgentResponse"), ["Agent", "Revision"].map(String::from).into());
    }

    #[test]
    fn a_request_has_the_members_of_its_manifest() {
        let request = schema("caxton.v1.ApplyAgentRequest", DEFS);
        assert_eq!(request["required"], json!(["component"]));
        assert!(request["properties"].get("canary").is_some());
        assert!(request["properties"].get("manifest").is_none());
    }

    #[test]
    fn a_message_takes_user_parameters_and_either_content() {
        let message = schema("caxton.v1.Message", DEFS);
        assert_eq!(message["patternProperties"]["^[Xx]-"]["type"], "string");
        assert_eq!(message["properties"]["content-base64"]["contentEncoding"], "base64");
        assert_eq!(message["required"], json!(["performative", "receiver"]));
    }

    #[test]
    fn one_of_two_documents_is_told_apart() {
        let outcome = schema("caxton.v1.SendOutcome", DEFS);
        assert_eq!(outcome["oneOf"].as_array().unwrap().len(), 2);
        assert_eq!(outcome["oneOf"][0]["properties"]["status"]["type"], "integer");
    }

    #[test]
    fn every_reference_of_every_message_is_there() {
        for message in pool().all_messages().filter(|message| message.package_name() == "caxton.v1") {
            let whole = standalone(message.full_name());
            let text = whole.to_string();
            for part in text.split("#/$defs/").skip(1) {
                let name = part.split('"').next().unwrap();
                assert!(whole["$defs"].get(name).is_some(), "{name} of {}", message.name());
            }
        }
    }
}
