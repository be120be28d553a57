//! Jobs, from the operations.

use std::cell::{Cell, RefCell};

use caxton_acl::Performative;
use caxton_plugin::{Code, Envelope, Plugin};
use serde_json::{Value, json};

use super::bench::{Bench, act, answer};
use crate::Config;

fn create(members: Value) -> Value {
    let mut job = json!({"agent": "worker", "items": [{"content": "a"}, {"content": "b"}, {"content": "c"}]});
    job.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
    job
}

async fn created(bench: &Bench, members: Value) -> String {
    let job = bench.call("jobs.create", create(members)).await.json();
    job["id"].as_str().unwrap().to_owned()
}

/// Waits until the job is over.
async fn over(bench: &Bench, id: &str) -> Value {
    loop {
        let job = bench.call("jobs.get", json!({"id": id})).await.json();
        if !job["ended"].is_null() {
            return job;
        }
        let get = json!({"id": id, "version": job["version"], "wait-ms": 30_000});
        bench.call("jobs.get", get).await;
    }
}

fn echo(message: &Envelope) -> Vec<Envelope> {
    let content = String::from_utf8(message.content.as_slice().to_vec()).unwrap();
    vec![answer(message, Performative::Inform, &content.to_uppercase())]
}

#[tokio::test(start_paused = true)]
async fn each_item_is_asked_and_has_its_result() {
    let bench = Bench::new();
    let protocols = RefCell::new(Vec::new());
    let work = async {
        let id =
            created(&bench, json!({"items": [{"key": "one", "content": "a"}, {"content-base64": "Yg=="}]}))
                .await;
        let job = over(&bench, &id).await;
        (job, bench.call("jobs.results", json!({"id": id})).await.json())
    };
    let (job, results) = bench
        .answered(work, |bench, message| {
            protocols.borrow_mut().push(bench.shared.host.symbol_text(message.head.protocol));
            echo(message)
        })
        .await;
    assert_eq!(protocols.into_inner(), ["fipa-request", "fipa-request"]);
    assert_eq!(job["state"], "completed");
    assert_eq!(
        job["items"],
        json!({"total": 2, "queued": 0, "running": 0, "done": 2, "failed": 0, "cancelled": 0})
    );
    assert_eq!((&results["over"], &results["next"]), (&json!(true), &json!(2)));
    let told: Vec<[&Value; 5]> = results["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|item| ["index", "key", "state", "content", "attempt"].map(|key| &item[key]))
        .collect();
    assert_eq!(
        told,
        [
            [&json!(0), &json!("one"), &json!("done"), &json!("A"), &json!(1)],
            [&json!(1), &json!("2"), &json!("done"), &json!("B"), &json!(1)]
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn only_so_many_run_at_a_time() {
    let bench = Bench::new();
    created(&bench, json!({"concurrency": 2})).await;
    tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    let asked = bench.fake.take_submitted();
    assert_eq!(asked.len(), 2);
    bench.deliver(echo(&asked[0]).remove(0));
    tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    assert_eq!(bench.fake.take_submitted().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn one_that_fails_does_not_stop_the_others_and_may_be_resumed() {
    let bench = Bench::new();
    let broken = Cell::new(true);
    let work = async {
        let id = created(&bench, json!({"concurrency": 1})).await;
        let first = over(&bench, &id).await;
        let failed = bench.call("jobs.results", json!({"id": id, "state": "failed"})).await.json();
        broken.set(false);
        bench.call("jobs.resume", json!({"id": id})).await.json();
        let after = json!({"id": id, "after": failed["next"], "wait-ms": 1000});
        let again = bench.call("jobs.results", after).await.json();
        (first, failed, again, over(&bench, &id).await)
    };
    let (first, failed, again, last) = bench
        .answered(work, |_, message| match message.content.as_slice() {
            b"b" if broken.get() => vec![answer(message, Performative::Failure, "no")],
            _ => echo(message),
        })
        .await;
    assert_eq!((&first["state"], &last["state"]), (&json!("partial"), &json!("completed")));
    let item = &failed["items"][0];
    assert_eq!(
        ["sequence", "performative", "content", "code", "attempt"].map(|key| &item[key]),
        [&json!(2), &json!("failure"), &json!("no"), &json!("CX0316"), &json!(1)]
    );
    assert_eq!(failed["items"].as_array().unwrap().len(), 1);
    let item = &again["items"][0];
    assert_eq!(
        ["sequence", "index", "state", "attempt"].map(|key| &item[key]),
        [&json!(4), &json!(1), &json!("done"), &json!(2)]
    );
}

#[tokio::test(start_paused = true)]
async fn an_item_without_an_answer_or_a_receiver_fails_with_its_code() {
    let bench = Bench::new();
    bench.fake.refuse_next(Code::UNKNOWN_RECEIVER);
    let id = created(&bench, json!({"timeout-ms": 1000})).await;
    assert_eq!(over(&bench, &id).await["state"], "failed");
    let results = bench.call("jobs.results", json!({"id": id})).await.json();
    let codes: Vec<&Value> = results["items"].as_array().unwrap().iter().map(|item| &item["code"]).collect();
    assert_eq!(codes, ["CX0302", "CX0604", "CX0604"]);
    assert_eq!(results["items"][1]["conversation-id"].as_str().unwrap().len(), 36);
}

#[tokio::test(start_paused = true)]
async fn cancelling_tells_agents_at_work_and_their_answers_find_nobody() {
    let bench = Bench::new();
    let id = created(&bench, json!({"concurrency": 1, "protocol": "fipa-request"})).await;
    tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    let asked = bench.fake.take_submitted().remove(0);
    assert_eq!(bench.call("jobs.cancel", json!({"id": id})).await.json()["state"], "cancelling");
    assert_eq!(over(&bench, &id).await["state"], "cancelled");
    let cancel = bench.fake.take_submitted().remove(0);
    assert_eq!((act(&cancel), cancel.head.conversation), (Performative::Cancel, asked.head.conversation));
    assert_eq!((cancel.head.receiver, cancel.head.protocol), (asked.head.receiver, asked.head.protocol));
    assert_eq!(bench.deliver(echo(&asked).remove(0)), Code::CONVERSATION_UNKNOWN);
    assert_eq!(bench.call("jobs.cancel", json!({"id": id})).await.code(), Code::JOB_OVER);
    let results = bench.call("jobs.results", json!({"id": id, "state": "cancelled"})).await.json();
    assert_eq!(results["items"].as_array().unwrap().len(), 3);
}

#[tokio::test(start_paused = true)]
async fn the_same_id_is_the_same_job() {
    let bench = Bench::new();
    let id = json!({"id": "0190c0de-0000-7000-8000-000000000001"});
    let first = created(&bench, id.clone()).await;
    tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    bench.fake.take_submitted();
    assert_eq!(created(&bench, id.clone()).await, first);
    tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    assert!(bench.fake.take_submitted().is_empty());
    let other = create(json!({"id": first, "agent": "other"}));
    assert_eq!(bench.call("jobs.create", other).await.problem(), (409, "CX0321".to_owned()));
}

#[tokio::test(start_paused = true)]
async fn news_are_told_when_they_come_and_nothing_when_the_time_is_over() {
    let bench = Bench::new();
    let id = created(&bench, json!({})).await;
    tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    let job = bench.call("jobs.get", json!({"id": id})).await.json();
    let began = tokio::time::Instant::now();
    let get = json!({"id": id, "version": job["version"], "wait-ms": 3000});
    assert_eq!(bench.call("jobs.get", get).await.json(), job);
    let results = bench.call("jobs.results", json!({"id": id, "wait-ms": 4000})).await.json();
    assert_eq!(
        (&results["items"], &results["next"], &results["over"]),
        (&json!([]), &json!(0), &json!(false))
    );
    assert_eq!(began.elapsed().as_millis(), 7000);
    let asked = bench.fake.take_submitted();
    let wait = bench.call("jobs.results", json!({"id": id, "wait-ms": 30_000}));
    let agent = async {
        tokio::time::sleep(std::time::Duration::from_secs(1)).await;
        bench.deliver(echo(&asked[1]).remove(0));
    };
    let (results, ()) = tokio::join!(wait, agent);
    assert_eq!(results.json()["items"][0]["index"], 1);
    assert_eq!(began.elapsed().as_millis(), 8000);
}

#[tokio::test(start_paused = true)]
async fn what_is_over_is_kept_for_its_time_or_until_it_is_deleted() {
    let bench = Bench::new();
    let work = async {
        let id = created(&bench, json!({"ttl-ms": 5000})).await;
        over(&bench, &id).await;
        let other = created(&bench, json!({})).await;
        over(&bench, &other).await;
        (id, other)
    };
    let (id, other) = bench.answered(work, |_, message| echo(message)).await;
    let listed = bench.call("jobs.list", "{}").await.json();
    assert_eq!(listed["items"].as_array().unwrap().len(), 2);
    assert_eq!(bench.call("jobs.delete", json!({"id": other})).await.json()["state"], "completed");
    assert_eq!(bench.call("jobs.get", json!({"id": other})).await.code(), Code::JOB_UNKNOWN);
    tokio::time::sleep(std::time::Duration::from_secs(5)).await;
    assert_eq!(bench.call("jobs.get", json!({"id": id})).await.code(), Code::JOB_UNKNOWN);
}

#[tokio::test(start_paused = true)]
async fn bounds_are_held_and_named() {
    let bench = Bench::with(Config { jobs_max: 1, items_kept_bytes_max: 100, ..Config::default() });
    let large = json!({"items": [{"content": "x".repeat(101)}]});
    let reply = bench.call("jobs.create", create(large)).await;
    assert_eq!(reply.problem(), (429, "CX0611".to_owned()));
    assert!(reply.0.unwrap_err().message().contains("items_kept_bytes_max is 100"));
    let id = created(&bench, json!({})).await;
    assert_eq!(bench.call("jobs.create", create(json!({}))).await.code(), Code::JOBS_FULL);
    assert_eq!(bench.call("jobs.delete", json!({"id": id})).await.code(), Code::CONTROL_REQUEST_INVALID);
}

#[tokio::test(start_paused = true)]
async fn an_item_without_room_for_its_result_is_not_asked() {
    let bench = Bench::with(Config { items_kept_bytes_max: 10, ..Config::default() });
    let asked = Cell::new(0);
    let work = async {
        let id = created(&bench, json!({"concurrency": 1})).await;
        over(&bench, &id).await
    };
    let job = bench
        .answered(work, |_, message| {
            asked.set(asked.get() + 1);
            vec![answer(message, Performative::Inform, "a long result")]
        })
        .await;
    assert_eq!((asked.get(), &job["items"]["done"], &job["items"]["failed"]), (1, &json!(1), &json!(2)));
    assert_eq!(job["state"], "partial");
}

#[tokio::test(start_paused = true)]
async fn requests_that_cannot_be_are_refused() {
    let bench = Bench::with(Config { job_items_max: 3, ..Config::default() });
    for (members, code) in [
        (json!({"items": []}), "CX0602"),
        (
            json!({"items": [{"content": "a"}, {"content": "a"}, {"content": "a"}, {"content": "a"}]}),
            "CX0602",
        ),
        (json!({"items": [{}]}), "CX0602"),
        (json!({"items": [{"content": "a", "content-base64": "YQ=="}]}), "CX0602"),
        (json!({"items": [{"content-base64": "%"}]}), "CX0602"),
        (json!({"items": [{"content": "a", "parameters": {"name": "1"}}]}), "CX0300"),
        (json!({"items": [{"content": "a", "kee": "1"}]}), "CX0602"),
        (json!({"agent": "a b"}), "CX0319"),
        (json!({"performative": "reqest"}), "CX0308"),
        (json!({"class": "safe"}), "CX0322"),
        (json!({"timeout-ms": 0}), "CX0602"),
        (json!({"concurrency": 257}), "CX0602"),
        (json!({"id": "seven"}), "CX0602"),
    ] {
        let reply = bench.call("jobs.create", create(members.clone())).await;
        assert_eq!(reply.problem().1, code, "{members}");
    }
    let id = created(&bench, json!({})).await;
    for (verb, members) in [
        ("jobs.results", json!({"limit": 0})),
        ("jobs.results", json!({"state": "queued"})),
        ("jobs.results", json!({"wait-ms": 30_001})),
        ("jobs.get", json!({"version": -1})),
        ("jobs.list", json!({})),
    ] {
        let mut request = json!({"id": id});
        request.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
        assert_eq!(
            bench.call(verb, &request).await.code(),
            Code::CONTROL_REQUEST_INVALID,
            "{verb} {request}"
        );
    }
    assert_eq!(
        bench.call("jobs.get", json!({"id": bench.shared.host.mint().to_string()})).await.code(),
        Code::JOB_UNKNOWN
    );
    assert_eq!(bench.call("jobs.fetch", "{}").await.code(), Code::CONTROL_UNKNOWN_VERB);
    assert_eq!(bench.call("server.status", "{}").await.code(), Code::CONTROL_UNKNOWN_VERB);
}

#[tokio::test(start_paused = true)]
async fn draining_waits_for_contract_nets_and_holds_nobody_who_waits_for_news() {
    let bench = Bench::new();
    let net =
        bench.call("contract-nets.run", json!({"participants": ["a"], "task": "t", "deadline-ms": 3000}));
    let id = created(&bench, json!({"concurrency": 1, "timeout-ms": 1000})).await;
    let polls = bench.call("jobs.results", json!({"id": id, "after": 0, "wait-ms": 30_000}));
    let began = tokio::time::Instant::now();
    let netted = async {
        net.await;
        began.elapsed().as_millis()
    };
    let drained = async {
        tokio::time::sleep(std::time::Duration::from_millis(500)).await;
        bench.plugin.drain(std::time::Duration::from_secs(10)).await.unwrap();
        began.elapsed().as_millis()
    };
    let polled = async {
        polls.await;
        began.elapsed().as_millis()
    };
    let (net, polled, drained) = tokio::join!(netted, polled, drained);
    assert_eq!((net, polled), (3000, 500));
    assert!((3000..3100).contains(&drained), "{drained}");
}

#[tokio::test(start_paused = true)]
async fn draining_begins_no_further_item_and_waits_for_those_at_work() {
    let bench = Bench::new();
    let id = created(&bench, json!({"concurrency": 1})).await;
    tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    let began = tokio::time::Instant::now();
    let drained = bench.plugin.drain(std::time::Duration::from_secs(10));
    let agents = async {
        tokio::time::sleep(std::time::Duration::from_secs(2)).await;
        let asked = bench.fake.take_submitted().remove(0);
        assert_eq!(bench.deliver(echo(&asked).remove(0)), Code::NONE);
    };
    let (drained, ()) = tokio::join!(drained, agents);
    assert!(drained.is_ok());
    assert!((2000..2100).contains(&began.elapsed().as_millis()));
    let job = bench.call("jobs.get", json!({"id": id})).await.json();
    assert_eq!((&job["items"]["done"], &job["items"]["queued"]), (&json!(1), &json!(2)));
    assert!(bench.fake.take_submitted().is_empty());
    assert_eq!(bench.call("jobs.create", create(json!({}))).await.code(), Code::SHUTTING_DOWN);
}
