//! Agents outside of the server.

use std::time::Duration;

use caxton_acl::Performative;
use caxton_plugin::{Code, Envelope, Header, Payload, Plugin, Uid};
use serde_json::{Value, json};

use super::bench::{Bench, act, answer};
use crate::Config;

async fn opened(bench: &Bench, name: &str, members: Value) -> String {
    let mut request = json!({"name": name});
    request.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
    bench.call("attachments.open", request).await.json()["id"].as_str().unwrap().to_owned()
}

async fn received(bench: &Bench, id: &str, after: u64) -> Vec<Value> {
    let request = json!({"id": id, "after": after});
    bench.call("attachments.receive", request).await.json()["items"].as_array().unwrap().clone()
}

/// Sends one message and gives its item.
async fn sent(bench: &Bench, id: &str, message: Value) -> Value {
    bench.call("attachments.send", json!({"id": id, "messages": [message]})).await.json()["items"][0].clone()
}

/// A message from an agent of the server.
fn message(bench: &Bench, to: &str, performative: Performative, content: &str) -> Envelope {
    let host = &bench.shared.host;
    let head = Header {
        sender: host.address("worker").unwrap(),
        receiver: host.address(to).unwrap(),
        conversation: Uid::from_u128(77),
        reply_with: 5,
        performative: performative.code(),
        ..Header::default()
    };
    Envelope::new(head, Payload::from(content.to_owned()))
}

/// Brings what was sent to the agents attached here; gives what was sent to others.
fn carried(bench: &Bench) -> Vec<Envelope> {
    let host = &bench.shared.host;
    let here = bench.fake.claimed();
    let (inside, outside): (Vec<Envelope>, Vec<Envelope>) = bench
        .fake
        .take_submitted()
        .into_iter()
        .partition(|message| here.contains(&host.name(message.head.receiver)));
    inside.into_iter().for_each(|message| assert_eq!(bench.deliver(message), Code::NONE));
    outside
}

#[tokio::test(start_paused = true)]
async fn an_agent_has_its_name_while_it_is_attached() {
    let bench = Bench::new();
    let request = json!({"name": "buyer", "capabilities": ["buy"], "groups": ["traders"], "lease-ms": 5000});
    let document = bench.call("attachments.open", request).await.json();
    assert_eq!(bench.fake.claimed(), ["gateway@test", "buyer@test"]);
    let keys =
        ["kind", "name", "capabilities", "groups", "lease-ms", "queued"].map(|key| document[key].clone());
    assert_eq!(
        keys,
        [
            json!("caxton.attachment/v1"),
            json!("buyer@test"),
            json!(["buy"]),
            json!(["traders"]),
            json!(5000),
            json!(0)
        ]
    );
    let listed = bench.call("attachments.list", "{}").await.json();
    assert_eq!(
        (&listed["items"][0]["name"], &listed["items"][0]["id"]),
        (&json!("buyer@test"), &Value::Null)
    );
    let closed = bench.call("attachments.close", json!({"id": document["id"]})).await.json();
    assert_eq!(
        (closed["name"].clone(), bench.fake.claimed()),
        (json!("buyer@test"), vec!["gateway@test".to_owned()])
    );
    let gone = bench.call("attachments.receive", json!({"id": document["id"]})).await;
    assert_eq!(gone.problem(), (404, "CX0612".to_owned()));
}

#[tokio::test(start_paused = true)]
async fn messages_come_until_they_are_acknowledged() {
    let bench = Bench::new();
    let id = opened(&bench, "buyer", json!({})).await;
    for content in ["one", "two"] {
        assert_eq!(bench.deliver(message(&bench, "buyer", Performative::Inform, content)), Code::NONE);
    }
    let first = received(&bench, &id, 0).await;
    assert_eq!(first, received(&bench, &id, 0).await);
    let told = ["performative", "sender", "content", "conversation-id", "reply-with"]
        .map(|key| &first[0]["message"][key]);
    let conversation = json!(Uid::from_u128(77).to_string());
    assert_eq!(told, [&json!("inform"), &json!("worker@test"), &json!("one"), &conversation, &json!("5")]);
    assert_eq!(first[0]["message"].get("in-reply-to"), None);
    assert_eq!(received(&bench, &id, 1).await.len(), 1);
    assert!(received(&bench, &id, 2).await.is_empty());
    let early = bench.call("attachments.receive", json!({"id": id, "after": 3})).await;
    assert_eq!(early.code(), Code::CONTROL_REQUEST_INVALID);
}

