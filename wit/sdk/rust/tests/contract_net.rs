//! Both roles of the contract net, over the scripted host. The bids are plain numbers.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::{rc::Rc, time::Duration};

use caxton_agent::Performative::{
    AcceptProposal, Cancel, Cfp, Inform, NotUnderstood, Propose, Refuse, RejectProposal,
};
use caxton_agent::{
    Agent, Bidder, ContractNet, Contractor, Failure, Fault, Message, Performative, Refusal, Start, find,
    name_of, now,
    testing::{ScriptedHost, Sent},
};

/// Calls the group for one second, awards the lowest bid and tells the client in words.
struct Boss;

impl Agent for Boss {
    fn init(_: Start) -> Result<Self, Fault> {
        Ok(Self)
    }

    async fn handle(&self, message: Message) -> Result<(), Fault> {
        let mut net = ContractNet::<u32>::call(&find("group:crew"), &"dig", Duration::from_secs(1)).await?;
        let mut words: Vec<_> =
            net.no_bids().map(|(agent, why)| format!("{} {why}", name_of(agent))).collect();
        match net.award(|price| *price, b"now", Duration::from_secs(10)).await {
            Ok(award) => {
                words.extend(award.lost.iter().map(|(agent, why)| format!("{} {why}", name_of(*agent))));
                words.push(format!("won: {}", award.result.text()));
            }
            Err(lost) => words.extend(lost.iter().map(|(agent, why)| format!("{} {why}", name_of(*agent)))),
        }
        message.inform().text(&words.join(", ")).send().map(drop)
    }
}

/// A boss that has called three agents; `calls` are what went to `a`, `b` and `c`.
struct Market {
    host: Rc<ScriptedHost>,
    calls: Vec<Sent>,
}

impl Market {
    fn new() -> Self {
        let host = ScriptedHost::install();
        let client = host.agent("client");
        let crew = ["a", "b", "c"].map(|name| host.agent(name));
        host.group("group:crew", &crew);
        host.start::<Boss>("").unwrap();
        host.deliver(host.incoming(Performative::Request, client));
        let calls = host.sent();
        Self { host, calls }
    }

    fn bid(&self, index: usize, price: &str) {
        self.host.deliver(self.host.answer(&self.calls[index], Propose).content(price.as_bytes()));
    }

    fn answer(&self, to: &Sent, act: Performative, content: &str) {
        self.host.deliver(self.host.answer(to, act).content(content.as_bytes()));
    }

    /// What was sent since the last look: act, receiver, content.
    fn seen(&self) -> Vec<String> {
        self.host.sent().iter().map(show).collect()
    }
}

fn show(draft: &Sent) -> String {
    let act = format!("{:?}", draft.performative).replace("Performative::", "");
    format!("{act} to {}: {}", name_of(draft.to), String::from_utf8_lossy(&draft.content))
}

const REJECTED: &str = r#"{"code":"not-selected","detail":"another proposal was accepted"}"#;

#[test]
fn a_call_is_one_conversation_with_a_session_for_each_participant() {
    let Market { calls, .. } = Market::new();
    assert!(calls.iter().all(|call| call.performative == Cfp && call.content == b"\"dig\""));
    assert!(calls.iter().all(|call| call.conversation == calls[0].conversation && call.protocol != 0));
    assert_ne!(calls[0].reply_with, calls[1].reply_with);
}

#[test]
fn the_award_waits_for_all_answers_and_the_rest_is_rejected_after_the_result() {
    let market = Market::new();
    market.bid(0, "5");
    market.bid(1, "3");
    assert!(market.host.sent().is_empty());
    market.answer(&market.calls[2], Refuse, "busy");
    let accepts = market.host.sent();
    assert_eq!(accepts.iter().map(show).collect::<Vec<_>>(), ["AcceptProposal to b: now"]);
    market.answer(&accepts[0], Inform, "dug");
    assert_eq!(
        market.seen(),
        [
            "Inform to client: c refused: busy [unspecified], won: dug".to_owned(),
            format!("RejectProposal to a: {REJECTED}")
        ]
    );
}

