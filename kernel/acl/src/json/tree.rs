//! Reads JSON into a small tree, refusing what plain parsers let pass: a key twice, too many keys, too deep nesting.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor};

use crate::{
    error::{Error, Place, shown},
    limits,
};

/// A JSON value, as far as a message needs it.
#[derive(Debug)]
pub(super) enum Value {
    Null,
    Text(String),
    List(Vec<Value>),
    Object(Vec<(String, Value)>),
    /// A number or a truth value, which no parameter takes; its kind in words.
    Other(&'static str),
}

impl Value {
    /// The value's kind in words, for error messages.
    pub(super) const fn kind(&self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Text(_) => "a string",
            Self::List(_) => "a list",
            Self::Object(_) => "an object",
            Self::Other(kind) => kind,
        }
    }
}

/// Reads one JSON value and nothing after it.
pub(super) fn parse(text: &[u8]) -> Result<Value, Error> {
    let mut deserializer = serde_json::Deserializer::from_slice(text);
    let value = Level(limits::NESTING_MAX).deserialize(&mut deserializer);
    value.and_then(|value| deserializer.end().map(|()| value)).map_err(|error| refusal(&error))
}

fn refusal(error: &serde_json::Error) -> Error {
    let (line, column) = (error.line(), error.column());
    let text = error.to_string();
    let reason = text.strip_suffix(&format!(" at line {line} column {column}")).unwrap_or(&text);
    Error::malformed("a JSON message", reason, "correct the text there").at(Place::Line(line, column))
}

/// How many more levels of lists and objects may open.
#[derive(Clone, Copy)]
struct Level(usize);

impl Level {
    fn below<E: serde::de::Error>(self) -> Result<Self, E> {
        let max = limits::NESTING_MAX;
        self.0.checked_sub(1).map(Self).ok_or_else(|| E::custom(format!("more than {max} levels of nesting")))
    }
}

impl<'de> DeserializeSeed<'de> for Level {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Level {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, _: bool) -> Result<Value, E> {
        Ok(Value::Other("a truth value"))
    }

    fn visit_u64<E>(self, _: u64) -> Result<Value, E> {
        Ok(Value::Other("a number"))
    }

    fn visit_i64<E>(self, _: i64) -> Result<Value, E> {
        Ok(Value::Other("a number"))
    }

    fn visit_f64<E>(self, _: f64) -> Result<Value, E> {
        Ok(Value::Other("a number"))
    }

    fn visit_str<E>(self, text: &str) -> Result<Value, E> {
        Ok(Value::Text(text.to_owned()))
    }

    fn visit_string<E>(self, text: String) -> Result<Value, E> {
        Ok(Value::Text(text))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut entries: A) -> Result<Value, A::Error> {
        let below = self.below()?;
        let mut list = Vec::new();
        while list.len() < limits::JSON_LIST_MAX {
            match entries.next_element_seed(below)? {
                Some(value) => list.push(value),
                None => return Ok(Value::List(list)),
            }
        }
        while entries.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Value::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Value, A::Error> {
        let below = self.below()?;
        let mut object: Vec<(String, Value)> = Vec::new();
        while let Some(key) = entries.next_key::<String>()? {
            if object.iter().any(|(known, _)| *known == key) {
                return Err(A::Error::custom(format!("the key {} again", shown(&key))));
            }
            if object.len() == limits::JSON_KEYS_MAX {
                return Err(A::Error::custom(format!("more than {} keys", limits::JSON_KEYS_MAX)));
            }
            object.push((key, entries.next_value_seed(below)?));
        }
        Ok(Value::Object(object))
    }
}
