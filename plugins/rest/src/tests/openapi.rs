//! The description of the HTTP surface says what the routes do, and its committed copy is the same.

use std::{collections::BTreeSet, path::Path};

use serde_json::Value;

use super::bench::Bench;
use crate::{app, openapi};

/// Every operation with its path and method.
fn operations(api: &Value) -> Vec<(&str, &str, &Value)> {
    let paths = api["paths"].as_object().unwrap().iter();
    let methods = |item: &'_ Value| item.as_object().unwrap().len();
    assert!(paths.clone().all(|(_, item)| methods(item) > 0));
    paths
        .flat_map(|(path, item)| {
            item.as_object().unwrap().iter().map(|(method, it)| (path.as_str(), method.as_str(), it))
        })
        .collect()
}

#[tokio::test]
async fn every_route_is_described_and_nothing_else() {
    let api = openapi::document();
    let described: BTreeSet<String> = operations(&api)
        .into_iter()
        .map(|(path, method, _)| format!("{} {path}", method.to_uppercase()))
        .collect();
    let bench = Bench::new();
    let mut routed = BTreeSet::new();
    for (path, _) in app::routes() {
        // No route takes it, so the answer names the methods that are taken.
        let reply = bench.call("PATCH", &path.replace(['{', '}'], ""), "").await;
        assert_eq!(reply.status, 405, "{path}");
        let methods = reply.header("allow").split(',').filter(|method| *method != "HEAD");
        routed.extend(methods.map(|method| format!("{method} {path}")));
    }
    assert_eq!(described, routed);
}

#[test]
fn every_operation_says_what_it_is_for_and_shows_an_example() {
    let api = openapi::document();
    let mut ids = BTreeSet::new();
    for (path, method, operation) in operations(&api) {
        let place = format!("{method} {path}");
        assert!(ids.insert(operation["operationId"].as_str().unwrap().to_owned()), "{place}");
        assert!(operation["summary"].as_str().unwrap().ends_with('.'), "{place}");
        assert_eq!(operation["tags"].as_array().unwrap().len(), 1, "{place}");
        for parameter in operation["parameters"].as_array().into_iter().flatten() {
            let about = parameter["description"].as_str().unwrap_or_default();
            assert!(about.ends_with('.'), "{place}: {parameter}");
        }
        let bodies = operation["responses"].as_object().unwrap().values().chain([&operation["requestBody"]]);
        for body in bodies {
            let json = &body["content"]["application/json"];
            assert!(json["schema"].get("$ref").is_none() || !json["example"].is_null(), "{place}: {json}");
        }
        let statuses: BTreeSet<&str> =
            operation["responses"].as_object().unwrap().keys().map(String::as_str).collect();
        assert!(
            ["400", "403", "429", "500", "503", "504"].iter().all(|status| statuses.contains(status)),
            "{place}"
        );
        let reads = operation.get("requestBody").is_some();
        assert_eq!(reads, ["408", "413", "415"].iter().all(|status| statuses.contains(status)), "{place}");
    }
}

#[test]
fn every_reference_leads_somewhere() {
    let api = openapi::document();
    let text = api.to_string();
    for place in text.split("\"#/").skip(1).filter_map(|rest| rest.split('"').next()) {
        let found = api.pointer(&format!("/{place}"));
        assert!(found.is_some_and(|found| found.is_object()), "{place}: {found:?}");
    }
    for (name, schema) in api["components"]["schemas"].as_object().unwrap() {
        let named = schema.get("$ref").is_some();
        assert!(named || !schema["description"].as_str().unwrap_or_default().is_empty(), "{name}");
    }
}

#[test]
fn every_example_has_only_what_its_schema_has() {
    let api = openapi::document();
    let examples: Value = serde_json::from_str(include_str!("../openapi/examples.json")).unwrap();
    for (name, example) in examples.as_object().unwrap() {
        let mut schema = &api["components"]["schemas"][name];
        assert!(schema.is_object(), "{name} is shown and not used");
        if let Some(other) = schema["$ref"].as_str() {
            schema = api.pointer(other.trim_start_matches('#')).unwrap();
        }
        let Some(example) = example.as_object() else { continue };
        let known = schema["properties"].as_object().unwrap();
        let strange: Vec<_> = example.keys().filter(|key| !known.contains_key(*key)).collect();
        assert!(strange.is_empty(), "{name}: {strange:?}");
        let missing: Vec<_> = schema["required"]
            .as_array()
            .into_iter()
            .flatten()
            .filter(|key| !example.contains_key(key.as_str().unwrap()))
            .collect();
        assert!(missing.is_empty(), "{name}: {missing:?}");
    }
}

/// `CAXTON_UPDATE=1` writes it.
#[test]
fn the_committed_copy_is_what_is_served() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../proto/openapi.json");
    let text = serde_json::to_string_pretty(&openapi::document()).unwrap() + "\n";
    if std::env::var_os("CAXTON_UPDATE").is_some() {
        std::fs::write(&file, &text).unwrap();
    }
    let committed = std::fs::read_to_string(&file).unwrap_or_default();
    assert!(committed == text, "proto/openapi.json is not what is served; run with CAXTON_UPDATE=1");
}

#[tokio::test]
async fn it_is_served_and_so_is_a_page_that_loads_nothing_from_elsewhere() {
    let bench = Bench::new();
    let reply = bench.call("GET", "/openapi.json", "").await;
    assert_eq!((reply.status.as_u16(), reply.header("content-type")), (200, "application/json"));
    assert_eq!(reply.json()["openapi"], "3.1.0");
    for (path, media) in [
        ("/docs", "text/html; charset=utf-8"),
        ("/docs/page.js", "text/javascript; charset=utf-8"),
        ("/docs/page.css", "text/css; charset=utf-8"),
    ] {
        let reply = bench.call("GET", path, "").await;
        assert_eq!((reply.status.as_u16(), reply.header("content-type")), (200, media), "{path}");
        assert!(reply.header("content-security-policy").starts_with("default-src 'self';"), "{path}");
        let text = String::from_utf8(reply.body).unwrap();
        assert!(!text.contains("http://") && !text.contains("https://") && !text.contains("//cdn"), "{path}");
        assert!(
            !text.contains("<script>") && !text.contains("style=") && !text.contains("innerHTML"),
            "{path}"
        );
    }
}
