//! Messages in and answers out.

use std::sync::Arc;

use axum::{
    body::Body,
    http::{Request, StatusCode},
};
use caxton_acl::{Performative, conversation_uid};
use caxton_plugin::{Code, Endpoint, Envelope, Payload, Uid, flags, testing::START_MS};
use serde_json::{Value, json};

use super::bench::{Bench, Reply, act, answer};
use crate::{Config, Plugin, Rest};

fn message(members: Value) -> String {
    let mut message = json!({"performative": "request", "receiver": ["echo"], "content": "hi"});
    message.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
    message.to_string()
}

async fn asked(bench: &Bench, members: Value, reply: impl Fn(&Envelope) -> Vec<Envelope>) -> Reply {
    bench.answered(bench.call("POST", "/v1/ask", message(members)), |_, message| reply(message)).await
}

#[tokio::test]
async fn a_message_is_submitted_as_the_endpoint() {
    let bench = Bench::new();
    let members = json!({
        "receiver": ["echo", "b@elsewhere"], "protocol": "fipa-request", "ontology": "o", "language": "l",
        "encoding": "e", "conversation-id": "auction-1", "reply-with": "17", "in-reply-to": "18", "reply-by": "+2s",
        "reply-to": ["c"], "X-round": "2"
    });
    let reply = bench.call("POST", "/v1/messages", message(members)).await;
    assert_eq!(reply.status, StatusCode::ACCEPTED);
    let sent = bench.fake.take_submitted();
    assert_eq!(
        reply.json(),
        json!({"kind": "caxton.accepted/v1", "id": sent[0].head.id.to_string(), "class": "volatile",
            "conversation-id": "auction-1", "receiver": ["echo@test", "b@elsewhere"]})
    );
    let host = &bench.shared.host;
    let receivers: Vec<String> = sent.iter().map(|copy| host.name(copy.head.receiver)).collect();
    assert_eq!(receivers, ["echo@test", "b@elsewhere"]);
    let head = sent[0].head;
    assert_eq!(head.conversation, Uid::from_u128(conversation_uid("auction-1")));
    assert_eq!((head.reply_with, head.in_reply_to, head.reply_by_ms), (17, 18, START_MS + 2000));
    assert_eq!((host.name(head.sender), act(&sent[0])), ("rest@test".to_owned(), Performative::Request));
    let symbols =
        [head.protocol, head.ontology, head.language, head.encoding].map(|symbol| host.symbol_text(symbol));
    assert_eq!(symbols, ["fipa-request", "o", "l", "e"]);
    let extra = sent[0].extra.as_ref().unwrap();
    assert_eq!(host.names(&extra.receivers), ["echo@test", "b@elsewhere"]);
    assert_eq!(host.names(&extra.reply_to), ["c@test"]);
    assert_eq!((extra.params[0].0.as_str(), extra.params[0].1.as_str()), ("X-round", "2"));
    assert_eq!(sent[1].content.as_slice(), b"hi");
}

#[tokio::test]
async fn names_with_a_scheme_stay_as_they_are() {
    let bench = Bench::new();
    let receivers = json!({"receiver": ["group:bidders", "capability:count"]});
    let reply = bench.call("POST", "/v1/messages", message(receivers)).await;
    assert_eq!(reply.json()["receiver"], json!(["group:bidders", "capability:count"]));
}

#[tokio::test]
async fn a_plain_message_has_no_rare_fields() {
    let bench = Bench::new();
    let reply = bench.call("POST", "/v1/messages", message(json!({}))).await;
    let sent = bench.fake.take_submitted();
    assert!(sent[0].extra.is_none());
    assert_eq!(reply.json()["conversation-id"], sent[0].head.conversation.to_string());
}

#[tokio::test]
async fn the_requests_trace_is_the_messages() {
    let bench = Bench::new();
    let request = Request::post("/v1/messages")
        .header("content-type", "application/json")
        .header("traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01");
    bench.send(request.body(Body::from(message(json!({})))).unwrap()).await;
    let trace = bench.fake.take_submitted()[0].head.trace;
    assert_eq!((trace.trace.to_u128(), trace.flags), (0x0af7_6519_16cd_43dd_8448_eb21_1c80_319c, 1));
}

#[tokio::test]
async fn messages_that_cannot_be_sent_are_refused() {
    for (members, status, code) in [
        (json!({"sender": "boss@test"}), 403, "CX0314"),
        (json!({"receiver": []}), 400, "CX0303"),
        (json!({"performative": "reqest"}), 400, "CX0308"),
        (json!({"reply-by": "soon"}), 400, "CX0318"),
        (json!({"receiver": ["a b"]}), 400, "CX0319"),
        (json!({"reciever": ["a"]}), 400, "CX0300"),
        (json!({"in-reply-to": "my-17"}), 400, "CX0300"),
        (json!({"in-reply-to": "0"}), 400, "CX0300"),
        (json!({"content": "x".repeat(4 * 1024 * 1024 + 1)}), 413, "CX0305"),
    ] {
        for path in ["/v1/messages", "/v1/ask"] {
            let bench = Bench::new();
            let reply = bench.call("POST", path, message(members.clone())).await;
            assert_eq!(reply.problem(), (status, code.to_owned()), "{path}");
            assert!(bench.fake.take_submitted().is_empty(), "{path}");
        }
    }
}

