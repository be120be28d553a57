//! Inputs that are over a limit, each with the text that names the limit.

use caxton_acl::{from_json, from_string, limits};

use super::{acl, acl_rest, check, json, json_rest, json_to_b, to_b};

#[test]
fn ten_thousand_receivers_are_over_the_limit() {
    let names: Vec<_> = (0..10_000).map(|n| format!("a{n}")).collect();
    let end = "expected at most 256 receivers, found more; send to a group, or in parts";
    let set: String = names.iter().map(|name| format!("(agent-identifier :name {name})")).collect();
    let text = format!("(inform :receiver (set {set}))");
    check(from_string(text, 0), 304, &format!("at byte 18: {end}"));
    let text = format!(r#"{{"performative":"inform","receiver":["{}"]}}"#, names.join("\",\""));
    check(from_json(text, 0), 304, &format!("in `receiver`: {end}"));
}

#[test]
fn nesting_of_any_depth_costs_no_stack() {
    let expected = "expected at most 64 levels of parentheses, found one more; put the content into a string";
    acl_rest(&format!(" :content {}", "(".repeat(100_000)), &format!("at byte 124: {expected}"));
    let at_limit = format!(" :content {}{})", "(".repeat(64), ")".repeat(64));
    assert!(from_string(to_b(&at_limit), 0).is_ok());
    let expected = "expected a JSON message, found more than 64 levels of nesting; correct the text there";
    json("[".repeat(100_000), &format!("at line 1 column 65: {expected}"));
}

#[test]
fn resolvers_of_any_depth_cost_no_stack() {
    let text = format!("(inform :sender {}", "(agent-identifier :resolvers (sequence ".repeat(100_000));
    acl(
        text,
        "at byte 346: expected at most 8 levels of resolvers, found one more; name fewer resolvers of resolvers",
    );
    let nested = format!("{}\"a\"{}", r#"{"name":"a","resolvers":["#.repeat(9), "]}".repeat(9));
    let path = format!("sender{}.resolvers", ".resolvers[0]".repeat(8));
    json_rest(
        &format!("\"sender\":{nested}"),
        &format!(
            "in `{path}`: expected at most 8 levels of resolvers, found one more; name fewer resolvers of resolvers"
        ),
    );
}

#[test]
fn content_one_byte_over_the_limit_is_refused_and_at_the_limit_read() {
    let end = "expected at most 4194304 bytes of content, found 4194305; send a reference instead";
    let content = "x".repeat(limits::CONTENT_BYTES_MAX);
    let in_acl = |content: &str| from_string(to_b(&format!(" :content \"{content}\")")), 0);
    let in_json = |content: &str| from_json(json_to_b(&format!(r#""content":"{content}""#)), 0);
    assert!(in_acl(&content).is_ok() && in_json(&content).is_ok());
    let content = content + "x";
    check(in_acl(&content), 305, &format!("at byte 60: {end}"));
    check(in_json(&content), 305, &format!("in `content`: {end}"));
}

#[test]
fn too_many_or_too_large_user_parameters_are_refused() {
    let many: String = (0..=limits::PARAMS_MAX).map(|n| format!(" :X-{n} v")).collect();
    acl_rest(
        &many,
        "at byte 559: expected user parameters of at most 64 entries, found 65 entries; make it smaller",
    );
    let large = "v".repeat(limits::PARAM_BYTES_MAX + 1);
    let end = "expected the user parameter \"X-a\" of at most 8192 bytes, found 8193 bytes; make it smaller";
    acl_rest(&format!(" :X-a {large})"), &format!("at byte 56: {end}"));
    json_rest(&format!(r#""X-a":"{large}""#), end);
    acl_rest(
        " :X- 1)",
        "at byte 55: expected a user parameter's name of visible ASCII, found \"X-\"; name it `X-` and letters, \
         digits or -",
    );
}
