//! The parser: from the tokens of SC00070 to a message. Limits are checked as soon as a parameter is read.

use super::cursor::{Cursor, Value, unclosed};
use crate::{
    aid::{Aid, too_deep},
    error::{Error, Place, shown},
    json::from_base64,
    limits,
    message::{self, Content, Message},
    params::{self, CONTENT_ENCODING, PARAMETERS},
    time::ReplyBy,
};

/// Parameters of an agent identifier.
const AGENT_PARAMETERS: [&str; 3] = ["name", "addresses", "resolvers"];

/// Reads a message from its SC00070 text; `now_ms` (since the epoch, UTC) gives a relative `reply-by` its meaning.
///
/// # Errors
/// [`Error`] with the byte offset; also what [`Message::validate`] refuses.
pub fn from_string(text: impl AsRef<[u8]>, now_ms: u64) -> Result<Message, Error> {
    let mut reader = Reader {
        cursor: Cursor::new(text.as_ref()),
        now_ms,
        seen: Vec::new(),
        content_at: 0,
        is_base64: false,
    };
    let message = reader.message()?;
    message.validate()?;
    Ok(message)
}

struct Reader<'a> {
    cursor: Cursor<'a>,
    now_ms: u64,
    /// Lower-case names of the message's parameters so far.
    seen: Vec<String>,
    /// Where the content stands.
    content_at: usize,
    /// Whether the content was said to be base64.
    is_base64: bool,
}

impl Reader<'_> {
    fn message(&mut self) -> Result<Message, Error> {
        let start = self.cursor.next_offset();
        if !self.cursor.eat(b'(') {
            return Err(self.cursor.unexpected("`(` and a communicative act", "write (inform :receiver …)"));
        }
        let place = Place::Byte(self.cursor.next_offset());
        let mut message = Message::new(
            self.cursor.word("a communicative act")?.parse().map_err(|error: Error| error.at(place))?,
        );
        while !self.cursor.eat(b')') {
            if self.cursor.next_byte().is_none() {
                return Err(unclosed(start));
            }
            let place = Place::Byte(self.cursor.next_offset());
            self.parameter(&mut message).map_err(|error| error.at(place))?;
        }
        if self.cursor.next_byte().is_some() {
            return Err(self
                .cursor
                .unexpected("the end of the text", "send one message, with balanced parentheses"));
        }
        self.decode_content(&mut message)?;
        Ok(message)
    }

    fn parameter(&mut self, message: &mut Message) -> Result<(), Error> {
        let name = parameter_name(&mut self.cursor)?;
        let known = name.to_ascii_lowercase();
        if !PARAMETERS.contains(&known.as_str()) && !params::is_user(&known) {
            return Err(params::unknown(&name, PARAMETERS));
        }
        if self.seen.contains(&known) {
            return Err(params::twice(&name));
        }
        let place = Place::Byte(self.cursor.next_offset());
        self.parameter_value(message, &name, &known).map_err(|error| error.at(place))?;
        self.seen.push(known);
        Ok(())
    }

    /// Reads the value of the parameter `name`, which is a valid one; `known` is the name in lower case.
    fn parameter_value(&mut self, message: &mut Message, name: &str, known: &str) -> Result<(), Error> {
        match known {
            "sender" => {
                let sender = agent(&mut self.cursor, limits::RESOLVER_DEPTH_MAX)?;
                message.sender = Some(sender);
            }
            "receiver" => {
                message.receiver = self.agent_set(limits::RECEIVERS_MAX)?;
                message::check_receivers(&message.receiver)?;
            }
            "reply-to" => {
                message.reply_to = self.agent_set(limits::REPLY_TO_MAX)?;
                message::check_reply_to(&message.reply_to)?;
            }
            "content" => {
                self.content_at = self.cursor.next_offset();
                message.content = Some(match self.cursor.value()? {
                    Value::Text(text) => Content::Text(text),
                    Value::Bytes(bytes) => Content::Bytes(bytes),
                });
            }
            "reply-by" => {
                message.reply_by = Some(ReplyBy::parse(&self.cursor.text()?)?.resolve(self.now_ms)?)
            }
            _ if known.eq_ignore_ascii_case(CONTENT_ENCODING) => self.content_encoding()?,
            _ if params::is_user(known) => user_parameter(&mut self.cursor, name, &mut message.params)?,
            _ => {
                let slot = message.token_mut(known).ok_or_else(|| params::unknown(name, PARAMETERS))?;
                let value = self.cursor.text()?;
                message::check_token(&value)?;
                *slot = Some(value);
            }
        }
        Ok(())
    }

    /// Reads `(set AID*)`, at most one more than `max`.
    fn agent_set(&mut self, max: usize) -> Result<Vec<Aid>, Error> {
        let opening = self.cursor.next_offset();
        self.cursor.open("set")?;
        let mut agents = Vec::new();
        while !self.cursor.eat(b')') {
            if self.cursor.next_byte().is_none() {
                return Err(unclosed(opening));
            }
            agents.push(agent(&mut self.cursor, limits::RESOLVER_DEPTH_MAX)?);
            if agents.len() > max {
                break;
            }
        }
        Ok(agents)
    }

    fn content_encoding(&mut self) -> Result<(), Error> {
        let encoding = self.cursor.text()?;
        if !encoding.eq_ignore_ascii_case("base64") {
            let fix = "send the bytes as base64, or use :encoding for the content's own";
            return Err(Error::malformed("Base64", shown(&encoding), fix));
        }
        self.is_base64 = true;
        Ok(())
    }

    /// Undoes JADE's base64, which may be announced before or after the content.
    fn decode_content(&self, message: &mut Message) -> Result<(), Error> {
        let place = Place::Byte(self.content_at);
        if let (true, Some(Content::Text(text))) = (self.is_base64, &message.content) {
            let bytes = from_base64(text).map_err(|error| error.at(place.clone()))?;
            message.content = Some(Content::Bytes(bytes));
        }
        message.content.iter().try_for_each(message::check_content).map_err(|error| error.at(place))
    }
}

