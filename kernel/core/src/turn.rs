//! What a turn may stage: messages within the bounds, stamped so that the guest learns their ids at once.

use std::{collections::BTreeMap, sync::Arc};

use caxton_abi::{Code, Envelope, TraceContext, Uid, class, std_types::ROption};

use crate::{
    act,
    agent::{State, Turn},
};

/// Stages a message for several receivers or one; see [`Turn::stage`].
pub(crate) fn stage(turn: &mut Turn, mut envelope: Envelope) -> Result<Uid, Code> {
    if !act::is_known(envelope.head.performative) {
        return Err(Code::UNKNOWN_PERFORMATIVE);
    }
    if envelope.content.len() > turn.limits.content_bytes_max {
        return Err(Code::CONTENT_TOO_LARGE);
    }
    // Most messages name one receiver, in their header.
    let one = [envelope.head.receiver];
    let several;
    let receivers = match envelope.extra {
        ROption::RNone if envelope.head.receiver != 0 => one.as_slice(),
        _ => {
            several = receivers(&envelope, turn.limits.receivers_max);
            several.as_slice()
        }
    };
    if receivers.is_empty() {
        return Err(Code::NO_RECEIVER);
    }
    if receivers.len() > turn.limits.receivers_max {
        return Err(Code::TOO_MANY_RECEIVERS);
    }
    if turn.outbox.len() + receivers.len() > turn.limits.outbox_messages_max
        || is_too_heavy(turn, envelope.content.len())
    {
        return Err(Code::OUTBOX_FULL);
    }
    let class = class(&envelope)?;
    check_receiver(turn, class, receivers)?;
    let head = &mut envelope.head;
    head.sender = turn.address;
    head.class = class;
    head.flags = 0;
    head.hop = 0;
    head.trace = TraceContext::default();
    if head.conversation.is_none() {
        head.conversation = turn.ids.mint(turn.now);
        // A conversation that begins here is a trace of its own.
        head.trace.trace = head.conversation;
    }
    Ok(push_copies(turn, envelope, receivers))
}

/// What is known already to be refused when the turn commits. A message to several is refused copy by copy then, an acked
/// one waits.
fn check_receiver(turn: &Turn, class: u8, receivers: &[u32]) -> Result<(), Code> {
    let receiver = match receivers {
        [one] => *one,
        _ => 0,
    };
    turn.directory.refuses(receiver, class).map_or(Ok(()), Err)
}

/// What a message is promised: as its header says, else as its user parameter says, else nothing.
pub(crate) fn class(message: &Envelope) -> Result<u8, Code> {
    let stated = message.head.class;
    match &message.extra {
        _ if stated != class::VOLATILE => class::name(stated).map(|_| stated).ok_or(Code::CLASS_UNKNOWN),
        ROption::RNone => Ok(class::VOLATILE),
        ROption::RSome(extra) => {
            let param = extra.params.iter().find(|param| param.0.eq_ignore_ascii_case(class::PARAM));
            param.map_or(Ok(class::VOLATILE), |param| class::parse(&param.1).ok_or(Code::CLASS_UNKNOWN))
        }
    }
}

/// Contents up to this size are bounded by the number of messages alone, so the sum is taken for larger ones only.
const LIGHT_CONTENT_BYTES: usize = 4096;

fn is_too_heavy(turn: &Turn, bytes: usize) -> bool {
    let staged = || turn.outbox.iter().map(|staged| staged.content.len()).sum::<usize>();
    bytes > LIGHT_CONTENT_BYTES && staged().saturating_add(bytes) > turn.limits.outbox_bytes_max
}

/// Stages one copy for each receiver, the last of which is the message itself; returns the id of the first.
fn push_copies(turn: &mut Turn, envelope: Envelope, receivers: &[u32]) -> Uid {
    let Some((last, others)) = receivers.split_last() else { return Uid::NONE };
    let mut first = Uid::NONE;
    let mut push = |mut copy: Envelope, receiver: u32| {
        copy.head.receiver = receiver;
        copy.head.id = turn.ids.mint(turn.now);
        if first.is_none() {
            first = copy.head.id;
        }
        turn.outbox.push(copy);
    };
    others.iter().for_each(|receiver| push(envelope.clone(), *receiver));
    push(envelope, *last);
    first
}

/// The receivers that an unexpanded message names, each once, in order; at most one more than allowed.
pub(crate) fn receivers(envelope: &Envelope, receivers_max: usize) -> Vec<u32> {
    let mut all = Vec::new();
    let further = match &envelope.extra {
        ROption::RSome(extra) => extra.receivers.as_slice(),
        ROption::RNone => &[],
    };
    for receiver in std::iter::once(&envelope.head.receiver).chain(further) {
        if all.len() > receivers_max {
            break;
        }
        if *receiver != 0 && !all.contains(receiver) {
            all.push(*receiver);
        }
    }
    all
}

/// What a turn writes: a value, or `None` to remove the key.
pub(crate) type Puts = BTreeMap<String, Option<Arc<[u8]>>>;

/// A state with puts laid over it.
pub(crate) fn overlay(state: &State, puts: &Puts) -> State {
    let mut state = State::clone(state);
    for (key, value) in puts {
        match value {
            Some(value) => state.insert(key.clone(), value.clone()),
            None => state.remove(key),
        };
    }
    state
}

/// The state after the turn's puts, or the number of bytes when they are too many.
pub(crate) fn next_state(turn: &Turn) -> Result<Option<State>, usize> {
    if turn.puts.is_empty() {
        return Ok(None);
    }
    let state = overlay(&turn.state, &turn.puts);
    let bytes = state.iter().map(|(key, value)| key.len() + value.len()).sum();
    if bytes > turn.limits.state_bytes_max { Err(bytes) } else { Ok(Some(state)) }
}
