//! Lists of messages: one outcome each, in order.

use axum::http::StatusCode;
use caxton_plugin::{Code, abi::class};
use serde_json::{Value, json};

use super::bench::{Bench, Reply};

const ID: &str = "0199a1b2-c3d4-7e5f-8a9b-0c1d2e3f4a5b";

fn to(receiver: &str) -> Value {
    json!({"performative": "inform", "receiver": [receiver], "content": receiver})
}

async fn sent(bench: &Bench, list: &Value) -> Reply {
    bench.call("POST", "/v1/messages", list.to_string()).await
}

#[tokio::test]
async fn a_bad_message_does_not_refuse_the_others() {
    let bench = Bench::new();
    for code in [Code::NONE, Code::MAILBOX_FULL, Code::DUPLICATE] {
        bench.fake.refuse_next(code);
    }
    let mut duplicate = to("c");
    duplicate["id"] = json!(ID);
    let list = json!([to("a"), {"performative": "inform"}, to("b"), 17, duplicate, to("d")]);
    let reply = sent(&bench, &list).await;
    assert_eq!(reply.status, StatusCode::MULTI_STATUS);
    let document = reply.json();
    let items = document["items"].as_array().unwrap();
    let told: Vec<_> =
        items.iter().map(|item| (item["status"].as_u64().unwrap(), item["code"].as_str())).collect();
    assert_eq!(
        told,
        [
            (202, None),
            (400, Some("CX0303")),
            (429, Some("CX0301")),
            (400, Some("CX0300")),
            (200, None),
            (202, None)
        ]
    );
    assert_eq!(
        [&document["kind"], &document["accepted"], &document["duplicates"], &document["refused"]],
        [&json!("caxton.accepted.list/v1"), &json!(2), &json!(1), &json!(3)]
    );
    assert_eq!((&items[2]["retry-after-ms"], &items[4]["duplicate"]), (&json!(1000), &json!(true)));
    let submitted = bench.fake.take_submitted();
    let names: Vec<String> = submitted.iter().map(|copy| bench.local(copy.head.receiver)).collect();
    assert_eq!(names, ["a", "d"]);
    assert_eq!(items[0]["id"], submitted[0].head.id.to_string());
}

#[tokio::test]
async fn one_durable_message_makes_the_whole_list_wait() {
    let bench = Bench::new();
    let mut durable = to("b");
    durable["class"] = json!("durable");
    let reply = sent(&bench, &json!([to("a"), durable, to("c")])).await;
    assert_eq!(reply.json()["accepted"], 3);
    let classes: Vec<u8> = bench.fake.take_submitted().iter().map(|copy| copy.head.class).collect();
    assert_eq!(classes, [class::VOLATILE, class::DURABLE, class::VOLATILE]);
}

#[tokio::test]
async fn a_message_to_several_has_one_outcome() {
    let bench = Bench::new();
    for code in [Code::NONE, Code::MAILBOX_FULL, Code::UNKNOWN_RECEIVER] {
        bench.fake.refuse_next(code);
    }
    let several = json!({"performative": "inform", "receiver": ["a", "b"]});
    let document = sent(&bench, &json!([several, to("c"), to("d")])).await.json();
    assert_eq!(document["items"][0]["refused"][0]["receiver"], "b@test");
    let statuses: Vec<_> = (0..3).map(|index| document["items"][index]["status"].as_u64().unwrap()).collect();
    assert_eq!(statuses, [202, 404, 202]);
}

#[tokio::test]
async fn a_list_has_at_most_a_thousand_messages() {
    let bench = Bench::new();
    let reply = sent(&bench, &Value::Array(vec![to("a"); 1000])).await;
    assert_eq!((reply.json()["accepted"].as_u64(), bench.fake.take_submitted().len()), (Some(1000), 1000));
    let reply = sent(&bench, &Value::Array(vec![to("a"); 1001])).await;
    assert_eq!((reply.problem(), bench.fake.take_submitted().len()), ((413, "CX0607".to_owned()), 0));
}

#[tokio::test]
async fn messages_with_more_receivers_than_a_request_may_have_are_refused_one_by_one() {
    let bench = Bench::new();
    let receivers: Vec<String> = (0..256).map(|number| format!("a{number}")).collect();
    let many = json!({"performative": "inform", "receiver": receivers});
    let mut list = vec![many; 65];
    list.push(to("b"));
    let document = sent(&bench, &Value::Array(list)).await.json();
    let statuses: Vec<_> =
        (63..66).map(|index| document["items"][index]["status"].as_u64().unwrap()).collect();
    assert_eq!(statuses, [202, 400, 400]);
    assert_eq!(document["items"][64]["code"], "CX0304");
}

#[tokio::test]
async fn a_list_that_is_none_is_refused_as_a_whole() {
    let bench = Bench::new();
    let reply = bench.call("POST", "/v1/messages", r#"[{"performative":"inform","receiver":["a"]},"#).await;
    assert_eq!((reply.problem(), bench.fake.take_submitted().len()), ((400, "CX0300".to_owned()), 0));
    assert_eq!(sent(&bench, &json!([])).await.json()["items"], json!([]));
}
