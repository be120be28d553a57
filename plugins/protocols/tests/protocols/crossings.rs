//! Messages that cross on their way: both sides did right, so each side is told once and nobody is blamed.

use caxton_plugin::{Action, Code, Protocol, action};

use crate::{
    auction::{accept, accepted, bid, called, cfp, inform, propose, reject},
    kit::{I, Net, P, Q, Seen, T0, ask, say},
};

/// Q's bid was rejected by the engine after the grace, and the conversation is closed.
fn rejected_by_the_engine() -> Net {
    let mut net = accepted(&[P, Q]);
    net.send(inform(P));
    assert_eq!(net.at(T0 + 1_001).closed, ["completed"]);
    net
}

/// The code of a message that was withheld without anything else.
fn silent(seen: &Seen) -> Option<Code> {
    assert!(seen.sent.is_empty() && seen.moves.is_empty() && seen.closed.is_empty(), "{seen:?}");
    seen.withheld()
}

#[test]
fn row_10_the_initiators_reject_that_crosses_the_engines_disturbs_nobody() {
    assert_eq!(silent(&rejected_by_the_engine().send(reject(Q))), Some(Code::REJECTED_UNDECIDED));
}

#[test]
fn a_reject_that_crosses_the_engines_is_withheld_in_silence_in_an_open_conversation() {
    let mut net = bid(&[P, Q]);
    net.send(accept(P).by(T0 + 200_000));
    net.at(T0 + 60_001);
    assert_eq!(net.phase(), "PERFORMING");
    assert_eq!(silent(&net.send(reject(Q))), Some(Code::REJECTED_UNDECIDED));
}

#[test]
fn a_reject_after_the_decision_timed_out_is_withheld_with_that_reason() {
    let mut net = bid(&[P]);
    net.at(T0 + 60_001);
    assert_eq!(silent(&net.send(reject(P))), Some(Code::NO_DECISION));
}

#[test]
fn a_reject_of_a_bid_that_expired_or_came_late_is_withheld_with_that_reason() {
    let mut net = called(&[P, Q]);
    net.send(propose(P).by(T0 + 500));
    net.at(T0 + 1_001);
    net.send(propose(Q));
    assert_eq!(silent(&net.send(reject(P))), Some(Code::BID_EXPIRED));
    assert_eq!(silent(&net.send(reject(Q))), Some(Code::BID_LATE));
}

#[test]
fn a_reject_that_crosses_the_loss_of_the_bidder_is_withheld_in_silence() {
    let mut net = accepted(&[P, Q]);
    net.lose(Q);
    assert_eq!(silent(&net.send(reject(Q))), Some(Code::AGENT_LOST));
}

#[test]
fn a_second_reject_of_the_initiator_is_out_of_sequence() {
    let mut net = accepted(&[P, Q]);
    net.send(reject(Q));
    assert_eq!(net.send(reject(Q).with(7)).letters(), ["not-understood 99>1 re 7 unexpected-act"]);
}

#[test]
fn an_accept_that_crosses_the_engines_reject_fails_with_its_reason() {
    let seen = rejected_by_the_engine().send(accept(Q));
    assert_eq!(seen.withheld(), Some(Code::REJECTED_UNDECIDED));
    assert_eq!(seen.letters(), ["failure 12>1 re 312 not-selected"]);
    let mut net = bid(&[P]);
    net.at(T0 + 60_001);
    assert_eq!(net.send(accept(P)).letters(), ["failure 11>1 re 311 no-decision"]);
}

#[test]
fn an_accept_that_crosses_the_loss_of_the_bidder_fails_with_agent_lost() {
    let mut net = bid(&[P]);
    net.lose(P);
    let seen = net.send(accept(P));
    assert_eq!(seen.withheld(), Some(Code::AGENT_LOST));
    assert_eq!(seen.letters(), ["failure 11>1 re 311 agent-lost"]);
}

#[test]
fn a_proposal_that_crosses_the_cancel_of_a_lost_initiator_is_not_blamed() {
    let mut net = called(&[P]);
    assert_eq!(net.lose(I).letters(), ["cancel 1>11 re 0 agent-lost"]);
    let seen = net.send(propose(P));
    assert!(seen.delivered() && seen.sent.is_empty());
    assert!(net.undeliver(propose(P), Code::UNKNOWN_RECEIVER).sent.is_empty(), "the cancel tells it");
    let confirmed = net.send(say(P, I, "inform"));
    assert_eq!(confirmed.closed, ["initiator-lost"]);
    assert!(net.undeliver(say(P, I, "inform"), Code::UNKNOWN_RECEIVER).sent.is_empty());
}

#[test]
fn a_proposal_that_crosses_a_cancel_counts_again_when_the_cancel_fails() {
    let mut net = called(&[P]);
    net.send(say(I, P, "cancel").with(400));
    assert!(net.send(propose(P)).delivered());
    assert_eq!(net.states(), ["CANCELLING"]);
    assert_eq!(net.send(say(P, I, "failure").re(400)).moves[0], "11 CANCELLING > BID");
    assert!(net.send(accept(P)).withheld().is_none());
    assert_eq!(net.send(inform(P)).closed, ["completed"]);
}

#[test]
fn a_proposal_after_the_calls_reply_by_does_not_count_as_crossing_the_cancel() {
    let mut net = called(&[P]);
    net.send(say(I, P, "cancel").with(400));
    net.now = T0 + 1_001;
    assert_eq!(net.send(propose(P)).withheld(), Some(Code::UNEXPECTED_ACT));
}

#[test]
fn a_refusal_that_crosses_the_cancel_ends_the_session_and_answers_the_cancel() {
    let mut net = called(&[P]);
    net.send(say(I, P, "cancel").with(400));
    let seen = net.send(say(P, I, "refuse").re(111));
    assert_eq!((seen.withheld(), seen.letters()), (None, vec!["failure 11>1 re 400 already-done".into()]));
    assert_eq!(seen.moves, ["11 CANCELLING > REFUSED"]);
    assert_eq!(silent(&net.send(say(P, I, "failure").re(400))), Some(Code::ALREADY_DONE));
}

#[test]
fn an_agreement_that_crosses_the_cancel_of_a_request_counts_again_when_the_cancel_fails() {
    let mut net = Net::new();
    net.send(ask(I, P, "request").with(100).by(T0 + 1_000));
    net.send(ask(I, P, "cancel").with(400));
    assert!(net.send(ask(P, I, "agree").re(100)).delivered());
    assert_eq!(net.send(ask(P, I, "failure").re(400)).moves, ["11 CANCELLING > AGREED"]);
    assert_eq!(net.at(T0 + 300_001).letters(), ["failure 11>1 re 100 result-overdue"]);
}

#[test]
fn a_late_bid_is_withheld_before_its_reject_is_sent() {
    let mut net = called(&[P]);
    net.send(cfp(Q));
    net.send(propose(Q));
    net.at(T0 + 1_001);
    let mut out: Vec<Action> = Vec::new();
    net.engine.observe(&[propose(P).observed()], net.now, &mut out);
    let kinds: Vec<u8> = out.iter().map(|act| act.kind).collect();
    assert_eq!(kinds, [action::WITHHOLD, action::SEND, action::TRANSITION]);
}
