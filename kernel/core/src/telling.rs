//! What is told of a turn: its span, the guest's log lines, faults and traps, and the agent's new state. And the timers
//! that it set.

use caxton_abi::{Code, EventName, Signal, Uid};

use crate::{
    activation::Activation,
    agent::{Fault, LogLine, State, TimerChange},
    cell::Cell,
    flow::Flow,
    signal,
    sync::lock,
    timer::Key,
};

impl Flow<'_> {
    pub(crate) fn log(&mut self, activation: &Activation, line: LogLine) {
        let first = activation.batch.first().map(|message| message.head).unwrap_or_default();
        self.emit(Signal {
            sender: activation.cell.address,
            conversation: first.conversation,
            trace: activation.trace,
            level: line.level,
            text: signal::text(line.text),
            ..signal::event(EventName::AGENT_LOG, activation.began)
        });
    }

    pub(crate) fn turn_span(&mut self, activation: &Activation, result: &Result<Option<State>, Fault>) {
        let first = activation.batch.first().map(|message| message.head).unwrap_or_default();
        let code = result.as_ref().err().map_or(Code::NONE, code_of);
        // A turn without messages belongs to no conversation; its span stands for one.
        let own = Uid { hi: 0, lo: activation.trace.span };
        if !self.traces(if first.conversation.is_none() { own } else { first.conversation }, code) {
            return;
        }
        self.emit(Signal {
            sender: activation.cell.address,
            message: first.id,
            conversation: first.conversation,
            trace: activation.trace,
            parent_span: activation.parent_span,
            value: activation.batch.len() as u64,
            duration_ns: self.now.nanos_since(activation.began),
            code,
            ..signal::event(EventName::TURN, activation.began)
        });
    }

    /// A trap is told once for each conversation of its batch, a returned fault as a log line.
    pub(crate) fn tell_fault(&mut self, activation: &Activation, fault: &Fault) {
        let (code, words) = (code_of(fault), signal::text(in_words(fault)));
        let name = match fault {
            Fault::Trapped { .. } => EventName::AGENT_TRAP,
            Fault::Returned { .. } => EventName::AGENT_LOG,
        };
        let mut told = Vec::new();
        let empty = caxton_abi::Header::default();
        let heads = activation.batch.iter().map(|message| &message.head);
        for head in heads.chain(activation.batch.is_empty().then_some(&empty)) {
            if told.contains(&head.conversation) {
                continue;
            }
            told.push(head.conversation);
            self.emit(Signal {
                sender: activation.cell.address,
                receiver: 0,
                trace: activation.trace,
                level: 5,
                text: words.clone(),
                ..signal::about(name, head, code, self.now)
            });
        }
    }

    /// An event about a version of an agent.
    pub(crate) fn revision(&mut self, cell: &Cell, code: Code, text: String) {
        self.emit(Signal {
            sender: cell.address,
            value: u64::from(cell.version),
            code,
            text: signal::text(text),
            ..signal::event(EventName::AGENT_REVISION, self.now)
        });
    }

    pub(crate) fn restarted(&mut self, cell: &Cell, restarts: u32) {
        if restarts > 0 {
            self.emit(Signal {
                sender: cell.address,
                value: u64::from(restarts),
                ..signal::event(EventName::AGENT_RESTARTED, self.now)
            });
        }
    }

    pub(crate) fn set_timers(&mut self, cell: &Cell, changes: Vec<TimerChange>) {
        let refused = self.change_timers(cell, changes);
        if refused > 0 {
            let text = format!(
                "{refused} timers were not set: an agent has at most {}",
                cell.limits.timers_per_agent_max
            );
            self.agent_event(EventName::AGENT_LOG, cell.address, Code::NONE, text);
        }
    }

    /// A token that is set or cancelled is no longer due; those that are due count towards the bound.
    fn change_timers(&self, cell: &Cell, changes: Vec<TimerChange>) -> usize {
        let mut desk = lock(&cell.desk);
        let mut timers = lock(self.timers());
        let mut refused = 0;
        for change in changes {
            let (TimerChange::Set { token, .. } | TimerChange::Cancel { token }) = change;
            desk.due.retain(|due| *due != token);
            let key = Key::Agent(cell.address, cell.version, token);
            match change {
                TimerChange::Set { at, .. } => {
                    let timers_max = cell.limits.timers_per_agent_max.saturating_sub(desk.due.len());
                    refused += usize::from(!timers.set_bounded(key, at, timers_max));
                }
                TimerChange::Cancel { .. } => timers.cancel(key),
            }
        }
        refused
    }
}

/// A fault as people read it: a trap with its frames, a line each.
pub(crate) fn in_words(fault: &Fault) -> String {
    match fault {
        Fault::Returned { code, detail } => format!("{code}: {detail}"),
        Fault::Trapped { message, frames, .. } if frames.is_empty() => message.clone(),
        Fault::Trapped { message, frames, .. } => format!("{message}\n{}", frames.join("\n")),
    }
}

/// The code that operators see of a fault.
pub(crate) fn code_of(fault: &Fault) -> Code {
    match fault {
        Fault::Returned { .. } => Code::HANDLER_FAULT,
        Fault::Trapped { kind, .. } => kind.code(),
    }
}
