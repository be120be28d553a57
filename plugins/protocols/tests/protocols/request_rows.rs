//! Request, row by row, and the cancel meta-protocol.

use caxton_plugin::{Code, flags};

use crate::kit::{I, NUMBERS, Net, P, Q, T0, ask};

fn requested() -> Net {
    let mut net = Net::new();
    assert!(net.send(ask(I, P, "request").with(100).by(T0 + 1_000)).delivered());
    net
}

fn agreed() -> Net {
    let mut net = requested();
    assert!(net.send(ask(P, I, "agree").re(100)).delivered());
    net
}

#[test]
fn row_1_a_request_opens_a_session_with_a_bound() {
    let mut net = Net::new();
    assert_eq!(net.send(ask(I, P, "request").with(100)).reply_by(), T0 + 30_000);
    assert_eq!(net.states(), ["REQUESTED"]);
}

#[test]
fn row_1_a_stale_request_is_over_at_once() {
    let seen = Net::new().send(ask(I, P, "request").with(100).by(T0 - 1));
    assert_eq!(seen.withheld(), Some(Code::EXPIRED));
    assert_eq!(seen.letters(), ["failure 11>1 re 100 expired"]);
    assert_eq!(seen.closed, ["no-reply"]);
}

#[test]
fn row_2_a_refusal_ends_it() {
    assert_eq!(requested().send(ask(P, I, "refuse").re(100)).closed, ["refused"]);
}

#[test]
fn row_3_an_agreement_lifts_the_bound_of_the_first_answer() {
    let mut net = agreed();
    assert!(net.at(T0 + 2_000).moves.is_empty());
    assert_eq!(net.states(), ["AGREED"]);
}

#[test]
fn row_3_a_refusal_after_an_agreement_is_out_of_sequence() {
    assert_eq!(agreed().send(ask(P, I, "refuse").re(100)).withheld(), Some(Code::UNEXPECTED_ACT));
}

#[test]
fn row_4_a_result_ends_it_and_the_agreement_may_be_skipped() {
    assert_eq!(agreed().send(ask(P, I, "inform").re(100)).closed, ["completed"]);
    assert_eq!(requested().send(ask(P, I, "inform").re(100)).closed, ["completed"]);
}

#[test]
fn row_5_a_request_that_was_taken_fails_when_its_agent_leaves_for_good() {
    let mut net = requested();
    let seen = net.remove(P);
    assert_eq!(seen.letters(), ["failure 11>1 re 100 agent-lost"]);
    assert_eq!(seen.closed, ["failed"]);
}

#[test]
fn row_5_a_request_waits_on_when_only_the_instance_is_lost() {
    let mut net = requested();
    assert!(net.lose(P).sent.is_empty());
    assert_eq!(net.states(), ["REQUESTED"]);
}

#[test]
fn row_5_what_the_last_turn_of_a_removed_agent_answers_is_delivered_late() {
    let mut net = requested();
    net.remove(P);
    let done = net.send(ask(P, I, "inform").re(100));
    assert_eq!((done.withheld(), done.flags(), done.sent.len()), (None, flags::LATE, 0));
}

#[test]
fn row_5_a_failure_ends_it() {
    assert_eq!(agreed().send(ask(P, I, "failure").re(100)).closed, ["failed"]);
    assert_eq!(requested().send(ask(P, I, "failure").re(100)).closed, ["failed"]);
}

#[test]
fn row_5_an_undeliverable_request_and_a_lost_agent_fail_on_the_participants_behalf() {
    let seen = requested().undeliver(ask(I, P, "request").with(100), Code::UNKNOWN_RECEIVER);
    assert_eq!(seen.letters(), ["failure 11>1 re 100 unknown-receiver"]);
    assert_eq!(agreed().lose(P).letters(), ["failure 11>1 re 100 agent-lost"]);
}

#[test]
fn row_6_not_understood_ends_it() {
    assert_eq!(requested().send(ask(P, I, "not-understood").re(100)).closed, ["failed"]);
    assert_eq!(agreed().send(ask(P, I, "not-understood").re(100)).closed, ["failed"]);
}

#[test]
fn row_7_silence_until_reply_by_is_told_and_a_late_answer_is_flagged() {
    let mut net = requested();
    let seen = net.at(T0 + 1_001);
    assert_eq!(seen.letters(), ["failure 11>1 re 100 no-reply"]);
    assert_eq!(seen.closed, ["no-reply"]);
    assert_eq!(net.send(ask(P, I, "inform").re(100)).flags(), flags::LATE);
}

#[test]
fn row_8_a_result_that_is_overdue_is_told() {
    let mut net = agreed();
    assert_eq!(net.at(T0 + 300_001).letters(), ["failure 11>1 re 100 result-overdue"]);
    assert_eq!(net.send(ask(P, I, "inform").re(100)).flags(), flags::LATE);
}

#[test]
fn rows_9_and_10_the_cancel_meta_protocol_goes_by_either_token() {
    for token in [NUMBERS.request, NUMBERS.cancel_meta] {
        let mut net = agreed();
        assert_eq!(net.send(ask(I, P, "cancel").with(400).protocol(token)).withheld(), None);
        assert_eq!(net.send(ask(P, I, "inform").re(400).protocol(token)).closed, ["cancelled"]);
    }
}

#[test]
fn row_10_a_failed_cancel_leads_back() {
    let mut net = agreed();
    net.send(ask(I, P, "cancel").with(400));
    net.send(ask(P, I, "failure").re(400));
    assert_eq!(net.states(), ["AGREED"]);
}

#[test]
fn row_11_the_result_wins_over_the_cancel() {
    let mut net = agreed();
    net.send(ask(I, P, "cancel").with(400));
    let seen = net.send(ask(P, I, "inform").re(100));
    assert_eq!(seen.letters(), ["failure 11>1 re 400 already-done"]);
    assert_eq!(seen.closed, ["completed"]);
}

#[test]
fn a_message_of_another_protocol_does_not_fit_the_conversation() {
    let seen = requested().send(ask(P, I, "propose").re(100).protocol(NUMBERS.contract_net));
    assert_eq!(seen.withheld(), Some(Code::CONVERSATION_EXISTS));
}

#[test]
fn a_conversation_may_hold_requests_to_several() {
    let mut net = requested();
    net.send(ask(P, I, "refuse").re(100));
    assert!(net.send(ask(I, Q, "request").with(101).by(T0 + 1_000)).delivered());
    assert_eq!(net.send(ask(Q, I, "inform").re(101)).closed, ["completed"]);
}
