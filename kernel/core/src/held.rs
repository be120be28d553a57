//! The conversations that a version of an agent takes part in, so that an upgrade leaves them where they began.
//!
//! Noting one costs a comparison when it is the same as the last one, else an entry in a map that is bounded by
//! `limits.conversations_per_agent_max`. What is over is only sorted out when the map is full or its version drains.

use {std::collections::HashMap, std::collections::VecDeque};

use caxton_abi::{Header, Uid};

use crate::sync::{Mutex, RwLock};
use crate::{
    flow::Watch,
    sync::{lock, read},
    time::Time,
};

/// The conversations of one version.
#[derive(Default)]
pub(crate) struct Held {
    last: Option<(Uid, Touch)>,
    earlier: HashMap<Uid, Touch>,
}

/// When somebody last spoke in it, and by which protocol.
#[derive(Clone, Copy)]
struct Touch {
    at: Time,
    protocol: u32,
}

/// Decides which conversations are over.
pub(crate) struct Judge<'a> {
    pub(crate) watch: &'a RwLock<Watch>,
    pub(crate) closed: &'a Mutex<Closed>,
    pub(crate) settle_ms: u64,
    pub(crate) conversations_max: usize,
    pub(crate) now: Time,
}

impl Judge<'_> {
    fn is_watched(&self, touch: Touch) -> bool {
        read(self.watch).port_of(touch.protocol).is_some()
    }

    /// A watched conversation is over when its protocol closed it, another one when nobody spoke for a while.
    fn is_over(&self, id: Uid, touch: Touch) -> bool {
        if self.is_watched(touch) {
            lock(self.closed).contains(id)
        } else {
            self.now.nanos_since(touch.at) >= self.settle_ms.saturating_mul(1_000_000)
        }
    }
}

impl Held {
    /// Notes that the version takes part in a message's conversation.
    pub(crate) fn touch(&mut self, head: &Header, judge: &Judge<'_>) {
        let (id, at) = (head.conversation, judge.now);
        if let Some((last, touch)) = &mut self.last
            && *last == id
        {
            touch.at = at;
            if head.protocol != 0 {
                touch.protocol = head.protocol;
            }
            return;
        }
        let known = self.earlier.remove(&id).map_or(0, |touch| touch.protocol);
        let protocol = if head.protocol == 0 { known } else { head.protocol };
        if let Some((last, touch)) = self.last.replace((id, Touch { at, protocol })) {
            if self.earlier.len() + 1 >= judge.conversations_max {
                self.make_room(judge);
            }
            self.earlier.insert(last, touch);
        }
    }

    /// Forgets what is over, and when that is too little the oldest ones, those that no protocol watches first.
    fn make_room(&mut self, judge: &Judge<'_>) {
        self.earlier.retain(|id, touch| !judge.is_over(*id, *touch));
        let keep = judge.conversations_max / 4 * 3;
        let surplus = self.earlier.len().saturating_sub(keep);
        if surplus == 0 {
            return;
        }
        let mut oldest: Vec<_> =
            self.earlier.iter().map(|(id, touch)| (judge.is_watched(*touch), touch.at, *id)).collect();
        oldest.sort_unstable();
        for (_, _, id) in oldest.into_iter().take(surplus) {
            self.earlier.remove(&id);
        }
    }

    /// Forgets what is over, except what `stays` says.
    pub(crate) fn sweep(&mut self, judge: &Judge<'_>, stays: impl Fn(Uid) -> bool) {
        let over = |id: Uid, touch: Touch| judge.is_over(id, touch) && !stays(id);
        self.earlier.retain(|id, touch| !over(*id, *touch));
        self.last = self.last.filter(|(id, touch)| !over(*id, *touch));
    }

    /// Counts the quiet time of every conversation from now on.
    pub(crate) fn renew(&mut self, now: Time) {
        let last = self.last.iter_mut().map(|(_, touch)| touch);
        for touch in self.earlier.values_mut().chain(last) {
            touch.at = touch.at.max(now);
        }
    }

    pub(crate) fn contains(&self, id: Uid) -> bool {
        self.last.is_some_and(|(last, _)| last == id) || self.earlier.contains_key(&id)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.last.is_none() && self.earlier.is_empty()
    }

    /// How many are not over.
    pub(crate) fn open(&self, judge: &Judge<'_>) -> usize {
        self.all().filter(|(id, touch)| !judge.is_over(*id, *touch)).count()
    }

