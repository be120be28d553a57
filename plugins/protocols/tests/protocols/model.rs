//! A model check of a small net: one initiator, two participants, every order of events.
//!
//! Breadth-first over all reachable situations of the conversation (times left out). From each of them all time is let
//! pass: the conversation must close, and every session must be final. The kit checks that each bidder is told its end.

use std::collections::{BTreeSet, VecDeque};

use caxton_plugin::{Code, Protocol};
use serde_json::Value;

use crate::kit::{I, Msg, Net, P, Q, say};

type Move = (&'static str, fn(&mut Net, u32));

/// What can happen to one participant.
const MOVES: &[Move] = &[
    ("cfp", |net, p| drop(net.send(cfp(net.now, p)))),
    ("propose", |net, p| drop(net.send(propose(p)))),
    ("propose for a while", |net, p| drop(net.send(propose(p).by(net.now + 2_000)))),
    ("refuse", |net, p| drop(net.send(say(p, I, "refuse").re(100 + p)))),
    ("not-understood", |net, p| drop(net.send(say(p, I, "not-understood").re(100 + p)))),
    ("accept", |net, p| drop(net.send(accept(net.now, p)))),
    ("reject", |net, p| drop(net.send(say(I, p, "reject-proposal").re(200 + p)))),
    ("inform", |net, p| drop(net.send(say(p, I, "inform").re(300 + p)))),
    ("failure", |net, p| drop(net.send(say(p, I, "failure").re(300 + p)))),
    ("cancel", |net, p| drop(net.send(say(I, p, "cancel").with(400 + p)))),
    ("cancelled", |net, p| drop(net.send(say(p, I, "inform").re(400 + p)))),
    ("not cancelled", |net, p| drop(net.send(say(p, I, "failure").re(400 + p)))),
    ("call undelivered", |net, p| drop(net.undeliver(cfp(net.now, p), Code::MAILBOX_FULL))),
    ("accept undelivered", |net, p| drop(net.undeliver(accept(net.now, p), Code::TRAP_OTHER))),
    ("lost", |net, p| drop(net.lose(p))),
    ("initiator lost", |net, _| drop(net.lose(I))),
    ("time", |net, _| {
        let due = net.next_timer().map_or(net.now, |(_, due)| due);
        net.at(due);
    }),
];

fn cfp(now: u64, to: u32) -> Msg {
    say(I, to, "cfp").with(100 + to).by(now + 1_000)
}

fn propose(from: u32) -> Msg {
    say(from, I, "propose").with(200 + from).re(100 + from)
}

fn accept(now: u64, to: u32) -> Msg {
    say(I, to, "accept-proposal").with(300 + to).re(200 + to).by(now + 5_000)
}

/// The conversation without its times and without the order of its sessions: the two participants are alike.
fn situation(net: &Net) -> String {
    let document: Value = serde_json::from_slice(&net.engine.snapshot()).unwrap();
    let conversation = &document["conversations"][0];
    let bounded = |time: &Value| time.as_u64().is_some_and(|time| time != u64::MAX);
    let mut sessions: Vec<String> = Vec::new();
    for session in conversation["sessions"].as_array().into_iter().flatten() {
        let cancelling = session["state"] == "CANCELLING";
        let back = if cancelling { session["back"].as_str().unwrap() } else { "" };
        let (until, cancelled) = (bounded(&session["deadline_ms"]), session["cancel"].is_null());
        sessions.push(format!("{} {back} {until} {cancelled} {}", session["state"], session["void"]));
    }
    sessions.sort_unstable();
    let times = ["closed_ms", "decide_by_ms", "dismiss_at_ms"].map(|key| bounded(&conversation[key]));
    format!("{sessions:?} {} {times:?}", conversation["past"])
}

#[test]
fn a_net_of_two_participants_never_gets_stuck() {
    let mut known = BTreeSet::new();
    let mut open = VecDeque::from([Net::new()]);
    let mut ends = BTreeSet::new();
    while let Some(net) = open.pop_front() {
        for (_, act) in MOVES {
            for participant in [P, Q] {
                let mut next = net.successor();
                next.observe(&[]);
                act(&mut next, participant);
                if known.insert(situation(&next)) {
                    let mut last = next.successor();
                    last.observe(&[]);
                    last.run_out();
                    assert_eq!(last.engine.open_conversations(), 0, "stuck in {}", situation(&next));
                    ends.extend(last.describe()["end"].as_str().map(str::to_owned));
                    open.push_back(next);
                }
            }
        }
    }
    println!("{} situations", known.len());
    let all = ["cancelled", "completed", "failed", "initiator-lost", "no-bids", "no-decision", "rejected"];
    assert_eq!(ends.iter().map(String::as_str).collect::<Vec<_>>(), all);
}
