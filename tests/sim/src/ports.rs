//! Scripted ports: an endpoint that refuses and answers, a router that forgets and dies, a protocol that errs.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, PoisonError, Weak},
};

use caxton_abi::{
    Code, Envelope, Header, Payload, Uid, flags,
    port::{Action, AgentEntry, Observation, RouteUpdate, Unresolved, action, observed, route},
    std_types::RString,
};
use caxton_core::{Bus, Endpoint, Protocol, Router, Time};

use crate::shared::{FAILURE, NOT_UNDERSTOOD, SharedRef, open};

/// What the sim's clock shows, for endpoints that answer from within `deliver`.
pub(crate) type Clock = Arc<Mutex<Time>>;

/// A code that no list has; it counts as refused by the endpoint.
const FOREIGN: Code = Code(9_999);

/// An endpoint.
pub(crate) struct Client {
    pub(crate) shared: SharedRef,
    pub(crate) bus: Weak<Bus>,
    pub(crate) clock: Clock,
}

impl Endpoint for Client {
    fn deliver(&self, batch: Vec<Envelope>) -> Vec<Code> {
        let mut answers = Vec::new();
        let mut codes = Vec::new();
        let mut shared = open(&self.shared);
        for message in &batch {
            shared.hand(message);
            codes.push(match shared.chance.below(25) {
                0 => Code::MEDIA_TYPE,
                1 => FOREIGN,
                _ => Code::NONE,
            });
            if shared.chance.percent(10) && !shared.resting {
                answers.push(shared.message(message.head.receiver, message.head.sender, "-", "work"));
            }
        }
        if shared.chance.percent(3) {
            codes.pop();
        }
        drop(shared);
        if let (Some(bus), false) = (self.bus.upgrade(), answers.is_empty()) {
            let now = *self.clock.lock().unwrap_or_else(PoisonError::into_inner);
            let outcomes = bus.submit(answers, now);
            debug_assert!(!outcomes.is_empty(), "one outcome each");
        }
        codes
    }
}

/// A router that knows groups (`group:`), capabilities (`capability:`), and nobody else.
pub(crate) struct Labels {
    shared: SharedRef,
    known: Mutex<Known>,
}

#[derive(Default)]
struct Known {
    /// Label to members.
    members: BTreeMap<String, BTreeSet<u32>>,
    /// Labels that were asked for, with their addresses.
    asked: BTreeMap<String, u32>,
}

impl Labels {
    pub(crate) fn new(shared: SharedRef) -> Self {
        Self { shared, known: Mutex::default() }
    }
}

impl Known {
    fn update(&self, address: u32, label: &str) -> RouteUpdate {
        let members = self.members.get(label).cloned().unwrap_or_default();
        let mode = match () {
            () if members.is_empty() => route::NONE,
            () if label.starts_with("group:") => route::ALL,
            () => route::ANY,
        };
        let targets: Vec<_> = members.into_iter().collect();
        RouteUpdate { address, mode, targets: targets.into() }
    }
}

impl Router for Labels {
    fn agents_changed(&self, changes: &[AgentEntry]) -> Vec<RouteUpdate> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let mut touched = BTreeSet::new();
        for change in changes {
            let groups = change.groups.iter().map(|name| format!("group:{name}"));
            let labels = change.capabilities.iter().map(|name| format!("capability:{name}"));
            for label in groups.chain(labels) {
                let members = known.members.entry(label.clone()).or_default();
                if change.present {
                    members.insert(change.address);
                } else {
                    members.remove(&change.address);
                }
                touched.insert(label);
            }
        }
        let asked = known.asked.iter().filter(|(label, _)| touched.contains(*label));
        asked.map(|(label, address)| known.update(*address, label)).collect()
    }

    fn resolve(&self, waiting: &[Unresolved]) -> Vec<RouteUpdate> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let mut shared = open(&self.shared);
        let mut updates = Vec::new();
        for entry in waiting {
            // A slow or broken router says nothing about some addresses.
            if shared.chance.percent(30) {
                continue;
            }
            known.asked.insert(entry.name.to_string(), entry.address);
            updates.push(known.update(entry.address, &entry.name));
        }
        updates
    }
}

