//! From the text message of a client to the records of the server and back.
//!
//! Names become addresses, protocol and language texts become symbols, the conversation-id becomes a number. The
//! client's own texts for conversation-id and reply-with are not kept by the server; whoever waits for the answer keeps
//! them, see [`Texts`].

use std::sync::Arc;

use caxton_abi::{
    Code, Envelope, Extra, Header, Payload, TraceContext, Uid, flags,
    std_types::{RArc, ROption, Tuple2},
};
use caxton_acl::{Aid, Content, DateTime, Message, Performative, conversation_uid};

use super::Delivery;
use crate::{Error, Host};

/// A message that is ready to be sent: one envelope for each receiver.
#[derive(Clone)]
pub struct Outgoing {
    /// One copy for each receiver, in the order of `receivers`.
    pub copies: Vec<Envelope>,
    /// Full names of the receivers.
    pub receivers: Vec<String>,
    /// The conversation as the client wrote it, or as minted.
    pub texts: Texts,
    /// The conversation's number.
    pub conversation: Uid,
    /// The number that answers repeat.
    pub reply_with: u32,
    /// What the client asked of the delivery.
    pub delivery: Delivery,
}

/// The client's own words for what the server counts.
#[derive(Clone, Debug, Default)]
pub struct Texts {
    /// The conversation-id.
    pub conversation: String,
    /// The reply-with, which the answer's in-reply-to repeats; `None` when the client gave none.
    pub reply_with: Option<String>,
}

/// Who sends, and what it takes from the request beside the message.
pub struct Sender<'a> {
    /// The server.
    pub host: &'a Host,
    /// The endpoint's address.
    pub address: u32,
    /// A fresh number, used as reply-with where the client's text is not a number.
    pub number: u32,
    /// The request's trace.
    pub trace: Option<TraceContext>,
}

impl Sender<'_> {
    /// Turns a message into records.
    ///
    /// # Errors
    /// When the message names a sender or an in-reply-to that is not a number, or a table of the server is full.
    pub fn outgoing(&self, message: Message, delivery: Delivery) -> Result<Outgoing, Error> {
        if message.sender.is_some() {
            let detail = "in `sender`: the server sets the sender of what a client sends";
            return Err(Error::new(Code::SENDER_FORGED, detail));
        }
        let (conversation, text) = match &message.conversation_id {
            Some(text) => (Uid::from_u128(conversation_uid(text)), text.clone()),
            None => minted(self.host),
        };
        let texts = Texts { conversation: text, reply_with: message.reply_with.clone() };
        let reply_with = message.reply_with.as_deref().and_then(number).unwrap_or(self.number);
        let head = Header { class: delivery.class, ..self.head(&message, conversation, reply_with)? };
        let receivers: Vec<String> =
            message.receiver.iter().map(|aid| full_name(self.host, aid.name())).collect();
        let addresses = self.addresses(&receivers)?;
        let extra = self.extra(&message, &addresses)?;
        let content = Payload::from(message.content.map(Content::into_bytes).unwrap_or_default());
        let copies = addresses.iter().zip(&receivers).enumerate();
        let copies = copies.map(|(index, (address, name))| Envelope {
            head: Header { receiver: *address, id: delivery.copy_id(index, name), ..head },
            content: content.clone(),
            extra: extra.clone(),
        });
        Ok(Outgoing { copies: copies.collect(), receivers, texts, conversation, reply_with, delivery })
    }

    fn head(&self, message: &Message, conversation: Uid, reply_with: u32) -> Result<Header, Error> {
        Ok(Header {
            conversation,
            trace: self.trace.unwrap_or_default(),
            reply_by_ms: message.reply_by.map_or(0, DateTime::ms),
            sender: self.address,
            reply_with,
            in_reply_to: in_reply_to(message)?,
            protocol: self.symbol("protocol", &message.protocol)?,
            ontology: self.symbol("ontology", &message.ontology)?,
            language: self.symbol("language", &message.language)?,
            encoding: self.symbol("encoding", &message.encoding)?,
            performative: message.performative.code(),
            ..Header::default()
        })
    }

    fn symbol(&self, field: &str, text: &Option<String>) -> Result<u32, Error> {
        let Some(text) = text.as_deref().filter(|text| !text.is_empty()) else { return Ok(0) };
        match self.host.symbol(text) {
            0 => Err(Error::new(Code::SYMBOLS_EXHAUSTED, format!("no room for the {field} {text:?}"))),
            symbol => Ok(symbol),
        }
    }

    fn addresses(&self, names: &[String]) -> Result<Vec<u32>, Error> {
        let texts: Vec<&str> = names.iter().map(String::as_str).collect();
        let addresses = self.host.addresses(&texts);
        match names.iter().zip(&addresses).find(|(_, address)| **address == 0) {
            Some((name, _)) => {
                Err(Error::new(Code::NAMES_EXHAUSTED, format!("the server gives no address to `{name}`")))
            }
            None => Ok(addresses),
        }
    }

    fn extra(&self, message: &Message, receivers: &[u32]) -> Result<ROption<RArc<Extra>>, Error> {
        let reply_to: Vec<String> =
            message.reply_to.iter().map(|aid| full_name(self.host, aid.name())).collect();
        let reply_to = self.addresses(&reply_to)?;
        if receivers.len() < 2 && reply_to.is_empty() && message.params.is_empty() {
            return Ok(ROption::RNone);
        }
        let params =
            message.params.iter().map(|(name, value)| Tuple2(name.as_str().into(), value.as_str().into()));
        let receivers = if receivers.len() > 1 { receivers.to_vec() } else { Vec::new() };
        let extra =
            Extra { receivers: receivers.into(), reply_to: reply_to.into(), params: params.collect() };
        Ok(ROption::RSome(RArc::from(Arc::new(extra))))
    }
}

