//! The ACL message (SC00061): the act, the twelve other parameters, and user parameters.
//!
//! A message is a plain value that anyone may fill in; [`Message::validate`] says whether it can be sent, and both
//! codecs call it. Whether the sender is who it claims to be, and whether the protocol allows the act, is for the
//! server to decide.

use std::collections::HashSet;

use serde::{Serialize, Serializer, ser::SerializeMap};

use crate::{
    aid::{Aid, all_same},
    error::{Error, Place, shown, within},
    limits, params,
    performative::Performative,
    time::DateTime,
};

/// What a message is about; opaque to the server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Content {
    /// Text, written as it is.
    Text(String),
    /// Any bytes, written as base64.
    Bytes(Vec<u8>),
}

impl Content {
    /// The content's bytes; UTF-8 for text.
    pub fn as_bytes(&self) -> &[u8] {
        match self {
            Self::Text(text) => text.as_bytes(),
            Self::Bytes(bytes) => bytes,
        }
    }

    /// Takes the content's bytes out; UTF-8 for text.
    pub fn into_bytes(self) -> Vec<u8> {
        match self {
            Self::Text(text) => text.into_bytes(),
            Self::Bytes(bytes) => bytes,
        }
    }

    /// Text when the bytes are UTF-8, else bytes.
    pub fn from_bytes(bytes: Vec<u8>) -> Self {
        String::from_utf8(bytes).map_or_else(|error| Self::Bytes(error.into_bytes()), Self::Text)
    }
}

/// An ACL message. Equality compares agents by name; see [`Message::same`] for the whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// The communicative act.
    pub performative: Performative,
    /// Who sends; the server stamps it, so a client may leave it out.
    pub sender: Option<Aid>,
    /// Who receives; a set, kept in order.
    pub receiver: Vec<Aid>,
    /// Who gets replies instead of the sender.
    pub reply_to: Vec<Aid>,
    /// What the message is about.
    pub content: Option<Content>,
    /// The language of the content, for example `fipa-sl`.
    pub language: Option<String>,
    /// The encoding of the content.
    pub encoding: Option<String>,
    /// The ontology of the content.
    pub ontology: Option<String>,
    /// The interaction protocol, for example `fipa-contract-net`.
    pub protocol: Option<String>,
    /// The conversation that the message belongs to.
    pub conversation_id: Option<String>,
    /// What a reply repeats as `in-reply-to`.
    pub reply_with: Option<String>,
    /// The `reply-with` of the message that this one answers.
    pub in_reply_to: Option<String>,
    /// The latest time for a reply.
    pub reply_by: Option<DateTime>,
    /// User parameters (`X-…`), in order.
    pub params: Vec<(String, String)>,
}

impl Message {
    /// Makes a message of an act and nothing else.
    pub const fn new(performative: Performative) -> Self {
        Self {
            performative,
            sender: None,
            receiver: Vec::new(),
            reply_to: Vec::new(),
            content: None,
            language: None,
            encoding: None,
            ontology: None,
            protocol: None,
            conversation_id: None,
            reply_with: None,
            in_reply_to: None,
            reply_by: None,
            params: Vec::new(),
        }
    }

    /// Adds a receiver.
    #[must_use]
    pub fn to(mut self, receiver: Aid) -> Self {
        self.receiver.push(receiver);
        self
    }

    /// Sets the content to a text.
    #[must_use]
    pub fn with_text(mut self, text: impl Into<String>) -> Self {
        self.content = Some(Content::Text(text.into()));
        self
    }

    /// Sets protocol and conversation.
    #[must_use]
    pub fn in_conversation(
        mut self,
        protocol: impl Into<String>,
        conversation_id: impl Into<String>,
    ) -> Self {
        self.protocol = Some(protocol.into());
        self.conversation_id = Some(conversation_id.into());
        self
    }

    /// The first user parameter of that name, in any case.
    pub fn param(&self, name: &str) -> Option<&str> {
        self.params
            .iter()
            .find(|(known, _)| known.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_str())
    }

