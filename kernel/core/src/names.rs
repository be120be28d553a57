//! Names and their numbers: addresses of agents, endpoints, groups and capabilities, and symbols of protocols and such.
//!
//! An address is a `u32` that counts up and is never given to another name. The table is bounded; when it is full,
//! names that nobody holds, routes or waits for are forgotten (see `Names::intern`). Symbols are never forgotten.

use std::collections::HashMap;

use caxton_abi::Code;

/// Bytes of a name (SC00023 sets none; long enough for a path, short enough for a log line).
pub const NAME_BYTES_MAX: usize = 255;

/// Symbols that have the same number in every server.
pub mod symbols {
    /// `fipa-contract-net`, SC00029.
    pub const CONTRACT_NET: u32 = 1;
    /// `fipa-request`, SC00026.
    pub const REQUEST: u32 = 2;
    /// `fipa-query`, SC00027.
    pub const QUERY: u32 = 3;
    /// `fipa-request-when`, SC00028.
    pub const REQUEST_WHEN: u32 = 4;
    /// `fipa-iterated-contract-net`, SC00030.
    pub const ITERATED_CONTRACT_NET: u32 = 5;
    /// `fipa-brokering`, SC00033.
    pub const BROKERING: u32 = 6;
    /// `fipa-recruiting`, SC00034.
    pub const RECRUITING: u32 = 7;
    /// `fipa-subscribe`, SC00035.
    pub const SUBSCRIBE: u32 = 8;
    /// `fipa-propose`, SC00036.
    pub const PROPOSE: u32 = 9;
    /// `fipa-cancel-meta-protocol`.
    pub const CANCEL_META: u32 = 10;
    /// `json`, the language of the platform's failures.
    pub const JSON: u32 = 11;

    pub(super) const WELL_KNOWN: [(&str, u32); 11] = [
        ("fipa-contract-net", CONTRACT_NET),
        ("fipa-request", REQUEST),
        ("fipa-query", QUERY),
        ("fipa-request-when", REQUEST_WHEN),
        ("fipa-iterated-contract-net", ITERATED_CONTRACT_NET),
        ("fipa-brokering", BROKERING),
        ("fipa-recruiting", RECRUITING),
        ("fipa-subscribe", SUBSCRIBE),
        ("fipa-propose", PROPOSE),
        ("fipa-cancel-meta-protocol", CANCEL_META),
        ("json", JSON),
    ];
}

/// Completes a local name to `local@platform` and checks it. Names with a scheme (`capability:x`) stay as they are.
///
/// # Errors
/// [`Code::NAME_INVALID`] for an empty or too long name, or one with spaces, controls or parentheses.
pub fn complete(name: &str, platform: &str) -> Result<String, Code> {
    let full = if name.contains(['@', ':']) { name.to_owned() } else { format!("{name}@{platform}") };
    let forbidden = |c: char| c.is_control() || c.is_whitespace() || matches!(c, '(' | ')');
    let local_is_empty = name.is_empty() || name.starts_with('@');
    if local_is_empty || full.len() > NAME_BYTES_MAX || full.contains(forbidden) {
        return Err(Code::NAME_INVALID);
    }
    Ok(full)
}

/// True for names that a router resolves, such as `group:bidders`.
pub(crate) fn has_scheme(name: &str) -> bool {
    let local = name.split('@').next().unwrap_or(name);
    local.contains(':')
}

/// The address table.
pub(crate) struct Names {
    by_name: HashMap<String, u32>,
    by_address: HashMap<u32, Entry>,
    next: u32,
    names_max: usize,
}

struct Entry {
    name: String,
    holders: u32,
}

impl Names {
    pub(crate) fn new(names_max: usize) -> Self {
        Self { by_name: HashMap::new(), by_address: HashMap::new(), next: 1, names_max }
    }

    pub(crate) fn address(&self, name: &str) -> Option<u32> {
        self.by_name.get(name).copied()
    }

    pub(crate) fn name(&self, address: u32) -> Option<&str> {
        self.by_address.get(&address).map(|entry| entry.name.as_str())
    }

    /// The address of a full name. When the table is full, names without a holder for which `in_use` is false go.
    pub(crate) fn intern(&mut self, name: &str, in_use: &dyn Fn(u32) -> bool) -> Result<u32, Code> {
        if let Some(address) = self.address(name) {
            return Ok(address);
        }
        if self.by_name.len() >= self.names_max {
            self.forget_unused(in_use);
        }
        if self.by_name.len() >= self.names_max || self.next == u32::MAX {
            return Err(Code::NAMES_EXHAUSTED);
        }
        let address = self.next;
        self.next += 1;
        self.by_name.insert(name.to_owned(), address);
        self.by_address.insert(address, Entry { name: name.to_owned(), holders: 0 });
        Ok(address)
    }

