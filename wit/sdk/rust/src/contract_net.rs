//! The initiator of `fipa-contract-net` (SC00029): call, compare bids, award, and fall back to the runner-up.
//!
//! One conversation for all participants; each gets a reply-with of its own, which is the key of its session, in the
//! call as in the acceptance, so that every answer names it. The server's protocol engine judges lateness; this side
//! stops waiting a little after reply-by. Bids that were not accepted are rejected when the net is dropped, because
//! until then each may still be the runner-up.

use std::{collections::BTreeMap, fmt, time::Duration};

use serde::{Serialize, de::DeserializeOwned};

use crate::{
    AgentRef, Draft, Fault, Instant, Message, Performative, Reason, Uid,
    ask::GRACE,
    executor::{Session, new_conversation, now},
    log,
    message::FIPA_CONTRACT_NET,
    names, send_all,
};

/// Participants that one call may have; a larger market is asked in parts.
pub const PARTICIPANTS_MAX: usize = 256;

/// Names one bid of a net.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct BidId(usize);

/// A proposal.
#[derive(Debug)]
pub struct Bid<B> {
    /// Who proposed.
    pub bidder: AgentRef,
    /// What it proposed.
    pub offer: B,
    /// Until when it binds; without it, until the net ends.
    pub valid_until: Option<Instant>,
    number: u32,
    session: Session,
    stage: Stage,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Open,
    Accepted,
}

impl<B> Bid<B> {
    fn is_open(&self) -> bool {
        self.stage == Stage::Open && self.valid_until.is_none_or(|until| now() < until)
    }
}

/// Why a participant did not bid.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NoBid {
    /// It refused.
    Refused(Reason),
    /// It did not understand, or its proposal could not be read.
    NotUnderstood(Reason),
    /// It could not be reached or was lost.
    Failed(Reason),
    /// Nothing came in time; a late bid counts as this, because the server rejects it.
    Silent,
}

impl fmt::Display for NoBid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused(reason) => write!(f, "refused: {reason}"),
            Self::NotUnderstood(reason) => write!(f, "not understood: {reason}"),
            Self::Failed(reason) => write!(f, "failed: {reason}"),
            Self::Silent => f.write_str("no bid in time"),
        }
    }
}

/// Why an acceptance brought no result.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ContractError {
    /// The bid is decided already, or its validity passed.
    #[error("the bid does not bind any more")]
    Expired,
    /// The contractor failed, or the platform reports its loss.
    #[error("the contractor failed: {0}")]
    Failed(Reason),
    /// The contractor did not understand the acceptance.
    #[error("the contractor did not understand: {0}")]
    NotUnderstood(Reason),
    /// No result came in time.
    #[error("no result came in time")]
    Overdue,
    /// The acceptance could not be sent.
    #[error(transparent)]
    Unsent(#[from] Fault),
    /// Every bid was tried, or there was none.
    #[error("no bid is left")]
    NoBid,
}

impl From<ContractError> for Reason {
    fn from(error: ContractError) -> Self {
        let code = match &error {
            ContractError::Expired => "bid-expired",
            ContractError::Failed(_) => "contractor-failed",
            ContractError::NotUnderstood(_) => "not-understood",
            ContractError::Overdue => "result-overdue",
            ContractError::Unsent(_) => "unsent",
            ContractError::NoBid => "no-bid",
        };
        Self::new(code, error)
    }
}

/// What an award brought.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Award {
    /// The bid that was accepted and kept.
    pub bid: BidId,
    /// Its `inform`.
    pub result: Message,
    /// Who was accepted before it and why it brought nothing.
    pub lost: Vec<(AgentRef, ContractError)>,
}

/// One call for proposals and what became of it.
///
/// ```no_run
/// # use {caxton_agent::{ContractNet, Fault, Message, Reason, find}, std::time::Duration};
/// # async fn handle(message: Message) -> Result<(), Fault> {
/// let second = Duration::from_secs(1);
/// let mut net = ContractNet::<f64>::call(&find("group:painters"), &"the fence", second).await?;
/// match net.award(|price| *price, b"by noon", 60 * second).await {
///     Ok(award) => message.inform().content(award.result.content()).send()?,
///     Err(_) => message.failure(&Reason::new("no-painter", "nobody paints")).send()?,
/// };
/// # Ok(()) }
/// ```
#[derive(Debug)]
pub struct ContractNet<B> {
    conversation: Uid,
    bids: Vec<Bid<B>>,
    no_bids: BTreeMap<AgentRef, NoBid>,
}

