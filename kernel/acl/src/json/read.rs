//! From the JSON tree to a message.

use super::{
    from_base64,
    tree::{self, Value},
};
use crate::{
    aid::{Aid, too_deep},
    error::{Error, Place},
    limits,
    message::{Content, Message},
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
    let root = tree::parse(text.as_ref())?;
    let Value::Object(mut entries) = root else {
        return Err(Error::malformed(
            "an object",
            root.kind(),
            "write {\"performative\": …, \"receiver\": …}",
        ));
    };
    entries.retain(|(_, value)| !matches!(value, Value::Null));
    let mut message = Message::new(performative(&mut entries)?);
    for (key, value) in entries {
        read_entry(&mut message, &key, value, now_ms).map_err(|error| error.at(Place::Field(key)))?;
    }
    message.validate()?;
    Ok(message)
}

fn performative(entries: &mut Vec<(String, Value)>) -> Result<Performative, Error> {
    let Some(index) = entries.iter().position(|(key, _)| key == "performative") else {
        return Err(missing_performative(entries));
    };
    let (key, value) = entries.remove(index);
    string(value).and_then(|text| text.parse()).map_err(|error| error.at(Place::Field(key)))
}

/// Names a misspelt key instead, when there is one: that is the likelier fault.
fn missing_performative(entries: &[(String, Value)]) -> Error {
    match entries.iter().find(|(key, _)| !is_known(key)) {
        Some((key, _)) => unknown(key).at(Place::Field(key.clone())),
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

fn unknown(key: &str) -> Error {
    params::unknown(key, PARAMETERS.into_iter().chain(["performative", "content-base64"]))
}

fn read_entry(message: &mut Message, key: &str, value: Value, now_ms: u64) -> Result<(), Error> {
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
        _ => *message.token_mut(key).ok_or_else(|| unknown(key))? = Some(string(value)?),
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
