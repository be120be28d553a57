//! The hand-over to another instance (ruling F14).

use caxton_plugin::{Code, Protocol};

use crate::kit::{C, I, Net, P, Q, T0, say};

fn halfway() -> Net {
    let mut net = Net::new();
    net.observe(&[P, Q].map(|to| say(I, to, "cfp").with(to).by(T0 + 1_000).observed()));
    net.send(say(P, I, "propose").with(21).re(P));
    net
}

#[test]
fn ruling_f14_the_successor_goes_on_where_the_old_one_stood() {
    let mut next = halfway().successor();
    assert_eq!(next.describe(), halfway().describe());
    assert_eq!(next.engine.open_conversations(), 1);
    assert_eq!(next.send(say(I, P, "accept-proposal").with(31).re(21)).moves, ["11 BID > ACCEPTED"]);
}

#[test]
fn the_successor_sets_its_timers_at_its_first_call() {
    let mut next = halfway().successor();
    let mut out = Vec::new();
    next.engine.timers(&[], T0, &mut out);
    assert_eq!(out.iter().map(|action| action.time_ms).collect::<Vec<_>>(), [T0 + 1_001]);
    next.timers.insert(out[0].token, out[0].time_ms);
    assert_eq!(next.at(T0 + 1_001).moves[0], "12 AWAIT_BID > NO_REPLY");
}

#[test]
fn a_late_bid_meets_its_closed_conversation_after_the_hand_over() {
    let mut old = Net::new();
    old.send(say(I, P, "cfp").with(1).by(T0 + 10));
    old.at(T0 + 11);
    let mut next = old.successor();
    assert_eq!(next.send(say(P, I, "propose").with(2).re(1)).letters(), ["reject-proposal 1>11 re 2 late"]);
}

#[test]
fn a_snapshot_of_another_version_is_refused_and_changes_nothing() {
    let net = halfway();
    let error = net.engine.restore(br#"{"version":2,"conversations":[]}"#).unwrap_err();
    assert_eq!(error.code(), Code::PLUGIN_START_FAILED);
    assert!(error.message().contains("version 2, expected 1"), "{error}");
    assert!(net.engine.describe(C).is_some());
}

#[test]
fn a_snapshot_that_cannot_be_read_is_refused() {
    for document in ["", "x", "{}", r#"{"version":1}"#, r#"{"version":1,"conversations":[{}]}"#] {
        assert!(halfway().engine.restore(document.as_bytes()).is_err(), "{document}");
    }
}
