//! Reads what a store held when the server begins. Runs before the writer starts, so it has the store for itself.
//!
//! A record that cannot be read stops the start, because going on would lose it silently; the operator may have such
//! records put aside instead ([`Recover`]).

use std::collections::BTreeMap;

use caxton_abi::{
    Code, Payload,
    port::{StoreEntry, StoreOp},
};
use caxton_core::{Bus, store::Recovered};
use serde::Deserialize;

use super::{
    key,
    port::Port,
    record::{self, Unreadable},
    transaction::{put, remove},
};
use crate::plugin::Failure;

/// The version of the keys; see [`key`].
const FORMAT: &[u8] = &[1];

/// What a record that cannot be read does to the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Recover {
    /// It stops the start.
    #[default]
    Strict,
    /// It is put aside under `x/` and its key, and logged.
    Skip,
}

/// What was read.
#[derive(Debug, Default)]
pub struct Found {
    /// For the core.
    pub recovered: Recovered,
    /// Records of deployed agents, by name.
    pub agents: Vec<(String, Payload)>,
    /// Records that were put aside.
    pub aside: usize,
}

/// Reads all.
///
/// # Errors
/// [`Code::STORE_VERSION`], [`Code::STORE_DAMAGED`], what the port answers, or that this server's tables of names are too
/// small.
pub fn read(port: &dyn Port, bus: &Bus, policy: Recover) -> Result<Found, Failure> {
    version(port)?;
    let mut reader = Reader { port, policy, aside: 0 };
    let mut found = Found::default();
    let Recovered { messages, letters, sightings } = &mut found.recovered;

    let mut counts = BTreeMap::new();
    reader.each(key::COUNTS, |key, value| {
        counts.insert(numbered(key::COUNTS, key)?, record::read_count(value)?);
        Ok(())
    })?;
    reader.each(key::MESSAGES, |key, value| {
        let number = numbered(key::MESSAGES, key)?;
        let mut envelope = record::read_message(value, bus)?;
        envelope.head.stored = number;
        let counted = counts.get(&number).copied().unwrap_or_default();
        envelope.head.deliveries = envelope.head.deliveries.max(counted);
        messages.push(envelope);
        Ok(())
    })?;
    reader.each(key::LETTERS, |key, value| {
        letters.push(record::read_letter(numbered(key::LETTERS, key)?, value, bus)?);
        Ok(())
    })?;
    reader.each(key::SIGHTINGS, |key, value| {
        sightings.push(record::read_sighting(numbered(key::SIGHTINGS, key)?, value, bus)?);
        Ok(())
    })?;
    reader.each(key::AGENTS, |key, value| {
        let name = key.strip_prefix(key::AGENTS).unwrap_or_default();
        let name = std::str::from_utf8(name).map_err(|error| Unreadable::Damaged(error.to_string()))?;
        found.agents.push((name.to_owned(), Payload::from(record::versioned(value)?)));
        Ok(())
    })?;
    Ok(Found { aside: reader.aside, ..found })
}

/// Checks the version of the keys, or writes it into an empty store.
fn version(port: &dyn Port) -> Result<(), Failure> {
    match port.get(key::VERSION)? {
        Some(found) if found.as_slice() == FORMAT => Ok(()),
        Some(found) => {
            let text = format!(
                "the store under key `v` has format {:?}, this server reads {FORMAT:?}: start the version of the server \
                 that wrote it",
                found.as_slice()
            );
            Err(Failure::new(Code::STORE_VERSION, text))
        }
        None if port.page(&[], &[])?.is_empty() => port.write(&[put(key::VERSION.to_vec(), FORMAT.to_vec())]),
        None => {
            let text = "the store holds records and no version under key `v`: point the store's plugin at a store of \
                        this server, or at an empty one";
            Err(Failure::new(Code::STORE_DAMAGED, text))
        }
    }
}

fn numbered(kind: &[u8], key: &[u8]) -> Result<u64, Unreadable> {
    key::number(kind, key).ok_or_else(|| Unreadable::Damaged("its key has no number of 8 bytes".into()))
}

struct Reader<'a> {
    port: &'a dyn Port,
    policy: Recover,
    aside: usize,
}

impl Reader<'_> {
    /// Hands every record of a kind over, in the order of keys.
    fn each(
        &mut self,
        kind: &[u8],
        mut take: impl FnMut(&[u8], &[u8]) -> Result<(), Unreadable>,
    ) -> Result<(), Failure> {
        let (mut from, until) = (kind.to_vec(), key::end(kind));
        loop {
            let page = self.port.page(&from, &until)?;
            let Some(last) = page.last() else { return Ok(()) };
            from = key::next(&last.key);
            let mut moves = Vec::new();
            for entry in &page {
                if let Err(why) = take(&entry.key, entry.value.as_slice()) {
                    moves.extend(self.judge(entry, &why)?);
                }
            }
            if !moves.is_empty() {
                self.port.write(&moves)?;
            }
        }
    }

    /// Puts a record aside, or refuses to go on.
    fn judge(&mut self, entry: &StoreEntry, why: &Unreadable) -> Result<[StoreOp; 2], Failure> {
        let shown = key::shown(&entry.key);
        if let Unreadable::Name { code, .. } = why {
            let text = format!("record `{shown}` cannot be taken over: {why}: raise the limit");
            return Err(Failure::new(*code, text));
        }
        if self.policy == Recover::Strict {
            let text = format!(
                "record `{shown}` cannot be read: {why}: restore the store from a copy, or set \
                 `server.recover = \"skip\"`, which puts such records aside and goes on without them"
            );
            return Err(Failure::new(Code::STORE_DAMAGED, text));
        }
        self.aside += 1;
        tracing::error!(key = shown, %why, code = %Code::STORE_DAMAGED, "record put aside");
        let value = entry.value.as_slice().to_vec();
        Ok([put(key::named(key::ASIDE, &entry.key), value), remove(entry.key.to_vec())])
    }
}

#[cfg(test)]
mod tests;
