//! JSON Schemas of the documents that the command line makes itself. Those of the server are the server's contract.
//!
//! `docs/reference/cli.schema.json` has both, and a test holds it to this list.

use serde_json::{Map, Value, json};

/// The kinds of documents that commands make, each with its schema.
pub fn documents() -> Vec<(&'static str, Value)> {
    let named = |name: &str| json!({"$ref": format!("#/$defs/{name}")});
    let text = || json!({"type": "string"});
    let maybe = || json!({"type": ["string", "null"]});
    let number = || json!({"type": "integer", "minimum": 0});
    let list = |item: Value| json!({"type": "array", "items": item});
    let setting = || object(None, &[("value", text()), ("origin", text())]);
    let changes = || list(object(None, &[("key", text()), ("from", text()), ("to", text())]));
    let latency = object(None, &[("p50", number()), ("p90", number()), ("p99", number()), ("max", number())]);
    let finding = object(
        None,
        &[
            ("check", text()),
            ("severity", json!({"enum": ["info", "warning", "critical"]})),
            ("what", text()),
            ("fix", text()),
        ],
    );
    let top = object(
        None,
        &[
            ("name", text()),
            ("state", text()),
            ("received", number()),
            ("sent", number()),
            ("mailbox", number()),
            ("memory-bytes", number()),
            ("restarts", number()),
        ],
    );
    let server = json!({"anyOf": [{"type": "null"}, object(None, &[("version", json!({})), ("abi", json!({})), ("wit", json!({})), ("platform", json!({}))])]});
    let document = |kind: &'static str, keys: &[(&str, Value)]| (kind, object(Some(kind), keys));
    vec![
        document(
            "caxton.context/v1",
            &[
                ("name", text()),
                ("server", text()),
                ("output", maybe()),
                ("current", json!({"type": "boolean"})),
            ],
        ),
        document("caxton.context.list/v1", &[("items", list(named("caxton.context/v1")))]),
        document(
            "caxton.context.effective/v1",
            &[("context", maybe()), ("server", setting()), ("output", setting())],
        ),
        document(
            "caxton.change/v1",
            &[
                ("name", text()),
                ("action", json!({"enum": ["create", "update", "unchanged", "delete"]})),
                ("changes", changes()),
                ("agent", json!({"type": ["object", "null"]})),
            ],
        ),
        document("caxton.plan/v1", &[("items", list(named("caxton.change/v1")))]),
        document("caxton.apply/v1", &[("items", list(named("caxton.change/v1")))]),
        document("caxton.diff/v1", &[("items", list(named("caxton.change/v1")))]),
        document("caxton.deleted/v1", &[("name", text())]),
        document("caxton.top/v1", &[("items", list(top))]),
        document(
            "caxton.doctor/v1",
            &[("worst", json!({"enum": ["info", "warning", "critical", null]})), ("items", list(finding))],
        ),
        document(
            "caxton.bench/v1",
            &[
                ("mode", json!({"enum": ["ask", "oneway"]})),
                ("agent", text()),
                ("measures", text()),
                ("count", number()),
                ("failed", number()),
                ("concurrency", number()),
                ("duration-ms", number()),
                ("per-second", json!({"type": "number"})),
                ("latency-us", latency),
            ],
        ),
        document("caxton.version/v1", &[("client", text()), ("server", server)]),
        document(
            "caxton.error/v1",
            &[("code", text()), ("slug", text()), ("status", number()), ("meaning", text()), ("fix", text())],
        ),
        document("caxton.error.list/v1", &[("items", list(named("caxton.error/v1")))]),
    ]
}

/// An object with exactly these keys, and `kind` where it has one.
fn object(kind: Option<&str>, keys: &[(&str, Value)]) -> Value {
    let kind = kind.map(|kind| ("kind", json!({ "const": kind })));
    let all = || {
        kind.iter().map(|(key, schema)| (*key, schema)).chain(keys.iter().map(|(key, schema)| (*key, schema)))
    };
    let properties: Map<String, Value> =
        all().map(|(key, schema)| (key.to_owned(), schema.clone())).collect();
    let required: Vec<&str> = all().map(|(key, _)| key).collect();
    json!({"type": "object", "properties": properties, "required": required, "additionalProperties": false})
}
