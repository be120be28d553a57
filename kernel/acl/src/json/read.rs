//! From the JSON tree to a message.

use super::{
    from_base64,
    tree::{self, Value},
};
use crate::{
    aid::{Aid, too_deep},
    error::{Error, Place},
    limits,
    message::{Content, Message, check_token},
    params::{self, PARAMETERS},
    performative::Performative,
    time::ReplyBy,
};

/// Keys of an agent that is written as an object.
const AGENT_KEYS: [&str; 3] = ["name", "addresses", "resolvers"];

/// Reads a message from JSON text; `now_ms` (since the epoch, UTC) gives a relative `reply-by` its meaning.
///
/// # Errors
/// [`Error`] with the line and column for text that is not JSON, else with the field; also what
/// [`Message::validate`] refuses.
pub fn from_json(text: impl AsRef<[u8]>, now_ms: u64) -> Result<Message, Error> {
    from_json_with(text, now_ms, []).map(|(message, [])| message)
}

/// Reads a message and beside it the strings under `keys`, which belong to the transport and not to the message, such
/// as how it is to be delivered.
///
/// # Errors
/// As [`from_json`].
pub fn from_json_with<const N: usize>(
    text: impl AsRef<[u8]>,
    now_ms: u64,
    keys: [&str; N],
) -> Result<(Message, [Option<String>; N]), Error> {
    let root = tree::parse(text.as_ref())?;
    let Value::Object(mut entries) = root else {
        return Err(Error::malformed(
            "an object",
            root.kind(),
            "write {\"performative\": …, \"receiver\": …}",
        ));
    };
    entries.retain(|(_, value)| !matches!(value, Value::Null));
    let mut beside = [const { None }; N];
    for (key, found) in keys.iter().zip(&mut beside) {
        *found = take(&mut entries, key).map(|(key, value)| token(key, value)).transpose()?;
    }
    let mut message = Message::new(performative(&mut entries, &keys)?);
    for (key, value) in entries {
        read_entry(&mut message, &key, value, now_ms, &keys).map_err(|error| error.at(Place::Field(key)))?;
    }
    message.validate()?;
    Ok((message, beside))
}

fn take(entries: &mut Vec<(String, Value)>, wanted: &str) -> Option<(String, Value)> {
    let index = entries.iter().position(|(key, _)| key == wanted)?;
    Some(entries.remove(index))
}

/// A string no longer than the text parameters of a message.
fn token(key: String, value: Value) -> Result<String, Error> {
    let read = string(value).and_then(|text| check_token(&text).map(|()| text));
    read.map_err(|error| error.at(Place::Field(key)))
}

fn performative(entries: &mut Vec<(String, Value)>, beside: &[&str]) -> Result<Performative, Error> {
    let Some((key, value)) = take(entries, "performative") else {
        return Err(missing_performative(entries, beside));
    };
    string(value).and_then(|text| text.parse()).map_err(|error| error.at(Place::Field(key)))
}

/// Names a misspelt key instead, when there is one: that is the likelier fault.
fn missing_performative(entries: &[(String, Value)], beside: &[&str]) -> Error {
    match entries.iter().find(|(key, _)| !is_known(key)) {
        Some((key, _)) => unknown(key, beside).at(Place::Field(key.clone())),
        None => Error::malformed(
            "the key `performative`",
            "none",
            "add it, for example \"performative\": \"inform\"",
        ),
    }
}

fn is_known(key: &str) -> bool {
    PARAMETERS.contains(&key) || key == "content-base64" || params::is_user(key)
}

fn unknown(key: &str, beside: &[&str]) -> Error {
    let known = PARAMETERS.into_iter().chain(["performative", "content-base64"]);
    params::unknown(key, known.chain(beside.iter().copied()))
}

