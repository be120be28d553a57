//! The conversations that a version of an agent takes part in, so that an upgrade leaves them where they began.
//!
//! Noting one costs a comparison when it is the same as the last one at the same time, else one look-up. Conversations
//! that name a protocol are kept until they are over, and sorted out each time they have doubled; of the others the last
//! ones are kept. Both together are bounded by `limits.conversations_per_agent_max`.

use std::collections::HashMap;

use caxton_abi::{Header, Uid};
use foldhash::fast::RandomState;

use crate::sync::{Mutex, MutexGuard, RwLock, RwLockReadGuard};
use crate::{
    flow::Watch,
    recent::Recent,
    sync::{lock, read},
    time::Time,
};

/// So many conversations that name a protocol are kept before they are sorted out for the first time.
const NAMED_MIN: usize = 32;

/// The conversations of one version.
#[derive(Default)]
pub(crate) struct Held {
    last: (Uid, Touch),
    /// Those that name a protocol; it may be watched.
    named: HashMap<Uid, Touch, RandomState>,
    /// How many of these are kept before they are sorted out.
    named_room: usize,
    /// The others, and when somebody last spoke in them.
    plain: Recent<Uid, Time>,
}

/// When somebody last spoke in it, and by which protocol.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
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

/// The same with the tables at hand, for many conversations at once.
struct Bench<'a> {
    watch: RwLockReadGuard<'a, Watch>,
    closed: MutexGuard<'a, Closed>,
    settle_ns: u64,
    now: Time,
}

impl Judge<'_> {
    fn sit(&self) -> Bench<'_> {
        Bench {
            watch: read(self.watch),
            closed: lock(self.closed),
            settle_ns: self.settle_ms.saturating_mul(1_000_000),
            now: self.now,
        }
    }
}

impl Bench<'_> {
    fn is_watched(&self, touch: Touch) -> bool {
        self.watch.port_of(touch.protocol).is_some()
    }

    /// A watched conversation is over when its protocol closed it, another one when nobody spoke for a while.
    fn is_over(&self, id: Uid, touch: Touch) -> bool {
        if self.is_watched(touch) { self.closed.contains(id) } else { self.is_silent(touch.at) }
    }

    fn is_silent(&self, at: Time) -> bool {
        self.now.nanos_since(at) >= self.settle_ns
    }
}

impl Held {
    /// Notes that the version takes part in a message's conversation.
    pub(crate) fn touch(&mut self, head: &Header, judge: &Judge<'_>) {
        let (id, touch) = (head.conversation, Touch { at: judge.now, protocol: head.protocol });
        if self.last == (id, touch) {
            return;
        }
        self.last = (id, touch);
        if let Some(known) = self.named.get_mut(&id) {
            let protocol = if touch.protocol == 0 { known.protocol } else { touch.protocol };
            *known = Touch { protocol, ..touch };
        } else if touch.protocol == 0 {
            let max = judge.conversations_max.saturating_sub(self.named_room);
            self.plain.note(id, touch.at, max);
        } else {
            self.plain.remove(id);
            if self.named.len() >= self.named_room {
                self.make_room(judge);
            }
            self.named.insert(id, touch);
        }
    }

    /// Forgets what is over, and when that is too little the oldest ones, those that no protocol watches first.
    fn make_room(&mut self, judge: &Judge<'_>) {
        let bench = judge.sit();
        let max = judge.conversations_max;
        self.named.retain(|id, touch| !bench.is_over(*id, *touch));
        let surplus = self.named.len().saturating_sub(max / 4 * 3);
        if self.named_room >= max && surplus > 0 {
            self.forget_oldest(&bench, surplus);
        }
        self.named_room = (self.named.len() * 2).max(NAMED_MIN.min(max / 2)).min(max);
        while self.named_room + self.plain.len() > max && !self.plain.is_empty() {
            self.plain.age();
        }
    }

    fn forget_oldest(&mut self, bench: &Bench<'_>, count: usize) {
        let age = |(id, touch): (&Uid, &Touch)| (bench.is_watched(*touch), touch.at, *id);
        let mut ages: Vec<_> = self.named.iter().map(age).collect();
        if let Some(last) = count.min(ages.len()).checked_sub(1) {
            ages.select_nth_unstable(last);
        }
        for (_, _, id) in ages.into_iter().take(count) {
            self.named.remove(&id);
        }
    }

