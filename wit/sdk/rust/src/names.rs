//! Names and symbols as text, remembered in the instance so that a name costs one call to the host.

use std::{cell::RefCell, collections::BTreeMap, rc::Rc};

use crate::host::{AgentRef, host};

/// Entries that one cache keeps; a full cache starts over, so it costs memory of a known size and never an error.
const CACHE_ENTRIES_MAX: usize = 1024;

type Cache = RefCell<BTreeMap<u32, Rc<str>>>;

thread_local! {
    static AGENTS: Cache = const { RefCell::new(BTreeMap::new()) };
    static TEXTS: Cache = const { RefCell::new(BTreeMap::new()) };
    static SYMBOLS: RefCell<BTreeMap<Rc<str>, u32>> = const { RefCell::new(BTreeMap::new()) };
}

/// The full name of an agent; `#7` when the host does not know the number.
pub fn name_of(agent: AgentRef) -> Rc<str> {
    AGENTS
        .with(|cache| cached(cache, agent, || host().name_of(agent)))
        .unwrap_or_else(|| format!("#{agent}").into())
}

/// The number behind a name: an agent, `group:NAME` or `capability:NAME`. Not remembered, because names move.
pub fn resolve(name: &str) -> Option<AgentRef> {
    host().resolve(name)
}

/// The agents behind a name: itself, the members of a group, the providers of a capability.
pub fn find(name: &str) -> Vec<AgentRef> {
    host().find(name)
}

pub(crate) fn symbol_name(symbol: u32) -> Option<Rc<str>> {
    match symbol {
        0 => None,
        _ => TEXTS.with(|cache| cached(cache, symbol, || host().symbol_name(symbol))),
    }
}

pub(crate) fn intern(text: &str) -> u32 {
    SYMBOLS.with_borrow_mut(|symbols| {
        if let Some(symbol) = symbols.get(text) {
            return *symbol;
        }
        let symbol = host().intern(text);
        if symbols.len() >= CACHE_ENTRIES_MAX {
            symbols.clear();
        }
        symbols.insert(text.into(), symbol);
        symbol
    })
}

/// Forgets everything; a new instance, or a test that installs another host, begins with empty caches.
pub(crate) fn forget() {
    AGENTS.with_borrow_mut(BTreeMap::clear);
    TEXTS.with_borrow_mut(BTreeMap::clear);
    SYMBOLS.with_borrow_mut(BTreeMap::clear);
}

fn cached(cache: &Cache, number: u32, ask: impl FnOnce() -> Option<String>) -> Option<Rc<str>> {
    let mut cache = cache.borrow_mut();
    if let Some(text) = cache.get(&number) {
        return Some(text.clone());
    }
    let text: Rc<str> = ask()?.into();
    if cache.len() >= CACHE_ENTRIES_MAX {
        cache.clear();
    }
    cache.insert(number, text.clone());
    Some(text)
}
