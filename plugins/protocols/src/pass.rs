//! One call of the engine: the time, the settings, and the actions so far, with the messages that the engine sends.
//!
//! Every message of the engine is flagged as the platform's. What it says in an agent's name is flagged so as well and
//! carries that agent as sender, so the receiver finds it where it waits for the agent's own answer.

use std::sync::LazyLock;

use caxton_acl::Performative;
use caxton_plugin::{Action, Code, Envelope, Header, Payload, TraceContext, action, code, flags};

use serde::Serialize;

use crate::{
    config::Config,
    conversation::{Conversation, Kind, Session},
    table::{STATES, State},
};

/// The numbers that the server gave to the names and tokens which the engine writes or compares.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Numbers {
    /// The token `fipa-contract-net`.
    pub contract_net: u32,
    /// The token `fipa-request`.
    pub request: u32,
    /// The token `fipa-cancel-meta-protocol`.
    pub cancel_meta: u32,
    /// The language `json` of the contents that the engine writes.
    pub json: u32,
    /// The address of the platform's agent, the sender of not-understood.
    pub platform: u32,
    /// The names of the states.
    pub words: Words,
}

/// The numbers of the states' names, so that the many records of transitions need no text.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Words(pub [u32; STATES]);

impl Words {
    /// A transition as [`action::TRANSITION`] has it without a text.
    fn step(&self, from: State, to: State) -> u64 {
        let [from, to] = [from, to].map(|state| self.0.get(state as usize).copied().unwrap_or_default());
        u64::from(from) << 32 | u64::from(to)
    }
}

impl Numbers {
    /// The protocol of a token; `None` for the cancel meta-protocol and for foreign ones.
    pub fn kind(&self, protocol: u32) -> Option<Kind> {
        match protocol {
            0 => None,
            token if token == self.contract_net => Some(Kind::ContractNet),
            token if token == self.request => Some(Kind::Request),
            _ => None,
        }
    }
}

/// The contents of the engine's messages, one for each code in the order of the codes; written once.
static CONTENTS: LazyLock<Vec<Payload>> =
    LazyLock::new(|| code::ALL.iter().map(|entry| Content::of(entry.code).payload()).collect());

fn content(code: Code, cause: Code) -> Payload {
    if cause != code && !cause.is_none() {
        return Content { cause: Some(cause.to_string()), ..Content::of(code) }.payload();
    }
    let found = code::ALL.binary_search_by_key(&code, |entry| entry.code);
    found.ok().and_then(|at| CONTENTS.get(at)).cloned().unwrap_or_default()
}

/// The content of the engine's messages as JSON. What a person looks for comes first: a trace shows the first bytes.
#[derive(Serialize)]
struct Content<'a> {
    reason: &'static str,
    code: String,
    /// The code of what brought the reason about, when that is another.
    #[serde(skip_serializing_if = "Option::is_none")]
    cause: Option<String>,
    /// The act that is not understood.
    #[serde(skip_serializing_if = "Option::is_none")]
    act: Option<&'a str>,
    /// The state that it met.
    #[serde(skip_serializing_if = "Option::is_none")]
    state: Option<&'a str>,
    meaning: &'static str,
    fix: &'static str,
}

impl Content<'_> {
    fn of(code: Code) -> Self {
        let (meaning, fix) = code.entry().map_or(("", ""), |entry| (entry.meaning, entry.fix));
        let code_text = code.to_string();
        Self { reason: code.slug(), code: code_text, cause: None, act: None, state: None, meaning, fix }
    }

    fn payload(&self) -> Payload {
        // Texts and options of texts can always be written.
        Payload::from(serde_json::to_string(self).unwrap_or_default())
    }
}

/// One call of the engine.
pub struct Pass<'a> {
    /// Now, in milliseconds since the epoch.
    pub now_ms: u64,
    /// The configuration.
    pub config: &'a Config,
    /// The server's numbers.
    pub numbers: &'a Numbers,
    /// What the engine decided so far.
    pub out: &'a mut Vec<Action>,
}

/// A message of the engine before it has its protocol's fields.
pub struct Letter {
    /// The act.
    pub act: Performative,
    /// In whose name.
    pub from: u32,
    /// To whom.
    pub to: u32,
    /// What it answers.
    pub in_reply_to: u32,
    /// Why.
    pub code: Code,
    /// The code of what brought that about; none when it is not known.
    pub cause: Code,
    /// Where it stands in its trace.
    pub trace: TraceContext,
    /// By when an answer is expected; zero for none.
    pub reply_by_ms: u64,
}

