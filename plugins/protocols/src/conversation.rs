//! What is known of one conversation: its initiator, one session for each call, and the deadlines that matter.
//!
//! A session is found by its participant and by the `reply-with` of the call sent to it (ruling F12), so one agent may
//! hold several sessions and may even be initiator and participant at once (F11). A call without `reply-with` is keyed
//! by its participant alone. At most `sessions_max` sessions live in a conversation.

use caxton_acl::Performative;
use caxton_plugin::{Header, TraceContext, Uid};
use serde::{Deserialize, Serialize};

use crate::{
    sessions::Sessions,
    table::{Role, State},
};

/// No deadline.
pub const NEVER: u64 = u64::MAX;

/// No timer.
pub const NO_TOKEN: u64 = u64::MAX;

fn no_token() -> u64 {
    NO_TOKEN
}

/// The protocol that a conversation follows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Kind {
    /// `fipa-contract-net`.
    #[serde(rename = "fipa-contract-net")]
    ContractNet,
    /// `fipa-request`.
    #[serde(rename = "fipa-request")]
    Request,
}

/// What stands between the initiator and one participant.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Session {
    /// The participant's address.
    pub participant: u32,
    /// Where answers go: the first message's first `reply-to`, else the initiator.
    pub answer_to: u32,
    /// `reply-with` of the first message.
    pub call: u32,
    /// `reply-with` of the initiator's latest message that is not a cancel.
    pub asked: u32,
    /// `reply-with` of the proposal.
    pub offered: u32,
    /// `reply-with` of the latest cancel.
    pub cancel: Option<u32>,
    /// Where it stands.
    pub state: State,
    /// Where it stood when the cancel was sent.
    pub back: State,
    /// When the state ends by itself; [`NEVER`] without a bound.
    pub deadline_ms: u64,
    /// The deadline of the state before the cancel.
    pub back_deadline_ms: u64,
    /// `reply-by` of the call.
    pub reply_by_ms: u64,
    /// `reply-by` of the proposal; zero without one.
    pub valid_until_ms: u64,
    /// The code with which the engine ended what the participant had promised; zero when it did not.
    pub void: u16,
}

/// One conversation.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Conversation {
    /// Its id.
    #[serde(with = "crate::snapshot::uid")]
    pub id: Uid,
    /// The token of its one timer; [`NO_TOKEN`] when it is closed.
    #[serde(skip, default = "no_token")]
    pub token: u64,
    /// Its protocol.
    pub kind: Kind,
    /// The number of its protocol's token.
    pub protocol: u32,
    /// The initiator's address.
    pub initiator: u32,
    /// The trace that its first message came with.
    #[serde(with = "crate::snapshot::trace")]
    pub trace: TraceContext,
    /// The conversation that it serves (`X-caxton-parent`).
    #[serde(with = "crate::snapshot::uid")]
    pub parent: Uid,
    /// Its sessions, in the order of their calls.
    pub sessions: Sessions,
    /// When the bids are rejected if the initiator decides nothing; [`NEVER`] while it is not asked to decide.
    pub decide_by_ms: u64,
    /// When the bids that are left are rejected because every accepted one is done; [`NEVER`] while that is not so.
    pub dismiss_at_ms: u64,
    /// No deadline of a session or of the decision is earlier.
    pub next_due_ms: u64,
    /// When it closed; [`NEVER`] while it is open.
    pub closed_ms: u64,
    /// What has happened so far, for the end's name.
    pub past: Past,
}

/// What has happened in a conversation, as far as the name of its end depends on it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Past {
    /// A proposal came in time.
    pub bid: bool,
    /// A proposal was accepted.
    pub accepted: bool,
    /// The decision timeout passed.
    pub undecided: bool,
    /// The initiator lost its instance or left.
    pub abandoned: bool,
}

impl Conversation {
    /// Opens a conversation for the sender of its first message.
    pub fn new(head: &Header, kind: Kind, token: u64, parent: Uid) -> Self {
        Self {
            id: head.conversation,
            token,
            kind,
            protocol: head.protocol,
            initiator: head.sender,
            trace: head.trace,
            parent,
            sessions: Sessions::default(),
            decide_by_ms: NEVER,
            dismiss_at_ms: NEVER,
            next_due_ms: NEVER,
            closed_ms: NEVER,
            past: Past::default(),
        }
    }

    /// True when every session was final and the end was recorded.
    pub fn is_closed(&self) -> bool {
        self.closed_ms != NEVER
    }

    /// When the bids without an answer are rejected; [`NEVER`] while nothing asks for it.
    pub fn bids_end_ms(&self) -> u64 {
        self.decide_by_ms.min(self.dismiss_at_ms)
    }

