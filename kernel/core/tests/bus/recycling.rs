//! Agents whose memory grows get fresh instances: no message is lost or out of order, and what was begun is not left.

use std::sync::{
    Arc, Mutex,
    atomic::{AtomicU32, AtomicU64, Ordering},
};

use caxton_abi::{
    Code, Envelope, EventName, Uid,
    port::{Action, action, observed},
};
use caxton_acl::Performative::{Cfp, Inform, Propose};
use caxton_core::{
    AgentSpec, Limits, RestartPolicy,
    agent::{AgentBody, BodyFactory, Fault, Start, TimerChange, Turn},
    names::symbols,
};

use crate::{monitoring::watch, rig::*};

const FRESH: u64 = 100;
const LIMIT: u64 = 900;
/// Grown at 200, pressing at 300, urgent at 800.
const GROWTH: u64 = 100;

/// What all instances of one agent tell.
#[derive(Default)]
struct Log {
    texts: Mutex<Vec<String>>,
    starts: Mutex<Vec<u32>>,
    most: AtomicU64,
    /// Instances from this number on fail in their `init`.
    fails_from: AtomicU32,
}

/// Each message makes it larger by as many bytes as it says first; `open`, `timer` and `trap` do what they say.
struct Leaky {
    log: Arc<Log>,
    bytes: u64,
}

struct Factory(Arc<Log>);

impl BodyFactory for Factory {
    fn instantiate(&self) -> Result<Box<dyn AgentBody>, Fault> {
        Ok(Box::new(Leaky { log: self.0.clone(), bytes: FRESH }))
    }
    fn digest(&self) -> &str {
        "sha256:leaky"
    }
}

impl AgentBody for Leaky {
    fn init(&mut self, start: &Start, _: &mut Turn) -> Result<(), Fault> {
        let mut starts = self.log.starts.lock().unwrap();
        starts.push(start.restarts);
        let fails_from = self.log.fails_from.load(Ordering::Relaxed);
        if fails_from > 0 && starts.len() as u32 >= fails_from { Err(trap()) } else { Ok(()) }
    }

    fn handle(&mut self, batch: &[Envelope], turn: &mut Turn) -> Result<(), Fault> {
        for message in batch {
            let text = text(message);
            let mut words = text.split(' ');
            self.bytes += words.next().unwrap().parse::<u64>().unwrap();
            self.log.most.fetch_max(self.bytes, Ordering::Relaxed);
            match words.next() {
                Some("timer") => {
                    let at = turn.now.plus_millis(60_000);
                    turn.timers.push(TimerChange::Set { token: 1, at });
                }
                Some("trap") => return Err(trap()),
                _ => {}
            }
            let count = turn.state.get("count").map_or(0, |count| count[0]);
            turn.puts.insert("count".to_owned(), Some([count.wrapping_add(1)].as_slice().into()));
            if message.head.performative == Cfp.code() {
                let mut answer = crate::rig::message(0, message.head.sender, Propose, "bid");
                answer.head.conversation = message.head.conversation;
                answer.head.protocol = message.head.protocol;
                turn.stage(answer).unwrap();
            }
            self.log.texts.lock().unwrap().push(text);
        }
        Ok(())
    }

    fn timer(&mut self, _: u32, _: &mut Turn) -> Result<(), Fault> {
        Ok(())
    }

    fn memory_bytes(&self) -> u64 {
        self.bytes
    }

    fn memory_bytes_max(&self) -> u64 {
        LIMIT
    }
}

fn begin(spec: AgentSpec) -> (Rig, u32, Arc<Log>) {
    let limits = Limits { recycle_memory_bytes: GROWTH, restart_backoff_ms: 0, ..Limits::default() };
    let rig = Rig::with(limits);
    let log = Arc::new(Log::default());
    let bob = rig.bus.deploy(spec, Arc::new(Factory(log.clone())), rig.now).unwrap();
    rig.run();
    (rig, bob, log)
}

fn recycled(rig: &Rig) -> u32 {
    rig.bus.agent("bob").unwrap().recycled
}

fn tell(rig: &Rig, to: u32, text: &str) {
    assert_eq!(rig.tell(to, text).code, Code::NONE);
    rig.run();
}

fn watched(rig: &Rig, to: u32, act: caxton_acl::Performative, text: &str) {
    let mut message = message(rig.client, to, act, text);
    message.head.conversation = Uid::from_u128(7);
    message.head.protocol = symbols::CONTRACT_NET;
    assert_eq!(rig.submit(message).code, Code::NONE);
    rig.run();
}

#[test]
fn a_leaking_agent_is_recycled_under_load_and_handles_every_message_in_order() {
    let (rig, bob, log) = begin(spec("bob"));
    let mut sent = Vec::new();
    for n in 0..2_000 {
        let text = format!("3 {n}");
        assert_eq!(rig.tell(bob, &text).code, Code::NONE);
        sent.push(text);
        if n % 17 == 0 {
            rig.run();
        }
    }
    rig.run();
    assert_eq!(*log.texts.lock().unwrap(), sent);
    let view = rig.bus.agent("bob").unwrap();
    assert!(view.recycled >= 20, "{}", view.recycled);
    assert_eq!((view.received, view.restarts, view.state), (2_000, 0, "active"));
    let most = log.most.load(Ordering::Relaxed);
    assert!(most < FRESH + 3 * GROWTH + 17 * 3, "it had {most} bytes");
    let starts = log.starts.lock().unwrap().clone();
    assert_eq!(
        starts,
        (0..=view.recycled).collect::<Vec<_>>(),
        "an instance is told how many were before it"
    );
    let told = rig.named(EventName::AGENT_RECYCLED);
    assert_eq!(told.len(), view.recycled as usize);
    assert_eq!(told[2].value, 3);
}

