//! An agent as a whole: its versions beside each other, and which of them a message belongs to.
//!
//! With one version nothing here is asked: its desk takes the message. As soon as two live, their desks are marked as
//! divided, and each message is assigned under the roster's lock, both when its place is reserved and when it is put
//! there, so that a switch in between moves it too. Locks are taken in the order roster, desk, state; the roster comes
//! after all locks of [`Lookup`](crate::directory::Lookup).

use std::sync::Arc;

use caxton_abi::{Code, Envelope, Uid};

use crate::sync::Mutex;
use crate::{
    agent::State,
    cell::{Cell, Desk},
    forwarding::Filled,
    held::Judge,
    mailbox::Bounced,
    revision::{Blueprint, Outcome, RevisionView, Told},
    sync::lock,
    tally::Tally,
    time::Time,
    turn,
};

/// An agent with its versions.
pub(crate) struct Lineage {
    pub(crate) address: u32,
    /// Counts deployments, for stable orders.
    pub(crate) number: u64,
    pub(crate) name: String,
    pub(crate) state: Arc<SharedState>,
    pub(crate) roster: Mutex<Roster>,
}

/// The versions that live, and what is kept of those before.
#[derive(Default)]
pub(crate) struct Roster {
    /// Oldest first; empty when the agent is gone.
    pub(crate) versions: Vec<Version>,
    /// Numbers given so far.
    pub(crate) numbers: u32,
    /// What the version before the one that serves was made of.
    pub(crate) previous: Option<Blueprint>,
    /// The last version that failed beside another one.
    pub(crate) fallen: Option<RevisionView>,
    /// Who waits for the outcome of a version; one for each that is brought in.
    pub(crate) told: Vec<(u32, Told)>,
    /// What versions did that are gone.
    pub(crate) past: Totals,
    /// It is being removed.
    pub(crate) leaving: bool,
}

/// A version that lives.
pub(crate) struct Version {
    pub(crate) cell: Arc<Cell>,
    pub(crate) role: Role,
    pub(crate) since: Time,
    /// Its first `init` returned ok.
    pub(crate) started: bool,
}

/// What a version is there for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    /// Its first turn has not committed yet; then it gets this share of the new conversations, or all.
    Candidate(Option<u8>),
    /// It gets a share of the new conversations, percent.
    Canary(u8),
    /// New conversations are its own.
    Serving,
    /// It finishes the conversations that it takes part in, at most until then.
    Draining(Time),
}

/// Counters of an agent.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Totals {
    pub(crate) turns: u64,
    pub(crate) received: u64,
    pub(crate) sent: u64,
    pub(crate) restarts: u32,
    pub(crate) recycled: u32,
}

/// The key-value state of an agent, one for all its versions.
#[derive(Default)]
pub(crate) struct SharedState(Mutex<Arc<State>>);

impl SharedState {
    pub(crate) fn newest(&self) -> Arc<State> {
        Arc::clone(&lock(&self.0))
    }

    /// Makes a turn's puts true. When another version committed meanwhile they are laid over what it left; what both
    /// add in the same moment may pass the bound once.
    pub(crate) fn keep(&self, began_with: &Arc<State>, next: State, puts: &turn::Puts) {
        let mut newest = lock(&self.0);
        *newest = if Arc::ptr_eq(&newest, began_with) { next } else { turn::overlay(&newest, puts) }.into();
    }
}

impl Lineage {
    /// The version that serves; none when the agent is leaving.
    pub(crate) fn serving(&self) -> Option<Arc<Cell>> {
        lock(&self.roster).serving().cloned()
    }

    /// True when no version takes messages any more and none will.
    pub(crate) fn has_failed(&self) -> bool {
        let roster = lock(&self.roster);
        roster.versions.iter().all(|version| lock(&version.cell.desk).life.has_failed())
    }

    pub(crate) fn lying(&self) -> Tally {
        lock(&self.roster).versions.iter().map(|version| lock(&version.cell.desk).lying()).sum()
    }
}

impl Roster {
    pub(crate) fn serving(&self) -> Option<&Arc<Cell>> {
        self.versions.iter().find(|version| version.role == Role::Serving).map(|version| &version.cell)
    }

    /// The version that comes in, if one does.
    pub(crate) fn incoming(&self) -> Option<&Version> {
        self.versions.iter().find(|version| matches!(version.role, Role::Candidate(_) | Role::Canary(_)))
    }

    pub(crate) fn version(&self, number: u32) -> Option<&Version> {
        self.versions.iter().find(|version| version.cell.version == number)
    }

    pub(crate) fn version_mut(&mut self, number: u32) -> Option<&mut Version> {
        self.versions.iter_mut().find(|version| version.cell.version == number)
    }

    /// The version that takes a message of a conversation: the one that takes part in it, else a canary by its share,
    /// else the one that serves.
    fn route(&self, conversation: Uid) -> Option<&Arc<Cell>> {
        let serves = |version: &&Version| !matches!(version.role, Role::Candidate(_));
        let holds = |version: &&Version| {
            let desk = lock(&version.cell.desk);
            desk.life.takes_messages() && desk.held.contains(conversation)
        };
        if let Some(version) = self.versions.iter().filter(serves).find(holds) {
            return Some(&version.cell);
        }
        let canary = self.versions.iter().find_map(|version| match version.role {
            Role::Canary(share) if bucket(conversation) < share => Some(&version.cell),
            _ => None,
        });
        canary.or_else(|| self.serving())
    }