impl<B: DeserializeOwned> ContractNet<B> {
    /// Sends a call with the task's JSON to each participant and waits until all have answered or the span is over.
    ///
    /// # Errors
    /// The host's fault when the call cannot be sent, or `overloaded` beyond [`PARTICIPANTS_MAX`]; nothing is sent then.
    pub async fn call(
        participants: &[AgentRef],
        task: &impl Serialize,
        within: Duration,
    ) -> Result<Self, Fault> {
        if participants.len() > PARTICIPANTS_MAX {
            return Err(Fault::overloaded(format_args!(
                "a call has at most {PARTICIPANTS_MAX} participants"
            )));
        }
        let conversation = new_conversation();
        let until = now() + within;
        let sessions = announce(conversation, participants, &serde_json::to_vec(task)?, until)?;
        let mut net = Self { conversation, bids: Vec::new(), no_bids: BTreeMap::new() };
        // One after the other costs no time: each session keeps its answer, and all share one deadline.
        for (participant, session) in sessions {
            let answer = session.next(until + GRACE).await;
            net.take(participant, session, answer);
        }
        Ok(net)
    }

    fn take(&mut self, bidder: AgentRef, session: Session, answer: Option<Message>) {
        let no_bid = match answer {
            None => NoBid::Silent,
            Some(answer) => match answer.performative() {
                Performative::Propose => match answer.json() {
                    Ok(offer) => {
                        let (valid_until, number) = (answer.reply_by(), answer.reply_with());
                        self.bids.push(Bid {
                            bidder,
                            offer,
                            valid_until,
                            number,
                            session,
                            stage: Stage::Open,
                        });
                        return;
                    }
                    Err(fault) => self.decline_unread(&answer, fault),
                },
                Performative::Refuse => NoBid::Refused(answer.reason()),
                Performative::Failure => NoBid::Failed(answer.reason()),
                _ => NoBid::NotUnderstood(answer.reason()),
            },
        };
        self.no_bids.insert(bidder, no_bid);
    }

    fn decline_unread(&self, answer: &Message, fault: Fault) -> NoBid {
        let reason = Reason::from(fault);
        let draft = answer.reply(Performative::RejectProposal).reason(&reason);
        if let Err(fault) = draft.send() {
            log::warn(format_args!("a proposal that cannot be read was not rejected: {fault}"));
        }
        NoBid::NotUnderstood(reason)
    }
}

impl<B> ContractNet<B> {
    /// The conversation that all of it happens in.
    pub fn conversation(&self) -> Uid {
        self.conversation
    }

    /// Every proposal that came in time, in the order of the participants.
    pub fn bids(&self) -> impl Iterator<Item = (BidId, &Bid<B>)> {
        self.bids.iter().enumerate().map(|(index, bid)| (BidId(index), bid))
    }

    /// One proposal.
    pub fn bid(&self, id: BidId) -> Option<&Bid<B>> {
        self.bids.get(id.0)
    }

    /// The participants that did not bid, and why.
    pub fn no_bids(&self) -> impl Iterator<Item = (AgentRef, &NoBid)> {
        self.no_bids.iter().map(|(agent, why)| (*agent, why))
    }

    /// The open bid with the lowest cost; of equal ones the first. Bids whose validity passed do not count.
    pub fn best<C: PartialOrd>(&self, cost: impl Fn(&B) -> C) -> Option<BidId> {
        let mut best: Option<(BidId, C)> = None;
        for (id, bid) in self.bids().filter(|(_, bid)| bid.is_open()) {
            let cost = cost(&bid.offer);
            if best.as_ref().is_none_or(|(_, least)| cost < *least) {
                best = Some((id, cost));
            }
        }
        best.map(|(id, _)| id)
    }

