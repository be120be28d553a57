//! From JSON to a message.

use std::collections::HashMap;

use base64::{Engine, engine::general_purpose::STANDARD};
use prost_reflect::{
    DynamicMessage, EnumDescriptor, Kind, MapKey, MessageDescriptor, ReflectMessage, Value as Wire,
    prost_types::Timestamp,
};
use serde_json::{Map, Value};

use crate::{
    contract::{self, Field, Shape, shape},
    json_value,
    transcode::{Fault, Unknown},
};

/// Characters of a value that a fault repeats.
const SHOWN_CHARS_MAX: usize = 48;

/// Makes a message of a document.
///
/// # Errors
/// When the document is not what the contract says of the message, and where.
pub fn from_json(
    message: &MessageDescriptor,
    document: &Value,
    unknown: Unknown,
) -> Result<DynamicMessage, Fault> {
    let Value::Object(members) = document else { return Err(expected("an object", document)) };
    let reader = Reader { unknown };
    reader.object(message, members)
}

struct Reader {
    unknown: Unknown,
}

impl Reader {
    fn object(
        &self,
        message: &MessageDescriptor,
        members: &Map<String, Value>,
    ) -> Result<DynamicMessage, Fault> {
        let shape = shape(message);
        if self.unknown == Unknown::Refuse
            && let Some(key) = members.keys().find(|key| !shape.knows(key))
        {
            return Err(Fault::new(format!("the key `{}` is not known", shown(key))));
        }
        self.members(message, shape, members)
    }

    fn members(
        &self,
        message: &MessageDescriptor,
        shape: &Shape,
        members: &Map<String, Value>,
    ) -> Result<DynamicMessage, Fault> {
        if let Some(kind) = members.get("kind").filter(|_| !shape.kind.is_empty())
            && *kind != shape.kind.as_str()
        {
            return Err(expected(&format!("`{}`", shape.kind), kind).inside("kind"));
        }
        let mut made = DynamicMessage::new(message.clone());
        for field in &shape.fields {
            let value = if field.is_variant() {
                self.variant(shape, field, members)?
            } else if field.flat {
                self.flat(field, members)?
            } else if field.others {
                Some(others(members)?)
            } else {
                self.member(field, members)?
            };
            if let Some(value) = value {
                let set = made.try_set_field(&field.field, value);
                set.map_err(|error| Fault::new(error.to_string()).inside(&field.key))?;
            }
        }
        Ok(made)
    }

    fn flat(&self, field: &Field, members: &Map<String, Value>) -> Result<Option<Wire>, Fault> {
        let Some(message) = field.message() else { return Ok(None) };
        self.members(&message, shape(&message), members).map(|made| Some(Wire::Message(made)))
    }

    /// The variant whose `kind` the object has; without one the variant that has none.
    fn variant(
        &self,
        around: &Shape,
        field: &Field,
        members: &Map<String, Value>,
    ) -> Result<Option<Wire>, Fault> {
        let kind_of = |field: &Field| field.message().map(|message| shape(&message).kind.as_str());
        let kind = members.get("kind").and_then(Value::as_str).unwrap_or_default();
        let variants = || around.fields.iter().filter(|field| field.is_variant());
        let chosen = variants()
            .find(|field| kind_of(field) == Some(kind))
            .or_else(|| variants().find(|field| kind_of(field) == Some("")));
        match chosen {
            Some(chosen) if chosen.key == field.key => self.flat(field, members),
            _ => Ok(None),
        }
    }

    fn member(&self, field: &Field, members: &Map<String, Value>) -> Result<Option<Wire>, Fault> {
        if let Some(value) =
            members.get(&field.key_of_bytes).filter(|value| field.is_bytes() && !value.is_null())
        {
            return bytes(value).map(Some).map_err(|fault| fault.inside(&field.key_of_bytes));
        }
        match members.get(&field.key) {
            None => Ok(None),
            Some(Value::Null) if field.optional() => Ok(None),
            Some(value) => self.value(field, value).map_err(|fault| fault.inside(&field.key)),
        }
    }

    fn value(&self, field: &Field, value: &Value) -> Result<Option<Wire>, Fault> {
        let kind = field.field.kind();
        if field.field.is_map() {
            let Kind::Message(entry) = kind else { return Ok(None) };
            return self.map(&entry.map_entry_value_field().kind(), value).map(Some);
        }
        if field.field.is_list() {
            return self.list(&kind, value).map(Some);
        }
        self.single(&kind, value).map(Some)
    }

    fn map(&self, kind: &Kind, value: &Value) -> Result<Wire, Fault> {
        let Value::Object(members) = value else { return Err(expected("an object", value)) };
        let entry = |(key, value): (&String, &Value)| {
            let value = self.single(kind, value).map_err(|fault| fault.inside(key))?;
            Ok((MapKey::String(key.clone()), value))
        };
        members.iter().map(entry).collect::<Result<HashMap<_, _>, _>>().map(Wire::Map)
    }

