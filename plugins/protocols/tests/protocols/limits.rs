//! What is bounded, and what hostile input does.

use caxton_plugin::{
    Code, Extra, Observation,
    abi::std_types::{RArc, ROption, Tuple2},
    flags,
};
use caxton_protocols::Config;

use crate::kit::{AMS, I, Msg, Net, P, Q, R, T0, say};

#[test]
fn a_conversation_beyond_the_limit_is_refused_until_one_closes() {
    let mut net = Net::with(Config { conversations_max: 1, ..Config::default() });
    net.send(say(I, P, "cfp").with(1));
    let seen = net.send(say(I, P, "cfp").with(2).conversation(8));
    assert_eq!(seen.withheld(), Some(Code::CONVERSATION_LIMIT));
    assert_eq!(seen.letters(), [format!("failure {AMS}>1 re 2 conversation-limit")]);
    net.send(say(P, I, "refuse").re(1));
    assert_eq!(net.send(say(I, P, "cfp").with(3).conversation(9)).withheld(), None);
}

#[test]
fn a_session_beyond_the_limit_is_refused() {
    let mut net = Net::with(Config { sessions_max: 1, ..Config::default() });
    net.send(say(I, P, "cfp").with(1));
    assert_eq!(net.send(say(I, Q, "cfp").with(2)).withheld(), Some(Code::CONVERSATION_LIMIT));
    assert_eq!(net.states(), ["AWAIT_BID"]);
}

#[test]
fn a_reply_by_that_is_too_far_away_is_amended() {
    let mut net = Net::with(Config { reply_by_max_ms: 5_000, ..Config::default() });
    assert_eq!(net.send(say(I, P, "cfp").with(1).by(u64::MAX)).reply_by(), T0 + 5_000);
    assert_eq!(net.at(T0 + 5_001).closed, ["no-bids"]);
}

#[test]
fn a_closed_conversation_is_forgotten_in_time() {
    let mut net = Net::with(Config { closed_keep_ms: 1_000, ..Config::default() });
    net.send(say(I, P, "cfp").with(1));
    net.send(say(P, I, "refuse").re(1));
    net.now = T0 + 1_000;
    assert_eq!(net.send(say(P, I, "refuse").re(1)).withheld(), Some(Code::UNEXPECTED_ACT));
    net.now = T0 + 1_001;
    net.send(say(P, I, "refuse").re(1));
    assert!(net.describe().is_null());
}

#[test]
fn closed_conversations_beyond_the_limit_are_forgotten_first() {
    let mut net = Net::with(Config { closed_max: 1, ..Config::default() });
    for id in 1..=100 {
        net.send(say(I, P, "cfp").with(1).conversation(id));
        net.send(say(P, I, "refuse").re(1).conversation(id));
    }
    let document: serde_json::Value =
        serde_json::from_slice(&caxton_plugin::Protocol::snapshot(&net.engine)).unwrap();
    let kept = document["conversations"].as_array().unwrap().len();
    assert!((1..=16).contains(&kept), "one for each shard at most, found {kept}");
}

#[test]
fn a_further_call_opens_a_conversation_again_that_closed_without_a_bid() {
    let mut net = Net::new();
    net.send(say(I, P, "cfp").with(1));
    assert_eq!(net.send(say(P, I, "refuse").re(1)).closed, ["no-bids"]);
    assert_eq!(net.send(say(I, Q, "cfp").with(2).by(T0 + 9)).withheld(), None);
    net.send(say(Q, I, "propose").with(3).re(2));
    assert_eq!(net.send(say(I, Q, "reject-proposal").re(3)).closed, ["rejected"]);
    assert_eq!(net.send(say(I, R, "cfp").with(4)).withheld(), Some(Code::CONVERSATION_CLOSED));
}

#[test]
fn a_platforms_message_passes_untouched() {
    let seen = Net::new().send(say(AMS, I, "failure").flagged(flags::PLATFORM));
    assert!(seen.delivered() && seen.sent.is_empty());
}

#[test]
fn a_message_of_a_foreign_protocol_passes_untouched() {
    let seen = Net::new().send(say(P, I, "inform").protocol(77));
    assert!(seen.delivered() && seen.sent.is_empty());
}

