//! Carries out one row: looks it up in the table, moves the session, does what the row says.

use caxton_acl::Performative;
use caxton_plugin::{Code, Header, TraceContext};

use crate::{
    conversation::{Conversation, Kind, NEVER, Session},
    pass::{Letter, Numbers, Pass},
    table::{Clock, Effect, Event, Guard, Next, Role, Row, State, Table},
    tables::{CONTRACT_NET, REQUEST},
};

impl Kind {
    /// The protocol's table.
    pub const fn table(self) -> &'static Table {
        match self {
            Self::ContractNet => &CONTRACT_NET,
            Self::Request => &REQUEST,
        }
    }
}

/// What brought an event about.
#[derive(Clone, Copy, Debug)]
pub enum Cause<'a> {
    /// The message at an index of the batch.
    Message(u32, &'a Header),
    /// A message that came to nothing, and why.
    Undelivered(&'a Header, Code),
    /// An agent was lost; where that stands in a trace, and why.
    Lost(TraceContext, Code),
    /// Time passed.
    Time,
    /// The conversation is decided without this bid.
    Decided(Code),
}

impl<'a> Cause<'a> {
    fn message(self) -> Option<&'a Header> {
        match self {
            Self::Message(_, head) | Self::Undelivered(head, _) => Some(head),
            _ => None,
        }
    }

    /// True for an agent that was removed or given up.
    fn is_for_good(self) -> bool {
        let ends = [Code::AGENT_STOPPED, Code::AGENT_FAILED, Code::AGENT_INIT_FAILED, Code::ATTACHMENT_LOST];
        matches!(self, Self::Lost(_, code) if ends.contains(&code))
    }

    /// What a failure's content names beside its own code.
    fn code(self) -> Code {
        match self {
            Self::Undelivered(_, code) | Self::Lost(_, code) => code,
            _ => Code::NONE,
        }
    }

    fn trace(self, conversation: &Conversation) -> TraceContext {
        match self {
            Self::Message(_, head) | Self::Undelivered(head, _) => head.trace,
            Self::Lost(at, _) if at.span != 0 => TraceContext { span: at.span, ..conversation.trace },
            _ => conversation.trace,
        }
    }
}

/// Carries out the row that fits the session at `index` and returns true; false when none does.
pub fn apply(
    conversation: &mut Conversation,
    index: usize,
    event: Event,
    cause: Cause<'_>,
    pass: &mut Pass<'_>,
) -> bool {
    let Some(session) = conversation.sessions.get(index) else { return false };
    let holds = |guard| holds(guard, session, cause, pass.now_ms, pass.numbers);
    let Some(row) = conversation.kind.table().row(session.state, event, holds) else { return false };

    let mut moved = session.clone();
    let deadline_ms = travel(&mut moved, row, cause, pass);
    let (from, code) = (session.state, reason(session, row, event, cause));
    if breaks_promise(session, cause) && moved.state.is_final() {
        moved.void = code.0;
    }
    conversation.next_due_ms = conversation.next_due_ms.min(deadline_ms);
    remember(conversation, from, &moved);
    perform(conversation, &moved, from, row.effect, code, cause, pass);
    if moved.state != from {
        pass.moved(conversation, &moved, from, code);
    }
    conversation.sessions.replace(index, moved);
    true
}

/// True when the participant had bound itself or left for good, and what happened is no message's doing.
fn breaks_promise(session: &Session, cause: Cause<'_>) -> bool {
    let bound = session.state.binds() || (session.state == State::Cancelling && session.back.binds());
    (bound || cause.is_for_good()) && !matches!(cause, Cause::Message(..) | Cause::Undelivered(..))
}

