//! The server's clock: wall time read once, then moved by the monotonic clock, so that time never runs backwards.

use std::time::{Instant, SystemTime, UNIX_EPOCH};

use caxton_core::Time;

/// A clock that is read from any thread.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    started: Instant,
    epoch_ns: u64,
}

impl Clock {
    /// Reads the wall clock once.
    pub fn start() -> Self {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Self { started: Instant::now(), epoch_ns: u64::try_from(since.as_nanos()).unwrap_or(u64::MAX) }
    }

    /// The time now.
    pub fn now(&self) -> Time {
        let passed = u64::try_from(self.started.elapsed().as_nanos()).unwrap_or(u64::MAX);
        Time::from_nanos(self.epoch_ns.saturating_add(passed))
    }

    /// When it was started.
    pub fn started(&self) -> Time {
        Time::from_nanos(self.epoch_ns)
    }
}

/// A time as RFC 3339 text with microseconds, UTC.
pub fn rfc3339(time: Time) -> String {
    let micros = time.nanos() / 1_000 % 1_000_000;
    let seconds = time.nanos() / 1_000_000_000;
    let (year, month, day) = civil(seconds / 86_400);
    let (hour, minute, second) = (seconds / 3_600 % 24, seconds / 60 % 60, seconds % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{micros:06}Z")
}

/// The civil date of a day since the epoch, by eras of 400 years (proleptic Gregorian).
fn civil(days: u64) -> (u64, u64, u64) {
    let shifted = days + 719_468;
    let (era, day_of_era) = (shifted / 146_097, shifted % 146_097);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_index = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_index + 2) / 5 + 1;
    let month = if month_index < 10 { month_index + 3 } else { month_index - 9 };
    (year_of_era + era * 400 + u64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_civil() {
        let text = |seconds: u64| rfc3339(Time::from_millis(seconds * 1000));
        assert_eq!(text(0), "1970-01-01T00:00:00.000000Z");
        assert_eq!(text(951_782_400), "2000-02-29T00:00:00.000000Z");
        assert_eq!(text(1_795_132_799), "2026-11-19T23:59:59.000000Z");
    }
}
