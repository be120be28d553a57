//! What the codecs refuse, with the code and the whole text that a person then sees.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod limits;

use caxton_acl::{Error, Message, error::codes, from_json, from_string};

/// Ends the error for an unknown act.
const ACTS: &str = "use one of accept-proposal, agree, cancel, cfp, confirm, disconfirm, failure, inform, inform-if, \
                    inform-ref, not-understood, propagate, propose, proxy, query-if, query-ref, refuse, \
                    reject-proposal, request, request-when, request-whenever, subscribe";
/// Ends the error for a name.
const NAMES: &str = "use 1 to 255 bytes without spaces, control characters, quotes and parentheses";
/// Ends the error for a time.
const TIMES: &str =
    "write 2026-11-20T12:00:00Z (RFC 3339), 20261120T120000000Z (FIPA) or a relative time such as +2s";

#[track_caller]
fn check(result: Result<Message, Error>, code: u16, text: &str) {
    let error = result.expect_err(text);
    assert_eq!((error.code(), error.to_string().as_str()), (code, text));
}

#[track_caller]
fn acl(input: impl AsRef<[u8]>, text: &str) {
    check(from_string(input, 0), codes::MESSAGE_MALFORMED, text);
}

/// Reads a message to `b` whose text goes on with `rest` at byte 50.
#[track_caller]
fn acl_rest(rest: &str, text: &str) {
    acl(to_b(rest), text);
}

fn to_b(rest: &str) -> String {
    format!("(inform :receiver (set (agent-identifier :name b)){rest}")
}

#[track_caller]
fn json(input: impl AsRef<[u8]>, text: &str) {
    check(from_json(input, 0), codes::MESSAGE_MALFORMED, text);
}

/// Reads an inform to `b` with one more entry.
#[track_caller]
fn json_rest(rest: &str, text: &str) {
    json(json_to_b(rest), text);
}

