//! Agent identifiers (SC00061, SC00023): a name, where the agent may be reached, and who knows more.
//!
//! Two identifiers are equal when their names are, whatever else they say. Names are compared byte by byte (JADE
//! ignores case).

use std::{
    fmt,
    hash::{Hash, Hasher},
    str::FromStr,
};

use serde::{Serialize, Serializer, ser::SerializeMap};

use crate::{
    error::{Error, Place, shown, within},
    limits, params,
};

/// An agent identifier. Equality and hash are those of the name; see [`Aid::same`] for the whole.
#[derive(Clone, Debug)]
pub struct Aid {
    name: String,
    /// Transport addresses (URLs), best first.
    pub addresses: Vec<String>,
    /// Agents that resolve the name, best first.
    pub resolvers: Vec<Aid>,
    /// User parameters (`X-…`), in order.
    pub params: Vec<(String, String)>,
}

impl Aid {
    /// Makes an identifier of a name alone.
    ///
    /// # Errors
    /// [`Error::NameInvalid`], see [`check_name`].
    pub fn new(name: impl Into<String>) -> Result<Self, Error> {
        let name = name.into();
        check_name(&name)?;
        Ok(Self { name, addresses: Vec::new(), resolvers: Vec::new(), params: Vec::new() })
    }

    /// The whole name, `local@platform`.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The part before the last `@`; the whole name without one.
    pub fn local(&self) -> &str {
        self.name.rsplit_once('@').map_or(&self.name, |(local, _)| local)
    }

    /// The part after the last `@`.
    pub fn platform(&self) -> Option<&str> {
        self.name.rsplit_once('@').map(|(_, platform)| platform)
    }

    /// True when the identifier is its name and nothing else.
    pub const fn is_plain(&self) -> bool {
        self.addresses.is_empty() && self.resolvers.is_empty() && self.params.is_empty()
    }

    /// True when all of both identifiers is equal, resolvers included.
    pub fn same(&self, other: &Self) -> bool {
        self.name == other.name
            && self.addresses == other.addresses
            && self.params == other.params
            && all_same(&self.resolvers, &other.resolvers)
    }

    /// Checks addresses, resolvers and user parameters against their limits.
    ///
    /// # Errors
    /// [`Error::Malformed`], for the first part that is over its limit or cannot be written.
    pub fn check(&self) -> Result<(), Error> {
        self.check_within(limits::RESOLVER_DEPTH_MAX)
    }

    fn check_within(&self, depth_left: usize) -> Result<(), Error> {
        within("addresses", "entries", self.addresses.len(), limits::ADDRESSES_MAX)?;
        self.addresses.iter().try_for_each(|address| check_address(address))?;
        params::check_all(&self.params)?;
        within("resolvers", "entries", self.resolvers.len(), limits::RESOLVERS_MAX)?;
        for resolver in &self.resolvers {
            let below = depth_left.checked_sub(1).ok_or_else(too_deep)?;
            resolver.check_within(below)?;
        }
        Ok(())
    }
}

/// True when both lists hold the same identifiers in the same order, in all parts.
pub(crate) fn all_same(one: &[Aid], other: &[Aid]) -> bool {
    one.len() == other.len() && one.iter().zip(other).all(|(a, b)| a.same(b))
}

/// The error for resolvers of resolvers beyond [`limits::RESOLVER_DEPTH_MAX`].
pub(crate) fn too_deep() -> Error {
    let max = limits::RESOLVER_DEPTH_MAX;
    Error::malformed(
        format!("at most {max} levels of resolvers"),
        "one more",
        "name fewer resolvers of resolvers",
    )
}

/// Checks a name: 1 to 255 bytes; no white space, control characters, parentheses, quotes, characters that reorder or
/// hide text; no `..` between slashes; nothing empty beside an `@`.
///
/// # Errors
/// [`Error::NameInvalid`], with the reason.
pub fn check_name(name: &str) -> Result<(), Error> {
    fault(name)
        .map_or(Ok(()), |why| Err(Error::NameInvalid { place: Place::Unknown, found: shown(name), why }))
}

fn fault(name: &str) -> Option<&'static str> {
    if name.is_empty() {
        return Some("it is empty");
    }
    if name.len() > limits::NAME_BYTES_MAX {
        return Some("it is too long");
    }
    if name.starts_with('@') || name.ends_with('@') {
        return Some("nothing stands beside the @");
    }
    if name.split(['/', '\\']).any(|part| part == "..") {
        return Some("it climbs by ..");
    }
    name.chars().find_map(character_fault)
}

