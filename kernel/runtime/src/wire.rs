//! The two records that every message passes as, laid out by hand.
//!
//! What the engine derives for a record looks the guest's memory up once for each integer: half of the time that a
//! message takes into a guest. Here a record is put together on the host and copied with one check of its bounds. Types are
//! checked as the derived ones are, and lists, strings and the rare fields are left to the engine.

use std::mem::MaybeUninit;

use caxton_abi::{Envelope, Header, Payload, Uid, std_types::ROption};
use wasmtime::{
    ValRaw,
    component::{
        __internal::{CanonicalAbiInfo, InstanceType, InterfaceType, LiftContext, LowerContext},
        ComponentType, Lift, Lower,
    },
};

use crate::{convert, imports::types};

type Message = types::Message<'static>;
type Answer<T> = wasmtime::Result<T>;

/// Bytes of `message` in the guest's memory, and where its last two fields are.
const MESSAGE_BYTES: usize = 140;
const MESSAGE_EXTRA: usize = 112;
const MESSAGE_EXTRA_FIELD: usize = 14;
/// Bytes of `draft`, and where fields are that are no plain integers.
const DRAFT_BYTES: usize = 92;
const DRAFT_ACT: usize = 4;
const DRAFT_EXTRA: usize = 64;
const DRAFT_EXTRA_FIELD: usize = 11;
const UID_BYTES: usize = 16;

const _: () = {
    assert!(<Message as ComponentType>::SIZE32 == MESSAGE_BYTES && <Message as ComponentType>::ALIGN32 == 4);
    assert!(types::Draft::SIZE32 == DRAFT_BYTES && types::Draft::ALIGN32 == 4);
    assert!(types::Uid::SIZE32 == UID_BYTES && types::Uid::ALIGN32 == 4);
};

/// A batch on its way into a guest: `list<message>`.
#[derive(Clone, Copy)]
pub struct Batch<'a>(pub &'a [Envelope]);

/// What a guest sends, on its way out: `list<draft>`.
pub struct Drafts(pub Vec<Envelope>);

/// The ids of what was staged: `list<uid>`.
pub struct Ids(pub Vec<Uid>);

// SAFETY: everything that the engine relies on is that of the derived type.
unsafe impl ComponentType for Batch<'_> {
    type Lower = <[Message] as ComponentType>::Lower;
    const ABI: CanonicalAbiInfo = <[Message] as ComponentType>::ABI;

    fn typecheck(ty: &InterfaceType, types: &InstanceType<'_>) -> Answer<()> {
        <[Message] as ComponentType>::typecheck(ty, types)
    }
}

// SAFETY: as for `Batch`.
unsafe impl ComponentType for Drafts {
    type Lower = <[types::Draft] as ComponentType>::Lower;
    const ABI: CanonicalAbiInfo = <[types::Draft] as ComponentType>::ABI;

    fn typecheck(ty: &InterfaceType, types: &InstanceType<'_>) -> Answer<()> {
        <[types::Draft] as ComponentType>::typecheck(ty, types)
    }
}

// SAFETY: as for `Batch`.
unsafe impl ComponentType for Ids {
    type Lower = <[types::Uid] as ComponentType>::Lower;
    const ABI: CanonicalAbiInfo = <[types::Uid] as ComponentType>::ABI;

    fn typecheck(ty: &InterfaceType, types: &InstanceType<'_>) -> Answer<()> {
        <[types::Uid] as ComponentType>::typecheck(ty, types)
    }
}

// SAFETY: `dst` is filled with the pointer and the length of a list that lies in the guest's memory. Bytes are written
// through slices of that memory only, so a mistake in the layout could confuse the guest, not the host.
unsafe impl Lower for Batch<'_> {
    fn linear_lower_to_flat<T>(
        &self,
        cx: &mut LowerContext<'_, T>,
        ty: InterfaceType,
        dst: &mut MaybeUninit<Self::Lower>,
    ) -> Answer<()> {
        let at = self.store(cx, ty)?;
        dst.write(flat(at, self.0.len()));
        Ok(())
    }

    fn linear_lower_to_memory<T>(
        &self,
        cx: &mut LowerContext<'_, T>,
        ty: InterfaceType,
        offset: usize,
    ) -> Answer<()> {
        let at = self.store(cx, ty)?;
        *cx.get(offset) = pair(at, self.0.len())?;
        Ok(())
    }
}