    /// Forgets what is over, except what `stays` says.
    pub(crate) fn sweep(&mut self, judge: &Judge<'_>, stays: impl Fn(Uid) -> bool) {
        let bench = judge.sit();
        self.named.retain(|id, touch| !bench.is_over(*id, *touch) || stays(*id));
        self.plain.retain(|id, at| !bench.is_silent(at) || stays(id));
        self.last = Default::default();
    }

    /// Counts the quiet time of every conversation from now on.
    pub(crate) fn renew(&mut self, now: Time) {
        let named = self.named.values_mut().map(|touch| &mut touch.at);
        for at in named.chain(self.plain.values_mut()) {
            *at = (*at).max(now);
        }
    }

    pub(crate) fn contains(&self, id: Uid) -> bool {
        self.named.contains_key(&id) || self.plain.get(id).is_some()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.named.is_empty() && self.plain.is_empty()
    }

    /// How many are not over.
    pub(crate) fn open(&self, judge: &Judge<'_>) -> usize {
        let bench = judge.sit();
        let named = self.named.iter().filter(|(id, touch)| !bench.is_over(**id, **touch));
        named.count() + self.plain.iter().filter(|(_, at)| !bench.is_silent(*at)).count()
    }

    /// True when one of them is open and a protocol watches it.
    pub(crate) fn has_watched(&self, judge: &Judge<'_>) -> bool {
        let bench = judge.sit();
        self.named.iter().any(|(id, touch)| bench.is_watched(*touch) && !bench.is_over(*id, *touch))
    }

    /// The open ones that a protocol watches, in a stable order.
    pub(crate) fn watched(&self, judge: &Judge<'_>) -> Vec<Uid> {
        let bench = judge.sit();
        let open = |(id, touch): &(&Uid, &Touch)| bench.is_watched(**touch) && !bench.is_over(**id, **touch);
        let mut ids: Vec<_> = self.named.iter().filter(open).map(|(id, _)| *id).collect();
        ids.sort_unstable();
        ids
    }
}

/// The conversations that protocols closed last, so that an upgrade does not wait for them.
#[derive(Default)]
pub(crate) struct Closed(Recent<Uid, ()>);

impl Closed {
    /// Notes that a conversation closed; at most `closed_max` are kept.
    pub(crate) fn note(&mut self, id: Uid, closed_max: usize) {
        self.0.note(id, (), closed_max);
    }

    /// A further call opened it again.
    pub(crate) fn reopen(&mut self, id: Uid) {
        self.0.remove(id);
    }

    pub(crate) fn contains(&self, id: Uid) -> bool {
        self.0.get(id).is_some()
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
        assert!(held.named.len() + held.plain.len() <= 8);
    }

    #[test]
    fn named_conversations_are_bounded_with_the_others_and_the_oldest_unwatched_one_goes_first() {
        let (rig, mut held) = (Rig::new(), Held::default());
        (100..110).for_each(|n| held.touch(&head(n, 0), &rig.judge(0)));
        held.touch(&head(99, WATCHED), &rig.judge(0));
        for n in 0..40 {
            held.touch(&head(n, WATCHED + 1), &rig.judge(u64::try_from(n).unwrap() + 1));
            assert!(held.named.len() + held.plain.len() <= 8);
        }
        assert!(held.contains(Uid::from_u128(99)) && held.contains(Uid::from_u128(39)));
        assert!(!held.contains(Uid::from_u128(0)));
    }

    #[test]
    fn a_conversation_that_turns_to_a_protocol_is_known_by_it_and_keeps_it() {
        let (rig, mut held) = (Rig::new(), Held::default());
        for protocol in [0, WATCHED, 0] {
            held.touch(&head(1, protocol), &rig.judge(0));
            held.touch(&head(2, 0), &rig.judge(0));
        }
        assert_eq!(held.watched(&rig.judge(9_999)), [Uid::from_u128(1)]);
        assert_eq!(held.open(&rig.judge(9_999)), 1);
    }

    #[test]
    fn closed_conversations_are_sorted_out_before_they_fill_the_table() {
        let (rig, mut held) = (Rig::new(), Held::default());
        let judge = Judge { conversations_max: 1_024, ..rig.judge(0) };
        for n in 1..10_000 {
            held.touch(&head(n, WATCHED), &judge);
            lock(&rig.closed).note(Uid::from_u128(n), 1_000);
            assert!(held.named.len() <= NAMED_MIN);
        }
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
