//! One test for each ruling, F1 to F12, in the words of the ruling.

use caxton_plugin::{Code, flags};
use caxton_protocols::{Config, config::OutOfSequence};

use crate::{
    auction::{accept, bid, cfp, propose},
    kit::{C, I, NUMBERS, Net, P, Q, R, T0, agent_lost, say},
};

#[test]
fn ruling_f01_a_call_past_its_reply_by_closes_with_zero_bids() {
    let mut net = Net::new();
    let calls = [cfp(P).by(T0 - 1).observed(), cfp(Q).by(T0 - 1).observed()];
    let seen = net.observe(&calls);
    assert!(seen.verdicts.values().all(|verdict| verdict.2 == Some(Code::EXPIRED)));
    assert_eq!(seen.letters(), ["failure 11>1 re 111 expired", "failure 12>1 re 112 expired"]);
    assert_eq!(seen.closed, ["no-bids"]);
    assert!(net.timers.is_empty());
}

#[test]
fn ruling_f02_a_call_without_reply_by_gets_the_default_that_both_sides_see() {
    let mut net = Net::new();
    assert_eq!(net.send(cfp(P).by(0)).reply_by(), T0 + 30_000);
    assert_eq!(net.describe()["sessions"][0]["reply_by_ms"], T0 + 30_000);
}

#[test]
fn ruling_f03_the_engines_clock_decides_lateness_not_the_timer() {
    let mut net = Net::new();
    net.observe(&[cfp(P).observed(), cfp(Q).observed()]);
    net.now = T0 + 1_000;
    assert!(net.send(propose(P)).delivered(), "in time at reply-by itself");
    net.now = T0 + 1_001;
    let seen = net.send(propose(Q));
    assert_eq!(seen.moves, ["12 AWAIT_BID > NO_REPLY", "12 NO_REPLY > LATE", "1 COLLECTING > DECIDING"]);
}

#[test]
fn ruling_f03_each_deadline_counts_for_itself() {
    let mut net = Net::new();
    net.observe(&[cfp(P).observed(), cfp(Q).by(T0 + 1_001).observed()]);
    assert_eq!(net.at(T0 + 1_001).moves, ["11 AWAIT_BID > NO_REPLY"]);
    assert!(net.send(propose(Q)).delivered(), "in time at its own reply-by");
}

