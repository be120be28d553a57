//! Every document of the reference of the control operations is a message of the contract, key for key.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use caxton_proto::{
    operations, pool, schema,
    transcode::{Unknown, from_json, to_json},
};
use prost_reflect::{DynamicMessage, MessageDescriptor, ReflectMessage};
use serde_json::{Value, json};

const CONTROL: &str = include_str!("../../docs/reference/control.md");

/// The page's JSON as JSON: the page shortens with `…` and writes alternatives as `"open"|"closed"`.
fn plain(text: &str) -> String {
    let mut text = text.replace("\"…\":\"…\"", "\"X-more\":\"…\"").replace("{…}", "{}").replace("[…]", "[]");
    while let Some(at) = text.find("\"|") {
        let end = text[at + 2..].find([',', '}', ']']).unwrap();
        text.replace_range(at + 1..at + 2 + end, "");
    }
    for key in ["time", "at", "started", "ended", "expires", "created", "since"] {
        text = text.replace(&format!("\"{key}\":\"…\""), &format!("\"{key}\":\"2026-11-20T12:00:00Z\""));
    }
    text
}

/// Every JSON object of the page that is a whole document.
fn documents() -> Vec<Value> {
    let mut found = Vec::new();
    for block in CONTROL.split("```json").skip(1) {
        let block = plain(block.split("```").next().unwrap());
        for value in serde_json::Deserializer::from_str(&block).into_iter::<Value>() {
            found.push(value.unwrap_or_else(|error| panic!("{error} in {block}")));
        }
    }
    for row in CONTROL.lines().filter(|line| line.starts_with('|')) {
        for code in row.split('`').filter(|code| code.starts_with("{\"kind\"")) {
            found.extend(serde_json::from_str::<Value>(&plain(code)).ok());
        }
    }
    found
}

/// The message for documents of a kind; lists and answers that are documents themselves come first.
fn message_of(kind: &str) -> MessageDescriptor {
    let name = schema::of_kind(kind).unwrap_or_else(|| panic!("no message for {kind}"));
    pool().get_message_by_name(&name).unwrap()
}

#[test]
fn every_document_is_a_message() {
    let mut kinds = std::collections::BTreeSet::new();
    for document in documents() {
        let kind = document["kind"].as_str().unwrap_or("manifest").to_owned();
        let message = match kind.as_str() {
            "manifest" => pool().get_message_by_name("caxton.v1.AgentManifest").unwrap(),
            kind => message_of(kind),
        };
        let made = from_json(&message, &document, Unknown::Refuse)
            .unwrap_or_else(|fault| panic!("{kind}: {fault}\n{document}"));
        let back = from_json(&message, &to_json(&made).unwrap(), Unknown::Refuse).unwrap();
        assert_eq!(to_json(&back), to_json(&made), "{kind}");
        kinds.insert(kind);
    }
    assert!(kinds.len() >= 15, "{kinds:?}");
}

/// What the page's table says in braces as the request of each operation.
#[test]
fn every_request_is_a_message() {
    let mut count = 0;
    for row in CONTROL.lines().filter(|line| line.starts_with("| `")) {
        let cells: Vec<&str> = row.split(" | ").collect();
        let first = cells[0].trim_start_matches("| ");
        let first = first.split("(verb ").last().unwrap();
        let verb = first.split('`').nth(1).unwrap();
        let Some(operation) = operations()
            .iter()
            .find(|operation| operation.verb == verb && !operation.method.is_server_streaming())
        else {
            assert!(verb.contains([' ', ':', ',']) || !verb.contains('.'), "{verb} has no method");
            continue;
        };
        let text = cells[1].split('`').find(|code| code.starts_with('{')).unwrap_or("{}");
        let request: Value =
            serde_json::from_str(&plain(text)).unwrap_or_else(|error| panic!("{verb}: {error} {text}"));
        if operation.method.is_client_streaming() {
            continue;
        }
        let made = from_json(&operation.method.input(), &request, Unknown::Refuse)
            .unwrap_or_else(|fault| panic!("{verb}: {fault}"));
        let again = to_json(&made).unwrap();
        let back = from_json(&operation.method.input(), &again, Unknown::Refuse).unwrap();
        assert_eq!(to_json(&back).unwrap(), again, "{verb}");
        count += 1;
    }
    assert!(count > 20, "{count}");
}

