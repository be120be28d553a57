//! What a case is, and the list of them.

use crate::{Failure, boundary, codec, contract_net, ingest, payload, turn};

/// A prepared hot path: each call takes the same number of messages through it.
///
/// # Errors
/// The path did not do what it is measured for.
pub type Step = Box<dyn FnMut() -> Result<(), Failure>>;

/// A hot path that is measured by itself.
#[derive(Clone, Copy)]
pub struct Case {
    /// Its name in the baseline.
    pub name: &'static str,
    /// Messages of one step.
    pub messages: u64,
    /// Prepares it.
    pub prepare: fn() -> Result<Step, Failure>,
}

/// Most messages for which one preparation serves; see [`Case::run`].
pub const MESSAGES_MAX: u64 = 65_536;

/// Every case.
pub const CASES: &[Case] = &[
    Case { name: "ingest-1", messages: 1, prepare: ingest::one },
    Case { name: "ingest-64", messages: 64, prepare: ingest::batch },
    Case { name: "turn-1", messages: 1, prepare: turn::one },
    Case { name: "turn-64", messages: 64, prepare: turn::batch },
    Case { name: "one-way-64", messages: turn::CREDIT, prepare: turn::one_way },
    Case { name: "contract-net-10", messages: contract_net::MESSAGES, prepare: contract_net::nets },
    Case { name: "abi-observe-1", messages: 1, prepare: boundary::observe_one },
    Case { name: "abi-observe-64", messages: 64, prepare: boundary::observe_batch },
    Case { name: "abi-route-64", messages: 64, prepare: boundary::route_batch },
    Case { name: "abi-deliver-64", messages: 64, prepare: boundary::deliver_batch },
    Case { name: "string-read", messages: 1, prepare: codec::string_read },
    Case { name: "string-write", messages: 1, prepare: codec::string_write },
    Case { name: "json-read", messages: 1, prepare: codec::json_read },
    Case { name: "json-write", messages: 1, prepare: codec::json_write },
    Case { name: "payload-share", messages: 1, prepare: payload::share },
];

/// The case of a name.
pub fn find(name: &str) -> Option<&'static Case> {
    CASES.iter().find(|case| case.name == name)
}

impl Case {
    /// Prepares the path and takes so many messages through it, rounded up to whole steps; at most [`MESSAGES_MAX`],
    /// because nothing empties the mailbox into which a case puts messages.
    ///
    /// # Errors
    /// The path did not do what it is measured for.
    pub fn run(&self, messages: u64) -> Result<(), Failure> {
        let mut step = (self.prepare)()?;
        (0..messages.div_ceil(self.messages)).try_for_each(|_| step())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_case_does_what_it_is_measured_for() {
        for case in CASES {
            assert_eq!(case.run(1_000), Ok(()), "{}", case.name);
        }
    }

    #[test]
    fn names_are_different() {
        let names: BTreeSet<_> = CASES.iter().map(|case| case.name).collect();
        assert_eq!(names.len(), CASES.len());
    }
}
