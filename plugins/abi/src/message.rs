//! The one message type from edge to edge: a fixed header of integers, a shared payload, rare fields behind an option.
//!
//! Names are interned by the kernel (`u32`), ids are 128 bits, time is UTC. Nothing inside the server converts a
//! message; a transport turns its wire into an [`Envelope`] once.

use abi_stable::{
    StableAbi,
    std_types::{RArc, ROption, RString, RVec, Tuple2},
};

use crate::Payload;

/// A 128-bit id (UUID version 7 when the kernel mints it); zero means absent.
#[repr(C)]
#[derive(StableAbi, Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Uid {
    /// The upper 64 bits, big-endian order.
    pub hi: u64,
    /// The lower 64 bits.
    pub lo: u64,
}

impl Uid {
    /// The absent id.
    pub const NONE: Self = Self { hi: 0, lo: 0 };

    /// Builds an id from its 128-bit number.
    pub const fn from_u128(value: u128) -> Self {
        Self { hi: (value >> 64) as u64, lo: value as u64 }
    }

    /// The id as one 128-bit number.
    pub const fn to_u128(self) -> u128 {
        (self.hi as u128) << 64 | self.lo as u128
    }

    /// True for the absent id.
    pub const fn is_none(self) -> bool {
        self.hi == 0 && self.lo == 0
    }

    /// Splits into the four big-endian words that the WIT record carries.
    pub const fn words(self) -> [u32; 4] {
        [(self.hi >> 32) as u32, self.hi as u32, (self.lo >> 32) as u32, self.lo as u32]
    }

    /// Joins the four big-endian words of the WIT record.
    pub const fn from_words(words: [u32; 4]) -> Self {
        let [a, b, c, d] = words;
        Self { hi: (a as u64) << 32 | b as u64, lo: (c as u64) << 32 | d as u64 }
    }

    /// Reads the 8-4-4-4-12 hexadecimal form of RFC 9562, or 32 hexadecimal digits; `None` for anything else.
    pub fn parse(text: &str) -> Option<Self> {
        let bytes = text.as_bytes();
        let grouped = bytes.len() == 36;
        if !grouped && bytes.len() != 32 {
            return None;
        }
        let mut value: u128 = 0;
        for (index, byte) in bytes.iter().enumerate() {
            if grouped && matches!(index, 8 | 13 | 18 | 23) {
                if *byte != b'-' {
                    return None;
                }
                continue;
            }
            let digit = char::from(*byte).to_digit(16)?;
            value = value << 4 | u128::from(digit);
        }
        Some(Self::from_u128(value))
    }
}

/// The 8-4-4-4-12 form of RFC 9562, lower case.
impl std::fmt::Display for Uid {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (hi, lo) = (self.hi, self.lo);
        write!(
            f,
            "{:08x}-{:04x}-{:04x}-{:04x}-{:012x}",
            hi >> 32,
            (hi >> 16) & 0xffff,
            hi & 0xffff,
            lo >> 48,
            lo & 0xffff_ffff_ffff
        )
    }
}

/// W3C trace context, carried in the header instead of a map.
#[repr(C)]
#[derive(StableAbi, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TraceContext {
    /// The trace; by default the conversation's id.
    pub trace: Uid,
    /// The span that sent the message; zero at the start of a trace.
    pub span: u64,
    /// W3C trace flags; bit 0 means sampled.
    pub flags: u8,
}

/// Bits of [`Header::flags`]. The kernel and protocol plugins set them; what a client or guest sets is cleared.
pub mod flags {
    /// The message came after its deadline and is delivered for information.
    pub const LATE: u16 = 1;
    /// The message was or may have been handed out before: in a turn that did not commit, or before the server ended.
    pub const REDELIVERED: u16 = 2;
    /// The platform made the message, for example a failure for something undeliverable.
    pub const PLATFORM: u16 = 4;
    /// The platform sent the message in the name of its sender, for example a reject for a late bid.
    pub const ON_BEHALF: u16 = 8;
    /// The message does not fit its protocol's state and is delivered flagged.
    pub const OUT_OF_SEQUENCE: u16 = 16;

