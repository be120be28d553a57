//! Each resource and method is one verb of the server, document for document.

use axum::{
    body::Body,
    http::{Request, StatusCode},
};
use caxton_plugin::{Code, Error};
use serde_json::{Value, json};

use super::bench::Bench;

/// Method, path, body, and the verb with its request.
const OPERATIONS: [(&str, &str, &str, &str, &str); 45] = [
    ("GET", "/v1/status", "", "server.status", "{}"),
    ("GET", "/healthz", "", "server.health", "{}"),
    ("GET", "/v1/components", "", "components.list", "{}"),
    ("POST", "/v1/agents", r#"{ "name": "a" }"#, "agents.deploy", r#"{ "name": "a" }"#),
    ("GET", "/v1/agents", "", "agents.list", "{}"),
    ("GET", "/v1/agents/a%40test", "", "agents.get", r#"{"name":"a@test"}"#),
    ("DELETE", "/v1/agents/a", "", "agents.delete", r#"{"name":"a"}"#),
    ("GET", "/v1/plugins", "", "plugins.list", "{}"),
    ("GET", "/v1/plugins/rest", "", "plugins.get", r#"{"name":"rest"}"#),
    ("GET", "/v1/conversations", "", "conversations.list", r#"{"limit":50}"#),
    ("GET", "/v1/conversations?limit=7", "", "conversations.list", r#"{"limit":7}"#),
    ("GET", "/v1/conversations/auction-1", "", "conversations.get", r#"{"id":"auction-1"}"#),
    (
        "GET",
        "/v1/conversations/auction-1?version=7&wait-ms=30000",
        "",
        "conversations.get",
        r#"{"id":"auction-1","version":7,"wait-ms":30000}"#,
    ),
    ("GET", "/v1/config", "", "server.config", "{}"),
    ("GET", "/v1/events", "", "events.list", "{}"),
    (
        "GET",
        "/v1/events?after=18446744073709551615&limit=1000&wait-ms=0&tail=5",
        "",
        "events.list",
        r#"{"after":18446744073709551615,"limit":1000,"wait-ms":0,"tail":5}"#,
    ),
    (
        "GET",
        "/v1/logs?agent=a&plugin=p&conversation=c&level=warn&after=9",
        "",
        "logs.list",
        r#"{"agent":"a","plugin":"p","conversation":"c","level":"warn","after":9}"#,
    ),
    ("POST", "/v1/jobs", r#"{ "agent": "a" }"#, "jobs.create", r#"{ "agent": "a" }"#),
    ("GET", "/v1/jobs?limit=7", "", "jobs.list", r#"{"limit":7}"#),
    ("GET", "/v1/jobs/j?version=3&wait-ms=1", "", "jobs.get", r#"{"id":"j","version":3,"wait-ms":1}"#),
    (
        "GET",
        "/v1/jobs/j/results?state=failed&after=1",
        "",
        "jobs.results",
        r#"{"id":"j","state":"failed","after":1}"#,
    ),
    ("POST", "/v1/jobs/j/cancel", "", "jobs.cancel", r#"{"id":"j"}"#),
    ("POST", "/v1/jobs/j/resume", "", "jobs.resume", r#"{"id":"j"}"#),
    ("DELETE", "/v1/jobs/j", "", "jobs.delete", r#"{"id":"j"}"#),
    ("POST", "/v1/attachments", r#"{"name":"buyer"}"#, "attachments.open", r#"{"name":"buyer"}"#),
    ("GET", "/v1/attachments", "", "attachments.list", "{}"),
    ("GET", "/v1/attachments/i/messages?after=2", "", "attachments.receive", r#"{"id":"i","after":2}"#),
    (
        "POST",
        "/v1/attachments/i/messages",
        r#"{"messages":[]}"#,
        "attachments.send",
        r#"{"messages":[],"id":"i"}"#,
    ),
    ("DELETE", "/v1/attachments/i", "", "attachments.close", r#"{"id":"i"}"#),
    ("GET", "/v1/events?wait-ms=30000", "", "events.list", r#"{"wait-ms":30000}"#),
    ("GET", "/v1/dead-letters", "", "dead-letters.list", r#"{"limit":50}"#),
    ("GET", "/v1/dead-letters?limit=1000", "", "dead-letters.list", r#"{"limit":1000}"#),
    (
        "GET",
        "/v1/dead-letters?reason=poison&agent=a",
        "",
        "dead-letters.list",
        r#"{"limit":50,"reason":"poison","agent":"a"}"#,
    ),
    ("GET", "/v1/dead-letters/17", "", "dead-letters.get", r#"{"id":"17"}"#),
    ("POST", "/v1/dead-letters/requeue", r#"{"ids":["17"]}"#, "dead-letters.requeue", r#"{"ids":["17"]}"#),
    ("POST", "/v1/dead-letters/purge", r#"{"all":true}"#, "dead-letters.purge", r#"{"all":true}"#),
    ("PUT", "/v1/agents/a", r#"{"component":"c"}"#, "agents.apply", r#"{"component":"c","name":"a"}"#),
    (
        "PUT",
        "/v1/agents/a?canary=10",
        r#"{"name":"a@test"}"#,
        "agents.apply",
        r#"{"name":"a@test","canary":10}"#,
    ),
    ("POST", "/v1/agents/a/promote", "", "agents.promote", r#"{"name":"a"}"#),
    ("POST", "/v1/agents/a/rollback", "", "agents.rollback", r#"{"name":"a"}"#),
    ("POST", "/v1/plugins/rest/reload", "", "plugins.reload", r#"{"name":"rest"}"#),
    (
        "POST",
        "/v1/plugins/rest/reload",
        r#"{"library":"/l.so"}"#,
        "plugins.reload",
        r#"{"library":"/l.so","name":"rest"}"#,
    ),
    ("POST", "/v1/reload", "", "server.reload", "{}"),
    ("POST", "/v1/reload", "{}", "server.reload", "{}"),
    ("POST", "/v1/reload", r#"{"x":1}"#, "server.reload", r#"{"x":1}"#),
];

#[tokio::test]
async fn each_operation_is_a_verb_and_gives_its_document() {
    for (method, path, body, verb, request) in OPERATIONS {
        let bench = Bench::new();
        let document = json!({"kind": "caxton.test/v1", "live": true});
        bench.fake.answer(verb, document.clone());
        let reply = bench.call(method, path, body).await;
        let status = match (method, path) {
            ("POST", "/v1/jobs") => StatusCode::ACCEPTED,
            ("POST", "/v1/attachments") => StatusCode::CREATED,
            ("POST", "/v1/attachments/i/messages") => StatusCode::MULTI_STATUS,
            _ => StatusCode::OK,
        };
        assert_eq!((reply.status, reply.json()), (status, document), "{method} {path}");
        assert_eq!(reply.header("content-type"), "application/json", "{method} {path}");
        let [(found, asked)] = bench.fake.invocations().try_into().unwrap();
        assert_eq!((found.as_str(), parsed(&asked)), (verb, parsed(request)), "{method} {path}");
    }
}

fn parsed(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

#[tokio::test]
async fn an_error_of_the_server_is_a_problem_with_its_status() {
    for (method, path, body, verb, _) in OPERATIONS {
        let bench = Bench::new();
        bench.fake.fail(
            verb,
            Error::new(Code::AGENT_NOT_FOUND, "no agent `a`").with_detail(json!({"nearest": "b"})),
        );
        let reply = bench.call(method, path, body).await;
        assert_eq!(reply.problem(), (404, "CX0421".to_owned()), "{method} {path}");
        let document = reply.json();
        assert_eq!(
            (&document["title"], &document["detail"]),
            (&json!("agent-not-found"), &json!("no agent `a`"))
        );
        assert_eq!(document["fix"], "list them with `caxton get agents`");
        assert_eq!(document["instance"], path.split('?').next().unwrap());
        assert_eq!(document["context"], json!({"nearest": "b"}));
    }
}

#[tokio::test]
async fn a_component_is_handed_over_as_it_is() {
    let bench = Bench::new();
    bench.fake.answer("components.put", json!({"digest": "sha256:00"}));
    let request = Request::put("/v1/components").header("content-type", "application/wasm");
    let reply = bench.send(request.body(Body::from("\0asm\r\0\u{1}\0")).unwrap()).await;
    assert_eq!((reply.status, reply.json()), (StatusCode::OK, json!({"digest": "sha256:00"})));
    assert_eq!(bench.fake.invocations(), [("components.put".to_owned(), "\0asm\r\0\u{1}\0".to_owned())]);
}

#[tokio::test]
async fn readiness_and_life_are_two_things() {
    let bench = Bench::new();
    let document = json!({"live": true, "ready": false, "waiting": ["plugin rest: starting"]});
    bench.fake.answer("server.health", document.clone());
    let live = bench.call("GET", "/healthz", "").await;
    let ready = bench.call("GET", "/readyz", "").await;
    assert_eq!((live.status, live.json()), (StatusCode::OK, document.clone()));
    assert_eq!((ready.status, ready.json()), (StatusCode::SERVICE_UNAVAILABLE, document));
    bench.fake.answer("server.health", json!({"live": true, "ready": true}));
    assert_eq!(bench.call("GET", "/readyz", "").await.status, StatusCode::OK);
}

#[tokio::test]
async fn a_document_that_contradicts_its_request_is_refused() {
    for (method, path, body, detail) in [
        (
            "PUT",
            "/v1/agents/a",
            r#"{"name":"b"}"#,
            "`name` is \"b\" in the document and \"a\" in the path; remove one of the two",
        ),
        (
            "PUT",
            "/v1/agents/a?canary=5",
            r#"{"canary":6}"#,
            "`canary` is 6 in the document and 5 in the query; remove one of the two",
        ),
        (
            "POST",
            "/v1/plugins/a/reload",
            r#"{"name":"b"}"#,
            "`name` is \"b\" in the document and \"a\" in the path; remove one of the two",
        ),
        (
            "POST",
            "/v1/dead-letters/purge",
            r#"{"all":false,"all":true}"#,
            "the request's document is not valid: duplicate field `all` at line 1 column 18",
        ),
    ] {
        let bench = Bench::new();
        let reply = bench.call(method, path, body).await;
        assert_eq!(reply.problem(), (400, "CX0602".to_owned()), "{path}");
        assert_eq!((reply.json()["detail"].as_str(), bench.fake.invocations()), (Some(detail), vec![]));
    }
}

#[tokio::test]
async fn a_document_that_is_left_out_needs_no_media_type_and_any_other_does() {
    for (body, status) in [("", 200), ("{}", 415)] {
        let bench = Bench::new();
        bench.fake.answer("server.reload", json!({}));
        let reply = bench.send(Request::post("/v1/reload").body(Body::from(body)).unwrap()).await;
        assert_eq!(reply.status.as_u16(), status, "{body}");
    }
}

#[tokio::test]
async fn a_query_that_is_not_understood_is_refused() {
    for query in ["limit=0", "limit=1001", "limit=-1", "limit=x", "limit=", "limt=5", "limit=1&limit=2"] {
        let bench = Bench::new();
        let reply = bench.call("GET", &format!("/v1/conversations?{query}"), "").await;
        assert_eq!(reply.problem(), (400, "CX0602".to_owned()), "{query}");
        assert_eq!(bench.fake.invocations(), [], "{query}");
    }
}

#[tokio::test]
async fn a_contract_net_is_an_operation_that_carries_the_requests_trace() {
    let bench = Bench::new();
    bench.fake.answer("contract-nets.run", json!({"kind": "caxton.contract-net/v1", "outcome": "no-bids"}));
    let trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    let request = Request::post("/v1/contract-nets")
        .header("content-type", "application/json")
        .header("traceparent", trace)
        .body(Body::from(json!({"participants": ["a"], "task": "t"}).to_string()));
    let reply = bench.send(request.unwrap()).await;
    assert_eq!((reply.status, &reply.json()["outcome"]), (StatusCode::OK, &json!("no-bids")));
    let (verb, call) = bench.fake.invocations().remove(0);
    let call: serde_json::Value = serde_json::from_str(&call).unwrap();
    assert_eq!(verb, "contract-nets.run");
    assert_eq!(call, json!({"participants": ["a"], "task": "t", "traceparent": trace}));
}
