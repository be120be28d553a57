//! The initiator's book of one contract net: who was called, what they bid, who is best, what became of each.
//!
//! Pure: no clock, no server. Bids stay open until one is done, so that the runner-up can be accepted after the winner's
//! failure or silence while its bid is valid (SC00029 binds a proposer until it is rejected).

use caxton_acl::Performative;
use caxton_plugin::{Envelope, Payload};
use serde::Deserialize;
use serde_json::{Number, Value, json};

use crate::document::member;

/// How the best bid is found. Ties go to the earlier bid.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Select {
    /// The smallest price.
    #[default]
    Lowest,
    /// The largest price.
    Highest,
    /// The bid that came first, with or without a price.
    First,
}

/// What became of one participant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    Called,
    Bid,
    Refused,
    NotUnderstood,
    Failed,
    NoReply,
    Rejected,
    Expired,
    Accepted,
    Done,
    Overdue,
}

impl State {
    /// The word in the document; those that are still open there ended without an answer.
    fn as_str(self) -> &'static str {
        match self {
            Self::Called | Self::NoReply => "no-reply",
            Self::Bid | Self::Rejected => "rejected",
            Self::Refused => "refused",
            Self::NotUnderstood => "not-understood",
            Self::Failed => "failed",
            Self::Expired => "expired",
            Self::Accepted | Self::Overdue => "overdue",
            Self::Done => "done",
        }
    }
}

/// One participant's part.
#[derive(Debug)]
pub(crate) struct Bid {
    /// Full name.
    pub(crate) agent: String,
    /// Its address.
    pub(crate) address: u32,
    /// The reply-with of the call to it.
    pub(crate) called_with: u32,
    /// The reply-with of an acceptance of its bid.
    pub(crate) accepted_with: u32,
    /// The reply-with of its proposal; zero when it gave none.
    pub(crate) proposed_with: u32,
    pub(crate) state: State,
    price: Option<Number>,
    content: Payload,
    /// The proposal's reply-by: until when it can be accepted; zero for without end.
    valid_until_ms: u64,
    /// The place among the proposals, from one.
    arrived: u64,
}

/// The book.
#[derive(Debug)]
pub(crate) struct Bids {
    list: Vec<Bid>,
    select: Select,
    price_key: String,
    arrivals: u64,
}

impl Bids {
    pub(crate) fn new(select: Select, price_key: String) -> Self {
        Self { list: Vec::new(), select, price_key, arrivals: 0 }
    }

    pub(crate) fn call(&mut self, agent: String, address: u32, [called_with, accepted_with]: [u32; 2]) {
        self.list.push(Bid {
            agent,
            address,
            called_with,
            accepted_with,
            proposed_with: 0,
            state: State::Called,
            price: None,
            content: Payload::EMPTY,
            valid_until_ms: 0,
            arrived: 0,
        });
    }

    pub(crate) fn list(&self) -> &[Bid] {
        &self.list
    }

    /// Sets what became of the participant at an index.
    pub(crate) fn set(&mut self, index: usize, state: State) {
        if let Some(bid) = self.list.get_mut(index) {
            bid.state = state;
        }
    }

    /// True while somebody who was called has not answered.
    pub(crate) fn undecided(&self) -> bool {
        self.list.iter().any(|bid| bid.state == State::Called)
    }

    /// Records that the participant failed and what is known of it.
    pub(crate) fn fail(&mut self, index: usize, reason: Payload) {
        if let Some(bid) = self.list.get_mut(index) {
            bid.state = State::Failed;
            bid.content = reason;
        }
    }

    /// Rejects the bids that are still open; answers with each one's address and its proposal's reply-with.
    pub(crate) fn reject_open(&mut self) -> Vec<(u32, u32)> {
        let open = self.list.iter_mut().filter(|bid| bid.state == State::Bid);
        open.map(|bid| {
            bid.state = State::Rejected;
            (bid.address, bid.proposed_with)
        })
        .collect()
    }

    /// Takes an answer to a call; what does not fit the participant's state changes nothing.
    pub(crate) fn answer(&mut self, answer: &Envelope) {
        let act = Performative::from_code(answer.head.performative);
        let in_reply_to = answer.head.in_reply_to;
        let Some(bid) = self.list.iter_mut().find(|bid| bid.called_with == in_reply_to) else { return };
        bid.state = match (bid.state, act) {
            (State::Called, Some(Performative::Propose)) => State::Bid,
            (State::Called, Some(Performative::Refuse)) => State::Refused,
            (State::Called | State::Bid, Some(Performative::NotUnderstood)) => State::NotUnderstood,
            (State::Called | State::Bid, Some(Performative::Failure)) => State::Failed,
            _ => return,
        };
        bid.content = answer.content.clone();
        if bid.state == State::Bid {
            self.arrivals += 1;
            bid.arrived = self.arrivals;
            bid.proposed_with = answer.head.reply_with;
            bid.valid_until_ms = answer.head.reply_by_ms;
            bid.price = price(bid.content.as_slice(), &self.price_key);
        }
    }

    /// Ends the calling: who did not answer counts as a refusal.
    pub(crate) fn close(&mut self) {
        for bid in self.list.iter_mut().filter(|bid| bid.state == State::Called) {
            bid.state = State::NoReply;
        }
    }

    /// The best open bid that is valid at this time; bids that are not valid any more expire.
    pub(crate) fn best(&mut self, now_ms: u64) -> Option<usize> {
        for bid in self.list.iter_mut().filter(|bid| bid.state == State::Bid) {
            if bid.valid_until_ms != 0 && bid.valid_until_ms < now_ms {
                bid.state = State::Expired;
            }
        }
        let open = self.list.iter().enumerate().filter(|(_, bid)| bid.state == State::Bid);
        let ranked = open.filter_map(|(index, bid)| Some((self.rank(bid)?, bid.arrived, index)));
        ranked
            .min_by(|one, other| one.0.total_cmp(&other.0).then(one.1.cmp(&other.1)))
            .map(|(.., index)| index)
    }

    /// Smaller is better; `None` for a bid without the price that is asked for.
    fn rank(&self, bid: &Bid) -> Option<f64> {
        let price = bid.price.as_ref().and_then(Number::as_f64);
        match self.select {
            Select::First => Some(0.0),
            Select::Lowest => price,
            Select::Highest => price.map(|price| -price),
        }
    }

    /// True when somebody proposed.
    pub(crate) fn any(&self) -> bool {
        self.arrivals > 0
    }

    /// The participants with their last words, as the document lists them.
    pub(crate) fn document(&self) -> Value {
        self.list.iter().map(document).collect()
    }
}

fn document(bid: &Bid) -> Value {
    let (key, content) = member("content", &bid.content);
    json!({"agent": bid.agent, "price": bid.price, key: content, "state": bid.state.as_str()})
}

/// The number under the key of a content that is a JSON object.
fn price(content: &[u8], key: &str) -> Option<Number> {
    match serde_json::from_slice(content).ok()? {
        Value::Object(mut members) => match members.remove(key)? {
            Value::Number(number) => Some(number),
            _ => None,
        },
        _ => None,
    }
}

#[cfg(test)]
mod tests;