fn read_entry(
    message: &mut Message,
    key: &str,
    value: Value,
    now_ms: u64,
    beside: &[&str],
) -> Result<(), Error> {
    match key {
        "sender" => message.sender = Some(agent(value, key, limits::RESOLVER_DEPTH_MAX)?),
        "receiver" => message.receiver = agents(value, key, limits::RESOLVER_DEPTH_MAX)?,
        "reply-to" => message.reply_to = agents(value, key, limits::RESOLVER_DEPTH_MAX)?,
        "content" | "content-base64" if message.content.is_some() => {
            return Err(Error::malformed(
                "one content",
                "`content` and `content-base64`",
                "remove one of the two",
            ));
        }
        "content" => message.content = Some(Content::Text(string(value)?)),
        "content-base64" => message.content = Some(Content::Bytes(from_base64(&string(value)?)?)),
        "reply-by" => message.reply_by = Some(ReplyBy::parse(&string(value)?)?.resolve(now_ms)?),
        _ if params::is_user(key) => message.params.push((key.to_owned(), string(value)?)),
        _ => *message.token_mut(key).ok_or_else(|| unknown(key, beside))? = Some(string(value)?),
    }
    Ok(())
}

/// One agent or a list of agents.
fn agents(value: Value, path: &str, depth_left: usize) -> Result<Vec<Aid>, Error> {
    let Value::List(entries) = value else {
        return Ok(vec![agent(value, path, depth_left)?]);
    };
    let read = |(index, entry)| agent(entry, &format!("{path}[{index}]"), depth_left);
    entries.into_iter().enumerate().map(read).collect()
}

/// Recursion ends with `depth_left`, which counts levels of resolvers.
fn agent(value: Value, path: &str, depth_left: usize) -> Result<Aid, Error> {
    let place = |part: &str| Place::Field(format!("{path}{part}"));
    let mut entries = match value {
        Value::Object(entries) => entries,
        other => return string(other).and_then(Aid::new).map_err(|error| error.at(place(""))),
    };
    let index = entries.iter().position(|(key, _)| key == "name").ok_or_else(|| {
        Error::malformed("the key `name`", "none", "add it, or write the agent as a string").at(place(""))
    })?;
    let (_, name) = entries.remove(index);
    let mut aid = string(name).and_then(Aid::new).map_err(|error| error.at(place(".name")))?;
    for (key, value) in entries {
        let part = format!(".{key}");
        read_agent_entry(&mut aid, &key, value, path, depth_left).map_err(|error| error.at(place(&part)))?;
    }
    Ok(aid)
}

fn read_agent_entry(
    aid: &mut Aid,
    key: &str,
    value: Value,
    path: &str,
    depth_left: usize,
) -> Result<(), Error> {
    match key {
        "addresses" => aid.addresses = strings(value)?,
        "resolvers" => {
            let below = depth_left.checked_sub(1).ok_or_else(too_deep)?;
            aid.resolvers = agents(value, &format!("{path}.resolvers"), below)?;
        }
        _ if params::is_user(key) => aid.params.push((key.to_owned(), string(value)?)),
        _ => return Err(params::unknown(key, AGENT_KEYS)),
    }
    Ok(())
}

fn strings(value: Value) -> Result<Vec<String>, Error> {
    match value {
        Value::List(entries) => entries.into_iter().map(string).collect(),
        other => Ok(vec![string(other)?]),
    }
}

fn string(value: Value) -> Result<String, Error> {
    match value {
        Value::Text(text) => Ok(text),
        other => Err(Error::malformed("a string", other.kind(), "put it into double quotes")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = r#"{"performative": "inform", "receiver": "a", "class": "acked", "id": null}"#;

    #[test]
    fn reads_what_stands_beside_the_message() {
        let (message, beside) = from_json_with(TEXT, 0, ["class", "id"]).unwrap();
        assert_eq!(beside, [Some("acked".to_owned()), None]);
        assert_eq!(message.receiver.len(), 1);
    }

    #[test]
    fn what_was_not_asked_for_is_an_unknown_key() {
        assert!(from_json(TEXT, 0).unwrap_err().to_string().starts_with("in `class`: "));
    }

    #[test]
    fn what_stands_beside_is_a_bounded_string() {
        let with =
            |class: &str| format!(r#"{{"performative": "inform", "receiver": "a", "class": {class}}}"#);
        for class in ["2", "[]", &format!("{:?}", "x".repeat(limits::TOKEN_BYTES_MAX + 1))] {
            let error = from_json_with(with(class), 0, ["class"]).unwrap_err();
            assert_eq!(error.place(), &Place::Field("class".to_owned()), "{class}");
        }
    }
}