fn json_to_b(rest: &str) -> String {
    format!(r#"{{"performative":"inform","receiver":"b",{rest}}}"#)
}

#[test]
fn unknown_act_names_the_nearest_and_all() {
    let end = format!("\"reqest\" is not a communicative act, the nearest is `request`; {ACTS}");
    check(from_string("(reqest :content x)", 0), 308, &format!("at byte 1: {end}"));
    check(from_json(r#"{"performative":"reqest"}"#, 0), 308, &format!("in `performative`: {end}"));
    let far = format!("at byte 1: \"xyzzy\" is not a communicative act; {ACTS}");
    check(from_string("(xyzzy)", 0), 308, &far);
}

#[test]
fn missing_or_empty_receiver_is_named() {
    let text = "the message names no receiver; set `receiver`";
    for input in ["(inform)", "(inform :receiver (set))"] {
        check(from_string(input, 0), 303, text);
    }
    for input in [r#"{"performative":"inform"}"#, r#"{"performative":"inform","receiver":[]}"#] {
        check(from_json(input, 0), 303, text);
    }
}

#[test]
fn text_that_is_no_message_is_refused_at_its_place() {
    acl(
        "",
        "at byte 0: expected `(` and a communicative act, found the end of the text; write (inform :receiver …)",
    );
    acl("inform", "at byte 0: expected `(` and a communicative act, found `i`; write (inform :receiver …)");
    acl("()", "at byte 1: expected a communicative act, found `)`; write it here");
    acl("(\0)", "at byte 1: expected a communicative act, found byte 0x00; write it here");
}

#[test]
fn unbalanced_parentheses_are_refused_at_their_place() {
    let close = "expected `)`, found the end of the text; close the parenthesis that opens here";
    acl_rest("", &format!("at byte 0: {close}"));
    acl_rest(" :content (a (b)", &format!("at byte 60: {close}"));
    acl("(inform :receiver (set ", &format!("at byte 18: {close}"));
    acl("(inform :sender (agent-identifier :name a", &format!("at byte 16: {close}"));
    acl("(inform :sender (agent-identifier :addresses (sequence a", &format!("at byte 45: {close}"));
    acl_rest(
        "))",
        "at byte 51: expected the end of the text, found `)`; send one message, with balanced parentheses",
    );
}

#[test]
fn parameters_stand_once_whatever_their_case() {
    let end = "again; remove one of the two";
    acl_rest(
        " :content x :content y)",
        &format!("at byte 62: expected each parameter once, found \"content\" {end}"),
    );
    acl_rest(
        " :content x :Content y)",
        &format!("at byte 62: expected each parameter once, found \"Content\" {end}"),
    );
    acl_rest(" :X-a 1 :x-A 2)", &format!("at byte 58: expected each parameter once, found \"x-A\" {end}"));
    json_rest(r#""X-a":"1","x-A":"2""#, &format!("expected each parameter once, found \"x-A\" {end}"));
}

#[test]
fn repeated_json_keys_are_refused_at_every_depth() {
    let end = "again; correct the text there";
    let text = format!("at line 1 column 63: expected a JSON message, found the key \"content\" {end}");
    json_rest(r#""content":"a","content":"b""#, &text);
    let text = format!("at line 1 column 67: expected a JSON message, found the key \"name\" {end}");
    json_rest(r#""sender":{"name":"a","name":"b"}"#, &text);
}

#[test]
fn unknown_parameters_name_the_nearest() {
    let end = "did you mean `content`? user parameters start with `X-`";
    acl_rest(" :contnet x)", &format!("at byte 51: expected a known parameter, found \"contnet\"; {end}"));
    json_rest(
        r#""contnet":"x""#,
        &format!("in `contnet`: expected a known parameter, found \"contnet\"; {end}"),
    );
    acl_rest(
        " :trace x)",
        "at byte 51: expected a known parameter, found \"trace\"; user parameters start with `X-`",
    );
    json(
        r#"{"perfomative":"inform","receiver":"b"}"#,
        "in `perfomative`: expected a known parameter, found \"perfomative\"; did you mean `performative`? user \
         parameters start with `X-`",
    );
    acl(
        "(inform :sender (agent-identifier :adresses x))",
        "at byte 34: expected a known parameter, found \"adresses\"; did you mean `addresses`? user parameters \
         start with `X-`",
    );
}

#[test]
fn values_are_neither_missing_nor_two() {
    let end = "write one, \"\" if it is empty";
    acl_rest(" :content)", &format!("at byte 59: expected a value, found `)`; {end}"));
    acl_rest(" :content :language x)", &format!("at byte 60: expected a value, found `:`; {end}"));
    acl_rest(
        " :content a b)",
        "at byte 62: expected a parameter such as `:content`, or `)`, found `b`; put texts with spaces into quotes",
    );
    json_rest(
        r#""content":"a","content-base64":"""#,
        "in `content-base64`: expected one content, found `content` and `content-base64`; remove one of the two",
    );
}

#[test]
fn an_open_string_is_refused_where_it_opens() {
    let text = "at byte 60: expected a closing `\"`, found the end of the text; close the string; a text that ends in \
                \\ needs its byte length, as in #3\"ab\\";
    acl_rest(" :content \"open)", text);
    acl_rest(" :content \"open\\\")", text);
}

#[test]
fn a_declared_length_that_lies_is_refused() {
    let fix = "correct the length (in bytes, without a closing quote)";
    for rest in [" :content #3\"abcd)", " :content #3\"abc\")"] {
        acl_rest(rest, &format!("at byte 60: expected 3 bytes, found a longer text; {fix}"));
    }
    acl_rest(" :content #9\"ab)", &format!("at byte 60: expected \"9\" bytes, found 3 until the end; {fix}"));
    let huge = "99999999999999999999999";
    let text = format!("at byte 60: expected \"{huge}\" bytes, found 3 until the end; {fix}");
    acl_rest(&format!(" :content #{huge}\"ab)"), &text);
    acl_rest(
        " :content #)",
        "at byte 60: expected `#<length>\"<bytes>`, found `#` without a length and a quote; write the length in \
         bytes, or put the text into quotes",
    );
}

#[test]
fn invalid_utf_8_is_refused_at_its_byte() {
    let fix = "write UTF-8; byte content is base64 with :X-JADE-Encoding Base64";
    // A byte that UTF-8 never has, an overlong slash, a lone surrogate.
    for (bytes, found) in [(&b"\xff"[..], "0xff"), (b"\xc0\xaf", "0xc0"), (b"\xed\xa0\x80", "0xed")] {
        let input = [to_b(" :content \"ab").as_bytes(), bytes, b"\")"].concat();
        acl(input, &format!("at byte 63: expected UTF-8, found byte {found}; {fix}"));
        let input = [br#"{"performative":"inform","content":"ab"#, bytes, b"\"}"].concat();
        let error = from_json(input, 0).unwrap_err().to_string();
        assert!(error.contains("found invalid unicode code point;"), "{error}");
    }
    acl(
        [to_b(" :language #1\"").as_bytes(), b"\xff)"].concat(),
        "at byte 61: expected UTF-8, found other bytes; only content may be bytes",
    );
    json_rest(
        r#""content":"\ud800""#,
        "at line 1 column 58: expected a JSON message, found unexpected end of hex escape; correct the text there",
    );
}

#[test]
fn hostile_names_are_refused_with_the_reason() {
    let sender = |name: &str| format!("(inform :sender (agent-identifier :name {name}))");
    let text = |found: &str, why: &str| {
        format!("at byte 40: expected an agent's name, found {found}: {why}; {NAMES}")
    };
    for (name, found, why) in [
        ("../x", "\"../x\"", "it climbs by .."),
        ("\"a\0b\"", "\"a\\0b\"", "it has a control character"),
        ("\"a b\"", "\"a b\"", "it has white space"),
        ("a\u{202e}b", "\"a\\u{202e}b\"", "it has a character that reorders text"),
        ("\"\"", "\"\"", "it is empty"),
    ] {
        check(from_string(sender(name), 0), 319, &text(found, why));
    }
    let long = "a".repeat(10_000_000);
    let found = format!("\"{}…\"", "a".repeat(48));
    check(from_string(sender(&long), 0), 319, &text(&found, "it is too long"));
    check(
        from_json(json_to_b(r#""reply-to":["c",{"name":"a\u0000b"}]"#), 0),
        319,
        &format!(
            "in `reply-to[1].name`: expected an agent's name, found \"a\\0b\": it has a control character; {NAMES}"
        ),
    );
}

#[test]
fn agents_are_complete_and_named_once() {
    let wrong = "write it in parentheses";
    acl("(inform :sender a@p)", &format!("at byte 16: expected `(agent-identifier …)`, found `a`; {wrong}"));
    acl(
        "(inform :receiver (agent-identifier :name a))",
        &format!("at byte 18: expected `(set …)`, found the word \"agent-identifier\"; {wrong}"),
    );
    acl("(inform :sender (agent-identifier))", "at byte 16: expected `:name`, found none; name the agent");
    acl(
        "(inform :sender (agent-identifier :name a :name b))",
        "at byte 42: expected each parameter once, found \"name\" again; remove one of the two",
    );
    acl(
        "(inform :receiver (set (agent-identifier :name a) (agent-identifier :name a)))",
        "at byte 18: expected each agent once, found \"a\" again; name it once",
    );
    json(
        r#"{"performative":"inform","receiver":[{"addresses":[]}]}"#,
        "in `receiver[0]`: expected the key `name`, found none; add it, or write the agent as a string",
    );
}

#[test]
fn times_that_are_none_are_refused_with_the_reason() {
    let text = |place: &str, found: &str, why: &str| {
        format!("{place}: expected a date and time, found {found}: {why}; {TIMES}")
    };
    let year = "it does not start with four digits of a year";
    check(from_string(to_b(" :reply-by tomorrow)"), 0), 318, &text("at byte 61", "\"tomorrow\"", year));
    let month = text("at byte 61", "\"20261320T000000000Z\"", "the month is not 01 to 12");
    check(from_string(to_b(" :reply-by 20261320T000000000Z)"), 0), 318, &month);
    let far = text("in `reply-by`", "\"+99999999d\"", "it lies after the year 9999");
    check(from_json(json_to_b(r#""reply-by":"+99999999d""#), 0), 318, &far);
    let late = text("in `reply-by`", "\"1000 ms from now\"", "it lies after the year 9999");
    check(from_json(json_to_b(r#""reply-by":"+1s""#), u64::MAX), 318, &late);
}

#[test]
fn base64_that_is_none_is_refused() {
    let end = "expected base64, found byte 0x23; encode the bytes by RFC 4648 section 4";
    acl_rest(" :X-JADE-Encoding Base64 :content \"#!\")", &format!("at byte 84: {end}"));
    json_rest(r#""content-base64":"AA#A""#, &format!("in `content-base64`: {end}"));
    json_rest(
        r#""content-base64":"A""#,
        "in `content-base64`: expected base64, found a text that was cut off or changed; encode the bytes by RFC \
         4648 section 4",
    );
    acl_rest(
        " :X-JADE-Encoding gzip :content x)",
        "at byte 68: expected Base64, found \"gzip\"; send the bytes as base64, or use :encoding for the content's own",
    );
}

#[test]
fn json_of_another_shape_is_refused() {
    json(
        "",
        "at line 1 column 0: expected a JSON message, found EOF while parsing a value; correct the text there",
    );
    json("[]", "expected an object, found a list; write {\"performative\": …, \"receiver\": …}");
    json(
        "{}",
        "expected the key `performative`, found none; add it, for example \"performative\": \"inform\"",
    );
    let quote = "put it into double quotes";
    json(r#"{"performative":7}"#, &format!("in `performative`: expected a string, found a number; {quote}"));
    json_rest(r#""content":{}"#, &format!("in `content`: expected a string, found an object; {quote}"));
    json_rest(r#""reply-by":-0"#, &format!("in `reply-by`: expected a string, found a number; {quote}"));
    json_rest(
        r#""content":1e999"#,
        "at line 1 column 55: expected a JSON message, found number out of range; correct the text there",
    );
    json(
        r#"{"performative":"inform","receiver":"b"} x"#,
        "at line 1 column 42: expected a JSON message, found trailing characters; correct the text there",
    );
    let keys: String = (0..200).map(|n| format!(r#","k{n}":"""#)).collect();
    let error = from_json(format!(r#"{{"performative":"inform"{keys}}}"#), 0).unwrap_err().to_string();
    assert!(error.contains("found more than 80 keys;"), "{error}");
}

#[test]
fn the_marker_of_base64_content_is_no_user_parameter() {
    json_rest(
        r#""X-JADE-Encoding":"Base64""#,
        "expected a name that is not reserved, found \"X-JADE-Encoding\"; set byte content, the codec then writes it",
    );
}