#[test]
fn an_acceptance_names_the_proposal_and_keeps_the_session() {
    let market = Market::new();
    let proposal = market.host.answer(&market.calls[0], Propose).reply_with(77).content(b"1");
    market.host.deliver(proposal);
    market.host.advance(Duration::from_secs(2));
    let accept = &market.host.sent()[0];
    assert_eq!((accept.performative, accept.in_reply_to), (AcceptProposal, 77));
    assert_eq!(accept.reply_with, market.calls[0].reply_with);
}

#[test]
fn silence_ends_with_the_deadline() {
    let market = Market::new();
    market.bid(0, "5");
    market.host.advance(Duration::from_millis(1099));
    assert!(market.host.sent().is_empty());
    market.host.advance(Duration::from_millis(1));
    assert_eq!(market.seen(), ["AcceptProposal to a: now"]);
}

#[test]
fn a_bid_from_somebody_else_does_not_count() {
    let market = Market::new();
    let stranger = market.host.agent("stranger");
    market.host.deliver(market.host.answer(&market.calls[0], Propose).from(stranger).content(b"0"));
    market.host.sent();
    market.bid(0, "5");
    market.host.advance(Duration::from_secs(2));
    assert!(market.seen().contains(&"AcceptProposal to a: now".to_owned()));
}

#[test]
fn the_runner_up_follows_a_failed_winner() {
    let market = Market::new();
    (0..3).for_each(|index| market.bid(index, ["5", "3", "4"][index]));
    let first = market.host.sent();
    market.answer(&first[0], Performative::Failure, "rain");
    let second = market.host.sent();
    assert_eq!(second.iter().map(show).collect::<Vec<_>>(), ["AcceptProposal to c: now"]);
    market.answer(&second[0], Inform, "dug");
    assert_eq!(market.seen()[0], "Inform to client: b the contractor failed: rain [unspecified], won: dug");
}

#[test]
fn a_bid_whose_validity_passed_is_not_accepted() {
    let market = Market::new();
    let until = now() + Duration::from_millis(500);
    market.host.deliver(market.host.answer(&market.calls[0], Propose).reply_by(until).content(b"1"));
    market.bid(1, "9");
    market.host.advance(Duration::from_secs(2));
    assert_eq!(market.seen(), ["AcceptProposal to b: now"]);
}

#[test]
fn a_contractor_that_never_delivers_is_given_up() {
    let market = Market::new();
    market.bid(0, "5");
    market.host.advance(Duration::from_secs(2));
    market.host.sent();
    market.host.advance(Duration::from_secs(11));
    assert_eq!(
        market.seen(),
        ["Inform to client: b no bid in time, c no bid in time, a no result came in time"]
    );
}

#[test]
fn a_proposal_that_cannot_be_read_is_rejected() {
    let market = Market::new();
    market.bid(0, "cheap!");
    assert_eq!(market.host.sent()[0].performative, RejectProposal);
}

/// Digs holes of at most ten metres for a coin a metre; cannot dig three.
struct Digger;

impl Bidder for Digger {
    type Task = u32;
    type Offer = u32;
    type Report = String;

    fn init(_: &Start) -> Result<Self, Fault> {
        Ok(Self)
    }

    /// Two metres are a riddle.
    fn think(&mut self, metres: &u32) -> Duration {
        if *metres == 2 { Duration::from_secs(3) } else { Duration::ZERO }
    }

    fn bid(&mut self, metres: &u32) -> Result<u32, Refusal> {
        if *metres > 10 { Err(Refusal::new("too-deep", "ten metres at most")) } else { Ok(*metres) }
    }

    fn work(&mut self, metres: u32, price: u32, order: &[u8]) -> Result<String, Failure> {
        match metres {
            3 => Err(Failure::new("rock", "hit rock")),
            _ => Ok(format!("{metres} m for {price}, {}", String::from_utf8_lossy(order))),
        }
    }
}