    /// The names of the flags that are set, as documents and traces show them.
    pub fn names(bits: u16) -> Vec<&'static str> {
        let known = [
            (LATE, "late"),
            (REDELIVERED, "redelivered"),
            (PLATFORM, "platform"),
            (ON_BEHALF, "on-behalf"),
            (OUT_OF_SEQUENCE, "out-of-sequence"),
        ];
        known.into_iter().filter(|(bit, _)| bits & bit != 0).map(|(_, name)| name).collect()
    }
}

/// What a message is promised: the values of [`Header::class`]. See `docs/spec/delivery.md`.
pub mod class {
    /// Kept in memory, bounded, lost only when the server ends.
    pub const VOLATILE: u8 = 0;
    /// Kept in memory and tried again until its receiver has handled it or its deadline passes.
    pub const ACKED: u8 = 1;
    /// On disk before it is accepted, and until its receiver's turn has committed.
    pub const DURABLE: u8 = 2;
    /// How many classes there are.
    pub const COUNT: usize = 3;
    /// The user parameter by which a message states its class where its wire has no field for it.
    pub const PARAM: &str = "X-caxton-class";

    /// The class's name; `None` for a number that is none.
    pub const fn name(class: u8) -> Option<&'static str> {
        match class {
            VOLATILE => Some("volatile"),
            ACKED => Some("acked"),
            DURABLE => Some("durable"),
            _ => None,
        }
    }

    /// The class of a name; `None` for anything else.
    pub fn parse(name: &str) -> Option<u8> {
        [VOLATILE, ACKED, DURABLE].into_iter().find(|class| self::name(*class) == Some(name))
    }
}

/// What the kernel reads of a message. Integers only, `Copy`, frozen for a major version.
#[repr(C)]
#[derive(StableAbi, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Header {
    /// The message's own id; stamped by the kernel when zero.
    pub id: Uid,
    /// The conversation; stamped by the kernel when zero.
    pub conversation: Uid,
    /// Where this message stands in its trace.
    pub trace: TraceContext,
    /// `reply-by` in milliseconds since the Unix epoch, UTC; zero when absent.
    pub reply_by_ms: u64,
    /// Interned name of the sender; stamped by the kernel, never by the sender.
    pub sender: u32,
    /// Interned name of this copy's receiver; never zero once accepted.
    pub receiver: u32,
    /// The number that an answer repeats as `in_reply_to`; zero when absent.
    pub reply_with: u32,
    /// The `reply_with` that this message answers; zero when absent.
    pub in_reply_to: u32,
    /// Interned protocol token, for example `fipa-contract-net`; zero when absent.
    pub protocol: u32,
    /// Interned ontology; zero when absent.
    pub ontology: u32,
    /// Interned content language; zero when absent.
    pub language: u32,
    /// Interned content encoding; zero when absent.
    pub encoding: u32,
    /// The communicative act: 1 to 22 in alphabetical order (SC00069's codes), see `caxton_acl::Performative`.
    pub performative: u8,
    /// How often the message was forwarded; bounded by the kernel.
    pub hop: u8,
    /// See [`flags`].
    pub flags: u16,
    /// What the message is promised, see [`class`].
    pub class: u8,
    /// How often the message was handed out at most, this time included; counted for durable messages only.
    pub deliveries: u8,
    /// Zero; room for later minors.
    pub spare: u16,
    /// The number under which a durable message lies in the store; zero for every other. Set by the kernel.
    pub stored: u64,
    /// Zero; room for later minors.
    pub reserved: u64,
}

/// Rarely used parameters; absent on the hot path.
#[repr(C)]
#[derive(StableAbi, Clone, Debug, Default, PartialEq, Eq)]
pub struct Extra {
    /// Every receiver of the original message when there was more than one.
    pub receivers: RVec<u32>,
    /// `reply-to`, in order.
    pub reply_to: RVec<u32>,
    /// User parameters by name (`X-…`), in order.
    pub params: RVec<Tuple2<RString, RString>>,
}

/// A message: header, content and rare fields. Cloning copies the header and counts two references.
#[repr(C)]
#[derive(StableAbi, Clone, Debug)]
pub struct Envelope {
    /// What the kernel reads.
    pub head: Header,
    /// The content, opaque to the server.
    pub content: Payload,
    /// Rare fields.
    pub extra: ROption<RArc<Extra>>,
}

impl Envelope {
    /// Makes an envelope without rare fields.
    pub fn new(head: Header, content: Payload) -> Self {
        Self { head, content, extra: ROption::RNone }
    }
}
