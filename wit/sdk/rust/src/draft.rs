//! A message to send, built step by step; the host stamps id, sender and trace.

use std::time::Duration;

use serde::Serialize;

use crate::{
    AgentRef, Fault, Instant, Performative, Reason, Uid, bindings::caxton::agent::types as wire, executor,
    host::host, names,
};

/// Whom a draft goes to: a number, or a name that is looked up when the draft is sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Recipient {
    /// A number of this node.
    Number(AgentRef),
    /// A name: `bob`, `bob@platform`, `group:bidders`, `capability:count-words`.
    Name(String),
}

impl From<AgentRef> for Recipient {
    fn from(number: AgentRef) -> Self {
        Self::Number(number)
    }
}

impl From<&str> for Recipient {
    fn from(name: &str) -> Self {
        Self::Name(name.to_owned())
    }
}

/// A message to send.
///
/// ```no_run
/// # use {caxton_agent::Draft, std::time::Duration};
/// # fn example() -> Result<(), caxton_agent::Fault> {
/// Draft::request("bob").text("what time is it?").reply_by_in(Duration::from_secs(2)).send()?;
/// # Ok(()) }
/// ```
#[derive(Clone, Debug)]
#[must_use = "a draft does nothing until it is sent"]
pub struct Draft {
    to: Recipient,
    wire: wire::Draft,
    fault: Option<Fault>,
}

impl Draft {
    /// Begins a message with an act.
    pub fn new(performative: Performative, to: impl Into<Recipient>) -> Self {
        let wire = wire::Draft {
            to: 0,
            performative,
            conversation: NO_UID,
            reply_with: 0,
            in_reply_to: 0,
            reply_by: wire::Instant { seconds: 0, nanos: 0 },
            protocol: 0,
            ontology: 0,
            language: 0,
            encoding: 0,
            content: Vec::new(),
            extra: None,
        };
        Self { to: to.into(), wire, fault: None }
    }

    /// Begins a `request`.
    pub fn request(to: impl Into<Recipient>) -> Self {
        Self::new(Performative::Request, to)
    }

    /// Begins an `inform`.
    pub fn inform(to: impl Into<Recipient>) -> Self {
        Self::new(Performative::Inform, to)
    }

    /// Sets the content to bytes.
    pub fn content(mut self, bytes: impl Into<Vec<u8>>) -> Self {
        self.wire.content = bytes.into();
        self
    }

    /// Sets the content to text.
    pub fn text(self, text: &str) -> Self {
        self.content(text)
    }

    /// Sets the content to a value's JSON. A value that has none (a map with keys that are not text) faults the send.
    pub fn json(mut self, value: &impl Serialize) -> Self {
        match serde_json::to_vec(value) {
            Ok(bytes) => self.wire.content = bytes,
            Err(error) => self.fault = Some(Fault::permanent("content-unwritable", error)),
        }
        self
    }

    /// Sets the content to a reason.
    pub fn reason(self, reason: &Reason) -> Self {
        self.json(reason)
    }

    /// Names the interaction protocol.
    pub fn protocol(mut self, name: &str) -> Self {
        self.wire.protocol = names::intern(name);
        self
    }

    /// Names the ontology.
    pub fn ontology(mut self, name: &str) -> Self {
        self.wire.ontology = names::intern(name);
        self
    }

    /// Names the content language.
    pub fn language(mut self, name: &str) -> Self {
        self.wire.language = names::intern(name);
        self
    }

    /// Puts the message into a conversation; without it one is minted when an answer is asked for.
    pub fn conversation(mut self, conversation: Uid) -> Self {
        self.wire.conversation = conversation;
        self
    }

    /// Sets the number that the answer repeats.
    pub fn reply_with(mut self, number: u32) -> Self {
        self.wire.reply_with = number;
        self
    }

    /// Sets the number of the message that this one answers.
    pub fn in_reply_to(mut self, number: u32) -> Self {
        self.wire.in_reply_to = number;
        self
    }

    /// Wants the answer by a time; in a proposal: binds until then.
    pub fn reply_by(mut self, at: Instant) -> Self {
        self.wire.reply_by = at.to_wire();
        self
    }

    /// Wants the answer within a span of the turn's time.
    pub fn reply_by_in(self, span: Duration) -> Self {
        self.reply_by(executor::now() + span)
    }

    /// Adds a user parameter; its name begins with `X-`.
    pub fn param(mut self, name: &str, value: &str) -> Self {
        let extra = self.wire.extra.get_or_insert_with(|| wire::Extra {
            receivers: Vec::new(),
            reply_to: Vec::new(),
            params: Vec::new(),
        });
        extra.params.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Stages the message; it leaves when the turn commits. Returns its id.
    ///
    /// # Errors
    /// `CX0302` when nobody has the recipient's name, or the host's refusal; nothing is staged then.
    pub fn send(self) -> Result<Uid, Fault> {
        let ids = host().send(&[self.into_wire()?])?;
        Ok(ids.first().copied().unwrap_or(NO_UID))
    }

    pub(crate) fn answering(message: &wire::Message, performative: Performative, to: AgentRef) -> Self {
        let mut draft = Self::new(performative, to);
        draft.wire.conversation = message.conversation;
        draft.wire.in_reply_to = message.reply_with;
        draft.wire.protocol = message.protocol;
        draft.wire.ontology = message.ontology;
        draft.wire.language = message.language;
        draft
    }

    pub(crate) fn reply_by_set(&self) -> Option<Instant> {
        Instant::from_wire(self.wire.reply_by)
    }

    pub(crate) fn conversation_set(&self) -> Option<Uid> {
        (self.wire.conversation != NO_UID).then_some(self.wire.conversation)
    }

    fn into_wire(self) -> Result<wire::Draft, Fault> {
        if let Some(fault) = self.fault {
            return Err(fault);
        }
        let to = match self.to {
            Recipient::Number(number) => number,
            Recipient::Name(name) => names::resolve(&name).ok_or_else(|| {
                Fault::permanent("CX0302", format_args!("nobody answers to the name `{name}`"))
            })?,
        };
        Ok(wire::Draft { to, ..self.wire })
    }
}

pub(crate) const NO_UID: Uid = Uid { a: 0, b: 0, c: 0, d: 0 };

/// Stages several messages with one call to the host, all or nothing; returns their ids in order.
///
/// # Errors
/// As [`Draft::send`].
pub fn send_all(drafts: Vec<Draft>) -> Result<Vec<Uid>, Fault> {
    let batch = drafts.into_iter().map(Draft::into_wire).collect::<Result<Vec<_>, _>>()?;
    host().send(&batch)
}
