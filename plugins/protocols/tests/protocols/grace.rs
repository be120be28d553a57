//! Row 10 after the last accepted session is done: the initiator has a bounded time for its own rejects.

use caxton_protocols::Config;

use crate::{
    auction::{accept, accepted, bid, called, cfp, inform, propose, reject},
    kit::{I, Net, P, Q, R, Seen, T0, say},
};

/// The first is done, the others' bids are left.
fn done(from: &[u32]) -> Net {
    let mut net = accepted(from);
    assert!(net.send(inform(from[0])).delivered());
    net
}

#[test]
fn a_bid_left_unanswered_is_rejected_when_the_grace_is_over() {
    let mut net = accepted(&[P, Q]);
    let seen = net.send(inform(P));
    assert_eq!((seen.moves, seen.sent.len(), seen.closed.len()), (vec!["11 ACCEPTED > DONE".into()], 0, 0));
    assert!(net.at(T0 + 1_000).sent.is_empty());
    let seen = net.at(T0 + 1_001);
    assert_eq!(seen.moves, ["12 BID > REJECTED"]);
    assert_eq!(seen.letters(), ["reject-proposal 1>12 re 212 not-selected"]);
    assert_eq!(seen.closed, ["completed"]);
    assert!(net.timers.is_empty());
}

#[test]
fn the_initiators_own_rejects_within_the_grace_are_delivered_and_close_it() {
    let mut net = done(&[P, Q, R]);
    let seen = net.send(reject(Q));
    assert!(seen.delivered());
    assert_eq!((seen.moves, seen.closed.len()), (vec!["12 BID > REJECTED".into()], 0));
    let seen = net.send(reject(R));
    assert_eq!((seen.delivered(), seen.sent.len(), seen.closed), (true, 0, vec!["completed".into()]));
    assert_eq!(net.run_out(), Seen::default(), "a timer that is left does nothing");
}

#[test]
fn the_grace_is_not_prolonged_by_a_reject() {
    let mut net = done(&[P, Q, R]);
    net.at(T0 + 900);
    net.send(reject(Q));
    assert_eq!(net.at(T0 + 1_001).letters(), ["reject-proposal 1>13 re 213 not-selected"]);
}

#[test]
fn it_closes_at_once_when_all_other_bids_were_rejected_before() {
    let mut net = accepted(&[P, Q]);
    net.send(reject(Q));
    assert_eq!(net.send(inform(P)).closed, ["completed"]);
}

#[test]
fn the_decision_timeout_ends_the_grace_when_it_is_earlier() {
    let mut net = bid(&[P, Q]);
    net.send(accept(P).by(T0 + 200_000));
    net.at(T0 + 59_500);
    net.send(inform(P));
    assert!(net.at(T0 + 60_000).sent.is_empty());
    assert_eq!(net.at(T0 + 60_001).letters(), ["reject-proposal 1>12 re 212 not-selected"]);
}

#[test]
fn another_bid_may_be_accepted_within_the_grace_and_the_rest_stand_while_it_works() {
    let mut net = done(&[P, Q, R]);
    net.at(T0 + 500);
    assert!(net.send(accept(Q).by(T0 + 5_000)).delivered());
    assert!(net.at(T0 + 3_000).sent.is_empty());
    assert_eq!(net.send(inform(Q)).moves, ["12 ACCEPTED > DONE"]);
    assert!(net.at(T0 + 4_000).sent.is_empty(), "the grace starts anew");
    assert_eq!(net.at(T0 + 4_001).letters(), ["reject-proposal 1>13 re 213 not-selected"]);
}

#[test]
fn the_grace_waits_for_calls_that_are_still_open() {
    let mut net = called(&[P, Q, R]);
    net.send(propose(P));
    net.send(propose(Q));
    net.send(accept(P).by(T0 + 5_000));
    net.send(inform(P));
    net.at(T0 + 900);
    assert_eq!(net.send(say(R, I, "refuse").re(113)).moves[0], "13 AWAIT_BID > REFUSED");
    assert!(net.at(T0 + 1_900).sent.is_empty());
    assert_eq!(net.at(T0 + 1_901).letters(), ["reject-proposal 1>12 re 212 not-selected"]);
}

#[test]
fn the_grace_is_configured() {
    let mut net = Net::with(Config { reject_grace_ms: 50, ..Config::default() });
    net.observe(&[cfp(P).observed(), cfp(Q).observed()]);
    net.send(propose(P));
    net.send(propose(Q));
    net.send(accept(P));
    net.send(inform(P));
    assert_eq!(net.at(T0 + 51).closed, ["completed"]);
}

#[test]
fn a_successor_keeps_the_grace() {
    let mut net = done(&[P, Q]).successor();
    net.observe(&[]);
    assert_eq!(net.at(T0 + 1_001).closed, ["completed"]);
}
