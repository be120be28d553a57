//! One word for one broken promise: whatever the engine hears of a loss, and in whatever order, each side is told once.

use caxton_plugin::{Code, Observation, flags};

use crate::{
    auction::{accept, accepted, bid, called, inform, propose, reject},
    kit::{C, I, Net, P, Seen, T0, agent_lost, say},
};

fn loss(code: Code) -> Observation {
    Observation { code, ..agent_lost(P, &[]) }
}

fn poison() -> Observation {
    accept(P).by(T0 + 5_000).undeliverable(Code::POISON)
}

/// What the initiator hears of a contractor that trapped over its acceptance: each letter, and the cause in it.
fn told(batches: &[&[Observation]]) -> Vec<(String, String)> {
    let mut net = accepted(&[P]);
    let seen: Vec<Seen> = batches.iter().map(|batch| net.observe(batch)).collect();
    assert_eq!(net.states(), ["FAILED"]);
    let letters = seen.iter().flat_map(Seen::letters);
    letters.zip(seen.iter().flat_map(|seen| &seen.sent).map(|sent| cause(&sent.content))).collect()
}

fn cause(content: &str) -> String {
    let content: serde_json::Value = serde_json::from_str(content).unwrap();
    content["cause"].as_str().unwrap_or("none").to_owned()
}

fn one_failure(cause: &str) -> Vec<(String, String)> {
    vec![("failure 11>1 re 311 agent-lost".into(), cause.into())]
}

#[test]
fn a_broken_promise_is_told_once_when_the_loss_is_seen_first() {
    let spared = Observation { code: Code::AGENT_LOST, ..agent_lost(P, &[C]) };
    assert_eq!(told(&[&[spared], &[loss(Code::AGENT_LOST)], &[poison()]]), one_failure("none"));
}

#[test]
fn a_broken_promise_is_told_once_when_the_poison_is_seen_first() {
    assert_eq!(told(&[&[poison()], &[loss(Code::AGENT_LOST)]]), one_failure("CX0313"));
}

#[test]
fn a_broken_promise_is_told_once_when_both_come_in_one_batch() {
    assert_eq!(told(&[&[poison(), loss(Code::AGENT_LOST)]]), one_failure("CX0313"));
    assert_eq!(told(&[&[loss(Code::AGENT_LOST), poison()]]), one_failure("none"));
}

#[test]
fn the_cause_of_a_loss_is_named_when_it_is_known() {
    assert_eq!(told(&[&[loss(Code::AGENT_STOPPED)], &[poison()]]), one_failure("CX0311"));
}

/// The acceptance still waited in the mailbox when the instance was lost over something else.
#[test]
fn what_the_next_instance_answers_to_the_acceptance_is_no_mistake() {
    let mut net = accepted(&[P]);
    net.lose(P);
    let failed = net.send(say(P, I, "failure").re(311));
    assert_eq!((failed.withheld(), failed.sent.len()), (Some(Code::AGENT_LOST), 0));
    let done = net.send(inform(P));
    assert_eq!((done.withheld(), done.flags(), done.sent.len()), (None, flags::LATE, 0));
}

#[test]
fn a_lost_bid_is_told_once() {
    let mut net = bid(&[P]);
    assert_eq!(net.lose(P).letters(), ["failure 11>1 re 111 agent-lost"]);
    assert!(net.undeliver(propose(P), Code::AGENT_STOPPED).sent.is_empty());
}

#[test]
fn a_removed_agents_call_is_told_once() {
    let mut net = called(&[P]);
    let seen = net.observe(&[
        loss(Code::AGENT_STOPPED),
        say(I, P, "cfp").with(111).by(T0 + 1_000).undeliverable(Code::AGENT_STOPPED),
    ]);
    assert_eq!(seen.letters(), ["failure 11>1 re 111 agent-lost"]);
}

#[test]
fn an_agent_outside_of_the_server_that_is_lost_is_gone_for_good() {
    assert_eq!(told(&[&[loss(Code::ATTACHMENT_LOST)], &[poison()]]), one_failure("CX0613"));
    let mut net = called(&[P]);
    assert_eq!(net.observe(&[loss(Code::ATTACHMENT_LOST)]).letters(), ["failure 11>1 re 111 agent-lost"]);
}

#[test]
fn a_call_that_comes_to_nothing_after_its_reply_by_is_not_told() {
    let mut net = called(&[P]);
    net.at(T0 + 1_001);
    assert!(net.undeliver(crate::auction::cfp(P), Code::AGENT_STOPPED).sent.is_empty());
}

#[test]
fn an_overdue_result_is_told_once_when_the_acceptance_then_comes_to_nothing() {
    let mut net = accepted(&[P]);
    assert_eq!(net.at(T0 + 5_001).letters(), ["failure 11>1 re 311 result-overdue"]);
    assert!(net.observe(&[poison()]).sent.is_empty());
}

#[test]
fn a_bidder_of_a_removed_initiator_is_told_once() {
    let mut net = bid(&[P]);
    assert_eq!(net.lose(I).letters(), ["reject-proposal 1>11 re 211 agent-lost"]);
    assert!(net.undeliver(propose(P), Code::AGENT_STOPPED).sent.is_empty());
}

#[test]
fn a_rejection_or_refusal_that_comes_to_nothing_is_not_answered() {
    let mut net = bid(&[P]);
    net.send(reject(P));
    assert!(net.undeliver(reject(P), Code::POISON).sent.is_empty());
    let mut net = called(&[P]);
    net.send(say(P, I, "refuse").re(111));
    assert!(net.undeliver(say(P, I, "refuse").re(111), Code::MAILBOX_FULL).sent.is_empty());
}

#[test]
fn a_result_that_comes_to_nothing_is_told_to_the_contractor() {
    let mut net: Net = accepted(&[P]);
    net.send(inform(P));
    assert_eq!(net.undeliver(inform(P), Code::MAILBOX_FULL).letters(), ["failure 1>11 re 0 mailbox-full"]);
}
