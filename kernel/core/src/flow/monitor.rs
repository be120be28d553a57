//! Protocol ports: what they see, and how their verdicts and wishes are carried out.
//!
//! While a port is held (`hold`), what it would see waits in order instead.

use {std::collections::BTreeMap, std::sync::Arc};

use caxton_abi::{
    Code, Envelope, EventName, Header, Payload, Signal, Uid,
    port::{Action, Observation, action, observed},
    std_types::RVec,
};

use super::{Flow, Place, Placed, Step, hold::Holds};
use crate::sync::{AtomicUsize, Ordering};
use crate::{
    port::ProtocolRef,
    signal,
    sync::{lock, read, write},
    time::Time,
    timer::Key,
};

/// Milliseconds until a protocol that erred gets its timers again: soon for a person, seldom for a machine.
const TIMER_RETRY_MS: u64 = 1_000;

/// Who watches which protocol.
#[derive(Default)]
pub(crate) struct Watch {
    /// Pairs of a protocol's symbol and its port: few, and asked for every message.
    port_of: Vec<(u32, u32)>,
    ports: BTreeMap<u32, Port>,
    /// What waits at ports that are held.
    pub(crate) holds: Holds,
}

#[derive(Default)]
struct Port {
    protocol: Option<ProtocolRef>,
    /// Timers that became due while the port was suspended or held.
    timers: Vec<u64>,
    /// Calls under way.
    calls: Arc<AtomicUsize>,
}

/// What one port is to see of a batch.
struct View {
    port: u32,
    /// Which messages, ascending.
    indices: Vec<usize>,
    /// `None` when the port is suspended.
    call: Option<Call>,
}

/// A call of a protocol; counted while it lives.
struct Call {
    protocol: ProtocolRef,
    calls: Arc<AtomicUsize>,
}

impl Drop for Call {
    fn drop(&mut self) {
        self.calls.fetch_sub(1, Ordering::AcqRel);
    }
}

impl Watch {
    /// Sets or suspends a port; returns the timers that it missed, unless it is held.
    pub(crate) fn set(&mut self, port: u32, protocol: Option<ProtocolRef>, symbols: &[u32]) -> Vec<u64> {
        if protocol.is_some() {
            self.port_of.retain(|(_, watcher)| *watcher != port);
        }
        self.port_of.retain(|(symbol, _)| !symbols.contains(symbol));
        self.port_of.extend(symbols.iter().map(|symbol| (*symbol, port)));
        self.ports.entry(port).or_default().protocol = protocol;
        self.holds.exchange(port);
        self.missed_timers(port)
    }

    /// Forgets a port and which protocols it watches.
    pub(crate) fn remove(&mut self, port: u32) {
        self.port_of.retain(|(_, watcher)| *watcher != port);
        self.ports.remove(&port);
    }

    /// The timers that a port missed, when it can take them now.
    pub(super) fn missed_timers(&mut self, port: u32) -> Vec<u64> {
        let takes = !self.holds.is_held(port);
        match self.ports.get_mut(&port) {
            Some(slot) if takes && slot.protocol.is_some() => std::mem::take(&mut slot.timers),
            _ => Vec::new(),
        }
    }

    pub(crate) fn port_of(&self, symbol: u32) -> Option<u32> {
        if symbol == 0 {
            return None;
        }
        self.port_of.iter().find(|(watched, _)| *watched == symbol).map(|(_, port)| *port)
    }

    pub(crate) fn present(&self) -> Vec<(u32, ProtocolRef)> {
        let present = self.ports.iter();
        present.filter_map(|(id, port)| Some((*id, port.protocol.clone()?))).collect()
    }

    /// True when no call of the port is under way.
    pub(crate) fn is_quiet(&self, port: u32) -> bool {
        self.ports.get(&port).is_none_or(|port| port.calls.load(Ordering::Acquire) == 0)
    }

    /// The messages that each port is to see, with the call begun.
    fn calls_for(&self, batch: &[Placed]) -> Vec<View> {
        let mut views = Vec::<View>::new();
        if self.port_of.is_empty() {
            return views;
        }
        for (index, placed) in batch.iter().enumerate() {
            let Some(port) = observer(self, placed) else { continue };
            match views.iter_mut().find(|view| view.port == port) {
                Some(view) => view.indices.push(index),
                None => {
                    let mut indices = Vec::with_capacity(batch.len() - index);
                    indices.push(index);
                    views.push(View { port, indices, call: self.call(port) });
                }
            }
        }
        views
    }

