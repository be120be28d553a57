//! Dates and times of messages: milliseconds since the epoch inside, FIPA DateTime and RFC 3339 at the edges.
//!
//! Covers the years 1970 to 9999, UTC, without leap seconds (as Unix time). There is no clock here: whoever reads a
//! relative time passes `now_ms`.

mod civil;
mod scan;

use std::fmt;

use crate::error::{Error, Place, shown};
use civil::Civil;
use scan::Scan;

const SECOND_MS: u64 = 1000;
const MINUTE_MS: u64 = 60 * SECOND_MS;
const HOUR_MS: u64 = 60 * MINUTE_MS;
const DAY_MS: u64 = 24 * HOUR_MS;

/// A moment from 1970 to 9999, in milliseconds since the epoch, UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DateTime(u64);

impl DateTime {
    /// The last moment that four digits of a year can say: 9999-12-31T23:59:59.999Z.
    pub const MAX: Self = Self(253_402_300_799_999);

    /// The moment `ms` milliseconds after the epoch; `None` after the year 9999.
    pub const fn from_ms(ms: u64) -> Option<Self> {
        if ms <= Self::MAX.0 { Some(Self(ms)) } else { None }
    }

    /// Milliseconds since the epoch, UTC.
    pub const fn ms(self) -> u64 {
        self.0
    }

    /// FIPA's form (SC00070), always UTC: `20261120T120000123Z`.
    pub fn to_fipa(self) -> String {
        let c = Civil::from_ms(self.0);
        format!(
            "{:04}{:02}{:02}T{:02}{:02}{:02}{:03}Z",
            c.year, c.month, c.day, c.hour, c.minute, c.second, c.milli
        )
    }

    /// Reads RFC 3339 (`2026-11-20T12:00:00.123Z`, any offset; digits after the milliseconds are cut off) or FIPA
    /// DateTime (`20261120T120000123Z`; without `Z` it is UTC too, since nobody knows the writer's local time).
    ///
    /// # Errors
    /// [`Error::ReplyByInvalid`], with the reason.
    pub fn parse(text: &str) -> Result<Self, Error> {
        parse_absolute(text).map_err(|why| invalid(text, why))
    }
}

/// RFC 3339 with milliseconds, UTC: `2026-11-20T12:00:00.123Z`.
impl fmt::Display for DateTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let c = Civil::from_ms(self.0);
        write!(
            f,
            "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:03}Z",
            c.year, c.month, c.day, c.hour, c.minute, c.second, c.milli
        )
    }
}

/// `reply-by` as an edge accepts it; inside it is always absolute.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReplyBy {
    /// A moment.
    At(DateTime),
    /// Milliseconds from now; negative means that it is past already.
    After(i64),
}

impl ReplyBy {
    /// Reads what [`DateTime::parse`] reads, and relative times: a sign and either a number with its unit (`+1500ms`,
    /// `+2s`, `+2s500`, `+5m`, `+1h`, `+2d`) or FIPA's form (`+00000000T000002000`, where as in JADE a month has 30
    /// days and a year 365).
    ///
    /// # Errors
    /// [`Error::ReplyByInvalid`], with the reason.
    pub fn parse(text: &str) -> Result<Self, Error> {
        let relative = match text.as_bytes().first() {
            Some(b'+') => parse_relative(text),
            Some(b'-') => parse_relative(text).map(|ms| -ms),
            _ => return DateTime::parse(text).map(Self::At),
        };
        relative.map(Self::After).map_err(|why| invalid(text, why))
    }

    /// The moment that is meant when it is `now_ms`; a moment before the epoch becomes the epoch.
    ///
    /// # Errors
    /// [`Error::ReplyByInvalid`] after the year 9999.
    pub fn resolve(self, now_ms: u64) -> Result<DateTime, Error> {
        match self {
            Self::At(moment) => Ok(moment),
            Self::After(ms) => DateTime::from_ms(now_ms.saturating_add_signed(ms))
                .ok_or_else(|| invalid(&format!("{ms} ms from now"), "it lies after the year 9999")),
        }
    }
}

fn invalid(text: &str, why: &'static str) -> Error {
    Error::ReplyByInvalid { place: Place::Unknown, found: shown(text), why }
}

fn parse_absolute(text: &str) -> Result<DateTime, &'static str> {
    let mut scan = Scan::new(text);
    let year = scan.number(4).ok_or("it does not start with four digits of a year")?;
    let (civil, offset_ms) = if scan.eat(b'-') {
        rfc3339(year, &mut scan)
    } else {
        fipa(year, &mut scan).map(|civil| (civil, 0))
    }?;
    scan.end()?;
    let ms = civil.to_ms()?.checked_add_signed(-offset_ms).ok_or("it lies before 1970")?;
    DateTime::from_ms(ms).ok_or("it lies after the year 9999")
}

