//! A net in virtual time: an engine, its timers, and what it did last. Every call is checked against what must always
//! hold.

use std::collections::{BTreeMap, BTreeSet};

use caxton_acl::Performative;
use caxton_plugin::{
    Action, Code, Envelope, Header, Observation, Payload, Protocol, TraceContext, Uid, action, flags,
    observed,
};
use caxton_protocols::{
    Config, Engine, Numbers, Words,
    table::{STATES, State},
};

/// The initiator.
pub const I: u32 = 1;
/// Participants.
pub const P: u32 = 11;
pub const Q: u32 = 12;
pub const R: u32 = 13;
/// The platform's agent.
pub const AMS: u32 = 99;
pub const NUMBERS: Numbers =
    Numbers { contract_net: 1, request: 2, cancel_meta: 3, json: 4, platform: AMS, words: WORDS };
/// The name of a state has its place among them as its number, from 100 on.
const WORDS: Words = {
    let (mut numbers, mut at) = ([100; STATES], 0);
    while at < STATES {
        numbers[at] += at as u32;
        at += 1;
    }
    Words(numbers)
};
pub const T0: u64 = 1_000_000;
/// The conversation that messages belong to when they name no other.
pub const C: Uid = Uid::from_u128(7);

pub struct Net {
    pub engine: Engine,
    pub now: u64,
    pub timers: BTreeMap<u64, u64>,
}

/// A message in the making.
#[derive(Clone, Copy, Debug)]
pub struct Msg(pub Header);

/// Starts a contract-net message of the conversation [`C`].
pub fn say(from: u32, to: u32, act: &str) -> Msg {
    let act: Performative = act.parse().unwrap();
    let trace = TraceContext { trace: C, span: 5, flags: 1 };
    Msg(Header {
        conversation: C,
        trace,
        sender: from,
        receiver: to,
        protocol: NUMBERS.contract_net,
        performative: act.code(),
        ..Header::default()
    })
}

/// Starts a request message of the conversation [`C`].
pub fn ask(from: u32, to: u32, act: &str) -> Msg {
    say(from, to, act).protocol(NUMBERS.request)
}

impl Msg {
    pub fn with(mut self, reply_with: u32) -> Self {
        self.0.reply_with = reply_with;
        self
    }
    pub fn re(mut self, in_reply_to: u32) -> Self {
        self.0.in_reply_to = in_reply_to;
        self
    }
    pub fn by(mut self, reply_by_ms: u64) -> Self {
        self.0.reply_by_ms = reply_by_ms;
        self
    }
    pub fn protocol(mut self, protocol: u32) -> Self {
        self.0.protocol = protocol;
        self
    }
    pub fn conversation(mut self, id: u128) -> Self {
        self.0.conversation = Uid::from_u128(id);
        self
    }
    pub fn flagged(mut self, flags: u16) -> Self {
        self.0.flags = flags;
        self
    }
    fn envelope(self) -> Envelope {
        Envelope::new(self.0, Payload::EMPTY)
    }
    pub fn observed(self) -> Observation {
        observation(observed::MESSAGE, Code::NONE, self.envelope())
    }
    pub fn undeliverable(self, code: Code) -> Observation {
        observation(observed::UNDELIVERABLE, code, self.envelope())
    }
}

fn observation(kind: u8, code: Code, envelope: Envelope) -> Observation {
    Observation { kind, code, envelope, spared: Vec::new().into() }
}

pub fn agent_lost(agent: u32, spared: &[Uid]) -> Observation {
    let head =
        Header { sender: agent, trace: TraceContext { trace: C, span: 77, flags: 1 }, ..Header::default() };
    let lost = observation(observed::AGENT_LOST, Code::TRAP_UNREACHABLE, Envelope::new(head, Payload::EMPTY));
    Observation { spared: spared.to_vec().into(), ..lost }
}

/// A message that the engine sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sent {
    pub act: &'static str,
    pub from: u32,
    pub to: u32,
    pub re: u32,
    pub reason: String,
    pub head: Header,
    pub content: String,
}