/// A fresh conversation: its number and its text.
pub fn minted(host: &Host) -> (Uid, String) {
    let conversation = host.mint();
    (conversation, conversation.to_string())
}

/// The name with this platform behind it when it names none. As the server does, names with a scheme, such as
/// `group:bidders`, stay as they are: one group must not have two addresses.
pub fn full_name(host: &Host, name: &str) -> String {
    if name.contains(['@', ':']) { name.to_owned() } else { format!("{name}@{}", host.platform()) }
}

/// A reply-with that the server can carry as it is: a decimal number above zero without leading zeros.
fn number(text: &str) -> Option<u32> {
    let number = text.parse().ok().filter(|number: &u32| *number != 0)?;
    (number.to_string() == text).then_some(number)
}

fn in_reply_to(message: &Message) -> Result<u32, Error> {
    match message.in_reply_to.as_deref() {
        None => Ok(0),
        Some(text) => number(text).ok_or_else(|| {
            let detail = format!(
                "in `in-reply-to`: expected the reply-with of a message from this server, a number from 1 to \
                 4294967295, found {text:?}"
            );
            Error::new(Code::MESSAGE_MALFORMED, detail)
        }),
    }
}

/// The act of an envelope.
///
/// # Errors
/// When it is none.
pub fn act(envelope: &Envelope) -> Result<Performative, Error> {
    let act = envelope.head.performative;
    Performative::from_code(act)
        .ok_or_else(|| Error::new(Code::INTERNAL, format!("the answer has the unknown act {act}")))
}

/// The message of an envelope, in the words of the one who asked.
pub fn message(host: &Host, envelope: &Envelope, texts: &Texts) -> Result<Message, Error> {
    let (head, act) = (&envelope.head, act(envelope)?);
    let extra = envelope.extra.as_ref().into_option();
    let text = |symbol| Some(host.symbol_text(symbol)).filter(|text| !text.is_empty());
    let mut message = Message::new(act);
    message.sender = aids(host, &[head.sender]).pop();
    message.receiver = match extra.filter(|extra| !extra.receivers.is_empty()) {
        Some(extra) => aids(host, &extra.receivers),
        None => aids(host, &[head.receiver]),
    };
    message.reply_to = extra.map(|extra| aids(host, &extra.reply_to)).unwrap_or_default();
    message.content =
        (!envelope.content.is_empty()).then(|| Content::from_bytes(envelope.content.as_slice().to_vec()));
    (message.language, message.encoding) = (text(head.language), text(head.encoding));
    (message.ontology, message.protocol) = (text(head.ontology), text(head.protocol));
    message.conversation_id = Some(texts.conversation.clone());
    message.reply_with = (head.reply_with != 0).then(|| head.reply_with.to_string());
    let answers = |number: u32| texts.reply_with.clone().unwrap_or_else(|| number.to_string());
    message.in_reply_to = (head.in_reply_to != 0).then(|| answers(head.in_reply_to));
    message.reply_by = DateTime::from_ms(head.reply_by_ms).filter(|_| head.reply_by_ms != 0);
    let params = extra.map(|extra| extra.params.iter()).into_iter().flatten();
    message.params = params.map(|Tuple2(name, value)| (name.to_string(), value.to_string())).collect();
    Ok(message)
}

/// The agents of addresses; an address without a name is left out.
fn aids(host: &Host, addresses: &[u32]) -> Vec<Aid> {
    addresses.iter().filter_map(|address| Aid::new(host.name(*address)).ok()).collect()
}

/// Why the platform says that a message came to nothing; `None` for what an agent says.
pub fn platform_code(envelope: &Envelope) -> Option<Code> {
    let failed = envelope.head.performative == Performative::Failure.code();
    let platform = envelope.head.flags & flags::PLATFORM != 0;
    if failed && platform { code_in(envelope.content.as_slice()) } else { None }
}

/// The first known code in a text, `CX` and four digits, as the platform writes it into its failures.
fn code_in(content: &[u8]) -> Option<Code> {
    content.windows(6).find_map(|window| {
        let digits = window.strip_prefix(b"CX").filter(|digits| digits.iter().all(u8::is_ascii_digit))?;
        let code = Code(std::str::from_utf8(digits).ok()?.parse().ok()?);
        code.entry().map(|entry| entry.code)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_the_platforms_code() {
        assert_eq!(code_in(br#"{"code":"CX0302","reason":"x"}"#), Some(Code::UNKNOWN_RECEIVER));
        assert_eq!(code_in(b"trap-deadline CX0430"), Some(Code::TRAP_DEADLINE));
        for text in ["", "CX", "CX999", "CX9999", "cx0302", "CX+302"] {
            assert_eq!(code_in(text.as_bytes()), None, "{text}");
        }
    }
}
