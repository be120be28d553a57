//! The contents of the engine's messages: JSON whose first bytes say the most.

use caxton_plugin::Code;

use crate::{
    auction::{accept, accepted, called, propose},
    kit::{I, P, T0, say},
};

#[test]
fn the_reason_comes_first_then_the_code_the_meaning_and_the_fix() {
    let mut net = called(&[P]);
    net.at(T0 + 1_001);
    assert_eq!(
        net.send(propose(P)).sent[0].content,
        r#"{"reason":"late","code":"CX0501","meaning":"the proposal came after the call's reply-by","fix":"answer sooner"}"#
    );
}

#[test]
fn the_cause_stands_between_code_and_meaning() {
    let seen = accepted(&[P]).undeliver(accept(P).by(T0 + 5_000), Code::POISON);
    let start = r#"{"reason":"agent-lost","code":"CX0503","cause":"CX0313","meaning":"#;
    assert!(seen.sent[0].content.starts_with(start), "{}", seen.sent[0].content);
}

#[test]
fn a_not_understood_names_the_act_and_the_state_before_the_meaning() {
    let seen = called(&[P]).send(say(P, I, "subscribe"));
    let start =
        r#"{"reason":"unexpected-act","code":"CX0504","act":"subscribe","state":"AWAIT_BID","meaning":"#;
    assert!(seen.sent[0].content.starts_with(start), "{}", seen.sent[0].content);
}