/// Reads `:name`.
fn parameter_name(cursor: &mut Cursor<'_>) -> Result<String, Error> {
    if cursor.next_byte() != Some(b':') {
        return Err(
            cursor.unexpected("a parameter such as `:content`, or `)`", "put texts with spaces into quotes")
        );
    }
    cursor.word("a parameter").map(|word| word.strip_prefix(':').unwrap_or(word).to_owned())
}

/// Reads an agent identifier; recursion ends with `depth_left`, which counts levels of resolvers.
fn agent(cursor: &mut Cursor<'_>, depth_left: usize) -> Result<Aid, Error> {
    let opening = cursor.next_offset();
    cursor.open("agent-identifier")?;
    let mut parts = AgentParts::default();
    while !cursor.eat(b')') {
        if cursor.next_byte().is_none() {
            return Err(unclosed(opening));
        }
        let place = Place::Byte(cursor.next_offset());
        agent_parameter(cursor, &mut parts, depth_left).map_err(|error| error.at(place))?;
    }
    let place = Place::Byte(opening);
    let missing = || Error::malformed("`:name`", "none", "name the agent").at(place.clone());
    let mut aid = parts.name.ok_or_else(missing)?;
    aid.addresses = parts.addresses.unwrap_or_default();
    aid.resolvers = parts.resolvers.unwrap_or_default();
    aid.params = parts.params;
    aid.check().map_err(|error| error.at(place))?;
    Ok(aid)
}

#[derive(Default)]
struct AgentParts {
    name: Option<Aid>,
    addresses: Option<Vec<String>>,
    resolvers: Option<Vec<Aid>>,
    params: Vec<(String, String)>,
}

fn agent_parameter(cursor: &mut Cursor<'_>, parts: &mut AgentParts, depth_left: usize) -> Result<(), Error> {
    let name = parameter_name(cursor)?;
    let repeated = match name.to_ascii_lowercase().as_str() {
        "name" => {
            let place = Place::Byte(cursor.next_offset());
            let aid = cursor.text().and_then(Aid::new).map_err(|error| error.at(place))?;
            parts.name.replace(aid).is_some()
        }
        "addresses" => {
            let addresses = sequence(cursor, limits::ADDRESSES_MAX, |cursor| cursor.text())?;
            parts.addresses.replace(addresses).is_some()
        }
        "resolvers" => {
            let below = depth_left.checked_sub(1).ok_or_else(too_deep)?;
            let resolvers = sequence(cursor, limits::RESOLVERS_MAX, |cursor| agent(cursor, below))?;
            parts.resolvers.replace(resolvers).is_some()
        }
        known if params::is_user(known) => {
            user_parameter(cursor, &name, &mut parts.params)?;
            false
        }
        _ => return Err(params::unknown(&name, AGENT_PARAMETERS)),
    };
    if repeated { Err(params::twice(&name)) } else { Ok(()) }
}

/// Reads `(sequence item*)`, at most one more than `max`, which [`Aid::check`] then refuses.
fn sequence<T>(
    cursor: &mut Cursor<'_>,
    max: usize,
    read: impl Fn(&mut Cursor<'_>) -> Result<T, Error>,
) -> Result<Vec<T>, Error> {
    let opening = cursor.next_offset();
    cursor.open("sequence")?;
    let mut items = Vec::new();
    while !cursor.eat(b')') {
        if cursor.next_byte().is_none() {
            return Err(unclosed(opening));
        }
        if items.len() == max {
            return Err(Error::over("a sequence", "entries", max + 1, max).at(Place::Byte(opening)));
        }
        items.push(read(cursor)?);
    }
    Ok(items)
}

fn user_parameter(
    cursor: &mut Cursor<'_>,
    name: &str,
    list: &mut Vec<(String, String)>,
) -> Result<(), Error> {
    let value = cursor.text()?;
    list.push((name.to_owned(), value));
    params::check_all(list)
}
