//! The participant of `fipa-contract-net` (SC00029) as a trait: what it costs, and how it is done.

use std::{cell::RefCell, collections::BTreeMap, time::Duration};

use serde::{Serialize, de::DeserializeOwned};

use crate::{
    Agent, AgentRef, Failure, Fault, Instant, Message, Performative, Reason, Refusal, Start, Uid,
    executor::{fresh_number, now, sleep},
    log,
};

/// Proposals that may wait for their decision at once; a call beyond that is refused as overloaded.
pub const OPEN_BIDS_MAX: usize = 1024;

/// An agent that bids for tasks and does them. `export!(Contractor<MyBidder>)` makes a component of it.
///
/// ```
/// use caxton_agent::{Bidder, Failure, Fault, Refusal, Start};
///
/// struct Doubler;
///
/// impl Bidder for Doubler {
///     type Task = u64;
///     type Offer = u64;
///     type Report = u64;
///
///     fn init(_: &Start) -> Result<Self, Fault> {
///         Ok(Self)
///     }
///     fn bid(&mut self, task: &u64) -> Result<u64, Refusal> {
///         if *task > 1000 { Err(Refusal::new("too-large", "at most 1000")) } else { Ok(task / 10) }
///     }
///     fn work(&mut self, task: u64, _offer: u64, _order: &[u8]) -> Result<u64, Failure> {
///         Ok(task * 2)
///     }
/// }
/// ```
pub trait Bidder: Sized + 'static {
    /// What a call for proposals carries, as JSON.
    type Task: DeserializeOwned + 'static;
    /// What a proposal carries, as JSON.
    type Offer: Serialize + 'static;
    /// What the result carries, as JSON.
    type Report: Serialize;

    /// How long a proposal binds.
    const BID_VALID_FOR: Duration = Duration::from_secs(60);

    /// Begins an instance.
    ///
    /// # Errors
    /// A fault fails the deployment.
    fn init(start: &Start) -> Result<Self, Fault>;

    /// How long it thinks before it prices a task; other messages are handled meanwhile. Not at all by default.
    fn think(&mut self, _task: &Self::Task) -> Duration {
        Duration::ZERO
    }

    /// Prices a task.
    ///
    /// # Errors
    /// A refusal is sent as `refuse`.
    fn bid(&mut self, task: &Self::Task) -> Result<Self::Offer, Refusal>;

    /// Does a task whose proposal was accepted; the order is the acceptance's content.
    ///
    /// # Errors
    /// A failure is sent as `failure`.
    fn work(&mut self, task: Self::Task, offer: Self::Offer, order: &[u8]) -> Result<Self::Report, Failure>;
}

/// Runs a [`Bidder`] as an agent: proposes, keeps what it proposed, works when accepted, and answers cancellations.
/// Open proposals live in the instance: one that is accepted after a restart is answered `failure`.
pub struct Contractor<B: Bidder> {
    inner: RefCell<Inner<B>>,
}

struct Inner<B: Bidder> {
    bidder: B,
    open: BTreeMap<BidKey, OpenBid<B>>,
}

/// The conversation and the proposal's reply-with, which acceptance and rejection repeat.
type BidKey = (Uid, u32);

struct OpenBid<B: Bidder> {
    initiator: AgentRef,
    session: u32,
    task: B::Task,
    offer: B::Offer,
    valid_until: Instant,
}

impl<B: Bidder> Agent for Contractor<B> {
    fn init(start: Start) -> Result<Self, Fault> {
        let bidder = B::init(&start)?;
        Ok(Self { inner: RefCell::new(Inner { bidder, open: BTreeMap::new() }) })
    }

