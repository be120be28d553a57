//! What the server tells of itself: one fixed record for spans, events and logs, with a closed list of names.
//!
//! Kernel, runtime and plugins write signals to bounded rings; the host hands them in batches to every exporter. A
//! full ring drops the newest and counts it. No telemetry library's type crosses the boundary.

use abi_stable::StableAbi;

use crate::{Code, Payload, TraceContext, Uid};

macro_rules! events {
    ($($name:ident = $number:literal, $text:literal, $doc:literal;)*) => {
        impl EventName {
            $(#[doc = $doc] pub const $name: EventName = EventName($number);)*
            /// Every name with its meaning, ascending.
            pub const ALL: &'static [(EventName, &'static str, &'static str)] = &[
                $((EventName($number), $text, $doc),)*
            ];
        }
    };
}

/// The name of a signal, from a closed list; names follow OpenTelemetry's form (`object.event`).
#[repr(transparent)]
#[derive(StableAbi, Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EventName(pub u16);

events! {
    MESSAGE_ACCEPTED = 1, "message.accepted", "The bus accepted a message; from here on it ends in exactly one of the outcomes below.";
    MESSAGE_REFUSED = 2, "message.refused", "The bus refused a message where it entered; `code` says why.";
    MESSAGE_DELIVERED = 3, "message.delivered", "The receiver's turn committed, or the endpoint took the message.";
    MESSAGE_EXPIRED = 4, "message.expired", "The message's reply-by passed before it was delivered.";
    MESSAGE_DEAD_LETTERED = 5, "message.dead_lettered", "The message could not be delivered; `code` says why.";
    MESSAGE_PARKED = 6, "message.parked", "The message waits until its address is resolved.";
    MESSAGE_DROPPED = 7, "message.dropped", "A volatile message was lost when the server ended; `code` says why.";
    MESSAGE_RETRYING = 8, "message.retrying", "An acked message could not be delivered yet and waits to be tried again; `code` says why.";
    TURN = 10, "agent.turn", "A turn of an agent; `value` is the number of messages, `duration_ns` its length.";
    AGENT_TRAP = 11, "agent.trap", "An agent trapped; `text` has the frames, `code` the kind.";
    AGENT_STATE = 12, "agent.state", "An agent changed its state; `text` names the new one.";
    AGENT_LOG = 13, "agent.log", "A log line of an agent; `text` is the line.";
    AGENT_RESTARTED = 14, "agent.restarted", "An agent got a new instance; `value` counts them.";
    AGENT_REVISION = 15, "agent.revision", "A version of an agent came in, got a share of the new conversations, or left; `value` is its number, `text` says which.";
    AGENT_RECYCLED = 16, "agent.recycled", "An agent got a fresh instance because its memory had grown; `value` counts them, `text` is `memory BEFORE > AFTER` in bytes.";
    AGENT_ATTACHED = 17, "agent.attached", "An agent outside of the server was attached.";
    AGENT_DETACHED = 18, "agent.detached", "An agent outside of the server left; `code` says why it was lost.";
    CONVERSATION_TRANSITION = 20, "conversation.transition", "A protocol session changed its state; `text` is `FROM > TO`.";
    CONVERSATION_CLOSED = 21, "conversation.closed", "A conversation ended; `text` is its end state.";
    PROTOCOL_VERDICT = 22, "protocol.verdict", "A protocol plugin held a message back or flagged it; `code` says why.";
    PLUGIN_STATE = 30, "plugin.state", "A plugin changed its state; `text` is `NAME STATE REASON`.";
    PLUGIN_PANIC = 31, "plugin.panic", "A plugin panicked; `text` is `NAME MESSAGE`.";
    PLUGIN_RELOADED = 32, "plugin.reloaded", "An instance of a plugin took the place of another; `text` is `NAME VERSION REASON`.";
    SERVER_STATE = 34, "server.state", "The server is ready, read its configuration again, or drains; `text` is `STATE REASON`.";
    STORE_STATE = 35, "store.state", "The store began or ceased to take messages; `code` says why, `text` in words.";
    LOG = 40, "log", "A log line of the server or a plugin; `text` is `TARGET LINE`.";
    SIGNALS_DROPPED = 50, "signals.dropped", "A ring was full; `value` signals were dropped since the last such event.";
    SIGNALS_SAMPLED_OUT = 51, "signals.sampled-out", "There was more traffic than is traced; `value` signals of whole conversations were left out since the last such event.";
}

impl EventName {
    /// The dotted name; `unknown` for a name of a newer minor.
    pub fn as_str(self) -> &'static str {
        Self::ALL.iter().find(|(name, ..)| *name == self).map_or("unknown", |(_, text, _)| *text)
    }
}

/// A span, an event or a log line. Fields that a name does not use are zero or empty.
#[repr(C)]
#[derive(StableAbi, Clone, Debug, Default, PartialEq)]
pub struct Signal {
    /// When it happened, or when the span began: nanoseconds since the Unix epoch.
    pub time_ns: u64,
    /// Length of a span; zero for an event.
    pub duration_ns: u64,
    /// A count, depth or size; what it counts depends on the name.
    pub value: u64,
    /// The message it is about.
    pub message: Uid,
    /// The conversation it belongs to.
    pub conversation: Uid,
    /// Its trace, its own span and flags.
    pub trace: TraceContext,
    /// The span that caused it.
    pub parent_span: u64,
    /// Interned sender, or the agent that the signal is about.
    pub sender: u32,
    /// Interned receiver.
    pub receiver: u32,
    /// Interned protocol token.
    pub protocol: u32,
    /// The message's `reply-with`; for transitions the session.
    pub reply_with: u32,
    /// The message's `in-reply-to`.
    pub in_reply_to: u32,
    /// What happened.
    pub name: EventName,
    /// Why; zero when there is no reason to give.
    pub code: Code,
    /// The message's flags.
    pub flags: u16,
    /// The message's communicative act.
    pub performative: u8,
    /// 1 trace, 2 debug, 3 info, 4 warn, 5 error; zero for info.
    pub level: u8,
    /// Text, or a content preview where the operator granted it.
    pub text: Payload,
}
