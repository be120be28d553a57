//! Whatever goes wrong is a problem document.

use std::{
    convert::Infallible,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use axum::{
    Router,
    body::{Body, Bytes, HttpBody},
    http::Request,
    routing::get,
};
use caxton_plugin::Code;
use serde_json::json;

use super::bench::Bench;
use crate::{Config, app::App};

const TRACEPARENT: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

#[tokio::test]
async fn an_unknown_path_is_not_found() {
    let bench = Bench::new();
    for path in ["/", "/v1", "/v2/status", "/v1/agents/a/b", "/v1/status/", "/healthz/x"] {
        let reply = bench.call("GET", path, "").await;
        assert_eq!(reply.problem(), (404, "CX0603".to_owned()), "{path}");
        assert_eq!(reply.json()["detail"], format!("there is no resource `{path}`"));
    }
}

#[tokio::test]
async fn a_wrong_method_names_the_right_ones() {
    let bench = Bench::new();
    for (method, path, allow) in [
        ("POST", "/v1/status", "GET,HEAD"),
        ("PATCH", "/v1/agents/a", "GET,HEAD,PUT,DELETE"),
        ("GET", "/v1/messages", "POST"),
        ("OPTIONS", "/v1/components", "PUT,GET,HEAD"),
    ] {
        let reply = bench.call(method, path, "").await;
        assert_eq!(reply.problem(), (405, "CX0605".to_owned()), "{method} {path}");
        assert_eq!(reply.header("allow"), allow, "{method} {path}");
    }
}

#[tokio::test]
async fn another_media_type_is_refused() {
    let bench = Bench::new();
    for (method, path, media) in [
        ("POST", "/v1/agents", "text/plain"),
        ("POST", "/v1/messages", "application/x-www-form-urlencoded"),
        ("POST", "/v1/ask", ""),
        ("POST", "/v1/contract-nets", "application/jsonp"),
        ("PUT", "/v1/components", "application/octet-stream"),
    ] {
        let request = Request::builder().method(method).uri(path).header("content-type", media);
        let reply = bench.send(request.body(Body::from("{}")).unwrap()).await;
        assert_eq!(reply.problem(), (415, "CX0606".to_owned()), "{path}");
    }
    assert_eq!(bench.fake.invocations(), []);
}

#[tokio::test]
async fn json_may_have_parameters_and_suffixes() {
    for media in ["application/json; charset=utf-8", "Application/JSON", "application/vnd.x+json"] {
        let bench = Bench::new();
        bench.fake.answer("agents.deploy", json!({}));
        let request = Request::post("/v1/agents").header("content-type", media);
        assert_eq!(bench.send(request.body(Body::from("{}")).unwrap()).await.status, 200, "{media}");
    }
}

#[tokio::test]
async fn a_body_over_the_limit_is_refused_with_and_without_its_length() {
    let bench = Bench::with(Config { body_bytes_max: 8, component_bytes_max: 8, ..Config::default() });
    for (method, path, media, key) in [
        ("POST", "/v1/agents", "application/json", "body_bytes_max"),
        ("POST", "/v1/agents/a/ask", "text/plain", "body_bytes_max"),
        ("PUT", "/v1/components", "application/wasm", "component_bytes_max"),
    ] {
        let request = || Request::builder().method(method).uri(path).header("content-type", media);
        let announced = request().header("content-length", "9").body(Body::from("123456789")).unwrap();
        let streamed = request().body(Body::from("123456789")).unwrap();
        for request in [announced, streamed] {
            let reply = bench.send(request).await;
            assert_eq!(reply.problem(), (413, "CX0607".to_owned()), "{path}");
            let detail = reply.json()["detail"].as_str().unwrap().to_owned();
            assert!(detail.starts_with(&format!("expected at most 8 bytes ({key}), found ")), "{detail}");
        }
    }
    assert_eq!(bench.fake.invocations(), []);
}

#[tokio::test]
async fn a_body_of_exactly_the_limit_is_taken() {
    let bench = Bench::with(Config { body_bytes_max: 8, ..Config::default() });
    bench.fake.answer("agents.deploy", json!({}));
    assert_eq!(bench.call("POST", "/v1/agents", r#"{"a": 1}"#).await.status, 200);
}

#[tokio::test(start_paused = true)]
async fn a_body_that_does_not_arrive_is_a_timeout() {
    let bench = Bench::new();
    let reply = bench.call("POST", "/v1/agents", Body::new(Never)).await;
    assert_eq!(reply.problem(), (408, "CX0602".to_owned()));
}

/// A body of which nothing ever arrives.
struct Never;

impl HttpBody for Never {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<hyper::body::Frame<Bytes>, Infallible>>> {
        Poll::Pending
    }
}

#[tokio::test]
async fn json_that_is_broken_is_refused_with_its_place() {
    let bench = Bench::new();
    for path in ["/v1/agents", "/v1/contract-nets"] {
        let reply = bench.call("POST", path, "{\n  \"task\": oops\n}").await;
        assert_eq!(reply.problem(), (400, "CX0602".to_owned()), "{path}");
        assert_eq!((&reply.json()["line"], &reply.json()["column"]), (&json!(2), &json!(11)), "{path}");
    }
    for path in ["/v1/messages", "/v1/ask"] {
        let reply = bench.call("POST", path, "{\n  \"performative\": oops\n}").await;
        assert_eq!(reply.problem(), (400, "CX0300".to_owned()), "{path}");
        let detail = reply.json()["detail"].as_str().unwrap().to_owned();
        assert!(detail.starts_with("at line 2 column "), "{detail}");
    }
}

#[tokio::test]
async fn json_that_is_deeply_nested_is_refused() {
    let bench = Bench::new();
    for path in ["/v1/agents", "/v1/messages", "/v1/ask", "/v1/contract-nets"] {
        let reply = bench.call("POST", path, "[".repeat(100_000)).await;
        assert_eq!(reply.problem().0, 400, "{path}");
    }
}

#[tokio::test]
async fn a_verb_that_does_not_answer_is_a_timeout() {
    let never = std::future::pending::<Result<(), caxton_plugin::Error>>();
    let problem =
        crate::control::in_time(Duration::from_millis(1), "server.status", never).await.unwrap_err();
    assert!(format!("{problem:?}").contains("`server.status` gave no answer within 1 ms"));
}

#[tokio::test]
async fn a_problem_repeats_the_requests_trace() {
    let bench = Bench::new();
    let request = Request::get("/nowhere").header("traceparent", TRACEPARENT).body(Body::empty()).unwrap();
    assert_eq!(bench.send(request).await.json()["trace-id"], "0af7651916cd43dd8448eb211c80319c");
    let minted = bench.call("GET", "/nowhere", "").await.json()["trace-id"].as_str().unwrap().to_owned();
    assert!(minted.len() == 32 && !minted.trim_matches('0').is_empty(), "{minted}");
}

#[tokio::test]
async fn too_much_says_when_to_try_again() {
    let bench = Bench::new();
    bench.fake.fail("agents.list", Code::AGENT_LIMIT.into());
    let reply = bench.call("GET", "/v1/agents", "").await;
    assert_eq!(reply.problem(), (429, "CX0423".to_owned()));
    assert_eq!(reply.header("retry-after"), "60");
}

#[tokio::test]
async fn a_panic_is_a_problem_that_tells_nothing() {
    let routes = Router::new().route("/", get(|| async { panic!("secret") as () }));
    let bench = Bench::new();
    let bench = Bench { app: App::over(routes, bench.shared.clone()), ..bench };
    let reply = bench.call("GET", "/", "").await;
    assert_eq!(reply.problem(), (500, "CX0902".to_owned()));
    assert!(!String::from_utf8(reply.body).unwrap().contains("secret"));
}

#[tokio::test]
async fn a_length_beside_chunks_is_refused_and_the_connection_closed() {
    let bench = Bench::new();
    let request =
        Request::post("/v1/agents").header("content-length", "2").header("transfer-encoding", "chunked");
    let reply = bench.send(request.body(Body::from("{}")).unwrap()).await;
    assert_eq!(reply.problem(), (400, "CX0602".to_owned()));
    assert_eq!(reply.header("connection"), "close");
}

#[tokio::test]
async fn a_web_page_of_another_origin_is_refused() {
    for (host, origin, status) in [
        ("127.0.0.1:8400", "http://127.0.0.1:8400", 200),
        ("127.0.0.1:8400", "http://example.org", 403),
        ("127.0.0.1:8400", "http://127.0.0.1:9000", 403),
        ("127.0.0.1:8400", "null", 403),
        ("", "http://example.org", 403),
    ] {
        let bench = Bench::new();
        bench.fake.answer("agents.list", json!({}));
        let request = Request::get("/v1/agents").header("host", host).header("origin", origin);
        let reply = bench.send(request.body(Body::empty()).unwrap()).await;
        assert_eq!(reply.status, status, "{origin}");
        assert_eq!(bench.fake.invocations().len(), usize::from(status == 200), "{origin}");
    }
}

/// The status of a plain read with this Host.
async fn read_as(host: &str, config: Config) -> (u16, usize) {
    let bench = Bench::with(config);
    bench.fake.answer("agents.list", json!({}));
    let request = Request::get("/v1/agents").header("host", host).body(Body::empty()).unwrap();
    let reply = bench.send(request).await;
    if reply.status != 200 {
        assert_eq!(reply.problem(), (403, "CX0602".to_owned()), "{host}");
    }
    (reply.status.as_u16(), bench.fake.invocations().len())
}

#[tokio::test]
async fn on_loopback_only_names_of_loopback_are_served() {
    for host in ["localhost", "LocalHost:8400", "127.0.0.1", "127.8.7.6:80", "[::1]", "[::1]:8400"] {
        assert_eq!(read_as(host, Config::default()).await, (200, 1), "{host}");
    }
    for host in [
        "example.org",
        "example.org:8400",
        "localhost.example.org",
        "127.0.0.1.example.org",
        "192.0.2.1:8400",
        "[2001:db8::1]",
        "localhost@example.org",
        "",
        "localhost:8400, example.org",
    ] {
        assert_eq!(read_as(host, Config::default()).await, (403, 0), "{host}");
    }
}

#[tokio::test]
async fn a_page_whose_name_points_at_loopback_is_refused() {
    let bench = Bench::new();
    let host = "rebound.example.org:8400";
    let request = Request::post("/v1/ask").header("host", host).header("origin", format!("http://{host}"));
    let reply = bench.send(request.body(Body::from("{}")).unwrap()).await;
    assert_eq!(reply.problem(), (403, "CX0602".to_owned()));
}

#[tokio::test]
async fn every_host_header_must_be_a_name_of_ours() {
    let request = Request::get("/v1/agents").header("host", "localhost").header("host", "example.org");
    let reply = Bench::new().send(request.body(Body::empty()).unwrap()).await;
    assert_eq!(reply.status, 403);
}

#[tokio::test]
async fn the_operator_may_allow_names() {
    let config = || Config { hosts_allowed: vec!["caxton.example.org".to_owned()], ..Config::default() };
    assert_eq!(read_as("Caxton.example.org:80", config()).await, (200, 1));
    assert_eq!(read_as("localhost", config()).await, (200, 1));
    assert_eq!(read_as("example.org", config()).await, (403, 0));
}

#[tokio::test]
async fn beyond_loopback_any_name_is_served() {
    let config = Config { listen: "0.0.0.0:8400".to_owned(), insecure: true, ..Config::default() };
    assert_eq!(read_as("example.org", config).await, (200, 1));
}

#[tokio::test]
async fn a_path_that_is_not_text_is_refused() {
    let reply = Bench::new().call("GET", "/v1/agents/%ff", "").await;
    assert_eq!(reply.problem(), (400, "CX0602".to_owned()));
}
