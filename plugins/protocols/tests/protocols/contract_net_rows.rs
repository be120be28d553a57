//! Rows 9 to 19 of contract net: the decision, the work, the cancel, all else. A test's name names its row.

use caxton_plugin::{Code, flags};

use crate::{
    auction::{accept, accepted, bid, called, inform, propose, reject},
    kit::{AMS, I, Net, P, Q, R, Seen, T0, agent_lost, say},
};

#[test]
fn row_09_an_acceptance_makes_the_commitment() {
    let mut net = bid(&[P]);
    let seen = net.send(accept(P).by(T0 + 5_000));
    assert!(seen.delivered());
    assert_eq!(seen.moves, ["11 BID > ACCEPTED"]);
    assert_eq!(net.describe()["sessions"][0]["deadline_ms"], T0 + 5_000);
}

#[test]
fn row_09_an_acceptance_without_reply_by_gets_the_default() {
    let mut net = bid(&[P]);
    assert_eq!(net.send(accept(P)).reply_by(), T0 + 300_000);
}

#[test]
fn row_10_a_rejection_ends_the_session() {
    let mut net = bid(&[P]);
    let seen = net.send(reject(P));
    assert!(seen.delivered());
    assert_eq!((seen.moves, seen.closed), (vec!["11 BID > REJECTED".into()], vec!["rejected".into()]));
}

#[test]
fn row_10_a_bid_stands_while_any_accepted_session_works() {
    let mut net = accepted(&[P, Q, R]);
    net.send(accept(Q).by(T0 + 5_000));
    assert_eq!(net.send(inform(P)).moves, ["11 ACCEPTED > DONE"]);
    assert!(net.at(T0 + 1_001).moves.is_empty());
    assert_eq!(net.send(inform(Q)).moves, ["12 ACCEPTED > DONE"]);
    assert_eq!(net.at(T0 + 2_002).moves, ["13 BID > REJECTED"]);
}

#[test]
fn row_10_a_bid_left_unanswered_is_rejected_when_the_decision_times_out() {
    let mut net = bid(&[P, Q]);
    net.send(accept(P).by(T0 + 200_000));
    let seen = net.at(T0 + 60_001);
    assert_eq!(seen.letters(), ["reject-proposal 1>12 re 212 not-selected"]);
    assert_eq!(net.states(), ["ACCEPTED", "REJECTED"]);
}

#[test]
fn row_10_a_runner_up_may_be_accepted_after_the_winner_failed() {
    let mut net = accepted(&[P, Q]);
    let seen = net.send(say(P, I, "failure").re(311));
    assert_eq!(seen.moves, ["11 ACCEPTED > FAILED", "1 PERFORMING > DECIDING"]);
    assert!(net.send(accept(Q).by(T0 + 5_000)).delivered());
    assert_eq!(net.send(inform(Q)).closed, ["completed"]);
}

#[test]
fn row_10_the_time_to_decide_starts_anew_when_the_winner_failed() {
    let mut net = accepted(&[P, Q]);
    net.at(T0 + 4_000);
    net.send(say(P, I, "failure").re(311));
    assert!(net.at(T0 + 64_000).moves.is_empty());
    assert_eq!(net.at(T0 + 64_001).letters(), ["reject-proposal 1>12 re 212 not-selected"]);
}

#[test]
fn row_11_a_bid_expires_with_its_validity() {
    let mut net = called(&[P]);
    net.send(propose(P).by(T0 + 2_000));
    assert!(net.at(T0 + 2_000).moves.is_empty());
    let seen = net.at(T0 + 2_001);
    assert_eq!((seen.moves, seen.closed), (vec!["11 BID > EXPIRED".into()], vec!["no-decision".into()]));
}

#[test]
fn row_12_a_result_ends_the_session_and_the_conversation() {
    let mut net = accepted(&[P]);
    let seen = net.send(inform(P));
    assert!(seen.delivered());
    assert_eq!((seen.moves, seen.closed), (vec!["11 ACCEPTED > DONE".into()], vec!["completed".into()]));
    assert_eq!(net.run_out(), Seen::default(), "a timer that is left does nothing");
}

