//! Web pages of origins that the operator allows.

use axum::{body::Body, http::Request};
use caxton_plugin::Code;
use serde_json::json;

use super::bench::{Bench, Reply};
use crate::Config;

const APP: &str = "https://app.example.org";

async fn sent(origins: &[&str], method: &str, headers: &[(&str, &str)]) -> (Reply, usize) {
    let cors_origins = origins.iter().map(|origin| (*origin).to_owned()).collect();
    let bench = Bench::with(Config { cors_origins, ..Config::default() });
    bench.fake.answer("agents.list", json!({}));
    bench.fake.fail("agents.deploy", Code::AGENT_EXISTS.into());
    let mut request = Request::builder().method(method).uri("/v1/agents").header("host", "127.0.0.1:8400");
    request = request.header("content-type", "application/json");
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let reply = bench.send(request.body(Body::from("{}")).unwrap()).await;
    let invoked = bench.fake.invocations().len();
    (reply, invoked)
}

#[tokio::test]
async fn an_allowed_page_gets_its_answer_and_its_problems() {
    for (method, status) in [("GET", 200), ("POST", 409)] {
        let (reply, invoked) = sent(&[APP], method, &[("origin", APP)]).await;
        assert_eq!((reply.status.as_u16(), invoked), (status, 1));
        assert_eq!(reply.header("access-control-allow-origin"), APP);
        assert_eq!(reply.header("vary"), "origin");
        assert!(reply.header("access-control-expose-headers").contains("retry-after"));
        assert_eq!(reply.header("access-control-allow-credentials"), "");
    }
}

#[tokio::test]
async fn a_preflight_of_an_allowed_page_is_answered() {
    let asked = [
        ("origin", APP),
        ("access-control-request-method", "POST"),
        ("access-control-request-headers", "content-type,x-acl-task"),
    ];
    for (origins, allowed) in [(&[APP][..], APP), (&["*"], "*")] {
        let (reply, invoked) = sent(origins, "OPTIONS", &asked).await;
        assert_eq!((reply.status.as_u16(), invoked), (204, 0));
        assert_eq!(reply.header("access-control-allow-origin"), allowed);
        assert_eq!(reply.header("access-control-allow-methods"), "GET, HEAD, POST, PUT, DELETE");
        assert_eq!(reply.header("access-control-allow-headers"), "content-type,x-acl-task");
        assert_eq!(reply.header("access-control-max-age"), "600");
    }
}

#[tokio::test]
async fn a_page_that_is_not_allowed_is_refused_as_before() {
    for origin in ["https://app.example.org:8443", "http://app.example.org", "https://example.org", "null"] {
        for method in ["GET", "POST", "OPTIONS"] {
            let headers = [("origin", origin), ("access-control-request-method", "POST")];
            let (reply, invoked) = sent(&[APP], method, &headers).await;
            assert_eq!((reply.problem(), invoked), ((403, "CX0602".to_owned()), 0), "{origin}");
            assert_eq!(reply.header("access-control-allow-origin"), "");
            assert_eq!(reply.header("vary"), "origin");
        }
    }
}

#[tokio::test]
async fn a_star_allows_every_page_but_no_other_host() {
    let (reply, _) = sent(&["*"], "GET", &[("origin", "null")]).await;
    assert_eq!((reply.status.as_u16(), reply.header("access-control-allow-origin")), (200, "*"));
    let (reply, invoked) = sent(&["*"], "GET", &[("origin", APP), ("host", "rebound.example.org")]).await;
    assert_eq!((reply.status.as_u16(), invoked), (403, 0));
}

#[tokio::test]
async fn without_origins_nothing_is_said_of_them() {
    let (reply, _) = sent(&[], "GET", &[]).await;
    assert_eq!((reply.status.as_u16(), reply.header("vary")), (200, ""));
    let (reply, _) = sent(&[], "OPTIONS", &[("access-control-request-method", "POST")]).await;
    assert_eq!(reply.problem(), (405, "CX0605".to_owned()));
}

#[test]
fn an_origin_in_the_configuration_has_no_path() {
    let config = Config { cors_origins: vec!["https://app.example.org/".to_owned()], ..Config::default() };
    let error = config.check().unwrap_err();
    assert_eq!(error.code(), Code::PLUGIN_CONFIG_INVALID);
    assert!(error.message().starts_with("`cors_origins` has \"https://app.example.org/\""), "{error}");
}