#[test]
fn ruling_f04_a_late_bid_is_rejected_unseen_and_visible_in_the_trace() {
    let mut net = Net::new();
    net.send(cfp(P));
    net.at(T0 + 1_500);
    let seen = net.send(propose(P));
    assert_eq!(seen.withheld(), Some(Code::BID_LATE));
    assert_eq!(seen.moves, ["11 NO_REPLY > LATE"]);
    let sent = &seen.sent[0];
    assert_eq!((sent.act, sent.from, sent.to), ("reject-proposal", I, P));
    assert_eq!(sent.head.flags, flags::PLATFORM | flags::ON_BEHALF);
    assert_eq!((sent.head.conversation, sent.head.protocol), (C, NUMBERS.contract_net));
    assert_eq!((sent.head.trace.trace, sent.head.trace.span), (C, 5), "in the late bid's trace");
    assert!(sent.content.contains(r#""code":"CX0501""#), "{}", sent.content);
}

#[test]
fn ruling_f05_an_initiator_that_never_decides_rejects_all() {
    let mut net = bid(&[P, Q]);
    assert!(net.at(T0 + 60_000).sent.is_empty());
    let seen = net.at(T0 + 60_001);
    let expected = ["reject-proposal 1>11 re 211 no-decision", "reject-proposal 1>12 re 212 no-decision"];
    assert_eq!(seen.letters(), expected);
    assert_eq!(seen.closed, ["no-decision"]);
}

#[test]
fn ruling_f06_accepting_an_expired_bid_fails_and_the_participant_is_not_disturbed() {
    let mut net = Net::new();
    net.observe(&[cfp(P).observed(), cfp(Q).observed()]);
    net.send(propose(P).by(T0 + 500));
    net.now = T0 + 501;
    let seen = net.send(accept(P));
    assert_eq!(seen.withheld(), Some(Code::BID_EXPIRED));
    assert_eq!(seen.letters(), ["failure 11>1 re 311 bid-expired"]);
    assert_eq!(net.states(), ["EXPIRED", "AWAIT_BID"]);
}

#[test]
fn ruling_f07_a_contractor_that_traps_after_accept_fails_with_agent_lost() {
    let mut net = bid(&[P]);
    net.send(accept(P));
    let seen = net.undeliver(accept(P), Code::TRAP_UNREACHABLE);
    assert_eq!(seen.letters(), ["failure 11>1 re 311 agent-lost"]);
    assert!(seen.sent[0].content.contains(r#""cause":"CX0433""#), "{}", seen.sent[0].content);
    assert_eq!(seen.closed, ["failed"]);
}

#[test]
fn ruling_f07_a_contractor_that_is_removed_after_accept_fails_linked_to_the_trap() {
    let mut net = bid(&[P]);
    net.send(accept(P));
    let seen = net.lose(P);
    assert_eq!(seen.letters(), ["failure 11>1 re 311 agent-lost"]);
    assert_eq!(seen.sent[0].head.trace.span, 77, "the span of the loss");
}

#[test]
fn ruling_f07_a_conversation_that_is_tried_again_is_spared() {
    let mut net = bid(&[P]);
    net.send(accept(P));
    let seen = net.observe(&[agent_lost(P, &[C])]);
    assert_eq!((seen.sent.len(), net.states()), (0, vec!["ACCEPTED".to_owned()]));
}

/// The kernel keeps the old instance for its commitments; for the engine the same address goes on.
#[test]
fn ruling_f08_commitments_stay_with_the_session_while_an_agent_is_replaced() {
    let mut net = bid(&[P]);
    net.send(accept(P));
    let other = cfp(P).conversation(8);
    assert!(net.send(other).delivered(), "the new instance gets new calls");
    assert_eq!(net.send(say(P, I, "inform").re(311)).closed, ["completed"]);
}

#[test]
fn ruling_f09_a_result_that_crosses_the_cancel_answers_it_with_already_done() {
    let mut net = bid(&[P]);
    net.send(accept(P));
    net.send(say(I, P, "cancel").with(400));
    let seen = net.send(say(P, I, "inform").re(311));
    assert_eq!(seen.letters(), ["failure 11>1 re 400 already-done"]);
    let answer = net.send(say(P, I, "inform").re(400));
    assert_eq!((answer.withheld(), answer.sent.len()), (Some(Code::ALREADY_DONE), 0));
}

#[test]
fn ruling_f09_a_cancel_after_the_result_is_answered_with_already_done() {
    let mut net = bid(&[P]);
    net.send(accept(P));
    net.send(say(P, I, "inform").re(311));
    let seen = net.send(say(I, P, "cancel").with(400));
    assert_eq!(seen.withheld(), Some(Code::ALREADY_DONE));
    assert_eq!(seen.letters(), ["failure 11>1 re 400 already-done"]);
}

#[test]
fn ruling_f10_never_a_not_understood_for_a_not_understood() {
    let mut net = bid(&[P]);
    let seen = net.send(say(P, I, "not-understood"));
    assert_eq!((seen.withheld(), seen.flags(), seen.sent.len()), (None, flags::OUT_OF_SEQUENCE, 0));
    let stranger = net.send(say(R, I, "not-understood"));
    assert_eq!((stranger.withheld(), stranger.sent.len()), (Some(Code::NOT_A_ROLE), 0));
}

#[test]
fn ruling_f10_the_answer_names_the_act_and_the_state() {
    let mut net = bid(&[P]);
    let seen = net.send(say(P, I, "inform").with(6));
    assert_eq!(seen.letters(), ["not-understood 99>11 re 6 unexpected-act"]);
    assert_eq!(seen.sent[0].head.flags, flags::PLATFORM);
    let content: serde_json::Value = serde_json::from_str(&seen.sent[0].content).unwrap();
    assert_eq!((content["act"].as_str(), content["state"].as_str()), (Some("inform"), Some("BID")));
}

#[test]
fn ruling_f10_the_policy_can_drop_or_deliver_flagged() {
    let policy = |out_of_sequence| {
        let mut net = Net::with(Config { out_of_sequence, ..Config::default() });
        net.send(cfp(P));
        let seen = net.send(say(P, I, "inform"));
        (seen.withheld(), seen.flags(), seen.sent.len())
    };
    assert_eq!(policy(OutOfSequence::Drop), (Some(Code::UNEXPECTED_ACT), 0, 0));
    assert_eq!(policy(OutOfSequence::Deliver), (None, flags::OUT_OF_SEQUENCE, 0));
}

#[test]
fn ruling_f11_one_agent_may_be_initiator_and_participant() {
    let mut net = Net::new();
    net.observe(&[cfp(I).observed(), cfp(P).observed()]);
    assert!(net.send(propose(I)).delivered());
    assert!(net.send(say(P, I, "refuse").re(111)).delivered());
    assert_eq!(net.send(accept(I)).moves, ["1 BID > ACCEPTED"]);
    assert_eq!(net.send(say(I, I, "inform").re(301)).closed, ["completed"]);
}

#[test]
fn ruling_f11_two_sessions_of_one_participant_are_told_apart_by_reply_with() {
    let mut net = Net::new();
    net.observe(&[cfp(P).with(1).observed(), cfp(P).with(2).observed()]);
    assert_eq!(net.send(say(P, I, "refuse")).withheld(), Some(Code::UNEXPECTED_ACT), "either is meant");
    assert!(net.send(say(P, I, "propose").with(21).re(2)).delivered());
    assert_eq!(net.states(), ["AWAIT_BID", "BID"]);
    assert!(net.send(say(P, I, "refuse").re(1)).delivered());
    assert_eq!(net.states(), ["REFUSED", "BID"]);
}

#[test]
fn ruling_f12_one_conversation_id_serves_all_participants() {
    let net = bid(&[P, Q, R]);
    let described = net.describe();
    let keys: Vec<_> = (0..3).map(|at| described["sessions"][at]["session"].as_u64().unwrap()).collect();
    assert_eq!(keys, [111, 112, 113]);
    assert_eq!(net.engine.open_conversations(), 1);
}

#[test]
fn ruling_f12_calls_without_reply_with_are_keyed_by_participant() {
    let mut net = Net::new();
    net.observe(&[cfp(P).with(0).observed(), cfp(Q).with(0).observed()]);
    assert!(net.send(say(Q, I, "propose")).delivered());
    assert_eq!(net.states(), ["AWAIT_BID", "BID"]);
}
