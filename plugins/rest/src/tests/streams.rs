//! Long polls and server-sent events.

use std::time::Duration;

use axum::{
    body::{Body, HttpBody},
    http::Request,
};
use caxton_acl::Performative;
use caxton_plugin::{
    Code, Envelope, Error, Extra,
    abi::std_types::{RArc, ROption, Tuple2},
};
use serde_json::{Value, json};
use tokio::time::Instant;

use super::bench::{Bench, act, answer};
use crate::{Config, phase::Phase};

/// A stream that a test reads.
struct Reading {
    body: std::pin::Pin<Box<Body>>,
    rest: String,
}

/// One event, or a comment.
#[derive(Debug, Default, PartialEq)]
struct Event {
    name: String,
    id: String,
    data: Value,
}

impl Reading {
    async fn of(bench: &Bench, request: Request<Body>) -> Self {
        let response = bench.app.answer(request).await;
        assert_eq!(response.status(), 200, "{response:?}");
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        assert_eq!(response.headers()["cache-control"], "no-store");
        Self { body: Box::pin(response.into_body()), rest: String::new() }
    }

    async fn chunk(&mut self) -> Option<String> {
        let frame = std::future::poll_fn(|context| self.body.as_mut().poll_frame(context)).await?;
        Some(String::from_utf8(frame.unwrap().into_data().unwrap().to_vec()).unwrap())
    }

    /// The next event; `None` at the end. Comments and the browser's pause are left out.
    async fn event(&mut self) -> Option<Event> {
        loop {
            if let Some((block, rest)) =
                self.rest.split_once("\n\n").map(|(a, b)| (a.to_owned(), b.to_owned()))
            {
                self.rest = rest;
                let field = |name: &str| {
                    let line = block.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
                    line.unwrap_or_default().to_owned()
                };
                if field("data").is_empty() {
                    continue;
                }
                let data = serde_json::from_str(&field("data")).unwrap();
                return Some(Event { name: field("event"), id: field("id"), data });
            }
            let chunk = self.chunk().await?;
            self.rest += &chunk;
        }
    }
}

fn streaming(path: &str) -> Request<Body> {
    Request::get(path).header("accept", "text/event-stream").body(Body::empty()).unwrap()
}

fn event(name: &str, id: &str, data: Value) -> Option<Event> {
    Some(Event { name: name.to_owned(), id: id.to_owned(), data })
}

/// What the requests of a verb said of the cursor and of waiting.
fn asked(bench: &Bench, keys: [&str; 2]) -> Vec<[Value; 2]> {
    let requests = bench.fake.invocations();
    let requests = requests.iter().map(|(_, text)| serde_json::from_str::<Value>(text).unwrap());
    requests.map(|request| keys.map(|key| request[key].clone())).collect()
}

#[tokio::test(start_paused = true)]
async fn a_list_becomes_an_event_for_each_item_and_goes_on_from_its_cursor() {
    let bench = Bench::new();
    let item = |sequence: u64| json!({"sequence": sequence, "event": "agent.state"});
    bench.fake.answer_once_each(
        "events.list",
        [
            json!({"items": [item(1), item(2)], "next": 2, "lost": 0}),
            json!({"items": [], "next": 2, "lost": 0}),
            json!({"items": [item(7)], "next": 7, "lost": 4}),
        ],
    );
    let mut stream = Reading::of(&bench, streaming("/v1/events?limit=10")).await;
    assert_eq!(stream.event().await, event("message", "1", item(1)));
    assert_eq!(stream.event().await, event("message", "2", item(2)));
    assert_eq!(stream.event().await, event("lost", "", json!({"lost": 4})));
    assert_eq!(stream.event().await, event("message", "7", item(7)));
    let cursors = asked(&bench, ["after", "wait-ms"]);
    assert_eq!(cursors, [[json!(null), json!(0)], [json!(2), json!(15000)], [json!(2), json!(15000)]]);
}

