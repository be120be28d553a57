//! The stage of a script: the real bus and sandbox with a clock that is set by hand, and an endpoint for each name.
//!
//! No plugin is loaded. A router of the stage's own makes an endpoint for whatever name the agent addresses. Bounds:
//! [`TURNS_MAX`] turns and ticks for each step, [`SENT_MAX`] messages for each script.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
};

use caxton_abi::{
    Code, Envelope, EventName, Signal, Uid,
    port::{AgentEntry, RouteUpdate, Unresolved, route},
};
use caxton_core::{AgentSpec, Bus, Endpoint, Limits, Options, Router, Time, agent::BodyFactory};

/// Turns and ticks of one step; an agent that goes on is never at rest.
const TURNS_MAX: usize = 100_000;
/// Messages to endpoints that one script keeps.
const SENT_MAX: usize = 100_000;
/// The owner of all endpoints.
const OWNER: u32 = 1;
/// When every script begins: 2026-01-01T00:00:00Z, in milliseconds since the Unix epoch.
pub(super) const BEGIN_MS: u64 = 1_767_225_600_000;

/// A message that reached an endpoint, or that one sent.
#[derive(Clone, Debug)]
pub(super) struct Passed {
    pub at: Time,
    pub envelope: Envelope,
}

/// A line of the agent's log.
#[derive(Clone, Debug)]
pub(super) struct Line {
    pub level: u8,
    pub text: String,
}

/// A trap or a returned fault.
#[derive(Clone, Debug)]
pub(super) struct Broken {
    pub code: Code,
    pub text: String,
}

/// The bus with everything that happened on it.
pub(super) struct Stage {
    pub bus: Arc<Bus>,
    pub now: Time,
    pub agent: u32,
    pub lines: Vec<Line>,
    pub broken: Vec<Broken>,
    extras: Arc<Extras>,
    order: BTreeMap<Uid, usize>,
}

/// The endpoints.
struct Extras {
    bus: Mutex<Weak<Bus>>,
    now: Mutex<Time>,
    got: Mutex<Vec<Envelope>>,
    /// What the agent calls an endpoint whose own name is another.
    shown: Mutex<BTreeMap<u32, String>>,
    this: Weak<Extras>,
}

fn open<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Each value is whole at every moment, so a panic elsewhere does not matter.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Endpoint for Extras {
    fn deliver(&self, batch: Vec<Envelope>) -> Vec<Code> {
        let mut got = open(&self.got);
        let room = SENT_MAX.saturating_sub(got.len());
        let codes = (0..batch.len()).map(|index| if index < room { Code::NONE } else { Code::MAILBOX_FULL });
        let codes = codes.collect();
        got.extend(batch.into_iter().take(room));
        codes
    }
}

impl Router for Extras {
    fn agents_changed(&self, _: &[AgentEntry]) -> Vec<RouteUpdate> {
        Vec::new()
    }

    fn resolve(&self, waiting: &[Unresolved]) -> Vec<RouteUpdate> {
        let to = |unresolved: &Unresolved| {
            let target = self.endpoint(&unresolved.name).ok()?;
            open(&self.shown).insert(target, unresolved.name.to_string());
            (target != unresolved.address).then(|| RouteUpdate {
                address: unresolved.address,
                mode: route::ONE,
                targets: vec![target].into(),
            })
        };
        waiting.iter().filter_map(to).collect()
    }
}

impl Extras {
    /// The endpoint of a name, made when it is new. `group:bidders` is one endpoint, because nobody is in the group.
    fn endpoint(&self, name: &str) -> Result<u32, String> {
        let Some((bus, this)) = open(&self.bus).upgrade().zip(self.this.upgrade()) else {
            return Err("the stage is gone".to_owned());
        };
        let plain = name.replace(':', ".");
        let address = bus.address(&plain).map_err(|code| format!("`{name}` cannot be a name [{code}]"))?;
        if bus.owner_of(address) == Some(OWNER) {
            return Ok(address);
        }
        let now = *open(&self.now);
        bus.claim(&plain, OWNER, this, now)
            .map_err(|refusal| format!("{} [{}]", refusal.detail, refusal.code))
    }
}

