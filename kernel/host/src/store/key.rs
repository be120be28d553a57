//! The keys under which the server keeps things: one letter for the kind, a slash, and a number or a name.
//!
//! Numbers are big-endian, so that the order of keys is the order of numbers.

use std::fmt::Write;

/// Accepted messages, by number.
pub const MESSAGES: &[u8] = b"m/";
/// How often a message was handed out, by the message's number.
pub const COUNTS: &[u8] = b"c/";
/// Dead letters, by number.
pub const LETTERS: &[u8] = b"d/";
/// Message ids that senders chose, by number.
pub const SIGHTINGS: &[u8] = b"s/";
/// Deployed agents, by name.
pub const AGENTS: &[u8] = b"a/";
/// Records that could not be read, by the key under which they lay.
pub const ASIDE: &[u8] = b"x/";
/// The version of all this.
pub const VERSION: &[u8] = b"v";

/// The key of a number.
pub fn numbered(kind: &[u8], number: u64) -> Vec<u8> {
    [kind, &number.to_be_bytes()].concat()
}

/// The key of a name.
pub fn named(kind: &[u8], name: &[u8]) -> Vec<u8> {
    [kind, name].concat()
}

/// The number in a key of a kind; `None` for a key of another form.
pub fn number(kind: &[u8], key: &[u8]) -> Option<u64> {
    let digits = key.strip_prefix(kind)?.try_into().ok()?;
    Some(u64::from_be_bytes(digits))
}

/// The first key behind all of a kind.
pub fn end(kind: &[u8]) -> Vec<u8> {
    let mut end = kind.to_vec();
    if let Some(last) = end.last_mut() {
        *last = last.saturating_add(1);
    }
    end
}

/// The key right behind another.
pub fn next(key: &[u8]) -> Vec<u8> {
    [key, &[0]].concat()
}

/// A key for people: `m/17`, and what is neither a number's nor text in hexadecimal digits.
pub fn shown(key: &[u8]) -> String {
    let kinds = [MESSAGES, COUNTS, LETTERS, SIGHTINGS];
    if let Some((kind, number)) = kinds.iter().find_map(|kind| Some((kind, number(kind, key)?))) {
        return format!("{}{number}", String::from_utf8_lossy(kind));
    }
    match std::str::from_utf8(key) {
        Ok(text) if !text.contains(char::is_control) => text.to_owned(),
        _ => key.iter().fold("0x".to_owned(), |mut text, byte| {
            let _never_fails = write!(text, "{byte:02x}");
            text
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_ordered_as_their_numbers() {
        let keys: Vec<_> = [1, 255, 256, u64::MAX].map(|number| numbered(MESSAGES, number)).into();
        assert!(keys.is_sorted());
        assert!(keys.iter().all(|key| *key < end(MESSAGES)));
        assert_eq!(number(MESSAGES, &numbered(MESSAGES, 256)), Some(256));
        assert_eq!(number(COUNTS, &numbered(MESSAGES, 256)), None);
    }

    #[test]
    fn a_key_is_shown_as_what_it_names() {
        assert_eq!(shown(&numbered(LETTERS, 17)), "d/17");
        assert_eq!(shown(b"a/echo@caxton"), "a/echo@caxton");
        assert_eq!(shown(&[b'm', b'/', 7]), "0x6d2f07");
    }
}