#[tokio::test(start_paused = true)]
async fn who_comes_back_goes_on_where_it_was() {
    let bench = Bench::new();
    bench.fake.answer_once_each("logs.list", [json!({"items": [], "next": 9})]);
    let request = Request::get("/v1/logs?after=1").header("accept", "text/event-stream");
    let request = request.header("last-event-id", "9").body(Body::empty()).unwrap();
    Reading::of(&bench, request).await;
    assert_eq!(asked(&bench, ["after", "wait-ms"]), [[json!(9), json!(0)]]);
    for wrong in ["x", "-1", "1.5", "18446744073709551616", ""] {
        let request = Request::get("/v1/logs").header("accept", "text/event-stream");
        let request = request.header("last-event-id", wrong).body(Body::empty()).unwrap();
        assert_eq!(bench.send(request).await.problem(), (400, "CX0602".to_owned()), "{wrong}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_document_is_sent_when_it_has_a_new_version_and_the_stream_ends_with_it() {
    let bench = Bench::new();
    let job = |version: u64, ended: Value| json!({"version": version, "ended": ended});
    bench.fake.answer_once_each(
        "jobs.get",
        [
            job(1, json!(null)),
            job(1, json!(null)),
            job(4, json!(null)),
            job(5, json!("2026-11-20T12:00:00Z")),
        ],
    );
    let mut stream = Reading::of(&bench, streaming("/v1/jobs/j")).await;
    for version in [1, 4] {
        assert_eq!(stream.event().await, event("message", &version.to_string(), job(version, json!(null))));
    }
    assert_eq!(stream.event().await.unwrap().id, "5");
    assert_eq!(stream.event().await, event("end", "", json!({"over": true})));
    assert_eq!(stream.event().await, None);
    let versions = asked(&bench, ["version", "id"]);
    assert_eq!(
        versions,
        [[json!(null), json!("j")], [json!(1), json!("j")], [json!(1), json!("j")], [json!(4), json!("j")]]
    );
}

#[tokio::test(start_paused = true)]
async fn results_end_when_the_job_is_over() {
    let bench = Bench::new();
    let result = json!({"sequence": 1, "state": "done"});
    bench.fake.answer_once_each(
        "jobs.results",
        [json!({"items": [result], "next": 1, "over": true}), json!({"items": [], "next": 1, "over": true})],
    );
    let mut stream = Reading::of(&bench, streaming("/v1/jobs/j/results")).await;
    assert_eq!(stream.event().await, event("message", "1", result));
    assert_eq!(stream.event().await, event("end", "", json!({"over": true})));
    assert_eq!(stream.event().await, None);
}

#[tokio::test(start_paused = true)]
async fn a_stream_without_news_is_kept_alive() {
    let bench = Bench::new();
    let nothing = || json!({"items": [], "next": 0});
    bench.fake.answer_once_each("events.list", [nothing(), nothing(), nothing()]);
    let mut stream = Reading::of(&bench, streaming("/v1/events")).await;
    assert_eq!(stream.chunk().await.unwrap(), "retry: 1000\n\n");
    assert_eq!(stream.chunk().await.unwrap(), ":\n\n");
    assert_eq!(stream.chunk().await.unwrap(), ":\n\n");
}

#[tokio::test]
async fn a_stream_that_cannot_begin_is_a_problem() {
    let bench = Bench::new();
    bench.fake.fail("conversations.get", Error::new(Code::CONVERSATION_UNKNOWN, "no conversation `c`"));
    let reply = bench.send(streaming("/v1/conversations/c")).await;
    assert_eq!(reply.problem(), (404, "CX0512".to_owned()));
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_cannot_go_on_ends_with_an_event_problem() {
    let bench = Bench::new();
    bench.fake.answer("attachments.receive", json!({"items": [], "next": 0}));
    let mut stream = Reading::of(&bench, streaming("/v1/attachments/i/messages")).await;
    bench.fake.fail("attachments.receive", Error::new(Code::ATTACHMENT_UNKNOWN, "no attachment `i`"));
    let last = stream.event().await.unwrap();
    assert_eq!((last.name.as_str(), &last.data["code"]), ("problem", &json!("CX0612")));
    assert_eq!(last.data["instance"], "/v1/attachments/i/messages");
    assert_eq!(stream.event().await, None);
}

#[tokio::test(start_paused = true)]
async fn streams_are_bounded_and_who_leaves_makes_room() {
    let bench = Bench::with(Config { streams_max: 1, ..Config::default() });
    bench.fake.answer("events.list", json!({"items": [], "next": 0}));
    let first = Reading::of(&bench, streaming("/v1/events")).await;
    let reply = bench.send(streaming("/v1/events")).await;
    assert_eq!(reply.problem(), (429, "CX0608".to_owned()));
    assert_eq!(reply.header("retry-after"), "1");
    assert_eq!(bench.call("GET", "/v1/events", "").await.status, 200);
    drop(first);
    Reading::of(&bench, streaming("/v1/events")).await;
}

#[tokio::test(start_paused = true)]
async fn nothing_is_asked_for_a_reader_that_does_not_read() {
    let bench = Bench::new();
    bench.fake.answer("events.list", json!({"items": [{"sequence": 1}], "next": 1}));
    let _unread = Reading::of(&bench, streaming("/v1/events")).await;
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert_eq!(bench.fake.invocations().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_drain_ends_streams_and_they_may_come_back() {
    let bench = Bench::new();
    bench.fake.answer_once_each("events.list", [json!({"items": [], "next": 3})]);
    let mut stream = Reading::of(&bench, streaming("/v1/events")).await;
    bench.shared.phase.send_replace(Phase::Handing);
    assert_eq!(stream.event().await, event("end", "", json!({"over": false})));
    assert_eq!(stream.event().await, None);
}

#[tokio::test(start_paused = true)]
async fn who_is_held_gets_what_there_is_when_the_instance_drains() {
    let bench = Bench::new();
    bench.fake.answer_once_each("events.list", []);
    let held = bench.call("GET", "/v1/events?wait-ms=30000", "");
    let drained = async {
        tokio::time::sleep(Duration::from_millis(1)).await;
        bench.fake.answer_once_each("events.list", [json!({"items": [], "next": 3})]);
        bench.shared.phase.send_replace(Phase::Handing);
    };
    let (reply, ()) = tokio::join!(held, drained);
    assert_eq!((reply.status.as_u16(), reply.json()["next"].clone()), (200, json!(3)));
    assert_eq!(reply.header("connection"), "close");
    assert_eq!(asked(&bench, ["wait-ms", "after"]), [[json!(30000), json!(null)], [json!(0), json!(null)]]);
}

#[tokio::test(start_paused = true)]
async fn a_held_caller_has_its_time_beside_the_request_timeout() {
    let bench = Bench::with(Config { request_timeout_ms: 1000, ..Config::default() });
    bench.fake.answer_once_each("events.list", []);
    let began = Instant::now();
    let reply = bench.call("GET", "/v1/events?wait-ms=20000", "").await;
    assert_eq!(reply.problem(), (504, "CX0604".to_owned()));
    assert_eq!(began.elapsed(), Duration::from_secs(21));
}

#[tokio::test]
async fn cursors_and_times_beyond_their_bounds_are_refused() {
    for path in [
        "/v1/events?wait-ms=30001",
        "/v1/events?wait-ms=-1",
        "/v1/events?after=x",
        "/v1/events?after=18446744073709551616",
        "/v1/events?limit=0",
        "/v1/logs?limit=1001",
        "/v1/logs?agent=a&agent=b",
        "/v1/logs?tail=0",
        "/v1/conversations/c?version=-1",
        "/v1/conversations/c?after=1",
        "/v1/jobs/j?wait-ms=1e3",
        "/v1/jobs/j/results?limit=",
        "/v1/attachments/i/messages?wait=1",
    ] {
        let bench = Bench::new();
        assert_eq!(bench.call("GET", path, "").await.problem(), (400, "CX0602".to_owned()), "{path}");
        assert_eq!(bench.fake.invocations(), [], "{path}");
    }
}

#[tokio::test]
async fn who_takes_neither_form_is_refused() {
    for path in ["/v1/events", "/v1/logs", "/v1/jobs/j", "/v1/jobs/j/results", "/v1/conversations/c"] {
        let request = Request::get(path).header("accept", "text/html").body(Body::empty()).unwrap();
        assert_eq!(Bench::new().send(request).await.problem(), (406, "CX0606".to_owned()), "{path}");
    }
}

/// Asks for answers in parts; gives the stream and the question that went out.
async fn asked_in_parts(bench: &Bench, timeout_ms: u64) -> (Reading, Envelope) {
    let request = Request::post(format!("/v1/ask?timeout-ms={timeout_ms}"))
        .header("accept", "text/event-stream")
        .header("content-type", "application/json")
        .body(Body::from(
            r#"{"performative":"request","receiver":["echo"],"content":"3","conversation-id":"c"}"#,
        ));
    let stream = Reading::of(bench, request.unwrap()).await;
    let [question] = bench.fake.take_submitted().try_into().unwrap();
    (stream, question)
}

fn part(question: &Envelope, content: &str) -> Envelope {
    let mut part = answer(question, Performative::Inform, content);
    let params = [Tuple2("X-Partial".into(), "true".into())];
    part.extra =
        ROption::RSome(RArc::new(Extra { params: params.into_iter().collect(), ..Extra::default() }));
    part
}

#[tokio::test(start_paused = true)]
async fn answers_in_parts_come_one_by_one_until_the_last() {
    let bench = Bench::new();
    let (mut stream, question) = asked_in_parts(&bench, 1000).await;
    assert_eq!(question.head.protocol, 0);
    for envelope in [part(&question, "1"), part(&question, "2"), answer(&question, Performative::Inform, "3")]
    {
        assert_eq!(bench.shared.asking.deliver(envelope), Code::NONE);
    }
    for content in ["1", "2", "3"] {
        let event = stream.event().await.unwrap();
        assert_eq!((event.name.as_str(), &event.data["content"]), ("message", &json!(content)));
        assert_eq!(event.data["conversation-id"], "c");
    }
    assert_eq!(stream.event().await, event("end", "", json!({"over": true})));
    assert_eq!(stream.event().await, None);
    assert_eq!(bench.fake.take_submitted().len(), 0);
}

#[tokio::test(start_paused = true)]
async fn who_leaves_before_the_last_part_cancels() {
    let bench = Bench::new();
    let (mut stream, question) = asked_in_parts(&bench, 1000).await;
    assert_eq!(bench.shared.asking.deliver(part(&question, "1")), Code::NONE);
    stream.event().await.unwrap();
    drop(stream);
    let [cancel] = bench.fake.take_submitted().try_into().unwrap();
    assert_eq!((act(&cancel), cancel.head.conversation), (Performative::Cancel, question.head.conversation));
}

#[tokio::test(start_paused = true)]
async fn parts_that_do_not_come_in_time_end_with_a_problem() {
    let bench = Bench::new();
    let (mut stream, _) = asked_in_parts(&bench, 20_000).await;
    let last = stream.event().await.unwrap();
    assert_eq!((last.name.as_str(), &last.data["code"]), ("problem", &json!("CX0604")));
    assert_eq!(stream.event().await, None);
}

#[tokio::test(start_paused = true)]
async fn a_question_that_is_refused_is_a_plain_problem() {
    let bench = Bench::new();
    bench.fake.refuse_next(Code::UNKNOWN_RECEIVER);
    let request = Request::post("/v1/ask")
        .header("accept", "text/event-stream")
        .header("content-type", "application/json");
    let body = Body::from(r#"{"performative":"request","receiver":["ecko"]}"#);
    assert_eq!(bench.send(request.body(body).unwrap()).await.problem(), (404, "CX0302".to_owned()));
}
