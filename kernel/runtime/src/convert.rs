//! Between the kernel's values and the WIT's: ids, times, acts, rare fields and faults. The records of messages are in
//! [`crate::wire`].

use caxton_abi::{
    Extra, Uid,
    std_types::{RArc, ROption, RString, Tuple2},
};
use caxton_core::{agent::Fault, time::Time};

use crate::imports::types;

const MILLIS_PER_SECOND: u64 = 1_000;
const NANOS_PER_MILLI: u32 = 1_000_000;
const NANOS_PER_SECOND: u64 = 1_000_000_000;

/// How many communicative acts there are.
const ACTS: u8 = types::Performative::Subscribe as u8 + 1;

/// The place of an act in the WIT, whose order is that of the codes, which is alphabetical in SC00037.
pub(crate) fn act_index(code: u8) -> u8 {
    // The kernel lets only 1 to 22 in; the fallback is the act that says so.
    let index = code.wrapping_sub(1);
    if index < ACTS { index } else { types::Performative::NotUnderstood as u8 }
}

/// The code of the act at a place in the WIT.
pub(crate) fn act_code(index: u8) -> wasmtime::Result<u8> {
    if index < ACTS { Ok(index + 1) } else { Err(wasmtime::Error::msg("unexpected discriminant of an act")) }
}

pub(crate) fn uid(id: Uid) -> types::Uid {
    let [a, b, c, d] = id.words();
    types::Uid { a, b, c, d }
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

pub(crate) fn from_millis(millis: u64) -> types::Instant {
    instant(Time::from_millis(millis))
}

/// Rounds up, so that a deadline below a millisecond is not taken for none.
pub(crate) fn to_millis(instant: types::Instant) -> u64 {
    u64::from(instant.seconds) * MILLIS_PER_SECOND + u64::from(instant.nanos.div_ceil(NANOS_PER_MILLI))
}

/// The user parameters of a message, which [`rare`] borrows.
pub(crate) fn params(extra: &Extra) -> Vec<(&str, &str)> {
    extra.params.iter().map(|pair| (pair.0.as_str(), pair.1.as_str())).collect()
}

/// The rare fields of a message on its way into a guest.
pub(crate) fn rare<'a>(extra: &'a Extra, params: &'a [(&'a str, &'a str)]) -> types::ExtraParam<'a> {
    types::ExtraParam { receivers: extra.receivers.as_slice(), reply_to: extra.reply_to.as_slice(), params }
}

/// The rare fields of a message on its way out of one.
pub(crate) fn extra(extra: Option<types::ExtraResult>) -> ROption<RArc<Extra>> {
    let taken = extra.map(|extra| {
        let params = extra.params.into_iter();
        let params = params.map(|(name, value)| Tuple2(RString::from(name), RString::from(value))).collect();
        RArc::new(Extra { receivers: extra.receivers.into(), reply_to: extra.reply_to.into(), params })
    });
    taken.into()
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
        for code in 1..=22 {
            assert_eq!(act_code(act_index(code)).unwrap(), code);
        }
        assert_eq!(act_index(0), types::Performative::NotUnderstood as u8);
        assert_eq!(act_index(23), types::Performative::NotUnderstood as u8);
        assert_eq!(act_code(types::Performative::Inform as u8).unwrap(), 8);
        assert!(act_code(22).is_err());
    }

    #[test]
    fn a_deadline_below_a_millisecond_is_not_none() {
        assert_eq!(to_millis(types::Instant { seconds: 0, nanos: 1 }), 1);
        assert_eq!(to_millis(from_millis(1_700_000_000_123)), 1_700_000_000_123);
    }
}
