//! Auctions each text that a client sends among the bidders and answers with the winner's report.
//!
//! A client asks by `fipa-request`: the content is the text itself, the parameter `X-file` its name. The manager calls
//! for proposals with the name and the length, accepts the lowest price with the text as the order, falls back to the
//! runner-up while bids bind, calls once more when none is left, and answers `inform` or `failure`.
//!
//! Configuration, all optional: `bidders` (a group, capability or agent), `bid_ms` (time for bids), `work_ms` (time
//! for the result). At most [`AUCTIONS_MAX`] texts of [`HELD_BYTES_MAX`] together are under way; more are refused.

use std::{cell::Cell, collections::BTreeMap, time::Duration};

use caxton_agent::{
    Agent, AgentRef, ContractError, ContractNet, Fault, Message, NoBid, Performative, Reason, Start, find,
    log, name_of,
};
use count::{Offer, Report, Task};
use serde::{Deserialize, Serialize};

/// Texts that may be under way at once.
const AUCTIONS_MAX: usize = 64;

/// Bytes of the texts under way: each is held until it is counted, and copied once when it is sent.
const HELD_BYTES_MAX: usize = 32 << 20;

/// Calls for one text: the first, and one more when every bid of it came to nothing.
const CALLS_MAX: usize = 2;

#[derive(Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Market {
    bidders: String,
    bid_ms: u64,
    work_ms: u64,
}

impl Default for Market {
    fn default() -> Self {
        Self { bidders: "group:bidders".to_owned(), bid_ms: 400, work_ms: 60_000 }
    }
}

struct Manager {
    market: Market,
    auctions: Cell<usize>,
    held_bytes: Cell<usize>,
}

/// What the client gets.
#[derive(Debug, Serialize, Deserialize)]
struct Outcome {
    file: String,
    winner: String,
    price: f64,
    report: Report,
    /// The other participants and what became of them, by name.
    others: BTreeMap<String, String>,
    calls: usize,
}

impl Agent for Manager {
    fn init(start: Start) -> Result<Self, Fault> {
        Ok(Self { market: start.config()?, auctions: Cell::new(0), held_bytes: Cell::new(0) })
    }

    async fn handle(&self, message: Message) -> Result<(), Fault> {
        match message.performative() {
            Performative::Request => self.requested(message).await,
            act if message.is_answer() => {
                log::debug(format_args!("{act:?} that nobody waits for was passed over"));
                Ok(())
            }
            act => {
                let reason = Reason::new("unexpected-act", format_args!("send a request, not {act:?}"));
                message.not_understood(&reason).send().map(drop)
            }
        }
    }
}

impl Manager {
    async fn requested(&self, request: Message) -> Result<(), Fault> {
        let bytes = request.content().len();
        let held_bytes = self.held_bytes.get().saturating_add(bytes);
        // One text alone may be larger than the bound: the server has its own for that.
        if self.auctions.get() >= AUCTIONS_MAX || (held_bytes > HELD_BYTES_MAX && self.auctions.get() > 0) {
            let reason = Reason::new("overloaded", "too many texts are under way: send again later");
            return request.refuse(&reason).send().map(drop);
        }
        self.auctions.set(self.auctions.get() + 1);
        self.held_bytes.set(held_bytes);
        let head = request.head();
        let outcome = self.auction(request).await;
        self.auctions.set(self.auctions.get().saturating_sub(1));
        self.held_bytes.set(self.held_bytes.get().saturating_sub(bytes));
        match outcome {
            Ok(outcome) => head.inform().json(&outcome).send().map(drop),
            Err(reason) => head.failure(&reason).send().map(drop),
        }
    }

    async fn auction(&self, request: Message) -> Result<Outcome, Reason> {
        let file = request.param("X-file").unwrap_or("unnamed").to_owned();
        let text = request.into_content();
        let task = Task { file, bytes: text.len() };
        let mut others = BTreeMap::new();
        for calls in 1..=CALLS_MAX {
            if let Some(mut outcome) = self.call(&task, &text, &mut others).await? {
                others.remove(&outcome.winner);
                outcome.others = others;
                outcome.calls = calls;
                return Ok(outcome);
            }
        }
        let tried: Vec<_> = others.iter().map(|(name, why)| format!("{name} {why}")).collect();
        Err(Reason::new("no-contractor", format_args!("nobody counted {}: {}", task.file, tried.join("; "))))
    }

    async fn call(
        &self,
        task: &Task,
        text: &[u8],
        others: &mut BTreeMap<String, String>,
    ) -> Result<Option<Outcome>, Reason> {
        let bidders = self.bidders()?;
        let mut net =
            ContractNet::<Offer>::call(&bidders, task, Duration::from_millis(self.market.bid_ms)).await?;
        note(others, net.no_bids().map(|(agent, why)| (agent, NoBid::to_string(why))));
        note(others, net.bids().map(|(_, bid)| (bid.bidder, format!("bid {}", bid.offer.price))));
        let awarded = net.award(|offer| offer.price, text, Duration::from_millis(self.market.work_ms)).await;
        let award = match awarded {
            Ok(award) => award,
            Err(lost) => {
                note_lost(others, &lost);
                return Ok(None);
            }
        };
        note_lost(others, &award.lost);
        let Some(bid) = net.bid(award.bid) else { return Ok(None) };
        let report: Report = award.result.json()?;
        let (winner, price) = (name_of(bid.bidder).to_string(), bid.offer.price);
        Ok(Some(Outcome {
            file: task.file.clone(),
            winner,
            price,
            report,
            others: BTreeMap::new(),
            calls: 1,
        }))
    }

    fn bidders(&self) -> Result<Vec<AgentRef>, Reason> {
        let name = &self.market.bidders;
        let bidders = find(name);
        match bidders.is_empty() {
            true => Err(Reason::new("no-bidders", format_args!("nobody answers to `{name}`"))),
            false => Ok(bidders),
        }
    }
}

fn note(others: &mut BTreeMap<String, String>, news: impl Iterator<Item = (AgentRef, String)>) {
    others.extend(news.map(|(agent, what)| (name_of(agent).to_string(), what)));
}

fn note_lost(others: &mut BTreeMap<String, String>, lost: &[(AgentRef, ContractError)]) {
    note(others, lost.iter().map(|(agent, error)| (*agent, error.to_string())));
}

caxton_agent::export!(Manager);

#[cfg(test)]
mod tests;