#[tokio::test]
async fn a_refusal_of_the_bus_is_the_callers() {
    for path in ["/v1/messages", "/v1/ask", "/v1/agents/echo/ask"] {
        let bench = Bench::new();
        bench.fake.refuse_next(Code::MAILBOX_FULL);
        let reply = bench.call("POST", path, message(json!({}))).await;
        assert_eq!(reply.problem(), (429, "CX0301".to_owned()), "{path}");
        assert_eq!(reply.header("retry-after"), "1", "{path}");
        assert_eq!(reply.json()["detail"], "`echo@test`: the receiver's mailbox is full", "{path}");
        assert_eq!(reply.json()["trace-id"].as_str().unwrap().len(), 32, "{path}");
    }
}

#[tokio::test]
async fn some_refusals_are_told_beside_the_acceptance() {
    let bench = Bench::new();
    bench.fake.refuse_next(Code::UNKNOWN_RECEIVER);
    let reply = bench.call("POST", "/v1/messages", message(json!({"receiver": ["ecko", "echo"]}))).await;
    assert_eq!(reply.status, StatusCode::ACCEPTED);
    let refused = json!([{"receiver": "ecko@test", "code": "CX0302", "reason": "unknown-receiver"}]);
    assert_eq!(reply.json()["refused"], refused);
}

#[tokio::test]
async fn only_refusals_are_one_problem() {
    let bench = Bench::new();
    bench.fake.refuse_next(Code::UNKNOWN_RECEIVER);
    bench.fake.refuse_next(Code::MAILBOX_FULL);
    let reply = bench.call("POST", "/v1/messages", message(json!({"receiver": ["ecko", "echo"]}))).await;
    assert_eq!(reply.problem(), (404, "CX0302".to_owned()));
    assert_eq!(reply.json()["detail"], "nobody answers to `ecko@test`");
    assert_eq!(reply.json()["refused"][1]["code"], "CX0301");
}

#[tokio::test]
async fn an_answer_repeats_the_callers_own_words() {
    let bench = Bench::new();
    let members = json!({"conversation-id": "auction-1", "reply-with": "first question"});
    let reply = asked(&bench, members, |question| vec![answer(question, Performative::Inform, "done")]).await;
    assert_eq!(reply.status, StatusCode::OK);
    let document = reply.json();
    let told =
        ["performative", "sender", "content", "conversation-id", "in-reply-to"].map(|key| &document[key]);
    assert_eq!(told, ["inform", "echo@test", "done", "auction-1", "first question"]);
    assert_eq!(document["receiver"], json!(["rest@test"]));
}

#[tokio::test]
async fn bytes_that_are_not_text_come_back_as_base64() {
    let bench = Bench::new();
    let reply = asked(&bench, json!({}), |question| {
        let content = Payload::from(vec![0xff, 0]);
        vec![Envelope { content, ..answer(question, Performative::Inform, "") }]
    });
    assert_eq!(reply.await.json()["content-base64"], "/wA=");
}

#[tokio::test]
async fn an_agree_announces_the_answer_and_is_none() {
    let bench = Bench::new();
    let acts = [Performative::Agree, Performative::Agree, Performative::Inform];
    let reply =
        asked(&bench, json!({}), |question| acts.map(|act| answer(question, act, act.as_str())).to_vec());
    assert_eq!(reply.await.json()["content"], "inform");
}

#[tokio::test]
async fn a_failure_is_an_answer_like_any_other() {
    let bench = Bench::new();
    let reply =
        asked(&bench, json!({}), |question| vec![answer(question, Performative::Failure, "no")]).await;
    assert_eq!((reply.status, reply.json()["performative"].clone()), (StatusCode::OK, json!("failure")));
}

#[tokio::test]
async fn a_question_is_over_when_its_time_is() {
    let bench = Bench::new();
    let reply = asked(&bench, json!({"reply-by": "+1s"}), |question| {
        assert_eq!(question.head.reply_by_ms, START_MS + 1000);
        vec![answer(question, Performative::Inform, "")]
    });
    assert_eq!(reply.await.status, StatusCode::OK);
    let reply = asked(&bench, json!({}), |question| {
        assert_eq!(question.head.reply_by_ms, START_MS + 30_000);
        vec![answer(question, Performative::Inform, "")]
    });
    assert_eq!(reply.await.status, StatusCode::OK);
}