fn fipa(year: u64, scan: &mut Scan<'_>) -> Result<Civil, &'static str> {
    let civil = fipa_fields(year, scan).ok_or("a field of YYYYMMDDThhmmssmmm is missing or not a number")?;
    let _ = scan.eat(b'Z') || scan.eat(b'z');
    Ok(civil)
}

fn fipa_fields(year: u64, scan: &mut Scan<'_>) -> Option<Civil> {
    let (month, day) = (scan.number(2)?, scan.number(2)?);
    if !(scan.eat(b'T') || scan.eat(b't')) {
        return None;
    }
    let (hour, minute, second) = (scan.number(2)?, scan.number(2)?, scan.number(2)?);
    Some(Civil { year, month, day, hour, minute, second, milli: scan.number(3)? })
}

/// What follows `YYYY-`: the moment as written and the offset of its zone in milliseconds.
fn rfc3339(year: u64, scan: &mut Scan<'_>) -> Result<(Civil, i64), &'static str> {
    let mut civil =
        rfc3339_fields(year, scan).ok_or("a field of YYYY-MM-DDThh:mm:ss is missing or not a number")?;
    if scan.eat(b'.') {
        civil.milli = scan.fraction_ms().ok_or("no digit follows the point")?;
    }
    let offset_ms = if scan.eat(b'Z') || scan.eat(b'z') {
        0
    } else if scan.eat(b'+') {
        zone_ms(scan)?
    } else if scan.eat(b'-') {
        -zone_ms(scan)?
    } else {
        return Err("the zone is missing: end with Z, or with an offset such as +01:00");
    };
    Ok((civil, offset_ms))
}

fn rfc3339_fields(year: u64, scan: &mut Scan<'_>) -> Option<Civil> {
    let month = scan.number(2)?;
    let day = scan.eat(b'-').then(|| scan.number(2))??;
    if !(scan.eat(b'T') || scan.eat(b't') || scan.eat(b' ')) {
        return None;
    }
    let hour = scan.number(2)?;
    let minute = scan.eat(b':').then(|| scan.number(2))??;
    let second = scan.eat(b':').then(|| scan.number(2))??;
    Some(Civil { year, month, day, hour, minute, second, milli: 0 })
}

fn zone_ms(scan: &mut Scan<'_>) -> Result<i64, &'static str> {
    let wrong = "the zone's offset is not hh:mm";
    let hours = scan.number(2).filter(|hours| *hours < 24).ok_or(wrong)?;
    let colon = scan.eat(b':');
    let minutes = scan.number(2).filter(|minutes| colon && *minutes < 60).ok_or(wrong)?;
    Ok((hours * HOUR_MS + minutes * MINUTE_MS).cast_signed())
}

/// The milliseconds of a relative time without regard to its sign; below the whole range of [`DateTime`].
fn parse_relative(text: &str) -> Result<i64, &'static str> {
    let mut scan = Scan::new(text.get(1..).unwrap_or_default());
    let ms = if scan.peek(8).is_some_and(|byte| byte.eq_ignore_ascii_case(&b'T')) {
        fipa_span(&mut scan)?
    } else {
        short_span(&mut scan)?
    };
    scan.end()?;
    DateTime::from_ms(ms).map(|span| span.0.cast_signed()).ok_or("it lies after the year 9999")
}

fn fipa_span(scan: &mut Scan<'_>) -> Result<u64, &'static str> {
    let wrong = "a field of YYYYMMDDThhmmssmmm is missing or not a number";
    let years = scan.number(4).ok_or(wrong)?;
    let c = fipa(years, scan)?;
    Ok((years * 365 + c.month * 30 + c.day) * DAY_MS
        + c.hour * HOUR_MS
        + c.minute * MINUTE_MS
        + c.second * SECOND_MS
        + c.milli)
}

fn short_span(scan: &mut Scan<'_>) -> Result<u64, &'static str> {
    let count = scan.leading_number().ok_or("no number follows the sign, or it is too large")?;
    let (unit_ms, rest_ms) = if scan.eat_all("ms") {
        (1, 0)
    } else if scan.eat(b's') {
        let rest_ms =
            if scan.is_done() { 0 } else { scan.number(3).ok_or("three digits of milliseconds follow s")? };
        (SECOND_MS, rest_ms)
    } else if scan.eat(b'm') {
        (MINUTE_MS, 0)
    } else if scan.eat(b'h') {
        (HOUR_MS, 0)
    } else if scan.eat(b'd') {
        (DAY_MS, 0)
    } else {
        return Err("the unit is not ms, s, m, h or d");
    };
    count.checked_mul(unit_ms).and_then(|ms| ms.checked_add(rest_ms)).ok_or("it lies after the year 9999")
}

#[cfg(test)]
mod tests;
