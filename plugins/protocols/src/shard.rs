//! A part of the engine's memory with a lock of its own; a conversation lives in one of them all its life.
//!
//! Bounded by `conversations_max` for open and `closed_max` and `closed_sessions_max` for closed conversations over all
//! shards. The map's hash is keyed at random, so no choice of ids makes it slow; nothing depends on its order.
//!
//! Timers outlive conversations: the timer of one that closed stays set and goes to the next one, which mostly is due
//! later. So in a busy server, where conversations end long before their deadlines, hardly any timer is set.

use std::{
    collections::{HashMap, VecDeque},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use caxton_plugin::Uid;
use foldhash::fast::RandomState;

use crate::{
    close::{Change, finish},
    conversation::{Conversation, NEVER, NO_TOKEN},
    pass::Pass,
};

/// How many shards there are; enough that the threads of a large machine seldom meet.
pub const SHARDS: usize = 16;

/// One shard.
#[derive(Debug)]
pub struct Shard {
    /// The conversations by id, open and closed.
    pub conversations: HashMap<Uid, Box<Conversation>, RandomState>,
    /// Its number, the lower part of its tokens.
    number: u64,
    /// Timers by the upper part of their tokens; as many as conversations were open at once.
    timers: Vec<Timer>,
    /// Tokens that no conversation has.
    spare: Vec<u64>,
    /// The conversations that closed, oldest first. One that was opened again stays listed and is passed over.
    closed: VecDeque<Closed>,
    /// The sessions of these.
    closed_sessions: usize,
    /// Open conversations of all shards.
    pub open: Arc<AtomicUsize>,
}

/// A timer, which may be set without belonging to a conversation.
#[derive(Clone, Copy, Debug)]
struct Timer {
    /// When it goes off; [`NEVER`] when it is not set.
    at_ms: u64,
    conversation: Uid,
}

#[derive(Clone, Copy, Debug)]
struct Closed {
    at_ms: u64,
    id: Uid,
    sessions: usize,
}

/// The shard of a conversation. The lower half of an id is random in the ids that the server mints; both are mixed, so
/// that ids of other making spread as well.
pub fn shard_of(id: Uid) -> usize {
    let mixed = (id.hi ^ id.lo.rotate_left(32)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    (mixed >> 60) as usize % SHARDS
}

impl Shard {
    /// An empty shard.
    pub fn new(number: usize, open: Arc<AtomicUsize>) -> Self {
        Self {
            conversations: HashMap::default(),
            number: number as u64,
            timers: Vec::new(),
            spare: Vec::new(),
            closed: VecDeque::new(),
            closed_sessions: 0,
            open,
        }
    }

    /// Takes a place for a new conversation and returns its timer's token; `None` when all are taken.
    pub fn admit(&mut self, id: Uid, conversations_max: usize) -> Option<u64> {
        let below = |open: usize| (open < conversations_max).then_some(open + 1);
        self.open.fetch_update(Ordering::Relaxed, Ordering::Relaxed, below).ok()?;
        Some(self.take_timer(id))
    }

    fn take_timer(&mut self, conversation: Uid) -> u64 {
        let token = self.spare.pop().unwrap_or_else(|| {
            self.timers.push(Timer { at_ms: NEVER, conversation });
            (self.timers.len() as u64 - 1) * SHARDS as u64 + self.number
        });
        if let Some(timer) = self.timer(token) {
            timer.conversation = conversation;
        }
        token
    }

    fn timer(&mut self, token: u64) -> Option<&mut Timer> {
        self.timers.get_mut((token / SHARDS as u64) as usize)
    }

    /// Notes that a timer went off; returns the conversation that it belongs to.
    pub fn went_off(&mut self, token: u64) -> Option<Uid> {
        let timer = self.timer(token)?;
        timer.at_ms = NEVER;
        Some(timer.conversation).filter(|id| !id.is_none())
    }

    /// Sets a conversation's timer when something is due before it goes off. One that goes off early is set again then.
    pub fn arm(&mut self, id: Uid, pass: &mut Pass<'_>) {
        let Some(conversation) = self.conversations.get(&id) else { return };
        let (token, due_ms) = (conversation.token, conversation.next_due_ms);
        if let Some(timer) = self.timer(token).filter(|timer| due_ms < timer.at_ms) {
            timer.at_ms = due_ms;
            pass.set_timer(token, due_ms.saturating_add(1));
        }
    }

    /// Draws the conclusions in a conversation after its events of this batch.
    pub fn finish(&mut self, id: Uid, pass: &mut Pass<'_>) {
        let Some(conversation) = self.conversations.get_mut(&id) else { return };
        match finish(conversation, pass) {
            Change::None => {}
            Change::Reopened => {
                self.open.fetch_add(1, Ordering::Relaxed);
                let token = self.take_timer(id);
                if let Some(conversation) = self.conversations.get_mut(&id) {
                    conversation.token = token;
                }
            }
            Change::Closed => {
                let token = std::mem::replace(&mut conversation.token, NO_TOKEN);
                let closed = Closed { at_ms: pass.now_ms, id, sessions: conversation.sessions.len() };
                self.open.fetch_sub(1, Ordering::Relaxed);
                self.give_back(token);
                self.list(closed);
                self.forget(pass);
                return;
            }
        }
        self.arm(id, pass);
        self.forget(pass);
    }

    fn give_back(&mut self, token: u64) {
        if let Some(timer) = self.timer(token) {
            timer.conversation = Uid::NONE;
            self.spare.push(token);
        }
    }

    fn list(&mut self, closed: Closed) {
        self.closed_sessions += closed.sessions;
        self.closed.push_back(closed);
    }

    /// Puts a conversation in that another instance had. Its timer is not set.
    pub fn adopt(&mut self, mut conversation: Box<Conversation>) {
        let id = conversation.id;
        if conversation.is_closed() {
            self.list(Closed { at_ms: conversation.closed_ms, id, sessions: conversation.sessions.len() });
        } else {
            conversation.token = self.take_timer(id);
        }
        self.conversations.insert(id, conversation);
    }

    /// Forgets closed conversations that are too old or too many.
    fn forget(&mut self, pass: &Pass<'_>) {
        let keep = (pass.config.closed_max / SHARDS).max(1);
        let keep_sessions = pass.config.closed_sessions_max / SHARDS;
        while let Some(Closed { at_ms, id, sessions }) = self.closed.front().copied() {
            let old = at_ms.saturating_add(pass.config.closed_keep_ms) < pass.now_ms;
            let many = self.closed_sessions > keep_sessions && self.closed.len() > 1;
            if !old && !many && self.closed.len() <= keep {
                return;
            }
            self.closed.pop_front();
            self.closed_sessions -= sessions;
            if self.conversations.get(&id).is_some_and(|conversation| conversation.closed_ms == at_ms) {
                self.conversations.remove(&id);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use caxton_plugin::{Action, Header};

    use super::*;
    use crate::{
        Config, Numbers,
        conversation::{Kind, Session},
        table::State,
    };

    /// A shard with a conversation of so many open sessions.
    fn shard_with(id: Uid, sessions: usize) -> Shard {
        let mut shard = Shard::new(3, Arc::default());
        open(&mut shard, id, sessions);
        shard
    }

    fn open(shard: &mut Shard, id: Uid, sessions: usize) -> u64 {
        let token = shard.admit(id, 100).unwrap();
        let head = Header { conversation: id, ..Header::default() };
        let mut conversation = Conversation::new(&head, Kind::Request, token, Uid::NONE);
        conversation.sessions = (0..sessions).map(|_| Session::new(&head, 1)).collect();
        shard.conversations.insert(id, Box::new(conversation));
        token
    }

    /// Ends a conversation's sessions and draws the conclusion at a time; returns the actions.
    fn end(shard: &mut Shard, id: Uid, now_ms: u64, config: &Config) -> Vec<Action> {
        let (numbers, mut out) = (Numbers::default(), Vec::new());
        let conversation = shard.conversations.get_mut(&id).unwrap();
        for at in 0..conversation.sessions.len() {
            let session = conversation.sessions.get(at).unwrap().clone();
            conversation.sessions.replace(at, Session { state: State::Done, ..session });
        }
        shard.finish(id, &mut Pass { now_ms, config, numbers: &numbers, out: &mut out });
        out
    }

    #[test]
    fn a_forgotten_conversation_leaves_nothing_behind() {
        let (config, id) = (Config::default(), Uid::from_u128(7));
        let mut shard = shard_with(id, 1);
        end(&mut shard, id, 1_000, &config);
        end(&mut shard, id, 1_001 + config.closed_keep_ms, &config);
        assert!(shard.conversations.is_empty() && shard.closed.is_empty());
        assert_eq!(shard.closed_sessions, 0);
    }

    #[test]
    fn closed_conversations_with_too_many_sessions_are_forgotten_but_for_the_last() {
        let config = Config { closed_sessions_max: SHARDS * 10, ..Config::default() };
        let ids = [1, 2, 3].map(Uid::from_u128);
        let mut shard = shard_with(ids[0], 6);
        open(&mut shard, ids[1], 6);
        open(&mut shard, ids[2], 20);
        let mut kept = |id| {
            end(&mut shard, id, 1_000, &config);
            shard.conversations.values().filter(|conversation| conversation.is_closed()).count()
        };
        assert_eq!(ids.map(&mut kept), [1, 1, 1]);
    }

    #[test]
    fn the_timer_of_a_conversation_that_closed_serves_the_next_one() {
        let (config, numbers) = (Config::default(), Numbers::default());
        let (first, second) = (Uid::from_u128(1), Uid::from_u128(2));
        let mut shard = shard_with(first, 1);
        let arm = |shard: &mut Shard, id, due_ms| {
            shard.conversations.get_mut(&id).unwrap().next_due_ms = due_ms;
            let mut out = Vec::new();
            shard.arm(id, &mut Pass { now_ms: 0, config: &config, numbers: &numbers, out: &mut out });
            out.iter().map(|action| action.time_ms).collect::<Vec<_>>()
        };
        assert_eq!(arm(&mut shard, first, 500), [501]);
        end(&mut shard, first, 100, &config);
        let token = open(&mut shard, second, 1);
        assert!(arm(&mut shard, second, 600).is_empty(), "the timer goes off before that");
        assert_eq!(shard.went_off(token), Some(second));
        assert_eq!(arm(&mut shard, second, 600), [601]);
        end(&mut shard, second, 200, &config);
        assert_eq!(shard.went_off(token), None);
    }
}