/// What the engine did in one call.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Seen {
    /// Decisions by index: flags, reply-by, and the code of what is withheld.
    pub verdicts: BTreeMap<u32, (u16, u64, Option<Code>)>,
    pub sent: Vec<Sent>,
    /// Session moves as `11 AWAIT_BID > BID`; moves of the conversation name the initiator.
    pub moves: Vec<String>,
    pub closed: Vec<String>,
}

impl Seen {
    /// True when the only message was delivered unchanged.
    pub fn delivered(&self) -> bool {
        self.verdicts.is_empty()
    }
    /// The code of the only message when it was withheld.
    pub fn withheld(&self) -> Option<Code> {
        self.verdicts.get(&0).and_then(|verdict| verdict.2)
    }
    pub fn flags(&self) -> u16 {
        self.verdicts.get(&0).map_or(0, |verdict| verdict.0)
    }
    pub fn reply_by(&self) -> u64 {
        self.verdicts.get(&0).map_or(0, |verdict| verdict.1)
    }
    /// What was sent, as `reject-proposal 1>11 re 21 late`.
    pub fn letters(&self) -> Vec<String> {
        let text = |s: &Sent| format!("{} {}>{} re {} {}", s.act, s.from, s.to, s.re, s.reason);
        self.sent.iter().map(text).collect()
    }
}

impl Net {
    pub fn new() -> Self {
        Self::with(Config::default())
    }

    pub fn with(config: Config) -> Self {
        Self { engine: Engine::new(config, NUMBERS), now: T0, timers: BTreeMap::new() }
    }

    /// Another engine that took over this one's state, without its timers.
    pub fn successor(&self) -> Self {
        let next =
            Self { engine: Engine::new(Config::default(), NUMBERS), now: self.now, timers: BTreeMap::new() };
        next.engine.restore(&self.engine.snapshot()).unwrap();
        next
    }

    pub fn send(&mut self, message: Msg) -> Seen {
        self.observe(&[message.observed()])
    }

    pub fn undeliver(&mut self, message: Msg, code: Code) -> Seen {
        self.observe(&[message.undeliverable(code)])
    }

    pub fn lose(&mut self, agent: u32) -> Seen {
        self.observe(&[agent_lost(agent, &[])])
    }

    /// The agent leaves for good.
    pub fn remove(&mut self, agent: u32) -> Seen {
        self.observe(&[Observation { code: Code::AGENT_STOPPED, ..agent_lost(agent, &[]) }])
    }

    pub fn observe(&mut self, batch: &[Observation]) -> Seen {
        let mut out = Vec::new();
        self.engine.observe(batch, self.now, &mut out);
        self.read(batch, out)
    }

    /// Moves time forward and lets every timer go off at its time.
    pub fn at(&mut self, time: u64) -> Seen {
        let mut seen = Seen::default();
        while let Some((token, due)) = self.next_timer().filter(|(_, due)| *due <= time) {
            self.now = self.now.max(due);
            self.timers.remove(&token);
            let mut out = Vec::new();
            self.engine.timers(&[token], self.now, &mut out);
            let more = self.read(&[], out);
            seen.sent.extend(more.sent);
            seen.moves.extend(more.moves);
            seen.closed.extend(more.closed);
        }
        self.now = self.now.max(time);
        seen
    }

    pub fn next_timer(&self) -> Option<(u64, u64)> {
        self.timers.iter().map(|(token, due)| (*token, *due)).min_by_key(|(token, due)| (*due, *token))
    }

    /// Lets all time pass that the engine waits for.
    pub fn run_out(&mut self) -> Seen {
        let mut all = Seen::default();
        for _ in 0..1_000 {
            let Some((_, due)) = self.next_timer() else { return all };
            let seen = self.at(due);
            all.sent.extend(seen.sent);
            all.moves.extend(seen.moves);
            all.closed.extend(seen.closed);
        }
        panic!("timers never end");
    }

    pub fn describe(&self) -> serde_json::Value {
        self.engine.describe(C).unwrap_or_default()
    }

    pub fn phase(&self) -> String {
        self.describe()["state"].as_str().unwrap_or("none").to_owned()
    }

