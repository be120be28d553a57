//! By turns refuses, bids late, and traps after its bid was accepted: what a market must survive.
//!
//! The turn is kept in the state, so it survives the traps. Its price is the lowest there can be, so the bid that it
//! means to break is accepted. Every acceptance traps, also when it is delivered again to a new instance. Between two
//! such bids lies `trap_every_ms`, because an agent that traps too often is stopped for good; meanwhile it refuses.

use std::time::Duration;

use caxton_agent::{
    Agent, AgentRef, Draft, FIPA_CONTRACT_NET, Fault, Message, Performative, Reason, Start, Uid,
    fresh_number, log, now, sleep, spawn, state,
};
use count::Offer;
use serde::{Deserialize, Serialize};

/// Beyond the call's reply-by, and before the caller stops waiting, so that the conversation is still open.
const LATE_BY: Duration = Duration::from_millis(60);

/// How long its proposals bind.
const BINDS_FOR: Duration = Duration::from_secs(60);

/// The price that nobody undercuts.
const TEMPTING: Offer = Offer { price: 0.01 };

/// Where the turn is kept.
const TURN: &str = "turn";

/// Where the late bids are kept that are still to come, so that a trap in between does not swallow them.
const OWED: &str = "owed";

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
enum Mood {
    #[default]
    Refuse,
    BidLate,
    Trap,
}

#[derive(Default, Serialize, Deserialize)]
struct Turn {
    next: Mood,
    trap_after_ms: u64,
}

#[derive(Deserialize)]
struct Troublemaker {
    #[serde(default = "rarely")]
    trap_every_ms: u64,
}

fn rarely() -> u64 {
    15_000
}

impl Agent for Troublemaker {
    /// Late bids that an earlier instance owed are taken up again.
    fn init(start: Start) -> Result<Self, Fault> {
        for owed in state::get::<Vec<LateBid>>(OWED)?.unwrap_or_default() {
            spawn(owed.bid_late())?;
        }
        start.config()
    }

    async fn handle(&self, message: Message) -> Result<(), Fault> {
        match message.performative() {
            Performative::Cfp => self.called(&message),
            Performative::AcceptProposal => trap(),
            _ => Ok(()),
        }
    }
}

impl Troublemaker {
    fn called(&self, call: &Message) -> Result<(), Fault> {
        match self.mood()? {
            Mood::Refuse => call.refuse(&Reason::new("not-today", "does not feel like it")).send().map(drop),
            Mood::BidLate => {
                let owed = LateBid::for_call(call);
                let mut all: Vec<LateBid> = state::get(OWED)?.unwrap_or_default();
                all.push(owed.clone());
                state::put(OWED, &all)?;
                spawn(owed.bid_late())
            }
            Mood::Trap => tempt(call.reply(Performative::Propose)),
        }
    }

    fn mood(&self) -> Result<Mood, Fault> {
        let turn: Turn = state::get(TURN)?.unwrap_or_default();
        let now_ms = now().unix_ms();
        let (mood, next) = match turn.next {
            Mood::Refuse => (Mood::Refuse, Turn { next: Mood::BidLate, ..turn }),
            Mood::BidLate => (Mood::BidLate, Turn { next: Mood::Trap, ..turn }),
            Mood::Trap if now_ms < turn.trap_after_ms => (Mood::Refuse, turn),
            Mood::Trap => {
                (Mood::Trap, Turn { next: Mood::Refuse, trap_after_ms: now_ms + self.trap_every_ms })
            }
        };
        state::put(TURN, &next)?;
        Ok(mood)
    }
}

/// A bid that is still to come; what is needed of the call, because the message itself does not survive a trap.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
struct LateBid {
    to: AgentRef,
    conversation: [u32; 4],
    in_reply_to: u32,
    at_ms: u64,
}