#[test]
fn a_lost_initiators_bids_are_rejected_and_the_rest_is_cancelled() {
    let mut net = Net::new();
    net.observe(&[P, Q, R].map(|to| say(I, to, "cfp").with(to).observed()));
    net.send(say(P, I, "propose").with(21).re(P));
    net.send(say(Q, I, "propose").with(22).re(Q));
    net.send(say(I, Q, "accept-proposal").with(32).re(22));
    let seen = net.lose(I);
    let expected = [
        "reject-proposal 1>11 re 21 agent-lost",
        "cancel 1>12 re 0 agent-lost",
        "cancel 1>13 re 0 agent-lost",
    ];
    assert_eq!(seen.letters(), expected);
    assert_eq!(seen.sent[1].head.reply_by_ms, T0 + 30_000);
    net.send(say(Q, I, "inform"));
    assert_eq!(net.run_out().closed, ["initiator-lost"]);
}

#[test]
fn an_undeliverable_message_of_an_unknown_conversation_is_told_to_its_sender() {
    let seen = Net::new().undeliver(say(P, I, "propose").with(5), Code::MAILBOX_FULL);
    assert_eq!(seen.letters(), ["failure 1>11 re 5 mailbox-full"]);
}

#[test]
fn a_failure_that_comes_to_nothing_is_not_answered() {
    let seen = Net::new().undeliver(say(P, I, "failure"), Code::MAILBOX_FULL);
    assert!(seen.sent.is_empty());
}

#[test]
fn answers_and_failures_go_to_reply_to() {
    let mut net = Net::new();
    let extra = Extra { reply_to: vec![R].into(), ..Extra::default() };
    net.observe(&[with_extra(say(I, P, "cfp").with(1), extra)]);
    assert!(net.send(say(P, R, "propose").with(21).re(1)).delivered());
    net.send(say(I, P, "accept-proposal").with(31).re(21).by(T0 + 10));
    assert_eq!(net.at(T0 + 11).letters(), ["failure 11>13 re 31 result-overdue"]);
}

#[test]
fn the_parent_of_a_conversation_is_kept() {
    let mut net = Net::new();
    let parent = caxton_plugin::Uid::from_u128(42).to_string();
    let params = vec![Tuple2("X-Caxton-Parent".into(), parent.as_str().into())].into();
    net.observe(&[with_extra(say(I, P, "cfp").with(1), Extra { params, ..Extra::default() })]);
    assert_eq!(net.describe()["parent"], parent);
}

#[test]
fn a_call_that_expired_in_a_session_that_is_over_is_not_told_again() {
    let mut net = Net::new();
    net.send(say(I, P, "cfp").with(1).by(T0 + 10));
    net.at(T0 + 11);
    assert!(net.undeliver(say(I, P, "cfp").with(1).by(T0 + 10), Code::EXPIRED).sent.is_empty());
}

#[test]
fn the_platforms_agent_gets_no_not_understood() {
    let seen = Net::new().send(say(AMS, I, "inform"));
    assert_eq!((seen.withheld(), seen.sent.len()), (Some(Code::CONVERSATION_UNKNOWN), 0));
}

#[test]
fn a_conversation_that_its_initiator_lost_is_not_opened_again() {
    let mut net = Net::new();
    net.send(say(I, P, "cfp").with(1));
    net.lose(I);
    assert_eq!(net.send(say(P, I, "inform")).closed, ["initiator-lost"]);
    assert_eq!(net.send(say(I, Q, "cfp").with(2)).withheld(), Some(Code::CONVERSATION_CLOSED));
}

#[test]
fn an_agent_lost_after_the_end_does_not_rename_it() {
    let mut net = Net::new();
    net.send(say(I, P, "cfp").with(1));
    net.send(say(P, I, "refuse").re(1));
    net.lose(I);
    assert_eq!(net.describe()["end"], "no-bids");
}

fn with_extra(message: Msg, extra: Extra) -> Observation {
    let mut observed = message.observed();
    observed.envelope.extra = ROption::RSome(RArc::new(extra));
    observed
}