#[tokio::test(start_paused = true)]
async fn no_answer_in_time_is_a_timeout_that_names_the_conversation() {
    let bench = Bench::new();
    for path in ["/v1/ask?timeout-ms=5000", "/v1/agents/echo/ask?timeout-ms=5000"] {
        let began = tokio::time::Instant::now();
        let reply = bench.call("POST", path, message(json!({}))).await;
        assert_eq!(reply.problem(), (504, "CX0604".to_owned()), "{path}");
        assert_eq!(began.elapsed().as_millis(), 5000, "{path}");
        let question = &bench.fake.take_submitted()[0];
        assert_eq!(reply.json()["conversation-id"], question.head.conversation.to_string());
        assert_eq!(reply.json()["detail"], "no answer from `echo@test` within 5000 ms");
        let late = answer(question, Performative::Inform, "");
        assert_eq!(bench.shared.asking.deliver(late), Code::CONVERSATION_UNKNOWN, "{path}");
    }
}

#[tokio::test]
async fn a_time_that_nobody_may_wait_is_refused() {
    let bench = Bench::new();
    for query in ["timeout-ms=0", "timeout-ms=600001", "timeout-ms=x", "timeout=5", "timeout-ms=-1"] {
        for path in ["/v1/ask", "/v1/agents/echo/ask"] {
            let reply = bench.call("POST", &format!("{path}?{query}"), message(json!({}))).await;
            assert_eq!(reply.problem(), (400, "CX0602".to_owned()), "{path}?{query}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn more_questions_than_may_wait_are_refused() {
    let bench = Bench::with(Config { waiting_max: 1, ..Config::default() });
    let first = bench.call("POST", "/v1/ask?timeout-ms=1000", message(json!({})));
    let second = async {
        tokio::time::sleep(std::time::Duration::from_millis(1)).await;
        bench.call("POST", "/v1/ask?timeout-ms=1000", message(json!({}))).await
    };
    let (first, second) = tokio::join!(first, second);
    assert_eq!(first.problem(), (504, "CX0604".to_owned()));
    assert_eq!(second.problem(), (429, "CX0608".to_owned()));
    assert_eq!(second.header("retry-after"), "1");
    assert_eq!(bench.fake.take_submitted().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn the_same_question_cannot_be_open_twice() {
    let bench = Bench::new();
    let members = json!({"conversation-id": "c", "reply-with": "7"});
    let ask = || bench.call("POST", "/v1/ask?timeout-ms=1000", message(members.clone()));
    let (first, second) = tokio::join!(ask(), ask());
    assert_eq!([first.problem().1, second.problem().1], ["CX0604", "CX0510"]);
}

#[tokio::test]
async fn the_protocols_own_timeout_is_the_callers() {
    for path in ["/v1/ask", "/v1/agents/echo/ask"] {
        let bench = Bench::new();
        let request = bench.call("POST", path, message(json!({})));
        let reply = bench.answered(request, |_, question| {
            let mut failure = answer(question, Performative::Failure, r#"{"code":"CX0508"}"#);
            failure.head.flags = flags::PLATFORM;
            vec![failure]
        });
        assert_eq!(reply.await.problem(), (504, "CX0604".to_owned()), "{path}");
    }
}

#[tokio::test]
async fn the_endpoint_tells_the_fate_of_each_answer() {
    let bench = Bench::new();
    let rest = Arc::new(Rest::create(bench.fake.host(), Config::default()).unwrap());
    assert!(rest.ports().endpoint.is_some());
    let mut ticket = rest.shared.asking.waiting().open(1);
    ticket.expect(Uid::from_u128(1), 5).unwrap();
    let mut question = Envelope::new(caxton_plugin::Header::default(), Payload::EMPTY);
    (question.head.conversation, question.head.reply_with) = (Uid::from_u128(1), 5);
    let known = answer(&question, Performative::Inform, "");
    question.head.reply_with = 6;
    let unknown = answer(&question, Performative::Inform, "");
    assert_eq!(rest.deliver(vec![unknown, known]), [Code::CONVERSATION_UNKNOWN, Code::NONE]);
}

#[tokio::test]
async fn what_nobody_answers_can_not_be_asked() {
    for act in ["failure", "not-understood"] {
        let bench = Bench::new();
        let body = format!(r#"{{"performative":"{act}","receiver":["echo"]}}"#);
        let asked = bench.call("POST", "/v1/ask", body).await;
        let raw = bench.call("POST", &format!("/v1/agents/echo/ask?performative={act}"), "").await;
        for reply in [asked, raw] {
            assert_eq!(reply.problem(), (400, "CX0300".to_owned()), "{act}");
        }
        assert!(bench.fake.take_submitted().is_empty());
    }
}
