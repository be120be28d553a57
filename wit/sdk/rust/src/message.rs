//! A message as it arrived, with names and text over the flat record.

use std::{borrow::Cow, rc::Rc};

use serde::de::DeserializeOwned;

pub use crate::bindings::caxton::agent::types::Performative;
use crate::{AgentRef, Draft, Fault, Instant, Reason, Uid, bindings::caxton::agent::types as wire, names};

/// The protocol of requests (SC00026).
pub const FIPA_REQUEST: &str = "fipa-request";
/// The protocol of one round of bidding (SC00029).
pub const FIPA_CONTRACT_NET: &str = "fipa-contract-net";

/// The user parameter of an answer that others follow.
pub const PARTIAL: &str = "X-Partial";

/// What the platform noted about a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Marks(u32);

impl Marks {
    /// It came after the reply-by that bounded it.
    pub const fn late(self) -> bool {
        self.0 & 1 != 0
    }
    /// It was delivered before, in a turn that did not commit.
    pub const fn redelivered(self) -> bool {
        self.0 & 2 != 0
    }
    /// The platform made it.
    pub const fn platform(self) -> bool {
        self.0 & 4 != 0
    }
    /// The platform sent it on the sender's behalf, for example for an agent that trapped.
    pub const fn on_behalf(self) -> bool {
        self.0 & 8 != 0
    }
    /// It did not fit the state of its conversation.
    pub const fn out_of_sequence(self) -> bool {
        self.0 & 16 != 0
    }
}

/// A message that arrived.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message(wire::Message);

impl Message {
    pub(crate) fn new(message: wire::Message) -> Self {
        Self(message)
    }

    /// The message without its content: enough to answer it later, small enough to keep.
    pub fn head(&self) -> Self {
        Self(wire::Message {
            id: self.0.id,
            performative: self.0.performative,
            sender: self.0.sender,
            conversation: self.0.conversation,
            reply_with: self.0.reply_with,
            in_reply_to: self.0.in_reply_to,
            reply_by: self.0.reply_by,
            protocol: self.0.protocol,
            ontology: self.0.ontology,
            language: self.0.language,
            encoding: self.0.encoding,
            marks: self.0.marks,
            trace: self.0.trace,
            content: Vec::new(),
            extra: self.0.extra.clone(),
        })
    }

    /// Its own id.
    pub fn id(&self) -> Uid {
        self.0.id
    }
    /// The communicative act (SC00037).
    pub fn performative(&self) -> Performative {
        self.0.performative
    }
    /// The sender's number on this node.
    pub fn sender(&self) -> AgentRef {
        self.0.sender
    }
    /// The sender's full name.
    pub fn sender_name(&self) -> Rc<str> {
        names::name_of(self.0.sender)
    }
    /// The conversation; all zero when there is none.
    pub fn conversation(&self) -> Uid {
        self.0.conversation
    }
    /// The number that an answer repeats; zero when the sender wants none.
    pub fn reply_with(&self) -> u32 {
        self.0.reply_with
    }
    /// The number of the message that this one answers; zero when it answers none.
    pub fn in_reply_to(&self) -> u32 {
        self.0.in_reply_to
    }
    /// Until when an answer is wanted, or until when a proposal binds.
    pub fn reply_by(&self) -> Option<Instant> {
        Instant::from_wire(self.0.reply_by)
    }
    /// The interaction protocol's name.
    pub fn protocol(&self) -> Option<Rc<str>> {
        names::symbol_name(self.0.protocol)
    }
    /// The ontology's name.
    pub fn ontology(&self) -> Option<Rc<str>> {
        names::symbol_name(self.0.ontology)
    }
    /// The content language's name.
    pub fn language(&self) -> Option<Rc<str>> {
        names::symbol_name(self.0.language)
    }
    /// What the platform noted about it.
    pub fn marks(&self) -> Marks {
        Marks(self.0.marks)
    }
    /// The content as it came.
    pub fn content(&self) -> &[u8] {
        &self.0.content
    }
    /// The content, taken out without a copy.
    pub fn into_content(self) -> Vec<u8> {
        self.0.content
    }
    /// The content as text; bytes that are not UTF-8 show as U+FFFD.
    pub fn text(&self) -> Cow<'_, str> {
        String::from_utf8_lossy(&self.0.content)
    }
    /// The content read as JSON.
    ///
    /// # Errors
    /// A permanent fault `content-unreadable` that says where the JSON departs from the type.
    pub fn json<T: DeserializeOwned>(&self) -> Result<T, Fault> {
        Ok(serde_json::from_slice(&self.0.content)?)
    }
    /// The reason in a refusal, failure, rejection or not-understood.
    pub fn reason(&self) -> Reason {
        Reason::read(&self.0.content)
    }
    /// A user parameter (`X-…`) by its name, in any case of ASCII, because HTTP edges lower it.
    pub fn param(&self, name: &str) -> Option<&str> {
        let extra = self.0.extra.as_ref()?;
        extra.params.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    /// Begins an answer: it goes to reply-to if set, else to the sender, and copies language, ontology, protocol and
    /// conversation; in-reply-to repeats this message's reply-with (SC00061).
    pub fn reply(&self, performative: Performative) -> Draft {
        let reply_to = self.0.extra.as_ref().and_then(|extra| extra.reply_to.first().copied());
        Draft::answering(&self.0, performative, reply_to.unwrap_or(self.0.sender))
    }
    /// Begins an `inform` in answer.
    pub fn inform(&self) -> Draft {
        self.reply(Performative::Inform)
    }
    /// Begins a part of an answer, which others follow; the last one is an `inform`. Ask within no protocol for it: a
    /// request of `fipa-request` has one result.
    pub fn reply_part(&self) -> Draft {
        self.inform().param(PARTIAL, "true")
    }
    /// Makes a `refuse` with a reason.
    pub fn refuse(&self, reason: &Reason) -> Draft {
        self.reply(Performative::Refuse).reason(reason)
    }
    /// Makes a `failure` with a reason.
    pub fn failure(&self, reason: &Reason) -> Draft {
        self.reply(Performative::Failure).reason(reason)
    }
    /// Makes a `not-understood` with a reason.
    pub fn not_understood(&self, reason: &Reason) -> Draft {
        self.reply(Performative::NotUnderstood).reason(reason)
    }

    /// True for acts that answer or end something; answering them again is never expected.
    pub fn is_answer(&self) -> bool {
        use Performative::{
            Agree, Confirm, Disconfirm, Failure, Inform, NotUnderstood, Propose, Refuse, RejectProposal,
        };
        match self.0.performative {
            Agree | Confirm | Disconfirm | Failure | Inform | NotUnderstood | Refuse | RejectProposal => true,
            Propose => self.0.in_reply_to != 0,
            _ => false,
        }
    }
}
