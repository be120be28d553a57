//! What lies under a key: one byte for the version of the form, then the fields in postcard's encoding.
//!
//! Names and symbols are numbers only inside one run of a server, so a record has their texts. A message's content is
//! the rest of its record, as it is. A record that cannot be read is never guessed at: see [`Unreadable`].

use std::{borrow::Cow, cell::RefCell, collections::HashMap, rc::Rc};

use caxton_abi::{
    Code, Envelope, Extra, Header, Payload, TraceContext, Uid,
    std_types::{RArc, ROption, RVec, Tuple2},
};
use caxton_core::{Bus, DeadLetter, Time, agent::Directory, store::Sighting};
use serde::{Deserialize, Serialize, de::DeserializeOwned};

/// The version of the form of every record.
pub const VERSION: u8 = 1;

/// Why a record was not read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unreadable {
    /// A newer or older server wrote it.
    #[error("its form has version {0}, this server reads version {VERSION}")]
    Version(u8),
    /// Its bytes are not what this version wrote.
    #[error("{0}")]
    Damaged(String),
    /// It is whole, and its names find no place in this server.
    #[error("`{name}` finds no place in this server's tables [{code}]")]
    Name {
        /// Why.
        code: Code,
        /// The name.
        name: String,
    },
}

/// A message without its content.
#[derive(Serialize, Deserialize)]
struct Message<'a> {
    id: u128,
    conversation: u128,
    trace: u128,
    span: u64,
    trace_flags: u8,
    reply_by_ms: u64,
    reply_with: u32,
    in_reply_to: u32,
    performative: u8,
    hop: u8,
    flags: u16,
    class: u8,
    deliveries: u8,
    stored: u64,
    sender: Cow<'a, str>,
    receiver: Cow<'a, str>,
    protocol: Cow<'a, str>,
    ontology: Cow<'a, str>,
    language: Cow<'a, str>,
    encoding: Cow<'a, str>,
    receivers: Vec<String>,
    reply_to: Vec<String>,
    params: Vec<(Cow<'a, str>, Cow<'a, str>)>,
    content_bytes: u64,
}

/// A dead letter without its message.
#[derive(Serialize, Deserialize)]
struct Letter {
    at_ns: u64,
    code: u16,
}

#[derive(Serialize, Deserialize)]
struct Seen {
    sender: String,
    id: u128,
    digest: u64,
}

/// The texts of names and symbols, each looked up once while records are written together.
pub struct Texts<'a> {
    names: &'a dyn Directory,
    addresses: RefCell<HashMap<u32, Rc<str>>>,
    symbols: RefCell<HashMap<u32, Rc<str>>>,
    none: Rc<str>,
}

impl<'a> Texts<'a> {
    /// Those of a directory.
    pub fn of(names: &'a dyn Directory) -> Self {
        Self { names, addresses: RefCell::default(), symbols: RefCell::default(), none: Rc::default() }
    }

    /// The name of an address; empty for none.
    fn name(&self, address: u32) -> Rc<str> {
        self.text(address, &self.addresses, |address| self.names.name_of(address))
    }

    fn symbol(&self, symbol: u32) -> Rc<str> {
        self.text(symbol, &self.symbols, |symbol| self.names.symbol_name(symbol))
    }

    fn text(
        &self,
        number: u32,
        known: &RefCell<HashMap<u32, Rc<str>>>,
        look: impl FnOnce(u32) -> Option<String>,
    ) -> Rc<str> {
        match number {
            0 => Rc::clone(&self.none),
            _ => {
                let text = || look(number).unwrap_or_default().into();
                Rc::clone(known.borrow_mut().entry(number).or_insert_with(text))
            }
        }
    }
}

/// Room for the fields of most messages, so that a record seldom moves while it is written.
const FIELDS_BYTES: usize = 224;

/// Writes a message.
pub fn message(envelope: &Envelope, texts: &Texts<'_>) -> Vec<u8> {
    let mut record = Vec::with_capacity(FIELDS_BYTES + envelope.content.len());
    record.push(VERSION);
    append_message(record, envelope, texts)
}