impl LateBid {
    fn for_call(call: &Message) -> Self {
        let Uid { a, b, c, d } = call.conversation();
        let at = call.reply_by().unwrap_or_else(now) + LATE_BY;
        Self {
            to: call.sender(),
            conversation: [a, b, c, d],
            in_reply_to: call.reply_with(),
            at_ms: at.unix_ms(),
        }
    }

    async fn bid_late(self) {
        sleep(Duration::from_millis(self.at_ms.saturating_sub(now().unix_ms()))).await;
        if let Err(fault) = self.pay() {
            log::warn(format_args!("a late bid was not sent: {fault}"));
        }
    }

    fn pay(&self) -> Result<(), Fault> {
        let mut owed: Vec<Self> = state::get(OWED)?.unwrap_or_default();
        owed.retain(|other| other != self);
        state::put(OWED, &owed)?;
        let [a, b, c, d] = self.conversation;
        let draft = Draft::new(Performative::Propose, self.to).conversation(Uid { a, b, c, d });
        tempt(draft.protocol(FIPA_CONTRACT_NET).in_reply_to(self.in_reply_to))
    }
}

fn tempt(proposal: Draft) -> Result<(), Fault> {
    proposal.reply_with(fresh_number()).reply_by_in(BINDS_FOR).json(&TEMPTING).send().map(drop)
}

#[allow(clippy::panic, reason = "it is what this agent is for")]
fn trap() -> Result<(), Fault> {
    log::error("the bid was accepted: trapping now");
    panic!("the troublemaker traps after its bid was accepted")
}

caxton_agent::export!(Troublemaker);

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing)]

    use caxton_agent::testing::ScriptedHost;

    use super::*;

    fn call(host: &ScriptedHost) -> Vec<Performative> {
        let boss = host.agent("boss");
        let by = now() + Duration::from_millis(400);
        host.deliver(host.incoming(Performative::Cfp, boss).reply_by(by));
        host.sent().iter().map(|draft| draft.performative).collect()
    }

    #[test]
    fn refuses_then_bids_late_then_bids_in_time() {
        let host = ScriptedHost::install();
        host.start::<Troublemaker>("").unwrap();
        assert_eq!(call(&host), [Performative::Refuse]);
        assert_eq!(call(&host), []);
        host.advance(Duration::from_millis(400));
        assert!(host.sent().is_empty());
        host.advance(Duration::from_millis(60));
        assert_eq!(host.sent()[0].performative, Performative::Propose);
        assert_eq!(call(&host), [Performative::Propose]);
    }

    #[test]
    fn bids_late_even_if_it_trapped_in_between() {
        let host = ScriptedHost::install();
        host.start::<Troublemaker>("").unwrap();
        call(&host);
        call(&host);
        host.start::<Troublemaker>("").unwrap();
        host.advance(Duration::from_secs(1));
        let sent = host.sent();
        assert_eq!(sent.len(), 1);
        assert_eq!(sent[0].performative, Performative::Propose);
        assert!(state::get::<Vec<LateBid>>(OWED).unwrap().unwrap().is_empty());
    }

    #[test]
    #[should_panic(expected = "traps after its bid was accepted")]
    fn traps_on_the_acceptance_in_a_fresh_instance_too() {
        let host = ScriptedHost::install();
        let boss = host.agent("boss");
        host.start::<Troublemaker>("").unwrap();
        host.deliver(host.incoming(Performative::AcceptProposal, boss).in_reply_to(3));
    }

    #[test]
    fn keeps_its_turn_over_a_restart_and_does_not_trap_again_at_once() {
        let host = ScriptedHost::install();
        host.start::<Troublemaker>("").unwrap();
        let moods: Vec<_> = (0..6)
            .map(|_| {
                host.start::<Troublemaker>("").unwrap();
                call(&host).first().copied()
            })
            .collect();
        use Performative::{Propose, Refuse};
        assert_eq!(moods, [Some(Refuse), None, Some(Propose), Some(Refuse), None, Some(Refuse)]);
    }
}
