//! Points in time as the WIT package writes them: seconds and nanoseconds since the Unix epoch, in UTC.

use std::{
    ops::Add,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use crate::bindings::caxton::agent::types as wire;

/// A point in time, to the nanosecond, from 1970 to 2106. Zero stands for "none" on the wire and is never handed out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Instant {
    seconds: u32,
    nanos: u32,
}

impl Instant {
    /// Makes a point from seconds and nanoseconds since the Unix epoch; nanoseconds of a second and more carry over.
    pub const fn new(seconds: u32, nanos: u32) -> Self {
        Self { seconds: seconds.saturating_add(nanos / 1_000_000_000), nanos: nanos % 1_000_000_000 }
    }

    /// The time from an earlier point to this one; zero when that point is later.
    pub fn since(self, earlier: Self) -> Duration {
        self.epoch_span().saturating_sub(earlier.epoch_span())
    }

    /// Milliseconds since the Unix epoch.
    pub fn unix_ms(self) -> u64 {
        u64::from(self.seconds) * 1000 + u64::from(self.nanos / 1_000_000)
    }

    fn epoch_span(self) -> Duration {
        Duration::new(u64::from(self.seconds), self.nanos)
    }

    pub(crate) fn from_wire(instant: wire::Instant) -> Option<Self> {
        (instant.seconds != 0).then(|| Self::new(instant.seconds, instant.nanos))
    }

    pub(crate) const fn to_wire(self) -> wire::Instant {
        wire::Instant { seconds: self.seconds, nanos: self.nanos }
    }
}

impl Add<Duration> for Instant {
    type Output = Self;

    /// Saturates at the last second that the wire can carry.
    fn add(self, span: Duration) -> Self {
        let sum = self.epoch_span().saturating_add(span);
        Self { seconds: u32::try_from(sum.as_secs()).unwrap_or(u32::MAX), nanos: sum.subsec_nanos() }
    }
}

impl From<Instant> for SystemTime {
    fn from(instant: Instant) -> Self {
        UNIX_EPOCH + instant.epoch_span()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn adding_a_duration_carries_nanoseconds_and_saturates() {
        assert_eq!(Instant::new(10, 900_000_000) + Duration::from_millis(200), Instant::new(11, 100_000_000));
        assert_eq!(
            (Instant::new(u32::MAX, 0) + Duration::from_secs(9)).unix_ms() / 1000,
            u64::from(u32::MAX)
        );
    }

    #[test]
    fn zero_on_the_wire_is_no_time() {
        assert_eq!(Instant::from_wire(wire::Instant { seconds: 0, nanos: 7 }), None);
    }
}
