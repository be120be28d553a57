use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use caxton_abi::{Envelope, Header, Payload};
use caxton_core::{Bus, Endpoint, Limits, Options};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::*;
use crate::{
    admin::bench,
    clock::Clock,
    store::{Port, Recover, Storage, faulty::Faulty},
};

/// An endpoint that takes messages, or does not.
#[derive(Default)]
struct Sink {
    takes: AtomicBool,
}

impl Endpoint for Sink {
    fn deliver(&self, batch: Vec<Envelope>) -> Vec<Code> {
        let takes = self.takes.load(Ordering::SeqCst);
        vec![if takes { Code::NONE } else { Code::REFUSED_BY_ENDPOINT }; batch.len()]
    }
}

struct Bench {
    admin: Arc<Admin>,
    sink: Arc<Sink>,
    sender: u32,
    receiver: u32,
    port: Arc<Faulty>,
    _dir: TempDir,
}

fn bench() -> Bench {
    let dir = tempfile::tempdir().unwrap();
    let clock = Clock::start();
    let limits = Arc::new(Limits::default());
    let options = Options { platform: "test".into(), limits, workers: 1, seed: 1, content_in_signals: false };
    let bus = Arc::new(Bus::new(options).unwrap());
    let storage = Storage::new(Arc::clone(&bus), clock, Recover::Strict, dir.path());
    let port = Arc::new(Faulty::default());
    storage.open("faulty", true, Arc::clone(&port) as Arc<dyn Port>).unwrap();
    let (edge, sink) = (Arc::new(Sink { takes: true.into() }), Arc::new(Sink::default()));
    let sender = bus.claim("edge", 1, edge, clock.now()).unwrap();
    let receiver = bus.claim("sink", 1, Arc::clone(&sink) as _, clock.now()).unwrap();
    let admin = bench::admin(bus, clock, storage, dir.path());
    admin.storage.take_over(&admin);
    Bench { admin, sink, sender, receiver, port, _dir: dir }
}

impl Bench {
    /// Sends a message that becomes a dead letter, and waits until it is one.
    fn send(&self, class: u8, content: &[u8]) {
        let Self { sender, receiver, .. } = *self;
        let head = Header {
            sender,
            receiver,
            class,
            performative: Performative::Request.code(),
            ..Header::default()
        };
        let before = self.admin.bus.dead_letters(100).len();
        let (said, outcomes) = std::sync::mpsc::channel();
        let answer = Box::new(move |outcomes: Vec<_>| drop(said.send(outcomes)));
        let message = Envelope::new(head, Payload::from(content));
        self.admin.bus.submit_and_wait(vec![message], self.admin.clock.now(), answer);
        assert_eq!(outcomes.recv().unwrap()[0].code, Code::NONE);
        while self.admin.bus.dead_letters(100).len() == before {
            std::thread::yield_now();
        }
        // A letter whose burial is not on disk yet is not sent again.
        assert!(self.admin.storage.writer().unwrap().flush(std::time::Duration::from_secs(20)));
    }

    fn ask(&self, verb: &str, request: Value) -> Result<Value, Refused> {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let answer = runtime.block_on(self.admin.invoke(verb, Payload::from(request.to_string())));
        answer.map(|document| serde_json::from_slice(document.as_slice()).unwrap())
    }

    fn ids(&self, request: Value) -> Vec<Value> {
        let list = self.ask("dead-letters.list", request).unwrap();
        list["items"].as_array().unwrap().iter().map(|letter| letter["id"].clone()).collect()
    }

    fn code(&self, verb: &str, request: Value) -> Code {
        self.ask(verb, request).unwrap_err().code
    }
}

#[test]
fn a_letter_is_shown_with_what_is_needed_to_judge_it() {
    let bench = bench();
    bench.send(class::VOLATILE, b"hello");
    let id = bench.ids(json!({})).remove(0);
    let mut letter = bench.ask("dead-letters.get", json!({ "id": id })).unwrap();
    for key in ["at", "message", "conversation", "trace"] {
        assert!(letter.as_object_mut().unwrap().remove(key).unwrap().is_string(), "{key}");
    }
    assert_eq!(
        letter,
        json!({"kind": "caxton.dead-letter/v1", "id": id, "code": "CX0312", "reason": "refused-by-endpoint",
            "meaning": "the endpoint that owns the address refused the message", "class": "volatile",
            "sender": "edge@test", "receiver": "sink@test", "performative": "request", "protocol": null,
            "deliveries": 0, "size": 5, "content": "hello"})
    );
}