    /// The open ones that a protocol watches, in a stable order.
    pub(crate) fn watched(&self, judge: &Judge<'_>) -> Vec<Uid> {
        let open = |(id, touch): &(Uid, Touch)| judge.is_watched(*touch) && !judge.is_over(*id, *touch);
        let mut ids: Vec<_> = self.all().filter(open).map(|(id, _)| id).collect();
        ids.sort_unstable();
        ids
    }

    fn all(&self) -> impl Iterator<Item = (Uid, Touch)> {
        self.earlier.iter().map(|(id, touch)| (*id, *touch)).chain(self.last)
    }
}

/// The conversations that protocols closed last, so that an upgrade does not wait for them.
#[derive(Default)]
pub(crate) struct Closed {
    order: VecDeque<(u64, Uid)>,
    numbers: HashMap<Uid, u64>,
    next: u64,
}

impl Closed {
    /// Notes that a conversation closed; the oldest beyond `closed_max` is forgotten.
    pub(crate) fn note(&mut self, id: Uid, closed_max: usize) {
        self.next += 1;
        self.numbers.insert(id, self.next);
        self.order.push_back((self.next, id));
        while self.order.len() > closed_max {
            let Some((number, id)) = self.order.pop_front() else { break };
            if self.numbers.get(&id) == Some(&number) {
                self.numbers.remove(&id);
            }
        }
    }

    /// A further call opened it again.
    pub(crate) fn reopen(&mut self, id: Uid) {
        self.numbers.remove(&id);
    }

    pub(crate) fn contains(&self, id: Uid) -> bool {
        self.numbers.contains_key(&id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WATCHED: u32 = 7;

    struct Rig {
        watch: RwLock<Watch>,
        closed: Mutex<Closed>,
    }

    impl Rig {
        fn new() -> Self {
            let rig = Self { watch: RwLock::default(), closed: Mutex::default() };
            crate::sync::write(&rig.watch).set(1, None, &[WATCHED]);
            rig
        }

        fn judge(&self, now_ms: u64) -> Judge<'_> {
            let now = Time::from_millis(now_ms);
            Judge { watch: &self.watch, closed: &self.closed, settle_ms: 100, conversations_max: 8, now }
        }
    }

    fn head(conversation: u128, protocol: u32) -> Header {
        Header { conversation: Uid::from_u128(conversation), protocol, ..Header::default() }
    }

    #[test]
    fn an_unwatched_conversation_is_over_when_nobody_spoke_for_a_while() {
        let (rig, mut held) = (Rig::new(), Held::default());
        held.touch(&head(1, 0), &rig.judge(0));
        held.touch(&head(1, 0), &rig.judge(50));
        held.sweep(&rig.judge(149), |_| false);
        assert!(held.contains(Uid::from_u128(1)));
        held.sweep(&rig.judge(150), |_| false);
        assert!(held.is_empty());
    }

    #[test]
    fn a_watched_conversation_is_over_when_its_protocol_closed_it() {
        let (rig, mut held) = (Rig::new(), Held::default());
        held.touch(&head(1, WATCHED), &rig.judge(0));
        held.sweep(&rig.judge(9_999), |_| false);
        assert_eq!(held.watched(&rig.judge(9_999)), [Uid::from_u128(1)]);
        lock(&rig.closed).note(Uid::from_u128(1), 4);
        held.sweep(&rig.judge(9_999), |_| false);
        assert!(held.is_empty());
    }

    #[test]
    fn a_full_table_forgets_the_oldest_unwatched_conversation_first() {
        let (rig, mut held) = (Rig::new(), Held::default());
        held.touch(&head(99, WATCHED), &rig.judge(0));
        for n in 0..40 {
            held.touch(&head(n, 0), &rig.judge(u64::try_from(n).unwrap() + 1));
        }
        assert!(held.contains(Uid::from_u128(99)) && held.contains(Uid::from_u128(39)));
        assert!(!held.contains(Uid::from_u128(0)));
        assert!(held.all().count() <= 8);
    }

    #[test]
    fn a_closed_conversation_that_was_opened_again_is_not_closed() {
        let mut closed = Closed::default();
        let id = Uid::from_u128(1);
        closed.note(id, 2);
        closed.reopen(id);
        assert!(!closed.contains(id));
        closed.note(id, 2);
        closed.note(Uid::from_u128(2), 2);
        assert!(closed.contains(id), "its first entry went out, not its second");
        closed.note(Uid::from_u128(3), 2);
        assert!(!closed.contains(id));
    }
}
