//! Conversations as a server records them.

use caxton_cli::Conversation;
use serde_json::{Value, json};

/// A contract net with the messages `events`; times are microseconds after noon.
pub fn auction(sessions: &[(&str, &str)], end: &str, ended_micros: u32, events: Vec<Value>) -> Conversation {
    let sessions: Vec<_> = sessions
        .iter()
        .map(|(participant, state)| json!({"participant": format!("{participant}@caxton"), "session": "17", "state": state}))
        .collect();
    let participants: Vec<_> = sessions.iter().map(|session| session["participant"].clone()).collect();
    let messages = events.iter().filter(|event| event["event"] == "message.accepted").count();
    serde_json::from_value(json!({
        "kind": "caxton.conversation/v1", "id": "0198c5f2-6a1e-7c3b-9d52-0f6e8a41b7c3", "protocol": "fipa-contract-net",
        "state": "closed", "end": end, "initiator": "manager@caxton", "participants": participants,
        "started": "2026-11-20T12:00:00Z", "ended": time(ended_micros), "messages": messages, "dropped-events": 0,
        "sessions": sessions, "events": events,
    }))
    .unwrap()
}

pub fn time(micros: u32) -> String {
    format!("2026-11-20T12:00:{:02}.{:06}Z", micros / 1_000_000, micros % 1_000_000)
}

pub fn event(
    name: &str,
    micros: u32,
    id: &str,
    from: &str,
    to: &str,
    performative: &str,
    text: &str,
) -> Value {
    let agent = |name: &str| if name.is_empty() { Value::Null } else { json!(format!("{name}@caxton")) };
    json!({"time": time(micros), "event": name, "id": id, "performative": performative, "from": agent(from), "to": agent(to),
        "reply-with": null, "in-reply-to": null, "marks": [], "code": null, "reason": null, "text": text})
}

pub fn sent(micros: u32, id: &str, from: &str, to: &str, performative: &str, text: &str) -> Value {
    event("message.accepted", micros, id, from, to, performative, text)
}

pub fn with(mut event: Value, more: Value) -> Value {
    for (key, value) in more.as_object().unwrap() {
        event[key] = value.clone();
    }
    event
}

