//! Between the kernel's envelope and the WIT's records. Content crosses by slice on the way in and is taken over on the
//! way out, so the host copies it once in each direction, as the boundary demands.

use caxton_abi::{
    Envelope, Extra, Header, Payload, Uid,
    std_types::{RArc, ROption, RString, Tuple2},
};
use caxton_core::{agent::Fault, time::Time};

use crate::imports::types;

/// In the order of their codes, which is alphabetical in SC00037 and in the WIT.
const ACTS: [types::Performative; 22] = [
    types::Performative::AcceptProposal,
    types::Performative::Agree,
    types::Performative::Cancel,
    types::Performative::Cfp,
    types::Performative::Confirm,
    types::Performative::Disconfirm,
    types::Performative::Failure,
    types::Performative::Inform,
    types::Performative::InformIf,
    types::Performative::InformRef,
    types::Performative::NotUnderstood,
    types::Performative::Propagate,
    types::Performative::Propose,
    types::Performative::Proxy,
    types::Performative::QueryIf,
    types::Performative::QueryRef,
    types::Performative::Refuse,
    types::Performative::RejectProposal,
    types::Performative::Request,
    types::Performative::RequestWhen,
    types::Performative::RequestWhenever,
    types::Performative::Subscribe,
];

const MILLIS_PER_SECOND: u64 = 1_000;
const NANOS_PER_MILLI: u32 = 1_000_000;
const NANOS_PER_SECOND: u64 = 1_000_000_000;

fn act(code: u8) -> types::Performative {
    // The kernel lets only 1 to 22 in; the fallback is the act that says so.
    let index = usize::from(code).wrapping_sub(1);
    ACTS.get(index).copied().unwrap_or(types::Performative::NotUnderstood)
}

fn code(act: types::Performative) -> u8 {
    act as u8 + 1
}

pub(crate) fn uid(id: Uid) -> types::Uid {
    let [a, b, c, d] = id.words();
    types::Uid { a, b, c, d }
}

fn from_uid(id: types::Uid) -> Uid {
    Uid::from_words([id.a, id.b, id.c, id.d])
}

/// Later than the year 2106 becomes 2106: the WIT has 32 bits for seconds.
pub(crate) fn instant(time: Time) -> types::Instant {
    let nanos = time.nanos();
    types::Instant {
        seconds: u32::try_from(nanos / NANOS_PER_SECOND).unwrap_or(u32::MAX),
        nanos: u32::try_from(nanos % NANOS_PER_SECOND).unwrap_or(0),
    }
}

pub(crate) fn time(instant: types::Instant) -> Time {
    Time::from_nanos(u64::from(instant.seconds) * NANOS_PER_SECOND + u64::from(instant.nanos))
}

fn from_millis(millis: u64) -> types::Instant {
    instant(Time::from_millis(millis))
}

/// Rounds up, so that a deadline below a millisecond is not taken for none.
fn to_millis(instant: types::Instant) -> u64 {
    u64::from(instant.seconds) * MILLIS_PER_SECOND + u64::from(instant.nanos.div_ceil(NANOS_PER_MILLI))
}

/// The parameters of each message that has rare fields; the records below borrow from it.
pub(crate) type Params<'a> = Vec<Vec<(&'a str, &'a str)>>;

/// Prepares what [`messages`] borrows; allocates only when some message has rare fields.
pub(crate) fn params(batch: &[Envelope]) -> Params<'_> {
    let rare = |envelope: &Envelope| matches!(envelope.extra, ROption::RSome(_));
    if !batch.iter().any(rare) {
        return Vec::new();
    }
    batch
        .iter()
        .map(|envelope| match &envelope.extra {
            ROption::RSome(extra) => {
                extra.params.iter().map(|pair| (pair.0.as_str(), pair.1.as_str())).collect()
            }
            ROption::RNone => Vec::new(),
        })
        .collect()
}

/// The batch as the guest takes it.
pub(crate) fn messages<'a>(batch: &'a [Envelope], params: &'a Params<'a>) -> Vec<types::Message<'a>> {
    batch
        .iter()
        .enumerate()
        .map(|(index, envelope)| message(envelope, params.get(index).map_or(&[], Vec::as_slice)))
        .collect()
}

fn message<'a>(envelope: &'a Envelope, params: &'a [(&'a str, &'a str)]) -> types::Message<'a> {
    let head = &envelope.head;
    let span = head.trace.span;
    types::Message {
        id: uid(head.id),
        performative: act(head.performative),
        sender: head.sender,
        conversation: uid(head.conversation),
        reply_with: head.reply_with,
        in_reply_to: head.in_reply_to,
        reply_by: from_millis(head.reply_by_ms),
        protocol: head.protocol,
        ontology: head.ontology,
        language: head.language,
        encoding: head.encoding,
        marks: u32::from(head.flags),
        trace: types::TraceContext {
            trace: uid(head.trace.trace),
            span_hi: (span >> 32) as u32,
            span_lo: span as u32,
            trace_flags: head.trace.flags,
        },
        content: envelope.content.as_slice(),
        extra: match &envelope.extra {
            ROption::RSome(extra) => Some(types::ExtraParam {
                receivers: extra.receivers.as_slice(),
                reply_to: extra.reply_to.as_slice(),
                params,
            }),
            ROption::RNone => None,
        },
    }
}

/// What a guest asks to send; sender, id and trace are stamped when it is staged.
pub(crate) fn envelope(draft: types::Draft) -> Envelope {
    let head = Header {
        conversation: from_uid(draft.conversation),
        reply_by_ms: to_millis(draft.reply_by),
        receiver: draft.to,
        reply_with: draft.reply_with,
        in_reply_to: draft.in_reply_to,
        protocol: draft.protocol,
        ontology: draft.ontology,
        language: draft.language,
        encoding: draft.encoding,
        performative: code(draft.performative),
        ..Header::default()
    };
    Envelope {
        head,
        content: Payload::from(draft.content),
        extra: draft.extra.map(|extra| RArc::new(rare(extra))).into(),
    }
}

fn rare(extra: types::ExtraResult) -> Extra {
    let params =
        extra.params.into_iter().map(|(name, value)| Tuple2(RString::from(name), RString::from(value)));
    Extra { receivers: extra.receivers.into(), reply_to: extra.reply_to.into(), params: params.collect() }
}

/// A fault that the guest returned.
pub(crate) fn returned(fault: types::Fault) -> Fault {
    Fault::Returned { code: fault.code, detail: fault.detail }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn acts_keep_their_codes() {
        for expected in 1..=22 {
            assert_eq!(code(act(expected)), expected);
        }
        assert_eq!(act(0), types::Performative::NotUnderstood);
        assert_eq!(act(23), types::Performative::NotUnderstood);
    }

    #[test]
    fn a_deadline_below_a_millisecond_is_not_none() {
        assert_eq!(to_millis(types::Instant { seconds: 0, nanos: 1 }), 1);
        assert_eq!(to_millis(from_millis(1_700_000_000_123)), 1_700_000_000_123);
    }
}