    /// The states of all sessions in order.
    pub fn states(&self) -> Vec<String> {
        let described = self.describe();
        let sessions = described["sessions"].as_array().cloned().unwrap_or_default();
        sessions.iter().map(|session| session["state"].as_str().unwrap().to_owned()).collect()
    }

    fn read(&mut self, batch: &[Observation], out: Vec<Action>) -> Seen {
        let mut seen = Seen::default();
        for act in &out {
            match act.kind {
                action::AMEND | action::WITHHOLD => {
                    let code = (act.kind == action::WITHHOLD).then_some(act.code);
                    let before = seen.verdicts.insert(act.index, (act.flags, act.time_ms, code));
                    assert_eq!(before, None, "two decisions for one message");
                    assert!(batch.get(act.index as usize).is_some_and(|o| o.kind == observed::MESSAGE));
                }
                action::SEND => seen.sent.push(sent(act)),
                action::SET_TIMER => {
                    self.timers.insert(act.token, act.time_ms);
                }
                action::CANCEL_TIMER => {
                    self.timers.remove(&act.token);
                }
                action::TRANSITION => {
                    seen.moves.push(format!("{} {}", act.envelope.head.sender, transition(act)))
                }
                action::OPENED => {}
                action::CLOSED => seen.closed.push(act.text.to_string()),
                other => panic!("unknown action {other}"),
            }
        }
        check(batch, &seen);
        seen
    }
}

fn transition(act: &Action) -> String {
    if act.token == 0 {
        return act.text.to_string();
    }
    let name = |number: u64| State::ALL[number as usize - 100].name();
    format!("{} > {}", name(act.token >> 32), name(act.token & u64::from(u32::MAX)))
}

fn sent(act: &Action) -> Sent {
    let head = act.envelope.head;
    let content = String::from_utf8(act.envelope.content.as_slice().to_vec()).unwrap();
    let reason: serde_json::Value = serde_json::from_str(&content).unwrap();
    assert_eq!(act.flags, head.flags);
    Sent {
        act: Performative::from_code(head.performative).unwrap().as_str(),
        from: head.sender,
        to: head.receiver,
        re: head.in_reply_to,
        reason: reason["reason"].as_str().unwrap().to_owned(),
        head,
        content,
    }
}

/// What holds for every call, whatever the input.
fn check(batch: &[Observation], seen: &Seen) {
    let heads: Vec<&Header> = batch.iter().map(|o| &o.envelope.head).collect();
    for sent in &seen.sent {
        assert_ne!(sent.to, 0, "{sent:?}");
        assert_ne!(sent.from, 0, "{sent:?}");
        assert_ne!(sent.head.flags & flags::PLATFORM, 0, "{sent:?}");
        assert_eq!(sent.head.flags & flags::ON_BEHALF == 0, sent.from == AMS, "{sent:?}");
    }
    let complaints: BTreeSet<u32> =
        seen.sent.iter().filter(|s| s.act == "not-understood").map(|s| s.to).collect();
    let innocent = |head: &&Header| head.performative != Performative::NotUnderstood.code();
    for to in complaints {
        assert!(
            heads.iter().filter(|h| innocent(h)).any(|h| h.sender == to),
            "not-understood for a not-understood"
        );
    }
    let told = |act: &str, to: u32| seen.sent.iter().any(|s| s.act == act && s.to == to);
    let by_hand =
        |act: Performative, to: u32| heads.iter().any(|h| h.performative == act.code() && h.receiver == to);
    for text in &seen.moves {
        let (who, step) = text.split_once(' ').unwrap();
        let who: u32 = who.parse().unwrap();
        let rejected = told("reject-proposal", who) || by_hand(Performative::RejectProposal, who);
        assert!(!step.ends_with("> REJECTED") || rejected, "{text}: the bidder was not told");
        assert!(!step.ends_with("> LATE") || told("reject-proposal", who), "{text}: the bidder was not told");
        let failed = seen.sent.iter().any(|s| s.act == "failure" && (s.from == who || s.to == who))
            || heads.iter().any(|h| h.performative == Performative::Failure.code() && h.sender == who);
        assert!(!step.ends_with("> FAILED") || failed, "{text}: nobody was told");
        assert!(!step.ends_with("> OVERDUE") || failed, "{text}: nobody was told");
    }
}
