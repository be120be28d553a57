//! The interfaces of `caxton:agent` that a guest imports, answered from the turn that is in progress.
//!
//! Nothing here blocks or leaves the turn: messages, state and timers are staged, the rest is read from memory. A bound
//! that is reached is a fault of the WIT, which the guest can handle; only what has no result traps.

pub mod bus;

use std::{collections::BTreeMap, sync::Arc};

use caxton_abi::Code;
use caxton_core::agent::{TimerChange, Turn};

use crate::{
    convert,
    instance::Data,
    trap::Stop,
    wire::{Drafts, Ids},
};

/// Bytes of a key of the state.
const KEY_BYTES_MAX: usize = 1_024;
/// Entries that one `put` takes.
const PUT_ENTRIES_MAX: usize = 4_096;
/// Bytes of a name that is looked up or interned.
const NAME_BYTES_MAX: usize = 1_024;

/// What `bindgen!` makes of `wit/caxton`: typed calls of the exports, traits for the imports.
#[allow(missing_docs, reason = "generated")]
pub(crate) mod bindings {
    wasmtime::component::bindgen!({
        path: "../../wit/caxton",
        world: "agent",
        with: { "caxton:agent/bus": crate::imports::bus },
        ownership: Borrowing { duplicate_if_necessary: true },
        imports: { default: trappable },
    });
}

pub(crate) use bindings::caxton::agent::types;
use bindings::caxton::agent::{clock, directory, log, state};

type Answer<T> = wasmtime::Result<T>;

/// A refusal with one of the server's codes.
pub(crate) fn refusal(code: Code) -> types::Fault {
    let entry = code.entry();
    let kind = match entry.map_or(500, |entry| entry.http_status) {
        429 => types::FaultKind::Overloaded,
        403 => types::FaultKind::Denied,
        503 | 504 => types::FaultKind::Retryable,
        500 => types::FaultKind::Internal,
        _ => types::FaultKind::Permanent,
    };
    let detail = entry.map_or_else(String::new, |entry| format!("{}: {}", entry.meaning, entry.fix));
    types::Fault { kind, code: code.to_string(), detail }
}

fn state_fault(kind: types::FaultKind, code: &str, detail: String) -> types::Fault {
    types::Fault { kind, code: code.to_owned(), detail }
}

/// The turn in progress; code that runs while an instance is being made has none.
fn turn<'a>(data: &'a mut Data, call: &str) -> Answer<&'a mut Turn> {
    if !data.in_turn {
        return Err(Stop::denied(call, "an agent's first turn is its `init`"));
    }
    Ok(&mut data.turn)
}

impl types::Host for Data {}

impl bus::Host for Data {
    fn send(&mut self, batch: Drafts) -> Answer<Result<Ids, types::Fault>> {
        let turn = turn(self, "bus.send")?;
        let before = turn.outbox.len();
        let mut ids = Vec::with_capacity(batch.0.len());
        turn.outbox.reserve(batch.0.len());
        for draft in batch.0 {
            match turn.stage(draft) {
                Ok(id) => ids.push(id),
                Err(code) => {
                    turn.outbox.truncate(before);
                    return Ok(Err(refusal(code)));
                }
            }
        }
        Ok(Ok(Ids(ids)))
    }

    fn new_conversation(&mut self) -> Answer<types::Uid> {
        let turn = turn(self, "bus.new-conversation")?;
        Ok(convert::uid(turn.ids.mint(turn.now)))
    }
}

impl directory::Host for Data {
    fn resolve(&mut self, name: String) -> Answer<Option<u32>> {
        let turn = turn(self, "directory.resolve")?;
        Ok(if name.len() > NAME_BYTES_MAX { None } else { turn.directory.resolve(&name) })
    }

    fn name_of(&mut self, agent: u32) -> Answer<Option<String>> {
        Ok(turn(self, "directory.name-of")?.directory.name_of(agent))
    }

    fn find(&mut self, name: String) -> Answer<Vec<u32>> {
        let turn = turn(self, "directory.find")?;
        Ok(if name.len() > NAME_BYTES_MAX { Vec::new() } else { turn.directory.find(&name) })
    }

    fn intern(&mut self, name: String) -> Answer<u32> {
        let turn = turn(self, "directory.intern")?;
        Ok(if name.len() > NAME_BYTES_MAX { 0 } else { turn.directory.intern(&name) })
    }