    /// Accepts a bid and waits for the result. The order is the content of the acceptance.
    ///
    /// # Errors
    /// Every kind of [`ContractError`] but `NoBid`. The bid is used up, the others stay open.
    pub async fn accept(
        &mut self,
        id: BidId,
        order: Vec<u8>,
        within: Duration,
    ) -> Result<Message, ContractError> {
        let bid = self.bids.get_mut(id.0).filter(|bid| bid.is_open()).ok_or(ContractError::Expired)?;
        let until = now() + within;
        decision(bid, self.conversation, Performative::AcceptProposal)
            .content(order)
            .reply_by(until)
            .send()?;
        bid.stage = Stage::Accepted;
        loop {
            let answer = bid.session.next(until + GRACE).await.ok_or(ContractError::Overdue)?;
            match answer.performative() {
                Performative::Inform => return Ok(answer),
                Performative::Failure => return Err(ContractError::Failed(answer.reason())),
                Performative::NotUnderstood => return Err(ContractError::NotUnderstood(answer.reason())),
                other => {
                    log::warn(format_args!("{other:?} is no answer to an acceptance and was passed over"))
                }
            }
        }
    }

    /// Accepts the cheapest open bid and, when it brings no result, the next one, as long as bids bind.
    ///
    /// # Errors
    /// [`ContractError::NoBid`] with the losses so far when no bid is left.
    pub async fn award<C: PartialOrd>(
        &mut self,
        cost: impl Fn(&B) -> C,
        order: &[u8],
        within: Duration,
    ) -> Result<Award, Vec<(AgentRef, ContractError)>> {
        let mut lost = Vec::new();
        while let Some(bid) = self.best(&cost) {
            match self.accept(bid, order.to_vec(), within).await {
                Ok(result) => return Ok(Award { bid, result, lost }),
                Err(error) => {
                    let bidder = self.bid(bid).map_or(0, |bid| bid.bidder);
                    log::info(format_args!("{} was accepted in vain: {error}", names::name_of(bidder)));
                    lost.push((bidder, error));
                    // A bid that could not even be accepted must not be chosen again.
                    self.close(bid);
                }
            }
        }
        Err(lost)
    }

    fn close(&mut self, id: BidId) {
        if let Some(bid) = self.bids.get_mut(id.0) {
            bid.stage = Stage::Accepted;
        }
    }

    fn reject_rest(&mut self) -> Result<(), Fault> {
        let reason = Reason::new("not-selected", "another proposal was accepted");
        let open = self.bids.iter_mut().filter(|bid| bid.is_open());
        let drafts: Vec<_> = open
            .map(|bid| decision(bid, self.conversation, Performative::RejectProposal).reason(&reason))
            .collect();
        if drafts.is_empty() { Ok(()) } else { send_all(drafts).map(drop) }
    }
}

impl<B> Drop for ContractNet<B> {
    /// Rejects every bid that is still open.
    fn drop(&mut self) {
        if let Err(fault) = self.reject_rest() {
            log::warn(format_args!("bids were not rejected: {fault}"));
        }
    }
}

fn announce(
    conversation: Uid,
    participants: &[AgentRef],
    task: &[u8],
    until: Instant,
) -> Result<Vec<(AgentRef, Session)>, Fault> {
    let mut sessions = Vec::with_capacity(participants.len());
    let mut drafts = Vec::with_capacity(participants.len());
    for participant in participants {
        let session = Session::open(conversation, Some(*participant))?;
        let draft = Draft::new(Performative::Cfp, *participant)
            .protocol(FIPA_CONTRACT_NET)
            .conversation(conversation);
        drafts.push(draft.reply_with(session.number()).reply_by(until).content(task));
        sessions.push((*participant, session));
    }
    if !drafts.is_empty() {
        send_all(drafts)?;
    }
    Ok(sessions)
}

fn decision<B>(bid: &Bid<B>, conversation: Uid, act: Performative) -> Draft {
    let draft = Draft::new(act, bid.bidder).protocol(FIPA_CONTRACT_NET).conversation(conversation);
    draft.reply_with(bid.session.number()).in_reply_to(bid.number)
}
