//! Rows 1 to 8 of contract net: the call, its answers, the deadline. A test's name names its row.

use caxton_plugin::{Code, flags};

use crate::{
    auction::{accept, bid, called, cfp, propose},
    kit::{I, Net, P, Q, T0, say},
};

#[test]
fn row_01_a_call_opens_a_session_for_each_participant() {
    let mut net = Net::new();
    let seen = net.observe(&[cfp(P).observed(), cfp(Q).observed()]);
    assert!(seen.delivered());
    assert_eq!(seen.moves, ["11 - > AWAIT_BID", "12 - > AWAIT_BID"]);
    assert_eq!(net.next_timer().unwrap().1, T0 + 1_001);
}

#[test]
fn row_01_another_agent_cannot_call_in_a_conversation_that_exists() {
    let mut net = called(&[P]);
    let seen = net.send(say(Q, P, "cfp").with(9));
    assert_eq!(seen.withheld(), Some(Code::CONVERSATION_EXISTS));
    assert_eq!(seen.letters(), ["not-understood 99>12 re 9 conversation-exists"]);
    assert_eq!(net.states(), ["AWAIT_BID"]);
}

#[test]
fn row_01_a_second_call_to_the_same_session_is_out_of_sequence() {
    let mut net = called(&[P]);
    assert_eq!(net.send(cfp(P)).withheld(), Some(Code::UNEXPECTED_ACT));
}

#[test]
fn row_01_the_conversation_decides_at_the_latest_reply_by() {
    let mut net = called(&[P]);
    net.send(say(I, Q, "cfp").with(112).by(T0 + 3_000));
    net.send(propose(P));
    assert!(!net.at(T0 + 2_999).moves.iter().any(|text| text.ends_with("DECIDING")));
    assert_eq!(net.at(T0 + 3_001).moves, ["12 AWAIT_BID > NO_REPLY", "1 COLLECTING > DECIDING"]);
}

#[test]
fn row_02_a_proposal_in_time_is_stored_with_its_validity() {
    let mut net = called(&[P, Q]);
    net.at(T0 + 1_000);
    let seen = net.send(propose(P).by(T0 + 9_000));
    assert!(seen.delivered());
    assert_eq!(seen.moves[0], "11 AWAIT_BID > BID");
    assert_eq!(net.describe()["sessions"][0]["valid_until_ms"], T0 + 9_000);
}

#[test]
fn row_02_a_proposal_that_answers_another_call_is_out_of_sequence() {
    let mut net = called(&[P]);
    for in_reply_to in [0, 112, 999] {
        let seen = net.send(propose(P).re(in_reply_to));
        assert_eq!(seen.withheld(), Some(Code::UNEXPECTED_ACT));
    }
    assert_eq!(net.states(), ["AWAIT_BID"]);
}

#[test]
fn row_02_a_second_bid_in_a_session_is_out_of_sequence() {
    let mut net = bid(&[P]);
    assert_eq!(net.send(propose(P)).withheld(), Some(Code::UNEXPECTED_ACT));
    assert_eq!(net.states(), ["BID"]);
}

#[test]
fn row_03_a_refusal_ends_the_session() {
    let mut net = called(&[P]);
    let seen = net.send(say(P, I, "refuse").re(111));
    assert!(seen.delivered());
    assert_eq!((seen.moves, seen.closed), (vec!["11 AWAIT_BID > REFUSED".into()], vec!["no-bids".into()]));
}

#[test]
fn row_04_not_understood_ends_the_session() {
    let mut net = called(&[P]);
    let seen = net.send(say(P, I, "not-understood").re(111));
    assert!(seen.delivered());
    assert_eq!(seen.moves, ["11 AWAIT_BID > NOT_UNDERSTOOD"]);
}

#[test]
fn row_05_an_undeliverable_call_fails_on_the_participants_behalf() {
    let mut net = called(&[P, Q]);
    let seen = net.undeliver(cfp(P), Code::MAILBOX_FULL);
    assert_eq!(seen.letters(), ["failure 11>1 re 111 mailbox-full"]);
    assert_eq!(seen.sent[0].head.flags, flags::PLATFORM | flags::ON_BEHALF);
    assert_eq!(net.states(), ["FAILED", "AWAIT_BID"]);
}

#[test]
fn row_05_a_call_that_trapped_its_receiver_fails_with_the_trap() {
    let mut net = called(&[P]);
    let seen = net.undeliver(cfp(P), Code::TRAP_DEADLINE);
    assert_eq!(seen.letters(), ["failure 11>1 re 111 trap-deadline"]);
    assert_eq!(seen.moves, ["11 AWAIT_BID > FAILED"]);
}

#[test]
fn row_06_silence_until_reply_by_counts_as_a_refusal() {
    let mut net = called(&[P]);
    assert!(net.at(T0 + 1_000).moves.is_empty());
    let seen = net.at(T0 + 1_001);
    assert_eq!(seen.moves, ["11 AWAIT_BID > NO_REPLY"]);
    assert_eq!(seen.closed, ["no-bids"]);
    assert!(seen.sent.is_empty());
}

#[test]
fn row_07_a_late_proposal_is_rejected_automatically() {
    let mut net = called(&[P, Q]);
    net.send(propose(Q));
    net.at(T0 + 1_001);
    let seen = net.send(propose(P));
    assert_eq!(seen.withheld(), Some(Code::BID_LATE));
    assert_eq!(seen.letters(), ["reject-proposal 1>11 re 211 late"]);
    assert_eq!(seen.moves, ["11 NO_REPLY > LATE"]);
}

#[test]
fn row_07_a_late_proposal_is_rejected_after_the_conversation_closed() {
    let mut net = called(&[P]);
    assert_eq!(net.at(T0 + 1_001).closed, ["no-bids"]);
    let seen = net.send(propose(P));
    assert_eq!(seen.letters(), ["reject-proposal 1>11 re 211 late"]);
    assert!(seen.closed.is_empty(), "it closes once");
}

#[test]
fn row_07_a_late_refusal_is_withheld_in_silence() {
    let mut net = called(&[P]);
    net.at(T0 + 1_001);
    let seen = net.send(say(P, I, "refuse").re(111));
    assert_eq!((seen.withheld(), seen.sent.len(), seen.moves.len()), (Some(Code::BID_LATE), 0, 0));
}

#[test]
fn row_08_the_conversation_decides_when_every_session_left_await_bid() {
    let mut net = called(&[P, Q]);
    assert_eq!(net.phase(), "COLLECTING");
    net.send(propose(P));
    let seen = net.send(say(Q, I, "refuse").re(112));
    assert_eq!(seen.moves, ["12 AWAIT_BID > REFUSED", "1 COLLECTING > DECIDING"]);
    assert_eq!(net.phase(), "DECIDING");
}

#[test]
fn row_08_the_initiator_may_accept_before_all_have_answered() {
    let mut net = called(&[P, Q]);
    net.send(propose(P));
    assert_eq!(net.send(accept(P)).moves, ["11 BID > ACCEPTED"]);
    assert_eq!(net.phase(), "COLLECTING");
}