// SAFETY: as for `Batch`.
unsafe impl Lower for Ids {
    fn linear_lower_to_flat<T>(
        &self,
        cx: &mut LowerContext<'_, T>,
        _: InterfaceType,
        dst: &mut MaybeUninit<Self::Lower>,
    ) -> Answer<()> {
        let at = self.store(cx)?;
        dst.write(flat(at, self.0.len()));
        Ok(())
    }

    fn linear_lower_to_memory<T>(
        &self,
        cx: &mut LowerContext<'_, T>,
        _: InterfaceType,
        offset: usize,
    ) -> Answer<()> {
        let at = self.store(cx)?;
        *cx.get(offset) = pair(at, self.0.len())?;
        Ok(())
    }
}

// SAFETY: reads the guest's memory through checked slices only, and makes whole values of what it finds.
unsafe impl Lift for Drafts {
    fn linear_lift_from_flat(cx: &mut LiftContext<'_>, ty: InterfaceType, src: &Self::Lower) -> Answer<Self> {
        let [at, len] = src;
        Self::load(cx, ty, at.get_u32(), len.get_u32())
    }

    fn linear_lift_from_memory(cx: &mut LiftContext<'_>, ty: InterfaceType, bytes: &[u8]) -> Answer<Self> {
        Self::load(cx, ty, word(bytes, 0), word(bytes, 4))
    }
}

fn flat(at: usize, len: usize) -> [ValRaw; 2] {
    [ValRaw::i64(at as i64), ValRaw::i64(len as i64)]
}

fn pair(at: usize, len: usize) -> Answer<[u8; 8]> {
    let (at, len) = (u32::try_from(at)?, u32::try_from(len)?);
    Ok((u64::from(len) << 32 | u64::from(at)).to_le_bytes())
}

fn word(bytes: &[u8], at: usize) -> u32 {
    let four = bytes.get(at..).and_then(|rest| rest.first_chunk());
    four.map_or(0, |four| u32::from_le_bytes(*four))
}

fn outside() -> wasmtime::Error {
    wasmtime::Error::msg("list pointer/length out of bounds of memory")
}

/// The types of the elements of a list, and of one field of them.
fn element(
    types: &wasmtime::component::__internal::ComponentTypes,
    list: InterfaceType,
    field: usize,
) -> Answer<InterfaceType> {
    let found = match list {
        InterfaceType::List(list) => match types[list].element {
            InterfaceType::Record(record) => types[record].fields.get(field).map(|field| field.ty),
            _ => None,
        },
        _ => None,
    };
    // The type was checked when the function was linked.
    found.ok_or_else(|| wasmtime::Error::msg("not a list of the expected record"))
}

impl Batch<'_> {
    /// Copies the batch into the guest's memory; returns where it begins.
    fn store<T>(self, cx: &mut LowerContext<'_, T>, ty: InterfaceType) -> Answer<usize> {
        let at = cx.realloc(0, 0, Message::ALIGN32, self.0.len() * MESSAGE_BYTES)?;
        for (index, envelope) in self.0.iter().enumerate() {
            let (to, content) = (at + index * MESSAGE_BYTES, envelope.content.as_slice());
            let content_at = cx.realloc(0, 0, 1, content.len())?;
            let record = record(envelope, u32::try_from(content_at)?, u32::try_from(content.len())?);
            // Looked up again for each message, because the guest's memory may have grown.
            let memory = cx.as_slice_mut();
            write(memory, content_at, content)?;
            write(memory, to, &record)?;
            if let ROption::RSome(extra) = &envelope.extra {
                let params = convert::params(extra);
                let ty = element(cx.types, ty, MESSAGE_EXTRA_FIELD)?;
                Some(convert::rare(extra, &params)).linear_lower_to_memory(cx, ty, to + MESSAGE_EXTRA)?;
            }
        }
        Ok(at)
    }
}

