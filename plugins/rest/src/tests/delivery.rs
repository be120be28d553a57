//! What a sender asks of the delivery, and what it is told of it.

use axum::{
    body::Body,
    http::{Request, StatusCode},
};
use caxton_acl::Performative;
use caxton_plugin::{Code, abi::class};
use serde_json::{Value, json};

use super::bench::{Bench, Reply, answer};

const ID: &str = "0199a1b2-c3d4-7e5f-8a9b-0c1d2e3f4a5b";

fn message(members: Value) -> String {
    let mut message = json!({"performative": "inform", "receiver": ["echo"], "content": "hi"});
    message.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
    message.to_string()
}

async fn sent(bench: &Bench, members: Value) -> Reply {
    bench.call("POST", "/v1/messages", message(members)).await
}

#[tokio::test]
async fn a_message_has_the_class_that_it_asks_for() {
    for (members, class) in [
        (json!({}), "volatile"),
        (json!({"class": null}), "volatile"),
        (json!({"class": "volatile"}), "volatile"),
        (json!({"class": "acked"}), "acked"),
        (json!({"X-caxton-class": "acked"}), "acked"),
        (json!({"x-Caxton-Class": "durable"}), "durable"),
        (json!({"class": "durable", "X-caxton-class": "durable"}), "durable"),
    ] {
        let bench = Bench::new();
        let reply = sent(&bench, members).await;
        assert_eq!((reply.status, &reply.json()["class"]), (StatusCode::ACCEPTED, &json!(class)));
        assert_eq!(class::name(bench.fake.take_submitted()[0].head.class), Some(class));
    }
}

#[tokio::test]
async fn what_is_no_class_or_no_id_is_refused() {
    for (members, code, detail) in [
        (
            json!({"class": "eternal"}),
            "CX0322",
            "expected the class volatile, acked or durable, found \"eternal\"",
        ),
        (
            json!({"X-caxton-class": ""}),
            "CX0322",
            "expected the class volatile, acked or durable, found \"\"",
        ),
        (
            json!({"class": "acked", "X-caxton-class": "durable"}),
            "CX0300",
            "`class` is acked, and the parameter X-caxton-class is durable; remove one of the two",
        ),
        (
            json!({"class": 2}),
            "CX0300",
            "in `class`: expected a string, found a number; put it into double quotes",
        ),
        (
            json!({"id": "17"}),
            "CX0300",
            "in `id`: expected a UUID other than nil, found \"17\"; leave it out and the server makes one",
        ),
        (
            json!({"id": "00000000-0000-0000-0000-000000000000"}),
            "CX0300",
            "in `id`: expected a UUID other than nil, found \"00000000-0000-0000-0000-000000000000\"; leave it out and \
             the server makes one",
        ),
    ] {
        for path in ["/v1/messages", "/v1/ask"] {
            let bench = Bench::new();
            let reply = bench.call("POST", path, message(members.clone())).await;
            assert_eq!(reply.problem(), (400, code.to_owned()), "{path}");
            assert_eq!(
                (reply.json()["detail"].as_str(), bench.fake.take_submitted().len()),
                (Some(detail), 0)
            );
        }
    }
}

#[tokio::test]
async fn a_message_keeps_the_id_of_its_sender() {
    let bench = Bench::new();
    let reply = sent(&bench, json!({"id": ID})).await;
    assert_eq!(reply.json()["id"], ID);
    assert_eq!(bench.fake.take_submitted()[0].head.id.to_string(), ID);
}

#[tokio::test]
async fn copies_of_one_message_never_share_an_id() {
    let bench = Bench::new();
    let receivers = json!({"id": ID, "receiver": ["a", "b", "c"]});
    sent(&bench, receivers.clone()).await;
    sent(&bench, receivers).await;
    let ids: Vec<_> = bench.fake.take_submitted().iter().map(|copy| copy.head.id).collect();
    assert_eq!(ids[..3], ids[3..]);
    assert!(ids[0].to_string() == ID && ids[0] != ids[1] && ids[0] != ids[2] && ids[1] != ids[2]);
}