#[test]
fn row_13_a_failure_ends_the_session() {
    let mut net = accepted(&[P]);
    let seen = net.send(say(P, I, "failure").re(311));
    assert!(seen.delivered());
    assert_eq!((seen.moves, seen.closed), (vec!["11 ACCEPTED > FAILED".into()], vec!["failed".into()]));
}

#[test]
fn row_13_the_engine_emits_the_failure_of_a_lost_agent() {
    let mut net = accepted(&[P, Q]);
    let seen = net.lose(P);
    assert_eq!(seen.letters(), ["failure 11>1 re 311 agent-lost"]);
    assert_eq!(net.states(), ["FAILED", "BID"]);
}

#[test]
fn row_13_a_bid_of_a_lost_agent_fails_and_an_unanswered_call_waits_on() {
    let mut net = called(&[P, Q]);
    net.send(propose(P));
    let seen = net.observe(&[agent_lost(P, &[]), agent_lost(Q, &[])]);
    assert_eq!(seen.letters(), ["failure 11>1 re 111 agent-lost"]);
    assert_eq!(net.states(), ["FAILED", "AWAIT_BID"]);
}

#[test]
fn row_05_a_call_fails_when_its_agent_leaves_for_good() {
    let mut net = called(&[P, Q]);
    assert_eq!(net.remove(P).letters(), ["failure 11>1 re 111 agent-lost"]);
    assert_eq!(net.states(), ["FAILED", "AWAIT_BID"]);
}

#[test]
fn a_loss_that_names_a_conversation_concerns_that_one_only() {
    let mut net = bid(&[P]);
    net.send(crate::auction::accept(P));
    let mut lost = agent_lost(P, &[]);
    lost.envelope.head.conversation = caxton_plugin::Uid::from_u128(999);
    assert!(net.observe(std::slice::from_ref(&lost)).sent.is_empty());
    lost.envelope.head.conversation = crate::kit::C;
    assert_eq!(net.observe(&[lost]).letters(), ["failure 11>1 re 311 agent-lost"]);
}

#[test]
fn row_13_a_bid_that_never_arrived_is_void() {
    let mut net = bid(&[P]);
    let seen = net.undeliver(propose(P), Code::MAILBOX_FULL);
    assert_eq!(seen.letters(), ["failure 1>11 re 211 mailbox-full"]);
    assert_eq!(net.states(), ["FAILED"]);
}

#[test]
fn row_14_not_understood_ends_an_accepted_session() {
    let mut net = accepted(&[P]);
    let seen = net.send(say(P, I, "not-understood").re(311));
    assert!(seen.delivered());
    assert_eq!(seen.moves, ["11 ACCEPTED > NOT_UNDERSTOOD"]);
}

#[test]
fn row_15_the_initiator_is_told_when_the_result_is_overdue() {
    let mut net = accepted(&[P]);
    let seen = net.at(T0 + 5_001);
    assert_eq!(seen.moves, ["11 ACCEPTED > OVERDUE"]);
    assert_eq!(seen.letters(), ["failure 11>1 re 311 result-overdue"]);
    assert_eq!(seen.closed, ["failed"]);
}

#[test]
fn row_15_a_late_result_is_delivered_flagged_late() {
    let mut net = accepted(&[P]);
    net.at(T0 + 5_001);
    let seen = net.send(inform(P));
    assert_eq!((seen.withheld(), seen.flags()), (None, flags::LATE));
    assert!(seen.moves.is_empty() && seen.sent.is_empty());
}

#[test]
fn row_16_the_initiator_may_cancel_in_any_state_that_is_not_final() {
    for (mut net, from) in [(called(&[P]), "AWAIT_BID"), (bid(&[P]), "BID"), (accepted(&[P]), "ACCEPTED")] {
        let seen = net.send(say(I, P, "cancel").with(400));
        assert_eq!(seen.withheld(), None);
        assert_eq!(seen.moves, [format!("11 {from} > CANCELLING")]);
    }
}