fn write(memory: &mut [u8], at: usize, bytes: &[u8]) -> Answer<()> {
    let to = memory.get_mut(at..).and_then(|rest| rest.get_mut(..bytes.len()));
    to.ok_or_else(outside)?.copy_from_slice(bytes);
    Ok(())
}

/// A message as the guest reads it, with nothing rare.
fn record(envelope: &Envelope, content: u32, content_bytes: u32) -> [u8; MESSAGE_BYTES] {
    let head = &envelope.head;
    let ([id0, id1, id2, id3], [conversation0, conversation1, conversation2, conversation3]) =
        (head.id.words(), head.conversation.words());
    let [trace0, trace1, trace2, trace3] = head.trace.trace.words();
    let reply_by = convert::from_millis(head.reply_by_ms);
    let words = [
        id0,
        id1,
        id2,
        id3,
        u32::from(convert::act_index(head.performative)),
        head.sender,
        conversation0,
        conversation1,
        conversation2,
        conversation3,
        head.reply_with,
        head.in_reply_to,
        reply_by.seconds,
        reply_by.nanos,
        head.protocol,
        head.ontology,
        head.language,
        head.encoding,
        u32::from(head.flags),
        trace0,
        trace1,
        trace2,
        trace3,
        (head.trace.span >> 32) as u32,
        head.trace.span as u32,
        u32::from(head.trace.flags),
        content,
        content_bytes,
    ];
    let mut bytes = [0; MESSAGE_BYTES];
    for (to, word) in bytes.chunks_exact_mut(4).zip(words) {
        to.copy_from_slice(&word.to_le_bytes());
    }
    bytes
}

impl Drafts {
    fn load(cx: &mut LiftContext<'_>, ty: InterfaceType, at: u32, len: u32) -> Answer<Self> {
        let (at, len) = (usize::try_from(at)?, usize::try_from(len)?);
        let memory = cx.memory();
        let size = len.checked_mul(DRAFT_BYTES).ok_or_else(outside)?;
        let records = memory.get(at..).and_then(|rest| rest.get(..size)).ok_or_else(outside)?;
        if !at.is_multiple_of(4) {
            return Err(wasmtime::Error::msg("list pointer is not aligned"));
        }
        cx.consume_fuel_array(len, size_of::<Envelope>())?;
        let mut drafts = Vec::with_capacity(len);
        for record in records.as_chunks().0 {
            drafts.push(envelope(cx, ty, record)?);
        }
        Ok(Self(drafts))
    }
}

/// What a guest asks to send; sender, id and trace are stamped when it is staged.
fn envelope(cx: &mut LiftContext<'_>, ty: InterfaceType, record: &[u8; DRAFT_BYTES]) -> Answer<Envelope> {
    let at = |at: usize| word(record, at);
    let uid = |from| Uid::from_words([at(from), at(from + 4), at(from + 8), at(from + 12)]);
    let head = Header {
        receiver: at(0),
        performative: convert::act_code(record.get(DRAFT_ACT).copied().unwrap_or_default())?,
        conversation: uid(8),
        reply_with: at(24),
        in_reply_to: at(28),
        reply_by_ms: convert::to_millis(types::Instant { seconds: at(32), nanos: at(36) }),
        protocol: at(40),
        ontology: at(44),
        language: at(48),
        encoding: at(52),
        ..Header::default()
    };
    let (from, len) = (usize::try_from(at(56))?, usize::try_from(at(60))?);
    let content = cx.memory().get(from..).and_then(|rest| rest.get(..len)).ok_or_else(outside)?;
    cx.consume_fuel(len)?;
    let extra = match record.get(DRAFT_EXTRA..) {
        Some([0, ..]) | None => None,
        Some(bytes) => {
            let ty = element(cx.types, ty, DRAFT_EXTRA_FIELD)?;
            Option::<types::ExtraResult>::linear_lift_from_memory(cx, ty, bytes)?
        }
    };
    Ok(Envelope { head, content: Payload::from(content), extra: convert::extra(extra) })
}

