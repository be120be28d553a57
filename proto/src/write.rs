//! From a message to JSON.

use base64::{Engine, engine::general_purpose::STANDARD};
use prost_reflect::{
    DynamicMessage, EnumDescriptor, Kind, MapKey, ReflectMessage, Value as Wire,
    prost_types::{Struct, Timestamp, Value as Any},
};
use serde_json::{Map, Value, json};

use crate::{
    contract::{self, Field, shape},
    json_value,
    transcode::Fault,
};

/// Makes a document of a message. What is absent, empty or zero is left out: the operation has its own default for it.
///
/// # Errors
/// When the message has something that JSON cannot say, and where.
pub fn to_json(message: &DynamicMessage) -> Result<Value, Fault> {
    let mut members = Map::new();
    write(message, &mut members)?;
    Ok(Value::Object(members))
}

fn write(message: &DynamicMessage, members: &mut Map<String, Value>) -> Result<(), Fault> {
    let shape = shape(&message.descriptor());
    if !shape.kind.is_empty() {
        members.insert("kind".to_owned(), shape.kind.as_str().into());
    }
    for field in shape.fields.iter().filter(|field| message.has_field(&field.field)) {
        let value = message.get_field(&field.field);
        match value.as_ref() {
            Wire::Message(inner) if field.flat => write(inner, members)?,
            Wire::Map(entries) if field.others => parameters(entries, members)?,
            Wire::Bytes(bytes) if field.is_bytes() => {
                let (key, text) = match std::str::from_utf8(bytes) {
                    Ok(text) => (&field.key, text.to_owned()),
                    Err(_) => (&field.key_of_bytes, STANDARD.encode(bytes)),
                };
                members.insert(key.clone(), text.into());
            }
            other => {
                if let Some(value) = self::value(field, other).map_err(|fault| fault.inside(&field.key))? {
                    members.insert(field.key.clone(), value);
                }
            }
        }
    }
    Ok(())
}

fn parameters(
    entries: &std::collections::HashMap<MapKey, Wire>,
    members: &mut Map<String, Value>,
) -> Result<(), Fault> {
    for (key, value) in entries {
        let (Some(key), Some(value)) = (key.as_str(), value.as_str()) else { continue };
        if !contract::is_user(key) {
            let what = "expected a name that starts with `X-`; name it `X-` and letters, digits or -";
            return Err(Fault::new(what).inside(key).inside("parameters"));
        }
        members.insert(key.to_owned(), value.into());
    }
    Ok(())
}

fn value(field: &Field, wire: &Wire) -> Result<Option<Value>, Fault> {
    let kind = field.field.kind();
    match wire {
        Wire::List(items) => {
            let item = |(index, item): (usize, &Wire)| {
                let value = single(&kind, item).map_err(|fault| fault.inside(&index.to_string()))?;
                Ok(value.unwrap_or(Value::Null))
            };
            items
                .iter()
                .enumerate()
                .map(item)
                .collect::<Result<_, Fault>>()
                .map(|list| Some(Value::Array(list)))
        }
        Wire::Map(entries) => {
            let Kind::Message(entry) = kind else { return Ok(None) };
            let kind = entry.map_entry_value_field().kind();
            let mut members = Map::new();
            for (key, item) in entries {
                let key = key.as_str().unwrap_or_default();
                let value = single(&kind, item).map_err(|fault| fault.inside(key))?;
                members.insert(key.to_owned(), value.unwrap_or(Value::Null));
            }
            Ok(Some(Value::Object(members)))
        }
        single_ => single(&kind, single_),
    }
}

fn single(kind: &Kind, wire: &Wire) -> Result<Option<Value>, Fault> {
    Ok(match wire {
        Wire::Bool(value) => Some(json!(value)),
        Wire::I32(value) => Some(json!(value)),
        Wire::I64(value) => Some(json!(value)),
        Wire::U32(value) => Some(json!(value)),
        Wire::U64(value) => Some(json!(value)),
        Wire::F32(value) => Some(Value::Number(json_value::number_of(f64::from(*value))?)),
        Wire::F64(value) => Some(Value::Number(json_value::number_of(*value)?)),
        Wire::String(value) => Some(json!(value)),
        Wire::Bytes(value) => Some(json!(STANDARD.encode(value))),
        Wire::EnumNumber(number) => word(kind, *number)?,
        Wire::Message(message) => Some(inner(message)?),
        Wire::List(_) | Wire::Map(_) => None,
    })
}

fn word(kind: &Kind, number: i32) -> Result<Option<Value>, Fault> {
    let Kind::Enum(descriptor) = kind else { return Ok(None) };
    match contract::word(descriptor, number) {
        Some(word) => Ok(Some(Value::String(word))),
        None if number == 0 => Ok(None),
        None => Err(unknown(descriptor, number)),
    }
}

fn unknown(descriptor: &EnumDescriptor, number: i32) -> Fault {
    let last = descriptor.values().map(|value| value.number()).max().unwrap_or_default();
    Fault::new(format!("expected a value of {} from 1 to {last}, found {number}", descriptor.name()))
}

fn inner(message: &DynamicMessage) -> Result<Value, Fault> {
    let fault = |error: prost_reflect::prost::DecodeError| Fault::new(error.to_string());
    match message.descriptor().full_name() {
        "google.protobuf.Timestamp" => time(&message.transcode_to().map_err(fault)?),
        "google.protobuf.Value" => json_value::from_proto(&message.transcode_to::<Any>().map_err(fault)?),
        "google.protobuf.Struct" => {
            json_value::from_struct(&message.transcode_to::<Struct>().map_err(fault)?)
        }
        _ => to_json(message),
    }
}

/// A time of the years 1 to 9999, which RFC 3339 can write.
fn time(found: &Timestamp) -> Result<Value, Fault> {
    const FIRST: i64 = -62_135_596_800;
    const LAST: i64 = 253_402_300_799;
    if !(FIRST..=LAST).contains(&found.seconds) || !(0..1_000_000_000).contains(&found.nanos) {
        let what = format!(
            "expected a time of the years 1 to 9999, found {} seconds and {} nanoseconds",
            found.seconds, found.nanos
        );
        return Err(Fault::new(what));
    }
    Ok(Value::String(found.to_string()))
}
