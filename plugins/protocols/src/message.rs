//! One observation in one shard: a message on its way, a message that came to nothing, an agent that was lost.

use caxton_acl::Performative;
use caxton_plugin::{Code, Envelope, Header, Observation, TraceContext, Uid, flags};

use crate::{
    close::settle,
    config::OutOfSequence,
    conversation::{Conversation, Session},
    pass::{Letter, Pass},
    shard::Shard,
    step::{Cause, apply, misfit},
    table::{Event, Role, State},
};

/// The user parameter that names the conversation which a new one serves.
const PARENT: &str = "X-caxton-parent";

/// Decides what happens with the first message of a run; the others of the same conversation follow it.
pub fn message(shard: &mut Shard, index: u32, run: &[Observation], pass: &mut Pass<'_>) {
    let Some(envelope) = run.first().map(|first| &first.envelope) else { return };
    let head = &envelope.head;
    let kind = pass.numbers.kind(head.protocol);
    let cancels = head.protocol != 0 && head.protocol == pass.numbers.cancel_meta;
    let platform = head.flags & flags::PLATFORM != 0;
    if (kind.is_none() && !cancels) || platform {
        return;
    }
    let Some(act) = Performative::from_code(head.performative) else {
        return out_of_sequence(index, head, Code::UNKNOWN_PERFORMATIVE, "", false, pass);
    };
    if head.conversation.is_none() {
        return out_of_sequence(index, head, Code::MESSAGE_MALFORMED, "", false, pass);
    }
    let opens = kind.is_some_and(|kind| kind.table().opening == act);
    let Some(conversation) = shard.conversations.get_mut(&head.conversation) else {
        return match kind.filter(|_| opens) {
            Some(_) => open(shard, index, envelope, run.len(), pass),
            None => out_of_sequence(index, head, Code::CONVERSATION_UNKNOWN, "", false, pass),
        };
    };
    settle(conversation, pass);
    if kind.is_some_and(|kind| kind != conversation.kind) {
        return out_of_sequence(index, head, Code::CONVERSATION_EXISTS, conversation.phase(), false, pass);
    }
    if opens && conversation.session_of_call(head).is_none() {
        return call(conversation, index, envelope, pass);
    }
    proceed(conversation, index, head, act, pass);
}

/// Row 1 with a new conversation-id. At most `calls` sessions come at once.
fn open(shard: &mut Shard, index: u32, envelope: &Envelope, calls: usize, pass: &mut Pass<'_>) {
    let head = &envelope.head;
    let Some(kind) = pass.numbers.kind(head.protocol) else { return };
    let Some(token) = shard.admit(head.conversation, pass.config.conversations_max) else {
        pass.withhold(index, Code::CONVERSATION_LIMIT);
        return pass.refuse_service(head, Code::CONVERSATION_LIMIT);
    };
    let mut conversation = Box::new(Conversation::new(head, kind, token, parent(envelope)));
    conversation.sessions.reserve(calls.min(pass.config.sessions_max));
    pass.opened(&conversation);
    call(&mut conversation, index, envelope, pass);
    shard.conversations.insert(head.conversation, conversation);
}

/// Row 1: one more session. Only the initiator may, and not after the conversation was decided.
fn call(conversation: &mut Conversation, index: u32, envelope: &Envelope, pass: &mut Pass<'_>) {
    let head = &envelope.head;
    if head.sender != conversation.initiator {
        return out_of_sequence(index, head, Code::CONVERSATION_EXISTS, conversation.phase(), false, pass);
    }
    let past = conversation.past;
    if conversation.is_closed() && (past.bid || past.abandoned) {
        return out_of_sequence(index, head, Code::CONVERSATION_CLOSED, conversation.phase(), false, pass);
    }
    if conversation.sessions.len() >= pass.config.sessions_max {
        pass.withhold(index, Code::CONVERSATION_LIMIT);
        return pass.refuse_service(head, Code::CONVERSATION_LIMIT);
    }
    let opening = conversation.kind.table().opening;
    let at = conversation.sessions.push(Session::new(head, answer_to(envelope)));
    apply(conversation, at, Event::Says(Role::Initiator, opening), Cause::Message(index, head), pass);
}

fn proceed(
    conversation: &mut Conversation,
    index: u32,
    head: &Header,
    act: Performative,
    pass: &mut Pass<'_>,
) {
    let Some((at, role)) = conversation.session_of(head, act) else {
        let (code, known) = match conversation.knows(head, act) {
            true => (Code::UNEXPECTED_ACT, true),
            false => (Code::NOT_A_ROLE, false),
        };
        return out_of_sequence(index, head, code, conversation.phase(), known, pass);
    };
    if !apply(conversation, at, Event::Says(role, act), Cause::Message(index, head), pass) {
        let (code, state) = misfit(conversation, at, role, act);
        out_of_sequence(index, head, code, state, true, pass);
    }
}

