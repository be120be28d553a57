use std::sync::Arc;

use caxton_abi::{Envelope, EventName, Header, Payload, Signal};
use caxton_core::{Endpoint, Time};
use serde_json::{Value, json};

use super::*;
use crate::admin::bench::{Bench, bench};

fn tell(bench: &Bench, name: EventName, text: &str) {
    let text = text.to_owned().into();
    bench.admin.bus.emit(vec![Signal { name, text, ..Signal::default() }]);
    bench.admin.pump.carry();
}

fn states(page: &Value) -> Vec<String> {
    let items = page["items"].as_array().unwrap();
    items.iter().map(|item| format!("{} {}", item["sequence"], item["state"].as_str().unwrap())).collect()
}

#[tokio::test]
async fn events_are_read_with_a_cursor() {
    let bench = bench();
    for state in ["starting", "ready", "draining"] {
        tell(&bench, EventName::SERVER_STATE, state);
    }
    let page = bench.ask("events.list", json!({"limit": 2})).await.unwrap();
    assert_eq!(states(&page), ["1 starting", "2 ready"]);
    assert_eq!(
        (&page["kind"], &page["next"], &page["lost"]),
        (&json!("caxton.event.list/v1"), &json!(2), &json!(0))
    );
    let rest = bench.ask("events.list", json!({"after": 2})).await.unwrap();
    assert_eq!(states(&rest), ["3 draining"]);
    let newest = bench.ask("events.list", json!({"tail": 1})).await.unwrap();
    assert_eq!(states(&newest), ["3 draining"]);
    assert_eq!(newest["items"][0]["subject"], "test");
}

#[tokio::test]
async fn a_request_that_makes_no_sense_is_refused() {
    let bench = bench();
    for (verb, request) in [
        ("events.list", json!({"limit": 0})),
        ("events.list", json!({"tail": 1, "after": 1})),
        ("events.list", json!({"agent": "bob"})),
        ("logs.list", json!({"level": "loud"})),
        ("conversations.get", json!({"version": 1})),
    ] {
        let refused = bench.ask(verb, request.clone()).await.unwrap_err();
        assert_eq!(refused.code, Code::CONTROL_REQUEST_INVALID, "{verb} {request}");
    }
}

#[tokio::test(start_paused = true)]
async fn who_waits_is_woken_by_what_comes_and_else_answered_in_time() {
    let bench = Arc::new(bench());
    let waits = |bench: &Arc<Bench>| {
        let bench = Arc::clone(bench);
        tokio::spawn(async move { bench.ask("events.list", json!({"wait-ms": 20_000})).await.unwrap() })
    };
    let nothing = waits(&bench).await.unwrap();
    assert_eq!((states(&nothing), &nothing["next"]), (vec![], &json!(0)));
    let waiting = waits(&bench);
    tokio::task::yield_now().await;
    assert!(!waiting.is_finished());
    tell(&bench, EventName::SERVER_STATE, "ready");
    assert_eq!(states(&waiting.await.unwrap()), ["1 ready"]);
}

#[tokio::test(start_paused = true)]
async fn who_waits_when_the_server_stops_gets_the_last_news_and_then_the_code() {
    let bench = Arc::new(bench());
    let other = Arc::clone(&bench);
    let waiting = tokio::spawn(async move { other.ask("logs.list", json!({"wait-ms": 20_000})).await });
    tokio::task::yield_now().await;
    bench.admin.readiness.draining();
    assert_eq!(waiting.await.unwrap().unwrap_err().code, Code::SHUTTING_DOWN);
    tell(&bench, EventName::SERVER_STATE, "draining");
    let last = bench.ask("events.list", json!({"wait-ms": 20_000})).await.unwrap();
    assert_eq!(states(&last), ["1 draining"]);
}

#[tokio::test]
async fn log_lines_are_filtered_by_agent_conversation_and_level() {
    let bench = bench();
    let bus = &bench.admin.bus;
    let [bob, eve] = ["bob", "eve"].map(|name| bus.address(name).unwrap());
    let conversation = Uid { hi: 0, lo: 7 };
    for (sender, level, conversation, text) in
        [(bob, 3, conversation, "one"), (bob, 5, Uid::NONE, "two"), (eve, 3, conversation, "three")]
    {
        let text = text.to_owned().into();
        let name = EventName::AGENT_LOG;
        bus.emit(vec![Signal { name, sender, level, conversation, text, ..Signal::default() }]);
    }
    bench.admin.pump.carry();
    let news = bench.admin.pump.news();
    news.log(Time::ZERO, 2, Source::Plugin("rest".to_owned()), "four", r#"{"port":1}"#);
    let ask = async |request: Value| {
        let page = bench.ask("logs.list", request).await.unwrap();
        let items = page["items"].as_array().unwrap().clone();
        items.iter().map(|item| item["line"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(ask(json!({})).await, ["one", "two", "three", "four"]);
    assert_eq!(ask(json!({"agent": "bob"})).await, ["one", "two"]);
    assert_eq!(ask(json!({"agent": "bob@test", "level": "warn"})).await, ["two"]);
    assert_eq!(ask(json!({"conversation": conversation.to_string()})).await, ["one", "three"]);
    assert_eq!(ask(json!({"plugin": "rest"})).await, ["four"]);
    let page = bench.ask("logs.list", json!({"tail": 1})).await.unwrap();
    assert_eq!(
        (&page["items"][0]["plugin"], &page["items"][0]["fields"], &page["items"][0]["level"]),
        (&json!("rest"), &json!({"port": 1}), &json!("debug"))
    );
}

struct Takes;

impl Endpoint for Takes {
    fn deliver(&self, batch: Vec<Envelope>) -> Vec<Code> {
        vec![Code::NONE; batch.len()]
    }
}

#[tokio::test]
async fn who_follows_a_conversation_is_told_of_each_change() {
    let bench = Arc::new(bench());
    let admin = &bench.admin;
    let client = admin.bus.claim("client", 1, Arc::new(Takes), admin.clock.now()).unwrap();
    let conversation = Uid { hi: 1, lo: 7 };
    let say = || {
        let head =
            Header { sender: client, receiver: client, conversation, performative: 1, ..Header::default() };
        let sent = admin.bus.submit(vec![Envelope::new(head, Payload::EMPTY)], admin.clock.now());
        assert_eq!(sent[0].code, Code::NONE);
        admin.pump.carry();
    };
    say();
    let id = conversation.to_string();
    let first = bench.ask("conversations.get", json!({"id": id})).await.unwrap();
    let version = first["version"].as_u64().unwrap();
    let stale = json!({"id": id, "version": version - 1, "wait-ms": 30_000});
    assert_eq!(bench.ask("conversations.get", stale).await.unwrap()["version"], version);
    let (other, asked) = (Arc::clone(&bench), json!({"id": id, "version": version, "wait-ms": 30_000}));
    let waiting = tokio::spawn(async move { other.ask("conversations.get", asked).await.unwrap() });
    while admin.waiters.available_permits() == WAITING_MAX {
        tokio::task::yield_now().await;
    }
    say();
    let next = waiting.await.unwrap();
    assert!(next["version"].as_u64().unwrap() > version);
    assert_eq!(next["messages"], 2);
    let same = json!({"id": id, "version": next["version"], "wait-ms": 1});
    assert_eq!(bench.ask("conversations.get", same).await.unwrap()["version"], next["version"]);
}