fn digger() -> (Rc<ScriptedHost>, u32) {
    let host = ScriptedHost::install();
    let boss = host.agent("boss");
    host.start::<Contractor<Digger>>("").unwrap();
    (host, boss)
}

/// Calls the digger and returns its answer.
fn called(host: &ScriptedHost, boss: u32, task: &str) -> Sent {
    host.deliver(host.incoming(Cfp, boss).reply_with(9).content(task.as_bytes()));
    host.sent().remove(0)
}

#[test]
fn a_bidder_proposes_works_and_informs() {
    let (host, boss) = digger();
    let proposal = called(&host, boss, "4");
    assert_eq!((proposal.performative, proposal.in_reply_to), (Propose, 9));
    assert_eq!(u64::from(proposal.reply_by.seconds) * 1000, (now() + Digger::BID_VALID_FOR).unix_ms());
    host.deliver(host.answer(&proposal, AcceptProposal).reply_with(9).content(b"quickly"));
    let result = &host.sent()[0];
    assert_eq!((result.in_reply_to, show(result).as_str()), (9, r#"Inform to boss: "4 m for 4, quickly""#));
}

#[test]
fn a_bidder_refuses_does_not_understand_and_fails_with_reasons() {
    let (host, boss) = digger();
    let refusal = called(&host, boss, "11");
    assert_eq!(show(&refusal), r#"Refuse to boss: {"code":"too-deep","detail":"ten metres at most"}"#);
    assert_eq!(called(&host, boss, "a hole").performative, NotUnderstood);
    let proposal = called(&host, boss, "3");
    host.deliver(host.answer(&proposal, AcceptProposal));
    assert_eq!(show(&host.sent()[0]), r#"Failure to boss: {"code":"rock","detail":"hit rock"}"#);
}

#[test]
fn a_proposal_is_worked_off_once_and_only_for_the_agent_it_went_to() {
    let (host, boss) = digger();
    let proposal = called(&host, boss, "4");
    let stranger = host.agent("stranger");
    host.deliver(host.answer(&proposal, AcceptProposal).from(stranger));
    host.deliver(host.answer(&proposal, AcceptProposal));
    host.deliver(host.answer(&proposal, AcceptProposal));
    let acts: Vec<_> = host.sent().iter().map(|draft| draft.performative).collect();
    assert_eq!(acts, [Performative::Failure, Inform, Performative::Failure]);
}

#[test]
fn a_rejected_or_cancelled_proposal_is_forgotten() {
    let (host, boss) = digger();
    let (first, second) = (called(&host, boss, "4"), called(&host, boss, "4"));
    host.deliver(host.answer(&first, RejectProposal));
    host.deliver(host.answer(&first, Cancel));
    host.deliver(host.answer(&second, Cancel).in_reply_to(0));
    host.deliver(host.answer(&second, AcceptProposal));
    let acts: Vec<_> = host.sent().iter().map(|draft| draft.performative).collect();
    assert_eq!(acts, [Performative::Failure, Inform, Performative::Failure]);
}

#[test]
fn a_restarted_bidder_answers_an_old_acceptance_with_a_failure() {
    let (host, boss) = digger();
    let proposal = called(&host, boss, "4");
    host.start::<Contractor<Digger>>("").unwrap();
    host.deliver(host.answer(&proposal, AcceptProposal));
    assert_eq!(host.sent()[0].performative, Performative::Failure);
}

#[test]
fn a_bidder_that_thinks_bids_later_and_others_go_on_meanwhile() {
    let (host, boss) = digger();
    host.deliver(host.incoming(Cfp, boss).content(b"2"));
    assert!(host.sent().is_empty());
    assert_eq!(called(&host, boss, "4").content, b"4");
    host.advance(Duration::from_secs(3));
    assert_eq!(host.sent()[0].content, b"2");
}
