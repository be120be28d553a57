//! Any JSON as `google.protobuf.Value` and back.
//!
//! A number there is a double. Whole ones come back without a point, so that a count stays a count for who reads it as an
//! integer.

use std::collections::BTreeMap;

use prost_reflect::prost_types::{ListValue, NullValue, Struct, Value as Proto, value::Kind};
use serde_json::{Map, Number, Value};

use crate::transcode::Fault;

/// From here on not every whole number is a double.
const WHOLE_MAX: f64 = 9_007_199_254_740_992.0;

/// JSON as a message. Bounded by what the JSON's parser takes: 128 levels.
pub(crate) fn to_proto(value: &Value) -> Proto {
    let kind = match value {
        Value::Null => Kind::NullValue(NullValue::NullValue as i32),
        Value::Bool(value) => Kind::BoolValue(*value),
        Value::Number(number) => Kind::NumberValue(number.as_f64().unwrap_or_default()),
        Value::String(text) => Kind::StringValue(text.clone()),
        Value::Array(items) => Kind::ListValue(ListValue { values: items.iter().map(to_proto).collect() }),
        Value::Object(members) => Kind::StructValue(to_struct(members)),
    };
    Proto { kind: Some(kind) }
}

/// An object as a message.
pub(crate) fn to_struct(members: &Map<String, Value>) -> Struct {
    let fields: BTreeMap<String, Proto> =
        members.iter().map(|(key, value)| (key.clone(), to_proto(value))).collect();
    Struct { fields: fields.into_iter().collect() }
}

/// A message as JSON. Bounded by what the decoder of messages takes: 100 levels.
pub(crate) fn from_proto(value: &Proto) -> Result<Value, Fault> {
    Ok(match &value.kind {
        None | Some(Kind::NullValue(_)) => Value::Null,
        Some(Kind::BoolValue(value)) => Value::Bool(*value),
        Some(Kind::NumberValue(number)) => Value::Number(number_of(*number)?),
        Some(Kind::StringValue(text)) => Value::String(text.clone()),
        Some(Kind::ListValue(list)) => {
            Value::Array(list.values.iter().map(from_proto).collect::<Result<_, _>>()?)
        }
        Some(Kind::StructValue(object)) => from_struct(object)?,
    })
}

/// A message as an object.
pub(crate) fn from_struct(object: &Struct) -> Result<Value, Fault> {
    let member = |(key, value): (&String, &Proto)| {
        from_proto(value).map(|value| (key.clone(), value)).map_err(|fault| fault.inside(key))
    };
    object.fields.iter().map(member).collect::<Result<Map<_, _>, _>>().map(Value::Object)
}

pub(crate) fn number_of(number: f64) -> Result<Number, Fault> {
    if number.fract() == 0.0 && number.abs() <= WHOLE_MAX {
        return Ok(Number::from(number as i64));
    }
    Number::from_f64(number)
        .ok_or_else(|| Fault::new(format!("expected a number that JSON has, found {number}")))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn any_json_comes_back_the_same() {
        let value = json!({"a":[1, -2, 0.5, true, null, "x", {"b":{}}], "big": 9_007_199_254_740_992_i64});
        assert_eq!(from_proto(&to_proto(&value)), Ok(value));
    }

    #[test]
    fn what_json_cannot_say_is_refused() {
        let infinite = Proto { kind: Some(Kind::NumberValue(f64::INFINITY)) };
        let inside = Struct { fields: [("x".to_owned(), infinite)].into_iter().collect() };
        let fault = from_struct(&inside).unwrap_err();
        assert_eq!(fault.to_string(), "in `x`: expected a number that JSON has, found inf");
    }
}