#[test]
fn state_outlives_a_fresh_instance() {
    let (rig, bob, _) = begin(spec("bob"));
    (0..60).for_each(|_| tell(&rig, bob, "50"));
    assert!(recycled(&rig) > 5);
    let count = Arc::new(Mutex::new(0));
    let seen = count.clone();
    let reader = Hooks {
        init: Box::new(move |_, turn| {
            *seen.lock().unwrap() = turn.state.get("count").map_or(0, |count| count[0]);
            Ok(())
        }),
        ..Hooks::default()
    };
    rig.bus.apply(spec("bob"), factory(reader), None, rig.now).unwrap();
    rig.run();
    assert_eq!(*count.lock().unwrap(), 60);
}

#[test]
fn an_agent_that_grew_and_is_quiet_gets_its_fresh_instance_when_its_conversations_are_over() {
    let (mut rig, bob, _) = begin(spec("bob"));
    tell(&rig, bob, "150");
    rig.later(4_000);
    assert_eq!(recycled(&rig), 0, "somebody spoke with it just now");
    rig.later(2_000);
    let view = rig.bus.agent("bob").unwrap();
    assert_eq!((view.recycled, view.memory_bytes), (1, FRESH));
    assert_eq!(rig.bus.next_deadline(), None, "nothing is looked at any more");
}

#[test]
fn an_agent_that_set_a_timer_is_left_alone_until_it_is_urgent() {
    let (mut rig, bob, _) = begin(spec("bob"));
    tell(&rig, bob, "450 timer");
    rig.later(30_000);
    assert_eq!(recycled(&rig), 0);
    tell(&rig, bob, "300");
    assert_eq!(recycled(&rig), 1);
}

#[test]
fn a_promise_is_kept_by_the_instance_that_made_it() {
    let (mut rig, bob, _) = begin(spec("bob"));
    watch(&rig, |_, seen| {
        let done = seen.kind == observed::MESSAGE && seen.envelope.head.performative == Inform.code();
        let closed = Action {
            kind: action::CLOSED,
            flags: 0,
            code: Code::NONE,
            index: 0,
            token: 0,
            time_ms: 0,
            envelope: seen.envelope.clone(),
            text: Default::default(),
        };
        if done { vec![closed] } else { Vec::new() }
    });
    watched(&rig, bob, Cfp, "450");
    rig.later(60_000);
    assert_eq!(recycled(&rig), 0, "it has bid");
    watched(&rig, bob, Inform, "0");
    rig.later(1_000);
    assert_eq!(recycled(&rig), 1, "its conversation is closed");
}

#[test]
fn a_promise_is_void_when_the_agent_would_soon_be_stopped_and_the_protocol_is_told() {
    let (rig, bob, _) = begin(spec("bob"));
    let lost: Arc<Mutex<Vec<(Code, u32)>>> = Arc::default();
    let log = lost.clone();
    watch(&rig, move |_, seen| {
        if seen.kind == observed::AGENT_LOST {
            log.lock().unwrap().push((seen.code, seen.envelope.head.sender));
        }
        Vec::new()
    });
    watched(&rig, bob, Cfp, "450");
    assert!(lost.lock().unwrap().is_empty());
    tell(&rig, bob, "300");
    assert_eq!(recycled(&rig), 1);
    assert_eq!(*lost.lock().unwrap(), [(Code::TRAP_MEMORY, bob)]);
    assert_eq!(rig.bus.agent("bob").unwrap().received, 2, "its messages were handled before");
}

#[test]
fn an_instance_serves_on_when_a_fresh_one_does_not_start() {
    let (rig, bob, log) = begin(fragile("bob", 0));
    log.fails_from.store(2, Ordering::Relaxed);
    (0..40).for_each(|_| tell(&rig, bob, "10"));
    let view = rig.bus.agent("bob").unwrap();
    assert_eq!((view.state, view.recycled, view.restarts, view.received), ("active", 0, 0, 40));
    assert!(view.memory_bytes == FRESH + 400 && log.starts.lock().unwrap().len() < 20);
    log.fails_from.store(0, Ordering::Relaxed);
    (0..40).for_each(|_| tell(&rig, bob, "10"));
    assert!(recycled(&rig) > 0, "a later look succeeds");
}

#[test]
fn an_agent_that_is_never_restarted_is_never_recycled() {
    let (rig, bob, log) = begin(AgentSpec { restart: RestartPolicy::Never, ..spec("bob") });
    (0..70).for_each(|_| tell(&rig, bob, "10"));
    assert_eq!(recycled(&rig), 0);
    assert_eq!(log.starts.lock().unwrap().len(), 1);
}

#[test]
fn an_agents_own_bound_counts_before_the_servers() {
    let (rig, bob, _) = begin(AgentSpec { recycle_memory_bytes: Some(20), ..spec("bob") });
    tell(&rig, bob, "50");
    assert_eq!(recycled(&rig), 1);
}

#[test]
fn a_trap_after_growth_is_a_restart_and_growth_is_counted_anew() {
    let (rig, bob, _) = begin(spec("bob"));
    tell(&rig, bob, "90");
    tell(&rig, bob, "5 trap");
    tell(&rig, bob, "90");
    let view = rig.bus.agent("bob").unwrap();
    assert_eq!((view.recycled, view.memory_bytes), (0, FRESH + 90));
    assert!(view.restarts > 0);
}
