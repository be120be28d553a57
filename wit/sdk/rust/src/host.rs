//! The one door to the host: what the world imports, behind a trait so that the logic above runs in native tests too.
//!
//! In a component the door leads to the WIT imports. A native test installs its own with
//! [`crate::testing::ScriptedHost::install`]; without one a call panics, as the generated bindings do.

use std::{cell::RefCell, rc::Rc};

use crate::{
    Fault, Instant,
    bindings::caxton::agent::{bus, clock, directory, log, state, types as wire},
};

/// The number of an agent, a group, a capability or an endpoint on this node; zero is nobody.
pub type AgentRef = u32;

/// An id of a message or a conversation; all zero is none.
pub use crate::bindings::caxton::agent::types::Uid;

/// How grave a log line is.
pub use crate::bindings::caxton::agent::log::Level;

/// One change of the key-value state: the key, and its value or `None` to remove it.
pub type StateEntry = (String, Option<Vec<u8>>);

/// What an agent may ask of its host; one method for each import of the world.
pub trait Host {
    /// Stages drafts in the turn's outbox, all or nothing.
    fn send(&self, batch: &[wire::Draft]) -> Result<Vec<Uid>, Fault>;
    /// Mints a conversation's id.
    fn new_conversation(&self) -> Uid;
    /// The number behind a name.
    fn resolve(&self, name: &str) -> Option<AgentRef>;
    /// The full name behind a number.
    fn name_of(&self, agent: AgentRef) -> Option<String>;
    /// The agents behind a name, a group or a capability.
    fn find(&self, name: &str) -> Vec<AgentRef>;
    /// The symbol of a text.
    fn intern(&self, text: &str) -> u32;
    /// The text of a symbol.
    fn symbol_name(&self, symbol: u32) -> Option<String>;
    /// When the turn began.
    fn now(&self) -> Instant;
    /// Asks for a turn at a time.
    fn set_timer(&self, at: Instant, token: u32);
    /// Forgets a timer.
    fn cancel_timer(&self, token: u32);
    /// The lowest level that is recorded.
    fn log_level(&self) -> Level;
    /// Records a line.
    fn log(&self, level: Level, text: &str);
    /// The value of a key.
    fn get(&self, key: &str) -> Result<Option<Vec<u8>>, Fault>;
    /// Changes keys when the turn commits.
    fn put(&self, entries: &[StateEntry]) -> Result<(), Fault>;
}

thread_local! {
    static HOST: RefCell<Rc<dyn Host>> = RefCell::new(Rc::new(Imports));
}

pub(crate) fn host() -> Rc<dyn Host> {
    HOST.with_borrow(Rc::clone)
}

#[cfg(not(target_arch = "wasm32"))]
pub(crate) fn install(host: Rc<dyn Host>) {
    HOST.set(host);
}

struct Imports;

impl Host for Imports {
    fn send(&self, batch: &[wire::Draft]) -> Result<Vec<Uid>, Fault> {
        bus::send(batch).map_err(Fault::from)
    }
    fn new_conversation(&self) -> Uid {
        bus::new_conversation()
    }
    fn resolve(&self, name: &str) -> Option<AgentRef> {
        directory::resolve(name)
    }
    fn name_of(&self, agent: AgentRef) -> Option<String> {
        directory::name_of(agent)
    }
    fn find(&self, name: &str) -> Vec<AgentRef> {
        directory::find(name)
    }
    fn intern(&self, text: &str) -> u32 {
        directory::intern(text)
    }
    fn symbol_name(&self, symbol: u32) -> Option<String> {
        directory::symbol_name(symbol)
    }
    fn now(&self) -> Instant {
        let now = clock::now();
        Instant::new(now.seconds, now.nanos)
    }
    fn set_timer(&self, at: Instant, token: u32) {
        clock::set_timer(at.to_wire(), token);
    }
    fn cancel_timer(&self, token: u32) {
        clock::cancel_timer(token);
    }
    fn log_level(&self) -> Level {
        log::enabled()
    }
    fn log(&self, level: Level, text: &str) {
        log::emit(level, text);
    }
    fn get(&self, key: &str) -> Result<Option<Vec<u8>>, Fault> {
        state::get(key).map_err(Fault::from)
    }
    fn put(&self, entries: &[StateEntry]) -> Result<(), Fault> {
        state::put(entries).map_err(Fault::from)
    }
}
