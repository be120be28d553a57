//! The engine: a protocol port over sharded conversations. Pure: time is an argument, the result is a list of actions.
//!
//! Conversations do not depend on each other, so threads work in different shards at once. Messages of one
//! conversation that follow each other in a batch are handled under one lock, and conclusions (row 8, row 10, the end)
//! are drawn after the last of them: a call to many participants in one batch is judged as a whole.

use std::sync::{
    Arc, Mutex, MutexGuard, PoisonError,
    atomic::{AtomicBool, AtomicUsize, Ordering},
};

use caxton_plugin::{Action, Error, Observation, Protocol, Uid, observed};

use crate::{
    close,
    config::Config,
    message::{lost, message, undelivered},
    pass::{Numbers, Pass},
    shard::{SHARDS, Shard, shard_of},
    snapshot,
    tables::{CANCEL_META, CONTRACT_NET, REQUEST},
};

/// Enforces contract net and request on the messages that pass it.
#[derive(Debug)]
pub struct Engine {
    config: Config,
    numbers: Numbers,
    shards: Vec<Mutex<Shard>>,
    open: Arc<AtomicUsize>,
    /// Set by a restore: the timers of the instance before are not ours.
    rearm: AtomicBool,
}

impl Engine {
    /// Makes an engine without conversations.
    pub fn new(config: Config, numbers: Numbers) -> Self {
        let open = Arc::new(AtomicUsize::new(0));
        let shards = (0..SHARDS).map(|number| Mutex::new(Shard::new(number, open.clone()))).collect();
        Self { config, numbers, shards, open, rearm: AtomicBool::new(false) }
    }

    /// How many conversations are open.
    pub fn open_conversations(&self) -> usize {
        self.open.load(Ordering::Relaxed)
    }

    fn pass<'a>(&'a self, now_ms: u64, out: &'a mut Vec<Action>) -> Pass<'a> {
        let mut pass = Pass { now_ms, config: &self.config, numbers: &self.numbers, out };
        if self.rearm.load(Ordering::Relaxed) && self.rearm.swap(false, Ordering::Relaxed) {
            self.rearm_all(&mut pass);
        }
        pass
    }

    fn rearm_all(&self, pass: &mut Pass<'_>) {
        for number in 0..SHARDS {
            let Some(mut shard) = self.shard(number) else { continue };
            let mut ids: Vec<_> = shard.conversations.keys().copied().collect();
            ids.sort_unstable();
            ids.into_iter().for_each(|id| shard.arm(id, pass));
        }
    }

    fn shard(&self, number: usize) -> Option<MutexGuard<'_, Shard>> {
        self.shards.get(number).map(|shard| shard.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Handles the messages of one conversation that stand together in the batch, starting at `first`.
    fn run(&self, id: Uid, first: usize, run: &[Observation], pass: &mut Pass<'_>) {
        let Some(mut shard) = self.shard(shard_of(id)) else { return };
        for (index, observation) in run.iter().enumerate() {
            let head = &observation.envelope.head;
            match observation.kind {
                observed::MESSAGE => {
                    message(&mut shard, (first + index) as u32, run.get(index..).unwrap_or_default(), pass)
                }
                observed::UNDELIVERABLE => undelivered(&mut shard, head, observation.code, pass),
                _ => {}
            }
        }
        shard.finish(id, pass);
    }

    /// Visits every conversation: agents are lost seldom, and an index of them would cost every message.
    fn agent_lost(&self, observation: &Observation, pass: &mut Pass<'_>) {
        let head = &observation.envelope.head;
        let only = head.conversation;
        let shards = if only.is_none() { 0..SHARDS } else { shard_of(only)..shard_of(only) + 1 };
        for number in shards {
            let Some(mut shard) = self.shard(number) else { continue };
            let mut concerned: Vec<Uid> = shard
                .conversations
                .values()
                .filter(|conversation| {
                    !conversation.is_closed() && !observation.spared.contains(&conversation.id)
                })
                .filter(|conversation| only.is_none() || conversation.id == only)
                .filter(|conversation| {
                    conversation.initiator == head.sender || conversation.calls(head.sender)
                })
                .map(|conversation| conversation.id)
                .collect();
            concerned.sort_unstable();
            for id in concerned {
                if let Some(conversation) = shard.conversations.get_mut(&id) {
                    lost(conversation, head.sender, observation.code, head.trace, pass);
                }
                shard.finish(id, pass);
            }
        }
    }
}

impl Protocol for Engine {
    fn protocols(&self) -> Vec<String> {
        [CONTRACT_NET.token, REQUEST.token, CANCEL_META].map(str::to_owned).into()
    }

    fn observe(&self, batch: &[Observation], now_ms: u64, out: &mut Vec<Action>) {
        // Most messages move a session, and few do more.
        out.reserve(batch.len() + 2);
        let mut pass = self.pass(now_ms, out);
        let together = |one: &Observation, next: &Observation| {
            one.kind != observed::AGENT_LOST
                && next.kind != observed::AGENT_LOST
                && one.envelope.head.conversation == next.envelope.head.conversation
        };
        let mut first = 0;
        for run in batch.chunk_by(together) {
            match run.first() {
                Some(lost) if lost.kind == observed::AGENT_LOST => self.agent_lost(lost, &mut pass),
                Some(message) => self.run(message.envelope.head.conversation, first, run, &mut pass),
                None => {}
            }
            first += run.len();
        }
    }

    fn timers(&self, tokens: &[u64], now_ms: u64, out: &mut Vec<Action>) {
        let mut pass = self.pass(now_ms, out);
        for token in tokens {
            let Some(mut shard) = self.shard((*token % SHARDS as u64) as usize) else { continue };
            let Some(id) = shard.went_off(*token) else { continue };
            let Some(conversation) = shard.conversations.get_mut(&id) else { continue };
            close::settle(conversation, &mut pass);
            shard.finish(id, &mut pass);
        }
    }

    fn snapshot(&self) -> Vec<u8> {
        let shards = (0..SHARDS).filter_map(|number| self.shard(number)).collect::<Vec<_>>();
        snapshot::write(&shards)
    }

    fn restore(&self, document: &[u8]) -> Result<(), Error> {
        let conversations = snapshot::read(document)?;
        let mut shards: Vec<_> = (0..SHARDS).filter_map(|number| self.shard(number)).collect();
        self.open.store(snapshot::fill(&mut shards, conversations), Ordering::Relaxed);
        self.rearm.store(true, Ordering::Relaxed);
        Ok(())
    }

    fn describe(&self, conversation: Uid) -> Option<serde_json::Value> {
        self.shard(shard_of(conversation))?
            .conversations
            .get(&conversation)
            .map(|found| close::describe(found))
    }
}
