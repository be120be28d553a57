//! Raw content in and out, as a file is sent to an agent.

use axum::{
    body::Body,
    http::{Request, StatusCode},
};
use caxton_acl::Performative;
use caxton_plugin::{Envelope, Payload, flags};
use serde_json::json;

use super::bench::{Bench, act, answer};

fn raw(path: &str, content: impl Into<Body>) -> Request<Body> {
    Request::post(path).header("content-type", "text/plain").body(content.into()).unwrap()
}

#[tokio::test]
async fn raw_content_goes_in_and_comes_out_as_it_is() {
    let bench = Bench::new();
    let text = "line one\r\n\0line two\u{feff}".repeat(300_000);
    let request = Request::post("/v1/agents/counter/ask?performative=query-ref&file=a%20b.txt")
        .header("content-type", "text/markdown")
        .header("X-Acl-Round", "2")
        .body(Body::from(text.clone()))
        .unwrap();
    let reply = bench.answered(bench.send(request), |bench, question| {
        assert_eq!(
            (act(question), bench.local(question.head.receiver)),
            (Performative::QueryRef, "counter".to_owned())
        );
        assert_eq!((question.content.as_slice(), question.head.protocol), (text.as_bytes(), 0));
        let params = &question.extra.as_ref().unwrap().params;
        let params: Vec<_> = params.iter().map(|pair| (pair.0.as_str(), pair.1.as_str())).collect();
        assert_eq!(params, [("X-file", "a b.txt"), ("X-round", "2")]);
        vec![answer(question, Performative::Inform, "2 lines")]
    });
    let reply = reply.await;
    assert_eq!((reply.status, reply.body.as_slice()), (StatusCode::OK, b"2 lines".as_slice()));
    assert_eq!(reply.header("content-type"), "text/plain; charset=utf-8");
    assert_eq!(
        [reply.header("caxton-performative"), reply.header("caxton-sender")],
        ["inform", "counter@test"]
    );
    assert_eq!(reply.header("caxton-conversation-id").len(), 36);
}

#[tokio::test]
async fn raw_content_may_be_empty_and_is_a_request() {
    let bench = Bench::new();
    let reply = bench.answered(bench.send(raw("/v1/agents/counter/ask", "")), |bench, question| {
        assert_eq!((act(question), question.content.len()), (Performative::Request, 0));
        assert_eq!(bench.shared.host.symbol_text(question.head.protocol), "fipa-request");
        vec![Envelope { content: Payload::from(vec![0xff]), ..answer(question, Performative::Inform, "") }]
    });
    let reply = reply.await;
    assert_eq!(
        (reply.header("content-type"), reply.body.as_slice()),
        ("application/octet-stream", [0xff].as_slice())
    );
}

#[tokio::test]
async fn acts_that_tell_of_a_failure_are_problems_with_their_content() {
    for act in [Performative::Failure, Performative::Refuse, Performative::NotUnderstood] {
        let bench = Bench::new();
        let request = bench.send(raw("/v1/agents/counter/ask", "x"));
        let reply = bench.answered(request, |_, question| vec![answer(question, act, "why CX0302")]).await;
        assert_eq!(reply.problem(), (422, "CX0316".to_owned()), "{act}");
        let document = reply.json();
        let told = ["performative", "sender", "content"].map(|key| document[key].clone());
        assert_eq!(told, [json!(act.as_str()), json!("counter@test"), json!("why CX0302")]);
    }
}

#[tokio::test]
async fn what_the_platform_says_of_an_undeliverable_question_has_its_own_status() {
    let bench = Bench::new();
    let reply = bench.answered(bench.send(raw("/v1/agents/ecko/ask", "x")), |_, question| {
        let mut failure = answer(question, Performative::Failure, r#"{"code":"CX0302"}"#);
        failure.head.flags = flags::PLATFORM;
        vec![failure]
    });
    let reply = reply.await;
    assert_eq!(reply.problem(), (404, "CX0302".to_owned()));
    assert_eq!(reply.json()["content"], r#"{"code":"CX0302"}"#);
}

#[tokio::test]
async fn raw_questions_that_cannot_be_sent_are_refused() {
    for (path, header, value, code) in [
        ("/v1/agents/a%20b/ask", "x-acl-a", "", "CX0319"),
        ("/v1/agents/a/ask?performative=ask", "x-acl-a", "", "CX0308"),
        ("/v1/agents/a/ask?colour=red", "x-acl-a", "", "CX0602"),
        ("/v1/agents/a/ask", "x-acl-", "", "CX0300"),
        ("/v1/agents/a/ask", "x-acl-jade-encoding", "", "CX0300"),
        ("/v1/agents/a/ask", "x-acl-a", "\u{e4}", "CX0300"),
        ("/v1/agents/a/ask?file=b", "x-acl-file", "c", "CX0300"),
    ] {
        let bench = Bench::new();
        let request = Request::post(path).header(header, value.as_bytes()).body(Body::from("x")).unwrap();
        assert_eq!(bench.send(request).await.problem(), (400, code.to_owned()), "{path} {header}");
        assert!(bench.fake.take_submitted().is_empty(), "{path} {header}");
    }
}