impl Ids {
    fn store<T>(&self, cx: &mut LowerContext<'_, T>) -> Answer<usize> {
        let at = cx.realloc(0, 0, types::Uid::ALIGN32, self.0.len() * UID_BYTES)?;
        let to = cx.as_slice_mut().get_mut(at..).ok_or_else(outside)?;
        for (to, id) in to.chunks_exact_mut(UID_BYTES).zip(&self.0) {
            for (to, word) in to.chunks_exact_mut(4).zip(id.words()) {
                to.copy_from_slice(&word.to_le_bytes());
            }
        }
        Ok(at)
    }
}

#[cfg(test)]
mod tests {
    use caxton_abi::TraceContext;

    use super::*;

    const WORD: CanonicalAbiInfo = u32::ABI;
    const UID: CanonicalAbiInfo = types::Uid::ABI;
    const ACT: CanonicalAbiInfo = types::Performative::ABI;
    const INSTANT: CanonicalAbiInfo = types::Instant::ABI;

    /// Where the engine puts the fields of a record.
    fn offsets(fields: &[CanonicalAbiInfo]) -> Vec<usize> {
        let mut end = 0;
        fields.iter().map(|field| field.next_field32_size(&mut end)).collect()
    }

    #[test]
    fn a_message_lies_as_the_engine_would_lay_it() {
        let (trace, bytes) = (types::TraceContext::ABI, <[u8]>::ABI);
        let extra = <Option<types::ExtraParam<'static>>>::ABI;
        let fields =
            [UID, ACT, WORD, UID, WORD, WORD, INSTANT, WORD, WORD, WORD, WORD, WORD, trace, bytes, extra];
        let head = Header {
            id: Uid::from_words([1, 2, 3, 4]),
            performative: 19,
            sender: 5,
            conversation: Uid::from_words([6, 7, 8, 9]),
            reply_with: 10,
            in_reply_to: 11,
            reply_by_ms: 12_000,
            protocol: 13,
            ontology: 14,
            language: 15,
            encoding: 16,
            flags: 17,
            trace: TraceContext { trace: Uid::from_words([20, 21, 22, 23]), span: 24 << 32 | 25, flags: 26 },
            ..Header::default()
        };
        let record = record(&Envelope::new(head, Payload::EMPTY), 30, 31);
        let found: Vec<u32> = offsets(&fields).iter().map(|at| word(&record, *at)).collect();
        assert_eq!(found, [1, 18, 5, 6, 10, 11, 12, 13, 14, 15, 16, 17, 20, 30, 0]);
        assert_eq!(offsets(&fields).last(), Some(&MESSAGE_EXTRA));
        let trace = offsets(&[UID, WORD, WORD, u8::ABI]).into_iter().map(|at| word(&record, 76 + at));
        assert_eq!(trace.collect::<Vec<_>>(), [20, 24, 25, 26]);
    }

    #[test]
    fn a_draft_is_read_where_the_engine_would_read_it() {
        let extra = <Option<types::ExtraResult>>::ABI;
        let fields = [WORD, ACT, UID, WORD, WORD, INSTANT, WORD, WORD, WORD, WORD, <[u8]>::ABI, extra];
        assert_eq!(offsets(&fields), [0, DRAFT_ACT, 8, 24, 28, 32, 40, 44, 48, 52, 56, DRAFT_EXTRA]);
    }

    #[test]
    fn a_word_beyond_the_end_is_zero() {
        assert_eq!((word(&[1, 0, 0, 0, 9], 0), word(&[1, 0, 0, 0, 9], 2)), (1, 0));
    }
}
