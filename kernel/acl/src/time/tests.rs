use proptest::prelude::*;

use super::*;

fn ms(text: &str) -> u64 {
    DateTime::parse(text).unwrap().ms()
}

fn why(text: &str) -> &'static str {
    match ReplyBy::parse(text).and_then(|time| time.resolve(0)) {
        Err(Error::ReplyByInvalid { why, .. }) => why,
        other => panic!("{text}: {other:?}"),
    }
}

#[test]
fn known_moments_have_their_number() {
    assert_eq!(ms("1970-01-01T00:00:00Z"), 0);
    assert_eq!(ms("2000-02-29T00:00:00Z"), 951_782_400_000);
    assert_eq!(ms("2001-09-09T01:46:40Z"), 1_000_000_000_000);
    assert_eq!(ms("2038-01-19T03:14:07.999Z"), 2_147_483_647_999);
    assert_eq!(ms("9999-12-31T23:59:59.999Z"), DateTime::MAX.ms());
}

#[test]
fn both_forms_say_the_same() {
    let moment = DateTime::parse("20261120T120000123Z").unwrap();
    assert_eq!(moment.to_string(), "2026-11-20T12:00:00.123Z");
    assert_eq!(moment.to_fipa(), "20261120T120000123Z");
    assert_eq!(ms("2026-11-20t12:00:00.123z"), moment.ms());
    assert_eq!(ms("20261120T120000123"), moment.ms());
}

#[test]
fn offsets_are_taken_off() {
    assert_eq!(ms("2026-11-20T12:00:00+01:30"), ms("2026-11-20T10:30:00Z"));
    assert_eq!(ms("2026-12-31T23:00:00-02:00"), ms("2027-01-01T01:00:00Z"));
}

#[test]
fn digits_after_the_milliseconds_are_cut_off() {
    assert_eq!(ms("1970-01-01T00:00:00.123456789Z"), 123);
    assert_eq!(ms("1970-01-01T00:00:00.5Z"), 500);
}

#[test]
fn relative_times_count_from_now() {
    let after = |text: &str| ReplyBy::parse(text).unwrap();
    assert_eq!(after("+2s"), ReplyBy::After(2000));
    assert_eq!(after("+2s500"), ReplyBy::After(2500));
    assert_eq!(after("+1500ms"), ReplyBy::After(1500));
    assert_eq!(after("+5m"), ReplyBy::After(300_000));
    assert_eq!(after("+1h"), ReplyBy::After(3_600_000));
    assert_eq!(after("+2d"), ReplyBy::After(172_800_000));
    assert_eq!(after("+00000000T000002000"), ReplyBy::After(2000));
    assert_eq!(after("+00000102T030405006Z"), ReplyBy::After(((32 * 24 + 3) * 60 + 4) * 60_000 + 5006));
    assert_eq!(after("-2s"), ReplyBy::After(-2000));
    assert_eq!(after("+2s").resolve(10_000).unwrap().ms(), 12_000);
    assert_eq!(after("-20s").resolve(10_000).unwrap().ms(), 0);
}

#[test]
fn wrong_times_say_what_is_wrong() {
    let year = "it does not start with four digits of a year";
    for (text, expected) in [
        ("", year),
        ("tomorrow", year),
        ("1969-12-31T23:59:59Z", "the year is not 1970 to 9999"),
        ("2026-13-01T00:00:00Z", "the month is not 01 to 12"),
        ("2026-02-29T00:00:00Z", "the month does not have that day"),
        ("2100-02-29T00:00:00Z", "the month does not have that day"),
        ("20260001T000000000Z", "the month is not 01 to 12"),
        ("2026-01-00T00:00:00Z", "the month does not have that day"),
        ("2026-01-01T24:00:00Z", "the time of day is not 00:00:00 to 23:59:59"),
        ("2026-01-01T00:00:60Z", "the time of day is not 00:00:00 to 23:59:59"),
        ("2026-01-01", "a field of YYYY-MM-DDThh:mm:ss is missing or not a number"),
        ("20260101", "a field of YYYYMMDDThhmmssmmm is missing or not a number"),
        ("2026-01-01T00:00:00", "the zone is missing: end with Z, or with an offset such as +01:00"),
        ("2026-01-01T00:00:00.Z", "no digit follows the point"),
        ("2026-01-01T00:00:00+0100", "the zone's offset is not hh:mm"),
        ("2026-01-01T00:00:00+24:00", "the zone's offset is not hh:mm"),
        ("2026-01-01T00:00:00Z ", "something follows the time"),
        ("1970-01-01T00:00:00+01:00", "it lies before 1970"),
        ("9999-12-31T23:59:59-01:00", "it lies after the year 9999"),
        ("+", "no number follows the sign, or it is too large"),
        ("+2", "the unit is not ms, s, m, h or d"),
        ("+2s5", "three digits of milliseconds follow s"),
        ("+2s5000", "something follows the time"),
        ("+99999999999999999999s", "no number follows the sign, or it is too large"),
        ("+999999999999999d", "it lies after the year 9999"),
        ("+99991231T000000000", "it lies after the year 9999"),
        ("+0000000\u{ff}T", "the unit is not ms, s, m, h or d"),
    ] {
        assert_eq!(why(text), expected, "{text}");
    }
}

proptest! {
    #[test]
    fn every_moment_survives_both_forms(ms in 0..=DateTime::MAX.ms()) {
        let moment = DateTime::from_ms(ms).unwrap();
        prop_assert_eq!(DateTime::parse(&moment.to_string()), Ok(moment));
        prop_assert_eq!(DateTime::parse(&moment.to_fipa()), Ok(moment));
    }

    #[test]
    fn no_text_makes_the_reader_panic(text in ".{0,40}", shaped in "[+-]?[0-9TZ:.ms-]{0,30}") {
        for text in [text, shaped] {
            let _ = ReplyBy::parse(&text).and_then(|time| time.resolve(u64::MAX));
        }
    }
}