impl Stage {
    /// A bus with one agent and no time passed.
    pub(super) fn new(spec: AgentSpec, factory: Arc<dyn BodyFactory>) -> Result<Self, String> {
        // Instances come back at once, so that a script needs no clock for it.
        let limits = Limits { restart_backoff_ms: 0, ..Limits::default() };
        let words = |refusal: caxton_core::Refusal| format!("{} [{}]", refusal.detail, refusal.code);
        let bus = Bus::new(Options {
            platform: "test".to_owned(),
            limits: Arc::new(limits),
            workers: 1,
            seed: 1,
            content_in_signals: false,
        });
        let bus = Arc::new(bus.map_err(words)?);
        let now = Time::from_millis(BEGIN_MS);
        let extras = Arc::new_cyclic(|this| Extras {
            bus: Mutex::new(Arc::downgrade(&bus)),
            now: Mutex::new(now),
            got: Mutex::default(),
            shown: Mutex::default(),
            this: Weak::clone(this),
        });
        bus.set_router(Some(Arc::clone(&extras) as _), now);
        let agent = bus.deploy(spec, factory, now).map_err(words)?;
        let (lines, broken, order) = (Vec::new(), Vec::new(), BTreeMap::new());
        Ok(Self { bus, now, agent, lines, broken, extras, order })
    }

    /// The endpoint of a name, made when it is new.
    pub(super) fn endpoint(&self, name: &str) -> Result<u32, String> {
        self.extras.endpoint(name)
    }

    /// The name of an address as the script writes it: without the platform.
    pub(super) fn name(&self, address: u32) -> String {
        if let Some(shown) = open(&self.extras.shown).get(&address) {
            return short(shown).to_owned();
        }
        let name = self.bus.directory().name_of(address).unwrap_or_default();
        short(&name).to_owned()
    }

    /// Lets everybody do what there is to do now. Answers what reached endpoints, in the order in which it was sent.
    pub(super) fn settle(&mut self) -> Result<Vec<Passed>, String> {
        for _ in 0..TURNS_MAX {
            match self.bus.next(0, self.now) {
                Some(turn) => self.bus.finish(turn.run(), self.now),
                None if self.bus.next_deadline().is_some_and(|due| due <= self.now) => {
                    self.bus.tick(self.now)
                }
                None => return Ok(self.collect()),
            }
            self.listen();
        }
        Err(format!("the agent is not at rest after {TURNS_MAX} turns"))
    }

    /// Lets time pass; timers fire in their order.
    pub(super) fn advance(&mut self, millis: u64) -> Result<Vec<Passed>, String> {
        let until = self.now.plus_millis(millis);
        let mut passed = Vec::new();
        for _ in 0..TURNS_MAX {
            let Some(due) = self.bus.next_deadline().filter(|due| *due <= until) else {
                self.set_now(until);
                passed.extend(self.settle()?);
                return Ok(passed);
            };
            self.set_now(due.max(self.now));
            passed.extend(self.settle()?);
        }
        Err(format!("timers fire again and again: {TURNS_MAX} times within one step"))
    }

    /// Why the agent is not there any more.
    pub(super) fn failure(&self) -> Option<Broken> {
        let view = self.bus.agents().into_iter().next()?;
        (!view.code.is_none()).then_some(Broken { code: view.code, text: view.reason })
    }

    fn set_now(&mut self, now: Time) {
        self.now = now;
        *open(&self.extras.now) = now;
    }

    /// Takes the signals: logs, faults, and in which order messages were accepted.
    fn listen(&mut self) {
        let mut signals = Vec::new();
        self.bus.drain_signals(self.now, &mut signals);
        let text = |signal: &Signal| String::from_utf8_lossy(signal.text.as_slice()).into_owned();
        // A trap is told once for each conversation of its batch.
        let mut told = BTreeSet::new();
        for signal in signals
            .iter()
            .filter(|signal| signal.sender == self.agent || signal.name == EventName::MESSAGE_ACCEPTED)
        {
            match signal.name {
                EventName::MESSAGE_ACCEPTED => {
                    let next = self.order.len();
                    self.order.entry(signal.message).or_insert(next);
                }
                EventName::AGENT_LOG if signal.code.is_none() => {
                    self.lines.push(Line { level: signal.level, text: text(signal) });
                }
                EventName::AGENT_LOG | EventName::AGENT_TRAP if told.insert((signal.code, text(signal))) => {
                    self.broken.push(Broken { code: signal.code, text: text(signal) });
                }
                _ => {}
            }
        }
    }

    fn collect(&mut self) -> Vec<Passed> {
        let mut got = std::mem::take(&mut *open(&self.extras.got));
        got.sort_by_key(|envelope| self.order.get(&envelope.head.id).copied().unwrap_or(usize::MAX));
        got.into_iter().map(|envelope| Passed { at: self.now, envelope }).collect()
    }
}

fn short(name: &str) -> &str {
    name.strip_suffix("@test").unwrap_or(name)
}
