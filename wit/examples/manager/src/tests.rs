#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use std::rc::Rc;

use caxton_agent::{
    Performative::{AcceptProposal, Cfp, Failure, Inform, Propose, Refuse, RejectProposal, Request},
    testing::{ScriptedHost, Sent},
};

use super::*;

const REPORT: &[u8] = br#"{"lines":1,"words":2,"bytes":4,"utf8":true,"top":[["a",1],["b",1]]}"#;

/// A manager with the bidders `ann` and `bob` and a request for `a b\n` under way; returns the two calls.
fn called() -> (Rc<ScriptedHost>, Vec<Sent>) {
    let host = ScriptedHost::install();
    let (client, ann, bob) = (host.agent("client"), host.agent("ann"), host.agent("bob"));
    host.group("group:bidders", &[ann, bob]);
    host.start::<Manager>("").unwrap();
    host.deliver(host.incoming(Request, client).content(b"a b\n").param("X-file", "a.txt"));
    let calls = host.sent();
    assert_eq!(calls.iter().map(|call| call.performative).collect::<Vec<_>>(), [Cfp, Cfp]);
    (host, calls)
}

fn acts(sent: &[Sent]) -> Vec<(Performative, AgentRef)> {
    sent.iter().map(|draft| (draft.performative, draft.to)).collect()
}

fn bid(host: &ScriptedHost, call: &Sent, price: &str) {
    host.deliver(host.answer(call, Propose).content(format!(r#"{{"price":{price}}}"#).as_bytes()));
}

#[test]
fn the_lowest_bid_gets_the_text_and_the_client_its_report() {
    let (host, calls) = called();
    assert_eq!(calls[0].content, br#"{"file":"a.txt","bytes":4}"#);
    bid(&host, &calls[0], "3");
    bid(&host, &calls[1], "2");
    let accepts = host.sent();
    assert_eq!(acts(&accepts), [(AcceptProposal, calls[1].to)]);
    assert_eq!(accepts[0].content, b"a b\n");
    host.deliver(host.answer(&accepts[0], Inform).content(REPORT));
    let last = host.sent();
    assert_eq!(acts(&last), [(RejectProposal, calls[0].to), (Inform, host.agent("client"))]);
    let outcome: Outcome = serde_json::from_slice(&last[1].content).unwrap();
    assert_eq!((outcome.winner.as_str(), outcome.price, outcome.report.words), ("bob", 2.0, 2));
    assert_eq!(outcome.others["ann"], "bid 3");
}

#[test]
fn the_runner_up_is_accepted_when_the_winner_is_lost() {
    let (host, calls) = called();
    bid(&host, &calls[0], "3");
    bid(&host, &calls[1], "2");
    let first = host.sent();
    host.deliver(host.answer(&first[0], Failure).marks(8).content(br#"{"code":"agent-lost"}"#));
    let second = host.sent();
    assert_eq!(acts(&second), [(AcceptProposal, calls[0].to)]);
    host.deliver(host.answer(&second[0], Inform).content(REPORT));
    let outcome: Outcome = serde_json::from_slice(&host.sent()[0].content).unwrap();
    assert_eq!(outcome.winner, "ann");
    assert_eq!(outcome.others["bob"], "the contractor failed: agent-lost");
}

#[test]
fn calls_once_more_when_nobody_bids_and_then_fails() {
    let (host, calls) = called();
    host.deliver(host.answer(&calls[0], Refuse));
    host.advance(Duration::from_millis(500));
    let again = host.sent();
    assert_eq!(acts(&again), [(Cfp, calls[0].to), (Cfp, calls[1].to)]);
    assert_ne!(again[0].conversation, calls[0].conversation);
    host.advance(Duration::from_millis(500));
    assert_eq!(acts(&host.sent()), [(Failure, host.agent("client"))]);
}

#[test]
fn refuses_more_texts_than_it_can_hold() {
    let (host, _) = called();
    let client = host.agent("client");
    for _ in 1..AUCTIONS_MAX {
        host.deliver(host.incoming(Request, client));
    }
    host.sent();
    host.deliver(host.incoming(Request, client));
    assert_eq!(acts(&host.sent()), [(Refuse, client)]);
}