    /// True when a session stands in the state.
    pub fn any(&self, state: State) -> bool {
        self.sessions.count(state) > 0
    }

    /// The conversation as a whole: collecting bids, deciding, performing, or closed.
    pub fn phase(&self) -> &'static str {
        if self.is_closed() {
            return "CLOSED";
        }
        match self.kind {
            Kind::ContractNet if self.any(State::AwaitBid) => "COLLECTING",
            Kind::ContractNet if self.any(State::Bid) => "DECIDING",
            _ => "PERFORMING",
        }
    }

    /// The sessions between the two agents of a message, and perhaps others, in the order of their calls.
    fn between(&self, head: &Header) -> impl Iterator<Item = (usize, &Session)> {
        let at = self.sessions.among(head.sender, head.receiver);
        at.filter_map(|at| Some((at, self.sessions.get(at)?)))
    }

    /// True when an agent takes part as participant.
    pub fn calls(&self, agent: u32) -> bool {
        let mut at = self.sessions.among(agent, agent);
        at.any(|at| self.sessions.get(at).is_some_and(|session| session.participant == agent))
    }

    /// The session opened by this very call, if any.
    pub fn session_of_call(&self, head: &Header) -> Option<usize> {
        let (participant, call) = (head.receiver, head.reply_with);
        let opened = |(_, s): &(usize, &Session)| s.participant == participant && s.call == call;
        self.between(head).find(opened).map(|(at, _)| at)
    }

    /// The session that a message between initiator and participant belongs to, and the sender's role in it.
    ///
    /// `in-reply-to` picks among several sessions of one participant; without a match it must be the only one.
    pub fn session_of(&self, head: &Header, act: Performative) -> Option<(usize, Role)> {
        let mut only = None;
        let mut count = 0_usize;
        for (index, session) in self.between(head) {
            let Some(role) = self.role(session, head, act) else { continue };
            if session.is_answered_by(head, role) {
                return Some((index, role));
            }
            only = Some((index, role));
            count += 1;
        }
        only.filter(|_| count == 1)
    }

    /// True when the message goes between the initiator and one of its participants.
    pub fn knows(&self, head: &Header, act: Performative) -> bool {
        self.between(head).any(|(_, session)| self.role(session, head, act).is_some())
    }

    /// The session that a message of either side was sent in, by the message's own `reply-with`.
    pub fn session_that_sent(&self, head: &Header, act: Performative) -> Option<usize> {
        let sent = |s: &Session| match self.role(s, head, act) {
            Some(Role::Initiator) if act == Performative::Cancel => s.cancel == Some(head.reply_with),
            Some(Role::Initiator) if act == self.kind.table().opening => s.call == head.reply_with,
            Some(Role::Initiator) => s.asked == head.reply_with,
            Some(Role::Participant) => {
                act == Performative::Propose && s.offered == head.reply_with && s.call == head.in_reply_to
            }
            None => false,
        };
        self.between(head).find(|(_, session)| sent(session)).map(|(at, _)| at)
    }

    fn role(&self, session: &Session, head: &Header, act: Performative) -> Option<Role> {
        let calls = head.sender == self.initiator && head.receiver == session.participant;
        let answers = head.sender == session.participant
            && (head.receiver == self.initiator || head.receiver == session.answer_to);
        match (calls, answers) {
            (true, true) if self.kind.table().may_say(Role::Initiator, act) => Some(Role::Initiator),
            (_, true) => Some(Role::Participant),
            (true, false) => Some(Role::Initiator),
            (false, false) => None,
        }
    }
}

impl Session {
    /// A session before its first message.
    pub fn new(head: &Header, answer_to: u32) -> Self {
        Self {
            participant: head.receiver,
            answer_to,
            call: head.reply_with,
            asked: head.reply_with,
            offered: 0,
            cancel: None,
            state: State::Start,
            back: State::Start,
            deadline_ms: NEVER,
            back_deadline_ms: NEVER,
            reply_by_ms: 0,
            valid_until_ms: 0,
            void: 0,
        }
    }

    /// True when a proposal stands, also while a cancel for it is pending.
    pub fn bid_stands(&self) -> bool {
        self.state == State::Bid || (self.state == State::Cancelling && self.back == State::Bid)
    }

    /// True when `in-reply-to` names a message of the other side in this session.
    fn is_answered_by(&self, head: &Header, role: Role) -> bool {
        let to = head.in_reply_to;
        match role {
            _ if to == 0 => false,
            Role::Initiator => to == self.offered,
            Role::Participant => to == self.call || to == self.asked || self.cancel == Some(to),
        }
    }
}