/// Writes a dead letter.
pub fn letter(letter: &DeadLetter, texts: &Texts<'_>) -> Vec<u8> {
    let record = fields(&Letter { at_ns: letter.at.nanos(), code: letter.code.0 });
    append_message(record, &letter.envelope, texts)
}

/// Writes how often a message was handed out.
pub fn count(deliveries: u8) -> Vec<u8> {
    vec![VERSION, deliveries]
}

/// Writes a sighting.
pub fn sighting(sighting: &Sighting, texts: &Texts<'_>) -> Vec<u8> {
    let Sighting { sender, id, digest, .. } = *sighting;
    fields(&Seen { sender: texts.name(sender).to_string(), id: id.to_u128(), digest })
}

/// Reads a message.
///
/// # Errors
/// See [`Unreadable`].
pub fn read_message(record: &[u8], bus: &Bus) -> Result<Envelope, Unreadable> {
    take_message(versioned(record)?, bus)
}

/// Reads the dead letter of a number.
///
/// # Errors
/// See [`Unreadable`].
pub fn read_letter(number: u64, record: &[u8], bus: &Bus) -> Result<DeadLetter, Unreadable> {
    let (Letter { at_ns, code }, rest) = take(versioned(record)?)?;
    let envelope = take_message(rest, bus)?;
    Ok(DeadLetter { number, at: Time::from_nanos(at_ns), code: Code(code), envelope })
}

/// Reads how often a message was handed out.
///
/// # Errors
/// See [`Unreadable`].
pub fn read_count(record: &[u8]) -> Result<u8, Unreadable> {
    match versioned(record)? {
        [deliveries] => Ok(*deliveries),
        other => Err(Unreadable::Damaged(format!("it has {} bytes, expected 1", other.len()))),
    }
}

/// Reads the sighting of a number.
///
/// # Errors
/// See [`Unreadable`].
pub fn read_sighting(number: u64, record: &[u8], bus: &Bus) -> Result<Sighting, Unreadable> {
    let (Seen { sender, id, digest }, rest) = take(versioned(record)?)?;
    ends(rest, 0)?;
    Ok(Sighting { number, sender: address(&sender, bus)?, id: Uid::from_u128(id), digest })
}

/// What follows the byte of the version.
///
/// # Errors
/// Another version.
pub fn versioned(record: &[u8]) -> Result<&[u8], Unreadable> {
    match record.split_first() {
        Some((&VERSION, fields)) => Ok(fields),
        Some((version, _)) => Err(Unreadable::Version(*version)),
        None => Err(Unreadable::Damaged("it is empty".into())),
    }
}

fn fields(record: &impl Serialize) -> Vec<u8> {
    append(vec![VERSION], record)
}

/// Appends fields; nothing here has a form that postcard refuses, so a failure leaves a record that cannot be read.
fn append(bytes: Vec<u8>, record: &impl Serialize) -> Vec<u8> {
    postcard::to_extend(record, bytes).unwrap_or_default()
}