    /// Keeps the name while an agent or endpoint has it.
    pub(crate) fn hold(&mut self, address: u32) {
        if let Some(entry) = self.by_address.get_mut(&address) {
            entry.holders += 1;
        }
    }

    /// Ends [`Names::hold`]. The name stays known until its place is needed, so that logs can still show it.
    pub(crate) fn let_go(&mut self, address: u32) {
        if let Some(entry) = self.by_address.get_mut(&address) {
            entry.holders = entry.holders.saturating_sub(1);
        }
    }

    fn forget_unused(&mut self, in_use: &dyn Fn(u32) -> bool) {
        self.by_address.retain(|address, entry| entry.holders > 0 || in_use(*address));
        let kept = &self.by_address;
        self.by_name.retain(|_, address| kept.contains_key(address));
    }
}

/// The symbol table.
pub(crate) struct Symbols {
    by_text: HashMap<String, u32>,
    texts: Vec<String>,
    symbols_max: usize,
    symbol_bytes_max: usize,
}

impl Symbols {
    pub(crate) fn new(symbols_max: usize, symbol_bytes_max: usize) -> Self {
        let mut table = Self { by_text: HashMap::new(), texts: Vec::new(), symbols_max, symbol_bytes_max };
        for (text, _) in symbols::WELL_KNOWN {
            table.insert(text);
        }
        table
    }

    pub(crate) fn known(&self, text: &str) -> Option<u32> {
        self.by_text.get(text).copied()
    }

    /// The symbol of a text; zero when it is empty, too long, or the table is full.
    pub(crate) fn intern(&mut self, text: &str) -> u32 {
        if let Some(symbol) = self.known(text) {
            return symbol;
        }
        let fits = self.texts.len() < self.symbols_max && text.len() <= self.symbol_bytes_max;
        if text.is_empty() || !fits { 0 } else { self.insert(text) }
    }

    pub(crate) fn text(&self, symbol: u32) -> Option<&str> {
        let index = usize::try_from(symbol).ok()?.checked_sub(1)?;
        self.texts.get(index).map(String::as_str)
    }

    fn insert(&mut self, text: &str) -> u32 {
        self.texts.push(text.to_owned());
        let symbol = u32::try_from(self.texts.len()).unwrap_or(0);
        self.by_text.insert(text.to_owned(), symbol);
        symbol
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_local_name_is_completed_and_a_full_one_is_not() {
        assert_eq!(complete("bob", "here").unwrap(), "bob@here");
        assert_eq!(complete("bob@there", "here").unwrap(), "bob@there");
        assert_eq!(complete("capability:count", "here").unwrap(), "capability:count");
    }

    #[test]
    fn a_name_with_spaces_controls_or_parentheses_is_refused() {
        for name in ["", "a b", "a(b", "a\u{7}b", "@here", &"x".repeat(256)] {
            assert_eq!(complete(name, "here"), Err(Code::NAME_INVALID), "{name}");
        }
    }

    #[test]
    fn a_full_table_forgets_what_nobody_uses_and_never_gives_a_number_twice() {
        let mut names = Names::new(2);
        let first = names.intern("a@x", &|_| false).unwrap();
        names.hold(first);
        let second = names.intern("b@x", &|_| false).unwrap();
        let third = names.intern("c@x", &|_| false).unwrap();
        assert_eq!(names.name(second), None);
        assert_eq!(names.name(first), Some("a@x"));
        assert!(third > second);
        assert_eq!(names.intern("d@x", &|_| true), Err(Code::NAMES_EXHAUSTED));
    }

    #[test]
    fn well_known_protocols_have_their_numbers() {
        let table = Symbols::new(100, 100);
        for (text, number) in symbols::WELL_KNOWN {
            assert_eq!(table.known(text), Some(number), "{text}");
        }
    }

    #[test]
    fn a_full_symbol_table_gives_zero() {
        let mut table = Symbols::new(symbols::WELL_KNOWN.len() + 1, 8);
        assert_ne!(table.intern("new"), 0);
        assert_eq!(table.intern("newer"), 0);
        assert_eq!(table.intern(""), 0);
    }
}