#[tokio::test]
async fn a_message_that_was_accepted_before_is_200_with_its_id() {
    let bench = Bench::new();
    bench.fake.refuse_next(Code::DUPLICATE);
    let reply = sent(&bench, json!({"id": ID})).await;
    let document = reply.json();
    assert_eq!(
        (reply.status, &document["id"], &document["duplicate"]),
        (StatusCode::OK, &json!(ID), &json!(true))
    );
}

#[tokio::test]
async fn a_message_of_which_one_copy_is_new_is_accepted() {
    let bench = Bench::new();
    bench.fake.refuse_next(Code::DUPLICATE);
    let reply = sent(&bench, json!({"id": ID, "receiver": ["a", "b"]})).await;
    let document = reply.json();
    assert_eq!((reply.status, &document["duplicate"]), (StatusCode::ACCEPTED, &Value::Null));
    assert_eq!((&document["id"], &document["refused"]), (&json!(ID), &Value::Null));
}

#[tokio::test]
async fn every_refusal_has_its_status_and_says_when_to_try_again() {
    for (code, status, retry_after) in [
        (Code::ID_CONFLICT, 409, ""),
        (Code::MAILBOX_FULL, 429, "1"),
        (Code::RETRIES_FULL, 429, "1"),
        (Code::STORING, 429, "1"),
        (Code::PENDING_FULL, 429, "1"),
        (Code::STORE_FULL, 507, "10"),
        (Code::STORE_FAILED, 503, "5"),
        (Code::DURABLE_UNAVAILABLE, 503, "10"),
        (Code::SHUTTING_DOWN, 503, "5"),
        (Code::PLUGIN_UNAVAILABLE, 503, "5"),
    ] {
        let bench = Bench::new();
        bench.fake.refuse_next(code);
        let reply = sent(&bench, json!({"id": ID, "class": "durable"})).await;
        assert_eq!(reply.problem(), (status, code.to_string()));
        assert_eq!(reply.header("retry-after"), retry_after, "{code}");
        let millis = retry_after.parse::<u64>().ok().map(|seconds| seconds * 1000);
        assert_eq!(reply.json()["retry-after-ms"].as_u64(), millis, "{code}");
    }
}

#[tokio::test]
async fn too_many_who_wait_are_told_when_to_come_again() {
    let bench = Bench::with(crate::Config { waiting_max: 1, ..crate::Config::default() });
    let mut ticket = bench.shared.asking.waiting().open(1);
    ticket.expect(caxton_plugin::Uid::from_u128(7), 7).unwrap();
    let reply = bench.call("POST", "/v1/ask", message(json!({}))).await;
    assert_eq!((reply.problem(), reply.header("retry-after")), ((429, "CX0608".to_owned()), "1"));
}

#[tokio::test(start_paused = true)]
async fn a_question_takes_a_class_in_every_form() {
    let json = Request::post("/v1/ask").body(message(json!({"class": "durable"})));
    let query = Request::post("/v1/agents/echo/ask?class=durable").body(String::new());
    let header =
        Request::post("/v1/agents/echo/ask").header("x-acl-caxton-class", "durable").body(String::new());
    for request in [json, query, header] {
        let bench = Bench::new();
        let mut request = request.unwrap().map(Body::from);
        request.headers_mut().insert("content-type", "application/json".parse().unwrap());
        let answered = bench.answered(bench.send(request), |_, message| {
            assert_eq!(message.head.class, class::DURABLE);
            vec![answer(message, Performative::Inform, "so it is")]
        });
        assert_eq!(answered.await.status, StatusCode::OK);
    }
}

#[tokio::test]
async fn a_question_that_was_asked_before_has_no_answer_to_give() {
    let bench = Bench::new();
    bench.fake.refuse_next(Code::DUPLICATE);
    let reply = bench.call("POST", "/v1/ask", message(json!({"id": ID}))).await;
    assert_eq!(reply.problem(), (409, "CX0320".to_owned()));
}