    /// True when all of both messages is equal, agent identifiers included.
    pub fn same(&self, other: &Self) -> bool {
        let senders = match (&self.sender, &other.sender) {
            (Some(one), Some(other)) => one.same(other),
            (None, None) => true,
            _ => false,
        };
        senders
            && all_same(&self.receiver, &other.receiver)
            && all_same(&self.reply_to, &other.reply_to)
            && self == other
    }

    /// Checks that the message can be sent: a receiver, no agent or parameter twice, everything within its limit.
    ///
    /// # Errors
    /// The first fault found, with the field it lies in.
    pub fn validate(&self) -> Result<(), Error> {
        if self.receiver.is_empty() {
            return Err(Error::NoReceiver);
        }
        let field = |name: &str| Place::Field(name.to_owned());
        self.sender.iter().try_for_each(Aid::check).map_err(|error| error.at(field("sender")))?;
        check_receivers(&self.receiver).map_err(|error| error.at(field("receiver")))?;
        check_reply_to(&self.reply_to).map_err(|error| error.at(field("reply-to")))?;
        self.content.iter().try_for_each(check_content).map_err(|error| error.at(field("content")))?;
        for (name, value) in self.tokens() {
            value.map_or(Ok(()), check_token).map_err(|error| error.at(field(name)))?;
        }
        params::check_all(&self.params)
    }

    /// The text parameters and their names, in the order in which the codecs write them.
    pub(crate) fn tokens(&self) -> [(&'static str, Option<&str>); 7] {
        [
            ("language", self.language.as_deref()),
            ("encoding", self.encoding.as_deref()),
            ("ontology", self.ontology.as_deref()),
            ("protocol", self.protocol.as_deref()),
            ("conversation-id", self.conversation_id.as_deref()),
            ("reply-with", self.reply_with.as_deref()),
            ("in-reply-to", self.in_reply_to.as_deref()),
        ]
    }

    /// The place of the text parameter of that lower-case name; `None` for any other parameter.
    pub(crate) fn token_mut(&mut self, name: &str) -> Option<&mut Option<String>> {
        match name {
            "language" => Some(&mut self.language),
            "encoding" => Some(&mut self.encoding),
            "ontology" => Some(&mut self.ontology),
            "protocol" => Some(&mut self.protocol),
            "conversation-id" => Some(&mut self.conversation_id),
            "reply-with" => Some(&mut self.reply_with),
            "in-reply-to" => Some(&mut self.in_reply_to),
            _ => None,
        }
    }
}

pub(crate) fn check_receivers(receivers: &[Aid]) -> Result<(), Error> {
    if receivers.len() > limits::RECEIVERS_MAX {
        return Err(Error::TooManyReceivers { place: Place::Unknown });
    }
    check_agents(receivers)
}

pub(crate) fn check_reply_to(agents: &[Aid]) -> Result<(), Error> {
    within("reply-to", "entries", agents.len(), limits::REPLY_TO_MAX)?;
    check_agents(agents)
}

fn check_agents(agents: &[Aid]) -> Result<(), Error> {
    let mut names = HashSet::new();
    for agent in agents {
        agent.check()?;
        if !names.insert(agent.name()) {
            return Err(Error::malformed(
                "each agent once",
                format!("{} again", shown(agent.name())),
                "name it once",
            ));
        }
    }
    Ok(())
}

pub(crate) fn check_content(content: &Content) -> Result<(), Error> {
    let found = content.as_bytes().len();
    if found > limits::CONTENT_BYTES_MAX {
        return Err(Error::ContentTooLarge { place: Place::Unknown, found });
    }
    Ok(())
}

pub(crate) fn check_token(value: &str) -> Result<(), Error> {
    within("a text", "bytes", value.len(), limits::TOKEN_BYTES_MAX)
}

/// The JSON shape of [`crate::to_json`], without its checks.
impl Serialize for Message {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("performative", &self.performative)?;
        if let Some(sender) = &self.sender {
            map.serialize_entry("sender", sender)?;
        }
        map.serialize_entry("receiver", &self.receiver)?;
        if !self.reply_to.is_empty() {
            map.serialize_entry("reply-to", &self.reply_to)?;
        }
        match &self.content {
            Some(Content::Text(text)) => map.serialize_entry("content", text)?,
            Some(Content::Bytes(bytes)) => {
                map.serialize_entry("content-base64", &crate::json::base64(bytes))?
            }
            None => {}
        }
        for (name, value) in self.tokens() {
            if let Some(value) = value {
                map.serialize_entry(name, value)?;
            }
        }
        if let Some(reply_by) = self.reply_by {
            map.serialize_entry("reply-by", &reply_by.to_string())?;
        }
        for (name, value) in &self.params {
            map.serialize_entry(name, value)?;
        }
        map.end()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn valid() -> Message {
        Message::new(Performative::Request).to(Aid::new("b@p").unwrap())
    }