/// Row 19 and ruling F10. `known`: the message goes between initiator and participant, so a not-understood, which is
/// possible at any point, is delivered flagged instead of being lost.
fn out_of_sequence(index: u32, head: &Header, code: Code, state: &str, known: bool, pass: &mut Pass<'_>) {
    let complains = head.performative == Performative::NotUnderstood.code();
    match pass.config.out_of_sequence {
        OutOfSequence::Deliver => pass.amend(index, flags::OUT_OF_SEQUENCE, 0),
        OutOfSequence::NotUnderstood if complains && known => pass.amend(index, flags::OUT_OF_SEQUENCE, 0),
        OutOfSequence::NotUnderstood if !complains && head.sender != pass.numbers.platform => {
            pass.withhold(index, code);
            pass.not_understood(head, code, state);
        }
        OutOfSequence::NotUnderstood | OutOfSequence::Drop => pass.withhold(index, code),
    }
}

fn parent(envelope: &Envelope) -> Uid {
    let extra = envelope.extra.as_ref().into_option();
    let named =
        extra.and_then(|extra| extra.params.iter().find(|param| param.0.eq_ignore_ascii_case(PARENT)));
    named.and_then(|param| Uid::parse(&param.1)).unwrap_or(Uid::NONE)
}

fn answer_to(envelope: &Envelope) -> u32 {
    let extra = envelope.extra.as_ref().into_option();
    extra.and_then(|extra| extra.reply_to.first()).copied().unwrap_or(envelope.head.sender)
}

/// Rows 5, 13 and 17: an accepted message came to nothing. Its sender gets a failure, unless the message ended a
/// session, is the platform's own, or belongs to a session that is over: whatever ended that one was told already.
pub fn undelivered(shard: &mut Shard, head: &Header, code: Code, pass: &mut Pass<'_>) {
    let Some(act) = Performative::from_code(head.performative) else { return };
    let ours = pass.numbers.kind(head.protocol).is_some() || head.protocol == pass.numbers.cancel_meta;
    if !ours || ends(act) || head.flags & flags::PLATFORM != 0 {
        return;
    }
    let mut to = head.sender;
    if let Some(conversation) = shard.conversations.get_mut(&head.conversation) {
        settle(conversation, pass);
        let sent_in = conversation.session_that_sent(head, act);
        let event = Event::Undelivered(act);
        if sent_in.is_some_and(|at| apply(conversation, at, event, Cause::Undelivered(head, code), pass)) {
            return;
        }
        let session = sent_in.and_then(|at| conversation.sessions.get(at));
        let over = session.is_some_and(|session| session.state.is_final() && act != Performative::Cancel);
        if over || called_off(conversation, head, act) {
            return;
        }
        if let Some(session) = session.filter(|_| head.sender == conversation.initiator) {
            to = session.answer_to;
        }
    }
    let letter = Letter {
        act: Performative::Failure,
        from: head.receiver,
        to,
        in_reply_to: head.reply_with,
        code,
        cause: Code::NONE,
        trace: head.trace,
        reply_by_ms: 0,
    };
    pass.send_about(head, letter);
}

/// True for acts that end a session; nobody waits for an answer to them.
fn ends(act: Performative) -> bool {
    use Performative::{Failure, NotUnderstood, Refuse, RejectProposal};
    matches!(act, Failure | NotUnderstood | Refuse | RejectProposal)
}

/// True for a participant's message to a lost initiator when a cancel or a reject has told the participant.
fn called_off(conversation: &Conversation, head: &Header, act: Performative) -> bool {
    let Some((at, Role::Participant)) = conversation.session_of(head, act) else { return false };
    let state = conversation.sessions.get(at).map(|session| session.state);
    let told = matches!(state, Some(State::Cancelling | State::Cancelled | State::Rejected));
    conversation.past.abandoned && told
}

/// Row 13 and ruling F7: what the agent promised in this conversation is void, and what it asked for is called off.
pub fn lost(
    conversation: &mut Conversation,
    agent: u32,
    code: Code,
    trace: TraceContext,
    pass: &mut Pass<'_>,
) {
    settle(conversation, pass);
    let event = if conversation.initiator == agent { Event::InitiatorLost } else { Event::ParticipantLost };
    conversation.past.abandoned |= event == Event::InitiatorLost;
    for at in 0..conversation.sessions.len() {
        let concerned = conversation.sessions.get(at).is_some_and(|session| session.participant == agent);
        if concerned || event == Event::InitiatorLost {
            apply(conversation, at, event, Cause::Lost(trace, code), pass);
        }
    }
}
