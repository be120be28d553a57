//! Protocol ports: what they see, and how their verdicts and wishes are carried out.

use std::collections::{BTreeMap, HashMap};

use caxton_abi::{
    Code, Envelope, EventName, Header, Signal, Uid,
    port::{Action, Observation, action, observed},
    std_types::RVec,
};

use super::{Flow, Place, Placed, Step};
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
    port_of: HashMap<u32, u32>,
    ports: BTreeMap<u32, Port>,
}

#[derive(Default)]
struct Port {
    protocol: Option<ProtocolRef>,
    /// Timers that became due while the port was suspended.
    held: Vec<u64>,
}

impl Watch {
    /// Sets or suspends a port; returns the timers that it missed.
    pub(crate) fn set(&mut self, port: u32, protocol: Option<ProtocolRef>, symbols: &[u32]) -> Vec<u64> {
        for symbol in symbols {
            self.port_of.insert(*symbol, port);
        }
        let slot = self.ports.entry(port).or_default();
        slot.protocol = protocol;
        if slot.protocol.is_some() { std::mem::take(&mut slot.held) } else { Vec::new() }
    }

    pub(crate) fn port_of(&self, symbol: u32) -> Option<u32> {
        if symbol == 0 { None } else { self.port_of.get(&symbol).copied() }
    }

    pub(crate) fn present(&self) -> Vec<(u32, ProtocolRef)> {
        let present = self.ports.iter();
        present.filter_map(|(id, port)| Some((*id, port.protocol.clone()?))).collect()
    }

    fn protocol(&self, port: u32) -> Option<ProtocolRef> {
        self.ports.get(&port).and_then(|port| port.protocol.clone())
    }
}

impl Flow<'_> {
    /// Shows messages to their protocols and applies the verdicts.
    pub(super) fn observe(&mut self, batch: &mut [Placed]) {
        let mut by_port = BTreeMap::<u32, Vec<usize>>::new();
        let watch = read(&self.bus.watch);
        for (index, placed) in batch.iter().enumerate() {
            let skips = placed.monitored || matches!(placed.place, Place::Unknown | Place::Expired);
            if let (false, Some(port)) = (skips, watch.port_of(placed.envelope.head.protocol)) {
                by_port.entry(port).or_default().push(index);
            }
        }
        drop(watch);
        for (port, indices) in by_port {
            self.observe_by(port, &indices, batch);
        }
    }

    fn observe_by(&mut self, port: u32, indices: &[usize], batch: &mut [Placed]) {
        let messages = indices.iter().filter_map(|index| batch.get(*index));
        let observations: Vec<_> = messages
            .map(|placed| observation(observed::MESSAGE, placed.envelope.clone(), Code::NONE))
            .collect();
        let actions = self.ask(port, &observations);
        for index in indices {
            if let Some(placed) = batch.get_mut(*index) {
                placed.monitored = true;
                if actions.is_err() && !matches!(placed.place, Place::Dead(_)) {
                    placed.place = Place::Dead(Code::PLUGIN_UNAVAILABLE);
                }
            }
        }
        for action in actions.unwrap_or_default() {
            let index = usize::try_from(action.index).ok().and_then(|n| indices.get(n));
            match (action.kind, index.and_then(|index| batch.get_mut(*index))) {
                (action::AMEND, Some(placed)) => self.amend(placed, &action),
                (action::WITHHOLD, Some(placed)) => self.withhold(placed, &action),
                _ => self.act(port, action),
            }
        }
    }

    /// Calls a port; `Err` when it is suspended or errs.
    pub(super) fn ask(&mut self, port: u32, batch: &[Observation]) -> Result<Vec<Action>, Code> {
        let protocol = read(&self.bus.watch).protocol(port).ok_or(Code::PLUGIN_UNAVAILABLE)?;
        self.record();
        let mut actions = Vec::new();
        protocol.observe(batch, self.now.millis(), &mut actions)?;
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
    pub(super) fn act(&mut self, port: u32, action: Action) {
        match action.kind {
            action::SEND => self.send(action.envelope),
            action::SET_TIMER => {
                let at = Time::from_millis(action.time_ms);
                let max = self.bus.limits.timers_per_protocol_max;
                lock(&self.bus.timers).set_bounded(Key::Protocol(port, action.token), at, max);
            }
            action::CANCEL_TIMER => {
                lock(&self.bus.timers).cancel(Key::Protocol(port, action.token));
            }
            action::TRANSITION => self.session(EventName::CONVERSATION_TRANSITION, action),
            action::CLOSED => self.session(EventName::CONVERSATION_CLOSED, action),
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

    fn session(&mut self, name: EventName, action: Action) {
        let head = &action.envelope.head;
        let trace = if head.trace.trace.is_none() {
            caxton_abi::TraceContext { trace: head.conversation, ..head.trace }
        } else {
            head.trace
        };
        self.emit(Signal {
            trace,
            text: signal::text(action.text.into()),
            ..signal::about(name, head, action.code, self.now)
        });
    }

    /// Tells every protocol something that is not about a message of its own.
    pub(super) fn broadcast(&mut self, observation: &Observation) {
        let ports = read(&self.bus.watch).present();
        for (port, _) in ports {
            let actions = self.ask(port, std::slice::from_ref(observation)).unwrap_or_default();
            for action in actions {
                self.act(port, action);
            }
        }
    }

    /// Wakes a protocol; a suspended one gets its timers when it comes back, one that errs a little later.
    pub(super) fn protocol_timers(&mut self, port: u32, tokens: Vec<u64>) {
        let Some(protocol) = read(&self.bus.watch).protocol(port) else {
            if let Some(port) = write(&self.bus.watch).ports.get_mut(&port) {
                port.held.extend(tokens);
            }
            return;
        };
        self.record();
        let mut actions = Vec::new();
        if protocol.timers(&tokens, self.now.millis(), &mut actions).is_err() {
            let at = self.now.plus_millis(TIMER_RETRY_MS);
            let mut timers = lock(&self.bus.timers);
            for token in tokens {
                timers.set(Key::Protocol(port, token), at);
            }
            return;
        }
        for action in actions {
            self.act(port, action);
        }
    }
}

pub(super) fn observation(kind: u8, envelope: Envelope, code: Code) -> Observation {
    Observation { kind, code, envelope, spared: RVec::<Uid>::new() }
}

/// Which port watches a message, if any.
pub(super) fn port_of(flow: &Flow<'_>, head: &Header) -> Option<u32> {
    read(&flow.bus.watch).port_of(head.protocol)
}