    #[test]
    fn a_message_without_receiver_cannot_be_sent() {
        assert_eq!(Message::new(Performative::Inform).validate(), Err(Error::NoReceiver));
        assert_eq!(valid().validate(), Ok(()));
    }

    #[test]
    fn receivers_are_a_bounded_set() {
        let mut message = valid();
        message.receiver = (0..=limits::RECEIVERS_MAX).map(|n| Aid::new(format!("a{n}")).unwrap()).collect();
        assert_eq!(message.validate().unwrap_err().code(), 304);
        message.receiver.truncate(limits::RECEIVERS_MAX);
        assert_eq!(message.validate(), Ok(()));
        message.receiver.truncate(1);
        message.receiver.push(Aid::new("a0").unwrap());
        assert_eq!(
            message.validate().unwrap_err().to_string(),
            "in `receiver`: expected each agent once, found \"a0\" again; name it once"
        );
    }

    #[test]
    fn content_one_byte_over_the_limit_is_refused() {
        let mut message = valid();
        message.content = Some(Content::Bytes(vec![0; limits::CONTENT_BYTES_MAX]));
        assert_eq!(message.validate(), Ok(()));
        message.content = Some(Content::Bytes(vec![0; limits::CONTENT_BYTES_MAX + 1]));
        let error = message.validate().unwrap_err();
        assert_eq!(error.code(), 305);
        assert!(error.to_string().contains("at most 4194304 bytes of content, found 4194305"), "{error}");
    }

    #[test]
    fn every_text_parameter_is_bounded() {
        for (name, _) in valid().tokens() {
            let mut message = valid();
            *message.token_mut(name).unwrap() = Some("x".repeat(limits::TOKEN_BYTES_MAX + 1));
            assert!(
                message.validate().unwrap_err().to_string().starts_with(&format!("in `{name}`: ")),
                "{name}"
            );
        }
    }

    #[test]
    fn finds_user_parameters_in_any_case() {
        let mut message = valid();
        message.params.push(("X-Caxton-Round".to_owned(), "2".to_owned()));
        assert_eq!(message.param("x-caxton-round"), Some("2"));
    }

    #[test]
    fn same_sees_every_part_of_every_agent() {
        let mut resolver = Aid::new("r@p").unwrap();
        resolver.addresses.push("http://r".to_owned());
        let mut known = Aid::new("a@p").unwrap();
        known.resolvers.push(resolver);
        let mut less = known.clone();
        less.resolvers = vec![Aid::new("r@p").unwrap()];
        let with = |sender: &Aid, receiver: &Aid, reply_to: &Aid| {
            let mut message = Message::new(Performative::Request).to(receiver.clone());
            message.sender = Some(sender.clone());
            message.reply_to = vec![reply_to.clone()];
            message
        };
        let whole = with(&known, &known, &known);
        assert!(whole.same(&whole.clone()));
        for other in [with(&less, &known, &known), with(&known, &less, &known), with(&known, &known, &less)] {
            assert!(whole == other && !whole.same(&other), "{other:?}");
        }
    }
}
