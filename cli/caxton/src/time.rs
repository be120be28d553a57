//! Times and durations as the contract and the command line write them.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Microseconds since the Unix epoch of an RFC 3339 time in UTC, such as `2026-11-20T12:00:00.000123Z`.
///
/// `None` for any other text; digits beyond the sixth of a second are cut.
pub fn micros(text: &str) -> Option<i64> {
    let (date, time) = text.strip_suffix(['Z', 'z'])?.split_once(['T', 't'])?;
    let [year, month, day] = numbers(date, '-')?;
    let (clock, fraction) = time.split_once('.').unwrap_or((time, "0"));
    let [hour, minute, second] = numbers(clock, ':')?;
    if !fraction.bytes().all(|digit| digit.is_ascii_digit()) || !(1..=12).contains(&month) || year > 9999 {
        return None;
    }
    let fraction: String = fraction.chars().chain("000000".chars()).take(6).collect();
    let seconds = days(year, month, day) * 86_400 + hour * 3_600 + minute * 60 + second;
    Some(seconds * 1_000_000 + fraction.parse::<i64>().ok()?)
}

fn numbers(text: &str, separator: char) -> Option<[i64; 3]> {
    let parts: Vec<i64> =
        text.split(separator).map(|part| part.parse::<u32>().ok().map(i64::from)).collect::<Option<_>>()?;
    parts.try_into().ok()
}

/// Days since 1970-01-01 in the proleptic Gregorian calendar: years begin in March, so the leap day comes last.
fn days(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let month = (month + 9) % 12;
    let before_month = (153 * month + 2) / 5;
    year * 365 + year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400) + before_month + day
        - 719_469
}

/// Microseconds since the Unix epoch, by the clock of this machine.
pub fn now_micros() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_micros()).unwrap_or(i64::MAX)
}

/// How long ago a time was, in its largest unit: `5s`, `12m`, `3h`, `2d`; empty when `then` is not a time.
pub fn ago(then: &str, now_micros: i64) -> String {
    let Some(then) = micros(then) else { return String::new() };
    let seconds = now_micros.saturating_sub(then).max(0) / 1_000_000;
    match seconds {
        0..60 => format!("{seconds}s"),
        60..3_600 => format!("{}m", seconds / 60),
        3_600..86_400 => format!("{}h", seconds / 3_600),
        _ => format!("{}d", seconds / 86_400),
    }
}

/// Reads `500ms`, `2s`, `1.5s`, `5m` or `1h`; at least 1 ms and at most a day.
///
/// # Errors
/// Says what was expected, for clap.
pub fn duration(text: &str) -> Result<Duration, String> {
    let expected = || format!("expected a time such as 500ms, 2s, 5m or 1h, up to 24h, found `{text}`");
    let unit_at = text.find(|found: char| found.is_ascii_alphabetic()).ok_or_else(expected)?;
    let (number, unit) = text.split_at(unit_at);
    let seconds = match unit {
        "ms" => 0.001,
        "s" => 1.0,
        "m" => 60.0,
        "h" => 3_600.0,
        _ => return Err(expected()),
    };
    let seconds = number.parse::<f64>().map_err(|_| expected())? * seconds;
    if !(0.001..=86_400.0).contains(&seconds) {
        return Err(expected());
    }
    Ok(Duration::from_secs_f64(seconds))
}

/// Whole milliseconds, as the contract's keys want them.
pub fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// A length of time in the two largest units that it has: `12 s`, `3 min 5 s`, `2 d 4 h`.
pub fn spoken(millis: u64) -> String {
    let seconds = millis / 1_000;
    let (days, hours, minutes) = (seconds / 86_400, seconds / 3_600 % 24, seconds / 60 % 60);
    match (days, hours, minutes) {
        (0, 0, 0) => format!("{seconds} s"),
        (0, 0, minutes) => format!("{minutes} min {} s", seconds % 60),
        (0, hours, minutes) => format!("{hours} h {minutes} min"),
        (days, hours, _) => format!("{days} d {hours} h"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_times_to_the_microsecond() {
        assert_eq!(micros("1970-01-01T00:00:00Z"), Some(0));
        assert_eq!(micros("2000-02-29T00:00:00Z"), Some(951_782_400_000_000));
        assert_eq!(micros("2026-11-20T12:00:00.000123Z"), Some(1_795_176_000_000_123));
        assert_eq!(micros("2026-11-20T12:00:00.5Z"), Some(1_795_176_000_500_000));
        for text in
            ["", "2026-11-20", "2026-11-20T12:00Z", "2026-13-20T12:00:00Z", "2026-11-20T12:00:00+01:00"]
        {
            assert_eq!(micros(text), None, "{text}");
        }
    }

    #[test]
    fn reads_durations_with_a_unit_only() {
        assert_eq!(duration("500ms"), Ok(Duration::from_millis(500)));
        assert_eq!(duration("1.5s"), Ok(Duration::from_millis(1_500)));
        for text in ["", "5", "s", "-1s", "2d", "0s", "25h", "1e9h", "NaNs"] {
            assert!(duration(text).is_err(), "{text}");
        }
    }

    #[test]
    fn age_is_in_its_largest_unit() {
        let now = micros("2026-11-20T12:00:00Z").unwrap();
        assert_eq!(ago("2026-11-20T11:59:55Z", now), "5s");
        assert_eq!(ago("2026-11-20T09:00:00Z", now), "3h");
        assert_eq!(ago("2026-11-20T13:00:00Z", now), "0s");
        assert_eq!(ago("yesterday", now), "");
    }
}