fn holds(guard: Guard, session: &Session, cause: Cause<'_>, now_ms: u64, numbers: &Numbers) -> bool {
    let head = cause.message();
    let stale = head.is_some_and(|head| head.reply_by_ms != 0 && head.reply_by_ms < now_ms);
    let answers_cancel = head.is_some_and(|head| {
        session.cancel.is_some_and(|cancel| {
            head.in_reply_to == cancel || (head.protocol != 0 && head.protocol == numbers.cancel_meta)
        })
    });
    match guard {
        Guard::Always => true,
        Guard::Timely => !stale,
        Guard::Stale => stale,
        Guard::AnswersCall => head.is_some_and(|head| head.in_reply_to == session.call),
        Guard::AnswersCancel => answers_cancel,
        Guard::CrossesCancel => !answers_cancel && session.back.awaits_result(),
        Guard::CrossesCall => {
            let unanswered = matches!(session.back, State::AwaitBid | State::Requested);
            let answers_call = head.is_some_and(|head| head.in_reply_to == session.call);
            answers_call && unanswered && now_ms <= session.back_deadline_ms
        }
        Guard::HadBound => session.back.binds(),
        Guard::Gone => cause.is_for_good(),
        Guard::Void => session.void != 0 && !answers_cancel,
    }
}

/// Moves the session and returns its new deadline.
fn travel(session: &mut Session, row: &Row, cause: Cause<'_>, pass: &mut Pass<'_>) -> u64 {
    let (from, until) = (session.state, session.deadline_ms);
    match row.next {
        Next::Same => return NEVER,
        Next::Behind(state) => {
            if let (Effect::Start(clock), Cause::Message(index, head)) = (row.effect, cause) {
                session.back_deadline_ms = start(clock, index, head, pass);
                note(session, state, session.back, head);
            }
            session.back = state;
            return NEVER;
        }
        Next::Back => {
            session.state = session.back;
            session.deadline_ms = session.back_deadline_ms;
        }
        Next::To(state) => {
            session.state = state;
            session.deadline_ms = NEVER;
        }
    }
    if session.state == State::Cancelling {
        session.back = from;
        session.back_deadline_ms = until;
        session.cancel = Some(cause.message().map_or(0, |head| head.reply_with));
    }
    match (row.effect, cause) {
        (Effect::Start(clock), Cause::Message(index, head)) => {
            session.deadline_ms = start(clock, index, head, pass);
        }
        (Effect::Cancel, _) => {
            session.deadline_ms = pass.now_ms.saturating_add(pass.config.default_reply_by_ms)
        }
        _ => {}
    }
    if let Cause::Message(_, head) = cause {
        note(session, session.state, from, head);
    }
    session.deadline_ms
}

/// When the new state ends; stamps that into the message when it named no time, or one too far away.
fn start(clock: Clock, index: u32, head: &Header, pass: &mut Pass<'_>) -> u64 {
    let given = head.reply_by_ms;
    let default = match clock {
        Clock::Validity => return if given == 0 { NEVER } else { given },
        Clock::Work => return pass.now_ms.saturating_add(pass.config.result_timeout_ms),
        Clock::Answer => pass.config.default_reply_by_ms,
        Clock::Result => pass.config.result_timeout_ms,
    };
    let furthest = pass.now_ms.saturating_add(pass.config.reply_by_max_ms);
    let until = match given {
        0 => pass.now_ms.saturating_add(default).min(furthest),
        given => given.min(furthest),
    };
    if until != given {
        pass.amend(index, 0, until);
    }
    until
}

/// Keeps what later messages refer to.
fn note(session: &mut Session, reached: State, from: State, head: &Header) {
    match reached {
        State::AwaitBid | State::Requested if from == State::Start => {
            session.reply_by_ms = session.deadline_ms
        }
        State::Bid if from == State::AwaitBid => {
            session.offered = head.reply_with;
            session.valid_until_ms = head.reply_by_ms;
        }
        State::Accepted if from == State::Bid => session.asked = head.reply_with,
        _ => {}
    }
}

fn remember(conversation: &mut Conversation, from: State, moved: &Session) {
    let past = &mut conversation.past;
    past.bid |= moved.bid_stands();
    past.accepted |= moved.state == State::Accepted;
    let worked = from == State::Accepted || (from == State::Cancelling && moved.back == State::Accepted);
    if worked && moved.state.is_final() && moved.state != State::Done {
        // The winner is out: the initiator may accept a runner-up and has the whole time for it.
        conversation.decide_by_ms = NEVER;
    }
}

