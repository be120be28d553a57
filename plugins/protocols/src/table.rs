//! What a protocol is made of: states, events, guards and rows. A protocol is a constant [`Table`] of rows.
//!
//! The engine at run time, the exhaustive test and the picture in the documentation read the same rows. A table says
//! nothing of time or numbers; what a guard or an effect means is the engine's (`step`). What no row covers is row 19:
//! out of sequence, nothing changes.

use std::sync::LazyLock;

use caxton_acl::Performative;
use caxton_plugin::Code;
use serde::{Deserialize, Serialize};

macro_rules! states {
    ($($name:ident = $text:literal, $doc:literal;)*) => {
        /// The state of one session: what stands between the initiator and one participant.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        pub enum State {
            $(#[doc = $doc] #[serde(rename = $text)] $name,)*
        }

        impl State {
            /// Every state.
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];

            /// The name in tables and traces, for example `AWAIT_BID`.
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$name => $text,)*
                }
            }
        }
    };
}

states! {
    Start = "-", "Before the first message.";
    AwaitBid = "AWAIT_BID", "The call is out, no answer yet.";
    Bid = "BID", "A proposal stands.";
    Accepted = "ACCEPTED", "The proposal is accepted, the result is awaited.";
    Requested = "REQUESTED", "The request is out, no answer yet.";
    Agreed = "AGREED", "The participant agreed, the result is awaited.";
    Cancelling = "CANCELLING", "A cancel is out, its answer is awaited.";
    Refused = "REFUSED", "The participant refused.";
    NotUnderstood = "NOT_UNDERSTOOD", "The participant did not understand.";
    Failed = "FAILED", "The participant failed or was lost.";
    NoReply = "NO_REPLY", "No answer came by reply-by.";
    Late = "LATE", "The proposal came too late and was rejected.";
    Rejected = "REJECTED", "The proposal was rejected.";
    Expired = "EXPIRED", "The proposal's validity passed.";
    Done = "DONE", "The result came.";
    Overdue = "OVERDUE", "The result did not come in time.";
    Cancelled = "CANCELLED", "The participant cancelled.";
}

impl State {
    /// True when nothing more is expected.
    pub const fn is_final(self) -> bool {
        !matches!(
            self,
            Self::Start
                | Self::AwaitBid
                | Self::Bid
                | Self::Accepted
                | Self::Requested
                | Self::Agreed
                | Self::Cancelling
        )
    }

    /// True when the participant may send a result next.
    pub const fn awaits_result(self) -> bool {
        matches!(self, Self::Accepted | Self::Requested | Self::Agreed)
    }

    /// True when the participant has bound itself.
    pub const fn binds(self) -> bool {
        matches!(self, Self::Bid | Self::Accepted | Self::Agreed)
    }
}

/// How many states there are.
pub const STATES: usize = State::ALL.len();

/// The two sides of a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    /// The sender of the first message.
    Initiator,
    /// An agent that the initiator addressed.
    Participant,
}

/// What can happen to a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Event {
    /// One side sends an act to the other.
    Says(Role, Performative),
    /// The session's deadline passed.
    Deadline,
    /// An accepted message of this act came to nothing.
    Undelivered(Performative),
    /// The participant lost its instance or left.
    ParticipantLost,
    /// The initiator lost its instance or left.
    InitiatorLost,
    /// The conversation is decided and this proposal was left unanswered.
    Dismissed,
}

/// What must hold for a row beside its state and event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Guard {
    /// Nothing.
    Always,
    /// The message's reply-by has not passed, or it has none.
    Timely,
    /// The message's reply-by has passed.
    Stale,
    /// `in-reply-to` is the `reply-with` of the first message.
    AnswersCall,
    /// `in-reply-to` is the cancel's `reply-with`, or the message names the cancel meta-protocol.
    AnswersCancel,
    /// It does not answer the cancel, and a result was awaited when the cancel was sent.
    CrossesCancel,
    /// It answers the call, which was open and unanswered when the cancel was sent.
    CrossesCall,
    /// The participant had bound itself when the cancel was sent.
    HadBound,
    /// The engine ended the promise, and the message does not answer a cancel.
    Void,
    /// The participant left for good; no other instance of it will answer.
    Gone,
}

/// Where a row leads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// Another state.
    To(State),
    /// The state before the cancel.
    Back,
    /// No change, but a cancel that fails leads to this state.
    Behind(State),
    /// No change.
    Same,
}

/// How long a new state lasts at most.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Clock {
    /// The message's reply-by, else the default for an answer; stamped into the message when it had none.
    Answer,
    /// The message's reply-by, else the default for a result; stamped into the message when it had none.
    Result,
    /// The default for a result, whatever the message says.
    Work,
    /// The message's reply-by, else no bound of its own.
    Validity,
}