fn append_message(record: Vec<u8>, envelope: &Envelope, texts: &Texts<'_>) -> Vec<u8> {
    let Envelope { head, content, extra } = envelope;
    let none = Extra::default();
    let extra = match extra {
        ROption::RSome(extra) => extra,
        ROption::RNone => &none,
    };
    let [sender, receiver] = [head.sender, head.receiver].map(|address| texts.name(address));
    let symbols = [head.protocol, head.ontology, head.language, head.encoding];
    let [protocol, ontology, language, encoding] = symbols.map(|symbol| texts.symbol(symbol));
    let all = |addresses: &[u32]| addresses.iter().map(|address| texts.name(*address).to_string()).collect();
    let message = Message {
        id: head.id.to_u128(),
        conversation: head.conversation.to_u128(),
        trace: head.trace.trace.to_u128(),
        span: head.trace.span,
        trace_flags: head.trace.flags,
        reply_by_ms: head.reply_by_ms,
        reply_with: head.reply_with,
        in_reply_to: head.in_reply_to,
        performative: head.performative,
        hop: head.hop,
        flags: head.flags,
        class: head.class,
        deliveries: head.deliveries,
        stored: head.stored,
        sender: Cow::Borrowed(&sender),
        receiver: Cow::Borrowed(&receiver),
        protocol: Cow::Borrowed(&protocol),
        ontology: Cow::Borrowed(&ontology),
        language: Cow::Borrowed(&language),
        encoding: Cow::Borrowed(&encoding),
        receivers: all(&extra.receivers),
        reply_to: all(&extra.reply_to),
        params: extra.params.iter().map(|param| (Cow::from(&*param.0), Cow::from(&*param.1))).collect(),
        content_bytes: content.len() as u64,
    };
    let mut record = append(record, &message);
    record.extend_from_slice(content.as_slice());
    record
}

fn take<T: DeserializeOwned>(bytes: &[u8]) -> Result<(T, &[u8]), Unreadable> {
    postcard::take_from_bytes(bytes).map_err(|error| Unreadable::Damaged(error.to_string()))
}

fn ends(rest: &[u8], expected: u64) -> Result<(), Unreadable> {
    match rest.len() as u64 == expected {
        true => Ok(()),
        false => {
            let text = format!("{} bytes follow its fields, expected {expected}", rest.len());
            Err(Unreadable::Damaged(text))
        }
    }
}

fn take_message(bytes: &[u8], bus: &Bus) -> Result<Envelope, Unreadable> {
    let (message, content): (Message<'static>, _) = take(bytes)?;
    ends(content, message.content_bytes)?;
    if message.receiver.is_empty() {
        return Err(Unreadable::Damaged("it names no receiver".into()));
    }
    let head = Header {
        id: Uid::from_u128(message.id),
        conversation: Uid::from_u128(message.conversation),
        trace: TraceContext {
            trace: Uid::from_u128(message.trace),
            span: message.span,
            flags: message.trace_flags,
        },
        reply_by_ms: message.reply_by_ms,
        sender: address(&message.sender, bus)?,
        receiver: address(&message.receiver, bus)?,
        reply_with: message.reply_with,
        in_reply_to: message.in_reply_to,
        protocol: symbol(&message.protocol, bus)?,
        ontology: symbol(&message.ontology, bus)?,
        language: symbol(&message.language, bus)?,
        encoding: symbol(&message.encoding, bus)?,
        performative: message.performative,
        hop: message.hop,
        flags: message.flags,
        class: message.class,
        deliveries: message.deliveries,
        stored: message.stored,
        ..Header::default()
    };
    let addresses =
        |names: &[String]| names.iter().map(|name| address(name, bus)).collect::<Result<RVec<_>, _>>();
    let extra = Extra {
        receivers: addresses(&message.receivers)?,
        reply_to: addresses(&message.reply_to)?,
        params: message
            .params
            .iter()
            .map(|(name, value)| Tuple2((&**name).into(), (&**value).into()))
            .collect(),
    };
    let extra = if extra == Extra::default() { ROption::RNone } else { ROption::RSome(RArc::new(extra)) };
    Ok(Envelope { head, content: Payload::from(content), extra })
}

/// The number of a name; an absent one is zero.
fn address(name: &str, bus: &Bus) -> Result<u32, Unreadable> {
    if name.is_empty() {
        return Ok(0);
    }
    bus.address(name).map_err(|code| Unreadable::Name { code, name: name.to_owned() })
}

fn symbol(text: &str, bus: &Bus) -> Result<u32, Unreadable> {
    match bus.directory().intern(text) {
        0 if !text.is_empty() => {
            Err(Unreadable::Name { code: Code::SYMBOLS_EXHAUSTED, name: text.to_owned() })
        }
        symbol => Ok(symbol),
    }
}

#[cfg(test)]
mod tests;