/// A protocol that flags, withholds, sends, sets timers and errs at random.
pub(crate) struct Monitor {
    pub(crate) shared: SharedRef,
    pub(crate) tokens: Vec<String>,
    pub(crate) ams: u32,
    /// Percent of calls that err.
    pub(crate) errs: usize,
    /// Agents that come and go while the kernel waits for a verdict, as they do with several workers.
    pub(crate) meddle: Box<dyn Fn() + Send + Sync>,
}

/// The reason of withheld messages; nobody is told of these.
pub(crate) const WITHHELD: Code = Code::UNEXPECTED_ACT;

impl Protocol for Monitor {
    fn protocols(&self) -> Vec<String> {
        self.tokens.clone()
    }

    fn observe(&self, batch: &[Observation], now_ms: u64, out: &mut Vec<Action>) -> Result<(), Code> {
        let mut shared = open(&self.shared);
        let errs = shared.chance.percent(self.errs);
        let meddles = !shared.resting && shared.chance.percent(4);
        drop(shared);
        if meddles && batch.iter().any(|entry| entry.kind == observed::MESSAGE) {
            (self.meddle)();
        }
        for (index, entry) in batch.iter().enumerate() {
            match entry.kind {
                observed::MESSAGE => self.judge(index, entry, now_ms, out),
                observed::UNDELIVERABLE => out.extend(self.failure(entry)),
                _ => {}
            }
        }
        // What was appended before the error must not count.
        if errs { Err(Code::PLUGIN_PANICKED) } else { Ok(()) }
    }

    fn timers(&self, tokens: &[u64], now_ms: u64, out: &mut Vec<Action>) -> Result<(), Code> {
        let mut shared = open(&self.shared);
        if shared.chance.percent(self.errs) {
            return Err(Code::PLUGIN_PANICKED);
        }
        for token in tokens {
            if shared.resting {
                break;
            }
            let receiver = shared.somebody();
            let mut message = shared.message(self.ams, receiver, "-", "work");
            message.head.flags = flags::PLATFORM;
            message.head.reply_with = 0;
            out.push(send(message));
            out.push(timer(*token, now_ms + 1 + shared.chance.next() % 300));
        }
        Ok(())
    }

    fn describe(&self, _: Uid) -> Option<String> {
        None
    }
}

impl Monitor {
    fn judge(&self, index: usize, entry: &Observation, now_ms: u64, out: &mut Vec<Action>) {
        let mut shared = open(&self.shared);
        match shared.chance.below(20) {
            0 => {
                out.push(Action { flags: flags::OUT_OF_SEQUENCE, index: index as u32, ..bare(action::AMEND) })
            }
            1 => {
                out.push(Action { index: index as u32, code: WITHHELD, ..bare(action::WITHHOLD) });
                out.push(send(self.answer(entry, NOT_UNDERSTOOD, flags::ON_BEHALF)));
            }
            2 => {
                let at = now_ms + shared.chance.next() % 300;
                out.push(timer(shared.chance.next() % 4, at));
            }
            3 => out.push(Action { token: shared.chance.next() % 4, ..bare(action::CANCEL_TIMER) }),
            4 => out.push(Action {
                text: RString::from("A > B"),
                envelope: entry.envelope.clone(),
                ..bare(action::TRANSITION)
            }),
            _ => {}
        }
    }

    /// As the kernel would: none for failures and not-understood.
    fn failure(&self, entry: &Observation) -> Option<Action> {
        let act = entry.envelope.head.performative;
        let silent = matches!(act, FAILURE | NOT_UNDERSTOOD);
        (!silent).then(|| send(self.answer(entry, FAILURE, flags::PLATFORM)))
    }

    fn answer(&self, entry: &Observation, performative: u8, flags: u16) -> Envelope {
        let head = &entry.envelope.head;
        let answer = Header {
            sender: self.ams,
            receiver: head.sender,
            conversation: head.conversation,
            protocol: head.protocol,
            in_reply_to: head.reply_with,
            performative,
            flags,
            ..Header::default()
        };
        Envelope::new(answer, Payload::EMPTY)
    }
}

fn bare(kind: u8) -> Action {
    Action {
        kind,
        flags: 0,
        code: Code::NONE,
        index: 0,
        token: 0,
        time_ms: 0,
        envelope: Envelope::new(Header::default(), Payload::EMPTY),
        text: RString::new(),
    }
}

fn send(envelope: Envelope) -> Action {
    Action { envelope, ..bare(action::SEND) }
}

fn timer(token: u64, time_ms: u64) -> Action {
    Action { token, time_ms, ..bare(action::SET_TIMER) }
}