fn of(message: &str, document: &Value, unknown: Unknown) -> Result<DynamicMessage, String> {
    let message = pool().get_message_by_name(&format!("caxton.v1.{message}")).unwrap();
    from_json(&message, document, unknown).map_err(|fault| fault.to_string())
}

#[test]
fn a_key_that_the_contract_does_not_have_is_named() {
    let document = json!({"kind":"caxton.agent/v1","name":"a","revisions":[{"nubmer":1}]});
    assert_eq!(
        of("Agent", &document, Unknown::Refuse).unwrap_err(),
        "in `revisions.0`: the key `nubmer` is not known"
    );
    assert!(of("Agent", &document, Unknown::Skip).is_ok());
}

#[test]
fn a_value_of_another_type_is_told_with_its_place() {
    for (document, fault) in [
        (json!({"mailbox":-1}), "in `mailbox`: expected a whole number from 0 on, found -1"),
        (
            json!({"revision":4294967296_u64}),
            "in `revision`: expected a whole number from 0 to 4294967295, found 4294967296",
        ),
        (json!({"since":"yesterday"}), "in `since`: expected an RFC 3339 time, found \"yesterday\""),
        (json!({"kind":"caxton.job/v1"}), "in `kind`: expected `caxton.agent/v1`, found \"caxton.job/v1\""),
        (json!({"name":null}), "in `name`: expected a text, found null"),
        (json!({"restart":"always"}), "in `restart`: expected one of never, on-failure, found \"always\""),
    ] {
        assert_eq!(of("Agent", &document, Unknown::Refuse).unwrap_err(), fault);
    }
}

#[test]
fn a_state_of_a_newer_server_is_unspecified() {
    let document = json!({"kind":"caxton.agent/v1","name":"a","state":"hibernating"});
    let made = of("Agent", &document, Unknown::Skip).unwrap();
    assert_eq!(made.get_field_by_name("state").unwrap().as_enum_number(), Some(0));
}

#[test]
fn an_outcome_is_what_was_accepted_or_the_problem() {
    let accepted = json!({"kind":"caxton.accepted/v1","status":202,"id":"x","class":"volatile","conversation-id":"c","receiver":["a@b"]});
    let problem = json!({"type":"urn:caxton:error:CX0301","title":"mailbox-full","status":429,"detail":"full","code":"CX0301","fix":"wait","instance":"","retry-after-ms":1000});
    for (document, variant) in [(accepted, "accepted"), (problem, "refused")] {
        let made = of("SendOutcome", &document, Unknown::Refuse).unwrap();
        assert!(made.has_field_by_name(variant));
        assert_eq!(
            made.get_field_by_name("status").unwrap().as_u32(),
            document["status"].as_u64().map(|status| status as u32)
        );
        assert_eq!(made.descriptor().name(), "SendOutcome");
    }
}

#[test]
fn content_is_a_text_or_bytes_and_user_parameters_are_keys() {
    let text = json!({"performative":"request","receiver":["a"],"content":"hi","X-one":"1"});
    let bytes = json!({"performative":"request","receiver":["a"],"content-base64":"/w==","x-two":"2"});
    for document in [text, bytes] {
        let made = of("Message", &document, Unknown::Refuse).unwrap();
        assert_eq!(to_json(&made).unwrap(), document);
    }
    let wrong = json!({"performative":"request","receiver":["a"],"subject":"hi"});
    assert_eq!(of("Message", &wrong, Unknown::Refuse).unwrap_err(), "the key `subject` is not known");
}

#[test]
fn any_json_of_a_manifest_stays_as_it_is() {
    let manifest =
        json!({"name":"a","component":"sha256:1","config":{"count":3,"share":0.5,"deep":[{"null":null}]}});
    let made = of("DeployAgentRequest", &manifest, Unknown::Refuse).unwrap();
    assert_eq!(to_json(&made).unwrap(), manifest);
}