    fn symbol_name(&mut self, symbol: u32) -> Answer<Option<String>> {
        Ok(turn(self, "directory.symbol-name")?.directory.symbol_name(symbol))
    }
}

impl clock::Host for Data {
    fn now(&mut self) -> Answer<types::Instant> {
        Ok(convert::instant(turn(self, "clock.now")?.now))
    }

    fn set_timer(&mut self, at: types::Instant, token: u32) -> Answer<()> {
        change_timer(self, TimerChange::Set { token, at: convert::time(at) }, "clock.set-timer")
    }

    fn cancel_timer(&mut self, token: u32) -> Answer<()> {
        change_timer(self, TimerChange::Cancel { token }, "clock.cancel-timer")
    }
}

fn change_timer(data: &mut Data, change: TimerChange, call: &str) -> Answer<()> {
    let timed = data.timed;
    let turn = turn(data, call)?;
    if !timed {
        return Err(Stop::denied(call, "only agents of the world `timed-agent` have timers"));
    }
    if turn.timers.len() >= turn.limits.timers_per_agent_max {
        return Err(Stop::denied(call, "the turn changes more timers than an agent may have"));
    }
    turn.timers.push(change);
    Ok(())
}

impl log::Host for Data {
    fn enabled(&mut self) -> Answer<log::Level> {
        Ok(match self.output.level_min() {
            0 | 1 => log::Level::Trace,
            2 => log::Level::Debug,
            3 => log::Level::Info,
            4 => log::Level::Warn,
            _ => log::Level::Error,
        })
    }

    fn emit(&mut self, level: log::Level, text: String) -> Answer<()> {
        let level = match level {
            log::Level::Trace => 1,
            log::Level::Debug => 2,
            log::Level::Info => 3,
            log::Level::Warn => 4,
            log::Level::Error => 5,
        };
        let lines_max = self.turn.limits.log_lines_max;
        self.output.log(level, &text, &mut self.turn.logs, lines_max);
        Ok(())
    }
}

type Value = Option<Arc<[u8]>>;

impl state::Host for Data {
    fn get(&mut self, key: String) -> Answer<Result<Option<Vec<u8>>, types::Fault>> {
        let turn = turn(self, "state.get")?;
        let value = match turn.puts.get(&key) {
            Some(put) => put.as_ref(),
            None => turn.state.get(&key),
        };
        Ok(Ok(value.map(|bytes| bytes.to_vec())))
    }

    fn put(&mut self, entries: Vec<(String, Option<Vec<u8>>)>) -> Answer<Result<(), types::Fault>> {
        let turn = turn(self, "state.put")?;
        if let Some(fault) = check_put(&entries, &turn.puts, turn.limits.state_bytes_max) {
            return Ok(Err(fault));
        }
        for (key, value) in entries {
            turn.puts.insert(key, value.map(Arc::from));
        }
        Ok(Ok(()))
    }
}

/// Refuses what could never commit; the kernel compares the whole state with the bound when the turn commits.
fn check_put(
    entries: &[(String, Option<Vec<u8>>)],
    staged: &BTreeMap<String, Value>,
    bytes_max: usize,
) -> Option<types::Fault> {
    if entries.len().saturating_add(staged.len()) > PUT_ENTRIES_MAX {
        let detail = format!("a turn puts at most {PUT_ENTRIES_MAX} entries");
        return Some(state_fault(types::FaultKind::Overloaded, "state.too-many-entries", detail));
    }
    if entries.iter().any(|(key, _)| key.is_empty() || key.len() > KEY_BYTES_MAX) {
        let detail = format!("a key has 1 to {KEY_BYTES_MAX} bytes");
        return Some(state_fault(types::FaultKind::Permanent, "state.key-invalid", detail));
    }
    let size = |key: &str, value: Option<usize>| value.map_or(0, |bytes| key.len().saturating_add(bytes));
    let coming: usize = entries.iter().map(|(key, value)| size(key, value.as_ref().map(Vec::len))).sum();
    let before: usize =
        staged.iter().map(|(key, value)| size(key, value.as_ref().map(|bytes| bytes.len()))).sum();
    if coming.saturating_add(before) > bytes_max {
        let detail = format!("an agent's state has at most {bytes_max} bytes");
        return Some(state_fault(types::FaultKind::Overloaded, "state.full", detail));
    }
    None
}