    fn list(&self, kind: &Kind, value: &Value) -> Result<Wire, Fault> {
        let Value::Array(items) = value else { return Err(expected("a list", value)) };
        let item = |(index, value): (usize, &Value)| {
            self.single(kind, value).map_err(|fault| fault.inside(&index.to_string()))
        };
        items.iter().enumerate().map(item).collect::<Result<_, _>>().map(Wire::List)
    }

    fn single(&self, kind: &Kind, value: &Value) -> Result<Wire, Fault> {
        let made = match kind {
            Kind::Bool => value.as_bool().map(Wire::Bool),
            Kind::String => value.as_str().map(|text| Wire::String(text.to_owned())),
            Kind::Bytes => value.as_str().map(|text| Wire::Bytes(text.as_bytes().to_vec().into())),
            Kind::Uint32 => value.as_u64().and_then(|value| u32::try_from(value).ok()).map(Wire::U32),
            Kind::Uint64 => value.as_u64().map(Wire::U64),
            Kind::Double => value.as_f64().map(Wire::F64),
            Kind::Enum(descriptor) => return self.word(descriptor, value),
            Kind::Message(message) => return self.message(message, value),
            _ => None,
        };
        made.ok_or_else(|| expected(name(kind), value))
    }

    fn word(&self, descriptor: &EnumDescriptor, value: &Value) -> Result<Wire, Fault> {
        let found = value.as_str().and_then(|word| contract::number(descriptor, word));
        match found {
            Some(number) => Ok(Wire::EnumNumber(number)),
            None if self.unknown == Unknown::Skip && value.is_string() => Ok(Wire::EnumNumber(0)),
            None => {
                let words: Vec<String> = descriptor
                    .values()
                    .filter_map(|value| contract::word(descriptor, value.number()))
                    .collect();
                Err(expected(&format!("one of {}", words.join(", ")), value))
            }
        }
    }

    fn message(&self, message: &MessageDescriptor, value: &Value) -> Result<Wire, Fault> {
        let of = |known: Result<DynamicMessage, Fault>| known.map(Wire::Message);
        match (message.full_name(), value) {
            ("google.protobuf.Timestamp", value) => {
                let time = value.as_str().and_then(|text| text.parse::<Timestamp>().ok());
                of(time
                    .ok_or_else(|| expected("an RFC 3339 time", value))
                    .and_then(|time| known(message, &time)))
            }
            ("google.protobuf.Value", value) => of(known(message, &json_value::to_proto(value))),
            ("google.protobuf.Struct", Value::Object(members)) => {
                of(known(message, &json_value::to_struct(members)))
            }
            (_, Value::Object(members)) => of(self.object(message, members)),
            (_, value) => Err(expected("an object", value)),
        }
    }
}

/// A message of a package that has Rust types, as one of the contract.
fn known<T: prost_reflect::prost::Message>(
    message: &MessageDescriptor,
    value: &T,
) -> Result<DynamicMessage, Fault> {
    let mut made = DynamicMessage::new(message.clone());
    made.transcode_from(value).map_err(|error| Fault::new(error.to_string()))?;
    debug_assert_eq!(made.descriptor().full_name(), message.full_name());
    Ok(made)
}

fn bytes(value: &Value) -> Result<Wire, Fault> {
    let decoded = value.as_str().and_then(|text| STANDARD.decode(text).ok());
    decoded.map(|bytes| Wire::Bytes(bytes.into())).ok_or_else(|| expected("base64", value))
}

/// The user parameters of an object.
fn others(members: &Map<String, Value>) -> Result<Wire, Fault> {
    let entry = |(key, value): (&String, &Value)| match value {
        Value::String(text) => Ok((MapKey::String(key.clone()), Wire::String(text.clone()))),
        _ => Err(expected("a text", value).inside(key)),
    };
    let members = members.iter().filter(|(key, _)| contract::is_user(key));
    members.map(entry).collect::<Result<HashMap<_, _>, _>>().map(Wire::Map)
}

fn name(kind: &Kind) -> &'static str {
    match kind {
        Kind::Bool => "true or false",
        Kind::String | Kind::Bytes => "a text",
        Kind::Uint32 => "a whole number from 0 to 4294967295",
        Kind::Uint64 => "a whole number from 0 on",
        Kind::Double => "a number",
        _ => "a value that the contract has",
    }
}

fn expected(what: &str, found: &Value) -> Fault {
    Fault::new(format!("expected {what}, found {}", shown(&found.to_string())))
}

fn shown(text: &str) -> String {
    text.chars().take(SHOWN_CHARS_MAX).collect()
}