/// What the engine does beside moving the session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Nothing; a message is delivered as it is.
    Nothing,
    /// Delivers the message and starts the new state's clock.
    Start(Clock),
    /// Delivers the message flagged late.
    DeliverLate,
    /// Withholds the message; nobody is told. Without a code it is the one that ended the promise.
    Withhold(Code),
    /// Withholds the initiator's message and answers it with a failure. Without a code as above.
    WithholdAndFail(Code),
    /// Withholds the proposal and rejects it on the initiator's behalf.
    WithholdAndReject(Code),
    /// Sends the initiator a failure on the participant's behalf.
    FailInitiator(Code),
    /// Sends the sender of the lost message a failure on behalf of its receiver; the reason is the event's.
    FailSender,
    /// Delivers the result and answers the cancel with a failure.
    FailCancel(Code),
    /// Rejects the proposal on the initiator's behalf; the reason is the event's.
    Reject,
    /// Cancels on the initiator's behalf.
    Cancel,
}

/// One line of a table.
#[derive(Clone, Copy, Debug)]
pub struct Row {
    /// The row's number in the documentation; several lines may carry out one row.
    pub number: u8,
    /// The state it starts from.
    pub state: State,
    /// What happens.
    pub event: Event,
    /// What must hold.
    pub guard: Guard,
    /// Where it leads.
    pub next: Next,
    /// What the engine does.
    pub effect: Effect,
}

impl Row {
    /// Makes a row without a guard.
    pub const fn new(number: u8, state: State, event: Event, next: Next, effect: Effect) -> Self {
        Self { number, state, event, guard: Guard::Always, next, effect }
    }

    /// The same row with a guard.
    pub const fn when(mut self, guard: Guard) -> Self {
        self.guard = guard;
        self
    }
}

/// One protocol.
#[derive(Debug)]
pub struct Table {
    /// Its token, for example `fipa-contract-net`.
    pub token: &'static str,
    /// The act that opens a session.
    pub opening: Performative,
    /// Its rows; at most one fits a state, an event and a situation.
    pub rows: &'static [Row],
    /// Where its rows are found.
    pub index: LazyLock<Index>,
}

impl Table {
    /// The row that fits; `holds` decides guards.
    pub fn row(&self, state: State, event: Event, holds: impl Fn(Guard) -> bool) -> Option<&'static Row> {
        let mut at = *self.index.first.get(place(state, event))?;
        loop {
            let row = self.rows.get(usize::from(at))?;
            if holds(row.guard) {
                return Some(row);
            }
            at = *self.index.next.get(usize::from(at))?;
        }
    }

    /// True when the act belongs to the role in any state.
    pub fn may_say(&self, role: Role, act: Performative) -> bool {
        self.rows.iter().any(|row| row.event == Event::Says(role, act))
    }
}

/// How many different events there are: two roles and lost messages of 22 acts each, and four more.
const EVENTS: usize = 3 * Performative::ALL.len() + 4;

/// No row.
const NONE: u8 = u8::MAX;

/// The rows by state and event, so that a message costs one look-up instead of a search.
#[derive(Debug)]
pub struct Index {
    /// The first row of each state and event.
    first: Vec<u8>,
    /// For each row the next one of the same state and event.
    next: Vec<u8>,
}

impl Index {
    /// Indexes at most 255 rows.
    pub fn of(rows: &[Row]) -> Self {
        let mut index = Self { first: vec![NONE; STATES * EVENTS], next: vec![NONE; rows.len()] };
        for (at, row) in (0..NONE).zip(rows).rev() {
            let first = index.first.get_mut(place(row.state, row.event));
            let next = index.next.get_mut(usize::from(at));
            if let (Some(first), Some(next)) = (first, next) {
                *next = std::mem::replace(first, at);
            }
        }
        index
    }
}

fn place(state: State, event: Event) -> usize {
    let acts = Performative::ALL.len();
    let of = |act: Performative| usize::from(act.code()) - 1;
    let event = match event {
        Event::Says(Role::Initiator, act) => of(act),
        Event::Says(Role::Participant, act) => acts + of(act),
        Event::Undelivered(act) => 2 * acts + of(act),
        Event::Deadline => 3 * acts,
        Event::ParticipantLost => 3 * acts + 1,
        Event::InitiatorLost => 3 * acts + 2,
        Event::Dismissed => 3 * acts + 3,
    };
    state as usize * EVENTS + event
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tables::{CONTRACT_NET, REQUEST};

    #[test]
    fn the_index_finds_every_row_in_the_order_of_the_table() {
        for table in [&CONTRACT_NET, &REQUEST] {
            for row in table.rows {
                let same = |other: &&Row| (other.state, other.event) == (row.state, row.event);
                let expected: Vec<_> = table.rows.iter().filter(same).map(|row| row.guard).collect();
                let asked = std::cell::RefCell::new(Vec::new());
                let none = table.row(row.state, row.event, |guard| {
                    asked.borrow_mut().push(guard);
                    false
                });
                assert!(none.is_none());
                assert_eq!(asked.into_inner(), expected, "{row:?}");
            }
        }
    }
}
