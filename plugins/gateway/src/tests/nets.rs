//! The endpoint as the initiator of a contract net.

use std::{cell::RefCell, collections::HashMap};

use caxton_acl::Performative;
use caxton_plugin::{Code, Envelope, flags, testing::START_MS};
use serde_json::{Value, json};

use super::bench::{Bench, Reply, act, answer};
use crate::Config;

/// What an agent says to the acts it gets: act asked, act answered, content.
type Script = &'static [(Performative, Performative, &'static str)];

use Performative::{AcceptProposal, Cfp, Failure, Inform, NotUnderstood, Propose, Refuse, RejectProposal};

const CHEAP: Script = &[(Cfp, Propose, r#"{"price":1}"#), (AcceptProposal, Inform, "cheap result")];
const DEAR: Script = &[(Cfp, Propose, r#"{"price":9}"#), (AcceptProposal, Inform, "dear result")];
const BREAKS: Script = &[(Cfp, Propose, r#"{"price":0}"#), (AcceptProposal, Failure, "trapped")];
const STUCK: Script = &[(Cfp, Propose, r#"{"price":0}"#)];
const SILENT: Script = &[];

/// A run: the reply, and what was said to whom, in order.
struct Run {
    reply: Reply,
    said: Vec<String>,
}

impl Run {
    fn states(&self) -> Vec<String> {
        let document = self.reply.json();
        let bids = document["bids"].as_array().unwrap().iter();
        bids.map(|bid| format!("{} {}", bid["agent"].as_str().unwrap(), bid["state"].as_str().unwrap()))
            .collect()
    }

    fn end(&self) -> [Value; 3] {
        let document = self.reply.json();
        ["outcome", "winner", "result"].map(|key| document[key].clone())
    }
}

async fn run_on(bench: &Bench, agents: &[(&str, Script)], members: Value) -> Run {
    let agents: HashMap<&str, Script> = agents.iter().copied().collect();
    let said = RefCell::new(Vec::new());
    let request = bench.call("contract-nets.run", members.to_string());
    let reply = bench.answered(request, |bench, message| {
        let (name, asked) = (bench.local(message.head.receiver), act(message));
        said.borrow_mut().push(format!("{asked} {name}"));
        let script = agents.get(name.as_str()).copied().unwrap_or(SILENT).iter();
        script
            .filter(|(of, ..)| *of == asked)
            .map(|(_, act, content)| answer(message, *act, content))
            .collect()
    });
    let reply = reply.await;
    let mut said = said.into_inner();
    // Rejections are sent last, in the same moment as the reply.
    let last = bench.fake.take_submitted();
    said.extend(
        last.iter().map(|message| format!("{} {}", act(message), bench.local(message.head.receiver))),
    );
    Run { reply, said }
}

async fn run(agents: &[(&str, Script)]) -> Run {
    let names: Vec<&str> = agents.iter().map(|(name, _)| *name).collect();
    run_on(&Bench::new(), agents, json!({"participants": names, "task": "count"})).await
}

#[tokio::test(start_paused = true)]
async fn the_cheapest_wins_works_and_the_others_are_rejected() {
    let run = run(&[("a", DEAR), ("b", CHEAP)]).await;
    assert_eq!(run.said, ["cfp a", "cfp b", "accept-proposal b", "reject-proposal a"]);
    let document = run.reply.json();
    assert_eq!(
        document["bids"],
        json!([
            {"agent": "a@test", "price": 9, "content": r#"{"price":9}"#, "state": "rejected"},
            {"agent": "b@test", "price": 1, "content": r#"{"price":1}"#, "state": "done"}
        ])
    );
    assert_eq!(run.end(), ["completed", "b@test", "cheap result"]);
    assert_eq!(document["kind"], "caxton.contract-net/v1");
    assert_eq!(document["conversation-id"].as_str().unwrap().len(), 36);
}

#[tokio::test(start_paused = true)]
async fn the_dearest_wins_where_that_is_asked() {
    let members = json!({"participants": ["a", "b"], "task": "count", "select": "highest"});
    let run = run_on(&Bench::new(), &[("a", DEAR), ("b", CHEAP)], members).await;
    assert_eq!(run.end(), ["completed", "a@test", "dear result"]);
}

#[tokio::test(start_paused = true)]
async fn the_price_may_have_another_key() {
    const FAST: Script = &[(Cfp, Propose, r#"{"ms":3,"price":9}"#), (AcceptProposal, Inform, "fast")];
    const SLOW: Script = &[(Cfp, Propose, r#"{"ms":8,"price":1}"#), (AcceptProposal, Inform, "slow")];
    let members = json!({"participants": ["a", "b"], "task": "count", "price-key": "ms"});
    let run = run_on(&Bench::new(), &[("a", SLOW), ("b", FAST)], members).await;
    assert_eq!(run.end(), ["completed", "b@test", "fast"]);
}

#[tokio::test(start_paused = true)]
async fn the_runner_up_is_accepted_after_a_failure() {
    let run = run(&[("a", DEAR), ("b", BREAKS), ("c", CHEAP)]).await;
    assert_eq!(
        run.said,
        ["cfp a", "cfp b", "cfp c", "accept-proposal b", "accept-proposal c", "reject-proposal a"]
    );
    assert_eq!(run.states(), ["a@test rejected", "b@test failed", "c@test done"]);
    assert_eq!(run.end(), ["completed", "c@test", "cheap result"]);
}

#[tokio::test(start_paused = true)]
async fn all_failing_is_a_failed_end() {
    let run = run(&[("a", BREAKS), ("b", BREAKS)]).await;
    assert_eq!(run.end(), [json!("failed"), Value::Null, Value::Null]);
    assert_eq!(run.reply.json()["bids"][0]["content"], "trapped");
}

#[tokio::test(start_paused = true)]
async fn nobody_bidding_is_an_end_too() {
    const BUSY: Script = &[(Cfp, Refuse, "busy")];
    const LOST: Script = &[(Cfp, NotUnderstood, "what?")];
    const GONE: Script = &[(Cfp, Failure, "CX0302")];
    let began = tokio::time::Instant::now();
    let run = run(&[("a", BUSY), ("b", LOST), ("c", GONE)]).await;
    assert_eq!(run.states(), ["a@test refused", "b@test not-understood", "c@test failed"]);
    assert_eq!(run.end(), [json!("no-bids"), Value::Null, Value::Null]);
    assert!(began.elapsed().as_millis() < 1000, "all answered, so nobody waits for the deadline");
}

#[tokio::test(start_paused = true)]
async fn the_silent_are_waited_for_until_the_deadline() {
    let began = tokio::time::Instant::now();
    let run = run(&[("a", SILENT), ("b", CHEAP)]).await;
    assert_eq!(run.states(), ["a@test no-reply", "b@test done"]);
    assert!((2000..2100).contains(&began.elapsed().as_millis()));
}

#[tokio::test(start_paused = true)]
async fn the_runner_up_is_accepted_after_an_overdue_result() {
    let run = run(&[("a", STUCK), ("b", CHEAP), ("c", DEAR)]).await;
    assert_eq!(
        run.said,
        ["cfp a", "cfp b", "cfp c", "accept-proposal a", "accept-proposal b", "reject-proposal c"]
    );
    assert_eq!(run.states(), ["a@test overdue", "b@test done", "c@test rejected"]);
    assert_eq!(run.end(), ["completed", "b@test", "cheap result"]);
}

#[tokio::test(start_paused = true)]
async fn a_bid_that_ceased_to_bind_while_a_result_was_overdue_is_not_accepted() {
    let bench = Bench::new();
    let call = json!({"participants": ["a", "b"], "task": ""}).to_string();
    let reply = bench.answered(bench.call("contract-nets.run", call), |bench, message| match act(message) {
        Cfp => {
            let mut bid = answer(message, Propose, r#"{"price":1}"#);
            bid.head.reply_by_ms = START_MS + 500;
            vec![bid]
        }
        _ => {
            bench.fake.advance_ms(501);
            Vec::new()
        }
    });
    let document = reply.await.json();
    let states = [0, 1].map(|index: usize| document["bids"][index]["state"].clone());
    assert_eq!((states, &document["outcome"]), (["overdue", "expired"].map(Value::from), &json!("failed")));
}

#[tokio::test(start_paused = true)]
async fn the_protocols_own_clock_may_say_that_a_result_is_overdue() {
    let bench = Bench::new();
    let call = json!({"participants": ["a"], "task": ""}).to_string();
    let reply = bench.answered(bench.call("contract-nets.run", call), |_, message| match act(message) {
        Cfp => vec![answer(message, Propose, r#"{"price":1}"#)],
        AcceptProposal => {
            let mut overdue = answer(message, Failure, r#"{"code":"CX0509"}"#);
            overdue.head.flags = flags::PLATFORM;
            vec![overdue]
        }
        _ => Vec::new(),
    });
    let document = reply.await.json();
    assert_eq!([&document["bids"][0]["state"], &document["outcome"]], ["overdue", "failed"]);
}

#[tokio::test(start_paused = true)]
async fn an_agree_before_the_result_is_passed_over() {
    const POLITE: Script = &[
        (Cfp, Propose, r#"{"price":1}"#),
        (AcceptProposal, Performative::Agree, ""),
        (AcceptProposal, Inform, ""),
    ];
    let run = run(&[("a", POLITE)]).await;
    assert_eq!(run.end(), [json!("completed"), json!("a@test"), Value::Null]);
}

#[tokio::test(start_paused = true)]
async fn a_result_that_answers_the_call_counts() {
    let bench = Bench::new();
    let call = RefCell::new(None::<Envelope>);
    let request = bench.call("contract-nets.run", json!({"participants": ["a"], "task": ""}).to_string());
    let reply = bench.answered(request, |_, message| match act(message) {
        Cfp => {
            *call.borrow_mut() = Some(message.clone());
            vec![answer(message, Propose, r#"{"price":1}"#)]
        }
        AcceptProposal => vec![answer(call.borrow().as_ref().unwrap(), Inform, "done")],
        _ => Vec::new(),
    });
    assert_eq!(reply.await.json()["result"], "done");
}

#[tokio::test(start_paused = true)]
async fn messages_carry_protocol_numbers_and_times() {
    let bench = Bench::new();
    let seen = RefCell::new(Vec::new());
    let members = json!({"participants": ["a", "b"], "task": "count", "work": "a text", "deadline-ms": 500, "result-timeout-ms": 700});
    let request = bench.call("contract-nets.run", members.to_string());
    let reply = bench.answered(request, |bench, message| {
        seen.borrow_mut().push(message.clone());
        let script = if bench.local(message.head.receiver) == "a" { CHEAP } else { DEAR };
        let fits = script.iter().filter(|(of, ..)| *of == act(message));
        fits.map(|(_, act, content)| answer(message, *act, content)).collect()
    });
    reply.await;
    let seen: Vec<Envelope> = seen.into_inner().into_iter().chain(bench.fake.take_submitted()).collect();
    let [call, other, accept, reject] = [0, 1, 2, 3].map(|index| seen[index].head);
    assert_eq!([act(&seen[2]), act(&seen[3])], [AcceptProposal, RejectProposal]);
    assert!(seen.iter().all(|message| message.head.conversation == call.conversation));
    assert!(
        seen.iter()
            .all(|message| bench.shared.host.symbol_text(message.head.protocol) == "fipa-contract-net")
    );
    assert_ne!(call.reply_with, other.reply_with);
    assert_eq!((call.reply_by_ms, accept.reply_by_ms), (START_MS + 500, START_MS + 700));
    // The bench's agents give their proposals the call's number plus 1000.
    assert_eq!((accept.in_reply_to, reject.in_reply_to), (call.reply_with + 1000, other.reply_with + 1000));
    let contents = [0, 2, 3].map(|index: usize| seen[index].content.as_slice());
    assert_eq!(contents, [b"count".as_slice(), b"a text", b""]);
}

#[tokio::test(start_paused = true)]
async fn a_copy_that_the_bus_refuses_is_a_failed_participant() {
    let bench = Bench::new();
    bench.fake.refuse_next(Code::MAILBOX_FULL);
    let run = run_on(&bench, &[("b", CHEAP)], json!({"participants": ["a", "b"], "task": ""})).await;
    assert_eq!(run.states(), ["a@test failed", "b@test done"]);
    assert_eq!(run.reply.json()["bids"][0]["content"], "CX0301 mailbox-full");
}

#[tokio::test(start_paused = true)]
async fn groups_and_capabilities_become_their_active_agents() {
    let bench = Bench::new();
    let agent = |name: &str, state: &str, capabilities: &[&str], groups: &[&str]| json!({"name": format!("{name}@test"), "state": state, "capabilities": capabilities, "groups": groups, "sent": 1});
    let items = [
        agent("a", "active", &["count"], &["bidders"]),
        agent("b", "active", &["count"], &[]),
        agent("c", "failed", &["count"], &["bidders"]),
        agent("d", "active", &[], &["judges"]),
    ];
    bench.fake.answer("agents.list", json!({"kind": "caxton.agent.list/v1", "items": items}));
    for (participants, expected) in [
        (json!(["group:bidders"]), vec!["cfp a"]),
        (json!(["capability:count@test"]), vec!["cfp a", "cfp b"]),
        (json!(["group:all"]), vec!["cfp a", "cfp b", "cfp d"]),
        (json!(["b", "capability:count", "b@test"]), vec!["cfp b", "cfp a"]),
        (json!(["c", "x@elsewhere"]), vec!["cfp c", "cfp x@elsewhere"]),
    ] {
        let members = json!({"participants": participants, "task": ""});
        assert_eq!(run_on(&bench, &[], members).await.said, expected, "{participants}");
    }
}

#[tokio::test(start_paused = true)]
async fn calls_that_cannot_be_made_are_refused() {
    let bench = Bench::new();
    bench.fake.answer("agents.list", json!({"items": []}));
    let many: Vec<String> = (0..257).map(|number| format!("a{number}")).collect();
    for (members, status, code) in [
        (json!({"participants": []}), 400, "CX0303"),
        (json!({"participants": ["group:bidders"]}), 404, "CX0302"),
        (json!({"participants": ["a b"]}), 400, "CX0319"),
        (json!({"participants": many}), 400, "CX0304"),
        (json!({"participants": ["a"], "deadline-ms": 0}), 400, "CX0602"),
        (json!({"participants": ["a"], "result-timeout-ms": 600_001}), 400, "CX0602"),
        (json!({"participants": ["a"], "select": "best"}), 400, "CX0602"),
        (json!({"participants": ["a"], "deadline": 5}), 400, "CX0602"),
        (json!({"participants": "a"}), 400, "CX0602"),
    ] {
        let mut call = json!({"task": ""});
        call.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
        let reply = bench.call("contract-nets.run", call.to_string()).await;
        assert_eq!(reply.problem(), (status, code.to_owned()), "{members}");
    }
    assert!(bench.fake.take_submitted().is_empty());
}

#[tokio::test(start_paused = true)]
async fn more_participants_than_may_wait_are_refused_before_anybody_is_called() {
    let bench = Bench::with(Config { waiting_max: 1, ..Config::default() });
    let call = json!({"participants": ["a", "b"], "task": ""});
    let reply = bench.call("contract-nets.run", call.to_string()).await;
    assert_eq!(reply.problem(), (429, "CX0608".to_owned()));
    assert!(bench.fake.take_submitted().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_caller_that_leaves_does_not_end_the_contract_net() {
    let bench = Bench::new();
    let call = json!({"participants": ["a", "b"], "task": ""}).to_string();
    let began = bench.call("contract-nets.run", call);
    let left = tokio::time::timeout(std::time::Duration::from_millis(1), began).await;
    assert!(left.is_err());
    let later = async {
        tokio::time::sleep(std::time::Duration::from_secs(60)).await;
        bench.call("jobs.list", "{}").await
    };
    let said = RefCell::new(Vec::new());
    bench
        .answered(later, |_, message| {
            said.borrow_mut().push(act(message));
            let fits = CHEAP.iter().filter(|(of, ..)| *of == act(message));
            fits.map(|(_, act, content)| answer(message, *act, content)).collect()
        })
        .await;
    assert_eq!(said.into_inner(), [Cfp, Cfp, AcceptProposal, RejectProposal]);
}

#[tokio::test(start_paused = true)]
async fn a_contract_net_sends_in_its_class() {
    let bench = Bench::new();
    let call = json!({"participants": ["a", "b"], "task": "t", "class": "durable", "deadline-ms": 50});
    let mut calls = 0;
    let reply = bench.answered(bench.call("contract-nets.run", call.to_string()), |_, message| {
        assert_eq!(message.head.class, caxton_plugin::class::DURABLE);
        calls += 1;
        vec![]
    });
    assert_eq!(reply.await.json()["outcome"], "no-bids");
    assert_eq!(calls, 2);
    let call = json!({"participants": ["a"], "task": "t", "class": "safe"});
    let reply = bench.call("contract-nets.run", call.to_string()).await;
    assert_eq!(reply.problem(), (400, "CX0322".to_owned()));
}