/// Three bid, the lowest price wins and does the work.
pub fn normal() -> Conversation {
    let delivered = |micros, id: &str, to: &str| event("message.delivered", micros, id, "", to, "", "");
    let state =
        |micros, agent: &str, text: &str| event("conversation.transition", micros, "", agent, "", "", text);
    auction(
        &[("bidder-rs", "REJECTED"), ("bidder-js", "DONE"), ("bidder-py", "REFUSED")],
        "completed",
        3_210,
        vec![
            sent(10, "1", "manager", "bidder-rs", "cfp", ""),
            sent(100, "2", "manager", "bidder-js", "cfp", ""),
            sent(120, "3", "manager", "bidder-py", "cfp", ""),
            delivered(130, "1", "bidder-rs"),
            sent(400, "4", "bidder-rs", "manager", "propose", r#"{"price":12}"#),
            state(401, "bidder-rs", "NO_REPLY > BID"),
            sent(900, "5", "bidder-js", "manager", "propose", r#"{"price":9,"valid-until":"2026-11-20T"#),
            sent(2_100, "6", "bidder-py", "manager", "refuse", "busy"),
            sent(2_200, "7", "manager", "bidder-js", "accept-proposal", ""),
            sent(2_210, "8", "manager", "bidder-rs", "reject-proposal", ""),
            sent(3_000, "9", "bidder-js", "manager", "inform", "lines 10"),
            event("conversation.closed", 3_210, "", "", "", "", "completed"),
        ],
    )
}

/// One bid comes after the deadline: the server withholds it and rejects it in the manager's name.
pub fn late_bid() -> Conversation {
    let late = |name: &str, micros| {
        with(
            event(name, micros, "4", "slow", "manager", "propose", r#"{"price":3}"#),
            json!({"code": "CX0501", "reason": "late"}),
        )
    };
    auction(
        &[("bidder-rs", "DONE"), ("slow", "LATE")],
        "completed",
        2_300_500,
        vec![
            sent(10, "1", "manager", "bidder-rs", "cfp", ""),
            sent(20, "2", "manager", "slow", "cfp", ""),
            sent(400, "3", "bidder-rs", "manager", "propose", r#"{"price":12}"#),
            sent(2_000_100, "5", "manager", "bidder-rs", "accept-proposal", ""),
            sent(2_104_200, "4", "slow", "manager", "propose", r#"{"price":3}"#),
            late("protocol.verdict", 2_104_210),
            with(
                sent(2_104_300, "6", "manager", "slow", "reject-proposal", ""),
                json!({"marks": ["platform", "on-behalf"]}),
            ),
            late("message.dead_lettered", 2_104_400),
            sent(2_300_000, "7", "bidder-rs", "manager", "inform", "done"),
        ],
    )
}

/// The winner traps, the server tells its failure, and the runner-up is accepted.
pub fn trap() -> Conversation {
    auction(
        &[("troublemaker", "FAILED"), ("bidder-js", "DONE")],
        "completed",
        2_950,
        vec![
            sent(10, "1", "manager", "troublemaker", "cfp", ""),
            sent(20, "2", "manager", "bidder-js", "cfp", ""),
            sent(300, "3", "troublemaker", "manager", "propose", r#"{"price":1}"#),
            sent(400, "4", "bidder-js", "manager", "propose", r#"{"price":9}"#),
            with(
                sent(500, "5", "manager", "troublemaker", "accept-proposal", ""),
                json!({"marks": ["redelivered"]}),
            ),
            with(
                event(
                    "agent.trap",
                    900,
                    "",
                    "troublemaker",
                    "",
                    "",
                    "wasm trap: wasm `unreachable` instruction executed",
                ),
                json!({"code": "CX0433", "reason": "trap-unreachable"}),
            ),
            with(
                event("message.dead_lettered", 950, "5", "", "troublemaker", "", ""),
                json!({"code": "CX0313", "reason": "poison"}),
            ),
            with(
                sent(1_000, "6", "troublemaker", "manager", "failure", ""),
                json!({"marks": ["on-behalf"], "code": "CX0503", "reason": "agent-lost"}),
            ),
            sent(1_200, "7", "manager", "bidder-js", "accept-proposal", ""),
            sent(2_900, "8", "bidder-js", "manager", "inform", "lines 10"),
        ],
    )
}

/// A manager and five bidders, as the demo has them.
pub fn six_lanes() -> Conversation {
    let bidders = ["bidder-swift", "bidder-steady", "bidder-js", "bidder-py", "troublemaker"];
    let calls = bidders
        .iter()
        .zip(10..)
        .map(|(bidder, at)| sent(at, &format!("c{at}"), "manager", bidder, "cfp", ""));
    let bids = bidders.iter().zip(300..).map(|(bidder, at)| {
        sent(at, &format!("b{at}"), bidder, "manager", "propose", &format!(r#"{{"price":{at}}}"#))
    });
    let accepted = sent(900, "a1", "manager", "bidder-swift", "accept-proposal", "");
    let rejected = sent(910, "a2", "manager", "bidder-js", "reject-proposal", "");
    let trapped = with(
        event("agent.trap", 950, "", "troublemaker", "", "", "unreachable"),
        json!({"code": "CX0433", "reason": "trap-unreachable"}),
    );
    let done = sent(1_500, "d", "bidder-swift", "manager", "inform", "done");
    let ends = [accepted, rejected, trapped, done];
    auction(
        &bidders.map(|bidder| (bidder, "DONE")),
        "completed",
        2_000,
        calls.chain(bids).chain(ends).collect(),
    )
}
