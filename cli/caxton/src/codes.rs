//! The list of error codes, so that one can be looked up without a server.
//!
//! `codes.json` is produced from the server's own list, and the suite holds the two equal.

use std::sync::LazyLock;

use serde::{Deserialize, Serialize};

/// One code.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub struct Code {
    /// As `CX0302`.
    pub code: String,
    /// Its short name, as `unknown-receiver`.
    pub slug: String,
    /// The status of an HTTP answer with it.
    pub status: u16,
    /// What it means.
    pub meaning: String,
    /// What to do.
    pub fix: String,
}

static ALL: LazyLock<Vec<Code>> =
    LazyLock::new(|| serde_json::from_str(include_str!("codes.json")).unwrap_or_default());

/// Every code, in order.
pub fn all() -> &'static [Code] {
    &ALL
}

/// The code of a number or a short name: `CX0302`, `cx302`, `302` and `unknown-receiver` are the same.
pub fn find(text: &str) -> Option<&'static Code> {
    let digits = text.strip_prefix("CX").or_else(|| text.strip_prefix("cx")).unwrap_or(text);
    let code = digits.parse::<u16>().ok().map(|number| format!("CX{number:04}"));
    all().iter().find(|entry| code.as_deref() == Some(&entry.code) || entry.slug.eq_ignore_ascii_case(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_is_found_by_number_and_by_name() {
        for text in ["CX0302", "cx0302", "302", "0302", "unknown-receiver", "Unknown-Receiver"] {
            assert_eq!(find(text).map(|code| code.code.as_str()), Some("CX0302"), "{text}");
        }
        for text in ["", "CX", "CX9999", "unknown", "99999999"] {
            assert_eq!(find(text), None, "{text}");
        }
    }
}
