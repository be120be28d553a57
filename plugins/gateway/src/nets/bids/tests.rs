//! The book of a contract net: what each answer does, and who is best.

use caxton_plugin::Header;

use super::*;

const NOW_MS: u64 = 1000;

/// A book where agents 1, 2, … were called with 1, 2, ….
fn book(select: Select, agents: u32) -> Bids {
    let mut bids = Bids::new(select, "price".to_owned());
    (1..=agents).for_each(|number| bids.call(format!("a{number}@test"), number, [number, number + 50]));
    bids
}

fn said(bids: &mut Bids, agent: u32, act: Performative, content: &str) {
    let head =
        Header { in_reply_to: agent, performative: act.code(), reply_with: 90 + agent, ..Header::default() };
    bids.answer(&Envelope::new(head, Payload::from(content.to_owned())));
}

fn best(select: Select, contents: &[&str]) -> Option<usize> {
    let mut bids = book(select, contents.len() as u32);
    (1..).zip(contents).for_each(|(agent, content)| said(&mut bids, agent, Performative::Propose, content));
    bids.best(NOW_MS)
}

#[test]
fn selects_by_price() {
    let contents = [r#"{"price":3}"#, r#"{"price":1.5}"#, r#"{"price":7}"#];
    assert_eq!(best(Select::Lowest, &contents), Some(1));
    assert_eq!(best(Select::Highest, &contents), Some(2));
    assert_eq!(best(Select::First, &contents), Some(0));
}

#[test]
fn a_tie_goes_to_the_earlier_bid() {
    let mut bids = book(Select::Lowest, 2);
    said(&mut bids, 2, Performative::Propose, r#"{"price":1}"#);
    said(&mut bids, 1, Performative::Propose, r#"{"price":1}"#);
    assert_eq!(bids.best(NOW_MS), Some(1));
}

#[test]
fn a_bid_without_a_price_can_only_be_first() {
    for content in ["", "12", r#"{"price":"1"}"#, r#"{"cost":1}"#, "{", r#"[{"price":1}]"#] {
        assert_eq!(best(Select::Lowest, &[content]), None, "{content}");
        assert_eq!(best(Select::Highest, &[content]), None, "{content}");
        assert_eq!(best(Select::First, &[content]), Some(0), "{content}");
    }
}

#[test]
fn negative_prices_are_prices() {
    assert_eq!(best(Select::Lowest, &[r#"{"price":-1}"#, r#"{"price":-2}"#]), Some(1));
}

#[test]
fn a_bid_that_is_not_valid_any_more_expires() {
    let mut bids = book(Select::First, 1);
    let head = Header {
        in_reply_to: 1,
        performative: Performative::Propose.code(),
        reply_by_ms: NOW_MS,
        ..Header::default()
    };
    bids.answer(&Envelope::new(head, Payload::EMPTY));
    assert_eq!(bids.best(NOW_MS), Some(0));
    assert_eq!(bids.best(NOW_MS + 1), None);
    assert_eq!(bids.list()[0].state, State::Expired);
}

#[test]
fn answers_out_of_sequence_change_nothing() {
    let mut bids = book(Select::First, 1);
    said(&mut bids, 1, Performative::Inform, "");
    assert!(bids.undecided());
    said(&mut bids, 1, Performative::Propose, r#"{"price":1}"#);
    said(&mut bids, 1, Performative::Propose, r#"{"price":2}"#);
    said(&mut bids, 7, Performative::Propose, r#"{"price":3}"#);
    assert_eq!(
        bids.document(),
        json!([{
            "agent": "a1@test", "price": 1, "content": r#"{"price":1}"#, "state": "rejected"
        }])
    );
}

#[test]
fn a_failure_voids_an_open_bid() {
    let mut bids = book(Select::First, 1);
    said(&mut bids, 1, Performative::Propose, "");
    said(&mut bids, 1, Performative::Failure, "agent-lost");
    assert_eq!(bids.best(NOW_MS), None);
    assert_eq!(bids.document()[0]["state"], "failed");
}

#[test]
fn who_did_not_answer_is_listed_so() {
    let mut bids = book(Select::First, 3);
    said(&mut bids, 1, Performative::Refuse, "busy");
    said(&mut bids, 2, Performative::NotUnderstood, "what?");
    assert!(bids.undecided());
    bids.close();
    assert!(!bids.undecided());
    let states: Vec<&str> = bids.list().iter().map(|bid| bid.state.as_str()).collect();
    assert_eq!(states, ["refused", "not-understood", "no-reply"]);
}

#[test]
fn content_that_is_not_text_is_written_as_base64() {
    let mut bids = book(Select::First, 1);
    let head = Header { in_reply_to: 1, performative: Performative::Propose.code(), ..Header::default() };
    bids.answer(&Envelope::new(head, Payload::from(vec![0xff])));
    assert_eq!(bids.document()[0]["content-base64"], "/w==");
}

#[test]
fn rejects_only_bids_that_are_open() {
    let mut bids = book(Select::First, 3);
    (1..=3).for_each(|agent| said(&mut bids, agent, Performative::Propose, ""));
    bids.set(0, State::Done);
    bids.fail(1, Payload::EMPTY);
    assert_eq!(bids.reject_open(), [(3, 93)]);
}
