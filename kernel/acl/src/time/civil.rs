//! The Gregorian calendar for the years 1970 to 9999: fields to milliseconds and back.

use super::{DAY_MS, HOUR_MS, MINUTE_MS, SECOND_MS};

/// A moment as people write it, UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Civil {
    pub(super) year: u64,
    pub(super) month: u64,
    pub(super) day: u64,
    pub(super) hour: u64,
    pub(super) minute: u64,
    pub(super) second: u64,
    pub(super) milli: u64,
}

impl Civil {
    /// Milliseconds since the epoch, or which field is wrong.
    pub(super) fn to_ms(self) -> Result<u64, &'static str> {
        if !(1970..=9999).contains(&self.year) {
            return Err("the year is not 1970 to 9999");
        }
        if !(1..=12).contains(&self.month) {
            return Err("the month is not 01 to 12");
        }
        if self.day == 0 || self.day > days_of_month(self.year, self.month) {
            return Err("the month does not have that day");
        }
        if self.hour > 23 || self.minute > 59 || self.second > 59 {
            return Err("the time of day is not 00:00:00 to 23:59:59");
        }
        let days_before_month: u64 = (1..self.month).map(|month| days_of_month(self.year, month)).sum();
        let days = days_before_year(self.year) + days_before_month + self.day - 1;
        Ok(days * DAY_MS
            + self.hour * HOUR_MS
            + self.minute * MINUTE_MS
            + self.second * SECOND_MS
            + self.milli)
    }

    /// The fields of a moment; the inverse of [`Civil::to_ms`].
    pub(super) fn from_ms(ms: u64) -> Self {
        let (mut days, day_ms) = (ms / DAY_MS, ms % DAY_MS);
        // 366 days a year underestimates the year by at most six in this range.
        let mut year = 1970 + days / 366;
        while days_before_year(year + 1) <= days {
            year += 1;
        }
        days -= days_before_year(year);
        let mut month = 1;
        while days >= days_of_month(year, month) {
            days -= days_of_month(year, month);
            month += 1;
        }
        Self {
            year,
            month,
            day: days + 1,
            hour: day_ms / HOUR_MS,
            minute: day_ms % HOUR_MS / MINUTE_MS,
            second: day_ms % MINUTE_MS / SECOND_MS,
            milli: day_ms % SECOND_MS,
        }
    }
}

const fn is_leap(year: u64) -> bool {
    year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400))
}

/// Days from the epoch to the first of January.
const fn days_before_year(year: u64) -> u64 {
    (year - 1970) * 365 + leap_years_until(year - 1) - leap_years_until(1969)
}

/// Leap years from year 1 to `year`, both included.
const fn leap_years_until(year: u64) -> u64 {
    year / 4 - year / 100 + year / 400
}

const fn days_of_month(year: u64, month: u64) -> u64 {
    match month {
        4 | 6 | 9 | 11 => 30,
        2 if is_leap(year) => 29,
        2 => 28,
        _ => 31,
    }
}