impl Pass<'_> {
    /// Delivers the message at an index with flags, and with another reply-by when it is not zero.
    pub fn amend(&mut self, index: u32, flags: u16, reply_by_ms: u64) {
        self.out.push(Action { index, flags, time_ms: reply_by_ms, ..blank(action::AMEND) });
    }

    /// Does not deliver the message at an index.
    pub fn withhold(&mut self, index: u32, code: Code) {
        self.out.push(Action { index, code, ..blank(action::WITHHOLD) });
    }

    /// Sets the conversation's timer.
    pub fn set_timer(&mut self, token: u64, time_ms: u64) {
        self.out.push(Action { token, time_ms, ..blank(action::SET_TIMER) });
    }

    /// Records that a session moved.
    pub fn moved(&mut self, conversation: &Conversation, session: &Session, from: State, code: Code) {
        let head = Header { reply_with: session.call, ..about(conversation, session.participant) };
        let envelope = Envelope::new(head, Payload::EMPTY);
        let token = self.numbers.words.step(from, session.state);
        self.out.push(Action { code, token, envelope, ..blank(action::TRANSITION) });
    }

    /// Records that the conversation as a whole moved; the sender is the initiator.
    pub fn phase(&mut self, conversation: &Conversation, text: &str) {
        self.record(
            action::TRANSITION,
            about(conversation, conversation.initiator),
            Code::NONE,
            text.to_owned(),
        );
    }

    /// Records that the conversation closed.
    pub fn closed(&mut self, conversation: &Conversation, end: &str) {
        self.record(action::CLOSED, about(conversation, conversation.initiator), Code::NONE, end.to_owned());
    }

    /// Records that a conversation began, or goes on after its end.
    pub fn opened(&mut self, conversation: &Conversation) {
        let head = about(conversation, conversation.initiator);
        self.record(action::OPENED, head, Code::NONE, String::new());
    }

    fn record(&mut self, kind: u8, head: Header, code: Code, text: String) {
        let envelope = Envelope::new(head, Payload::EMPTY);
        self.out.push(Action { code, envelope, text: text.into(), ..blank(kind) });
    }

    /// Sends a message of a conversation in an agent's name, with the code's content.
    pub fn send(&mut self, conversation: &Conversation, letter: Letter) {
        self.send_about(&about(conversation, 0), letter);
    }

    /// As [`Pass::send`], in the conversation and protocol of a header.
    pub fn send_about(&mut self, head: &Header, letter: Letter) {
        let content = content(letter.code, letter.cause);
        self.post(*head, letter, content);
    }

    /// Answers a message with not-understood from the platform; the content names the act and the state that it met.
    pub fn not_understood(&mut self, head: &Header, code: Code, state: &str) {
        let act = Performative::from_code(head.performative).map_or("unknown", Performative::as_str);
        let content = Content { act: Some(act), state: Some(state), ..Content::of(code) }.payload();
        let letter = self.answer(head, Performative::NotUnderstood, code);
        self.post(*head, letter, content);
    }

    /// Answers a message with failure from the platform.
    pub fn refuse_service(&mut self, head: &Header, code: Code) {
        let letter = self.answer(head, Performative::Failure, code);
        self.send_about(head, letter);
    }

    fn answer(&self, head: &Header, act: Performative, code: Code) -> Letter {
        Letter {
            act,
            from: self.numbers.platform,
            to: head.sender,
            in_reply_to: head.reply_with,
            code,
            cause: Code::NONE,
            trace: head.trace,
            reply_by_ms: 0,
        }
    }

    /// Sends a letter in the conversation and protocol of `about`.
    fn post(&mut self, about: Header, letter: Letter, content: Payload) {
        let own = letter.from == self.numbers.platform;
        let flags = if own { flags::PLATFORM } else { flags::PLATFORM | flags::ON_BEHALF };
        let head = Header {
            conversation: about.conversation,
            protocol: about.protocol,
            trace: letter.trace,
            sender: letter.from,
            receiver: letter.to,
            in_reply_to: letter.in_reply_to,
            reply_by_ms: letter.reply_by_ms,
            language: self.numbers.json,
            performative: letter.act.code(),
            flags,
            ..Header::default()
        };
        let envelope = Envelope::new(head, content);
        self.out.push(Action { flags, code: letter.code, envelope, ..blank(action::SEND) });
    }
}

/// The header of a record about a conversation.
fn about(conversation: &Conversation, sender: u32) -> Header {
    Header {
        conversation: conversation.id,
        protocol: conversation.protocol,
        trace: conversation.trace,
        sender,
        ..Header::default()
    }
}

fn blank(kind: u8) -> Action {
    Action {
        kind,
        flags: 0,
        code: Code::NONE,
        index: 0,
        token: 0,
        time_ms: 0,
        envelope: Envelope::new(Header::default(), Payload::EMPTY),
        text: Default::default(),
    }
}