    /// Takes a version out that no turn runs any more; false when it is out already. The one that is left alone is asked
    /// directly again.
    pub(crate) fn leave(&mut self, cell: &Arc<Cell>) -> bool {
        let Some(at) = self.versions.iter().position(|version| Arc::ptr_eq(&version.cell, cell)) else {
            return false;
        };
        self.versions.remove(at);
        let desk = lock(&cell.desk);
        self.past.turns += desk.turns;
        self.past.received += desk.received;
        self.past.sent += desk.sent;
        self.past.restarts += desk.supervisor.restarts();
        self.past.recycled += desk.recycling.recycled();
        drop(desk);
        let divides = |version: &Version| matches!(version.role, Role::Canary(_) | Role::Draining(_));
        if let (Some(serving), false) = (self.serving(), self.versions.iter().any(divides)) {
            lock(&serving.desk).divided = false;
        }
        true
    }

    /// What became of a version that was brought in; none while that is open.
    pub(crate) fn outcome(&self, number: u32) -> Option<Outcome> {
        let withdrawn = || Outcome::Failed {
            code: Code::AGENT_STOPPED,
            reason: "the version was withdrawn before it served".to_owned(),
        };
        let Some(version) = self.version(number) else {
            let fallen = self.fallen.as_ref().filter(|fallen| fallen.number == number);
            return Some(fallen.map_or_else(withdrawn, |fallen| Outcome::Failed {
                code: fallen.code,
                reason: fallen.reason.clone(),
            }));
        };
        let failure = lock(&version.cell.desk).life.failure();
        match version.role {
            _ if failure.is_some() => failure.map(|(code, reason)| Outcome::Failed { code, reason }),
            Role::Canary(share) => Some(Outcome::Canary(share)),
            Role::Draining(_) if !version.started => Some(withdrawn()),
            Role::Serving | Role::Draining(_) if version.started => Some(Outcome::Active),
            _ => None,
        }
    }
}

/// A conversation's place among a hundred, the same each time.
fn bucket(conversation: Uid) -> u8 {
    let mixed = (conversation.hi ^ conversation.lo.rotate_left(32)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    u8::try_from((mixed >> 32) % 100).unwrap_or_default()
}

/// Reserves a place at the version that a message belongs to.
pub(crate) fn reserve(cell: &Cell, message: &Envelope) -> Result<Arc<Cell>, Code> {
    let lineage = cell.lineage.upgrade().ok_or(Code::AGENT_STOPPED)?;
    let roster = lock(&lineage.roster);
    let target = roster.route(message.head.conversation).ok_or(Code::AGENT_STOPPED)?;
    lock(&target.desk).mailbox.reserve(message, &target.limits)?;
    Ok(Arc::clone(target))
}

/// Puts a message in that has a place at a version; the one that it belongs to now may be another.
pub(crate) fn fill(cell: &Cell, message: Envelope) -> Result<Filled, Box<Bounced>> {
    let lineage = cell.lineage.upgrade();
    let roster = lineage.as_ref().map(|lineage| lock(&lineage.roster));
    lock(&cell.desk).mailbox.cancel(message.content.len());
    let Some(target) = roster.as_ref().and_then(|roster| roster.route(message.head.conversation)) else {
        return Err(Box::new(Bounced { envelope: message, code: Code::AGENT_STOPPED }));
    };
    let mut desk = lock(&target.desk);
    desk.mailbox.adopt(message)?;
    let queue = desk.enqueue();
    drop(desk);
    Ok(if queue { Filled::Queue(Arc::clone(target)) } else { Filled::Quiet })
}

/// Messages that changed versions.
#[derive(Default)]
pub(crate) struct HandedOver {
    /// Versions that were idle; they belong into the run queue.
    pub(crate) queue: Vec<Arc<Cell>>,
    /// Messages that no version takes, with the reason.
    pub(crate) bounced: Vec<Bounced>,
}

impl HandedOver {
    /// The messages that no version took.
    pub(crate) fn bounced(&self) -> Tally {
        Tally::of(self.bounced.iter().map(|bounced| &bounced.envelope))
    }
}

/// Lets a version go on with what it takes part in alone, and gives what waits there otherwise to those to whom it
/// belongs now.
pub(crate) fn hand_over(roster: &Roster, from: &Cell, now: Time) -> HandedOver {
    let mut desk = lock(&from.desk);
    desk.divided = true;
    desk.held.renew(now);
    let Desk { mailbox, held, .. } = &mut *desk;
    let messages = mailbox.extract(|message| !held.contains(message.head.conversation));
    drop(desk);
    distribute(roster, messages)
}

/// Puts messages at the ends of the mailboxes of the versions to which they belong, in order.
pub(crate) fn distribute(roster: &Roster, messages: Vec<Envelope>) -> HandedOver {
    let mut handed = HandedOver::default();
    for message in messages {
        let Some(target) = roster.route(message.head.conversation) else {
            handed.bounced.push(Bounced { envelope: message, code: Code::AGENT_STOPPED });
            continue;
        };
        let mut desk = lock(&target.desk);
        match desk.mailbox.adopt(message) {
            Ok(()) if desk.enqueue() => handed.queue.push(Arc::clone(target)),
            Ok(()) => {}
            Err(bounced) => handed.bounced.push(*bounced),
        }
    }
    handed
}

/// Keeps conversations whose messages wait here from going to a canary. The caller holds the roster.
pub(crate) fn hold_waiting(cell: &Cell, judge: &Judge<'_>) {
    let mut desk = lock(&cell.desk);
    desk.divided = true;
    let Desk { mailbox, held, .. } = &mut *desk;
    mailbox.iter().for_each(|message| held.touch(&message.head, judge));
}