    /// Begins a call. The caller holds the lock under which a port is held, so that none begins afterwards.
    fn call(&self, port: u32) -> Option<Call> {
        let port = self.ports.get(&port)?;
        let protocol = port.protocol.clone()?;
        port.calls.fetch_add(1, Ordering::AcqRel);
        Some(Call { protocol, calls: Arc::clone(&port.calls) })
    }
}

impl Flow<'_> {
    /// Shows messages to their protocols and applies the verdicts. What a held port would see is taken out and waits.
    pub(super) fn observe(&mut self, batch: &mut Vec<Placed>) {
        for view in self.begin_calls(batch) {
            self.observe_by(view, batch);
        }
    }

    /// The messages that each port is to see, with the call begun, so that no port is held in between.
    fn begin_calls(&self, batch: &mut Vec<Placed>) -> Vec<View> {
        let watch = read(&self.bus.watch);
        if watch.holds.none() {
            return watch.calls_for(batch);
        }
        drop(watch);
        let moves = self.bus.ledger.open();
        let mut watch = write(&self.bus.watch);
        let left = self.hold_back(&moves, &mut watch, batch);
        let calls = watch.calls_for(batch);
        drop(watch);
        drop(left);
        calls
    }

    /// The messages go into the observations and back: they are the protocol's to read, and copies would count references.
    fn observe_by(&mut self, view: View, batch: &mut [Placed]) {
        let View { port, indices, call } = view;
        let mut observations = Vec::with_capacity(indices.len());
        for index in &indices {
            if let Some(placed) = batch.get_mut(*index) {
                let blank = Envelope::new(Header::default(), Payload::EMPTY);
                let envelope = std::mem::replace(&mut placed.envelope, blank);
                observations.push(observation(observed::MESSAGE, envelope, Code::NONE));
            }
        }
        let actions = self.call(call, &observations);
        for (index, seen) in indices.iter().zip(observations) {
            if let Some(placed) = batch.get_mut(*index) {
                placed.envelope = seen.envelope;
                placed.monitored = true;
                if actions.is_err() && !matches!(placed.place, Place::Dead(_)) {
                    placed.place = Place::Dead(Code::PLUGIN_UNAVAILABLE);
                }
            }
        }
        let actions = actions.unwrap_or_default();
        self.signals.reserve(actions.len());
        for action in &actions {
            let index = usize::try_from(action.index).ok().and_then(|n| indices.get(n));
            match (action.kind, index.and_then(|index| batch.get_mut(*index))) {
                (action::AMEND, Some(placed)) => self.amend(placed, action),
                (action::WITHHOLD, Some(placed)) => self.withhold(placed, action),
                _ => self.act(port, action),
            }
        }
    }

    /// Tells a port something that is not about a message of its own: `Err` when it is suspended or errs. A held one is
    /// told later.
    pub(super) fn ask(&mut self, port: u32, batch: &[Observation]) -> Result<Vec<Action>, Code> {
        let watch = read(&self.bus.watch);
        if !watch.holds.stops(port, self.passing) {
            let call = watch.call(port);
            drop(watch);
            return self.call(call, batch);
        }
        drop(watch);
        let mut watch = write(&self.bus.watch);
        if watch.holds.stops(port, self.passing) {
            return self.tell_later(&mut watch, port, batch).map(|()| Vec::new());
        }
        let call = watch.call(port);
        drop(watch);
        self.call(call, batch)
    }

    /// Makes a call that began; `Err` when the port is suspended or errs.
    fn call(&mut self, call: Option<Call>, batch: &[Observation]) -> Result<Vec<Action>, Code> {
        let call = call.ok_or(Code::PLUGIN_UNAVAILABLE)?;
        self.record();
        let mut actions = Vec::new();
        call.protocol.observe(batch, self.now.millis(), &mut actions)?;
        Ok(actions)
    }

    fn amend(&mut self, placed: &mut Placed, action: &Action) {
        let head = &mut placed.envelope.head;
        head.flags |= action.flags;
        if action.time_ms != 0 {
            head.reply_by_ms = action.time_ms;
        }
        if action.flags != 0 {
            self.about(EventName::PROTOCOL_VERDICT, &placed.envelope.head, action.code);
        }
    }

    fn withhold(&mut self, placed: &mut Placed, action: &Action) {
        placed.place = Place::Withheld(action.code);
        self.about(EventName::PROTOCOL_VERDICT, &placed.envelope.head, action.code);
    }

    /// Carries out what a protocol asks for beside verdicts.
    pub(super) fn act(&mut self, port: u32, action: &Action) {
        match action.kind {
            action::SEND => self.send(action.envelope.clone()),
            action::SET_TIMER => {
                let at = Time::from_millis(action.time_ms);
                let max = self.bus.limits.timers_per_protocol_max;
                lock(&self.bus.timers).set_bounded(Key::Protocol(port, action.token), at, max);
            }
            action::CANCEL_TIMER => {
                lock(&self.bus.timers).cancel(Key::Protocol(port, action.token));
            }
            action::TRANSITION => self.session(EventName::CONVERSATION_TRANSITION, action),
            action::CLOSED => {
                let id = action.envelope.head.conversation;
                let closed_max = self.bus.limits.conversations_closed_max;
                lock(&self.bus.closed_conversations).note(id, closed_max);
                self.session(EventName::CONVERSATION_CLOSED, action);
            }
            action::OPENED => {
                lock(&self.bus.closed_conversations).reopen(action.envelope.head.conversation);
            }
            _ => {}
        }
    }

    fn send(&mut self, envelope: Envelope) {
        if let Some(Step::Send(messages)) = self.steps.back_mut() {
            messages.push(envelope);
        } else {
            self.steps.push_back(Step::Send(vec![envelope]));
        }
    }

    /// Records a transition, with its text or with its symbols, or an end.
    fn session(&mut self, name: EventName, action: &Action) {
        let head = &action.envelope.head;
        if !self.traces(head.conversation, action.code) {
            return;
        }
        let trace = if head.trace.trace.is_none() {
            caxton_abi::TraceContext { trace: head.conversation, ..head.trace }
        } else {
            head.trace
        };
        let (text, value) = match action.text.as_str() {
            "" => (Payload::EMPTY, action.token),
            text => (signal::text(text.to_owned()), 0),
        };
        self.emit(Signal { trace, text, value, ..signal::about(name, head, action.code, self.now) });
    }

    /// Tells every protocol something that is not about a message of its own.
    pub(super) fn broadcast(&mut self, observation: &Observation) {
        let ports = read(&self.bus.watch).present();
        for (port, _) in ports {
            let actions = self.ask(port, std::slice::from_ref(observation)).unwrap_or_default();
            actions.iter().for_each(|action| self.act(port, action));
        }
    }

    /// Wakes a protocol; a suspended or held one gets its timers when it comes back, one that errs a little later.
    pub(super) fn protocol_timers(&mut self, port: u32, tokens: Vec<u64>) {
        let mut watch = write(&self.bus.watch);
        let held = watch.holds.stops(port, self.passing);
        let Some(call) = (if held { None } else { watch.call(port) }) else {
            if let Some(port) = watch.ports.get_mut(&port) {
                port.timers.extend(tokens);
            }
            return;
        };
        drop(watch);
        self.record();
        let mut actions = Vec::new();
        if call.protocol.timers(&tokens, self.now.millis(), &mut actions).is_err() {
            let at = self.now.plus_millis(TIMER_RETRY_MS);
            let mut timers = lock(&self.bus.timers);
            for token in tokens {
                timers.set(Key::Protocol(port, token), at);
            }
            return;
        }
        drop(call);
        actions.iter().for_each(|action| self.act(port, action));
    }
}

/// The port that is to see a message before it goes where it is placed.
pub(super) fn observer(watch: &Watch, placed: &Placed) -> Option<u32> {
    let skips = placed.monitored || matches!(placed.place, Place::Unknown | Place::Retry(_) | Place::Expired);
    if skips { None } else { watch.port_of(placed.envelope.head.protocol) }
}

pub(super) fn observation(kind: u8, envelope: Envelope, code: Code) -> Observation {
    Observation { kind, code, envelope, spared: RVec::<Uid>::new() }
}

/// Which port watches a message, if any.
pub(super) fn port_of(flow: &Flow<'_>, head: &Header) -> Option<u32> {
    read(&flow.bus.watch).port_of(head.protocol)
}