/// Why: the row's own code, or the event's.
fn reason(session: &Session, row: &Row, event: Event, cause: Cause<'_>) -> Code {
    match (row.effect, cause) {
        (Effect::Withhold(Code::NONE) | Effect::WithholdAndFail(Code::NONE), _) => Code(session.void),
        (Effect::Withhold(code) | Effect::WithholdAndFail(code) | Effect::WithholdAndReject(code), _) => code,
        (Effect::FailInitiator(code), _) => code,
        (_, Cause::Undelivered(_, code)) => failure_of(event, code),
        (_, Cause::Decided(code)) => code,
        (_, Cause::Lost(..)) => Code::AGENT_LOST,
        _ => Code::NONE,
    }
}

/// Ruling F7: an accept that met a trap or a removed agent is a lost commitment, whatever the cause is called.
fn failure_of(event: Event, code: Code) -> Code {
    let gone = matches!(
        code,
        Code::UNKNOWN_RECEIVER
            | Code::AGENT_STOPPED
            | Code::AGENT_NOT_FOUND
            | Code::AGENT_FAILED
            | Code::ATTACHMENT_LOST
            | Code::POISON
            | Code::TRAP_DEADLINE
            | Code::TRAP_MEMORY
            | Code::TRAP_STACK
            | Code::TRAP_UNREACHABLE
            | Code::TRAP_OTHER
            | Code::TRAP_DENIED
    );
    if gone && event == Event::Undelivered(Performative::AcceptProposal) { Code::AGENT_LOST } else { code }
}

fn perform(
    conversation: &Conversation,
    session: &Session,
    from: State,
    effect: Effect,
    code: Code,
    cause: Cause<'_>,
    pass: &mut Pass<'_>,
) {
    let trace = cause.trace(conversation);
    let fail = |in_reply_to, code| Letter {
        act: Performative::Failure,
        from: session.participant,
        to: session.answer_to,
        in_reply_to,
        code,
        cause: cause.code(),
        trace,
        reply_by_ms: 0,
    };
    let reject = |in_reply_to| Letter {
        act: Performative::RejectProposal,
        from: conversation.initiator,
        to: session.participant,
        ..fail(in_reply_to, code)
    };
    match (effect, cause) {
        (Effect::DeliverLate, Cause::Message(index, _)) => pass.amend(index, caxton_plugin::flags::LATE, 0),
        (Effect::Withhold(_), Cause::Message(index, _)) => pass.withhold(index, code),
        (Effect::WithholdAndFail(_), Cause::Message(index, head)) => {
            pass.withhold(index, code);
            pass.send(conversation, fail(head.reply_with, code));
        }
        (Effect::WithholdAndReject(_), Cause::Message(index, head)) => {
            pass.withhold(index, code);
            pass.send(conversation, reject(head.reply_with));
        }
        (Effect::FailInitiator(code), _) => {
            let cancelled = if from == State::Cancelling { session.cancel } else { None };
            let unanswered = matches!(cause, Cause::Time).then_some(cancelled).flatten();
            pass.send(conversation, fail(unanswered.unwrap_or(session.asked), code));
        }
        (Effect::FailSender, Cause::Undelivered(head, _)) => {
            let to = if head.sender == conversation.initiator { session.answer_to } else { head.sender };
            pass.send_about(head, Letter { from: head.receiver, to, ..fail(head.reply_with, code) });
        }
        (Effect::FailCancel(code), _) => pass.send(conversation, fail(session.cancel.unwrap_or(0), code)),
        (Effect::Reject, _) => pass.send(conversation, reject(session.offered)),
        (Effect::Cancel, _) => {
            let act = Performative::Cancel;
            pass.send(conversation, Letter { act, reply_by_ms: session.deadline_ms, ..reject(0) });
        }
        _ => {}
    }
}

/// The code and the state's name for a message that no row covers.
pub fn misfit(
    conversation: &Conversation,
    index: usize,
    role: Role,
    act: Performative,
) -> (Code, &'static str) {
    let table = conversation.kind.table();
    let other = match role {
        Role::Initiator => Role::Participant,
        Role::Participant => Role::Initiator,
    };
    let wrong_side = !table.may_say(role, act) && table.may_say(other, act);
    let state = conversation.sessions.get(index).map_or("", |session| session.state.name());
    (if wrong_side { Code::NOT_A_ROLE } else { Code::UNEXPECTED_ACT }, state)
}