#[tokio::test(start_paused = true)]
async fn who_asks_is_held_until_a_message_comes() {
    let bench = Bench::new();
    let id = opened(&bench, "buyer", json!({"lease-ms": 1000})).await;
    let began = tokio::time::Instant::now();
    let asks = bench.call("attachments.receive", json!({"id": id, "wait-ms": 30_000}));
    let comes = async {
        tokio::time::sleep(Duration::from_secs(20)).await;
        bench.deliver(message(&bench, "buyer", Performative::Request, "now"))
    };
    let (reply, taken) = tokio::join!(asks, comes);
    assert_eq!((taken, reply.json()["items"][0]["message"]["content"].clone()), (Code::NONE, json!("now")));
    assert_eq!(began.elapsed().as_secs(), 20, "the lease does not run while the agent asks");
}

#[tokio::test(start_paused = true)]
async fn an_agent_that_does_not_ask_in_time_is_lost_and_its_callers_are_told() {
    let bench = Bench::new();
    let id = opened(&bench, "buyer", json!({"lease-ms": 1000})).await;
    for act in [Performative::Request, Performative::Cfp, Performative::Failure, Performative::Inform] {
        bench.deliver(message(&bench, "buyer", act, ""));
    }
    tokio::time::sleep(Duration::from_millis(999)).await;
    assert_eq!(bench.fake.claimed().len(), 2);
    tokio::time::sleep(Duration::from_millis(5)).await;
    assert_eq!(bench.fake.claimed(), ["gateway@test"]);
    let told = bench.fake.take_submitted();
    let acts: Vec<Performative> = told.iter().map(act).collect();
    assert_eq!(acts, [Performative::Failure, Performative::Refuse, Performative::Failure]);
    assert_eq!(
        (bench.local(told[0].head.sender), bench.local(told[0].head.receiver)),
        ("buyer".into(), "worker".into())
    );
    assert_eq!(told[0].head.in_reply_to, 5);
    assert_eq!(told[0].content.as_slice(), br#"{"code":"CX0613","reason":"attachment-lost"}"#);
    assert_eq!(bench.call("attachments.receive", json!({"id": id})).await.code(), Code::ATTACHMENT_UNKNOWN);
    assert_eq!(bench.deliver(message(&bench, "buyer", Performative::Inform, "")), Code::UNKNOWN_RECEIVER);
}

#[tokio::test(start_paused = true)]
async fn what_a_protocol_tells_by_itself_is_not_told_twice() {
    let bench = Bench::new();
    let id = opened(&bench, "buyer", json!({})).await;
    for act in [Performative::Propose, Performative::Inform, Performative::AcceptProposal] {
        let mut message = message(&bench, "buyer", act, "");
        message.head.protocol = bench.shared.host.symbol("fipa-contract-net");
        bench.deliver(message);
    }
    bench.call("attachments.close", json!({"id": id})).await.json();
    let told = bench.fake.take_submitted();
    assert_eq!(told.iter().map(act).collect::<Vec<_>>(), [Performative::Failure]);
}

#[tokio::test(start_paused = true)]
async fn an_agent_that_leaves_by_itself_has_what_it_got() {
    let bench = Bench::new();
    let id = opened(&bench, "buyer", json!({})).await;
    bench.deliver(message(&bench, "buyer", Performative::Request, "read"));
    assert_eq!(received(&bench, &id, 0).await.len(), 1);
    bench.deliver(message(&bench, "buyer", Performative::Cfp, "never read"));
    bench.call("attachments.close", json!({"id": id})).await.json();
    let told = bench.fake.take_submitted();
    assert_eq!(told.iter().map(act).collect::<Vec<_>>(), [Performative::Refuse]);
}

#[tokio::test(start_paused = true)]
async fn a_full_queue_refuses_to_the_sender() {
    let bench = Bench::with(Config { queues_bytes_max: 10, ..Config::default() });
    let id = opened(&bench, "buyer", json!({"queue-messages-max": 2})).await;
    let put = |content: &str| bench.deliver(message(&bench, "buyer", Performative::Inform, content));
    assert_eq!(
        [put("12345"), put("123456"), put("1"), put("1")],
        [Code::NONE, Code::MAILBOX_FULL, Code::NONE, Code::MAILBOX_FULL]
    );
    received(&bench, &id, 0).await;
    received(&bench, &id, 2).await;
    assert_eq!(put("1"), Code::NONE);
}

#[tokio::test(start_paused = true)]
async fn what_is_sent_is_in_the_agents_name_and_answers_have_its_words() {
    let bench = Bench::new();
    let id = opened(&bench, "buyer", json!({})).await;
    let question = json!({"performative": "request", "sender": "buyer", "receiver": ["worker"], "content": "x",
        "conversation-id": "deal", "reply-with": "q-1"});
    let item = sent(&bench, &id, question).await;
    assert_eq!(
        (&item["status"], &item["conversation-id"], &item["kind"]),
        (&json!(202), &json!("deal"), &json!("caxton.accepted/v1"))
    );
    let asked = bench.fake.take_submitted().remove(0);
    assert_eq!(bench.local(asked.head.sender), "buyer");
    bench.deliver(answer(&asked, Performative::Inform, "y"));
    let told = received(&bench, &id, 0).await;
    let message = &told[0]["message"];
    assert_eq!(["conversation-id", "in-reply-to", "content"].map(|key| &message[key]), ["deal", "q-1", "y"]);
    let listed = bench.call("attachments.list", "{}").await.json();
    assert_eq!(
        ["sent", "received", "queued"].map(|key| &listed["items"][0][key]),
        [&json!(1), &json!(1), &json!(1)]
    );
}

#[tokio::test(start_paused = true)]
async fn a_bad_message_is_refused_alone() {
    let bench = Bench::new();
    let id = opened(&bench, "buyer", json!({})).await;
    let good = json!({"performative": "inform", "receiver": ["worker"]});
    let forged = json!({"performative": "inform", "receiver": ["worker"], "sender": "boss"});
    let broken = json!({"performative": "infrom", "receiver": ["worker"]});
    let list =
        bench.call("attachments.send", json!({"id": id, "messages": [forged, good, broken]})).await.json();
    let status: Vec<&Value> = list["items"].as_array().unwrap().iter().map(|item| &item["status"]).collect();
    assert_eq!(status, [403, 202, 400]);
    assert_eq!(
        (&list["items"][0]["code"], &list["refused"], &list["accepted"]),
        (&json!("CX0314"), &json!(2), &json!(1))
    );
    let many = vec![json!({}); 1001];
    let reply = bench.call("attachments.send", json!({"id": id, "messages": many})).await;
    assert_eq!(reply.code(), Code::CONTROL_REQUEST_INVALID);
}

#[tokio::test(start_paused = true)]
async fn openings_that_cannot_be_are_refused() {
    let bench = Bench::with(Config { attachments_max: 1, ..Config::default() });
    for (request, code) in [
        (json!({}), "CX0602"),
        (json!({"name": "a b"}), "CX0319"),
        (json!({"name": "group:a"}), "CX0319"),
        (json!({"name": "a", "lease-ms": 999}), "CX0602"),
        (json!({"name": "a", "queue-messages-max": 0}), "CX0602"),
    ] {
        assert_eq!(bench.call("attachments.open", &request).await.problem().1, code, "{request}");
    }
    opened(&bench, "buyer", json!({})).await;
    assert_eq!(bench.call("attachments.open", json!({"name": "seller"})).await.code(), Code::AGENT_LIMIT);
    let bench = Bench::new();
    opened(&bench, "buyer", json!({})).await;
    assert_eq!(
        bench.call("attachments.open", json!({"name": "buyer@test"})).await.code(),
        Code::AGENT_EXISTS
    );
    assert_eq!(bench.fake.claimed().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn ids_cannot_be_guessed_from_each_other() {
    let bench = Bench::new();
    let [one, other] = [opened(&bench, "a", json!({})).await, opened(&bench, "b", json!({})).await];
    assert_eq!([&one, &other].map(|id| id.as_bytes()[14]), *b"44");
    assert_ne!(one[..8], other[..8]);
}

#[tokio::test(start_paused = true)]
async fn stopping_detaches_everybody() {
    let bench = Bench::new();
    opened(&bench, "buyer", json!({})).await;
    bench.plugin.stop().await.unwrap();
    assert!(bench.fake.claimed().is_empty());
}

/// A bid of a bidder inside, or the work of its acceptance.
fn bidder(message: &Envelope) -> Envelope {
    match act(message) {
        Performative::Cfp => answer(message, Performative::Propose, r#"{"price":9}"#),
        _ => answer(message, Performative::Inform, "worked"),
    }
}

#[tokio::test(start_paused = true)]
async fn an_agent_outside_calls_for_proposals_and_another_one_outside_wins() {
    let bench = Bench::new();
    let buyer = opened(&bench, "buyer", json!({})).await;
    let seller = opened(&bench, "seller", json!({})).await;
    let net = |members: Value| {
        let mut message = json!({"protocol": "fipa-contract-net", "conversation-id": "auction-7"});
        message.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
        message
    };
    // The call, to one outside and one inside.
    let call = json!({"performative": "cfp", "receiver": ["seller", "worker"], "reply-with": "cfp-1", "content": "paint",
        "reply-by": "+2s"});
    sent(&bench, &buyer, net(call)).await;
    for message in carried(&bench) {
        bench.deliver(bidder(&message));
    }
    // The bidder outside answers with the texts that it got.
    let call = received(&bench, &seller, 0).await.remove(0)["message"].clone();
    assert_eq!(
        [&call["performative"], &call["sender"], &call["protocol"]],
        ["cfp", "buyer@test", "fipa-contract-net"]
    );
    let bid = json!({"performative": "propose", "receiver": [call["sender"]], "conversation-id": call["conversation-id"],
        "in-reply-to": call["reply-with"], "protocol": call["protocol"], "reply-with": "bid-1", "content": r#"{"price":3}"#});
    assert_eq!(sent(&bench, &seller, bid).await["status"], 202);
    assert!(carried(&bench).is_empty());
    // The initiator sees both bids in its own words, and accepts the cheaper.
    let bids = received(&bench, &buyer, 0).await;
    let seen: Vec<[&Value; 3]> = bids
        .iter()
        .map(|bid| ["sender", "conversation-id", "in-reply-to"].map(|key| &bid["message"][key]))
        .collect();
    assert_eq!(seen, [["worker@test", "auction-7", "cfp-1"], ["seller@test", "auction-7", "cfp-1"]]);
    let accept = json!({"performative": "accept-proposal", "receiver": ["seller"],
        "in-reply-to": bids[1]["message"]["reply-with"], "reply-with": "accept-1", "content": "go"});
    let reject = json!({"performative": "reject-proposal", "receiver": ["worker"],
        "in-reply-to": bids[0]["message"]["reply-with"]});
    let list = json!({"id": buyer, "messages": [net(accept), net(reject)]});
    assert_eq!(bench.call("attachments.send", list).await.json()["accepted"], 2);
    let outside = carried(&bench);
    assert_eq!((act(&outside[0]), outside.len()), (Performative::RejectProposal, 1));
    // The winner's in-reply-to is its own text, and its result comes home.
    let accept = received(&bench, &seller, 1).await.remove(0)["message"].clone();
    assert_eq!([&accept["performative"], &accept["in-reply-to"]], ["accept-proposal", "bid-1"]);
    let result = json!({"performative": "inform", "receiver": ["buyer"], "conversation-id": accept["conversation-id"],
        "in-reply-to": accept["reply-with"], "protocol": "fipa-contract-net", "content": "painted"});
    sent(&bench, &seller, result).await;
    carried(&bench);
    let result = received(&bench, &buyer, 2).await.remove(0)["message"].clone();
    assert_eq!(
        ["content", "conversation-id", "in-reply-to"].map(|key| &result[key]),
        ["painted", "auction-7", "accept-1"]
    );
}

#[tokio::test(start_paused = true)]
async fn contract_nets_of_the_server_find_those_who_are_attached_by_capability() {
    let bench = Bench::new();
    bench.fake.answer("agents.list", json!({"items": []}));
    let seller = opened(&bench, "seller", json!({"capabilities": ["paint"]})).await;
    let call = json!({"participants": ["capability:paint"], "task": "t", "work": "w"});
    let net = bench.call("contract-nets.run", call);
    let bids = async {
        for (after, performative) in [(0, "propose"), (1, "inform")] {
            tokio::time::sleep(Duration::from_millis(5)).await;
            carried(&bench);
            let message = received(&bench, &seller, after).await.remove(0)["message"].clone();
            let answer = json!({"performative": performative, "receiver": [message["sender"]],
                "conversation-id": message["conversation-id"], "in-reply-to": message["reply-with"],
                "reply-with": "mine", "content": r#"{"price":1}"#});
            sent(&bench, &seller, answer).await;
            carried(&bench);
        }
    };
    let (net, ()) = tokio::join!(net, bids);
    assert_eq!((&net.json()["outcome"], &net.json()["winner"]), (&json!("completed"), &json!("seller@test")));
}