#[test]
fn letters_are_listed_newest_first_by_reason_and_receiver_without_their_contents() {
    let bench = bench();
    bench.send(class::VOLATILE, b"one");
    bench.send(class::VOLATILE, b"two");
    let all = bench.ids(json!({}));
    assert_eq!(bench.ids(json!({"limit": 1})), all[..1]);
    assert_eq!(bench.ids(json!({"reason": "refused-by-endpoint", "agent": "sink"})), all);
    assert_eq!(bench.ids(json!({"reason": "CX0312"})), all);
    assert!(bench.ids(json!({"reason": "poison"})).is_empty());
    assert!(bench.ids(json!({"agent": "edge"})).is_empty());
    assert_eq!(bench.code("dead-letters.list", json!({"reason": "posion"})), Code::CONTROL_REQUEST_INVALID);
    let list = bench.ask("dead-letters.list", json!({})).unwrap();
    assert_eq!(list["items"][0].get("content"), None);
}

#[test]
fn requeued_letters_are_delivered_and_what_is_not_there_is_said() {
    let bench = bench();
    bench.send(class::VOLATILE, b"one");
    bench.send(class::DURABLE, b"two");
    let ids = bench.ids(json!({}));
    bench.sink.takes.store(true, Ordering::SeqCst);
    let asked = json!({"ids": [ids[0], ids[1], "12345", "x"]});
    let result = bench.ask("dead-letters.requeue", asked).unwrap();
    assert_eq!(
        result,
        json!({"kind": "caxton.dead-letter.result/v1", "requeued": 2, "refused": 0, "purged": 0, "unknown": 2,
            "items": [{"id": ids[0], "outcome": "requeued"}, {"id": ids[1], "outcome": "requeued"},
                {"id": "12345", "outcome": "unknown"}, {"id": "x", "outcome": "unknown"}]})
    );
    assert!(bench.ids(json!({})).is_empty());
    assert!(bench.admin.storage.close(std::time::Duration::from_secs(20)));
    assert_eq!(bench.port.keys(), [""; 0]);
}

#[test]
fn a_letter_that_is_refused_stays() {
    let bench = bench();
    bench.send(class::DURABLE, b"one");
    bench.admin.bus.set_store(None);
    let result = bench.ask("dead-letters.requeue", json!({"all": true})).unwrap();
    assert_eq!(result["items"][0]["outcome"], "refused");
    assert_eq!(result["items"][0]["code"], "CX0323");
    assert_eq!(bench.ids(json!({})).len(), 1);
}

#[test]
fn purged_letters_are_gone_from_the_store_too() {
    let bench = bench();
    bench.send(class::VOLATILE, b"one");
    bench.send(class::DURABLE, b"two");
    let result =
        bench.ask("dead-letters.purge", json!({"all": true, "reason": "refused-by-endpoint"})).unwrap();
    assert_eq!((&result["purged"], &result["items"][0]["outcome"]), (&json!(2), &json!("purged")));
    assert!(bench.ids(json!({})).is_empty());
    assert!(bench.admin.storage.close(std::time::Duration::from_secs(20)));
    assert_eq!(bench.port.keys(), [""; 0]);
}

#[test]
fn a_request_that_names_nothing_or_too_much_is_refused() {
    let bench = bench();
    let many: Vec<String> = (0..=IDS_MAX).map(|id| id.to_string()).collect();
    for request in
        [json!({}), json!({"ids": ["1"], "all": true}), json!({ "ids": many }), json!({"al": true})]
    {
        assert_eq!(bench.code("dead-letters.purge", request), Code::CONTROL_REQUEST_INVALID);
    }
    assert_eq!(bench.code("dead-letters.get", json!({"id": "9"})), Code::NOT_FOUND);
}

#[test]
fn a_long_content_is_cut_between_characters_and_bytes_are_base64() {
    let bench = bench();
    let mut content = vec![b'a'; CONTENT_BYTES_MAX - 1];
    content.extend("ä".as_bytes());
    bench.send(class::VOLATILE, &content);
    bench.send(class::VOLATILE, &[0xff, 0]);
    let ids = bench.ids(json!({}));
    let get = |id: &Value| bench.ask("dead-letters.get", json!({ "id": id })).unwrap();
    let cut = get(&ids[1]);
    assert_eq!(cut["content"].as_str().unwrap().len(), CONTENT_BYTES_MAX - 1);
    assert_eq!(cut["size"], content.len());
    assert_eq!(get(&ids[0])["content-base64"], "/wA=");
}

#[test]
fn the_status_has_the_books_of_each_class_and_the_store() {
    let bench = bench();
    bench.send(class::DURABLE, b"one");
    bench.admin.storage.writer().unwrap().flush(std::time::Duration::from_secs(20));
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let answer = runtime.block_on(bench.admin.invoke("server.status", Payload::EMPTY)).unwrap();
    let status: Value = serde_json::from_slice(answer.as_slice()).unwrap();
    let books = &status["accounting"];
    assert_eq!(books["by-class"]["durable"]["dead-lettered"], 1);
    assert_eq!((&books["by-class"]["acked"]["submitted"], &books["holds"]), (&json!(0), &json!(true)));
    let store = &status["store"];
    assert_eq!(
        (&store["plugin"], &store["state"], &store["messages"], &store["writing"]),
        (&json!("faulty"), &json!("running"), &json!(0), &json!(0))
    );
}