#[test]
fn row_17_informing_of_the_cancel_ends_the_session() {
    let mut net = accepted(&[P]);
    net.send(say(I, P, "cancel").with(400));
    let seen = net.send(say(P, I, "inform").re(400));
    assert!(seen.delivered());
    assert_eq!(
        (seen.moves, seen.closed),
        (vec!["11 CANCELLING > CANCELLED".into()], vec!["cancelled".into()])
    );
}

#[test]
fn row_17_a_failed_cancel_leads_back_with_the_old_deadline() {
    let mut net = accepted(&[P]);
    net.send(say(I, P, "cancel").with(400));
    let seen = net.send(say(P, I, "failure").re(400));
    assert_eq!(seen.moves, ["11 CANCELLING > ACCEPTED"]);
    assert_eq!(net.at(T0 + 5_001).moves, ["11 ACCEPTED > OVERDUE"]);
}

#[test]
fn row_17_an_undeliverable_cancel_leads_back() {
    let mut net = accepted(&[P]);
    net.send(say(I, P, "cancel").with(400));
    let seen = net.undeliver(say(I, P, "cancel").with(400), Code::MAILBOX_FULL);
    assert_eq!(seen.letters(), ["failure 11>1 re 400 mailbox-full"]);
    assert_eq!(net.states(), ["ACCEPTED"]);
}

#[test]
fn row_17_a_cancel_without_an_answer_ends_the_session() {
    let mut net = accepted(&[P]);
    net.send(say(I, P, "cancel").with(400));
    let seen = net.at(T0 + 30_001);
    assert_eq!(seen.moves, ["11 CANCELLING > CANCELLED"]);
    assert_eq!(seen.letters(), ["failure 11>1 re 400 no-reply"]);
}

#[test]
fn row_18_a_result_that_crosses_the_cancel_wins() {
    let mut net = accepted(&[P]);
    net.send(say(I, P, "cancel").with(400));
    let seen = net.send(inform(P));
    assert_eq!(seen.withheld(), None);
    assert_eq!(seen.moves, ["11 CANCELLING > DONE"]);
    assert_eq!(seen.closed, ["completed"]);
}

#[test]
fn row_19_anything_else_changes_nothing() {
    let mut net = called(&[P]);
    let seen = net.send(say(P, I, "subscribe").with(8));
    assert_eq!(seen.withheld(), Some(Code::UNEXPECTED_ACT));
    assert_eq!(seen.letters(), [format!("not-understood {AMS}>11 re 8 unexpected-act")]);
    assert_eq!(net.states(), ["AWAIT_BID"]);
}

#[test]
fn row_19_an_act_of_the_other_role_is_refused_as_such() {
    let mut net = bid(&[P]);
    assert_eq!(net.send(say(P, I, "accept-proposal").re(211)).withheld(), Some(Code::NOT_A_ROLE));
    assert_eq!(net.send(say(I, P, "propose").re(211)).withheld(), Some(Code::NOT_A_ROLE));
}

#[test]
fn row_19_an_agent_that_was_not_called_has_no_role() {
    let mut net = called(&[P]);
    let seen = net.send(say(Q, I, "propose").re(111));
    assert_eq!(seen.withheld(), Some(Code::NOT_A_ROLE));
    assert_eq!(net.send(say(P, Q, "propose").re(111)).withheld(), Some(Code::NOT_A_ROLE));
}

#[test]
fn row_19_a_message_of_an_unknown_conversation_is_not_understood() {
    let seen = Net::new().send(propose(P));
    assert_eq!(seen.withheld(), Some(Code::CONVERSATION_UNKNOWN));
    assert_eq!(seen.letters(), ["not-understood 99>11 re 211 conversation-unknown"]);
}
