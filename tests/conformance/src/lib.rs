//! What every plugin of a port must hold, as checks that run against any of them.
//!
//! A check is a function over a port's trait, with a sentence that says what it holds. A plugin's own tests run all of
//! them by one line ([`store_contract!`]); a program may go through [`store::CHECKS`] and print the sentences.
//!
//! So far there is the store port. What a port's trait cannot show, such as configuration, belongs to the plugin's own
//! tests.

pub mod store;

use caxton_plugin::Error;

/// Why a check does not hold: expected against found.
#[derive(Debug)]
pub struct Failure(String);

impl Failure {
    /// Makes a failure.
    pub fn new(what: impl Into<String>) -> Self {
        Self(what.into())
    }
}

impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self(format!("the store refused: {error}"))
    }
}

impl From<std::io::Error> for Failure {
    fn from(error: std::io::Error) -> Self {
        Self(format!("the check could not run: {error}"))
    }
}

/// How a check ends.
pub type Held = Result<(), Failure>;

/// Fails the check when the two are not equal; the text says what they are.
fn same<T: PartialEq + std::fmt::Debug>(what: &str, found: &T, expected: &T) -> Held {
    if found == expected {
        return Ok(());
    }
    Err(Failure(format!("{what}: expected {}, found {}", shown(expected), shown(found))))
}

/// A value for a message, cut where nobody reads on.
fn shown(value: &impl std::fmt::Debug) -> String {
    let text = format!("{value:?}");
    match text.char_indices().nth(400) {
        Some((end, _)) => format!("{}… ({} bytes)", text.get(..end).unwrap_or_default(), text.len()),
        None => text,
    }
}