fn character_fault(character: char) -> Option<&'static str> {
    match character {
        '(' | ')' => Some("it has a parenthesis"),
        '"' | '\'' | '`' => Some("it has a quote"),
        // Marks, embeddings, overrides and isolates of the bidirectional algorithm (Unicode annex 9).
        '\u{061c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => {
            Some("it has a character that reorders text")
        }
        '\u{200b}' | '\u{2060}' | '\u{feff}' => Some("it has an invisible character"),
        _ if character.is_control() => Some("it has a control character"),
        _ if character.is_whitespace() => Some("it has white space"),
        _ => None,
    }
}

/// Checks one transport address: visible characters only, and not longer than a URL may be.
fn check_address(address: &str) -> Result<(), Error> {
    within("an address", "bytes", address.len(), limits::ADDRESS_BYTES_MAX)?;
    if address.is_empty() || address.contains(|c: char| c.is_whitespace() || c.is_control()) {
        return Err(Error::malformed("an address", shown(address), "write a URL without white space"));
    }
    Ok(())
}

impl PartialEq for Aid {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

impl Eq for Aid {}

impl Hash for Aid {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.name.hash(state);
    }
}

impl FromStr for Aid {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self, Error> {
        Self::new(name)
    }
}

/// Shows the name.
impl fmt::Display for Aid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.name)
    }
}

/// A string when the identifier is plain, else an object with name, addresses, resolvers and user parameters.
impl Serialize for Aid {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if self.is_plain() {
            return serializer.serialize_str(&self.name);
        }
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("name", &self.name)?;
        if !self.addresses.is_empty() {
            map.serialize_entry("addresses", &self.addresses)?;
        }
        if !self.resolvers.is_empty() {
            map.serialize_entry("resolvers", &self.resolvers)?;
        }
        for (name, value) in &self.params {
            map.serialize_entry(name, value)?;
        }
        map.end()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn why(name: &str) -> &'static str {
        match Aid::new(name) {
            Err(Error::NameInvalid { why, .. }) => why,
            other => panic!("{name}: {other:?}"),
        }
    }

    #[test]
    fn splits_at_the_last_at() {
        let aid = Aid::new("bob@home@caxton").unwrap();
        assert_eq!((aid.local(), aid.platform()), ("bob@home", Some("caxton")));
        let bare = Aid::new("bob").unwrap();
        assert_eq!((bare.local(), bare.platform()), ("bob", None));
    }

    #[test]
    fn is_equal_by_name_alone() {
        let plain = Aid::new("a@p").unwrap();
        let mut known = plain.clone();
        known.addresses.push("http://host:7778/acc".to_owned());
        assert_eq!(plain, known);
        assert!(!plain.same(&known));
    }

    #[test]
    fn refuses_hostile_names_with_the_reason() {
        assert_eq!(why(""), "it is empty");
        assert_eq!(why(&"a".repeat(256)), "it is too long");
        assert_eq!(why("@p"), "nothing stands beside the @");
        assert_eq!(why("a@"), "nothing stands beside the @");
        assert_eq!(why("../../etc/passwd"), "it climbs by ..");
        assert_eq!(why("a\\..\\b"), "it climbs by ..");
        assert_eq!(why("a\0b"), "it has a control character");
        assert_eq!(why("a\nb"), "it has a control character");
        assert_eq!(why("a b"), "it has white space");
        assert_eq!(why("a\u{a0}b"), "it has white space");
        assert_eq!(why("a(b"), "it has a parenthesis");
        assert_eq!(why("a\"b"), "it has a quote");
        assert_eq!(why("a\u{202e}b"), "it has a character that reorders text");
        assert_eq!(why("a\u{200b}b"), "it has an invisible character");
    }

    #[test]
    fn accepts_names_of_any_script() {
        for name in [
            "a",
            "агент@caxton",
            "1a@p",
            "#x",
            "-x",
            ":name",
            "a..b",
            "a/b.c",
            "bidder-7@127.0.0.1:1099/JADE",
        ] {
            assert!(Aid::new(name).is_ok(), "{name}");
        }
    }

    #[test]
    fn refuses_resolvers_beyond_the_depth() {
        let chain = |levels| {
            (0..levels).fold(Aid::new("end").unwrap(), |inner, level| {
                let mut outer = Aid::new(format!("r{level}")).unwrap();
                outer.resolvers.push(inner);
                outer
            })
        };
        assert_eq!(chain(limits::RESOLVER_DEPTH_MAX).check(), Ok(()));
        assert!(chain(limits::RESOLVER_DEPTH_MAX + 1).check().is_err());
    }

    #[test]
    fn refuses_addresses_that_a_codec_could_not_write() {
        let mut aid = Aid::new("a").unwrap();
        for address in ["", "http://a b", "http://a\n"] {
            aid.addresses = vec![address.to_owned()];
            assert!(aid.check().is_err(), "{address:?}");
        }
    }
}