    async fn handle(&self, message: Message) -> Result<(), Fault> {
        match message.performative() {
            Performative::Cfp => self.called(&message).await,
            Performative::AcceptProposal => self.inner.borrow_mut().accepted(&message),
            Performative::RejectProposal => self.inner.borrow_mut().rejected(&message),
            Performative::Cancel => self.inner.borrow_mut().cancelled(&message),
            act if message.is_answer() => {
                log::debug(format_args!("{act:?} that nobody waits for was passed over"));
                Ok(())
            }
            act => {
                let reason = Reason::new("unexpected-act", format_args!("a bidder does not take {act:?}"));
                message.not_understood(&reason).send().map(drop)
            }
        }
    }
}

impl<B: Bidder> Contractor<B> {
    async fn called(&self, call: &Message) -> Result<(), Fault> {
        let task: B::Task = match call.json() {
            Ok(task) => task,
            Err(fault) => return call.not_understood(&fault.into()).send().map(drop),
        };
        let thinks = self.inner.borrow_mut().bidder.think(&task);
        if !thinks.is_zero() {
            sleep(thinks).await;
        }
        self.inner.borrow_mut().propose(call, task)
    }
}

impl<B: Bidder> Inner<B> {
    fn propose(&mut self, call: &Message, task: B::Task) -> Result<(), Fault> {
        let now = now();
        let conversation = call.conversation();
        self.open.retain(|key, bid| bid.valid_until > now && !(key.0 == conversation && bid.is_of(call)));
        if self.open.len() >= OPEN_BIDS_MAX {
            let reason =
                Refusal::new("overloaded", format_args!("{OPEN_BIDS_MAX} proposals are open already"));
            return call.refuse(&reason).send().map(drop);
        }
        let offer = match self.bidder.bid(&task) {
            Ok(offer) => offer,
            Err(refusal) => return call.refuse(&refusal).send().map(drop),
        };
        let (number, valid_until) = (fresh_number(), now + B::BID_VALID_FOR);
        call.reply(Performative::Propose).reply_with(number).reply_by(valid_until).json(&offer).send()?;
        let (initiator, session) = (call.sender(), call.reply_with());
        self.open.insert((conversation, number), OpenBid { initiator, session, task, offer, valid_until });
        Ok(())
    }

    fn accepted(&mut self, order: &Message) -> Result<(), Fault> {
        let Some(bid) = self.take(order) else {
            let reason = Failure::new(
                "bid-unknown",
                "no such proposal is open: it expired, was decided, or the agent restarted",
            );
            return order.failure(&reason).send().map(drop);
        };
        match self.bidder.work(bid.task, bid.offer, order.content()) {
            Ok(report) => order.inform().json(&report).send().map(drop),
            Err(failure) => order.failure(&failure).send().map(drop),
        }
    }

    fn rejected(&mut self, rejection: &Message) -> Result<(), Fault> {
        self.take(rejection);
        Ok(())
    }

    /// Cancelling ends every proposal to this initiator in the conversation, or the one that it names.
    fn cancelled(&mut self, cancel: &Message) -> Result<(), Fault> {
        let before = self.open.len();
        let named = self.take(cancel).is_some();
        if !named {
            let conversation = cancel.conversation();
            self.open.retain(|key, bid| key.0 != conversation || bid.initiator != cancel.sender());
        }
        if self.open.len() < before {
            return cancel.inform().send().map(drop);
        }
        let reason =
            Failure::new("already-done", "nothing is open here: it was done, rejected or never proposed");
        cancel.failure(&reason).send().map(drop)
    }

    /// Takes the proposal that a message decides, if it comes from the agent that the proposal went to.
    fn take(&mut self, decision: &Message) -> Option<OpenBid<B>> {
        let key = (decision.conversation(), decision.in_reply_to());
        let known = self.open.get(&key).is_some_and(|bid| bid.initiator == decision.sender());
        if known { self.open.remove(&key) } else { None }
    }
}

impl<B: Bidder> OpenBid<B> {
    /// True when a call opens the same session anew: a later round, or a call that was delivered twice.
    fn is_of(&self, call: &Message) -> bool {
        self.initiator == call.sender() && self.session == call.reply_with()
    }
}
