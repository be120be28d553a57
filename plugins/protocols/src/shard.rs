//! A part of the engine's memory with a lock of its own; a conversation lives in one of them all its life.
//!
//! Bounded by `conversations_max` for open and `closed_max` for closed conversations over all shards. Maps are ordered,
//! so the same input gives the same actions, and no choice of ids makes them slow.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use caxton_plugin::Uid;

use crate::{
    close::{Change, finish},
    conversation::Conversation,
    pass::Pass,
};

/// How many shards there are; enough that the threads of a large machine seldom meet.
pub const SHARDS: usize = 16;

/// One shard.
#[derive(Debug)]
pub struct Shard {
    /// The conversations by id, open and closed.
    pub conversations: BTreeMap<Uid, Conversation>,
    /// Which conversation a timer's token belongs to.
    pub tokens: BTreeMap<u64, Uid>,
    /// When conversations closed, oldest first. One that was opened again stays listed and is passed over.
    pub closed: VecDeque<(u64, Uid)>,
    /// The next token of this shard.
    pub next_token: u64,
    /// Open conversations of all shards.
    pub open: Arc<AtomicUsize>,
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
            conversations: BTreeMap::new(),
            tokens: BTreeMap::new(),
            closed: VecDeque::new(),
            next_token: number as u64,
            open,
        }
    }

    /// Takes a place for a new conversation and returns its timer's token; `None` when all are taken.
    pub fn admit(&mut self, id: Uid, conversations_max: usize) -> Option<u64> {
        let below = |open: usize| (open < conversations_max).then_some(open + 1);
        self.open.fetch_update(Ordering::Relaxed, Ordering::Relaxed, below).ok()?;
        let token = self.next_token;
        self.next_token = token.wrapping_add(SHARDS as u64);
        self.tokens.insert(token, id);
        Some(token)
    }

    /// Draws the conclusions in a conversation after its events of this batch.
    pub fn finish(&mut self, id: Uid, pass: &mut Pass<'_>) {
        let Some(conversation) = self.conversations.get_mut(&id) else { return };
        match finish(conversation, pass) {
            Change::None => {}
            Change::Reopened => {
                self.open.fetch_add(1, Ordering::Relaxed);
            }
            Change::Closed => {
                self.open.fetch_sub(1, Ordering::Relaxed);
                self.closed.push_back((pass.now_ms, id));
            }
        }
        self.forget(pass);
    }

    /// Forgets closed conversations that are too old or too many.
    fn forget(&mut self, pass: &Pass<'_>) {
        let keep = (pass.config.closed_max / SHARDS).max(1);
        while let Some((closed_ms, id)) = self.closed.front().copied() {
            let old = closed_ms.saturating_add(pass.config.closed_keep_ms) < pass.now_ms;
            if !old && self.closed.len() <= keep {
                return;
            }
            self.closed.pop_front();
            let same = |conversation: &&Conversation| conversation.closed_ms == closed_ms;
            if let Some(token) =
                self.conversations.get(&id).filter(same).map(|conversation| conversation.token)
            {
                self.conversations.remove(&id);
                self.tokens.remove(&token);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use caxton_plugin::Header;

    use super::*;
    use crate::{Config, Numbers, conversation::Kind};

    #[test]
    fn a_forgotten_conversation_leaves_nothing_behind() {
        let (config, numbers) = (Config::default(), Numbers::default());
        let mut shard = Shard::new(0, Arc::default());
        let id = Uid::from_u128(7);
        let token = shard.admit(id, 1).unwrap();
        let head = Header { conversation: id, ..Header::default() };
        shard.conversations.insert(id, Conversation::new(&head, Kind::Request, token, Uid::NONE));
        let mut finish = |now_ms| {
            let mut out = Vec::new();
            shard.finish(id, &mut Pass { now_ms, config: &config, numbers: &numbers, out: &mut out });
        };
        finish(1_000);
        finish(1_001 + config.closed_keep_ms);
        assert!(shard.conversations.is_empty() && shard.tokens.is_empty() && shard.closed.is_empty());
    }
}
